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
    excerpt_with(&LineIndex::new(source), source, span)
}

/// As [`excerpt`], with the lines of `source` at hand.
pub fn excerpt_with(index: &LineIndex, source: &str, span: Span) -> String {
    render(index, source, span, |_| String::new())
}

/// As [`excerpt`], each line with the name of the file and its number before it:
/// `main.conf(3): x = 5`.
pub fn excerpt_in(file: &str, source: &str, span: Span) -> String {
    let index = LineIndex::new(source);
    render(&index, source, span, |line| format!("{file}({line}): "))
}

/// Lines shown before and after the marked ones.
const CONTEXT: u32 = 2;
/// Marked lines shown from the start; of the rest of a long span only the last one is.
const MAX_MARKED: u32 = 200;
/// Bytes of a line from which on it is shown in part, the bytes shown, and those before the mark.
const LONG_LINE: usize = 2000;
const SHOWN: usize = 800;
const SHOWN_BEFORE: usize = 200;

/// What is shown of a line: all of it, or of a long one (2,000 bytes) the part around a column,
/// with the number of bytes before it.
pub fn shown_part(text: &str, column: u32) -> (&str, u32) {
    if text.len() <= LONG_LINE {
        return (text, 0);
    }
    let column = usize::try_from(column).unwrap_or(usize::MAX);
    let from = column.saturating_sub(SHOWN_BEFORE).min(text.len());
    let whole = |at: usize| (0..=at).rev().find(|&at| text.is_char_boundary(at));
    let from = whole(from).unwrap_or(0);
    let to = whole((from + SHOWN).min(text.len())).unwrap_or(0);
    let part = text.get(from..to).unwrap_or_default();
    (part, u32::try_from(from).unwrap_or(0))
}

fn render(index: &LineIndex, source: &str, span: Span, prefix: impl Fn(u32) -> String) -> String {
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
        let (text, skipped) = shown_part(text, if line == first { first_column } else { 1 });
        let mut before = prefix(line);
        if skipped > 0 {
            before.push('…');
        }
        out.push_str(&before);
        out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        out.push('\n');
        if (first..=last).contains(&line) {
            out.extend(std::iter::repeat_n(' ', before.chars().count()));
            let start = if line == first { first_column } else { 1 };
            let end = if line == last { last_column } else { u32::MAX };
            let (start, end) = (start.saturating_sub(skipped), end.saturating_sub(skipped));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_shown_around_the_mark() {
        let source = format!("{}äXY{}\nnext\n", "ä".repeat(5000), "b".repeat(5000));
        let start = u32::try_from(source.find('X').unwrap_or(0)).unwrap_or(0);
        let text = excerpt(
            &source,
            Span {
                start,
                end: start + 2,
            },
        );
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("…ä") && lines[0].len() < 1000);
        let at = |line: &str, wanted: char| line.chars().position(|c| c == wanted);
        assert_eq!(at(lines[0], 'X'), at(lines[1], '^'));
        assert_eq!(lines[1].matches('^').count(), 2);
        assert_eq!(lines[2], "next");
    }
}
