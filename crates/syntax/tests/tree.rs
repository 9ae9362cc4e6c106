//! The shape of trees. Precedence is shown with all parentheses written out; these were compared
//! with what Icinga 2 evaluates.

use bheka_syntax::ast::{AssignOp, BinaryOp, Expr, ExprKind, FunctionForm, UnaryOp};
use bheka_syntax::parse;

fn block(source: &str) -> Vec<Expr> {
    let parsed = parse(source);
    assert!(
        parsed.diagnostics.is_empty(),
        "{source:?}: {:?}",
        parsed.diagnostics
    );
    parsed.block
}

fn one(source: &str) -> ExprKind {
    let mut block = block(source);
    assert_eq!(block.len(), 1, "{source:?}");
    block.remove(0).kind
}

fn show(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Null => "null".to_owned(),
        ExprKind::Number(number) => number.to_string(),
        ExprKind::Boolean(value) => value.to_string(),
        ExprKind::String(text) => format!("{text:?}"),
        ExprKind::Variable(name) => name.to_string(),
        ExprKind::Locals => "locals".to_owned(),
        ExprKind::Array(items) => format!("[{}]", list(items)),
        ExprKind::Index { base, index } => format!("{}[{}]", show(base), show(index)),
        ExprKind::Call {
            function,
            arguments,
        } => {
            format!("{}({})", show(function), list(arguments))
        }
        ExprKind::Unary { operator, operand } => {
            let sign = match operator {
                UnaryOp::Not => "!",
                UnaryOp::Complement => "~",
                UnaryOp::Negate => "-",
                UnaryOp::Plus => "+",
                UnaryOp::Reference => "&",
                UnaryOp::Dereference => "*",
            };
            format!("({sign}{})", show(operand))
        }
        ExprKind::Binary {
            operator,
            left,
            right,
        } => {
            format!("({} {} {})", show(left), sign(*operator), show(right))
        }
        ExprKind::If {
            condition,
            then,
            otherwise,
        } => {
            let otherwise = otherwise.as_deref().unwrap_or_default();
            format!(
                "({} ? {} : {})",
                show(condition),
                list(then),
                list(otherwise)
            )
        }
        ExprKind::Function(function) => {
            format!(
                "({} => {})",
                function.parameters.join(", "),
                list(&function.body)
            )
        }
        other => format!("{other:?}"),
    }
}

fn sign(operator: BinaryOp) -> &'static str {
    match operator {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::Xor => "^",
        BinaryOp::BinaryAnd => "&",
        BinaryOp::BinaryOr => "|",
        BinaryOp::ShiftLeft => "<<",
        BinaryOp::ShiftRight => ">>",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessOrEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterOrEqual => ">=",
        BinaryOp::In => "in",
        BinaryOp::NotIn => "!in",
    }
}

