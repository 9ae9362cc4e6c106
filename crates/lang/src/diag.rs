//! What the outside gets to see: diagnostics and log lines.

use std::fmt;

use bheka_value::Location;

use crate::env::Env;
use crate::fault::Fault;

/// How important a message is, in Icinga 2's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Severity {
    Debug,
    Notice,
    Information,
    Warning,
    Critical,
}

impl Severity {
    /// The word in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Notice => "notice",
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding about the configuration.
#[derive(Clone, Debug)]
pub struct LangDiagnostic {
    /// Critical ones forbid to use the configuration.
    pub severity: Severity,
    /// The facility in the log (`config`, `ConfigItem`, `ApplyRule`).
    pub facility: &'static str,
    /// What is wrong, in Icinga 2's words where it has some.
    pub message: String,
    /// Where.
    pub location: Option<Location>,
    /// The marked source lines.
    pub excerpt: Option<String>,
    /// Whether the text did not parse (as against: could not be evaluated).
    pub is_syntax: bool,
}

impl LangDiagnostic {
    pub(crate) fn error(env: &Env, fault: Fault) -> Self {
        let excerpt = fault
            .location
            .as_ref()
            .and_then(|location| env.excerpt(location));
        Self {
            severity: Severity::Critical,
            facility: "config",
            message: fault.message,
            location: fault.location,
            excerpt,
            is_syntax: false,
        }
    }

    /// Whether it forbids to use the configuration.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Critical
    }
}

/// The message with its place and its excerpt, as Icinga 2 shows them.
impl fmt::Display for LangDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(location) = &self.location {
            write!(f, "\nLocation: {location}")?;
        }
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        Ok(())
    }
}

/// A line of `log()`, or a remark of the evaluator.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// How important.
    pub severity: Severity,
    /// Who says it; may be empty.
    pub facility: String,
    /// What.
    pub message: String,
    /// Where, for remarks of the evaluator.
    pub location: Option<Location>,
    /// Whether a script said it, not the evaluator.
    pub from_script: bool,
}

/// `severity/facility: text`
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.severity)?;
        if !self.facility.is_empty() {
            write!(f, "{}: ", self.facility)?;
        }
        f.write_str(&self.message)
    }
}
