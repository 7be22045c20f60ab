//! Calls of functions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, FuncCall};
use hcl_edit::template::Element;

use super::walk::{Place, Seen, Walk};
use crate::template::functions::{Returns, returns};
use crate::template::module::{In, bare};
use crate::template::shape::{Kind, Shape};

/// Files of JSON that are longer are not looked at.
const LONGEST_JSON: usize = 1 << 16;

impl<'a> Walk<'a> {
    pub(super) fn function(
        &mut self,
        place: Place<'a, '_>,
        expression: &'a Expression,
        call: &'a FuncCall,
        seen: &mut Seen,
    ) -> Shape {
        let name = call.name.name.as_str();
        let known = if call.name.namespace.is_empty() {
            returns(name)
        } else {
            None
        };
        let at = In {
            file: place.file,
            it: expression,
        };
        if known == Some(Returns::File) {
            return self.file(place, expression, call, seen);
        }
        let mut within = Seen::default();
        let mut shapes = Vec::new();
        for argument in call.args.iter() {
            shapes.push(self.see(place, argument, &mut within));
        }
        let sizes = shapes.iter().map(Shape::size);
        if !self.count(sizes.fold(0, u32::saturating_add)) {
            // Nothing is proved any more, and putting large values together takes its time.
            seen.add(&within);
            return Shape::anything();
        }
        match (known, name) {
            (Some(Returns::Try | Returns::Can), _) => {
                within.guesses = true;
                within.early |= within.locals || within.outputs;
            }
            (Some(_), _) => {}
            (None, _) => {
                let mut full = String::new();
                for part in &call.name.namespace {
                    full.push_str(part.as_str());
                    full.push_str("::");
                }
                full.push_str(name);
                self.note(&mut within, at.reason(format!("function {full}")));
                within.new_each_round |= matches!(name, "uuid" | "timestamp" | "bcrypt");
                within.sensitive |= name == "sensitive";
            }
        }
        seen.add(&within);
        if call.args.expand_final()
            && let Some(last) = shapes.pop()
        {
            shapes.push(last.element());
            if matches!(known, Some(Returns::AllCollected | Returns::Merged)) {
                let elements: Vec<Shape> = shapes.iter().map(Shape::element).collect();
                return Shape::many(Shape::one_of(&elements), None);
            }
        }
        if name == "jsondecode"
            && let Some(shape) = self.json_of_file(call)
        {
            return shape;
        }
        match known {
            Some(known) => returned(known, &shapes),
            None => Shape::anything(),
        }
    }

    /// `file("x")` or `file("${path.module}/x")` of a file that is there, in the root module;
    /// in another it fails in the renderer.
    fn file(
        &mut self,
        place: Place<'a, '_>,
        expression: &'a Expression,
        call: &'a FuncCall,
        seen: &mut Seen,
    ) -> Shape {
        if place.call != 0 || self.content(call).is_none() {
            let what = "function file, but for a file of the root's that its archive has";
            let reason = In {
                file: place.file,
                it: expression,
            }
            .reason(what);
            self.note(seen, reason);
        }
        Shape::text()
    }

    /// The content of the file that a call of `file` names.
    fn content(&self, call: &FuncCall) -> Option<&'a [u8]> {
        let mut arguments = call.args.iter();
        let (only, None) = (arguments.next()?, arguments.next()) else {
            return None;
        };
        let path = match bare(only) {
            Expression::String(path) => Cow::from(path.as_str()),
            Expression::StringTemplate(template) => {
                let mut elements = template.iter();
                let elements = (elements.next()?, elements.next()?, elements.next());
                let (Element::Interpolation(folder), Element::Literal(path), None) = elements
                else {
                    return None;
                };
                if !is_path_module(&folder.expr) {
                    return None;
                }
                Cow::from(path.as_str().strip_prefix('/')?)
            }
            _ => return None,
        };
        self.archive.files.get(&*path).map(|content| &**content)
    }

    /// What `jsondecode(file("x"))` is.
    fn json_of_file(&mut self, call: &FuncCall) -> Option<Shape> {
        let Expression::FuncCall(inner) = bare(call.args.iter().next()?) else {
            return None;
        };
        if !inner.name.namespace.is_empty() || inner.name.name.as_str() != "file" {
            return None;
        }
        let content = self.content(inner)?;
        if content.len() > LONGEST_JSON || !self.count(u32::try_from(content.len() / 8).ok()?) {
            return None;
        }
        let value = serde_json::from_slice(content).ok()?;
        Some(Shape::of_json(&value))
    }
}

