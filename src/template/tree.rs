//! Which modules a version has, and who calls them.
//!
//! A module's folder is found as the renderer finds it: by the list that Terraform keeps
//! (`modules.json`), else by a path from the caller's folder. Where it is not found, its
//! parameters vanish there, so nothing is proved.

use std::collections::{BTreeMap, BTreeSet};

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;
use serde::Deserialize;

use super::archive::Archive;
use super::file::File;
use super::hcl;
use super::module::{self, bare};
use super::names;
use super::proved::Reason;

/// Calls of modules, all together.
const MOST_CALLS: usize = 200;

/// How deep modules call modules.
const DEEPEST: usize = 10;

/// Where remote modules lie; read from the modules' archive alone.
const REMOTE: &str = ".terraform/modules";

/// The source of a version: folders, and calls from the root on.
#[derive(Debug)]
pub(super) struct Tree {
    /// Each folder's files, in order of their names.
    pub(super) folders: Vec<Vec<File>>,
    /// The first is the root, which nobody calls. A call comes after its caller.
    pub(super) calls: Vec<Call>,
}

/// A call of a module.
#[derive(Debug)]
pub(super) struct Call {
    /// Its folder: a place in [`Tree::folders`].
    pub(super) folder: usize,
    /// Who calls it: a place in [`Tree::calls`].
    pub(super) caller: Option<usize>,
    /// What the caller names it.
    pub(super) label: String,
    /// Calls that it makes, by their labels.
    pub(super) calls: BTreeMap<String, usize>,
    /// The path of its folder.
    pub(super) path: String,
    key: String,
    depth: usize,
}

#[derive(Deserialize)]
struct List {
    #[serde(rename = "Modules", default)]
    modules: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Dir")]
    folder: String,
}

struct Loader<'a> {
    template: &'a Archive<'a>,
    modules: Option<&'a Archive<'a>>,
    /// Folders by the keys of `modules.json`.
    listed: BTreeMap<String, String>,
    budget: hcl::Budget,
    /// Folders that were asked for.
    known: BTreeMap<String, Option<usize>>,
    tree: Tree,
    reasons: Vec<Reason>,
}

/// Reads the root and all that it calls.
pub(super) fn load<'a>(
    template: &'a Archive<'a>,
    modules: Option<&'a Archive<'a>>,
) -> Result<Tree, Vec<Reason>> {
    let mut loader = Loader {
        template,
        modules,
        listed: listed(modules).map_err(|reason| vec![reason])?,
        budget: hcl::Budget::default(),
        known: BTreeMap::new(),
        tree: Tree {
            folders: Vec::new(),
            calls: Vec::new(),
        },
        reasons: Vec::new(),
    };
    let root = Call {
        folder: 0,
        caller: None,
        label: String::new(),
        calls: BTreeMap::new(),
        key: String::new(),
        path: String::new(),
        depth: 0,
    };
    if let Some(folder) = loader.folder("") {
        loader.tree.calls.push(Call { folder, ..root });
    } else if loader.reasons.is_empty() {
        let what = "there is no file of Terraform's own form at the top";
        loader.reasons.push(Reason::of_rows(what));
    }
    let mut next = 0;
    while next < loader.tree.calls.len() && loader.reasons.is_empty() {
        loader.calls_of(next);
        next += 1;
    }
    let called = |archive: &Archive<'_>| {
        let paths = loader.tree.calls.iter().map(|call| call.path.clone());
        names::strange_in(archive, &paths.collect())
    };
    let mut strange = called(template);
    strange.extend(modules.map(called).unwrap_or_default());
    loader.reasons.extend(strange);
    if loader.reasons.is_empty() {
        Ok(loader.tree)
    } else {
        Err(loader.reasons)
    }
}

fn listed(modules: Option<&Archive<'_>>) -> Result<BTreeMap<String, String>, Reason> {
    let path = format!("{REMOTE}/modules.json");
    let Some(content) = modules.and_then(|archive| archive.files.get(&path)) else {
        return Ok(BTreeMap::new());
    };
    let list: List = serde_json::from_slice(content)
        .map_err(|_| Reason::of_file(&path, "this is no list of modules"))?;
    let mut listed = BTreeMap::new();
    for module in list.modules {
        if listed.insert(module.key, module.folder).is_some() {
            return Err(Reason::of_file(&path, "a module is listed twice"));
        }
    }
    Ok(listed)
}

impl<'a> Loader<'a> {
    /// The place of a folder, which is read when it is first asked for; `None` if it has no
    /// source, or if something in it can't be read.
    fn folder(&mut self, path: &str) -> Option<usize> {
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let place = self.read(path);
        self.known.insert(path.to_owned(), place);
        place
    }

