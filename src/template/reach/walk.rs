//! The walk: what it knows, where it stands, and where it ends.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Block, Body};

use crate::template::archive::Archive;
use crate::template::file::File;
use crate::template::module::{In, Module};
use crate::template::proved::Reason;
use crate::template::reasons::{Found, Reasons};
use crate::template::shape::Shape;
use crate::template::source::Variable;
use crate::template::tree::Tree;

/// Steps of a walk: nodes of trees, and values of shapes.
const MOST_STEPS: u32 = 100_000;

/// How deep the walk goes, through expressions and references alike: 6 kB of stack for each in
/// debug builds.
const DEEPEST: u32 = 120;

/// Locals and outputs in a chain. The renderer resolves one more link with each of its
/// rounds, of which it makes at most 32: 33 came out right, 70 did not.
pub(super) const LONGEST_CHAIN: u32 = 24;

/// A version's source, and what was found out about it.
pub(crate) struct Walk<'a> {
    pub(crate) tree: &'a Tree,
    /// The blocks of each folder of the tree.
    pub(crate) modules: &'a [Module<'a>],
    /// The template's archive, for `file()`.
    pub(crate) archive: &'a Archive<'a>,
    /// The rows of the root's variables, by name.
    pub(crate) rows: BTreeMap<&'a str, &'a Variable>,
    pub(crate) reasons: Reasons,
    /// What made the walk end early; then nothing is proved.
    pub(crate) stopped: Found,
    known: BTreeMap<(usize, Name<'a>), Option<Known>>,
    steps: u32,
    pub(super) depth: u32,
    /// Locals and outputs on the way to where the walk is.
    pub(super) links: u32,
}

/// What is known of a name: what it reaches, and what its value may be.
pub(super) type Known = Rc<(Seen, Shape)>;

/// Something of a module that can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name<'a> {
    Local(&'a str),
    Variable(&'a str),
    Output(&'a str),
    Resource(&'a str, &'a str),
    Data(&'a str, &'a str),
}

/// Where an expression stands: whose names it means.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a, 's> {
    /// The call of its module: a place in the tree.
    pub(crate) call: usize,
    pub(crate) file: &'a File,
    /// What `each` and `count` are there.
    pub(crate) repeated: &'s Repeated,
    /// What `for` and `dynamic` name.
    pub(crate) named: Option<&'s Named<'s>>,
}

impl<'a> Place<'a, 'static> {
    /// In a block that is not repeated.
    pub(crate) fn once(call: usize, file: &'a File) -> Place<'a, 'static> {
        Place {
            call,
            file,
            repeated: &Repeated::Once,
            named: None,
        }
    }
}

/// A name of `for` or `dynamic`, and those outside.
pub(crate) struct Named<'s> {
    pub(crate) name: &'s str,
    pub(crate) shape: Shape,
    pub(crate) outer: Option<&'s Named<'s>>,
}

/// How often is a block there?
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Repeated {
    Once,
    /// By count; does the renderer know the number? Where it doesn't there is one, and its
    /// index is unknown.
    Count {
        known: bool,
    },
    /// By for_each, over values of this shape.
    Each(Shape),
}

/// What was reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// What speaks against a proof, if the expression decides.
    pub(crate) reasons: Found,
    /// Outputs of modules.
    pub(crate) outputs: bool,
    /// `try` or `can`: while something isn't known yet they have another answer, and blocks
    /// that were expanded by it stay.
    pub(crate) guesses: bool,
    /// `try` or `can` over what isn't known in the renderer's first round.
    pub(super) early: bool,
    /// Something that is new with each of the renderer's rounds.
    pub(crate) new_each_round: bool,
    /// `sensitive()`, at which the renderer panics.
    pub(crate) sensitive: bool,
    pub(super) locals: bool,
    /// Modules of which outputs are reached: places in the tree.
    pub(crate) calls: Calls,
    /// The longest chain of locals and outputs.
    pub(super) chain: u32,
}

/// A set of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls([u64; 4]);

impl Calls {
    pub(crate) fn insert(&mut self, call: usize) {
        if let Some(word) = self.0.get_mut(call / 64) {
            *word |= 1 << (call % 64);
        }
    }

    pub(crate) fn contains(&self, call: usize) -> bool {
        let word = self.0.get(call / 64).copied().unwrap_or(u64::MAX);
        word & (1 << (call % 64)) != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    pub(crate) fn add(&mut self, other: &Calls) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }
}

