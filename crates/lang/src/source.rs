//! One parsed text.

use std::sync::Arc;

use bheka_syntax::LineIndex;
use bheka_syntax::ast::{ApplyExpr, Block, Expr, ExprKind, ObjectExpr, Span};
use bheka_value::{Location, Str};

/// A text with its tree and what its objects belong to.
#[derive(Debug)]
pub(crate) struct Source {
    /// As it was opened.
    pub(crate) path: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) block: Block,
    lines: LineIndex,
    /// `using` expressions with the offset behind which they hold.
    usings: Vec<(u32, Expr)>,
    /// The zone of the directory it lies in.
    pub(crate) zone: Option<Str>,
    /// The package it belongs to.
    pub(crate) package: Str,
    /// Where relative includes start; none at the console.
    pub(crate) directory: Option<String>,
}

/// What a [`Source`] is made of beside its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) zone: Option<Str>,
    pub(crate) package: Str,
    pub(crate) directory: Option<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str, block: Block, origin: Origin) -> Self {
        let mut usings = Vec::new();
        if text.contains("using") {
            for expr in &block {
                collect_usings(expr, &mut usings);
            }
        }
        Self {
            path: Arc::from(path),
            text: Arc::from(text),
            lines: LineIndex::new(text),
            block,
            usings,
            zone: origin.zone,
            package: origin.package,
            directory: origin.directory,
        }
    }

    /// Lines and columns of a span.
    pub(crate) fn location(&self, span: Span) -> Location {
        let (first_line, first_column) = self.lines.line_column(span.start);
        let last = if span.end > span.start {
            span.end - 1
        } else {
            span.start
        };
        let (last_line, last_column) = self.lines.line_column(last);
        Location {
            path: Arc::clone(&self.path),
            first_line,
            first_column,
            last_line,
            last_column,
        }
    }

    /// The first line of a span.
    pub(crate) fn line(&self, span: Span) -> u32 {
        self.lines.line_column(span.start).0
    }

    /// The `using` expressions in force at an offset.
    pub(crate) fn usings_before(&self, offset: u32) -> impl Iterator<Item = &Expr> {
        self.usings
            .iter()
            .filter(move |(end, _)| *end <= offset)
            .map(|(_, expr)| expr)
    }

    /// The marked lines for a message.
    pub(crate) fn excerpt(&self, location: &Location) -> String {
        let start = self
            .lines
            .offset(location.first_line, location.first_column);
        let last = self.lines.offset(location.last_line, location.last_column);
        let end = last.saturating_add(1);
        bheka_syntax::excerpt_with(&self.lines, &self.text, Span { start, end })
    }
}

fn collect_usings(expr: &Expr, found: &mut Vec<(u32, Expr)>) {
    if let ExprKind::Using(inner) = &expr.kind {
        found.push((expr.span.end, (**inner).clone()));
        return;
    }
    each_child(expr, &mut |child| collect_usings(child, found));
}

/// Calls `visit` with every direct part of an expression.
pub(crate) fn each_child<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    use ExprKind as K;
    match &expr.kind {
        K::Array(items) | K::Dictionary(items) | K::Block(items) => items.iter().for_each(visit),
        K::Index { base, index } => [base, index].into_iter().for_each(|e| visit(e)),
        K::Call {
            function,
            arguments,
        } => {
            visit(function);
            arguments.iter().for_each(visit);
        }
        K::Unary { operand, .. } => visit(operand),
        K::Binary { left, right, .. } => [left, right].into_iter().for_each(|e| visit(e)),
        K::Assign { target, value, .. } => [target, value].into_iter().for_each(|e| visit(e)),
        K::Var { value, .. } | K::Return(value) => {
            if let Some(value) = value {
                visit(value);
            }
        }
        K::Const { value, .. } => visit(value),
        K::If {
            condition,
            then,
            otherwise,
        } => {
            visit(condition);
            then.iter()
                .chain(otherwise.iter().flatten())
                .for_each(visit);
        }
        K::While { condition, body } => {
            visit(condition);
            body.iter().for_each(visit);
        }
        K::For {
            collection, body, ..
        } => {
            visit(collection);
            body.iter().for_each(visit);
        }
        K::Throw(e)
        | K::Import(e)
        | K::AssignWhere(e)
        | K::IgnoreWhere(e)
        | K::Library(e)
        | K::Using(e) => visit(e),
        K::Try { body, handler } => body.iter().chain(handler).for_each(visit),
        K::Function(function) => {
            function
                .captures
                .iter()
                .filter_map(|(_, e)| e.as_ref())
                .for_each(&mut *visit);
            function.body.iter().for_each(visit);
        }
        K::Object(object) => each_of_object(object, visit),
        K::Apply(apply) => each_of_apply(apply, visit),
        K::Include { path, .. } => visit(path),
        K::IncludeRecursive { path, pattern } => {
            visit(path);
            if let Some(pattern) = pattern {
                visit(pattern);
            }
        }
        K::IncludeZones { tag, path, pattern } => {
            visit(tag);
            visit(path);
            if let Some(pattern) = pattern {
                visit(pattern);
            }
        }
        K::Namespace { name, body } => {
            visit(name);
            body.iter().for_each(visit);
        }
        _ => {}
    }
}

fn each_of_object<'e>(object: &'e ObjectExpr, visit: &mut dyn FnMut(&'e Expr)) {
    visit(&object.type_name);
    object.name.iter().for_each(&mut *visit);
    object
        .captures
        .iter()
        .filter_map(|(_, e)| e.as_ref())
        .for_each(&mut *visit);
    object.body.iter().for_each(visit);
}

fn each_of_apply<'e>(apply: &'e ApplyExpr, visit: &mut dyn FnMut(&'e Expr)) {
    apply.name.iter().for_each(&mut *visit);
    apply
        .for_loop
        .iter()
        .for_each(|for_loop| visit(&for_loop.collection));
    apply
        .captures
        .iter()
        .filter_map(|(_, e)| e.as_ref())
        .for_each(&mut *visit);
    apply
        .body
        .iter()
        .chain(&apply.assign)
        .chain(&apply.ignore)
        .for_each(visit);
}
