//! The tree of the configuration language.
//!
//! Every node has a [`Span`]; the tree holds text and structure only, no values and no meaning.
//! The parser never fails: where it cannot go on it puts [`ExprKind::Error`] and a diagnostic.

use std::sync::Arc;

/// A byte range in one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

/// An expression with its place. Everything is an expression, statements too.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// A sequence of statements; its value is that of the last one.
pub type Block = Vec<Expr>;

/// The kinds of expressions. Manual: chapter 17, "Language Reference".
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ExprKind {
    /// `null`
    Null,
    /// `5`, `2.5`, `10m` (already in seconds)
    Number(f64),
    /// `true`, `false`
    Boolean(bool),
    /// `"text"` or `{{{text}}}`, escapes resolved
    String(Arc<str>),
    /// A bare identifier, or `@keyword`
    Variable(Arc<str>),
    /// `this`
    This,
    /// `locals`
    Locals,
    /// `globals`
    Globals,
    /// `current_filename`
    CurrentFilename,
    /// `current_line`
    CurrentLine,
    /// `[ a, b ]`
    Array(Vec<Expr>),
    /// `{ a = 1; b = 2 }` as an expression; also the value of a dictionary override (`vars += {}`)
    Dictionary(Block),
    /// `a.b` and `a["b"]`: the index is a string literal for the first form
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// `f(a, b)`
    Call {
        function: Box<Expr>,
        arguments: Vec<Expr>,
    },
    Unary {
        operator: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        operator: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `target = value` and the compound forms. The target can be any expression; those that cannot
    /// be assigned to are refused by the evaluator. In dictionaries and bodies it can be a string
    /// literal, `"key" = value`. `var a.b = c` and `var a += c` are assignments to `locals`.
    Assign {
        operator: AssignOp,
        target: Box<Expr>,
        value: Box<Expr>,
    },
    /// `var x = value` (`value` is absent in `var x`)
    Var {
        name: Arc<str>,
        value: Option<Box<Expr>>,
    },
    /// `const x = value`; also `const A.B = value` is refused by the parser
    Const {
        name: Arc<str>,
        value: Box<Expr>,
    },
    /// `if (c) { } else if … else { }`; an `else if` is an `If` alone in `otherwise`. Also
    /// `c ? a : b`, with one expression in each branch
    If {
        condition: Box<Expr>,
        then: Block,
        otherwise: Option<Block>,
    },
    /// `while (c) { }`
    While {
        condition: Box<Expr>,
        body: Block,
    },
    /// `for (key => value in collection) { }`; `key` is absent in the array form
    For {
        key: Option<Arc<str>>,
        value: Arc<str>,
        collection: Box<Expr>,
        body: Block,
    },
    Return(Option<Box<Expr>>),
    Break,
    Continue,
    /// `throw e`
    Throw(Box<Expr>),
    /// `try { } except { }`
    Try {
        body: Block,
        handler: Block,
    },
    /// `function name(a, b) use (c = d) { }`, `(a) => e`, `{{ … }}`
    Function(Arc<FunctionExpr>),
    /// `object`, `template`
    Object(Arc<ObjectExpr>),
    /// `apply`
    Apply(Arc<ApplyExpr>),
    /// `import "name"`
    Import(Box<Expr>),
    /// `assign where e`
    AssignWhere(Box<Expr>),
    /// `ignore where e`
    IgnoreWhere(Box<Expr>),
    /// `include "path"` / `include <path>`
    Include {
        path: Box<Expr>,
        search: bool,
    },
    /// `include_recursive "dir"[, "pattern"]`
    IncludeRecursive {
        path: Box<Expr>,
        pattern: Option<Box<Expr>>,
    },
    /// `include_zones "tag", "dir"[, "pattern"]`
    IncludeZones {
        tag: Box<Expr>,
        path: Box<Expr>,
        pattern: Option<Box<Expr>>,
    },
    /// `library "name"`
    Library(Box<Expr>),
    /// `using expr`
    Using(Box<Expr>),
    /// `namespace A.B { }`; `name` is the expression left of the brace
    Namespace {
        name: Box<Expr>,
        body: Block,
    },
    /// `debugger`
    Debugger,
    /// `{ … }` where a statement block is evaluated in the scope around it: `assign where { … }`.
    /// A `return` ends it with that value
    Block(Block),
    /// A place that did not parse; evaluation of such a tree is refused.
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `~`
    Complement,
    /// `-`
    Negate,
    /// `+`
    Plus,
    /// `&x`: a reference
    Reference,
    /// `*x`: what a reference refers to
    Dereference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Xor,
    BinaryAnd,
    BinaryOr,
    ShiftLeft,
    ShiftRight,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AssignOp {
    Set,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Xor,
    BinaryAnd,
    BinaryOr,
}

/// A function as written.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionExpr {
    /// `function name(…)`; absent for anonymous functions and lambdas.
    pub name: Option<Arc<str>>,
    /// Parameters.
    pub parameters: Vec<Arc<str>>,
    /// `use (a, b = c)`: what is captured, with its value where one is written.
    pub captures: Vec<(Arc<str>, Option<Expr>)>,
    /// The body.
    pub body: Block,
    /// Which of the forms it was written in.
    pub form: FunctionForm,
}

/// The forms of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionForm {
    /// `function (…) { … }`
    Function,
    /// `(…) => …`
    Lambda,
    /// `{{ … }}`
    Nullary,
}

