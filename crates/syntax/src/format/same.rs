//! Whether two trees are the same program: equal but for the places of things.

use std::sync::Arc;

use crate::ast::{ApplyExpr, ApplyFor, Block, Expr, ExprKind, FunctionExpr, ObjectExpr};

type Captures = [(Arc<str>, Option<Expr>)];

/// Whether two blocks are the same apart from places. The depth of the recursion is limited by
/// [`crate::MAX_HEIGHT`].
pub(super) fn blocks(left: &Block, right: &Block) -> bool {
    all(left, right)
}

fn all(left: &[Expr], right: &[Expr]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| exprs(a, b))
}

fn maybe(left: Option<&Expr>, right: Option<&Expr>) -> bool {
    match (left, right) {
        (Some(a), Some(b)) => exprs(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn maybe_boxed(left: Option<&Expr>, right: &Option<Box<Expr>>) -> bool {
    maybe(left, right.as_deref())
}

/// Kinds with expressions in them are taken apart; the others, and different kinds, are left to
/// `==`. Forgetting a kind here makes equal things look different, never the other way round.
fn exprs(left: &Expr, right: &Expr) -> bool {
    use ExprKind as K;
    match (&left.kind, &right.kind) {
        (K::Array(a), K::Array(b))
        | (K::Dictionary(a), K::Dictionary(b))
        | (K::Block(a), K::Block(b)) => all(a, b),
        (K::Index { base, index }, K::Index { base: b, index: i }) => {
            exprs(base, b) && exprs(index, i)
        }
        (
            K::Call {
                function,
                arguments,
            },
            K::Call {
                function: f,
                arguments: a,
            },
        ) => exprs(function, f) && all(arguments, a),
        (
            K::Unary { operator, operand },
            K::Unary {
                operator: o,
                operand: e,
            },
        ) => operator == o && exprs(operand, e),
        (
            K::Binary {
                operator,
                left,
                right,
            },
            K::Binary {
                operator: o,
                left: l,
                right: r,
            },
        ) => operator == o && exprs(left, l) && exprs(right, r),
        (
            K::Assign {
                operator,
                target,
                value,
            },
            K::Assign {
                operator: o,
                target: t,
                value: v,
            },
        ) => operator == o && exprs(target, t) && exprs(value, v),
        (K::Var { name, value }, K::Var { name: n, value: v }) => {
            name == n && maybe_boxed(value.as_deref(), v)
        }
        (K::Const { name, value }, K::Const { name: n, value: v }) => name == n && exprs(value, v),
        (
            K::If {
                condition,
                then,
                otherwise,
            },
            K::If {
                condition: c,
                then: t,
                otherwise: o,
            },
        ) => exprs(condition, c) && all(then, t) && branches(otherwise, o),
        (
            K::While { condition, body },
            K::While {
                condition: c,
                body: b,
            },
        ) => exprs(condition, c) && all(body, b),
        (
            K::For {
                key,
                value,
                collection,
                body,
            },
            K::For {
                key: k,
                value: v,
                collection: c,
                body: b,
            },
        ) => key == k && value == v && exprs(collection, c) && all(body, b),
        (K::Return(a), K::Return(b)) => maybe_boxed(a.as_deref(), b),
        (
            K::Try { body, handler },
            K::Try {
                body: b,
                handler: h,
            },
        ) => all(body, b) && all(handler, h),
        (K::Function(a), K::Function(b)) => functions(a, b),
        (K::Object(a), K::Object(b)) => objects(a, b),
        (K::Apply(a), K::Apply(b)) => applies(a, b),
        (K::Namespace { name, body }, K::Namespace { name: n, body: b }) => {
            exprs(name, n) && all(body, b)
        }
        (a, b) => loads(a, b),
    }
}

/// Statements of one key word and its values.
fn loads(left: &ExprKind, right: &ExprKind) -> bool {
    use ExprKind as K;
    match (left, right) {
        (K::Throw(a), K::Throw(b))
        | (K::Import(a), K::Import(b))
        | (K::Library(a), K::Library(b))
        | (K::Using(a), K::Using(b))
        | (K::AssignWhere(a), K::AssignWhere(b))
        | (K::IgnoreWhere(a), K::IgnoreWhere(b)) => exprs(a, b),
        (K::Include { path, search }, K::Include { path: p, search: s }) => {
            search == s && exprs(path, p)
        }
        (
            K::IncludeRecursive { path, pattern },
            K::IncludeRecursive {
                path: p,
                pattern: q,
            },
        ) => exprs(path, p) && maybe_boxed(pattern.as_deref(), q),
        (
            K::IncludeZones { tag, path, pattern },
            K::IncludeZones {
                tag: t,
                path: p,
                pattern: q,
            },
        ) => exprs(tag, t) && exprs(path, p) && maybe_boxed(pattern.as_deref(), q),
        (a, b) => a == b,
    }
}

fn branches(left: &Option<Block>, right: &Option<Block>) -> bool {
    match (left, right) {
        (Some(a), Some(b)) => all(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn captures(left: &Captures, right: &Captures) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|((name, value), (other, its))| {
            name == other && maybe(value.as_ref(), its.as_ref())
        })
}

fn functions(left: &FunctionExpr, right: &FunctionExpr) -> bool {
    let FunctionExpr {
        name,
        parameters,
        captures: captured,
        body,
        form,
    } = left;
    *name == right.name
        && *parameters == right.parameters
        && *form == right.form
        && captures(captured, &right.captures)
        && all(body, &right.body)
}

fn objects(left: &ObjectExpr, right: &ObjectExpr) -> bool {
    let ObjectExpr {
        is_template,
        is_default,
        type_name,
        name,
        captures: captured,
        ignore_on_error,
        body,
        head: _,
        assign,
        ignore,
    } = left;
    *is_template == right.is_template
        && *is_default == right.is_default
        && *ignore_on_error == right.ignore_on_error
        && exprs(type_name, &right.type_name)
        && maybe(name.as_ref(), right.name.as_ref())
        && captures(captured, &right.captures)
        && all(body, &right.body)
        && all(assign, &right.assign)
        && all(ignore, &right.ignore)
}

fn applies(left: &ApplyExpr, right: &ApplyExpr) -> bool {
    let ApplyExpr {
        type_name,
        name,
        for_loop,
        target,
        captures: captured,
        ignore_on_error,
        body,
        assign,
        ignore,
        head: _,
        type_span: _,
        target_span: _,
    } = left;
    *type_name == right.type_name
        && *target == right.target
        && *ignore_on_error == right.ignore_on_error
        && maybe(name.as_ref(), right.name.as_ref())
        && loops(for_loop.as_ref(), right.for_loop.as_ref())
        && captures(captured, &right.captures)
        && all(body, &right.body)
        && all(assign, &right.assign)
        && all(ignore, &right.ignore)
}

fn loops(left: Option<&ApplyFor>, right: Option<&ApplyFor>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return left.is_none() && right.is_none();
    };
    let ApplyFor {
        key,
        value,
        collection,
    } = left;
    *key == right.key && *value == right.value && exprs(collection, &right.collection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (crate::parse(left), crate::parse(right));
        for parsed in [&left, &right] {
            assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        }
        blocks(&left.block, &right.block)
    }

    /// All kinds of the tree, each against all others, and against itself in another place.
    #[test]
    fn only_places_may_differ() {
        let texts = [
            "[ 1, x ]",
            "[ 1, y ]",
            "{ a = 1 }",
            "{ a = 2 }",
            "a[b]",
            "a[c]",
            "f(1)",
            "f(2)",
            "-x",
            "-y",
            "+x",
            "x + y",
            "x - y",
            "x + z",
            "x = y",
            "x += y",
            "x = z",
            "var x = 1",
            "var x = 2",
            "var x",
            "var y",
            "const x = 1",
            "const x = 2",
            "if (a) { b() }",
            "if (a) { c() }",
            "if (a) { b } else { c }",
            "if (a) { b } else { d }",
            "while (a) { b }",
            "while (a) { c }",
            "for (a in b) { c() }",
            "for (a in b) { d() }",
            "for (k => a in b) { c() }",
            "for (a in x) { c() }",
            "x = {{ return 1 }}",
            "x = {{ return 2 }}",
            "x = {{ return }}",
            "try { a } except { b }",
            "try { a } except { c }",
            "function f(a) { a }",
            "function f(b) { a }",
            "function f(a) { b }",
            "function f(a) use (x) { a }",
            "function f(a) use (x = 1) { a }",
            "function f(a) use (x = 2) { a }",
            "x = (a) => a",
            "x = () => a",
            "object Host \"a\" { }",
            "object Host \"b\" { }",
            "template Host \"a\" { }",
            "template Host \"a\" default { }",
            "object Host \"a\" ignore_on_error { }",
            "object Host \"a\" use (x) { }",
            "object Host \"a\" { x = 1 }",
            "object Host \"a\" { assign where x }",
            "object Host \"a\" { assign where x; ignore where x }",
            "object Host \"a\" { assign where y }",
            "object User \"a\" { }",
            "apply Service \"a\" { assign where x }",
            "apply Service \"a\" { assign where y }",
            "apply Service \"a\" to Host { assign where x }",
            "apply Service \"a\" { assign where x\n ignore where y }",
            "apply Service \"a\" for (x in y) { }",
            "apply Service \"a\" for (k => x in y) { }",
            "apply Service \"a\" for (x in z) { }",
            "apply Service for (x in y) { }",
            "apply Service \"a\" use (q) { assign where x }",
            "apply Service \"a\" ignore_on_error { assign where x }",
            "namespace a { b = 1 }",
            "namespace a { b = 2 }",
            "namespace b { b = 1 }",
            "throw a",
            "throw b",
            "object Host \"a\" { import \"b\" }",
            "object Host \"a\" { import \"c\" }",
            "library \"a\"",
            "library \"b\"",
            "using a",
            "using b",
            "include \"a\"",
            "include \"b\"",
            "include <a>",
            "include_recursive \"a\"",
            "include_recursive \"b\"",
            "include_recursive \"a\", \"b\"",
            "include_recursive \"a\", \"c\"",
            "include_zones \"a\", \"b\"",
            "include_zones \"a\", \"c\"",
            "include_zones \"c\", \"b\"",
            "include_zones \"a\", \"b\", \"c\"",
            "include_zones \"a\", \"b\", \"d\"",
            "object Host \"a\" { assign where { x } }",
            "null",
            "1",
            "2",
            "\"1\"",
            "true",
            "false",
            "this",
            "locals",
            "globals",
            "current_filename",
            "current_line",
            "debugger",
        ];
        for (index, left) in texts.iter().enumerate() {
            for (other, right) in texts.iter().enumerate() {
                let moved = format!("\n\n  /* moved */ {right}");
                assert_eq!(same(left, &moved), index == other, "{left} and {right}");
            }
        }
    }
}
