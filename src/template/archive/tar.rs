//! Archives of the kind tar: ustar, with the long names of GNU and pax.

use std::borrow::Cow;
use std::io::Cursor;

use tar::{Entry, EntryType};

use super::contents::{Archive, unreadable};
use super::path::Path;
use crate::template::proved::Reason;

const BLOCK: usize = 512;

/// Names of pax records that say nothing of where a file's content is. `path` is known apart
/// from them; any other (a size, a sparse file) is refused.
const HARMLESS: &[&str] = &[
    "atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname",
];
const HARMLESS_PREFIXES: &[&str] = &["LIBARCHIVE.", "SCHILY."];

pub(super) fn read(bytes: &[u8]) -> Result<Archive<'_>, Reason> {
    let mut archive = Archive::default();
    let mut reader = tar::Archive::new(Cursor::new(bytes));
    let mut end = 0;
    for entry in reader.entries_with_seek().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = name(&mut entry)?;
        let start = usize::try_from(entry.raw_file_position()).map_err(unreadable)?;
        let size = usize::try_from(entry.size()).map_err(unreadable)?;
        let content = start
            .checked_add(size)
            .and_then(|end| bytes.get(start..end))
            .ok_or_else(|| path.reason("the archive ends within this file"))?;
        end = start + content.len().next_multiple_of(BLOCK);
        match entry.header().entry_type() {
            EntryType::Regular if path.ends_in_slash() => {
                return Err(path.reason("the name of a file ends as that of a folder"));
            }
            EntryType::Regular => archive.add_file(&path, Cow::Borrowed(content))?,
            // Readers differ in whether they skip what a folder says to hold.
            EntryType::Directory if size > 0 => {
                return Err(path.reason("a folder has content"));
            }
            EntryType::Directory => archive.add_folder(&path)?,
            EntryType::Symlink | EntryType::Link => {
                return Err(path.reason("this is a link"));
            }
            _ => return Err(path.reason("this is neither a file nor a folder")),
        }
    }
    match bytes.get(end..) {
        Some(rest) if rest.len() >= BLOCK && rest.iter().all(|byte| *byte == 0) => Ok(archive),
        Some(rest) if rest.len() >= BLOCK => Err(unreadable("something follows its end")),
        _ => Err(unreadable("its end is missing")),
    }
}

/// The name of an entry, if there can be no doubt about it.
fn name(entry: &mut Entry<'_, impl std::io::Read>) -> Result<Path, Reason> {
    let name = entry.path_bytes().into_owned();
    let path = Path::new(&name)?;
    let mut named = false;
    for record in entry
        .pax_extensions()
        .map_err(unreadable)?
        .into_iter()
        .flatten()
    {
        let record = record.map_err(unreadable)?;
        let key = record.key().map_err(unreadable)?;
        if key == "path" {
            if named || record.value_bytes() != name {
                return Err(path.reason("this entry has more than one name"));
            }
            named = true;
        } else if !HARMLESS.contains(&key)
            && !HARMLESS_PREFIXES
                .iter()
                .any(|prefix| key.starts_with(prefix))
        {
            return Err(path.reason("this entry has an extension that is not known"));
        }
    }
    // A dialect in which a part of the folder's place is used for times.
    if entry.header().as_ustar().is_some() && entry.header().as_bytes().ends_with(b"tar\0") {
        return Err(path.reason("this entry is of a dialect that is not known"));
    }
    Ok(path)
}