    fn read(&mut self, path: &str) -> Option<usize> {
        let archive = match path == REMOTE || path.starts_with(".terraform/modules/") {
            true => self.modules?,
            false => self.template,
        };
        if !has_folder(archive, path) {
            return None;
        }
        let start = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let within = archive.files.range(start.clone()..);
        let within = within.take_while(|(file, _)| file.starts_with(&start));
        let chosen =
            within.filter(|(file, _)| names::is_source(file) && names::folder(file) == path);
        let mut files = Vec::new();
        for (file, content) in chosen {
            match hcl::parse(file, content, &mut self.budget) {
                Ok(parsed) => files.push(File::new(file.clone(), parsed)),
                Err(reason) => self.reasons.push(reason),
            }
        }
        if files.is_empty() {
            return None;
        }
        let place = self.tree.folders.len();
        self.tree.folders.push(files);
        Some(place)
    }

    /// Finds what a module calls.
    fn calls_of(&mut self, caller: usize) {
        let Some(call) = self.tree.calls.get(caller) else {
            return;
        };
        let (key, path, depth) = (call.key.clone(), call.path.clone(), call.depth + 1);
        let files = self
            .tree
            .folders
            .get(call.folder)
            .map_or(&[][..], Vec::as_slice);
        let mut found = Vec::new();
        let mut labels = BTreeSet::new();
        for file in files {
            for block in file
                .body()
                .blocks()
                .filter(|block| block.ident.as_str() == "module")
            {
                let label = module::label(block, 0).to_owned();
                let at = |what: String| file.reason(block.span(), what);
                if !labels.insert(label.clone()) {
                    self.reasons
                        .push(at(format!("module {label} is there twice")));
                    continue;
                }
                let own = if key.is_empty() {
                    label.clone()
                } else {
                    format!("{key}.{label}")
                };
                match self.place(block, &own, &path) {
                    Ok(place) => {
                        let missing = at(format!(
                            "the folder of module {label} is not in the archive"
                        ));
                        found.push((label, own, place, missing));
                    }
                    Err(what) => self.reasons.push(at(what)),
                }
            }
        }
        for (label, key, path, missing) in found {
            if depth > DEEPEST || self.tree.calls.len() >= MOST_CALLS {
                self.reasons.push(Reason {
                    what: "too many calls of modules".into(),
                    ..missing
                });
                return;
            }
            let (before, asked) = (self.reasons.len(), self.known.contains_key(&path));
            let Some(folder) = self.folder(&path) else {
                // Unless it is there, but can't be read, or was told of before.
                if self.reasons.len() == before && !asked {
                    self.reasons.push(missing);
                }
                continue;
            };
            let place = self.tree.calls.len();
            self.tree.calls.push(Call {
                folder,
                caller: Some(caller),
                label: label.clone(),
                calls: BTreeMap::new(),
                key,
                path,
                depth,
            });
            if let Some(call) = self.tree.calls.get_mut(caller) {
                call.calls.insert(label, place);
            }
        }
    }

    /// The folder that a call means, by its key or its source.
    fn place(&self, block: &Block, key: &str, caller: &str) -> Result<String, String> {
        let label = module::label(block, 0);
        let Some(source) = block.body.get_attribute("source") else {
            return Err(format!("module {label} has no source"));
        };
        let Expression::String(source) = bare(&source.value) else {
            return Err(format!("the source of module {label} is no literal"));
        };
        let source = source.as_str();
        if source.starts_with('.') && source.contains("//") {
            return Err(format!("the source of module {label} is not understood"));
        }
        let within = |folder: &str, path: &str| {
            joined(folder, path)
                .ok_or_else(|| format!("the folder of module {label} is out of the archive"))
        };
        let local = match source.starts_with("./") || source.starts_with("../") {
            true => Some(within(caller, source)?),
            false => None,
        };
        let listed = match self.listed.get(key) {
            Some(folder) => Some(within("", folder)?),
            None => None,
        };
        match (listed, local) {
            (Some(listed), Some(local)) if listed != local => Err(format!(
                "module {label} is listed in another folder than its source"
            )),
            (Some(folder), _) | (None, Some(folder)) => Ok(folder),
            (None, None) => Err(format!("module {label} is not in the archive of modules")),
        }
    }
}

/// Has a folder an entry of its own, and each above it? Only then it is surely seen.
fn has_folder(archive: &Archive<'_>, path: &str) -> bool {
    let mut folder = path;
    while !folder.is_empty() {
        // The archive of modules begins with the folders of single modules.
        if folder == REMOTE {
            return folder != path;
        }
        if !archive.folders.contains(folder) {
            return false;
        }
        folder = names::folder(folder);
    }
    true
}

/// A path from a folder; `None` where it leads out of the archive.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
