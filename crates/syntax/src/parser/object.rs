//! `object`, `template`, `apply`, and the heads of loops.

use std::sync::Arc;

use super::expression::begins_expression;
use super::scope::{Effects, Flow, Rules};
use super::{Parser, Result};
use crate::ast::{ApplyExpr, ApplyFor, Block, Expr, ExprKind, ObjectExpr, Span};
use crate::diagnostic::Diagnostic;
use crate::token::Tok;

impl Parser<'_> {
    /// `object Type "name" use (…) default ignore_on_error { … }`
    pub(super) fn object(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let is_template = keyword.kind == Tok::Template;
        if !begins_expression(self.kind()) {
            return Err(self.unexpected(""));
        }
        let type_name = self.object_type()?;
        let mut below = self.height;
        let name = self.object_name(&mut below)?;
        let captures = self.captures(&mut below)?;
        let is_default = self.default_keyword(is_template);
        let ignore_on_error = self.take(Tok::IgnoreOnError);
        let head = self.span_from(keyword.span.start);
        let known = self.diagnostics.len();
        let (body, rules) = self.object_body(true)?;
        let is_sound = self.diagnostics.len() == known;
        below = below.max(self.height).max(rules.height);
        if rules.assign.is_empty() && !rules.ignore.is_empty() && is_sound {
            let text = "object rule 'ignore where' cannot be used without 'assign where'";
            self.report(
                Diagnostic::error(text, head)
                    .with_note("'ignore where' takes away from what 'assign where' matches"),
            );
        }
        let span = self.span_from(keyword.span.start);
        let object = ObjectExpr {
            is_template,
            is_default,
            type_name,
            name,
            captures,
            ignore_on_error,
            body,
            head,
            assign: rules.assign,
            ignore: rules.ignore,
        };
        self.node(ExprKind::Object(Arc::new(object)), span, below)
    }

    /// The type: a name with its `.`, `[]` and `()`, or an expression in parentheses.
    fn object_type(&mut self) -> Result<Expr> {
        if self.kind() == Tok::BraceOpen {
            // `object { }`: for Icinga 2 the braces are the type.
            let (_, span) = self.braces(Effects::All, Flow::Anything)?;
            self.unexpected(Tok::BraceOpen.name());
            return Ok(self.leaf(ExprKind::Error, span));
        }
        let type_name = self.expression()?;
        // `object Host ("x") {`: a call as the type, or a name in parentheses?
        let is_bracket = matches!(
            type_name.kind,
            ExprKind::Call { .. } | ExprKind::Index { .. }
        ) && self.text(self.extent).ends_with([')', ']'])
            && self.extent == type_name.span;
        let is_whole = matches!(
            self.kind(),
            Tok::BraceOpen | Tok::Use | Tok::Default | Tok::IgnoreOnError
        );
        if is_bracket && is_whole {
            return Err(self.fail(
                Diagnostic::error("syntax is ambiguous", type_name.span).with_note(
                    "it is not clear where the type ends and the name begins; write the name \
                     without brackets",
                ),
            ));
        }
        Ok(type_name)
    }

    fn object_name(&mut self, below: &mut u32) -> Result<Option<Expr>> {
        let kind = self.kind();
        if kind == Tok::BraceOpen || !begins_expression(kind) {
            return Ok(None);
        }
        let name = self.expression()?;
        *below = (*below).max(self.height);
        Ok(Some(name))
    }

    fn default_keyword(&mut self, is_template: bool) -> bool {
        let token = self.token();
        if !self.take(Tok::Default) {
            return false;
        }
        if !is_template {
            let message = "'default' keyword is invalid for object definitions";
            let note = "only templates can be imported by default";
            self.report(Diagnostic::error(message, token.span).with_note(note));
        }
        true
    }

    /// The body of an object or apply rule with the membership rules in it.
    fn object_body(&mut self, keep: bool) -> Result<(Block, Rules)> {
        self.rules.push(Rules {
            keep,
            ..Rules::default()
        });
        let body = self.braces(Effects::All, Flow::Return);
        let rules = self.rules.pop().unwrap_or_default();
        Ok((body?.0, rules))
    }

    /// `apply Type "name" for (…) to Target use (…) ignore_on_error { … }`
    pub(super) fn apply(&mut self) -> Result<Expr> {
        let keyword = self.advance();
        let type_span = self.token().span;
        let type_name = self.name("T_STRING or T_IDENTIFIER")?;
        let beginning = self.span_from(keyword.span.start);
        let mut below = 0;
        let name = self.object_name(&mut below)?;
        let for_loop = if self.take(Tok::For) {
            let for_loop = self.loop_head()?;
            below = below.max(self.height);
            Some(for_loop)
        } else {
            None
        };
        let to = self.token().span.start;
        let target = if self.take(Tok::To) {
            Some(self.name("T_STRING or T_IDENTIFIER")?)
        } else {
            None
        };
        let target_span = self.span_from(to);
        let captures = self.captures(&mut below)?;
        let ignore_on_error = self.take(Tok::IgnoreOnError);
        let head = self.span_from(keyword.span.start);
        let known = self.diagnostics.len();
        let (mut body, rules) = self.object_body(false)?;
        let is_sound = self.diagnostics.len() == known;
        below = below.max(self.height).max(rules.height);
        // Their places hold nothing any more; another `null` cannot stand there as a statement.
        body.retain(|statement| statement.kind != ExprKind::Null);
        if rules.assign.is_empty() && for_loop.is_none() && is_sound {
            self.apply_without_rule(beginning);
        }
        let span = self.span_from(keyword.span.start);
        let apply = ApplyExpr {
            type_name,
            name,
            for_loop,
            target,
            captures,
            ignore_on_error,
            body,
            assign: rules.assign,
            ignore: rules.ignore,
            head,
            type_span,
            target_span,
        };
        let apply = Arc::new(apply);
        self.applies.push(Arc::clone(&apply));
        self.node(ExprKind::Apply(apply), span, below)
    }

    fn apply_without_rule(&mut self, place: Span) {
        let error = Diagnostic::error("'apply' is missing 'assign'/'for'", place).with_note(
            "add 'assign where' with a condition ('assign where true' matches all), or 'for (…)'",
        );
        self.report(error);
    }

    /// `(var key => var value in collection)`
    pub(super) fn loop_head(&mut self) -> Result<ApplyFor> {
        self.expect(Tok::ParenOpen)?;
        self.take(Tok::Var);
        let first = self.name("T_STRING or T_IDENTIFIER")?;
        let (key, value) = if self.take(Tok::Follows) {
            self.take(Tok::Var);
            let value = self.name("T_STRING or T_IDENTIFIER")?;
            self.expect(Tok::In)?;
            (Some(first), value)
        } else {
            if !self.take(Tok::In) {
                return Err(self.unexpected("in (T_IN) or => (T_FOLLOWS)"));
            }
            (None, first)
        };
        let collection = self.expression()?;
        if self.kind() != Tok::ParenClose {
            return Err(self.unexpected(""));
        }
        self.advance();
        Ok(ApplyFor {
            key,
            value,
            collection,
        })
    }
}
