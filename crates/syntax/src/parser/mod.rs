//! Tokens → tree.
//!
//! Statements are parsed by recursive descent, expressions by precedence climbing. A construct that
//! does not parse yields `Err(Failed)` up to the statement around it, which puts an
//! [`ExprKind::Error`] in its place, skips to the next statement and
//! goes on: so all errors of a file are reported.

mod expression;
mod hints;
mod object;
mod recover;
mod scope;
mod statement;

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::Parsed;
use crate::ast::{ApplyExpr, Block, Expr, ExprKind, Span};
use crate::diagnostic::{Diagnostic, Severity};
use crate::lexer::{self, Lexed};
use crate::token::{Tok, Token};
use scope::{Closer, Effects, Flow, Rules};

/// How deep expressions and blocks may be nested in the text. Icinga 2's parser runs out of its
/// own stack between 3000 and 5000 parentheses.
pub const MAX_NESTING: u32 = 4000;

/// How high the tree may become; a chain of operators (`a + b + c`) grows it as nesting does, while
/// parentheses do not. Icinga 2 refuses to evaluate what is higher than about 300 levels. What walks
/// a tree recursively (dropping, cloning, comparing it) can rely on this limit: half a stack of
/// 2 MiB suffices for that, also without optimisation.
pub const MAX_HEIGHT: u32 = 1000;

/// Diagnostics kept of one source; a file that is no configuration at all has one per line.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// Nesting that is parsed on the caller's stack; only stranger texts get a thread of their own.
const EASY_NESTING: u32 = 100;

/// Stack for [`MAX_NESTING`] levels; measured are less than 6 KiB a level without optimisation.
const DEEP_STACK: usize = 64 << 20;

/// A diagnostic, and the offset of the text at which Icinga 2 would have come across it: it finds
/// a value without use, say, only when its block has been read. Diagnostics are sorted by that, so
/// that the first one is the (only) one that Icinga 2 shows.
struct Found {
    at: u32,
    diagnostic: Diagnostic,
}

/// A construct did not parse; the diagnostic is already written.
pub(crate) struct Failed;

type Result<T> = std::result::Result<T, Failed>;

/// Parses one source text.
pub(crate) fn parse(source: &str) -> Parsed {
    if u32::try_from(source.len()).is_err() {
        let error = Diagnostic::error("the source is larger than 4 GiB", Span::default());
        return Parsed {
            block: Block::new(),
            applies: Vec::new(),
            diagnostics: vec![error],
        };
    }
    let mut lexed = lexer::lex(source);
    let found = std::mem::take(&mut lexed.diagnostics);
    let mut parser = Parser::new(source, &lexed, EASY_NESTING);
    let mut block = parser.file();
    if parser.too_deep {
        (block, parser.diagnostics, parser.applies) = parse_deep(source, &lexed);
    }
    let applies = parser.applies;
    let from_lexer = found.into_iter().map(|diagnostic| Found {
        at: diagnostic.span.start,
        diagnostic,
    });
    let mut all: Vec<Found> = from_lexer.chain(parser.diagnostics).collect();
    all.sort_by_key(|found| found.at);
    let more = all.len().saturating_sub(MAX_DIAGNOSTICS);
    all.truncate(MAX_DIAGNOSTICS);
    let mut diagnostics: Vec<Diagnostic> = all.into_iter().map(|found| found.diagnostic).collect();
    if let (Some(last), true) = (diagnostics.last_mut(), more > 0) {
        last.notes.push(format!(
            "{more} more diagnostics of this source are left out"
        ));
    }
    Parsed {
        block,
        applies,
        diagnostics,
    }
}

/// Parses on a thread whose stack suffices for [`MAX_NESTING`].
fn parse_deep(source: &str, lexed: &Lexed) -> (Block, Vec<Found>, Vec<Arc<ApplyExpr>>) {
    let work = || {
        let mut parser = Parser::new(source, lexed, MAX_NESTING);
        let block = parser.file();
        (block, parser.diagnostics, parser.applies)
    };
    let joined = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(DEEP_STACK);
        builder
            .spawn_scoped(scope, work)
            .ok()
            .and_then(|thread| thread.join().ok())
    });
    joined.unwrap_or_else(|| {
        let message = format!(
            "the source is nested deeper than {EASY_NESTING} levels, and there is no memory for more"
        );
        let diagnostic = Diagnostic::error(message, Span::default());
        (Block::new(), vec![Found { at: 0, diagnostic }], Vec::new())
    })
}

