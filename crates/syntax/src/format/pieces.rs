//! The text as a row of tokens and comments.

use crate::ast::Span;
use crate::token::{Tok, Token};

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Token(Tok),
    /// `// …` and `# …`; a line end follows.
    LineComment,
    /// `/* … */`
    BlockComment,
}

/// A token or comment, with what the author put before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'s> {
    pub(super) kind: Kind,
    /// Its text; of comments without blanks at the end.
    pub(super) text: &'s str,
    pub(super) span: Span,
    /// Line ends between the piece before and this one.
    pub(super) breaks: u32,
}

impl Piece<'_> {
    pub(super) fn token(&self) -> Option<Tok> {
        match self.kind {
            Kind::Token(token) => Some(token),
            _ => None,
        }
    }

    pub(super) fn is(&self, token: Tok) -> bool {
        self.kind == Kind::Token(token)
    }

    pub(super) fn is_comment(&self) -> bool {
        self.token().is_none()
    }

    /// Columns of its text when it stands on one line.
    pub(super) fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Cuts a text that has no errors into its pieces. `tokens` are its tokens.
pub(super) fn cut<'s>(source: &'s str, tokens: &[Token]) -> Vec<Piece<'s>> {
    let mut cutter = Cutter {
        source,
        at: 0,
        breaks: 0,
        pieces: Vec::with_capacity(tokens.len()),
    };
    for token in tokens {
        if matches!(token.kind, Tok::Newline | Tok::Eof) {
            // Line ends are read from the gaps, because in parentheses they are no tokens.
            continue;
        }
        cutter.gap(token.span.start as usize);
        cutter.push(Kind::Token(token.kind), token.span.end as usize);
    }
    cutter.gap(source.len());
    cutter.pieces
}

struct Cutter<'s> {
    source: &'s str,
    at: usize,
    breaks: u32,
    pieces: Vec<Piece<'s>>,
}

impl Cutter<'_> {
    /// Reads what stands before the token at `end`: blanks, line ends and comments.
    fn gap(&mut self, end: usize) {
        while self.at < end {
            let rest = self.source.get(self.at..end).unwrap_or_default();
            let bytes = rest.as_bytes();
            match bytes {
                [b'\r', b'\n', ..] => {
                    self.breaks += 1;
                    self.at += 2;
                }
                [b'\r' | b'\n', ..] => {
                    self.breaks += 1;
                    self.at += 1;
                }
                [b'#', ..] | [b'/', b'/', ..] => {
                    let length = rest.find('\n').unwrap_or(rest.len());
                    self.push(Kind::LineComment, self.at + length);
                }
                [b'/', b'*', ..] => {
                    let inner = rest.get(2..).unwrap_or_default();
                    let length = inner.find("*/").map_or(rest.len(), |length| length + 4);
                    self.push(Kind::BlockComment, self.at + length);
                }
                _ => self.at += 1,
            }
        }
        self.at = end;
    }

    fn push(&mut self, kind: Kind, end: usize) {
        let text = self.source.get(self.at..end).unwrap_or_default();
        let text = match kind {
            Kind::Token(_) => text,
            _ => text.trim_end_matches(BLANKS),
        };
        let span = Span {
            start: u32::try_from(self.at).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
        };
        self.pieces.push(Piece {
            kind,
            text,
            span,
            breaks: self.breaks,
        });
        self.at = end;
        self.breaks = 0;
    }
}

/// What separates words in a line, and the half of a line end that a comment keeps.
pub(super) const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Whether both texts have the same tokens and comments in the same order, apart from separators
/// and from the blanks around the lines of comments.
pub(super) fn same_words(left: &[Piece<'_>], right: &[Piece<'_>]) -> bool {
    fn words<'a>(pieces: &'a [Piece<'a>]) -> impl Iterator<Item = &'a Piece<'a>> {
        pieces
            .iter()
            .filter(|piece| !piece.is(Tok::Comma) && !piece.is(Tok::Semicolon))
    }
    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.split('\n').map(|line| line.trim_matches(BLANKS))
    }
    let mut others = words(right);
    words(left).all(|word| {
        others.next().is_some_and(|other| {
            word.kind == other.kind
                && if word.is_comment() {
                    lines(word.text).eq(lines(other.text))
                } else {
                    word.text == other.text
                }
        })
    }) && others.next().is_none()
}
