//! What is allowed where: blocks and their closers, flow control, `assign where`.

use super::statement::Role;
use super::{Parser, Result};
use crate::ast::{Block, Expr, ExprKind, Span};
use crate::diagnostic::Diagnostic;
use crate::token::{Tok, Token};

/// What ends a list of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closer {
    Eof,
    Brace,
    Lambda,
}

impl Closer {
    pub(super) fn token(self) -> Tok {
        match self {
            Closer::Eof => Tok::Eof,
            Closer::Brace => Tok::BraceClose,
            Closer::Lambda => Tok::LambdaEnd,
        }
    }
}

/// Which statements of a block must have an effect: a value that nobody can use is an error,
/// "Value computed is not used."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effects {
    /// The last one may be a value, which is the value of the block.
    AllButLast,
    All,
}

/// The flow control statements that a block admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Nothing,
    Return,
    Loop,
    ReturnAndLoop,
    /// In text that is only read for further errors.
    Anything,
}

impl Flow {
    fn admits(self, statement: Tok) -> bool {
        match self {
            Flow::Nothing => false,
            Flow::Return => statement == Tok::Return,
            Flow::Loop => statement != Tok::Return,
            Flow::ReturnAndLoop | Flow::Anything => true,
        }
    }

    /// What a loop inside admits.
    pub(super) fn in_loop(self) -> Self {
        match self {
            Flow::Nothing | Flow::Loop => Flow::Loop,
            Flow::Return | Flow::ReturnAndLoop => Flow::ReturnAndLoop,
            Flow::Anything => Flow::Anything,
        }
    }
}

/// The membership rules found in an object or apply rule. They belong to it wherever in its body
/// they stand, also in an `if` that is never taken.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) assign: Vec<Expr>,
    pub(super) ignore: Vec<Expr>,
    /// Height of the highest of them.
    pub(super) height: u32,
    /// Whether the statements stay in the body.
    pub(super) keep: bool,
}