impl Seen {
    /// All that another expression reaches.
    pub(crate) fn add(&mut self, other: &Seen) {
        self.reasons.add_all(&other.reasons);
        self.add_reach(other);
        self.chain = self.chain.max(other.chain);
    }

    /// What another reaches, without what speaks against a proof.
    pub(super) fn add_reach(&mut self, other: &Seen) {
        self.outputs |= other.outputs;
        self.guesses |= other.guesses;
        self.early |= other.early;
        self.new_each_round |= other.new_each_round;
        self.sensitive |= other.sensitive;
        self.locals |= other.locals;
        self.calls.add(&other.calls);
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        tree: &'a Tree,
        modules: &'a [Module<'a>],
        archive: &'a Archive<'a>,
        rows: &'a [Variable],
    ) -> Walk<'a> {
        Walk {
            tree,
            modules,
            archive,
            rows: rows.iter().map(|row| (row.name.as_str(), row)).collect(),
            reasons: Reasons::default(),
            stopped: Found::default(),
            known: BTreeMap::new(),
            steps: 0,
            depth: 0,
            links: 0,
        }
    }

    /// The blocks of the module that is called.
    pub(crate) fn module(&self, call: usize) -> Option<&'a Module<'a>> {
        let call = self.tree.calls.get(call)?;
        self.modules.get(call.folder)
    }

    /// The block that makes a call, and the place of its arguments; `None` for the root.
    pub(crate) fn caller(&self, call: usize) -> Option<(usize, In<'a, Block>)> {
        let made = self.tree.calls.get(call)?;
        let caller = made.caller?;
        let block = self.module(caller)?.calls.get(made.label.as_str())?;
        Some((caller, *block))
    }

    pub(crate) fn note(&mut self, seen: &mut Seen, reason: Reason) {
        self.count(2);
        seen.reasons.add(self.reasons.number(reason));
    }

    /// Counts steps. False: that was the last one.
    pub(crate) fn count(&mut self, steps: u32) -> bool {
        self.steps = self.steps.saturating_add(steps);
        let more = self.steps < MOST_STEPS;
        if !more {
            let what = "there is more in the source than is looked through";
            self.stop(Reason::of_rows(what));
        }
        more
    }

    /// Nothing is proved any more, whatever else is found.
    pub(crate) fn stop(&mut self, reason: Reason) {
        self.stopped.add(self.reasons.number(reason));
    }

    /// What an expression reaches, and what its value may be.
    pub(crate) fn look(
        &mut self,
        place: Place<'a, '_>,
        expression: &'a Expression,
    ) -> (Seen, Shape) {
        let mut seen = Seen::default();
        let shape = self.see(place, expression, &mut seen);
        (seen, shape)
    }

    /// As [`Walk::look`], added to what was seen.
    pub(crate) fn see(
        &mut self,
        place: Place<'a, '_>,
        expression: &'a Expression,
        seen: &mut Seen,
    ) -> Shape {
        if !self.count(1) {
            return Shape::anything();
        }
        if !self.deeper(place.file, expression.span()) {
            return Shape::anything();
        }
        let shape = self.expression(place, expression, seen);
        self.depth -= 1;
        shape
    }

    /// Goes one level deeper, of which there are not many. False: it did not.
    pub(super) fn deeper(&mut self, file: &File, at: Option<Range<usize>>) -> bool {
        let more = self.depth < DEEPEST;
        if more {
            self.depth += 1;
        } else {
            self.stop(file.reason(at, "expressions and references nest too deep"));
        }
        more
    }

    /// What all expressions of a body reach, nested blocks included.
    pub(crate) fn see_body(&mut self, place: Place<'a, '_>, body: &'a Body, seen: &mut Seen) {
        if !self.count(1) || !self.deeper(place.file, None) {
            return;
        }
        for attribute in body.attributes() {
            self.see(place, &attribute.value, seen);
        }
        for block in body.blocks() {
            self.see_body(place, &block.body, seen);
        }
        self.depth -= 1;
    }

    /// What is known of a name, found out when it is first asked for. `None` while it is
    /// being found out: the name refers to itself.
    pub(super) fn known(
        &mut self,
        call: usize,
        name: Name<'a>,
        find: impl FnOnce(&mut Self, &mut Seen) -> Shape,
    ) -> Option<Known> {
        if let Some(known) = self.known.get(&(call, name)) {
            let known = known.clone();
            self.count(1);
            return known;
        }
        self.known.insert((call, name), None);
        let mut seen = Seen::default();
        let shape = find(self, &mut seen);
        self.count(shape.size());
        let known = Some(Rc::new((seen, shape)));
        self.known.insert((call, name), known.clone());
        known
    }
}
