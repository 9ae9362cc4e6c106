//! Text → tokens → tree, with diagnostics. Parsing never fails: [`parse`] always yields a tree,
//! and beside it what was wrong.
//!
//! This crate knows no values, does no input or output, and does not know that objects exist.

pub mod ast;
mod diagnostic;
mod lexer;
mod lines;
mod parser;
mod token;

pub use diagnostic::{Diagnostic, Severity, excerpt};
pub use lines::LineIndex;
pub use parser::{MAX_HEIGHT, MAX_NESTING};

/// What [`parse`] yields.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The tree. It holds [`ast::ExprKind::Error`] where text was not understood.
    pub block: ast::Block,
    /// All findings in the order of their places. If one is an error, the tree must not be
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
