//! Count and for_each: how often a block is there, and whether the renderer knows it.

use hcl_edit::expr::{BinaryOperator, Conditional, Expression, TraversalOperator};
use hcl_edit::structure::Block;

use super::walk::{Place, Repeated, Seen, Walk};
use crate::template::module::{In, bare, is_repeated};
use crate::template::shape::Kind;

impl<'a> Walk<'a> {
    /// How often a block is there, whether that is right or not.
    pub(crate) fn repeated(&mut self, call: usize, block: In<'a, Block>) -> Repeated {
        if let Some(count) = block.it.body.get_attribute("count") {
            return Repeated::Count {
                known: self.started(call, &count.value).is_none(),
            };
        }
        let Some(each) = block.it.body.get_attribute("for_each") else {
            return Repeated::Once;
        };
        let (_, shape) = self.look(self.outside(call, block), &each.value);
        Repeated::Each(shape.element())
    }

    /// Is a block there, and only once?
    pub(crate) fn is_once(&self, call: usize, block: In<'a, Block>) -> bool {
        if block.it.body.has_attribute("for_each") {
            return false;
        }
        match block.it.body.get_attribute("count") {
            None => true,
            Some(count) => self.started(call, &count.value) == Some(None),
        }
    }

    /// Is a module called once, and each that leads to it?
    pub(crate) fn is_called_once(&self, call: usize) -> bool {
        let mut next = Some(call);
        while let Some(call) = next {
            let caller = self.caller(call);
            if caller.is_some_and(|(caller, block)| !self.is_once(caller, block)) {
                return false;
            }
            next = caller.map(|(caller, _)| caller);
        }
        true
    }

    /// The place of a block's count and for_each, where no `each` is known.
    fn outside(&self, call: usize, block: In<'a, Block>) -> Place<'a, 'static> {
        Place::once(call, block.file)
    }

    /// What speaks against a block's count or for_each, if it decides.
    pub(crate) fn check_repeated(&mut self, call: usize, block: In<'a, Block>, seen: &mut Seen) {
        let place = self.outside(call, block);
        let body = &block.it.body;
        let (count, each) = (body.get_attribute("count"), body.get_attribute("for_each"));
        if let (Some(_), Some(both)) = (count, each) {
            self.note(seen, block.with(both).reason("both count and for_each"));
        }
        if let Some(count) = count {
            let at = block.with(&count.value);
            match self.started(call, &count.value) {
                Some(None) => {}
                Some(Some(conditional)) => {
                    let (reached, _) = self.look(place, &conditional.cond_expr);
                    self.no_guess(at, "count", &reached, seen);
                }
                None => {
                    let (reached, shape) = self.look(place, &count.value);
                    self.no_guess(at, "count", &reached, seen);
                    let sure = matches!(shape.kind, Kind::Number(_)) && !shape.null;
                    if !sure && reached.reasons.is_empty() {
                        self.note(seen, at.reason("count is not surely a number"));
                    }
                }
            }
        }
        if let Some(each) = each {
            let at = block.with(&each.value);
            let (reached, shape) = self.look(place, &each.value);
            self.no_guess(at, "for_each", &reached, seen);
            if (shape.null || shape.holds_null()) && reached.reasons.is_empty() {
                self.note(seen, at.reason("for_each may hold a null"));
            }
        }
    }

    /// What is expanded once stays so, even where it was by an answer that came too early.
    pub(crate) fn no_guess(
        &mut self,
        at: In<'a, Expression>,
        kind: &str,
        reached: &Seen,
        seen: &mut Seen,
    ) {
        seen.add(reached);
        if reached.guesses {
            let what = format!("{kind} reaches try or can: an early guess may stay");
            self.note(seen, at.reason(what));
        }
        if reached.outputs {
            let what = format!("{kind} reaches a module's output: an early guess may stay");
            self.note(seen, at.reason(what));
        }
    }

    /// Is a count `data.coder_workspace.X.start_count`, alone or if a condition holds? The
    /// renderer doesn't know it and leaves one; at the import it is 1 as well.
    fn started(&self, call: usize, count: &'a Expression) -> Option<Option<&'a Conditional>> {
        match bare(count) {
            Expression::Conditional(conditional) => {
                let zero = |side: &Expression| {
                    matches!(bare(side), Expression::Number(number)
                        if number.value().as_u64() == Some(0))
                };
                let (then, otherwise) = (&conditional.true_expr, &conditional.false_expr);
                let found = (self.is_start_count(call, then) && zero(otherwise))
                    || (zero(then) && self.is_start_count(call, otherwise));
                found.then_some(Some(conditional))
            }
            count => self.is_start_count(call, count).then_some(None),
        }
    }

    fn is_start_count(&self, call: usize, expression: &Expression) -> bool {
        let Expression::Traversal(traversal) = bare(expression) else {
            return false;
        };
        let Expression::Variable(root) = &traversal.expr else {
            return false;
        };
        let mut names = traversal
            .operators
            .iter()
            .map(|operator| match operator.value() {
                TraversalOperator::GetAttr(name) => Some(name.as_str()),
                _ => None,
            });
        let (kind, name) = (names.next().flatten(), names.next().flatten());
        let (attribute, end) = (names.next().flatten(), names.next());
        let (Some("coder_workspace"), Some(name), Some("start_count"), None) =
            (kind, name, attribute, end)
        else {
            return false;
        };
        let block = self
            .module(call)
            .and_then(|module| module.data.get(&("coder_workspace", name)));
        root.as_str() == "data" && block.is_some_and(|block| !is_repeated(block.it))
    }

    /// How often a block is there at most; `None` where there is no bound.
    pub(crate) fn at_most(&mut self, call: usize, block: In<'a, Block>) -> Option<u32> {
        let place = self.outside(call, block);
        if let Some(count) = block.it.body.get_attribute("count") {
            return self.number_at_most(place, &count.value);
        }
        let Some(each) = block.it.body.get_attribute("for_each") else {
            return Some(1);
        };
        let (_, shape) = self.look(place, &each.value);
        shape.at_most()
    }

    fn number_at_most(&mut self, place: Place<'a, '_>, count: &'a Expression) -> Option<u32> {
        if !self.deeper(place.file, None) {
            return None;
        }
        let at_most = match bare(count) {
            Expression::Conditional(conditional) => {
                let then = self.number_at_most(place, &conditional.true_expr);
                let otherwise = self.number_at_most(place, &conditional.false_expr);
                then.zip(otherwise)
                    .map(|(then, otherwise)| then.max(otherwise))
            }
            Expression::BinaryOp(operation)
                if *operation.operator.value() == BinaryOperator::Mul =>
            {
                let left = self.number_at_most(place, &operation.lhs_expr);
                let right = self.number_at_most(place, &operation.rhs_expr);
                left.zip(right)
                    .and_then(|(left, right)| left.checked_mul(right))
            }
            Expression::FuncCall(call)
                if call.name.namespace.is_empty() && call.name.name.as_str() == "length" =>
            {
                let only = call.args.iter().next();
                only.and_then(|only| self.look(place, only).1.at_most())
            }
            count if self.is_start_count(place.call, count) => Some(1),
            count => {
                let number = self.look(place, count).1.known_number();
                let number = number.filter(|number| (0.0..1_000.0).contains(number));
                number.map(|number| number.ceil() as u32)
            }
        };
        self.depth -= 1;
        at_most
    }
}
