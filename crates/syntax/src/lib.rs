//! Text → tokens → tree, with diagnostics. Parsing never fails: [`parse`] always yields a tree,
//! and beside it what was wrong.
//!
//! This crate knows no values, does no input or output, and does not know that objects exist.

pub mod ast;
mod diagnostic;
pub mod format;
mod lexer;
mod lines;
mod parser;
mod token;

pub use diagnostic::{Diagnostic, Severity, excerpt, excerpt_in, excerpt_with, shown_part};
pub use lines::{LineIndex, Range};
pub use parser::{MAX_DIAGNOSTICS, MAX_HEIGHT, MAX_NESTING};

/// What [`parse`] yields.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The tree. It holds [`ast::ExprKind::Error`] where text was not understood.
    pub block: ast::Block,
    /// All apply rules of the tree, however deep, in the order in which they end: their types can
    /// be judged before anything is evaluated.
    pub applies: Vec<std::sync::Arc<ast::ApplyExpr>>,
    /// All findings, at most [`MAX_DIAGNOSTICS`], in the order in which Icinga 2 would come across
    /// them (it stops at the first error). If one is an error, the tree must not be
    /// evaluated.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether a diagnostic forbids to evaluate the tree.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Parses one source text.
///
/// ```
/// let parsed = bheka_syntax::parse("object Host \"a\" { address = \"192.0.2.1\" }\n");
/// assert!(parsed.diagnostics.is_empty());
/// assert_eq!(parsed.block.len(), 1);
/// ```
pub fn parse(source: &str) -> Parsed {
    parser::parse(source)
}

/// The tokens of a source with the names under which messages speak of them, for highlighting and
/// tests. The last one is "end of file".
pub fn tokens(source: &str) -> Vec<(&'static str, ast::Span)> {
    let tokens = lexer::lex(source).tokens;
    tokens
        .into_iter()
        .map(|token| (token.kind.name(), token.span))
        .collect()
}
