//! A PostgreSQL whose zone files are the test's own.
//!
//! Which folder they are in is built into a server: one beside its extensions, or, as
//! Debian's, the system's. So the test's is a tree of links around a copy of the program
//! `postgres`, with a folder of its own; in the copy the system's folder is overwritten by
//! another of the same length.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::installation::Installation;

/// Debian's folder, as it stands in the program.
const SYSTEM: &str = "/usr/share/zoneinfo";
/// With five random letters after it, as long as that one.
const IN_ITS_PLACE: &str = "wa-zones-";

/// An installation and its zone files.
#[derive(Debug)]
pub struct ZoneFiles {
    /// The tree of links.
    _tree: TempDir,
    /// A folder outside of the tree, where there is one.
    _outside: Option<TempDir>,
    folder: PathBuf,
    installation: Installation,
}

impl ZoneFiles {
    /// A copy of the tests' PostgreSQL without any zone file.
    pub fn none() -> ZoneFiles {
        let original = Installation::find();
        let (bin, share) = (original.bin(), original.share_dir());
        let root = bin
            .ancestors()
            .find(|root| share.starts_with(root))
            .expect("a common root");
        let tree = temporary("wa-tree-", 10);
        let place = |path: &Path| tree.path().join(path.strip_prefix(root).expect("below it"));
        let (program, beside) = (bin.join("postgres"), share.join("timezone"));
        links(root, tree.path(), &[&program, &beside]);
        let mut bytes = fs::read(&program).expect("the program");
        let (outside, folder) = if beside.is_dir() {
            fs::create_dir(place(&beside)).expect("a folder");
            (None, place(&beside))
        } else {
            let outside = temporary(IN_ITS_PLACE, 5);
            let text = outside.path().to_str().expect("UTF-8").to_owned();
            overwrite(&mut bytes, &format!("{SYSTEM}\0"), &format!("{text}\0"));
            let path = outside.path().to_owned();
            (Some(outside), path)
        };
        let copy = place(&program);
        fs::write(&copy, bytes)
            .and_then(|()| fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)))
            .unwrap_or_else(|e| panic!("{}: {e}", copy.display()));
        ZoneFiles {
            installation: original.with_bin(place(bin)),
            _tree: tree,
            _outside: outside,
            folder,
        }
    }

    /// The PostgreSQL.
    pub fn installation(&self) -> Installation {
        self.installation.clone()
    }

    /// Puts a file there as a package does: whole, in the place of the old one.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        let new = path.with_extension("new");
        fs::create_dir_all(path.parent().expect("a folder"))
            .and_then(|()| fs::write(&new, bytes))
            .and_then(|()| fs::rename(&new, &path))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Takes a file away.
    pub fn remove(&self, name: &str) {
        let path = self.folder.join(name);
        fs::remove_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// A temporary folder that every user may enter.
fn temporary(prefix: &str, letters: usize) -> TempDir {
    tempfile::Builder::new()
        .prefix(prefix)
        .rand_bytes(letters)
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in("/tmp")
        .unwrap_or_else(|e| panic!("no folder in /tmp: {e}"))
}

/// Links to all that is in a folder, but for these paths, of which only the folders are
/// made.
fn links(from: &Path, to: &Path, without: &[&Path]) {
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let link = to.join(path.file_name().expect("a name"));
        if without.contains(&path.as_path()) {
            continue;
        }
        if without.iter().any(|left_out| left_out.starts_with(&path)) {
            fs::create_dir(&link).expect("a folder");
            links(&path, &link, without);
        } else {
            symlink(&path, &link).expect("a link");
        }
    }
}

/// Overwrites every place where a text stands.
fn overwrite(bytes: &mut [u8], old: &str, new: &str) {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes.get(at..).is_some_and(|rest| rest.starts_with(old)))
        .collect();
    assert!(!places.is_empty(), "the program has no such text");
    for at in places {
        if let Some(place) = bytes.get_mut(at..at + new.len()) {
            place.copy_from_slice(new);
        }
    }
}