impl Parser<'_> {
    /// `{ … }` with the given rules. Yields the block and the place of its braces.
    pub(super) fn braces(&mut self, effects: Effects, flow: Flow) -> Result<(Block, Span)> {
        let open = self.expect(Tok::BraceOpen)?;
        let block = self.nested(|parser| {
            let around = std::mem::replace(&mut parser.flow, flow);
            let block = parser.statements(Closer::Brace, effects, Some(open));
            parser.flow = around;
            Ok(block)
        })?;
        Ok((block, self.span_from(open.span.start)))
    }

    /// Statements up to and including the closer; of a file, up to its end.
    pub(super) fn statements(
        &mut self,
        closer: Closer,
        effects: Effects,
        open: Option<Token>,
    ) -> Block {
        let outer_start = self.statement_start;
        let mut block = Block::new();
        let mut highest = 0;
        // Values that nobody can use, and one that would be if another statement followed.
        let mut unused = Vec::new();
        let mut last: Option<Span> = None;
        self.skip_newlines();
        while !self.at_closer(closer, open) {
            let begin = self.at;
            self.statement_start = begin;
            let start = self.token().span.start;
            match self.statement(closer) {
                Ok((expr, role)) => {
                    highest = highest.max(self.height);
                    unused.extend(last.take());
                    last = (role == Role::Value).then_some(expr.span);
                    block.push(expr);
                    if !self.separator(closer, role == Role::Complete) {
                        last = None;
                        self.synchronize();
                        self.separator_after_error();
                    }
                }
                Err(_) => {
                    self.synchronize();
                    let place = self.error_node(start);
                    block.push(place);
                    self.separator_after_error();
                }
            }
            if self.at == begin {
                self.advance();
                self.skip_newlines();
            }
        }
        if effects == Effects::All {
            unused.extend(last);
        }
        for span in unused {
            self.report_unused(span);
        }
        self.height = highest;
        self.statement_start = outer_start;
        block.shrink_to_fit();
        block
    }

    fn report_unused(&mut self, span: Span) {
        let mut error = Diagnostic::error("Value computed is not used.", span);
        error
            .notes
            .extend(super::hints::for_unused(self.text(span)));
        self.report(error);
    }

    /// Whether the list ends here; takes the closer.
    fn at_closer(&mut self, closer: Closer, open: Option<Token>) -> bool {
        let kind = self.kind();
        if kind == closer.token() {
            if closer != Closer::Eof {
                self.advance();
            }
            return true;
        }
        match (kind, closer) {
            (Tok::Eof, _) => {
                self.unclosed(closer, open);
                true
            }
            // `} }` and `}}` are different tokens. The error is Icinga 2's; then they are taken for
            // each other, so that what follows is read as it was meant.
            (Tok::LambdaEnd, Closer::Brace) => {
                self.unexpected(closer.token().name());
                self.split = Some(self.at);
                true
            }
            (Tok::BraceClose, Closer::Lambda) => {
                self.unexpected(closer.token().name());
                self.advance();
                if self.kind() == Tok::BraceClose {
                    self.advance();
                }
                true
            }
            _ => false,
        }
    }

    fn unclosed(&mut self, closer: Closer, open: Option<Token>) {
        let known = self.diagnostics.len();
        self.unexpected(closer.token().name());
        let Some(open) = open.filter(|_| self.diagnostics.len() > known) else {
            return;
        };
        let line = self.line_of(open.span.start);
        let what = if open.kind == Tok::LambdaBegin {
            "{{"
        } else {
            "{"
        };
        if let Some(last) = self.diagnostics.last_mut() {
            last.diagnostic
                .notes
                .push(format!("the '{what}' in line {line} is not closed"));
        }
    }

    pub(super) fn line_of(&self, offset: u32) -> usize {
        let before = self
            .source
            .as_bytes()
            .get(..offset as usize)
            .unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Takes what separates statements. `closed`: the statement before was complete, so that only
    /// the closer could have followed.
    fn separator(&mut self, closer: Closer, closed: bool) -> bool {
        match self.kind() {
            Tok::Comma | Tok::Semicolon => {
                self.advance();
                self.skip_newlines();
                true
            }
            Tok::Newline => {
                self.skip_newlines();
                true
            }
            Tok::Eof => true,
            Tok::BraceClose | Tok::LambdaEnd if closer != Closer::Eof => true,
            Tok::BraceClose | Tok::LambdaEnd => {
                self.unexpected(closer.token().name());
                self.advance();
                false
            }
            _ => {
                self.unexpected(if closed { closer.token().name() } else { "" });
                false
            }
        }
    }

    fn separator_after_error(&mut self) {
        if self.kind() == Tok::Semicolon {
            self.advance();
        }
        self.skip_newlines();
    }

    /// `return`, `break` and `continue` where they have no meaning.
    pub(super) fn check_flow(&mut self, statement: Tok, span: Span) {
        if self.flow.admits(statement) {
            return;
        }
        let note = if statement == Tok::Return {
            "'return' is possible in functions and in the bodies of objects, templates, apply rules \
             and namespaces"
        } else {
            "'break' and 'continue' are possible in 'for' and 'while' loops"
        };
        self.report(Diagnostic::error("Invalid flow control statement.", span).with_note(note));
    }

    /// `assign where` and `ignore where`.
    pub(super) fn membership(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        self.expect(Tok::Where)?;
        let condition = if self.kind() == Tok::BraceOpen {
            let (block, span) = self.braces(Effects::AllButLast, Flow::Return)?;
            let below = self.height;
            self.node(ExprKind::Block(block), span, below)?
        } else {
            self.expression()?
        };
        let span = self.span_from(keyword.span.start);
        let below = self.height;
        let is_assign = keyword.kind == Tok::Assign;
        let Some(rules) = self.rules.last_mut() else {
            if self.flow != Flow::Anything {
                let word = if is_assign { "assign" } else { "ignore" };
                let message = format!("'{word}' keyword not valid in this context.");
                self.report(Diagnostic::error(message, span).with_note(format!(
                    "'{word} where' belongs into an apply rule or the body of a group"
                )));
            }
            return Ok(self.leaf(ExprKind::Error, span));
        };
        rules.height = rules.height.max(below + 1);
        let list = if is_assign {
            &mut rules.assign
        } else {
            &mut rules.ignore
        };
        if !rules.keep {
            list.push(condition);
            return Ok(self.leaf(ExprKind::Null, span));
        }
        list.push(condition.clone());
        let condition = Box::new(condition);
        let kind = if is_assign {
            ExprKind::AssignWhere(condition)
        } else {
            ExprKind::IgnoreWhere(condition)
        };
        self.node(kind, span, below)
    }
}
