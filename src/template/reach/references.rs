//! References, and what they lead to.

use hcl_edit::Decorated;
use hcl_edit::expr::{Expression, TraversalOperator};

use super::walk::{Known, LONGEST_CHAIN, Name, Place, Repeated, Seen, Walk};
use crate::template::module::{In, bare, is_injected, is_repeated};
use crate::template::shape::{Kind, Shape};

/// Names of a reference that are told.
const TOLD: usize = 5;

type Operators = [Decorated<TraversalOperator>];

impl<'a> Walk<'a> {
    /// A reference: its first name, and what follows.
    pub(super) fn reference(
        &mut self,
        place: Place<'a, '_>,
        expression: &'a Expression,
        root: &'a str,
        operators: &'a Operators,
        seen: &mut Seen,
    ) -> Shape {
        let mut outer = place.named;
        while let Some(named) = outer {
            if named.name == root {
                let shape = named.shape.clone();
                return self.operators(place, shape, operators, seen);
            }
            outer = named.outer;
        }
        let at = In {
            file: place.file,
            it: expression,
        };
        let first = operators.first().and_then(|operator| name_of(operator));
        let second = operators.get(1).and_then(|operator| name_of(operator));
        let third = operators.get(2).and_then(|operator| name_of(operator));
        let rest = operators.get(1..).unwrap_or_default();
        let shape = match (root, first, second) {
            ("var", Some(name), _) => self.variable(place.call, name, at, seen),
            ("local", Some(name), _) => self.local(place.call, name, at, seen),
            ("module", Some(label), Some(output)) => {
                let rest = operators.get(2..).unwrap_or_default();
                let shape = self.output(place.call, label, output, at, seen);
                return self.operators(place, shape, rest, seen);
            }
            ("module", Some(label), None) => {
                self.all_outputs(place.call, label, seen);
                let repeated = self
                    .module(place.call)
                    .and_then(|module| module.calls.get(label));
                let what = match repeated.is_some_and(|block| is_repeated(block.it)) {
                    true => format!("output of module {label}, which is repeated"),
                    false => format!("refers to module {label} as a whole"),
                };
                self.note(seen, at.reason(what));
                Shape::anything()
            }
            ("each", Some("key"), _) if matches!(place.repeated, Repeated::Each(_)) => {
                Shape::text()
            }
            ("each", Some("value"), _) if let Repeated::Each(value) = place.repeated => {
                value.clone()
            }
            ("count", Some("index"), _) => {
                if !matches!(place.repeated, Repeated::Count { known: true }) {
                    let what = "count.index, which the renderer doesn't know";
                    self.note(seen, at.reason(what));
                }
                Shape::number()
            }
            _ => {
                let mut what = format!("refers to {root}");
                let names = operators.iter().map_while(|operator| name_of(operator));
                for name in names.take(TOLD) {
                    what.push('.');
                    what.push_str(name);
                }
                self.note(seen, at.reason(what));
                match (root, first, second, third) {
                    ("data", Some(kind), Some(name), _) => {
                        self.block(place.call, Name::Data(kind, name), seen);
                    }
                    (kind, Some(name), Some("id"), _) if self.has_an_id(place.call, kind, name) => {
                    }
                    (kind, Some(name), _, _) => {
                        self.block(place.call, Name::Resource(kind, name), seen);
                    }
                    _ => {}
                }
                Shape::anything()
            }
        };
        self.operators(place, shape, rest, seen)
    }

