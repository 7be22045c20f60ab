//! How often the renderer evaluates modules, and in which order.
//!
//! All modules that one module calls share 32 evaluations. One whose arguments reach another's
//! outputs is evaluated again when those are known; one with an argument that is new each
//! time uses up all that is left. What comes after that vanishes, silently.

use hcl_edit::structure::Block;

use crate::template::module::{In, is_repeated};
use crate::template::proved::Reason;
use crate::template::reach::{Calls, Place, Seen, Walk};

/// Evaluations that the modules of one caller share.
const SHARED: u32 = 32;

/// Attributes of a call that are no arguments.
const OF_THE_CALL: [&str; 4] = ["source", "version", "providers", "depends_on"];

/// A call, as far as its evaluations go.
struct Evaluated<'a> {
    call: usize,
    block: In<'a, Block>,
    /// Other calls whose outputs its arguments reach.
    reaches: Calls,
    /// How often it is there at most.
    at_most: Option<u32>,
    /// Why there may be no end of its evaluations.
    endless: Option<Reason>,
    /// How often it is evaluated at most, all in all; `None`: there may be no end.
    times: Option<u32>,
}

/// Notes what the renderer may not come to. A call is needed if its module holds parameters
/// or tags, or if what decides reaches its outputs.
pub(crate) fn check(walk: &mut Walk<'_>, holds: &[bool], seen: &mut Seen) {
    let needed = seen.calls;
    let needed = |call: usize| needed.contains(call) || holds.get(call) == Some(&true);
    // How often each caller is evaluated itself.
    let mut times = vec![Some(1_u32); walk.tree.calls.len()];
    for caller in 0..walk.tree.calls.len() {
        let calls = made_by(walk, caller);
        let own = times.get(caller).copied().flatten();
        for call in &calls {
            if let Some(place) = times.get_mut(call.call) {
                *place = own
                    .zip(call.times)
                    .and_then(|(own, times)| own.checked_mul(times));
            }
        }
        if calls.iter().any(|call| needed(call.call)) {
            check_caller(walk, caller, own, &calls, needed, seen);
        }
    }
}

fn check_caller(
    walk: &mut Walk<'_>,
    caller: usize,
    own: Option<u32>,
    calls: &[Evaluated<'_>],
    needed: impl Fn(usize) -> bool,
    seen: &mut Seen,
) {
    let sum = calls.iter().filter_map(|call| call.times);
    let sum = sum.fold(0, u32::saturating_add);
    // A caller without an end speaks against a proof where it is called.
    let sum = sum.saturating_mul(own.unwrap_or(1));
    if sum > SHARED {
        let path = walk
            .tree
            .calls
            .get(caller)
            .map_or("", |call| call.path.as_str());
        let path = if path.is_empty() { "." } else { path };
        let what =
            format!("up to {sum} evaluations of modules: the renderer makes at most {SHARED}");
        walk.note(seen, Reason::of_file(path, what));
    }
    for endless in calls.iter().filter(|call| call.times.is_none()) {
        let harmless = calls.iter().filter(|call| needed(call.call)).all(|call| {
            call.times.is_some()
                && call.reaches.is_empty()
                && is_before(walk, caller, call, endless)
        });
        if !harmless {
            let why = endless.endless.clone().unwrap_or_else(|| {
                endless
                    .block
                    .reason("a module that may be evaluated without an end")
            });
            walk.note(seen, why);
        }
    }
}

/// Does the renderer surely come to one call before another?
fn is_before(walk: &Walk<'_>, caller: usize, call: &Evaluated<'_>, other: &Evaluated<'_>) -> bool {
    let label = |call: usize| walk.tree.calls.get(call).map(|call| call.label.as_str());
    let by_name = label(call.call) < label(other.call);
    match (is_repeated(call.block.it), is_repeated(other.block.it)) {
        (false, true) => true,
        (false, false) => by_name,
        // Counts that refer to counted blocks come later.
        (true, true) => by_name && walk.is_once(caller, call.block),
        (true, false) => false,
    }
}

fn made_by<'a>(walk: &mut Walk<'a>, caller: usize) -> Vec<Evaluated<'a>> {
    let places: Vec<usize> = match walk.tree.calls.get(caller) {
        Some(call) => call.calls.values().copied().collect(),
        None => Vec::new(),
    };
    let mut calls: Vec<Evaluated<'a>> = Vec::new();
    for call in places {
        if let Some((_, block)) = walk.caller(call)
            && walk.stopped.is_empty()
        {
            calls.push(evaluated(walk, caller, call, block));
        }
    }
    // One after the other, those first whose arguments reach none that is still open. What is
    // left then is a circle, and has no end.
    let mut changed = true;
    while changed {
        changed = false;
        for place in 0..calls.len() {
            let times = calls.get(place).and_then(|call| times_of(call, &calls));
            if let Some(call) = calls.get_mut(place)
                && call.times.is_none()
                && times.is_some()
            {
                call.times = times;
                changed = true;
            }
        }
    }
    calls
}

fn times_of(call: &Evaluated<'_>, all: &[Evaluated<'_>]) -> Option<u32> {
    if call.endless.is_some() {
        return None;
    }
    let mut again = 1_u32;
    for other in all.iter().filter(|other| call.reaches.contains(other.call)) {
        again = again.checked_add(other.times?)?;
    }
    call.at_most?.checked_mul(again)
}

fn evaluated<'a>(
    walk: &mut Walk<'a>,
    caller: usize,
    call: usize,
    block: In<'a, Block>,
) -> Evaluated<'a> {
    let repeated = walk.repeated(caller, block);
    let place = Place {
        call: caller,
        file: block.file,
        repeated: &repeated,
        named: None,
    };
    let mut reaches = Calls::default();
    let mut endless = None;
    for attribute in block.it.body.attributes() {
        if OF_THE_CALL.contains(&attribute.key.as_str()) {
            continue;
        }
        let (reached, _) = walk.look(place, &attribute.value);
        reaches.add(&reached.calls);
        if reached.new_each_round {
            let what = "an argument that is new with each round, which uses up the evaluations \
                        that modules share";
            endless.get_or_insert(block.with(attribute).reason(what));
        }
    }
    let label = walk
        .tree
        .calls
        .get(call)
        .map_or("", |call| call.label.as_str());
    if label.starts_with("random_") {
        let what = "a module whose inputs are new with each round, as its name begins with random_";
        endless.get_or_insert(block.reason(what));
    }
    let at_most = walk.at_most(caller, block);
    if at_most.is_none() {
        let what = "a module that is there without a known bound";
        endless.get_or_insert(block.reason(what));
    }
    Evaluated {
        call,
        block,
        reaches,
        at_most,
        endless,
        times: None,
    }
}
