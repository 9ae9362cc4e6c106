//! Expressions, by precedence climbing.
//!
//! The levels follow the operator table of manual chapter 17, with one difference that the program
//! has: `&&` binds tighter than `||`. Comparisons do not chain: `1 < 2 < 3` is an error.

use std::sync::Arc;

use super::scope::{Closer, Effects, Flow};
use super::{Parser, Result};
use crate::ast::{BinaryOp, Expr, ExprKind, FunctionExpr, FunctionForm, Span, UnaryOp};
use crate::diagnostic::Diagnostic;
use crate::lexer::{number_value, string_value};
use crate::token::{Tok, Token};

/// How tightly a binary operator binds.
#[derive(Clone, Copy)]
struct Level {
    power: u8,
    chains: bool,
}

fn binary_operator(kind: Tok) -> Option<(BinaryOp, Level)> {
    let (operator, power, chains) = match kind {
        Tok::LogicalOr => (BinaryOp::Or, 1, true),
        Tok::LogicalAnd => (BinaryOp::And, 2, true),
        Tok::BinaryOr => (BinaryOp::BinaryOr, 3, true),
        Tok::Xor => (BinaryOp::Xor, 4, true),
        Tok::BinaryAnd => (BinaryOp::BinaryAnd, 5, true),
        Tok::Equal => (BinaryOp::Equal, 6, false),
        Tok::NotEqual => (BinaryOp::NotEqual, 6, false),
        Tok::In => (BinaryOp::In, 7, true),
        Tok::NotIn => (BinaryOp::NotIn, 7, true),
        Tok::Less => (BinaryOp::Less, 8, false),
        Tok::LessOrEqual => (BinaryOp::LessOrEqual, 8, false),
        Tok::Greater => (BinaryOp::Greater, 8, false),
        Tok::GreaterOrEqual => (BinaryOp::GreaterOrEqual, 8, false),
        Tok::ShiftLeft => (BinaryOp::ShiftLeft, 9, true),
        Tok::ShiftRight => (BinaryOp::ShiftRight, 9, true),
        Tok::Plus => (BinaryOp::Add, 10, true),
        Tok::Minus => (BinaryOp::Subtract, 10, true),
        Tok::Multiply => (BinaryOp::Multiply, 11, true),
        Tok::Divide => (BinaryOp::Divide, 11, true),
        Tok::Modulo => (BinaryOp::Modulo, 11, true),
        _ => return None,
    };
    Some((operator, Level { power, chains }))
}

fn unary_operator(kind: Tok) -> Option<UnaryOp> {
    Some(match kind {
        Tok::Not => UnaryOp::Not,
        Tok::Tilde => UnaryOp::Complement,
        Tok::Minus => UnaryOp::Negate,
        Tok::Plus => UnaryOp::Plus,
        Tok::BinaryAnd => UnaryOp::Reference,
        Tok::Multiply => UnaryOp::Dereference,
        _ => return None,
    })
}

/// Whether an expression can begin with this token.
pub(super) fn begins_expression(kind: Tok) -> bool {
    unary_operator(kind).is_some()
        || matches!(
            kind,
            Tok::String
                | Tok::RawString
                | Tok::Number
                | Tok::True
                | Tok::False
                | Tok::Null
                | Tok::Identifier
                | Tok::This
                | Tok::Globals
                | Tok::Locals
                | Tok::CurrentFilename
                | Tok::CurrentLine
                | Tok::BracketOpen
                | Tok::BraceOpen
                | Tok::LambdaBegin
                | Tok::ParenOpen
                | Tok::Function
                | Tok::If
        )
}

pub(super) fn join(left: Span, right: Span) -> Span {
    Span {
        start: left.start,
        end: right.end,
    }
}

