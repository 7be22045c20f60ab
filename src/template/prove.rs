//! The proof of one version, check by check.

use std::collections::BTreeSet;

use super::archive::{self, Archive};
use super::checks::attribute::depends_on;
use super::checks::{parameter, rounds, rows, sensitive, tags};
use super::module::Module;
use super::names;
use super::proved::{Proved, Reason};
use super::reach::{Seen, Walk};
use super::source::Source;
use super::tree::{self, Tree};
use super::values;
use crate::new_build::inputs::Static;

/// No proof tells more reasons.
const TOLD: usize = 20;

/// What the product takes an archive of modules for.
const TAR: &str = "application/x-tar";

/// Makes the proof for one version.
pub fn prove(source: &Source<'_>) -> Proved {
    match proof(source) {
        Ok(proved) => Proved::Static(proved),
        Err(mut reasons) => {
            reasons.truncate(TOLD);
            Proved::Unknown(reasons)
        }
    }
}

fn proof(source: &Source<'_>) -> Result<Static, Vec<Reason>> {
    let template = archive::read(source.archive, source.mimetype).map_err(|reason| vec![reason])?;
    let modules = source.modules.map(|bytes| archive::read(bytes, TAR));
    let modules = modules.transpose().map_err(|reason| vec![reason])?;
    let strange = strange(&template, modules.as_ref());
    if !strange.is_empty() {
        return Err(strange);
    }
    let is_source = |path: &String| names::is_source(path) || names::is_of_another_form(path);
    if !template.files.keys().any(is_source) {
        return match source.parameters {
            [] => Ok(Static::default()),
            _ => Err(vec![Reason::of_rows(
                "there are rows of parameters, but no source",
            )]),
        };
    }
    let tree = tree::load(&template, modules.as_ref())?;
    let modules: Vec<Module<'_>> = tree
        .folders
        .iter()
        .map(|files| Module::read(files))
        .collect();
    let broken: Vec<Reason> = modules
        .iter()
        .flat_map(|module| module.reasons.clone())
        .collect();
    if !broken.is_empty() {
        return Err(broken);
    }
    let mut walk = Walk::new(&tree, &modules, &template, source.variables);
    walked(&mut walk, source)
}

/// Files that are read otherwise by the renderer, by their names.
fn strange(template: &Archive<'_>, modules: Option<&Archive<'_>>) -> Vec<Reason> {
    let mut strange = names::strange_anywhere(template);
    strange.extend(modules.map(names::strange_anywhere).unwrap_or_default());
    let own = template
        .files
        .keys()
        .find(|path| path.starts_with(".terraform/"));
    strange.extend(own.map(|path| Reason::of_file(path, "Terraform's own folder")));
    strange
}

fn walked<'a>(walk: &mut Walk<'a>, source: &Source<'a>) -> Result<Static, Vec<Reason>> {
    let mut seen = Seen::default();
    for reason in values::unreadable(source.variables) {
        walk.note(&mut seen, reason);
    }
    let holds = holds(walk, walk.tree);
    for call in (0..walk.tree.calls.len()).filter(|call| holds.get(*call) == Some(&true)) {
        check_call(walk, call, &mut seen);
    }
    let parameters = rows::parameters(walk);
    let rows = rows::matched(walk, &parameters, source.parameters, &mut seen);
    let mut null_defaults = BTreeSet::new();
    for one in &parameters {
        if !walk.stopped.is_empty() {
            break;
        }
        parameter::check(walk, one, rows.of(one), &mut null_defaults, &mut seen);
    }
    let known = tags::Known {
        parameters: &parameters,
        rows: &rows,
        null_defaults: &null_defaults,
    };
    let tags = tags::tags(walk, &known, &mut seen);
    rounds::check(walk, &holds, &mut seen);
    sensitive::check(walk, &mut seen);
    seen.reasons.add_all(&walk.stopped);
    if seen.reasons.is_empty() {
        Ok(Static {
            null_defaults,
            tags,
        })
    } else {
        Err(walk.reasons.told(&seen.reasons))
    }
}

/// Which calls hold parameters or tags, at any depth. Others decide nothing.
fn holds(walk: &Walk<'_>, tree: &Tree) -> Vec<bool> {
    let mut holds: Vec<bool> = (0..tree.calls.len())
        .map(|call| {
            let module = walk.module(call);
            module.is_some_and(|module| {
                module.parameters().next().is_some() || module.tags().next().is_some()
            })
        })
        .collect();
    // A call comes after its caller.
    for (call, made) in tree.calls.iter().enumerate().rev() {
        if holds.get(call) == Some(&true)
            && let Some(caller) = made.caller.and_then(|caller| holds.get_mut(caller))
        {
            *caller = true;
        }
    }
    holds
}

/// Whether a module that holds something is there, and how often.
fn check_call(walk: &mut Walk<'_>, call: usize, seen: &mut Seen) {
    let Some((caller, block)) = walk.caller(call) else {
        return;
    };
    walk.check_repeated(caller, block, seen);
    if let Some(on) = block.it.body.get_attribute("depends_on") {
        depends_on(walk, block.with(on), seen);
    }
    if let Some(inner) = block.it.body.blocks().next() {
        walk.note(
            seen,
            block.with(inner).reason("a block in a call of a module"),
        );
    }
}
