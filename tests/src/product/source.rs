//! The source of a template version: the archive that it was imported from, its variables,
//! the modules that it has from elsewhere.

use std::path::Path;

use uuid::Uuid;

use super::row::Row;
use super::{Product, TemplateVersion};

/// A tar with these files, and an entry for each folder that they are in.
#[must_use]
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut folders: Vec<&Path> = files
        .iter()
        .flat_map(|(path, _)| Path::new(path).ancestors().skip(1))
        .filter(|folder| !folder.as_os_str().is_empty())
        .collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        let added = tar.append_data(&mut header, folder, std::io::empty());
        added.expect("a folder in memory");
    }
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let added = tar.append_data(&mut header, path, *bytes);
        added.expect("a file in memory");
    }
    tar.into_inner().expect("a tar in memory")
}

impl Product {
    /// A row of `files`.
    #[track_caller]
    pub fn file(&self, mimetype: &str, data: &[u8]) -> Uuid {
        let id = Uuid::new_v4();
        let mut row = Row::new("files");
        row.set("id", id)
            .set("hash", id.simple().to_string())
            .set("mimetype", mimetype)
            .set("data", data);
        self.insert(&row);
        id
    }
}

impl TemplateVersion<'_> {
    /// It was imported from these files, by a provisioner that keeps what the product needs to
    /// render them (versions that do so).
    #[track_caller]
    pub fn source(&self, files: &[(&str, &str)]) {
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(path, text)| (*path, text.as_bytes()))
            .collect();
        self.imported_from("application/x-tar", &archive(&files));
        self.terraform_values("1.18");
    }

    /// It was imported from this archive.
    #[track_caller]
    pub fn imported_from(&self, mimetype: &str, data: &[u8]) {
        let file = self.product.file(mimetype, data);
        self.update_import("file_id", file);
    }

    /// It has modules from elsewhere, in this archive; after
    /// [`TemplateVersion::terraform_values`].
    #[track_caller]
    pub fn modules(&self, data: &[u8]) {
        let file = self.product.file("application/x-tar", data);
        self.product.execute(&format!(
            "UPDATE template_version_terraform_values SET cached_module_files = '{file}'
              WHERE template_version_id = '{}'",
            self.id
        ));
    }

    /// The same, with the archive in base64.
    #[track_caller]
    pub fn modules_in_base64(&self, data: &str) {
        let data = self
            .product
            .value(&format!("SELECT encode(decode('{data}', 'base64'), 'hex')"))
            .unwrap_or_default();
        let bytes: Vec<u8> = data
            .as_bytes()
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        self.modules(&bytes);
    }

    /// It has a variable.
    #[track_caller]
    pub fn variable(&self, name: &str, kind: &str, value: &str, default_value: &str) {
        let mut row = Row::new("template_version_variables");
        row.set("template_version_id", self.id)
            .set("name", name)
            .set("type", kind)
            .set("value", value)
            .set("default_value", default_value);
        self.product.insert(&row);
    }
}
