//! Variables: the root's have rows, a module's are given by its call or have a default.

use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;

use super::walk::{Name, Place, Seen, Walk};
use crate::template::declared::Type;
use crate::template::module::{In, bare, is_injected};
use crate::template::shape::{Kind, Shape};
use crate::template::values::{self, Value};

impl<'a> Walk<'a> {
    pub(super) fn variable(
        &mut self,
        call: usize,
        name: &'a str,
        at: In<'a, Expression>,
        seen: &mut Seen,
    ) -> Shape {
        let module = self.module(call);
        let Some(block) = module.and_then(|module| module.variables.get(name).copied()) else {
            self.note(
                seen,
                at.reason(format!("refers to var.{name}, which is not there")),
            );
            return Shape::anything();
        };
        let known = self.known(call, Name::Variable(name), |walk, inner| {
            let declared = walk.declared(block, name, inner);
            let value = match call {
                0 => walk.root_value(block, name, declared.is_none(), inner),
                _ => walk.argument(call, block, name, inner),
            };
            walk.count(value.size());
            match declared {
                Some(declared) => {
                    walk.count(declared.size());
                    declared.convert(&value)
                }
                None => value,
            }
        });
        match known {
            Some(known) => {
                seen.add(&known.0);
                known.1.clone()
            }
            None => {
                seen.new_each_round = true;
                self.note(seen, at.reason(format!("var.{name} refers to itself")));
                Shape::anything()
            }
        }
    }

    /// The declared type, `None` where there is none.
    fn declared(&mut self, block: In<'a, Block>, name: &str, seen: &mut Seen) -> Option<Type> {
        let attribute = block.it.body.get_attribute("type")?;
        let declared = Type::read(&attribute.value);
        if declared.is_none() {
            let what = format!("the type of variable {name} is not understood");
            self.note(seen, block.with(attribute).reason(what));
        }
        declared
    }

    /// The value that the renderer has for a variable of the root's.
    fn root_value(
        &mut self,
        block: In<'a, Block>,
        name: &str,
        untyped: bool,
        seen: &mut Seen,
    ) -> Shape {
        let Some(row) = self.rows.get(name).copied() else {
            self.note(seen, block.reason(format!("variable {name} has no row")));
            return Shape::anything();
        };
        let problem = match values::of_row(row) {
            Ok(Value::Given(shape)) => return if untyped { Shape::text() } else { shape },
            Ok(Value::NotGiven) if self.rows.values().all(|row| values::is_not_given(row)) => {
                "has no value, nor has any other: the product's environment may give it one"
            }
            Ok(Value::NotGiven) => return self.default(0, block, name, seen).not_null(),
            Err(problem) => problem,
        };
        self.note(seen, block.reason(format!("variable {name} {problem}")));
        Shape::anything()
    }

    /// What a call gives a variable, or its default.
    fn argument(
        &mut self,
        call: usize,
        block: In<'a, Block>,
        name: &str,
        seen: &mut Seen,
    ) -> Shape {
        let Some((caller, made)) = self.caller(call) else {
            return Shape::anything();
        };
        let Some(given) = made.it.body.get_attribute(name) else {
            let label = self
                .tree
                .calls
                .get(call)
                .map_or("", |call| call.label.as_str());
            if is_injected(label, name) {
                let what = format!(
                    "variable {name} is not given: the renderer gives it a value of its own"
                );
                self.note(seen, block.reason(what));
            }
            let shape = self.default(call, block, name, seen);
            return self.never_null(block, name, shape, seen);
        };
        let repeated = self.repeated(caller, made);
        let place = Place {
            call: caller,
            file: made.file,
            repeated: &repeated,
            named: None,
        };
        let shape = self.see(place, &given.value, seen);
        self.never_null(block, name, shape, seen)
    }

    /// `nullable = false` turns null into the default; the renderer doesn't know it.
    fn never_null(
        &mut self,
        block: In<'a, Block>,
        name: &str,
        shape: Shape,
        seen: &mut Seen,
    ) -> Shape {
        if shape.null
            && let Some(nullable) = block.it.body.get_attribute("nullable")
            && !matches!(bare(&nullable.value), Expression::Bool(yes) if *yes.value())
        {
            let what = format!("variable {name} is not nullable, but null to the renderer");
            self.note(seen, block.with(nullable).reason(what));
        }
        shape
    }

    fn default(&mut self, call: usize, block: In<'a, Block>, name: &str, seen: &mut Seen) -> Shape {
        let Some(default) = block.it.body.get_attribute("default") else {
            self.note(seen, block.reason(format!("variable {name} is not given")));
            return Shape::of(Kind::Any).or_null();
        };
        let place = Place::once(call, block.file);
        self.see(place, &default.value, seen)
    }
}
