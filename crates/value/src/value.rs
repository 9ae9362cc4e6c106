//! The value itself.

use std::fmt;
use std::sync::Arc;

use crate::collections::MAX_NESTING;
use crate::{Array, Callable, Dictionary, Map, ObjectView, Str, format_number};

/// A value of the configuration language.
#[derive(Clone, Default)]
pub enum Value {
    /// `null`, and what an unset attribute yields.
    #[default]
    Empty,
    /// All numbers are doubles.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// Text.
    String(Str),
    /// A list, shared by reference.
    Array(Arc<Array>),
    /// A map with sorted keys, shared by reference.
    Dictionary(Arc<Dictionary>),
    /// Something to call.
    Function(Arc<dyn Callable>),
    /// Anything else with a type and attributes: configuration objects, types, namespaces, dates,
    /// references, check results, performance data.
    Object(Arc<dyn ObjectView>),
}

/// The coarse type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Empty,
    Number,
    Boolean,
    String,
    Array,
    Dictionary,
    Function,
    Object,
}

impl Value {
    /// A string value.
    #[must_use]
    pub fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// A new array.
    #[must_use]
    pub fn array(items: impl IntoIterator<Item = Self>) -> Self {
        Self::Array(Arc::new(items.into_iter().collect()))
    }

    /// A new dictionary.
    #[must_use]
    pub fn dictionary<K: Into<Str>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entries: Map = entries.into_iter().collect();
        Self::Dictionary(Arc::new(Dictionary::new(entries)))
    }

    /// The coarse type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Empty => Kind::Empty,
            Self::Number(_) => Kind::Number,
            Self::Boolean(_) => Kind::Boolean,
            Self::String(_) => Kind::String,
            Self::Array(_) => Kind::Array,
            Self::Dictionary(_) => Kind::Dictionary,
            Self::Function(_) => Kind::Function,
            Self::Object(_) => Kind::Object,
        }
    }

    /// The name of the type as the language shows it (`typeof(x).name`); an empty value is an
    /// `Object`, as in Icinga 2.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Empty => "Object",
            Self::Number(_) => "Number",
            Self::Boolean(_) => "Boolean",
            Self::String(_) => "String",
            Self::Array(_) => "Array",
            Self::Dictionary(_) => "Dictionary",
            Self::Function(_) => "Function",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Whether it is [`Value::Empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Truth as the language sees it: 0, `""`, `[]`, `{}`, `false` and `null` are false.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Number(number) => *number != 0.0,
            Self::Boolean(boolean) => *boolean,
            Self::String(text) => !text.is_empty(),
            Self::Array(array) => !array.is_empty(),
            Self::Dictionary(dictionary) => !dictionary.is_empty(),
            Self::Function(_) | Self::Object(_) => true,
        }
    }

    /// The number, when it is one (a boolean is not).
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    /// The text, when it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text.as_str())
        } else {
            None
        }
    }

    /// The array, when it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&Arc<Array>> {
        if let Self::Array(array) = self {
            Some(array)
        } else {
            None
        }
    }

    /// The dictionary, when it is one.
    #[must_use]
    pub fn as_dictionary(&self) -> Option<&Arc<Dictionary>> {
        if let Self::Dictionary(dictionary) = self {
            Some(dictionary)
        } else {
            None
        }
    }

    /// The object, when it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Arc<dyn ObjectView>> {
        if let Self::Object(object) = self {
            Some(object)
        } else {
            None
        }
    }

    /// The function, when it is one.
    #[must_use]
    pub fn as_function(&self) -> Option<&Arc<dyn Callable>> {
        if let Self::Function(function) = self {
            Some(function)
        } else {
            None
        }
    }

    /// A lenient reading as number: numbers, booleans and numeric strings.
    #[must_use]
    pub fn to_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Boolean(boolean) => Some(f64::from(u8::from(*boolean))),
            Self::String(text) => text.trim().parse().ok(),
            Self::Empty => Some(0.0),
            _ => None,
        }
    }

    /// Equality as `==` of the language has it: numbers and booleans by value (`true == 1`),
    /// strings by text, `null` equal to `""`, arrays and dictionaries by content, others by
    /// identity.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        equals_within(self, other, 0)
    }

    /// Forbids all further changes, deeply.
    pub fn freeze(&self) {
        freeze_within(self, 0);
    }

    /// A deep copy of arrays and dictionaries; functions and objects are shared.
    #[must_use]
    pub fn deep_clone(&self) -> Self {
        clone_within(self, 0)
    }
}

fn equals_within(left: &Value, right: &Value, depth: usize) -> bool {
    if depth > MAX_NESTING {
        return false;
    }
    match (left, right) {
        (Value::Empty, Value::Empty) => true,
        (Value::Empty, Value::String(text)) | (Value::String(text), Value::Empty) => {
            text.is_empty()
        }
        (Value::String(left), Value::String(right)) => left == right,
        (
            Value::Number(_) | Value::Boolean(_) | Value::Empty,
            Value::Number(_) | Value::Boolean(_) | Value::Empty,
        ) => left.to_number() == right.to_number(),
        (Value::Array(left), Value::Array(right)) => {
            if Arc::ptr_eq(left, right) {
                return true;
            }
            let (left, right) = (left.items(), right.items());
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|(l, r)| equals_within(l, r, depth + 1))
        }
        (Value::Dictionary(left), Value::Dictionary(right)) => {
            if Arc::ptr_eq(left, right) {
                return true;
            }
            let (left, right) = (left.entries(), right.entries());
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|((left_key, left), (right_key, right))| {
                        left_key == right_key && equals_within(left, right, depth + 1)
                    })
        }
        (Value::Function(left), Value::Function(right)) => Arc::ptr_eq(left, right),
        (Value::Object(left), Value::Object(right)) => Arc::ptr_eq(left, right),
        _ => false,
    }
}

fn freeze_within(value: &Value, depth: usize) {
    if depth > MAX_NESTING {
        return;
    }
    match value {
        Value::Array(array) if !array.is_frozen() => {
            array.freeze_shallow();
            array
                .read()
                .iter()
                .for_each(|item| freeze_within(item, depth + 1));
        }
        Value::Dictionary(dictionary) if !dictionary.is_frozen() => {
            dictionary.freeze_shallow();
            dictionary
                .read()
                .values()
                .for_each(|item| freeze_within(item, depth + 1));
        }
        _ => {}
    }
}

fn clone_within(value: &Value, depth: usize) -> Value {
    if depth > MAX_NESTING {
        return Value::Empty;
    }
    match value {
        Value::Array(array) => Value::array(
            array
                .items()
                .iter()
                .map(|item| clone_within(item, depth + 1)),
        ),
        Value::Dictionary(dictionary) => Value::dictionary(
            dictionary
                .entries()
                .iter()
                .map(|(key, item)| (key.clone(), clone_within(item, depth + 1))),
        ),
        other => other.clone(),
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::string(text)
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::String(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("null"),
            Self::Number(number) => f.write_str(&format_number(*number)),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::String(text) => write!(f, "{text:?}"),
            Self::Function(function) => write!(f, "function {}", function.info().name),
            Self::Object(object) => {
                write!(f, "{} '{}'", object.type_name(), object.object_name())
            }
            Self::Array(_) | Self::Dictionary(_) => f.write_str(&crate::to_json(self)),
        }
    }
}

/// Equality of the language, see [`Value::equals`].
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}
