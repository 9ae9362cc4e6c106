//! Functions and objects as values, without their implementation.

use std::fmt;
use std::sync::Arc;

use crate::{Location, Str, Value};

/// Why a call did not yield a value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// The cause, in lower-case words without a full stop where it is ours.
    pub message: String,
    /// Where in the configuration it was raised, when known.
    pub location: Option<Location>,
}

impl CallError {
    /// An error without a place.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            location: None,
        }
    }

    /// The same error, at a place, unless it already has one.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location.get_or_insert(location);
        self
    }
}

/// What type reflection and the REST API show of a function.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Name as shown, e.g. `Array#len`, or `<anonymous>`.
    pub name: Str,
    /// Names of the parameters.
    pub arguments: Vec<Str>,
    /// Whether a filter of the API may call it.
    pub side_effect_free: bool,
    /// Whether its use earns a warning.
    pub deprecated: bool,
}

/// Something that can be called: a closure of the language, or a native function.
pub trait Callable: Send + Sync + fmt::Debug {
    /// Its name, parameters and flags.
    fn info(&self) -> &FunctionInfo;

    /// Calls it with `this` and arguments.
    ///
    /// # Errors
    /// When the arguments do not fit, or the body throws.
    fn call(&self, this: Option<&Value>, arguments: &[Value]) -> Result<Value, CallError>;

    /// The concrete type, for the crate that made the function; `None` where no one asks.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }
}

/// A function written in Rust.
pub struct NativeFunction {
    info: FunctionInfo,
    body: Box<NativeBody>,
}

type NativeBody = dyn Fn(Option<&Value>, &[Value]) -> Result<Value, CallError> + Send + Sync;

impl NativeFunction {
    /// A side-effect-free function from a closure.
    pub fn pure(
        name: &str,
        arguments: &[&str],
        body: impl Fn(Option<&Value>, &[Value]) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with_flags(name, arguments, true, body)
    }

    /// A function with side effects from a closure.
    pub fn effectful(
        name: &str,
        arguments: &[&str],
        body: impl Fn(Option<&Value>, &[Value]) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with_flags(name, arguments, false, body)
    }

    fn with_flags(
        name: &str,
        arguments: &[&str],
        side_effect_free: bool,
        body: impl Fn(Option<&Value>, &[Value]) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            info: FunctionInfo {
                name: name.into(),
                arguments: arguments.iter().map(|&argument| argument.into()).collect(),
                side_effect_free,
                deprecated: false,
            },
            body: Box::new(body),
        })
    }
}

impl Callable for NativeFunction {
    fn info(&self) -> &FunctionInfo {
        &self.info
    }

    fn call(&self, this: Option<&Value>, arguments: &[Value]) -> Result<Value, CallError> {
        (self.body)(this, arguments)
    }
}

impl fmt::Debug for NativeFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NativeFunction({})", self.info.name)
    }
}

/// Named attribute access to something with a type: a configuration object, a check result, a
/// type, a namespace, a date.
pub trait ObjectView: Send + Sync + fmt::Debug {
    /// The name of its type, e.g. `Host`, `Type`, `Namespace`, `DateTime`.
    fn type_name(&self) -> &str;

    /// Its full name when it is a configuration object (`host!service`), else empty.
    fn object_name(&self) -> Str;

    /// The value of an attribute; `None` when the type has no such attribute.
    fn attribute(&self, name: &str) -> Option<Value>;

    /// The names of all attributes, in the order in which to show them.
    fn attribute_names(&self) -> Vec<Str>;

    /// The object as text, as part of a string or of a command line.
    fn text(&self) -> Str {
        format!("Object of type '{}'", self.type_name()).into()
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// By default always: views are read-only.
    fn set_attribute(&self, name: &str, _value: Value) -> Result<(), CallError> {
        Err(CallError::new(format!(
            "attribute '{name}' of this {} cannot be changed here",
            self.type_name()
        )))
    }

    /// Removes an attribute (namespaces only).
    ///
    /// # Errors
    /// By default always.
    fn remove_attribute(&self, name: &str) -> Result<(), CallError> {
        Err(CallError::new(format!(
            "attribute '{name}' of this {} cannot be removed",
            self.type_name()
        )))
    }

    /// The concrete type, for the crate that made the view.
    fn as_any(&self) -> &dyn std::any::Any;
}
