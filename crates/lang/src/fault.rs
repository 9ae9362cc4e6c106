//! What goes wrong while evaluating, before it becomes a diagnostic.

use std::fmt;

use bheka_value::{CallError, Frozen, Location, Value};

use crate::suggest::Unknown;

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
    /// What else is known, for whoever is to mend it.
    pub(crate) detail: Option<Box<Detail>>,
}

/// What an error knows beside its text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detail {
    /// The kind of error, see [`bheka_value::Advice::code`].
    pub(crate) code: &'static str,
    /// The word that was not found.
    pub(crate) unknown: Option<Unknown>,
    /// Explanations and remedies.
    pub(crate) notes: Vec<String>,
    /// Whether it most likely follows from an error that was found before.
    pub(crate) follows: bool,
}

/// Bytes of a message that are kept: what a script puts into one can be of any size.
const MESSAGE_MAX: usize = 16 * 1024;

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX)
            .rev()
            .find(|&at| message.is_char_boundary(at));
        message.truncate(end.unwrap_or(0));
        message.push('…');
    }
    message
}

impl Fault {
    /// An error of an operator or a library function.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: shortened(message.into()),
            location: None,
            complete: false,
            detail: None,
        }
    }

    /// An error of the language itself.
    pub(crate) fn script(message: impl Into<String>) -> Self {
        Self {
            message: shortened(message.into()),
            location: None,
            complete: true,
            detail: None,
        }
    }

    fn detail(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }

    /// The same with the kind of error.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.detail().code = code;
        self
    }

    /// The same with an explanation.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.detail().notes.push(note.into());
        self
    }

    /// The same with the word that was not found.
    pub(crate) fn unknown(mut self, code: &'static str, unknown: Unknown) -> Self {
        let detail = self.detail();
        detail.code = code;
        detail.unknown = Some(unknown);
        self
    }

    /// Whether a limit of the evaluator was reached: nothing can go on behind it.
    pub(crate) fn is_limit(&self) -> bool {
        self.message.contains("the limit of ") && self.message.ends_with(" is exceeded.")
    }

    /// Whether it is that a field of that name is not there.
    pub(crate) fn lacks_field(&self, wanted: &str) -> bool {
        let unknown = self.detail.as_ref().and_then(|it| it.unknown.as_ref());
        matches!(unknown, Some(Unknown::Field { name, .. }) if name == wanted)
    }

    /// Whether it is that a variable of that name is not there.
    pub(crate) fn lacks_variable(&self, wanted: &str) -> bool {
        let unknown = self.detail.as_ref().and_then(|it| it.unknown.as_ref());
        matches!(unknown, Some(Unknown::Variable { name, .. }) if name == wanted)
    }

    /// Marks it as a consequence of another error.
    pub(crate) fn follows(mut self) -> Self {
        self.detail().follows = true;
        self
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
            detail: None,
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
        Self::new("Value in dictionary must not be modified.")
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
