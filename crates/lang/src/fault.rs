//! What goes wrong while evaluating, before it becomes a diagnostic.

use std::fmt;

use bheka_value::{CallError, Frozen, Location, Value};

/// An error on its way up through the evaluator.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) message: String,
    /// Where; the innermost expression fills it in.
    pub(crate) location: Option<Location>,
    /// Whether the text is complete. Others get "Error while evaluating expression: " in front,
    /// as Icinga 2 does with errors of its library.
    pub(crate) complete: bool,
}

impl Fault {
    /// An error of an operator or a library function.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            location: None,
            complete: false,
        }
    }

    /// An error of the language itself.
    pub(crate) fn script(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            location: None,
            complete: true,
        }
    }

    /// The same at a place, unless it has one.
    pub(crate) fn at(mut self, location: Location) -> Self {
        self.location.get_or_insert(location);
        self
    }

    /// The complete text at a place: what an expression makes of an error inside it.
    pub(crate) fn located(mut self, location: impl FnOnce() -> Location) -> Self {
        if self.location.is_none() {
            if !self.complete {
                self.message = format!("Error while evaluating expression: {}", self.message);
                self.complete = true;
            }
            self.location = Some(location());
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        let complete = error.location.is_some();
        Self {
            message: error.message,
            location: error.location,
            complete,
        }
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        Self {
            message: fault.message,
            location: fault.location,
        }
    }
}

impl From<Frozen> for Fault {
    fn from(_: Frozen) -> Self {
        Self::script("Value in dictionary must not be modified.")
    }
}

/// Why an expression did not simply yield a value.
#[derive(Debug)]
pub(crate) enum Stop {
    Error(Box<Fault>),
    Return(Value),
    Break,
    Continue,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Error(Box::new(fault))
    }
}

impl Stop {
    /// The error; a stray `break` or `return` becomes one.
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Error(fault) => *fault,
            Self::Return(_) | Self::Break | Self::Continue => {
                Fault::script("Invalid flow control statement.")
            }
        }
    }
}

/// Result of library code.
pub(crate) type Outcome<T = Value> = Result<T, Fault>;
/// Result of evaluating an expression.
pub(crate) type Eval<T = Value> = Result<T, Stop>;
