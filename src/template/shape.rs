//! What is known of a value without computing it: its kind, and where it may be null.
//!
//! Everything not known is "anything, perhaps null". A shape is bounded in size, whatever the
//! source: one that grows too large becomes "anything".

use std::collections::BTreeMap;
use std::rc::Rc;

/// Values larger than this are "anything".
const LARGEST: u32 = 2_000;

/// Texts longer than this are not kept.
const LONGEST_TEXT: usize = 1_024;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// May it be null?
    pub(super) null: bool,
}

/// What kind of value it is when it isn't null.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Any,
    /// Nothing but null.
    Null,
    /// The text, where it is known.
    Text(Option<Rc<str>>),
    /// The number, where it is known.
    Number(Option<f64>),
    Bool,
    /// A list, a set, a map, or an object of which not all keys are known.
    Many(Rc<Many>),
    Object(Rc<Object>),
}

/// Any number of values of one shape.
#[derive(Debug, PartialEq)]
pub(super) struct Many {
    pub(super) element: Shape,
    pub(super) at_most: Option<u32>,
    size: u32,
    holds_null: bool,
}

/// Values by their names.
#[derive(Debug, PartialEq)]
pub(super) struct Object {
    pub(super) values: BTreeMap<Rc<str>, Shape>,
    size: u32,
    holds_null: bool,
}

impl Shape {
    pub(super) fn anything() -> Shape {
        Shape::of(Kind::Any).or_null()
    }

    pub(super) fn null() -> Shape {
        Shape::of(Kind::Null).or_null()
    }

    /// A value of this kind that is not null.
    pub(super) fn of(kind: Kind) -> Shape {
        Shape { kind, null: false }
    }

    pub(super) fn text() -> Shape {
        Shape::of(Kind::Text(None))
    }

    pub(super) fn number() -> Shape {
        Shape::of(Kind::Number(None))
    }

    pub(super) fn this_text(text: &str) -> Shape {
        let known = (text.len() <= LONGEST_TEXT).then(|| text.into());
        Shape::of(Kind::Text(known))
    }

    pub(super) fn many(element: Shape, at_most: Option<u32>) -> Shape {
        let size = element.size().saturating_add(1);
        if size > LARGEST {
            return Shape::of(Kind::Any);
        }
        let holds_null = at_most != Some(0) && (element.null || element.holds_null());
        Shape::of(Kind::Many(Rc::new(Many {
            element,
            at_most,
            size,
            holds_null,
        })))
    }

    pub(super) fn object(values: BTreeMap<Rc<str>, Shape>) -> Shape {
        let sizes = values.values().map(Shape::size);
        let size = sizes.fold(1, u32::saturating_add);
        if size > LARGEST {
            return Shape::of(Kind::Any);
        }
        let holds_null = values
            .values()
            .any(|value| value.null || value.holds_null());
        Shape::of(Kind::Object(Rc::new(Object {
            values,
            size,
            holds_null,
        })))
    }

    pub(super) fn or_null(self) -> Shape {
        Shape { null: true, ..self }
    }

    pub(super) fn not_null(self) -> Shape {
        Shape {
            null: false,
            kind: match self.kind {
                Kind::Null => Kind::Any,
                kind => kind,
            },
        }
    }

    pub(super) fn size(&self) -> u32 {
        match &self.kind {
            Kind::Many(many) => many.size,
            Kind::Object(object) => object.size,
            _ => 1,
        }
    }

    /// May there be a null in it, at any depth?
    pub(super) fn holds_null(&self) -> bool {
        match &self.kind {
            Kind::Any => true,
            Kind::Many(many) => many.holds_null,
            Kind::Object(object) => object.holds_null,
            _ => false,
        }
    }

    /// Is it surely one value, not several?
    pub(super) fn is_scalar(&self) -> bool {
        matches!(
            self.kind,
            Kind::Null | Kind::Text(_) | Kind::Number(_) | Kind::Bool
        )
    }

    /// Is it surely several values?
    pub(super) fn is_several(&self) -> bool {
        matches!(self.kind, Kind::Many(_) | Kind::Object(_))
    }

    pub(super) fn known_text(&self) -> Option<Rc<str>> {
        match &self.kind {
            Kind::Text(text) if !self.null => text.clone(),
            _ => None,
        }
    }