struct Parser<'s> {
    source: &'s str,
    tokens: &'s [Token],
    /// `}}` tokens that stand for two closing braces, because `}` was needed: their index.
    split: Option<usize>,
    at: usize,
    diagnostics: Vec<Found>,
    applies: Vec<Arc<ApplyExpr>>,
    /// Errors at the end are a consequence of one that the lexer has reported.
    runs_out: bool,
    cut: Option<u32>,
    /// Index of the token of the last error: there is one error per token.
    reported: Option<usize>,
    nesting: u32,
    max_nesting: u32,
    too_deep: bool,
    /// Height of the node that was built last.
    height: u32,
    /// Where that node stands, with the parentheses around it (its own span is without).
    extent: Span,
    flow: Flow,
    /// `assign where` and `ignore where` of the objects around this place.
    rules: Vec<Rules>,
    /// Index of the token behind the name or string that was taken last as an operand.
    bare_name: Option<usize>,
    /// Index of the first token of the innermost statement.
    statement_start: usize,
    /// The short texts so far.
    texts: RefCell<FxHashSet<Arc<str>>>,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, lexed: &'s Lexed, max_nesting: u32) -> Self {
        Self {
            source,
            tokens: &lexed.tokens,
            split: None,
            at: 0,
            diagnostics: Vec::new(),
            applies: Vec::new(),
            runs_out: lexed.runs_out,
            cut: lexed.cut,
            reported: None,
            nesting: 0,
            max_nesting,
            too_deep: false,
            height: 0,
            extent: Span::default(),
            flow: Flow::Nothing,
            rules: Vec::new(),
            bare_name: None,
            statement_start: 0,
            texts: RefCell::default(),
        }
    }

    fn file(&mut self) -> Block {
        let block = self.statements(Closer::Eof, Effects::AllButLast, None);
        self.warn_of_cut();
        block
    }

    /// Icinga 2's lexer takes a byte outside ASCII (and NUL) for the end of the file, unless it
    /// stands in a string or comment. The same is done here, but not silently.
    fn warn_of_cut(&mut self) {
        let Some(cut) = self.cut else { return };
        let rest = self.source.get(cut as usize..).unwrap_or_default();
        let has_errors = self
            .diagnostics
            .iter()
            .any(|d| d.diagnostic.severity == Severity::Error);
        if has_errors || rest.chars().all(|c| c == '\0' || c.is_whitespace()) {
            return;
        }
        let end = cut + rest.chars().next().map_or(0, |c| c.len_utf8() as u32);
        let message = "the file ends here for the parser; everything behind is ignored";
        let warning = Diagnostic::warning(message, Span { start: cut, end });
        self.report(warning.with_note(hints::cut(rest)));
    }

    // Tokens

    fn token(&self) -> Token {
        self.token_at(self.at)
    }

    fn token_at(&self, index: usize) -> Token {
        let token = self.tokens.get(index).or(self.tokens.last()).copied();
        let mut token = token.unwrap_or(Token {
            kind: Tok::Eof,
            span: Span::default(),
        });
        if self.split == Some(index) && token.kind == Tok::LambdaEnd {
            token = Token {
                kind: Tok::BraceClose,
                span: Span {
                    start: token.span.start + 1,
                    end: token.span.end,
                },
            };
        }
        token
    }

    fn kind(&self) -> Tok {
        self.token().kind
    }

    fn kind_ahead(&self, ahead: usize) -> Tok {
        self.token_at(self.at + ahead).kind
    }

    fn advance(&mut self) -> Token {
        let token = self.token();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn take(&mut self, kind: Tok) -> bool {
        let found = self.kind() == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Takes a token of this kind; the error otherwise says that it was expected.
    fn expect(&mut self, kind: Tok) -> Result<Token> {
        if self.kind() == kind {
            Ok(self.advance())
        } else {
            Err(self.unexpected(kind.name()))
        }
    }

    fn skip_newlines(&mut self) {
        while self.kind() == Tok::Newline {
            self.advance();
        }
    }

    fn text(&self, span: Span) -> &'s str {
        self.source
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// From `start` to the end of the token that was taken last.
    fn span_from(&self, start: u32) -> Span {
        let last = self
            .at
            .checked_sub(1)
            .map_or(Span::default(), |at| self.token_at(at).span);
        Span {
            start,
            end: last.end.max(start),
        }
    }

    // Errors

    /// Adds a diagnostic that is found when the current token is read.
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.too_deep {
            // Nothing was read behind the place of that error; all else follows from it.
            return;
        }
        let at = self.token().span.start.max(diagnostic.span.start);
        self.diagnostics.push(Found { at, diagnostic });
    }

    /// Writes "syntax error, unexpected …" for the current token.
    fn unexpected(&mut self, expecting: &str) -> Failed {
        if !self.is_news() {
            // The remedies are not looked for in vain: that takes time, in each of the blocks that
            // end here.
            self.reported = Some(self.at);
            return Failed;
        }
        let token = self.token();
        // A name could have been the parameter of a lambda up to here.
        let after_name = self.bare_name == Some(self.at);
        let expecting = if after_name && matches!(token.kind, Tok::ParenClose | Tok::Comma) {
            Tok::Follows.name()
        } else {
            expecting
        };
        let mut message = format!("syntax error, unexpected {}", token.kind.name());
        if !expecting.is_empty() {
            message.push_str(", expecting ");
            message.push_str(expecting);
        }
        let notes = hints::for_unexpected(self, token, expecting);
        let suggestion = hints::misspelt(self).map(str::to_owned);
        // The word that is to be replaced is marked, not the one at which the parser noticed.
        let marked = match suggestion {
            Some(_) => self.token_at(self.statement_start).span,
            None => token.span,
        };
        self.fail(Diagnostic {
            notes,
            suggestion,
            ..Diagnostic::error(message, marked)
        })
    }

    /// Writes an error, unless there is one for the current token, or the end was reached only
    /// because a string or comment was not closed.
    fn fail(&mut self, diagnostic: Diagnostic) -> Failed {
        if self.is_news() {
            self.report(diagnostic);
        }
        self.reported = Some(self.at);
        Failed
    }

    /// Whether an error at the current token is one that is not known or explained already.
    fn is_news(&self) -> bool {
        let at_end = self.at + 2 >= self.tokens.len();
        let is_consequence = self.too_deep || self.runs_out && at_end;
        self.reported != Some(self.at) && !is_consequence
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= self.max_nesting {
            let limit = self.max_nesting;
            return Err(self.give_up(format!(
                "the source is nested too deeply; the limit is {limit} levels of nesting"
            )));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// Makes a node whose children are at most `below` high.
    fn node(&mut self, kind: ExprKind, span: Span, below: u32) -> Result<Expr> {
        self.height = below + 1;
        self.extent = span;
        if self.height > MAX_HEIGHT {
            // The words are those with which Icinga 2 refuses to evaluate it.
            let message = format!(
                "Stack overflow while evaluating expression: Recursion level too deep. \
                 The limit is {MAX_HEIGHT} levels of operators, lists and blocks"
            );
            return Err(self.give_up(message));
        }
        Ok(Expr { kind, span })
    }

    /// Reports that a limit was reached and goes to the end of the text.
    fn give_up(&mut self, message: String) -> Failed {
        self.report(Diagnostic::error(message, self.token().span));
        self.too_deep = true;
        self.at = self.tokens.len().saturating_sub(1);
        Failed
    }

    fn leaf(&mut self, kind: ExprKind, span: Span) -> Expr {
        self.height = 1;
        self.extent = span;
        Expr { kind, span }
    }

    fn error_node(&mut self, start: u32) -> Expr {
        let span = self.span_from(start);
        self.leaf(ExprKind::Error, span)
    }
}

impl Parser<'_> {
    /// The text as a node holds it. Names and values repeat all over a file: each is kept once.
    fn shared(&self, text: &str) -> Arc<str> {
        if text.len() > SHARED_BYTES_MAX {
            return Arc::from(text);
        }
        let mut texts = self.texts.borrow_mut();
        if let Some(known) = texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        texts.insert(Arc::clone(&new));
        new
    }
}

/// Longer texts are not looked for among those that were there before.
const SHARED_BYTES_MAX: usize = 64;
