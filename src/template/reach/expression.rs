//! Expressions that are neither references nor calls of functions.

use std::collections::BTreeMap;
use std::rc::Rc;

use hcl_edit::expr::{BinaryOperator, Expression, ForExpr, Object, ObjectKey, UnaryOperator};
use hcl_edit::template::{Directive, Element, Template};

use super::walk::{Named, Place, Seen, Walk};
use crate::template::shape::{Kind, Shape};

impl<'a> Walk<'a> {
    pub(super) fn expression(
        &mut self,
        place: Place<'a, '_>,
        expression: &'a Expression,
        seen: &mut Seen,
    ) -> Shape {
        match expression {
            Expression::Null(_) => Shape::null(),
            Expression::Bool(_) => Shape::of(Kind::Bool),
            Expression::Number(number) => Shape::of(Kind::Number(number.value().as_f64())),
            Expression::String(text) => Shape::this_text(text.as_str()),
            Expression::Array(values) => {
                let mut shapes = Vec::new();
                for value in values {
                    shapes.push(self.see(place, value, seen));
                }
                let sizes = shapes.iter().map(Shape::size);
                if !self.count(sizes.fold(0, u32::saturating_add)) {
                    return Shape::anything();
                }
                let at_most = u32::try_from(shapes.len()).ok();
                Shape::many(Shape::one_of(&shapes), at_most)
            }
            Expression::Object(object) => self.object(place, object, seen),
            Expression::StringTemplate(template) => {
                let mut elements = template.iter();
                match (elements.next(), elements.next()) {
                    // `"${x}"` is x itself, of whatever kind.
                    (Some(Element::Interpolation(only)), None) => self.see(place, &only.expr, seen),
                    _ => self.template(place, template, seen),
                }
            }
            Expression::HeredocTemplate(heredoc) => self.template(place, &heredoc.template, seen),
            Expression::Parenthesis(inner) => self.see(place, inner.inner(), seen),
            Expression::Variable(name) => {
                self.reference(place, expression, name.as_str(), &[], seen)
            }
            Expression::Traversal(traversal) => match &traversal.expr {
                Expression::Variable(name) => {
                    self.reference(place, expression, name.as_str(), &traversal.operators, seen)
                }
                base => {
                    let shape = self.see(place, base, seen);
                    self.operators(place, shape, &traversal.operators, seen)
                }
            },
            Expression::Conditional(conditional) => {
                self.see(place, &conditional.cond_expr, seen);
                let then = self.see(place, &conditional.true_expr, seen);
                let otherwise = self.see(place, &conditional.false_expr, seen);
                self.count(then.size());
                then.unified(&otherwise)
            }
            Expression::UnaryOp(operation) => {
                let shape = self.see(place, &operation.expr, seen);
                match operation.operator.value() {
                    UnaryOperator::Not => Shape::of(Kind::Bool),
                    UnaryOperator::Neg => {
                        Shape::of(Kind::Number(shape.known_number().map(|number| -number)))
                    }
                }
            }
            Expression::BinaryOp(operation) => {
                self.see(place, &operation.lhs_expr, seen);
                self.see(place, &operation.rhs_expr, seen);
                match operation.operator.value() {
                    BinaryOperator::Plus
                    | BinaryOperator::Minus
                    | BinaryOperator::Mul
                    | BinaryOperator::Div
                    | BinaryOperator::Mod => Shape::number(),
                    _ => Shape::of(Kind::Bool),
                }
            }
            Expression::FuncCall(call) => self.function(place, expression, call, seen),
            Expression::ForExpr(each) => self.for_each(place, each, seen),
        }
    }