/// `object Type "name" use (…) ignore_on_error { … }`, and `template`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectExpr {
    /// `template` instead of `object`; a `default` template has `is_default`.
    pub is_template: bool,
    /// `template Type "name" default { … }`
    pub is_default: bool,
    /// The type: an identifier, or any expression in parentheses.
    pub type_name: Expr,
    /// The name.
    pub name: Option<Expr>,
    /// `use (…)`
    pub captures: Vec<(Arc<str>, Option<Expr>)>,
    /// `ignore_on_error`
    pub ignore_on_error: bool,
    /// The body; may hold [`ExprKind::AssignWhere`] for groups.
    pub body: Block,
    /// The head, up to before the body (`object Host "x" use (y)`), which is what messages point
    /// at and where the object is declared.
    pub head: Span,
    /// The conditions of all `assign where` in the body, at any depth of `if`, loops and functions:
    /// they belong to the object whether the place is reached or not. The statements stay in the
    /// body too, where evaluating them does nothing.
    pub assign: Vec<Expr>,
    /// The conditions of all `ignore where`, likewise.
    pub ignore: Vec<Expr>,
}

/// `apply Type "name" for (k => v in e) to Target use (…) ignore_on_error { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyExpr {
    /// The type.
    pub type_name: Arc<str>,
    /// The name; may be absent with `for`.
    pub name: Option<Expr>,
    /// `for (…)`
    pub for_loop: Option<ApplyFor>,
    /// `to Host`
    pub target: Option<Arc<str>>,
    /// `use (…)`
    pub captures: Vec<(Arc<str>, Option<Expr>)>,
    /// `ignore_on_error`
    pub ignore_on_error: bool,
    /// The body without the `assign where` and `ignore where` of its top level.
    pub body: Block,
    /// All `assign where` (any of them), at any depth of the body: they belong to the rule whether
    /// the place is reached or not. Inside an `if` or function, `null` is in their place.
    pub assign: Vec<Expr>,
    /// All `ignore where` (none of them), likewise.
    pub ignore: Vec<Expr>,
    /// The head, up to before the body, which is what messages point at and where the objects are
    /// declared.
    pub head: Span,
    /// The name of the type.
    pub type_span: Span,
    /// `to Host`
    pub target_span: Span,
}

/// The `for` part of an apply rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyFor {
    /// Variable for the key of a dictionary.
    pub key: Option<Arc<str>>,
    /// Variable for the value.
    pub value: Arc<str>,
    /// What to go over, evaluated with the target's `host` (and `service`) in scope.
    pub collection: Expr,
}
