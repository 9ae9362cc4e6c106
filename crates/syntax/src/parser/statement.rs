//! Statements.

use super::expression::{begins_expression, join};
use super::scope::{Closer, Effects, Flow};
use super::{Parser, Result};
use crate::ast::{AssignOp, Expr, ExprKind};
use crate::token::Tok;

/// What a statement is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Only its value: it must be the last one of a block that has a value.
    Value,
    /// An expression that does something.
    Acting,
    /// Something that is no expression, and cannot go on with an operator.
    Complete,
}

impl Parser<'_> {
    /// One statement, and what it is good for.
    pub(super) fn statement(&mut self, closer: Closer) -> Result<(Expr, Role)> {
        let token = self.token();
        let expr = match token.kind {
            Tok::Object | Tok::Template => self.object()?,
            Tok::Apply => self.apply()?,
            Tok::Var => self.variable()?,
            Tok::Const => self.constant()?,
            Tok::Import => self.prefixed(ExprKind::Import)?,
            Tok::Library => self.prefixed(ExprKind::Library)?,
            Tok::Using => self.prefixed(ExprKind::Using)?,
            Tok::Throw => self.prefixed(ExprKind::Throw)?,
            Tok::Include => self.include()?,
            Tok::IncludeRecursive => self.include_recursive()?,
            Tok::IncludeZones => self.include_zones()?,
            Tok::Assign | Tok::Ignore => self.membership()?,
            Tok::Return => self.return_statement()?,
            Tok::Break | Tok::Continue => {
                self.advance();
                self.check_flow(token.kind, token.span);
                let is_break = token.kind == Tok::Break;
                self.leaf(
                    if is_break {
                        ExprKind::Break
                    } else {
                        ExprKind::Continue
                    },
                    token.span,
                )
            }
            Tok::Debugger => {
                self.advance();
                self.leaf(ExprKind::Debugger, token.span)
            }
            Tok::Namespace => self.namespace()?,
            Tok::For => self.for_loop()?,
            Tok::While => self.while_loop()?,
            Tok::Try => self.try_statement()?,
            Tok::Function if self.kind_ahead(1) != Tok::ParenOpen => self.named_function()?,
            kind if begins_expression(kind) => return self.expression_statement(),
            _ => return Err(self.unexpected(closer.token().name())),
        };
        Ok((expr, Role::Complete))
    }

    /// An expression, or an assignment if its operator follows.
    fn expression_statement(&mut self) -> Result<(Expr, Role)> {
        let target = self.expression()?;
        let Some(operator) = self.kind().assignment() else {
            let acts = matches!(target.kind, ExprKind::Call { .. } | ExprKind::If { .. });
            // `(f())` is a value only, in Icinga 2's grammar.
            let bare = self.extent == target.span;
            return Ok((
                target,
                if acts && bare {
                    Role::Acting
                } else {
                    Role::Value
                },
            ));
        };
        let (below, extent) = (self.height, self.extent);
        self.advance();
        let value = self.expression()?;
        let below = below.max(self.height);
        let span = join(extent, self.extent);
        let (target, value) = (Box::new(target), Box::new(value));
        let expr = self.node(
            ExprKind::Assign {
                operator,
                target,
                value,
            },
            span,
            below,
        )?;
        Ok((expr, Role::Complete))
    }

    /// `keyword expression`
    fn prefixed(&mut self, make: fn(Box<Expr>) -> ExprKind) -> Result<Expr> {
        let keyword = self.advance();
        let value = self.expression()?;
        let below = self.height;
        let span = join(keyword.span, self.extent);
        self.node(make(Box::new(value)), span, below)
    }

    /// `var x`, `var x = e`, and the forms that Icinga 2 takes too: `var x += e`, `var a.b = e`.
    /// Those become assignments to `locals`.
    fn variable(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let target = self.expression()?;
        let mut below = self.height;
        let operator = self.kind().assignment();
        let value = if operator.is_some() {
            self.advance();
            let value = self.expression()?;
            below = below.max(self.height);
            Some(value)
        } else {
            None
        };
        let span = self.span_from(keyword.span.start);
        let plain = matches!(operator, None | Some(AssignOp::Set));
        let kind = match target.kind {
            ExprKind::Variable(name) | ExprKind::String(name) if plain => ExprKind::Var {
                name,
                value: value.map(Box::new),
            },
            kind => {
                let target = Box::new(bind_to_locals(Expr {
                    kind,
                    span: target.span,
                }));
                let null = Expr {
                    kind: ExprKind::Null,
                    span,
                };
                let value = Box::new(value.unwrap_or(null));
                let operator = operator.unwrap_or(AssignOp::Set);
                below += 1;
                ExprKind::Assign {
                    operator,
                    target,
                    value,
                }
            }
        };
        self.node(kind, span, below)
    }

    fn constant(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let token = self.expect(Tok::Identifier)?;
        let name = self.shared(self.identifier_text(token));
        self.expect(Tok::Set)?;
        let value = Box::new(self.expression()?);
        let below = self.height;
        let span = join(keyword.span, self.extent);
        self.node(ExprKind::Const { name, value }, span, below)
    }

    fn include(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let search = self.kind() == Tok::AnglePath;
        let path = if search {
            self.angle_path()
        } else {
            self.expression()?
        };
        let below = self.height;
        let span = join(keyword.span, self.extent);
        self.node(
            ExprKind::Include {
                path: Box::new(path),
                search,
            },
            span,
            below,
        )
    }

    fn angle_path(&mut self) -> Expr {
        let token = self.advance();
        let text = self
            .text(token.span)
            .trim_start_matches('<')
            .trim_end_matches('>');
        self.leaf(ExprKind::String(self.shared(text)), token.span)
    }

    fn include_recursive(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let path = Box::new(self.expression()?);
        let mut below = self.height;
        let pattern = self.pattern(&mut below)?;
        let span = self.span_from(keyword.span.start);
        self.node(ExprKind::IncludeRecursive { path, pattern }, span, below)
    }

    fn include_zones(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let tag = Box::new(self.expression()?);
        let mut below = self.height;
        if self.kind() != Tok::Comma {
            return Err(self.unexpected(""));
        }
        self.advance();
        let path = Box::new(self.expression()?);
        below = below.max(self.height);
        let pattern = self.pattern(&mut below)?;
        let span = self.span_from(keyword.span.start);
        self.node(ExprKind::IncludeZones { tag, path, pattern }, span, below)
    }

    /// `, "pattern"`
    fn pattern(&mut self, below: &mut u32) -> Result<Option<Box<Expr>>> {
        if !self.take(Tok::Comma) {
            return Ok(None);
        }
        let pattern = self.expression()?;
        *below = (*below).max(self.height);
        Ok(Some(Box::new(pattern)))
    }

    fn return_statement(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let value = if begins_expression(self.kind()) {
            Some(Box::new(self.expression()?))
        } else {
            self.height = 0;
            None
        };
        let below = self.height;
        let span = self.span_from(keyword.span.start);
        self.check_flow(Tok::Return, span);
        self.node(ExprKind::Return(value), span, below)
    }

    fn namespace(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let name = Box::new(self.expression()?);
        let below = self.height;
        let (body, _) = self.braces(Effects::All, Flow::Return)?;
        let below = below.max(self.height);
        let span = self.span_from(keyword.span.start);
        self.node(ExprKind::Namespace { name, body }, span, below)
    }

    fn for_loop(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let head = self.loop_head()?;
        let below = self.height;
        let (body, _) = self.braces(Effects::All, self.flow.in_loop())?;
        let below = below.max(self.height);
        let span = self.span_from(keyword.span.start);
        let kind = ExprKind::For {
            key: head.key,
            value: head.value,
            collection: Box::new(head.collection),
            body,
        };
        self.node(kind, span, below)
    }

    fn while_loop(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        self.expect(Tok::ParenOpen)?;
        let condition = Box::new(self.expression()?);
        let below = self.height;
        if self.kind() != Tok::ParenClose {
            return Err(self.unexpected(""));
        }
        self.advance();
        let (body, _) = self.braces(Effects::AllButLast, self.flow.in_loop())?;
        let below = below.max(self.height);
        let span = self.span_from(keyword.span.start);
        self.node(ExprKind::While { condition, body }, span, below)
    }

    fn try_statement(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let (body, _) = self.braces(Effects::AllButLast, self.flow)?;
        let below = self.height;
        self.expect(Tok::Except)?;
        let (handler, _) = self.braces(Effects::AllButLast, self.flow)?;
        let below = below.max(self.height);
        let span = self.span_from(keyword.span.start);
        self.node(ExprKind::Try { body, handler }, span, below)
    }

    fn named_function(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let name = self.name("T_STRING or T_IDENTIFIER or '('")?;
        self.function(keyword.span.start, Some(name))
    }
}

/// `var a.b` means `locals.a.b`.
fn bind_to_locals(expr: Expr) -> Expr {
    let span = expr.span;
    let kind = match expr.kind {
        ExprKind::Variable(name) | ExprKind::String(name) => {
            let base = Box::new(Expr {
                kind: ExprKind::Locals,
                span,
            });
            ExprKind::Index {
                base,
                index: Box::new(Expr {
                    kind: ExprKind::String(name),
                    span,
                }),
            }
        }
        ExprKind::Index { base, index } => ExprKind::Index {
            base: Box::new(bind_to_locals(*base)),
            index,
        },
        other => other,
    };
    Expr { kind, span }
}
