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
}

impl Diagnostic {
    /// An error without notes.
    pub fn error(message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span,
            notes: Vec::new(),
        }
    }

    /// A warning without notes.
    pub fn warning(message: impl Into<String>, span: Span) -> Self {
        Self {
            severity: Severity::Warning,
            message: message.into(),
            span,
            notes: Vec::new(),
        }
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// The source lines of `span` with a line of `^` under the marked part, two lines of context
/// before and after, as Icinga 2 prints them under an error.
///
/// Bytes that would disturb a terminal (control characters) are shown as blanks.
pub fn excerpt(source: &str, span: Span) -> String {
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
        // A last line without any text is the file's final new-line, not a line to show.
        if text.is_empty() && line == index.line_count() && line > last {
            continue;
        }
        out.extend(
            text.chars()
                .map(|c| if c.is_control() && c != '\t' { ' ' } else { c }),
        );
        out.push('\n');
        if line < first || line > last {
            continue;
        }
        let start = if line == first { first_column } else { 1 };
        let end = if line == last {
            last_column
        } else {
            to_u32(text.len())
        };
        push_marker(&mut out, text, start, end);
    }
    out
}

/// Lines shown before and after the marked ones.
const CONTEXT: u32 = 2;
/// Marked lines shown before the middle of a long span is left out.
const MAX_MARKED: u32 = 6;

/// A marker line: blanks as wide as the text before byte column `start`, then `^` up to `end`.
fn push_marker(out: &mut String, text: &str, start: u32, end: u32) {
    let mut column = 1u32;
    let mut marks = 0u32;
    for character in text.chars() {
        let width = to_u32(character.len_utf8());
        if column < start {
            out.push(if character == '\t' { '\t' } else { ' ' });
        } else if column <= end {
            out.push('^');
            marks += 1;
        } else {
            break;
        }
        column = column.saturating_add(width);
    }
    if marks == 0 {
        out.push('^');
    }
    out.push('\n');
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