impl Parser<'_> {
    /// Any expression; `c ? a : b` becomes an [`ExprKind::If`].
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Result<Expr> {
        let condition = self.binary(0)?;
        if self.kind() != Tok::Question {
            return Ok(condition);
        }
        let (mut below, extent) = (self.height, self.extent);
        self.advance();
        let then = self.expression()?;
        below = below.max(self.height);
        if self.kind() != Tok::Colon {
            return Err(self.unexpected(""));
        }
        self.advance();
        let otherwise = self.expression()?;
        below = below.max(self.height);
        let span = join(extent, self.extent);
        let kind = ExprKind::If {
            condition: Box::new(condition),
            then: vec![then],
            otherwise: Some(vec![otherwise]),
        };
        self.node(kind, span, below)
    }

    fn binary(&mut self, least: u8) -> Result<Expr> {
        let mut left = self.unary()?;
        let (mut below, mut extent) = (self.height, self.extent);
        let mut forbidden = None;
        while let Some((operator, level)) = binary_operator(self.kind()) {
            if level.power < least {
                break;
            }
            if forbidden == Some(level.power) {
                return Err(self.unexpected(""));
            }
            self.advance();
            let right = self.binary(level.power + 1)?;
            below = below.max(self.height);
            let span = join(extent, self.extent);
            let kind = ExprKind::Binary {
                operator,
                left: Box::new(left),
                right: Box::new(right),
            };
            left = self.node(kind, span, below)?;
            (below, extent) = (self.height, self.extent);
            forbidden = (!level.chains).then_some(level.power);
        }
        (self.height, self.extent) = (below, extent);
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        let Some(operator) = unary_operator(self.kind()) else {
            return self.postfix();
        };
        let token = self.advance();
        let operand = self.nested(Self::unary)?;
        let below = self.height;
        let span = join(token.span, self.extent);
        self.node(
            ExprKind::Unary {
                operator,
                operand: Box::new(operand),
            },
            span,
            below,
        )
    }

    /// A primary expression with its `.name`, `[index]` and `(arguments)`.
    pub(super) fn postfix(&mut self) -> Result<Expr> {
        let mut base = self.primary()?;
        loop {
            let mut below = self.height;
            let start = self.extent.start;
            let kind = match self.kind() {
                Tok::Dot => {
                    self.advance();
                    let name = self.expect(Tok::Identifier)?;
                    let text = ExprKind::String(self.shared(self.identifier_text(name)));
                    let index = Box::new(Expr {
                        kind: text,
                        span: name.span,
                    });
                    ExprKind::Index {
                        base: Box::new(base),
                        index,
                    }
                }
                Tok::BracketOpen => {
                    self.advance();
                    let index = Box::new(self.expression()?);
                    below = below.max(self.height);
                    if self.kind() != Tok::BracketClose {
                        return Err(self.unexpected(""));
                    }
                    self.advance();
                    ExprKind::Index {
                        base: Box::new(base),
                        index,
                    }
                }
                Tok::ParenOpen => {
                    self.advance();
                    let arguments = self.items(Tok::ParenClose)?;
                    below = below.max(self.height);
                    ExprKind::Call {
                        function: Box::new(base),
                        arguments,
                    }
                }
                _ => return Ok(base),
            };
            let span = self.span_from(start);
            base = self.node(kind, span, below)?;
        }
    }

    /// Comma-separated expressions up to and including `closer`.
    fn items(&mut self, closer: Tok) -> Result<Vec<Expr>> {
        let mut items = Vec::new();
        let mut highest = 0;
        loop {
            if closer == Tok::BracketClose || !items.is_empty() {
                self.skip_newlines();
            }
            if self.take(closer) {
                break;
            }
            if !begins_expression(self.kind()) {
                return Err(self.unexpected(closer.name()));
            }
            items.push(self.expression()?);
            highest = highest.max(self.height);
            if self.take(Tok::Comma) {
                continue;
            }
            self.skip_newlines();
            self.expect(closer)?;
            break;
        }
        self.height = highest;
        Ok(items)
    }

    fn primary(&mut self) -> Result<Expr> {
        let token = self.token();
        let follows = self.kind_ahead(1) == Tok::Follows;
        let kind = match token.kind {
            Tok::Identifier | Tok::String | Tok::RawString if follows => return self.lambda(),
            Tok::Identifier => ExprKind::Variable(self.shared(self.identifier_text(token))),
            Tok::String | Tok::RawString => ExprKind::String(self.string(token)),
            Tok::Number => ExprKind::Number(number_value(self.text(token.span))),
            Tok::True => ExprKind::Boolean(true),
            Tok::False => ExprKind::Boolean(false),
            Tok::Null => ExprKind::Null,
            Tok::This => ExprKind::This,
            Tok::Globals => ExprKind::Globals,
            Tok::Locals => ExprKind::Locals,
            Tok::CurrentFilename => ExprKind::CurrentFilename,
            Tok::CurrentLine => ExprKind::CurrentLine,
            Tok::ParenOpen if self.is_lambda() => return self.lambda(),
            Tok::ParenOpen => return self.parenthesised(),
            Tok::BracketOpen => {
                self.advance();
                let items = self.items(Tok::BracketClose)?;
                let (span, below) = (self.span_from(token.span.start), self.height);
                return self.node(ExprKind::Array(items), span, below);
            }
            Tok::BraceOpen => {
                let (block, span) = self.braces(Effects::All, Flow::Nothing)?;
                let below = self.height;
                return self.node(ExprKind::Dictionary(block), span, below);
            }
            Tok::LambdaBegin => return self.nullary(),
            Tok::Function => return self.anonymous_function(),
            Tok::If => return self.conditional_statement(),
            _ => return Err(self.unexpected("")),
        };
        self.advance();
        if matches!(kind, ExprKind::Variable(_) | ExprKind::String(_)) {
            self.bare_name = Some(self.at);
        }
        Ok(self.leaf(kind, token.span))
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        let open = self.advance();
        let inner = self.expression()?;
        if self.kind() != Tok::ParenClose {
            return Err(self.unexpected(""));
        }
        self.advance();
        self.extent = self.span_from(open.span.start);
        Ok(inner)
    }

    /// The name that an identifier token spells, without the `@` of an escaped keyword.
    pub(super) fn identifier_text(&self, token: Token) -> &str {
        let text = self.text(token.span);
        text.strip_prefix('@').unwrap_or(text)
    }

    pub(super) fn string(&self, token: Token) -> Arc<str> {
        self.shared(&string_value(token.kind, self.text(token.span)))
    }

    /// A name where a string is possible too: `for ("x" in …)`.
    pub(super) fn name(&mut self, expecting: &str) -> Result<Arc<str>> {
        let token = self.token();
        let name = match token.kind {
            Tok::Identifier => self.shared(self.identifier_text(token)),
            Tok::String | Tok::RawString => self.string(token),
            _ => return Err(self.unexpected(expecting)),
        };
        self.advance();
        Ok(name)
    }

    // Functions

    /// Whether the parenthesis here opens the parameters of a lambda: `()`, or a list of names that
    /// has a comma or is followed by `=>` or `use`.
    fn is_lambda(&self) -> bool {
        if self.kind_ahead(1) == Tok::ParenClose {
            return true;
        }
        if !matches!(
            self.kind_ahead(1),
            Tok::Identifier | Tok::String | Tok::RawString
        ) {
            return false;
        }
        match self.kind_ahead(2) {
            Tok::Comma => true,
            Tok::ParenClose => matches!(self.kind_ahead(3), Tok::Follows | Tok::Use),
            _ => false,
        }
    }

    fn lambda(&mut self) -> Result<Expr> {
        let start = self.token().span.start;
        let first = self.at;
        let parameters = if self.kind() == Tok::ParenOpen {
            self.parameters()?
        } else {
            vec![self.name("")?]
        };
        let mut below = 0;
        let captures = self.captures(&mut below)?;
        self.expect(Tok::Follows)?;
        let is_block = self.kind() == Tok::BraceOpen;
        let body = if is_block {
            self.braces(Effects::AllButLast, Flow::Return)?.0
        } else {
            vec![self.expression()?]
        };
        below = below.max(self.height);
        let span = self.span_from(start);
        if is_block && self.is_ambiguous(first == self.statement_start) {
            return Err(self.ambiguous_lambda(span));
        }
        let function = FunctionExpr {
            name: None,
            parameters,
            captures,
            body,
            form: FunctionForm::Lambda,
        };
        self.node(ExprKind::Function(Arc::new(function)), span, below)
    }

    /// Whether what follows the braces of a lambda makes Icinga 2's grammar ambiguous: an operator,
    /// or `[`; a field or a call only where the lambda begins a statement and is called.
    fn is_ambiguous(&self, begins_statement: bool) -> bool {
        let mut ahead = 0;
        while self.kind_ahead(ahead) == Tok::Dot && self.kind_ahead(ahead + 1) == Tok::Identifier {
            ahead += 2;
        }
        let kind = self.kind_ahead(ahead);
        binary_operator(kind).is_some()
            || matches!(kind, Tok::BracketOpen | Tok::Question)
            || (kind == Tok::ParenOpen && begins_statement)
    }

    /// `x => { … } + 1`: the braces could be the function's body or a dictionary.
    fn ambiguous_lambda(&mut self, span: Span) -> super::Failed {
        let span = join(span, self.token().span);
        self.fail(Diagnostic::error("syntax is ambiguous", span).with_note(
            "the braces behind '=>' could be the body of the function or the start of an \
             expression; put the function in parentheses",
        ))
    }

    fn nullary(&mut self) -> Result<Expr> {
        let open = self.advance();
        let body = self.nested(|parser| {
            let around = std::mem::replace(&mut parser.flow, Flow::Return);
            let body = parser.statements(Closer::Lambda, Effects::AllButLast, Some(open));
            parser.flow = around;
            Ok(body)
        })?;
        let (span, below) = (self.span_from(open.span.start), self.height);
        let function = FunctionExpr {
            name: None,
            parameters: Vec::new(),
            captures: Vec::new(),
            body,
            form: FunctionForm::Nullary,
        };
        self.node(ExprKind::Function(Arc::new(function)), span, below)
    }

    fn anonymous_function(&mut self) -> Result<Expr> {
        let start = self.advance().span.start;
        self.function(start, None)
    }

    /// A function from its parameters on.
    pub(super) fn function(&mut self, start: u32, name: Option<Arc<str>>) -> Result<Expr> {
        let parameters = self.parameters()?;
        let mut below = 0;
        let captures = self.captures(&mut below)?;
        let (body, _) = self.braces(Effects::AllButLast, Flow::Return)?;
        below = below.max(self.height);
        let span = self.span_from(start);
        let function = FunctionExpr {
            name,
            parameters,
            captures,
            body,
            form: FunctionForm::Function,
        };
        self.node(ExprKind::Function(Arc::new(function)), span, below)
    }

    /// `(a, b)`; a comma may follow the last one.
    fn parameters(&mut self) -> Result<Vec<Arc<str>>> {
        self.expect(Tok::ParenOpen)?;
        let mut parameters = Vec::new();
        while !self.take(Tok::ParenClose) {
            parameters.push(self.name(Tok::ParenClose.name())?);
            if !self.take(Tok::Comma) {
                self.expect(Tok::ParenClose)?;
                break;
            }
        }
        Ok(parameters)
    }

    /// `use (a, b = c)`, if it is there. Raises `below` to the height of the values.
    pub(super) fn captures(&mut self, below: &mut u32) -> Result<Vec<(Arc<str>, Option<Expr>)>> {
        let mut captures = Vec::new();
        if !self.take(Tok::Use) {
            return Ok(captures);
        }
        self.expect(Tok::ParenOpen)?;
        loop {
            let name = self.name("T_STRING or T_IDENTIFIER")?;
            let value = if self.take(Tok::Set) {
                let value = self.expression()?;
                *below = (*below).max(self.height);
                Some(value)
            } else {
                None
            };
            captures.push((name, value));
            if self.take(Tok::ParenClose) {
                return Ok(captures);
            }
            if !self.take(Tok::Comma) {
                return Err(self.unexpected("',' or ')'"));
            }
        }
    }

    /// `if (c) { … } else if … else { … }`
    pub(super) fn conditional_statement(&mut self) -> Result<Expr> {
        let start = self.advance().span.start;
        self.expect(Tok::ParenOpen)?;
        let condition = Box::new(self.expression()?);
        let mut below = self.height;
        if self.kind() != Tok::ParenClose {
            return Err(self.unexpected(""));
        }
        self.advance();
        let (then, _) = self.braces(Effects::AllButLast, self.flow)?;
        below = below.max(self.height);
        let otherwise = if self.take(Tok::Else) {
            let block = match self.kind() {
                Tok::If => vec![self.nested(Self::conditional_statement)?],
                Tok::BraceOpen => self.braces(Effects::AllButLast, self.flow)?.0,
                _ => return Err(self.unexpected("if (T_IF) or '{'")),
            };
            below = below.max(self.height);
            Some(block)
        } else {
            None
        };
        let span = self.span_from(start);
        self.node(
            ExprKind::If {
                condition,
                then,
                otherwise,
            },
            span,
            below,
        )
    }
}
