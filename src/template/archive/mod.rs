//! A template's archive: its files and folders by their paths.
//!
//! The product reads the same bytes with another library, and cleans the names in it. Where
//! two readers could see two things in an archive (a path twice, `..`, links, bytes behind
//! its end) ours refuses it: then nothing is proved about the version.

mod contents;
mod path;
mod tar;
mod zip;

#[cfg(test)]
mod tests;

use super::LARGEST_ARCHIVE;
use super::proved::Reason;
use contents::unreadable;

pub(super) use contents::Archive;

/// Reads an archive: zip if the MIME type says so, else tar, as the product does.
pub(super) fn read<'a>(bytes: &'a [u8], mimetype: &str) -> Result<Archive<'a>, Reason> {
    if bytes.len() > LARGEST_ARCHIVE {
        return Err(Reason::of_rows(format!(
            "an archive has more than {LARGEST_ARCHIVE} bytes"
        )));
    }
    let archive = match mimetype {
        "application/zip" | "application/x-zip-compressed" => zip::read(bytes)?,
        _ => tar::read(bytes)?,
    };
    if archive.files.is_empty() && archive.folders.is_empty() {
        return Err(unreadable("it is empty"));
    }
    archive.no_file_is_a_folder()?;
    Ok(archive)
}
