//! The common shapes of `assign where`, without the evaluator.
//!
//! A rule is tried at every target, so its condition is what a large configuration evaluates most
//! often. Conditions made of attributes and custom variables of the target, literals, `==`, `!=`,
//! `in`, `match()`, `&&`, `||` and `!` are read once into a [`Test`]. A test says yes or no only
//! where the evaluator would say the same without an error; whatever else comes up is left to the
//! evaluator, with its messages.

use std::sync::Arc;

use bheka_syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use bheka_value::{Map, Str, Value};

use crate::builtins::text::wildcard;
use crate::draft::as_draft;
use crate::env::Env;
use crate::eval::ops;

/// `host.vars.os`: a variable of the target and the way into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    root: Str,
    fields: Vec<Str>,
}

/// A condition.
pub(super) enum Test {
    Known(bool),
    /// Whether what is there is true.
    Truth(Path),
    Equal(Path, Value),
    /// Whether the literal is in the list.
    In(Value, Path),
    Match(Str, Path),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

/// What a value must be so that a condition can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// It is this text.
    Text(Path, Str),
    /// It is a list with this text. Only lists can be looked into: all else is an error.
    Member(Path, Str),
    /// It begins with this text, in any case of letters.
    Prefix(Path, Str),
}

/// The variables that conditions see: `host`, `service`, `user`.
pub(super) type Roots<'r> = &'r [(Str, Value)];

/// Nesting of conditions beyond which the evaluator takes over.
const DEPTH_MAX: usize = 64;

/// What must be known to read conditions.
pub(super) struct Reader<'r> {
    pub(super) env: &'r Arc<Env>,
    /// The names of the variables of the target.
    pub(super) roots: &'r [Str],
    /// What the rule captured; it may hide the target.
    pub(super) scope: &'r Map,
}

impl Reader<'_> {
    /// All of these conditions; `None` when any of them needs the evaluator.
    pub(super) fn tests(&self, conditions: &[Expr]) -> Option<Vec<Test>> {
        conditions.iter().map(|it| self.test(it, 0)).collect()
    }

    fn test(&self, expr: &Expr, depth: usize) -> Option<Test> {
        if depth > DEPTH_MAX {
            return None;
        }
        let inner = |expr: &Expr| self.test(expr, depth + 1).map(Box::new);
        Some(match &expr.kind {
            ExprKind::Boolean(known) => Test::Known(*known),
            ExprKind::Variable(_) | ExprKind::Index { .. } => Test::Truth(self.path(expr)?),
            ExprKind::Unary {
                operator: UnaryOp::Not,
                operand,
            } => Test::Not(inner(operand)?),
            ExprKind::Binary {
                operator,
                left,
                right,
            } => match operator {
                BinaryOp::And => Test::And(inner(left)?, inner(right)?),
                BinaryOp::Or => Test::Or(inner(left)?, inner(right)?),
                BinaryOp::Equal => self.equal(left, right)?,
                BinaryOp::NotEqual => Test::Not(Box::new(self.equal(left, right)?)),
                BinaryOp::In => Test::In(literal(left)?, self.path(right)?),
                BinaryOp::NotIn => Test::Not(Box::new(Test::In(literal(left)?, self.path(right)?))),
                _ => return None,
            },
            ExprKind::Call {
                function,
                arguments,
            } => self.matching(function, arguments)?,
            _ => return None,
        })
    }

    fn equal(&self, left: &Expr, right: &Expr) -> Option<Test> {
        if let (Some(path), Some(value)) = (self.path(left), literal(right)) {
            return Some(Test::Equal(path, value));
        }
        Some(Test::Equal(self.path(right)?, literal(left)?))
    }

    /// `match("pattern", host.name)`, if `match` is the library's.
    fn matching(&self, function: &Expr, arguments: &[Expr]) -> Option<Test> {
        let (ExprKind::Variable(name), [pattern, text]) = (&function.kind, arguments) else {
            return None;
        };
        let ExprKind::String(pattern) = &pattern.kind else {
            return None;
        };
        if &**name != "match" || self.scope.contains_key("match") {
            return None;
        }
        let Some(Value::Function(function)) = self.env.globals.get("match").or_else(|| {
            let mut imports = self.env.imports.iter();
            imports.find_map(|it| it.as_object()?.attribute("match"))
        }) else {
            return None;
        };
        let library = crate::eval::call::is_builtin(&function, "match");
        library.then_some(Test::Match(pattern.into(), self.path(text)?))
    }

    /// A chain of fields that starts at a variable of the target.
    fn path(&self, expr: &Expr) -> Option<Path> {
        let mut fields = Vec::new();
        let mut at = expr;
        loop {
            match &at.kind {
                ExprKind::Index { base, index } => {
                    let ExprKind::String(field) = &index.kind else {
                        return None;
                    };
                    fields.push(Str::from(field));
                    at = base;
                }
                ExprKind::Variable(name) => {
                    let root = self.roots.iter().find(|root| root.as_str() == &**name)?;
                    if self.scope.contains_key(name) || fields.len() > DEPTH_MAX {
                        return None;
                    }
                    fields.reverse();
                    // A method of dictionaries would be found where there is no entry.
                    let methods = self.env.types.get("Dictionary");
                    let mut nested = fields.iter().skip(1);
                    if nested.any(|it| methods.is_some_and(|of| of.prototype_field(it).is_some())) {
                        return None;
                    }
                    let root = root.clone();
                    return Some(Path { root, fields });
                }
                _ => return None,
            }
        }
    }
}

