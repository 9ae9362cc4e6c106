//! What was wrong, and where.

use crate::ast::Span;
use crate::lines::LineIndex;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text is accepted, but its author should look at it.
    Warning,
    /// The tree must not be evaluated.
    Error,
}

/// One finding about a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in the words that Icinga 2 uses where it knows the case.
    pub message: String,
    /// The place.
    pub span: Span,
    /// Explanations and remedies, one sentence each.
    pub notes: Vec<String>,
    /// The word that probably was meant.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// An error without notes.
    pub fn error(message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span,
            notes: Vec::new(),
            suggestion: None,
        }
    }

    /// A warning without notes.
    pub fn warning(message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Warning,
            message: message.into(),
            span,
            notes: Vec::new(),
            suggestion: None,
        }
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// The source lines of `span` with lines of `^` under the marked part, and two lines before and
/// after, as Icinga 2 shows the place of an error. Control characters are shown as blanks.
pub fn excerpt(source: &str, span: Span) -> String {
    render(source, span, |_| String::new())
}

/// As [`excerpt`], each line with the name of the file and its number before it:
/// `main.conf(3): x = 5`.
pub fn excerpt_in(file: &str, source: &str, span: Span) -> String {
    render(source, span, |line| format!("{file}({line}): "))
}

/// Lines shown before and after the marked ones.
const CONTEXT: u32 = 2;
/// Marked lines shown from the start; of the rest of a long span only the last one is.
const MAX_MARKED: u32 = 200;

fn render(source: &str, span: Span, prefix: impl Fn(u32) -> String) -> String {
    let index = LineIndex::new(source);
    let (first, first_column) = index.line_column(span.start);
    let last_offset = if span.end > span.start {
        span.end - 1
    } else {
        span.start
    };
    let (last, last_column) = index.line_column(last_offset);
    let from = first.saturating_sub(CONTEXT).max(1);
    let to = last.saturating_add(CONTEXT).min(index.line_count());
    let mut out = String::new();
    for line in from..=to {
        if line > first.saturating_add(MAX_MARKED) && line < last {
            continue;
        }
        let text = index.line_text(source, line);
        let before = prefix(line);
        out.push_str(&before);
        out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        out.push('\n');
        if (first..=last).contains(&line) {
            out.extend(std::iter::repeat_n(' ', before.chars().count()));
            let start = if line == first { first_column } else { 1 };
            let end = if line == last { last_column } else { u32::MAX };
            push_marker(&mut out, text, start, end, first == last);
        }
    }
    out
}

/// A marker line: blanks up to byte column `start`, then `^` up to `end` or the end of the line.
fn push_marker(out: &mut String, text: &str, start: u32, end: u32, at_least_one: bool) {
    let mut column = 1u32;
    let mut marks = 0u32;
    for character in text.chars() {
        if column > end {
            break;
        }
        let marked = column >= start;
        out.push(if marked { '^' } else { ' ' });
        marks += u32::from(marked);
        column = column.saturating_add(u32::try_from(character.len_utf8()).unwrap_or(1));
    }
    if marks == 0 && at_least_one {
        out.push('^');
    }
    out.push('\n');
}
