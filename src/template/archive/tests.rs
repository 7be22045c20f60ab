//! What is read from an archive, and what is refused.

use std::io::Write;

use ::tar::{Builder, EntryType, Header};
use ::zip::ZipWriter;
use ::zip::write::SimpleFileOptions;
use proptest::prelude::*;

use super::contents::MAX_ENTRIES;
use super::*;

const TAR: &str = "application/x-tar";
const ZIP: &str = "application/zip";

/// A header as it is, without what a builder would clean.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// A tar of entries; a name that ends in a slash is a folder's.
fn tar_of(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in entries {
        let kind = if name.ends_with('/') {
            EntryType::Directory
        } else {
            EntryType::Regular
        };
        let header = header(name, kind, content.len() as u64);
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip_of(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        if name.ends_with('/') {
            writer
                .add_directory(*name, SimpleFileOptions::default())
                .unwrap();
        } else {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn paths(archive: &Archive<'_>) -> (Vec<String>, Vec<String>) {
    let files = archive.files.keys().cloned().collect();
    (files, archive.folders.iter().cloned().collect())
}

/// Why a tar is refused.
fn refused(bytes: &[u8]) -> String {
    read(bytes, TAR).unwrap_err().to_string()
}

#[test]
fn a_tar_has_files_and_the_folders_that_have_an_entry() {
    let bytes = tar_of(&[
        ("main.tf", "a = 1\n"),
        ("with/", ""),
        ("with/a.tf", "b"),
        ("without/a.tf", ""),
    ]);
    let archive = read(&bytes, TAR).unwrap();
    let (files, folders) = paths(&archive);
    assert_eq!(files, ["main.tf", "with/a.tf", "without/a.tf"]);
    assert_eq!(folders, ["with"]);
    assert_eq!(archive.files["main.tf"].as_ref(), b"a = 1\n");
    assert_eq!(archive.files["without/a.tf"].as_ref(), b"");
}

#[test]
fn a_zip_is_read_where_the_mime_type_says_so_and_gives_the_same() {
    let entries = [("main.tf", "a = 1\n"), ("with/", ""), ("with/a.tf", "b")];
    let zip = zip_of(&entries);
    let tar = tar_of(&entries);
    for mimetype in [ZIP, "application/x-zip-compressed"] {
        assert_eq!(read(&zip, mimetype), read(&tar, TAR));
        assert!(read(&tar, mimetype).is_err());
    }
    assert!(read(&zip, TAR).is_err());
    assert!(read(&zip, "").is_err());
}

#[test]
fn a_dot_and_repeated_slashes_in_a_name_are_cleaned_away() {
    let bytes = tar_of(&[
        ("./", ""),
        ("./main.tf", ""),
        (".//a/./", ""),
        ("a//b.tf", ""),
    ]);
    let (files, folders) = paths(&read(&bytes, TAR).unwrap());
    assert_eq!(files, ["a/b.tf", "main.tf"]);
    assert_eq!(folders, ["a"]);
}

#[test]
fn a_long_name_is_read_however_it_is_written() {
    let name = format!("{}/{}.tf", "f".repeat(150), "n".repeat(150));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    builder.append_data(&mut header, &name, &b"x"[..]).unwrap();
    let gnu = builder.into_inner().unwrap();

    let mut builder = Builder::new(Vec::new());
    let records = [("path", name.as_bytes()), ("mtime", b"1.5")];
    builder.append_pax_extensions(records).unwrap();
    builder
        .append(&self::header("short", EntryType::Regular, 1), &b"x"[..])
        .unwrap();
    let pax = builder.into_inner().unwrap();

    for bytes in [gnu, pax] {
        let archive = read(&bytes, TAR).unwrap();
        assert_eq!(archive.files[&name].as_ref(), b"x");
    }
}

#[test]
fn a_name_that_may_be_read_otherwise_is_refused() {
    for name in [
        "../main.tf",
        "a/../main.tf",
        "..",
        "/main.tf",
        "a\\b.tf",
        "a\nb.tf",
        ".",
        "a/./..",
    ] {
        let error = read(&tar_of(&[("x", ""), (name, "")]), TAR).unwrap_err();
        let file = error.file.expect("the entry is named");
        assert!(!file.contains('\n'), "{file:?}");
        assert!(
            read(&zip_of(&[("x", ""), (name, "")]), ZIP).is_err(),
            "{name:?}"
        );
    }
    let mut other = tar_of(&[("main.tf", "")]);
    other[0] = 0xff;
    let mut header = Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&other[..512]);
    header.set_cksum();
    other[..512].copy_from_slice(header.as_bytes());
    assert!(refused(&other).contains("not UTF-8"));
}

#[test]
fn a_path_that_is_there_twice_is_refused() {
    for twice in [
        [("a.tf", "1"), ("a.tf", "2")],
        [("a.tf", "1"), ("./a.tf", "1")],
        [("a/", ""), ("a/", "")],
        [("a/", ""), ("a", "")],
    ] {
        assert!(refused(&tar_of(&twice)).contains("twice"), "{twice:?}");
    }
    // The library that reads a zip keeps one of the two and says nothing.
    let mut zip = zip_of(&[("a.tf", "1"), ("b.tf", "2")]);
    for at in 0..zip.len() - 4 {
        if zip[at..].starts_with(b"b.tf") {
            zip[at] = b'a';
        }
    }
    assert!(read(&zip, ZIP).is_err());
    let zip = zip_of(&[("a.tf", "1"), ("./a.tf", "2")]);
    assert!(read(&zip, ZIP).unwrap_err().to_string().contains("twice"));
}

#[test]
fn a_file_with_files_in_it_is_refused() {
    assert!(refused(&tar_of(&[("a", ""), ("a/b", "")])).contains("other files in it"));
    assert!(refused(&tar_of(&[("a", ""), ("a/b/", "")])).contains("other files in it"));
    assert!(read(&tar_of(&[("a", ""), ("a-b", ""), ("a.b/c", "")]), TAR).is_ok());
}

#[test]
fn links_and_special_files_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Continuous,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
        EntryType::new(b'Z'),
    ] {
        let mut builder = Builder::new(Vec::new());
        builder.append(&header("a.tf", kind, 0), &b""[..]).unwrap();
        assert!(
            read(&builder.into_inner().unwrap(), TAR).is_err(),
            "{kind:?}"
        );
    }
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .add_symlink("a.tf", "b.tf", SimpleFileOptions::default())
        .unwrap();
    let zip = writer.finish().unwrap().into_inner();
    assert!(read(&zip, ZIP).unwrap_err().to_string().contains("link"));
}

#[test]
fn a_folder_with_content_and_a_file_named_as_a_folder_are_refused() {
    let mut builder = Builder::new(Vec::new());
    builder
        .append(&header("a/", EntryType::Directory, 1), &b"x"[..])
        .unwrap();
    assert!(refused(&builder.into_inner().unwrap()).contains("a folder has content"));
    let mut builder = Builder::new(Vec::new());
    builder
        .append(&header("a/", EntryType::Regular, 0), &b""[..])
        .unwrap();
    assert!(refused(&builder.into_inner().unwrap()).contains("ends as that of a folder"));
}

#[test]
fn an_extension_that_moves_content_or_names_twice_is_refused() {
    let extended = |records: &[(&str, &[u8])]| {
        let mut builder = Builder::new(Vec::new());
        builder
            .append_pax_extensions(records.iter().copied())
            .unwrap();
        builder
            .append(&header("a.tf", EntryType::Regular, 1), &b"x"[..])
            .unwrap();
        builder.into_inner().unwrap()
    };
    assert!(read(&extended(&[("mtime", b"1"), ("SCHILY.fflags", b"")]), TAR).is_ok());
    for records in [
        &[("size", &b"0"[..])][..],
        &[("GNU.sparse.major", b"1")],
        &[("GNU.sparse.name", b"b.tf")],
        &[("linkpath", b"b.tf")],
        &[("path", b"b.tf"), ("path", b"c.tf")],
        &[("path", b"")],
    ] {
        assert!(read(&extended(records), TAR).is_err(), "{records:?}");
    }
}

#[test]
fn an_archive_that_is_empty_or_cut_off_or_goes_on_is_refused() {
    assert!(refused(b"").contains("its end is missing"));
    assert!(refused(&[0; 1024]).contains("empty"));
    assert!(read(&zip_of(&[]), ZIP).is_err());
    assert!(read(b"", ZIP).is_err());

    let whole = tar_of(&[("a.tf", &"x".repeat(600)), ("b.tf", "y")]);
    for length in 0..whole.len() - 512 {
        assert!(read(&whole[..length], TAR).is_err(), "{length} bytes");
    }
    let mut longer = whole.clone();
    longer.extend_from_slice(&tar_of(&[("c.tf", "")]));
    assert!(refused(&longer).contains("something follows its end"));

    let whole = zip_of(&[("a.tf", "x"), ("b.tf", "y")]);
    for length in 0..whole.len() {
        assert!(read(&whole[..length], ZIP).is_err(), "{length} bytes");
    }
    for other in [[&whole[..], b"\0"].concat(), [b"\0", &whole[..]].concat()] {
        assert!(read(&other, ZIP).is_err());
    }
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    let zeros = String::from_utf8(vec![0; 9 << 20]).unwrap();
    let bomb = zip_of(&[("a.tf", &zeros)]);
    assert!(bomb.len() < 1 << 20);
    assert!(
        read(&bomb, ZIP)
            .unwrap_err()
            .to_string()
            .contains("bytes unpacked")
    );

    let half = &zeros[..5 << 20];
    let together = zip_of(&[("a.tf", half), ("b.tf", half)]);
    assert!(
        read(&together, ZIP)
            .unwrap_err()
            .to_string()
            .contains("bytes unpacked")
    );
    assert!(read(&zip_of(&[("a.tf", half)]), ZIP).is_ok());
}

#[test]
fn bytes_entries_and_paths_are_bounded() {
    assert!(refused(&vec![0; LARGEST_ARCHIVE + 1]).contains("bytes"));

    let names: Vec<_> = (0..=MAX_ENTRIES).map(|n| n.to_string()).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(refused(&tar_of(&entries)).contains("files and folders"));
    assert!(read(&tar_of(&entries[1..]), TAR).is_ok());
    assert!(read(&zip_of(&entries), ZIP).is_err());

    let deep = |depth: usize| format!("{}x", "a/".repeat(depth));
    assert!(read(&tar_of(&[(&deep(20), "")]), TAR).is_ok());
    assert!(refused(&tar_of(&[(&deep(40), "")])).contains("too many folders"));
    let long = "x".repeat(2000);
    let error = read(&zip_of(&[(&long, "")]), ZIP).unwrap_err();
    assert!(error.to_string().len() < 600, "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&bytes, TAR);
        let _ = read(&bytes, ZIP);
    }

    #[test]
    fn no_change_of_an_archive_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let entries = [("a.tf", "x = 1"), ("b/", ""), ("b/c.tf", "y = 2")];
        for (mut bytes, mimetype) in [(tar_of(&entries), TAR), (zip_of(&entries), ZIP)] {
            for (index, byte) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = read(&bytes, mimetype);
        }
    }
}