    /// What follows a value: names, places, stars.
    pub(super) fn operators(
        &mut self,
        place: Place<'a, '_>,
        mut shape: Shape,
        operators: &'a Operators,
        seen: &mut Seen,
    ) -> Shape {
        let mut left = operators.iter();
        while let Some(operator) = left.next() {
            shape = match operator.value() {
                TraversalOperator::GetAttr(name) => shape.attribute(name.as_str()),
                TraversalOperator::LegacyIndex(_) => {
                    self.count(shape.size());
                    shape.element()
                }
                TraversalOperator::Index(index) => {
                    self.see(place, index, seen);
                    self.count(shape.size());
                    match bare(index) {
                        Expression::String(name) => shape.attribute(name.as_str()),
                        _ => shape.element(),
                    }
                }
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                    let element = match shape.kind {
                        Kind::Many(_) => shape.element(),
                        _ => Shape::anything(),
                    };
                    // What follows is taken of each element; how deep is bounded by the parser,
                    // but it is a loop here nevertheless.
                    let mut element = element;
                    let at_most = shape.at_most();
                    for operator in left.by_ref() {
                        element = match operator.value() {
                            TraversalOperator::GetAttr(name) => element.attribute(name.as_str()),
                            TraversalOperator::Index(index) => {
                                self.see(place, index, seen);
                                Shape::anything()
                            }
                            _ => Shape::anything(),
                        };
                    }
                    return match shape.kind {
                        Kind::Many(_) if !shape.null => Shape::many(element, at_most),
                        _ => Shape::many(Shape::anything(), None),
                    };
                }
            };
        }
        shape
    }

    fn local(
        &mut self,
        call: usize,
        name: &'a str,
        at: In<'a, Expression>,
        seen: &mut Seen,
    ) -> Shape {
        let Some(module) = self.module(call) else {
            return Shape::anything();
        };
        let Some(attribute) = module.locals.get(name).copied() else {
            self.note(
                seen,
                at.reason(format!("refers to local.{name}, which is not there")),
            );
            return Shape::anything();
        };
        seen.locals = true;
        if name == "id" && module.locals_blocks > 1 {
            let what = "local.id, which the renderer overwrites where there are two locals blocks";
            self.note(seen, at.reason(what));
        }
        if self.links > LONGEST_CHAIN {
            return self.too_long(&format!("local.{name}"), at, seen);
        }
        self.links += 1;
        let known = self.known(call, Name::Local(name), |walk, inner| {
            let place = Place::once(call, attribute.file);
            let shape = walk.see(place, &attribute.it.value, inner);
            if inner.early && !shape.is_scalar() {
                let what = format!("local.{name}, whose keys may stay from an early guess of try");
                walk.note(inner, attribute.reason(what));
            }
            shape
        });
        self.links -= 1;
        self.link(known, &format!("local.{name}"), at, seen)
    }

    /// An output of a module that is called in this one.
    fn output(
        &mut self,
        call: usize,
        label: &'a str,
        name: &'a str,
        at: In<'a, Expression>,
        seen: &mut Seen,
    ) -> Shape {
        seen.outputs = true;
        let Some(called) = self.calls_output(call, label, seen) else {
            self.note(
                seen,
                at.reason(format!("refers to module {label}, which is not there")),
            );
            return Shape::anything();
        };
        let block = self.caller(called).map(|(_, block)| block);
        if block.is_none_or(|block| is_repeated(block.it)) {
            let what = format!("output of module {label}, which is repeated");
            self.note(seen, at.reason(what));
        }
        let made = self.caller(called);
        let given = made.is_some_and(|(_, block)| block.it.body.has_attribute(name));
        if given || is_injected(label, name) {
            let what = format!("module.{label}.{name}, which the renderer may have otherwise");
            self.note(seen, at.reason(what));
        }
        if self
            .module(called)
            .is_none_or(|module| !module.outputs.contains_key(name))
        {
            let what = format!("refers to module.{label}.{name}, which is not there");
            self.note(seen, at.reason(what));
            return Shape::anything();
        }
        if self.links > LONGEST_CHAIN {
            return self.too_long(&format!("module.{label}.{name}"), at, seen);
        }
        self.links += 1;
        let known = self.output_value(called, name);
        self.links -= 1;
        self.link(known, &format!("module.{label}.{name}"), at, seen)
    }

    fn output_value(&mut self, called: usize, name: &'a str) -> Option<Known> {
        let output = self.module(called)?.outputs.get(name).copied()?;
        self.known(called, Name::Output(name), |walk, inner| {
            for mark in ["sensitive", "ephemeral"] {
                if let Some(mark) = output.it.body.get_attribute(mark) {
                    let what = format!("output {name} has a mark {}", mark.key.as_str());
                    walk.note(inner, output.with(mark).reason(what));
                }
            }
            let Some(value) = output.it.body.get_attribute("value") else {
                walk.note(inner, output.reason(format!("output {name} has no value")));
                return Shape::anything();
            };
            let place = Place::once(called, output.file);
            walk.see(place, &value.value, inner)
        })
    }

    /// All that a module's outputs reach, without what speaks against a proof: that they are
    /// referred to in this way does already.
    fn all_outputs(&mut self, call: usize, label: &str, seen: &mut Seen) {
        let Some(called) = self.calls_output(call, label, seen) else {
            return;
        };
        let Some(module) = self.module(called) else {
            return;
        };
        for name in module.outputs.keys() {
            if !self.count(1) {
                return;
            }
            match self.output_value(called, name) {
                Some(known) => seen.add_reach(&known.0),
                None => seen.new_each_round = true,
            }
        }
    }

    fn too_long(&mut self, name: &str, at: In<'a, Expression>, seen: &mut Seen) -> Shape {
        let what = format!("{name} is behind a chain of locals longer than {LONGEST_CHAIN}");
        self.note(seen, at.reason(what));
        Shape::anything()
    }

    fn calls_output(&mut self, call: usize, label: &str, seen: &mut Seen) -> Option<usize> {
        seen.outputs = true;
        let called = *self.tree.calls.get(call)?.calls.get(label)?;
        seen.calls.insert(called);
        Some(called)
    }

    /// One more link of a chain, through a local or an output: null is unknown there.
    fn link(
        &mut self,
        known: Option<Known>,
        name: &str,
        at: In<'a, Expression>,
        seen: &mut Seen,
    ) -> Shape {
        let Some(known) = known else {
            // Terraform refuses a circle.
            seen.new_each_round = true;
            self.note(seen, at.reason(format!("{name} refers to itself")));
            return Shape::anything();
        };
        let (inner, shape) = (&known.0, known.1.clone());
        let chain = inner.chain + 1;
        seen.add(inner);
        seen.chain = seen.chain.max(chain);
        if chain > LONGEST_CHAIN {
            let what = format!("{name} ends a chain of locals longer than {LONGEST_CHAIN}");
            self.note(seen, at.reason(what));
        }
        if shape.null && inner.reasons.is_empty() {
            let what = format!("{name} may be null, which is unknown to the renderer");
            self.note(seen, at.reason(what));
        }
        shape
    }

    /// Does the renderer give a resource an id? It does so once, whatever is new in the rest of
    /// it with each round.
    fn has_an_id(&self, call: usize, kind: &'a str, name: &'a str) -> bool {
        let resources = self.module(call).map(|module| &module.resources);
        let block = resources.and_then(|resources| resources.get(&(kind, name)));
        let is_another = kind.starts_with("random_") || kind.starts_with("aws_s3_bucket");
        block.is_some_and(|block| !block.it.body.has_attribute("id")) && !is_another
    }

    /// What a resource or a data source reaches. That it is referred to at all speaks against
    /// a proof where it decides; arguments of modules may.
    fn block(&mut self, call: usize, name: Name<'a>, seen: &mut Seen) {
        let Some(module) = self.module(call) else {
            return;
        };
        let block = match name {
            Name::Data(kind, name) => module.data.get(&(kind, name)),
            Name::Resource(kind, name) => module.resources.get(&(kind, name)),
            _ => None,
        };
        let Some(block) = block.copied() else {
            return;
        };
        if matches!(name, Name::Resource(kind, _) if kind.starts_with("random_")) {
            seen.new_each_round = true;
        }
        let known = self.known(call, name, |walk, inner| {
            let place = Place::once(call, block.file);
            walk.see_body(place, &block.it.body, inner);
            Shape::anything()
        });
        match known {
            Some(known) => seen.add_reach(&known.0),
            // Terraform refuses a circle.
            None => seen.new_each_round = true,
        }
    }
}

fn name_of(operator: &TraversalOperator) -> Option<&str> {
    match operator {
        TraversalOperator::GetAttr(name) => Some(name.as_str()),
        _ => None,
    }
}
