//! What the outside gets to see: diagnostics and log lines.

use std::fmt;
use std::sync::atomic::Ordering;

use bheka_value::{Advice, Location, Str, Suggester};

use crate::env::Env;
use crate::fault::Fault;
use crate::registry::{GroupRule, Rule};
use crate::source::Source;
use crate::suggest;

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
    /// How to mend it.
    pub advice: Box<Advice>,
    /// Type and name of the object whose evaluation failed.
    pub object: Option<Box<(Str, Str)>>,
}

impl LangDiagnostic {
    /// A warning or notice that is no consequence of an error.
    pub(crate) fn remark(
        severity: Severity,
        facility: &'static str,
        code: &'static str,
        message: String,
    ) -> Self {
        Self {
            severity,
            facility,
            message,
            location: None,
            excerpt: None,
            is_syntax: false,
            advice: Box::new(Advice::of(code)),
            object: None,
        }
    }

    /// An error that ends everything: with suggestions.
    pub(crate) fn error(env: &Env, fault: Fault) -> Self {
        Self::collected(env, fault, &mut Suggester::default())
    }

    /// One error of many, which share the work that suggestions may cost.
    pub(crate) fn collected(env: &Env, fault: Fault, suggester: &mut Suggester) -> Self {
        let excerpt = fault
            .location
            .as_ref()
            .and_then(|location| env.excerpt(location));
        let is_limit = fault.is_limit() || fault.message.contains("Recursion level too deep");
        let detail = fault.detail.map(|detail| *detail).unwrap_or_default();
        let mut advice = suggest::advise(env, detail, suggester);
        if advice.notes.is_empty() {
            advice
                .notes
                .extend(suggest::remedy(&fault.message).map(str::to_owned));
        }
        if advice.code.is_empty() {
            advice.code = if is_limit { "limit" } else { "evaluation" };
        }
        Self {
            severity: Severity::Critical,
            facility: "config",
            message: fault.message,
            location: fault.location,
            excerpt,
            is_syntax: false,
            advice: Box::new(advice),
            object: None,
        }
    }

    /// What the parser found.
    pub(crate) fn of_text(source: &Source, found: bheka_syntax::Diagnostic) -> Self {
        let location = source.location(found.span);
        // What nests too deep for the parser is well-formed: Icinga 2 finds out later.
        let is_syntax = !found.message.starts_with("Stack overflow");
        Self {
            severity: match found.severity {
                bheka_syntax::Severity::Error => Severity::Critical,
                bheka_syntax::Severity::Warning => Severity::Warning,
            },
            facility: "config",
            is_syntax,
            message: found.message,
            excerpt: Some(source.excerpt(&location)),
            location: Some(location),
            advice: Box::new(Advice {
                code: if is_syntax { "syntax" } else { "limit" },
                suggestions: found.suggestion.into_iter().collect(),
                notes: found.notes,
                attribute: None,
            }),
            object: None,
        }
    }

    /// A remark of the evaluator.
    pub(crate) fn of_log(env: &Env, line: LogLine) -> Self {
        let excerpt = line.location.as_ref();
        let excerpt = excerpt.and_then(|location| env.excerpt(location));
        let code = if line.message.starts_with("Global variable") {
            "implicit-global"
        } else if line.message.starts_with("Value for constant") {
            "constant-modified"
        } else {
            "remark"
        };
        Self {
            excerpt,
            location: line.location,
            ..Self::remark(line.severity, "config", code, line.message)
        }
    }

    /// Whether it forbids to use the configuration.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Critical
    }
}

/// "Apply rule 'x' … does not match anywhere!", with the reason when it is known.
pub(crate) fn unused_rule(env: &Env, rule: &Rule) -> LangDiagnostic {
    let message = format!(
        "Apply rule '{}' ({}) for type '{}' does not match anywhere!",
        rule.name, rule.location, rule.entry.name
    );
    let mut finding =
        LangDiagnostic::remark(Severity::Warning, "ApplyRule", "unused-apply-rule", message);
    let targets = env.registry.count(&rule.target);
    if let Some(trouble) = rule.seen.trouble.get() {
        finding.advice.notes.push(format!(
            "the collection behind 'in' could not be evaluated: {trouble}"
        ));
    } else if targets == 0 {
        let note = format!("there is no {} at all", rule.target);
        finding.advice.notes.push(note);
    } else if rule.expr.for_loop.is_some() && !rule.seen.entries.load(Ordering::Acquire) {
        finding.advice.notes.push(format!(
            "the collection behind 'in' has entries for no {} ({targets} looked at)",
            rule.target
        ));
    }
    finding.location = Some(rule.location.clone());
    finding.excerpt = env.excerpt(&rule.location);
    finding
}

/// A group that has conditions, and no member by them. That is no fault; who misses members can
/// look for it.
pub(crate) fn empty_group(env: &Env, group: &GroupRule) -> LangDiagnostic {
    let item = &group.item;
    let message = format!(
        "The 'assign where' of {} '{}' ({}) does not match anywhere",
        item.entry.name, item.name, item.location
    );
    let mut finding = LangDiagnostic::remark(Severity::Notice, "ApplyRule", "empty-group", message);
    finding.location = Some(item.location.clone());
    finding.excerpt = env.excerpt(&item.location);
    finding.object = Some(Box::new((item.entry.name.clone(), item.name.clone())));
    finding
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
        if self.from_script || !self.facility.is_empty() {
            write!(f, "{}: ", self.facility)?;
        }
        f.write_str(&self.message)
    }
}
