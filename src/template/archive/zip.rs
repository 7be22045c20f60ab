//! Archives of the kind zip.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::contents::{Archive, MAX_ENTRIES, unreadable};
use super::path::Path;
use crate::template::proved::Reason;

/// Bytes of all files together. The product makes a tar of a zip before a provisioner reads
/// it, and that has to fit into a message of 4 MiB.
const MAX_UNPACKED: u64 = 8 << 20;

/// The record at the end of a zip, without a comment, and the fields that are looked at.
const END: usize = 22;
/// A record of its directory, without name, extra fields and comment.
const HEADER: usize = 46;

pub(super) fn read(bytes: &[u8]) -> Result<Archive<'_>, Reason> {
    let names = names(bytes).ok_or_else(|| unreadable("its directory is not as expected"))?;
    let mut reader = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    // The library keeps one of two entries with the same name.
    if reader.len() != names.len() || reader.offset() != 0 {
        return Err(unreadable("its directory is not as expected"));
    }
    let mut archive = Archive::default();
    let mut left = MAX_UNPACKED;
    for (index, name) in names.into_iter().enumerate() {
        let path = Path::new(name)?;
        let file = reader.by_index(index).map_err(unreadable)?;
        if file.name_raw() != name || file.name().as_bytes() != name {
            return Err(path.reason("this entry has more than one name"));
        }
        if file.is_symlink() {
            return Err(path.reason("this is a link"));
        }
        if !matches!(
            file.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return Err(path.reason("this entry is packed in a way that is not known"));
        }
        let folder = path.ends_in_slash();
        let kind = file.unix_mode().unwrap_or(0) & 0o170_000;
        if !matches!(kind, 0 | 0o100_000 | 0o040_000) || kind == 0o040_000 && !folder {
            return Err(path.reason("this is neither a file nor a folder"));
        }
        let declared = file.size();
        let mut content = Vec::new();
        // One byte more than may be: what the entry says of its size is not trusted.
        file.take(left + 1)
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        let size = content.len() as u64;
        left = left.checked_sub(size).ok_or_else(|| {
            Reason::of_rows(format!(
                "an archive has more than {MAX_UNPACKED} bytes unpacked"
            ))
        })?;
        if size != declared {
            return Err(path.reason("the size of this entry is not as it says"));
        }
        if folder && size > 0 {
            return Err(path.reason("a folder has content"));
        }
        if folder {
            archive.add_folder(&path)?;
        } else {
            archive.add_file(&path, Cow::Owned(content))?;
        }
    }
    Ok(archive)
}

/// The names of all entries in the order of the directory, which must end where the end's
/// record begins, and that at the end of the bytes. `None` for anything else: whatever may
/// stand before, between or behind has been used to make two readers see two archives.
fn names(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let end = bytes.len().checked_sub(END)?;
    let record = bytes.get(end..)?;
    if !record.starts_with(b"PK\x05\x06") || number(record, 20, 2)? != 0 {
        return None;
    }
    let entries = number(record, 10, 2)?;
    // Numbers of disks: an archive of one.
    if number(record, 4, 4)? != 0 || number(record, 8, 2)? != entries || entries > MAX_ENTRIES {
        return None;
    }
    let start = number(record, 16, 4)?;
    if start.checked_add(number(record, 12, 4)?)? != end {
        return None;
    }
    let mut names = Vec::with_capacity(entries);
    let mut at = start;
    while at < end {
        let header = bytes.get(at..end)?;
        if !header.starts_with(b"PK\x01\x02") {
            return None;
        }
        let [name, extra, comment] = [
            number(header, 28, 2)?,
            number(header, 30, 2)?,
            number(header, 32, 2)?,
        ];
        names.push(header.get(HEADER..HEADER + name)?);
        at += HEADER + name + extra + comment;
    }
    (at == end && names.len() == entries).then_some(names)
}

/// A number of a few bytes, the lowest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + length)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
    )
}
