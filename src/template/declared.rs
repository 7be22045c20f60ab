//! The type that a variable declares, and what it makes of a value.

use std::collections::BTreeMap;
use std::rc::Rc;

use hcl_edit::expr::{Expression, ObjectKey};

use super::shape::{Kind, Shape};

/// Types nested deeper are not looked at.
const DEEPEST: u32 = 32;

/// A declared type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Any,
    Text,
    Number,
    Bool,
    /// A list, a set, a map or a tuple.
    Many(Rc<Type>),
    Object(Rc<BTreeMap<Rc<str>, Attribute>>),
}

/// An attribute of an object type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attribute {
    kind: Type,
    optional: bool,
    /// Is there something that stands for an optional one that is missing or null?
    has_default: bool,
}

impl Type {
    /// Reads `type = …`; `None` where it isn't understood.
    pub(super) fn read(expression: &Expression) -> Option<Type> {
        read(expression, DEEPEST)
    }

    /// How many types are in it.
    pub(super) fn size(&self) -> u32 {
        match self {
            Type::Many(element) => element.size().saturating_add(1),
            Type::Object(attributes) => {
                let sizes = attributes.values().map(|attribute| attribute.kind.size());
                sizes.fold(1, u32::saturating_add)
            }
            _ => 1,
        }
    }

    /// What a value is after it was made to be of this type.
    pub(super) fn convert(&self, value: &Shape) -> Shape {
        if value.kind == Kind::Null {
            return Shape::null();
        }
        let converted = match self {
            Type::Any => value.clone(),
            Type::Text => match &value.kind {
                Kind::Text(text) => Shape::of(Kind::Text(text.clone())),
                _ => Shape::text(),
            },
            Type::Number => match &value.kind {
                Kind::Number(number) => Shape::of(Kind::Number(*number)),
                _ => Shape::number(),
            },
            Type::Bool => Shape::of(Kind::Bool),
            Type::Many(element) => Shape::many(element.convert(&value.element()), value.at_most()),
            Type::Object(attributes) => {
                let pairs = attributes.iter();
                let converted =
                    pairs.map(|(name, attribute)| (name.clone(), attribute.convert(value, name)));
                Shape::object(converted.collect())
            }
        };
        if value.null {
            converted.or_null()
        } else {
            converted
        }
    }
}

impl Attribute {
    fn convert(&self, object: &Shape, name: &str) -> Shape {
        let (given, may_be_missing) = match &object.kind {
            Kind::Object(values) => match values.values.get(name) {
                Some(value) => (value.clone(), false),
                None => (Shape::null(), true),
            },
            _ => (object.element(), true),
        };
        let mut converted = self.kind.convert(&given);
        if self.optional && may_be_missing {
            converted = converted.or_null();
        }
        if self.has_default && converted.null {
            // Perhaps the default, of which only the type is known.
            let default = self.kind.convert(&Shape::of(Kind::Any));
            converted = match converted.kind {
                Kind::Null => default,
                _ => converted.not_null().or(&default),
            };
        }
        converted
    }
}

fn read(expression: &Expression, depth: u32) -> Option<Type> {
    let depth = depth.checked_sub(1)?;
    match expression {
        Expression::Variable(name) => match name.as_str() {
            "any" => Some(Type::Any),
            "string" => Some(Type::Text),
            "number" => Some(Type::Number),
            "bool" => Some(Type::Bool),
            _ => None,
        },
        Expression::FuncCall(call) if call.name.namespace.is_empty() => {
            let mut arguments = call.args.iter();
            let (only, None) = (arguments.next()?, arguments.next()) else {
                return None;
            };
            match (call.name.name.as_str(), only) {
                ("list" | "set" | "map", element) => {
                    Some(Type::Many(Rc::new(read(element, depth)?)))
                }
                ("tuple", Expression::Array(elements)) => {
                    elements
                        .iter()
                        .try_for_each(|element| read(element, depth).map(drop))?;
                    Some(Type::Many(Rc::new(Type::Any)))
                }
                ("object", Expression::Object(attributes)) => {
                    let mut read = BTreeMap::new();
                    for (key, value) in attributes.iter() {
                        let name = match key {
                            ObjectKey::Ident(name) => name.as_str(),
                            ObjectKey::Expression(Expression::String(name)) => name.as_str(),
                            ObjectKey::Expression(Expression::Variable(name)) => name.as_str(),
                            ObjectKey::Expression(_) => return None,
                        };
                        read.insert(name.into(), attribute(value.expr(), depth)?);
                    }
                    Some(Type::Object(Rc::new(read)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn attribute(expression: &Expression, depth: u32) -> Option<Attribute> {
    if let Expression::FuncCall(call) = expression
        && call.name.namespace.is_empty()
        && call.name.name.as_str() == "optional"
    {
        let mut arguments = call.args.iter();
        let kind = read(arguments.next()?, depth)?;
        let default = arguments.next();
        // A default that isn't a literal is an error; a null is none.
        let has_default = default.is_some_and(|default| !matches!(default, Expression::Null(_)));
        return arguments.next().is_none().then_some(Attribute {
            kind,
            optional: true,
            has_default,
        });
    }
    Some(Attribute {
        kind: read(expression, depth)?,
        optional: false,
        has_default: false,
    })
}
