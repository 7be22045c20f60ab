//! Files that the renderer reads otherwise than Terraform, told by their names.

use std::collections::BTreeSet;

use super::archive::Archive;
use super::proved::Reason;

/// The name of a path's last part.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder that a path lies in; empty for the uppermost.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Is it a file of Terraform's own form?
pub(super) fn is_source(path: &str) -> bool {
    base(path).ends_with(".tf")
}

/// Files that make a version unknown wherever they lie: values for variables, which the
/// renderer takes from every folder; overrides, which it merges in other places than
/// Terraform; and files that Terraform passes over and the renderer doesn't.
pub(super) fn strange_anywhere(archive: &Archive<'_>) -> Vec<Reason> {
    let found = archive.files.keys().filter_map(|path| {
        let name = base(path);
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let what = if ends(&[".tfvars", ".tfvars.json"]) {
            "values for variables, which the product takes from any folder"
        } else if is_override(name) {
            "an override file"
        } else if name.starts_with('.') && name.ends_with(".tf") {
            "Terraform passes this file over, the product's renderer doesn't"
        } else {
            return None;
        };
        Some(Reason::of_file(path, what))
    });
    found.collect()
}

fn is_override(name: &str) -> bool {
    const ENDINGS: [&str; 4] = [".tf", ".tf.json", ".tofu", ".tofu.json"];
    let stems = ENDINGS
        .iter()
        .filter_map(|ending| name.strip_suffix(ending));
    stems
        .into_iter()
        .any(|stem| stem == "override" || stem.ends_with("_override"))
}

/// Files of other forms in folders that are modules: the renderer reads all of them, and of
/// JSON only a part.
pub(super) fn strange_in(archive: &Archive<'_>, modules: &BTreeSet<String>) -> Vec<Reason> {
    let found = archive
        .files
        .keys()
        .filter(|path| is_of_another_form(path) && modules.contains(folder(path)));
    let what = "a file of another form than Terraform's own";
    found.map(|path| Reason::of_file(path, what)).collect()
}

/// Is it a file that the renderer reads although it isn't of Terraform's own form?
pub(super) fn is_of_another_form(path: &str) -> bool {
    let name = base(path);
    [".tofu", ".tofu.json", ".tf.json"]
        .iter()
        .any(|ending| name.ends_with(ending))
}