fn is_path_module(expression: &Expression) -> bool {
    use hcl_edit::expr::TraversalOperator::GetAttr;
    let Expression::Traversal(traversal) = expression else {
        return false;
    };
    let Expression::Variable(root) = &traversal.expr else {
        return false;
    };
    let mut operators = traversal.operators.iter().map(|operator| operator.value());
    let (Some(GetAttr(name)), None) = (operators.next(), operators.next()) else {
        return false;
    };
    root.as_str() == "path" && name.as_str() == "module"
}

/// What a function returns for arguments of these shapes.
fn returned(returns: Returns, arguments: &[Shape]) -> Shape {
    let first = || arguments.first().cloned().unwrap_or_else(Shape::anything);
    let null_as_first = |shape: Shape| if first().null { shape.or_null() } else { shape };
    match returns {
        Returns::Text | Returns::File => Shape::text(),
        Returns::Number => Shape::number(),
        Returns::Bool | Returns::Can => Shape::of(Kind::Bool),
        Returns::Texts => Shape::many(Shape::text(), None),
        Returns::Numbers => Shape::many(Shape::number(), None),
        Returns::AsText => null_as_first(match first().kind {
            Kind::Text(text) => Shape::of(Kind::Text(text)),
            _ => Shape::text(),
        }),
        Returns::AsNumber => null_as_first(match first().kind {
            Kind::Number(number) => Shape::of(Kind::Number(number)),
            _ => Shape::number(),
        }),
        Returns::AsBool => null_as_first(Shape::of(Kind::Bool)),
        Returns::Same => first(),
        Returns::Collected => null_as_first(Shape::many(first().element(), first().at_most())),
        Returns::AllCollected => {
            let elements: Vec<Shape> = arguments.iter().map(Shape::element).collect();
            let mut lengths = arguments.iter().map(Shape::at_most);
            let at_most = lengths.try_fold(0_u32, |sum, length| sum.checked_add(length?));
            Shape::many(Shape::one_of(&elements), at_most)
        }
        Returns::Element => first().element(),
        Returns::ElementOrNull => first().element().or_null(),
        Returns::Lookup => match (arguments.get(1), arguments.get(2)) {
            (Some(_), Some(default)) => first().element().or(default),
            _ => Shape::anything(),
        },
        Returns::Coalesced => {
            let joined = arguments.iter().cloned().reduce(|a, b| a.unified(&b));
            joined.unwrap_or_else(Shape::anything).not_null()
        }
        Returns::OneOf | Returns::Try => Shape::one_of(arguments),
        Returns::Merged => merged(arguments),
        Returns::Flat => {
            let element = first().element();
            let flat = if element.is_scalar() {
                element
            } else {
                Shape {
                    kind: Kind::Any,
                    null: first().holds_null(),
                }
            };
            Shape::many(flat, None)
        }
        Returns::Groups => {
            let elements: Vec<Shape> = arguments.iter().map(Shape::element).collect();
            Shape::many(Shape::many(Shape::one_of(&elements), None), None)
        }
        Returns::Zipped => {
            let values = arguments
                .get(1)
                .map_or_else(Shape::anything, Shape::element);
            Shape::many(values, None)
        }
        Returns::TextsByName => Shape::many(Shape::many(Shape::text(), None), None),
        Returns::Something => Shape::of(Kind::Any),
        Returns::Anything => Shape::anything(),
    }
}

fn merged(arguments: &[Shape]) -> Shape {
    let mut values = BTreeMap::new();
    let mut all_named = true;
    for argument in arguments {
        match &argument.kind {
            Kind::Object(object) if !argument.null => {
                for (name, value) in &object.values {
                    values.insert(name.clone(), value.clone());
                }
            }
            _ => all_named = false,
        }
    }
    if all_named {
        return Shape::object(values);
    }
    let elements: Vec<Shape> = arguments.iter().map(Shape::element).collect();
    let mut lengths = arguments.iter().map(Shape::at_most);
    let at_most = lengths.try_fold(0_u32, |sum, length| sum.checked_add(length?));
    Shape::many(Shape::one_of(&elements), at_most)
}
