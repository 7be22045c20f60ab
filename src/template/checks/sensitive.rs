//! `sensitive()` where the renderer reads it beside parameters and tags: it panics there.

use hcl_edit::structure::Block;

use crate::template::module::{In, Module};
use crate::template::reach::{Place, Seen, Walk};

/// Notes blocks of any kind whose count or for_each reaches `sensitive()`, and presets that do.
pub(crate) fn check(walk: &mut Walk<'_>, seen: &mut Seen) {
    for call in 0..walk.tree.calls.len() {
        let Some(module) = walk.module(call) else {
            continue;
        };
        for (block, is_read) in blocks(module) {
            if !walk.stopped.is_empty() {
                return;
            }
            let place = Place::once(call, block.file);
            let mut reached = Seen::default();
            for key in ["count", "for_each"] {
                if let Some(attribute) = block.it.body.get_attribute(key) {
                    walk.see(place, &attribute.value, &mut reached);
                }
            }
            if is_read {
                walk.see_body(place, &block.it.body, &mut reached);
            }
            if reached.sensitive {
                walk.note(seen, block.reason("reaches the function sensitive"));
            }
        }
    }
}

/// The blocks that may be repeated, and whether all of one is read.
fn blocks<'a>(module: &'a Module<'a>) -> impl Iterator<Item = (In<'a, Block>, bool)> {
    let data = module.data.iter();
    let data = data.map(|((kind, _), block)| (*block, *kind == "coder_workspace_preset"));
    let others = module.resources.values().chain(module.calls.values());
    data.chain(others.map(|block| (*block, false)))
}