    fn object(&mut self, place: Place<'a, '_>, object: &'a Object, seen: &mut Seen) -> Shape {
        let mut named = BTreeMap::new();
        let mut all_named = true;
        let mut shapes = Vec::new();
        for (key, value) in object.iter() {
            let name: Option<Rc<str>> = match key {
                ObjectKey::Ident(name) => Some(name.as_str().into()),
                // A bare name is a text, even where the parser takes it for an expression.
                ObjectKey::Expression(Expression::Variable(name)) => Some(name.as_str().into()),
                ObjectKey::Expression(Expression::String(name)) => Some(name.as_str().into()),
                ObjectKey::Expression(key) => {
                    self.see(place, key, seen);
                    None
                }
            };
            let shape = self.see(place, value.expr(), seen);
            match name {
                Some(name) => {
                    named.insert(name, shape.clone());
                }
                None => all_named = false,
            }
            shapes.push(shape);
        }
        if all_named {
            return Shape::object(named);
        }
        let at_most = u32::try_from(shapes.len()).ok();
        Shape::many(Shape::one_of(&shapes), at_most)
    }

    /// A text with something in it, which is never null.
    fn template(&mut self, place: Place<'a, '_>, template: &'a Template, seen: &mut Seen) -> Shape {
        for element in template {
            match element {
                Element::Literal(_) => {}
                Element::Interpolation(inner) => {
                    self.see(place, &inner.expr, seen);
                }
                Element::Directive(directive) => self.directive(place, directive, seen),
            }
        }
        Shape::text()
    }

    fn directive(&mut self, place: Place<'a, '_>, directive: &'a Directive, seen: &mut Seen) {
        match directive {
            Directive::If(directive) => {
                self.see(place, &directive.if_expr.cond_expr, seen);
                self.nested(place, &directive.if_expr.template, seen);
                if let Some(otherwise) = &directive.else_expr {
                    self.nested(place, &otherwise.template, seen);
                }
            }
            Directive::For(directive) => {
                let each = &directive.for_expr;
                let collection = self.see(place, &each.collection_expr, seen);
                let key = each.key_var.as_ref().map(|key| key.as_str());
                let (outer, value) = (key.unwrap_or(""), each.value_var.as_str());
                let key = named(outer, key_of(&collection), place.named);
                let value = named(value, collection.element(), Some(&key));
                self.count(collection.size());
                let place = Place {
                    named: Some(&value),
                    ..place
                };
                self.nested(place, &each.template, seen);
            }
        }
    }

    /// A template in a template, one level deeper: no expression lies between them.
    fn nested(&mut self, place: Place<'a, '_>, template: &'a Template, seen: &mut Seen) {
        if self.deeper(place.file, None) {
            self.template(place, template, seen);
            self.depth -= 1;
        }
    }

    fn for_each(&mut self, place: Place<'a, '_>, each: &'a ForExpr, seen: &mut Seen) -> Shape {
        let collection = self.see(place, &each.intro.collection_expr, seen);
        self.count(collection.size());
        let key_name = each.intro.key_var.as_ref().map_or("", |key| key.as_str());
        let key = named(key_name, key_of(&collection), place.named);
        let value = named(
            each.intro.value_var.as_str(),
            collection.element(),
            Some(&key),
        );
        let place = Place {
            named: Some(&value),
            ..place
        };
        if let Some(key) = &each.key_expr {
            self.see(place, key, seen);
        }
        let shape = self.see(place, &each.value_expr, seen);
        if let Some(condition) = &each.cond {
            self.see(place, &condition.expr, seen);
        }
        let shape = if each.grouping {
            Shape::many(shape, None)
        } else {
            shape
        };
        Shape::many(shape, collection.at_most())
    }
}

fn named<'s>(name: &'s str, shape: Shape, outer: Option<&'s Named<'s>>) -> Named<'s> {
    Named { name, shape, outer }
}

/// What the keys of a collection are.
fn key_of(collection: &Shape) -> Shape {
    match collection.kind {
        Kind::Object(_) => Shape::text(),
        // A number, a name, or the element itself.
        _ if collection.element().null => Shape::anything(),
        _ => Shape::of(Kind::Any),
    }
}