fn literal(expr: &Expr) -> Option<Value> {
    Some(match &expr.kind {
        ExprKind::String(text) => Value::String(text.into()),
        ExprKind::Number(number) => Value::Number(*number),
        ExprKind::Boolean(boolean) => Value::Boolean(*boolean),
        _ => return None,
    })
}

impl Path {
    /// Whether reading it is no error anywhere.
    fn is_safe(&self) -> bool {
        const EVERYWHERE: &[&str] = &["name", "display_name", "groups", "vars", "zone"];
        match &self.fields[..] {
            [] => true,
            [attribute] => EVERYWHERE.contains(&attribute.as_str()),
            // Deeper, there may be a text where the way expects a dictionary.
            [attribute, _] => attribute.as_str() == "vars",
            _ => false,
        }
    }

    /// What is there; `None` when only the evaluator knows.
    pub(super) fn read(&self, roots: Roots<'_>) -> Option<Value> {
        let root = roots.iter().find(|(name, _)| *name == self.root);
        let (_, root) = root?;
        let Some((first, rest)) = self.fields.split_first() else {
            return Some(root.clone());
        };
        let draft = as_draft(root)?;
        // `service.host` leads to another object.
        if first.as_str() == "host" || !draft.has(first) {
            return None;
        }
        let mut value = draft.get(first)?;
        for field in rest {
            value = match &value {
                Value::Empty => return Some(Value::Empty),
                Value::Dictionary(entries) => entries.get(field).unwrap_or_default(),
                _ => return None,
            };
        }
        Some(value)
    }
}

impl Test {
    /// Whether it holds; `None` when only the evaluator knows.
    pub(super) fn holds(&self, roots: Roots<'_>) -> Option<bool> {
        Some(match self {
            Self::Known(known) => *known,
            Self::Truth(path) => path.read(roots)?.is_true(),
            Self::Equal(path, literal) => ops::equal(&path.read(roots)?, literal),
            Self::In(literal, path) => match path.read(roots)? {
                Value::Empty => false,
                Value::Array(items) => {
                    let items = items.read();
                    items.iter().any(|item| ops::equal(literal, item))
                }
                _ => return None,
            },
            Self::Match(pattern, path) => match path.read(roots)? {
                Value::String(text) => wildcard(pattern, &text),
                _ => return None,
            },
            Self::Not(test) => !test.holds(roots)?,
            Self::And(left, right) => left.holds(roots)? && right.holds(roots)?,
            Self::Or(left, right) => left.holds(roots)? || right.holds(roots)?,
        })
    }

    /// Whether it looks at an attribute of the target.
    pub(super) fn looks_at(&self, attribute: &str) -> bool {
        match self {
            Self::Known(_) => false,
            Self::Truth(path) | Self::Equal(path, _) | Self::In(_, path) | Self::Match(_, path) => {
                path.fields
                    .first()
                    .is_some_and(|it| it.as_str() == attribute)
            }
            Self::Not(test) => test.looks_at(attribute),
            Self::And(left, right) | Self::Or(left, right) => {
                left.looks_at(attribute) || right.looks_at(attribute)
            }
        }
    }

    /// Whether it is no error anywhere: then it need not be evaluated everywhere.
    fn never_fails(&self) -> bool {
        match self {
            Self::Known(_) => true,
            Self::Truth(path) | Self::Equal(path, _) => path.is_safe(),
            Self::In(..) | Self::Match(..) => false,
            Self::Not(test) => test.never_fails(),
            Self::And(left, right) | Self::Or(left, right) => {
                left.never_fails() && right.never_fails()
            }
        }
    }

    /// Keys of which one must fit if the test holds; `None` when there are no such.
    pub(super) fn keys(&self) -> Option<Vec<Key>> {
        match self {
            Self::Equal(path, Value::String(text)) if !text.is_empty() => {
                Some(vec![Key::Text(path.clone(), text.clone())])
            }
            Self::In(Value::String(text), path) if !text.is_empty() => {
                Some(vec![Key::Member(path.clone(), text.clone())])
            }
            Self::Match(pattern, path) => {
                let end = pattern.find(['*', '?', '\\']).unwrap_or(pattern.len());
                let prefix = pattern
                    .get(..end)
                    .filter(|it| !it.is_empty() && it.is_ascii())?;
                let prefix = prefix.to_ascii_lowercase();
                Some(vec![Key::Prefix(path.clone(), prefix.into())])
            }
            // What stands on the left is evaluated everywhere, and may be an error.
            Self::And(left, right) if left.never_fails() => left.keys().or_else(|| right.keys()),
            Self::And(left, _) => left.keys(),
            Self::Or(left, right) => {
                let mut keys = left.keys()?;
                keys.extend(right.keys()?);
                Some(keys)
            }
            Self::Known(false) => Some(Vec::new()),
            _ => None,
        }
    }
}