    pub(super) fn known_number(&self) -> Option<f64> {
        match self.kind {
            Kind::Number(number) if !self.null => number,
            _ => None,
        }
    }

    /// How many values it has at most.
    pub(super) fn at_most(&self) -> Option<u32> {
        match &self.kind {
            Kind::Many(many) => many.at_most,
            Kind::Object(object) => u32::try_from(object.values.len()).ok(),
            _ => None,
        }
    }

    /// What each of its values is, if it is several.
    pub(super) fn element(&self) -> Shape {
        match &self.kind {
            Kind::Many(many) => many.element.clone(),
            Kind::Object(object) => Shape::one_of(object.values.values()),
            _ => Shape::anything(),
        }
    }

    /// The value of this name or key in it.
    pub(super) fn attribute(&self, name: &str) -> Shape {
        match &self.kind {
            Kind::Many(many) => many.element.clone(),
            Kind::Object(object) => {
                let found = object.values.get(name);
                found.cloned().unwrap_or_else(Shape::anything)
            }
            _ => Shape::anything(),
        }
    }

    /// One of these, unchanged. Of none: nothing can be said.
    pub(super) fn one_of<'a>(shapes: impl IntoIterator<Item = &'a Shape>) -> Shape {
        let joined = shapes.into_iter().cloned().reduce(|a, b| a.or(&b));
        // The elements of nothing: whoever looks at one gets an error, not a value. A text that
        // isn't known is a safe answer only for "is it null", so it stays open otherwise.
        joined.unwrap_or(Shape::of(Kind::Any))
    }

    /// This or that, unchanged.
    pub(super) fn or(&self, other: &Shape) -> Shape {
        let null = self.null || other.null;
        let kind = match (&self.kind, &other.kind) {
            (Kind::Null, kind) | (kind, Kind::Null) => kind.clone(),
            (a, b) if a == b => a.clone(),
            (Kind::Text(_), Kind::Text(_)) => Kind::Text(None),
            (Kind::Number(_), Kind::Number(_)) => Kind::Number(None),
            (Kind::Object(a), Kind::Object(b)) if a.values.keys().eq(b.values.keys()) => {
                let pairs = a.values.iter().zip(b.values.values());
                let joined = pairs.map(|((name, a), b)| (name.clone(), a.or(b)));
                Shape::object(joined.collect()).kind
            }
            (Kind::Many(_) | Kind::Object(_), Kind::Many(_) | Kind::Object(_)) => {
                let at_most = self.at_most().zip(other.at_most());
                let at_most = at_most.map(|(a, b)| a.max(b));
                let element = match (self.at_most(), other.at_most()) {
                    (Some(0), _) => other.element(),
                    (_, Some(0)) => self.element(),
                    _ => self.element().or(&other.element()),
                };
                Shape::many(element, at_most).kind
            }
            _ => Kind::Any,
        };
        Shape { kind, null }
    }

    /// This or that as a conditional has it, which makes both of one kind: a number beside a
    /// text becomes a text.
    pub(super) fn unified(&self, other: &Shape) -> Shape {
        let null = self.null || other.null;
        let scalar = |kind: &Kind| matches!(kind, Kind::Text(_) | Kind::Number(_) | Kind::Bool);
        let text = |kind: &Kind| matches!(kind, Kind::Text(_));
        match (&self.kind, &other.kind) {
            (a, b) if a != b && scalar(a) && scalar(b) && (text(a) || text(b)) => Shape {
                kind: Kind::Text(None),
                null,
            },
            _ => self.or(other),
        }
    }

    /// What a JSON text's value is.
    pub(super) fn of_json(value: &serde_json::Value) -> Shape {
        use serde_json::Value;
        match value {
            Value::Null => Shape::null(),
            Value::Bool(_) => Shape::of(Kind::Bool),
            Value::Number(number) => Shape::of(Kind::Number(number.as_f64())),
            Value::String(text) => Shape::this_text(text),
            Value::Array(values) => {
                let shapes: Vec<Shape> = values.iter().map(Shape::of_json).collect();
                let at_most = u32::try_from(shapes.len()).ok();
                Shape::many(Shape::one_of(&shapes), at_most)
            }
            Value::Object(values) => {
                let pairs = values.iter();
                Shape::object(
                    pairs
                        .map(|(name, value)| (name.as_str().into(), Shape::of_json(value)))
                        .collect(),
                )
            }
        }
    }
}