#[test]
fn precedence() {
    for (source, shape) in [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("8 >> 1 + 1", "(8 >> (1 + 1))"),
        ("1 << 2 << 3", "((1 << 2) << 3)"),
        // The manual has it the other way round; the program has not.
        ("a || b && c", "(a || (b && c))"),
        ("a && b || c", "((a && b) || c)"),
        ("1 | 2 == 2", "(1 | (2 == 2))"),
        ("1 | 2 ^ 3 & 4", "(1 | (2 ^ (3 & 4)))"),
        ("1 < 2 == true", "((1 < 2) == true)"),
        ("1 in a == true", "((1 in a) == true)"),
        ("1 < 2 in a", "((1 < 2) in a)"),
        ("1 in a in b", "((1 in a) in b)"),
        ("1 !in a", "(1 !in a)"),
        ("!a == b", "((!a) == b)"),
        ("!a in b", "((!a) in b)"),
        ("!inside", "(!inside)"),
        ("-a.b", "(-a[\"b\"])"),
        ("*a.b", "(*a[\"b\"])"),
        ("1 - -2", "(1 - (-2))"),
        ("a.b[1].c(2, 3)()", "a[\"b\"][1][\"c\"](2, 3)()"),
        ("a + b ? c : d + e", "((a + b) ? c : (d + e))"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a ? b ? c : d : e", "(a ? (b ? c : d) : e)"),
        ("x => x ? 1 : 2", "(x => (x ? 1 : 2))"),
        ("1 + x => x + 1", "(1 + (x => (x + 1)))"),
        ("(a, b) => a", "(a, b => a)"),
        ("f(a => 1, b)", "f((a => 1), b)"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        ("a.@if", "a[\"if\"]"),
    ] {
        let block = block(source);
        assert_eq!(
            block.iter().map(show).collect::<Vec<_>>(),
            [shape],
            "{source}"
        );
    }
}

#[test]
fn literals() {
    for (source, shape) in [
        ("10m", "600"),
        ("2.5h", "9000"),
        ("5ms", "0.005"),
        ("1d", "86400"),
        ("3s", "3"),
        ("07", "7"),
        (r#""a\tb\n\"\\\101\303\244""#, "\"a\\tb\\n\\\"\\\\Aä\""),
        (r#""\377""#, "\"\u{fffd}\""),
        ("\"a\0b\\000c\"", "\"a\\0c\""),
        ("\"a\\\nb\"", "\"a\\nb\""),
        ("{{{a\\n \"b\"\n}}}", "\"a\\\\n \\\"b\\\"\\n\""),
        ("[ 1, [ ], ]", "[1, []]"),
        ("[\n1,\n\n2\n]", "[1, 2]"),
        ("f(1\n,\n2)", "f(1, 2)"),
    ] {
        let block = block(source);
        assert_eq!(
            block.iter().map(show).collect::<Vec<_>>(),
            [shape],
            "{source}"
        );
    }
}

#[test]
fn variables() {
    assert!(matches!(one("var x"), ExprKind::Var { value: None, .. }));
    assert!(matches!(
        one("var \"x\" = 1"),
        ExprKind::Var { value: Some(_), .. }
    ));
    let ExprKind::Assign {
        operator,
        target,
        value,
    } = one("var x.y += 5")
    else {
        panic!()
    };
    assert_eq!(operator, AssignOp::Add);
    assert_eq!(
        (show(&target), show(&value)),
        ("locals[\"x\"][\"y\"]".into(), "5".into())
    );
    assert!(matches!(one("const A = 1"), ExprKind::Const { .. }));
}

#[test]
fn objects() {
    let source = "object Host \"a\" + x use (y, z = 1) ignore_on_error {\n b = 1; c.d += 2\n}";
    let ExprKind::Object(object) = one(source) else {
        panic!()
    };
    assert_eq!(show(&object.type_name), "Host");
    assert_eq!(
        object.name.as_ref().map(show).as_deref(),
        Some("(\"a\" + x)")
    );
    assert_eq!(object.captures.len(), 2);
    assert!(object.ignore_on_error && !object.is_template && !object.is_default);
    assert_eq!(object.body.len(), 2);
    assert_eq!(
        object.head.end as usize,
        source.find(" {").expect("a brace")
    );
    let ExprKind::Object(template) = one("template Host \"t\" default { }") else {
        panic!()
    };
    assert!(template.is_template && template.is_default);
    let ExprKind::Object(unnamed) = one("object Host { name = \"x\" }") else {
        panic!()
    };
    assert!(unnamed.name.is_none());
}

#[test]
fn membership_rules_belong_to_the_object_at_any_depth() {
    let source = "object HostGroup \"g\" {\n assign where a\n if (false) { assign where b }\n \
                  ignore where { return c }\n}";
    let ExprKind::Object(group) = one(source) else {
        panic!()
    };
    assert_eq!(
        group.assign.iter().map(show).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(matches!(group.ignore[0].kind, ExprKind::Block(_)));
    assert!(matches!(group.body[0].kind, ExprKind::AssignWhere(_)));
    let source = "apply Service \"s\" {\n assign where a\n b = 1\n if (x) { assign where c }\n}";
    let ExprKind::Apply(apply) = one(source) else {
        panic!()
    };
    assert_eq!(
        apply.assign.iter().map(show).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(apply.body.len(), 2);
}

#[test]
fn apply_rules() {
    let source = "apply Notification for (k => var v in host.vars.n) to Service use (x) { }";
    let ExprKind::Apply(apply) = one(source) else {
        panic!()
    };
    assert_eq!(&*apply.type_name, "Notification");
    assert!(apply.name.is_none());
    let for_loop = apply.for_loop.as_ref().expect("for");
    assert_eq!(
        (for_loop.key.as_deref(), &*for_loop.value),
        (Some("k"), "v")
    );
    assert_eq!(apply.target.as_deref(), Some("Service"));
    assert_eq!(apply.captures.len(), 1);
}

#[test]
fn functions() {
    let ExprKind::Function(named) = one("function f(a, b,) use (c = 1) { a }") else {
        panic!()
    };
    assert_eq!(
        (named.name.as_deref(), named.parameters.len()),
        (Some("f"), 2)
    );
    assert_eq!(named.form, FunctionForm::Function);
    let ExprKind::Function(nullary) = one("{{ 1 }}") else {
        panic!()
    };
    assert_eq!(nullary.form, FunctionForm::Nullary);
    let ExprKind::Function(lambda) = one("(a) use (b) => { var c = 1; a }") else {
        panic!()
    };
    assert_eq!((lambda.form, lambda.body.len()), (FunctionForm::Lambda, 2));
}

#[test]
fn includes() {
    let ExprKind::Include { path, search } = one("include <itl>") else {
        panic!()
    };
    assert!(search);
    assert_eq!(show(&path), "\"itl\"");
    assert!(matches!(
        one("include \"a\" + b"),
        ExprKind::Include { search: false, .. }
    ));
    let pattern = one("include_recursive \"a\", \"*.x\"");
    assert!(matches!(
        pattern,
        ExprKind::IncludeRecursive {
            pattern: Some(_),
            ..
        }
    ));
    let zones = one("include_zones \"a\", \"b\"");
    assert!(matches!(
        zones,
        ExprKind::IncludeZones { pattern: None, .. }
    ));
}

#[test]
fn lines_end_statements_except_in_parentheses() {
    assert_eq!(block("a = 1\nb = 2; c = 3, d = 4\r\ne = 5\rf = 6").len(), 6);
    assert_eq!(block("a = (1\n+\n2)\nb = f({\n c = 1\n d = 2\n})").len(), 2);
    assert_eq!(block("# a\n\n// b\n/* c\n */ a = 1 // d").len(), 1);
}
