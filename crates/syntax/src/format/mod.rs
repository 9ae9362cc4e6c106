//! Source text → the same program in the one style.
//!
//! The text is taken apart into tokens and comments (`pieces`), brackets are matched and it is
//! decided what could stand on one line (`groups`), and the pieces are written out with new
//! blanks and line ends (`layout`). Tokens and comments themselves are never rewritten, apart
//! from blanks at line ends and before the lines of a comment. What can vanish are separators that
//! a line end replaces.
//!
//! A line end ends a statement, except directly in parentheses. So line ends are put only where
//! one was, at the edges of braces, after separators, and in lists; and they vanish only there.
//!
//! Nobody has to trust that: before the text is handed out it is parsed again, and it is refused
//! when its tree (`same`), its words or its comments are not those of the original.

mod groups;
mod layout;
mod pieces;
mod same;

use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use crate::lexer;
use crate::lines::LineIndex;
use crate::token::Tok;
use groups::Groups;
use pieces::{Kind, Piece};

/// What a formatted text looks like. The default is the style of Icinga 2's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Blanks for each level of indentation.
    pub indent: usize,
    /// The last column that a list or block may reach when it stands on one line.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            indent: 2,
            width: 100,
        }
    }
}

/// Formats one source text.
///
/// The result has the same meaning (its tree differs in the places of things only) and the same
/// comments in the same order, and formatting it again changes nothing.
///
/// # Errors
///
/// The diagnostics of a text that does not parse. Also refused is what could not keep its meaning:
/// text that the parser does not reach (see the notes of the diagnostic), and a `current_line` that
/// would move to another line.
///
/// ```
/// use bheka_syntax::format::{Style, format};
/// assert!(format("object Host 'a'\n", &Style::default()).is_err());
/// let text = "object Host \"a\"{\naddress=\"192.0.2.1\";}";
/// let formatted = "object Host \"a\" {\n  address = \"192.0.2.1\"\n}\n";
/// assert_eq!(format(text, &Style::default()).as_deref(), Ok(formatted));
/// ```
pub fn format(source: &str, style: &Style) -> Result<String, Vec<Diagnostic>> {
    let parsed = crate::parse(source);
    if parsed.has_errors() {
        return Err(parsed.diagnostics);
    }
    let lexed = lexer::lex(source);
    if let Some(cut) = lexed.cut {
        return Err(refuse_cut(source, cut, parsed.diagnostics));
    }
    let pieces = pieces::cut(source, &lexed.tokens);
    let groups = Groups::new(&pieces);
    let text = layout::write(&pieces, &groups, style);
    let again = crate::parse(&text);
    let lexed = lexer::lex(&text);
    let written = pieces::cut(&text, &lexed.tokens);
    let is_same = !again.has_errors()
        && same::blocks(&parsed.block, &again.block)
        && pieces::same_words(&pieces, &written);
    if !is_same {
        let error = Diagnostic::error(
            "this text would not keep its meaning, so it is left as it is",
            Span::default(),
        );
        let note = "that is a mistake of the formatter; please report it with this text";
        return Err(vec![error.with_note(note)]);
    }
    match moved_line(source, &pieces, &text, &written) {
        Some(error) => Err(vec![error]),
        None => Ok(text),
    }
}

/// A byte outside ASCII that stands in no string or comment ends the text for the parser; what is
/// behind it cannot be formatted and must not be lost.
fn refuse_cut(source: &str, cut: u32, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let rest = source.get(cut as usize..).unwrap_or_default();
    let length = rest.chars().next().map_or(0, char::len_utf8);
    let span = Span {
        start: cut,
        end: cut + u32::try_from(length).unwrap_or(0),
    };
    let message = "the parser reads this text only up to here, so it is not formatted";
    let mut error = Diagnostic::error(message, span);
    // The warning about the same place knows the remedy.
    error
        .notes
        .extend(diagnostics.drain(..).flat_map(|found| found.notes));
    vec![error]
}

/// `current_line` is the one word whose value depends on where it stands.
fn moved_line(
    source: &str,
    before: &[Piece<'_>],
    text: &str,
    after: &[Piece<'_>],
) -> Option<Diagnostic> {
    let is_line = |piece: &&Piece<'_>| piece.kind == Kind::Token(Tok::CurrentLine);
    before.iter().find(is_line)?;
    let (old, new) = (LineIndex::new(source), LineIndex::new(text));
    let pairs = before.iter().filter(is_line);
    for (was, is) in pairs.zip(after.iter().filter(is_line)) {
        let from = old.line_column(was.span.start).0;
        let to = new.line_column(is.span.start).0;
        if from != to {
            let message = format!(
                "'current_line' would move to line {to} and so change its value; the text is left \
                 as it is"
            );
            let note = "format what is above it by hand, so that it stays in its line";
            return Some(Diagnostic::error(message, was.span).with_note(note));
        }
    }
    None
}
