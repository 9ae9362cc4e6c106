//! Assignments and definitions.

use std::sync::Arc;

use bheka_syntax::ast::{AssignOp, BinaryOp, Expr, ExprKind};
use bheka_value::{Modification, Str, Value};

use super::{Frame, access, eval, eval_block, ops, reference};
use crate::convert::{not_an_object, to_text};
use crate::cost::own_bytes;
use crate::draft::as_draft;
use crate::fault::{Eval, Fault, Outcome, Stop};
use crate::namespace::{Namespace, namespace_value};
use crate::run::check_items;

/// The place that an expression denotes: a field of an object.
pub(super) struct Place {
    pub(super) parent: Value,
    pub(super) index: Value,
    /// Whether it is an attribute of the object `this`, or in one.
    in_object: bool,
    /// The attribute of `this` and the way into it, when that is what it is and somebody notes it.
    path: Option<Vec<Str>>,
}

/// `target op value`. In a dictionary literal the target is a field of `this`.
pub(super) fn eval_assign(
    frame: &mut Frame<'_>,
    operator: AssignOp,
    target: &Expr,
    value: &Expr,
    expr: &Expr,
    bound: bool,
) -> Eval {
    frame.run.forbid_in_sandbox("Assignments are")?;
    let Some(place) = resolve(frame, target, true, bound)? else {
        return Err(Fault::script("Expression cannot be assigned to.").into());
    };
    let mut new = eval(frame, value)?;
    if let Some(operator) = binary_of(operator) {
        let old = access::get_field(frame.run, &place.parent, &place.index)?;
        new = if operator == BinaryOp::Add && append(frame, &place, &old, &new)? {
            old
        } else {
            ops::counted(frame.run, operator, &old, &new)?
        };
    }
    if place.in_object && is_collection(&new) && is_shared(frame, value) {
        // What constants hold must not change when one object changes its attributes.
        frame.run.copies(&new)?;
        new = new.deep_clone();
    }
    store(frame, &place, new)?;
    // What could not be set was not set implicitly.
    warn_implicit_global(frame, operator, target, &place, expr, bound);
    if let (Some(hints), Some(path)) = (frame.hints, place.path) {
        let location = frame.location(expr.span);
        let operator = symbol(operator);
        hints.borrow_mut().push(Modification {
            path,
            operator,
            location,
        });
    }
    Ok(Value::Empty)
}

/// Adds the items of a list to a list that nobody else holds, where it lies: `+=` in a loop would
/// copy it each time. Yields whether it did; else there must be a new list.
fn append(frame: &Frame<'_>, place: &Place, old: &Value, more: &Value) -> Outcome<bool> {
    let (Value::Dictionary(parent), Value::Array(array), Value::Array(more)) =
        (&place.parent, old, more)
    else {
        return Ok(false);
    };
    // The holders are the place and `old`.
    if Arc::strong_count(array) != 2 || parent.is_frozen() || Arc::ptr_eq(array, more) {
        return Ok(false);
    }
    let Ok(mut items) = array.write() else {
        return Ok(false);
    };
    let more = more.items();
    check_items(items.len().saturating_add(more.len()))?;
    frame.run.adds_items(more.len())?;
    items.extend(more);
    Ok(true)
}

/// Sets the value of a place, and counts what that takes.
fn store(frame: &Frame<'_>, place: &Place, new: Value) -> Eval<()> {
    let run = frame.run;
    if matches!(place.parent, Value::Object(_)) {
        // Attributes that are no collections make a text of one.
        run.weigh(&new)?;
    }
    let change = access::set_field(&place.parent, &place.index, new)?;
    run.drops(&change.old);
    run.bytes(change.grown)?;
    Ok(())
}

fn binary_of(operator: AssignOp) -> Option<BinaryOp> {
    Some(match operator {
        AssignOp::Set => return None,
        AssignOp::Add => BinaryOp::Add,
        AssignOp::Subtract => BinaryOp::Subtract,
        AssignOp::Multiply => BinaryOp::Multiply,
        AssignOp::Divide => BinaryOp::Divide,
        AssignOp::Modulo => BinaryOp::Modulo,
        AssignOp::Xor => BinaryOp::Xor,
        AssignOp::BinaryAnd => BinaryOp::BinaryAnd,
        AssignOp::BinaryOr => BinaryOp::BinaryOr,
    })
}

fn symbol(operator: AssignOp) -> &'static str {
    match operator {
        AssignOp::Set => "=",
        AssignOp::Add => "+=",
        AssignOp::Subtract => "-=",
        AssignOp::Multiply => "*=",
        AssignOp::Divide => "/=",
        AssignOp::Modulo => "%=",
        AssignOp::Xor => "^=",
        AssignOp::BinaryAnd => "&=",
        AssignOp::BinaryOr => "|=",
    }
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Dictionary(_))
}

/// Whether an expression reads a variable that is not local: a constant, most likely.
fn is_shared(frame: &Frame<'_>, expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Variable(name) => {
            !frame.locals.read().contains_key(name) && !access::has_own_field(&frame.this, name)
        }
        ExprKind::Index { base, .. } => is_shared(frame, base),
        ExprKind::Globals => true,
        _ => false,
    }
}

fn warn_implicit_global(
    frame: &Frame<'_>,
    operator: AssignOp,
    target: &Expr,
    place: &Place,
    expr: &Expr,
    bound: bool,
) {
    let ExprKind::Variable(name) = &target.kind else {
        return;
    };
    if bound || !ops::equal(&place.parent, &frame.run.env.globals_value) {
        return;
    }
    let location = frame.location(expr.span);
    let operator = symbol(operator);
    let message = format!(
        "Global variable '{name}' has been set implicitly via '{name} {operator} ...' {location}. \
         Please set it explicitly via 'globals.{name} {operator} ...' instead."
    );
    frame.run.env.warn("config", message, Some(location));
}

/// Finds the place. With `create`, missing dictionaries on the way are made.
pub(super) fn resolve(
    frame: &mut Frame<'_>,
    target: &Expr,
    create: bool,
    bound: bool,
) -> Eval<Option<Place>> {
    match &target.kind {
        ExprKind::Variable(name) => variable_place(frame, name, target, bound).map(Some),
        ExprKind::String(name) if bound => {
            Ok(Some(place_in_this(frame, Value::String(name.into()))))
        }
        ExprKind::Index { base, index } => index_place(frame, base, index, create, bound).map(Some),
        // `+x` is `x`.
        ExprKind::Unary {
            operator: bheka_syntax::ast::UnaryOp::Plus,
            operand,
        } => resolve(frame, operand, create, bound),
        ExprKind::Unary {
            operator: bheka_syntax::ast::UnaryOp::Dereference,
            operand,
        } => {
            let value = eval(frame, operand)?;
            let (parent, index) = reference::target(&value)?;
            Ok(Some(Place {
                parent,
                index,
                in_object: false,
                path: None,
            }))
        }
        _ => Ok(None),
    }
}

fn place_in_this(frame: &Frame<'_>, index: Value) -> Place {
    let in_object = as_draft(&frame.this).is_some();
    let path = (in_object && frame.hints.is_some()).then(|| vec![to_text(&index)]);
    Place {
        parent: frame.this.clone(),
        index,
        in_object,
        path,
    }
}

fn variable_place(
    frame: &mut Frame<'_>,
    name: &Arc<str>,
    target: &Expr,
    bound: bool,
) -> Eval<Place> {
    let index = Value::String(name.into());
    if bound {
        return Ok(place_in_this(frame, index));
    }
    if frame.locals.read().contains_key(name) {
        return Ok(Place {
            parent: frame.locals_value(),
            index,
            in_object: false,
            path: None,
        });
    }
    if access::has_own_field(&frame.this, name) {
        return Ok(place_in_this(frame, index));
    }
    if let Some(parent) = access::find_import(frame, name, target)? {
        return Ok(Place {
            parent,
            index,
            in_object: false,
            path: None,
        });
    }
    if frame.run.env.globals.contains(name) {
        let parent = frame.run.env.globals_value.clone();
        return Ok(Place {
            parent,
            index,
            in_object: false,
            path: None,
        });
    }
    Ok(place_in_this(frame, index))
}

fn index_place(
    frame: &mut Frame<'_>,
    base: &Expr,
    index: &Expr,
    create: bool,
    bound: bool,
) -> Eval<Place> {
    let (parent, in_object, mut path) = match resolve(frame, base, create, bound)? {
        Some(outer) => {
            if create {
                create_missing(&outer, frame).map_err(|stop| at_span(stop, frame, base))?;
            }
            let value = access::get_field(frame.run, &outer.parent, &outer.index)
                .map_err(|fault| fault.located(|| frame.location(base.span)))?;
            (value, outer.in_object, outer.path)
        }
        None => {
            let in_object = matches!(base.kind, ExprKind::This) && as_draft(&frame.this).is_some();
            let path = (in_object && frame.hints.is_some()).then(Vec::new);
            (eval(frame, base)?, in_object, path)
        }
    };
    let index = eval(frame, index)?;
    frame.run.weigh(&index)?;
    if let Some(path) = &mut path {
        path.push(to_text(&index));
    }
    Ok(Place {
        parent,
        index,
        in_object,
        path,
    })
}

/// An error at the place of an expression.
fn at_span(stop: Stop, frame: &Frame<'_>, expr: &Expr) -> Stop {
    match stop {
        Stop::Error(fault) => fault.located(|| frame.location(expr.span)).into(),
        other => other,
    }
}

fn create_missing(place: &Place, frame: &Frame<'_>) -> Eval<()> {
    let name = to_text(&place.index);
    let old = if access::has_own_field(&place.parent, &name) {
        access::get(frame.run, &place.parent, &name)?
    } else {
        Value::Empty
    };
    if old.is_empty() {
        store(frame, place, Value::dictionary::<&str>([]))?;
    }
    Ok(())
}

/// `var`, `const` and `namespace`.
pub(super) fn eval_define(frame: &mut Frame<'_>, expr: &Expr) -> Eval {
    frame.run.forbid_in_sandbox("Assignments are")?;
    match &expr.kind {
        ExprKind::Var { name, value } => {
            let value = match value {
                Some(value) => eval(frame, value)?,
                None => Value::Empty,
            };
            frame.set_local(name, value);
        }
        ExprKind::Const { name, value } => {
            let value = eval(frame, value)?;
            if frame.run.env.globals.define(name, value) {
                let message = format!(
                    "Value for constant '{name}' was modified. This behaviour is deprecated."
                );
                frame
                    .run
                    .env
                    .warn("", message, Some(frame.location(expr.span)));
            }
        }
        ExprKind::Namespace { name, body } => return eval_namespace(frame, name, body),
        _ => {}
    }
    Ok(Value::Empty)
}

/// `namespace A.B { }` makes a namespace whose entries are constants, and puts it below the
/// globals once its body is done. One of that name is replaced.
fn eval_namespace(frame: &mut Frame<'_>, name: &Expr, body: &[Expr]) -> Eval {
    let outer = std::mem::replace(&mut frame.this, frame.run.env.globals_value.clone());
    let place = resolve(frame, name, true, true);
    frame.this = outer;
    let Some(place) = place? else {
        return Err(Fault::script("Expression cannot be assigned to.").into());
    };
    if matches!(
        place.parent,
        Value::Number(_) | Value::Boolean(_) | Value::String(_)
    ) {
        return Err(not_an_object(&place.parent).into());
    }
    let namespace = Arc::new(Namespace::default());
    namespace.set_defining();
    let value = namespace_value(&namespace);
    frame.run.bytes(own_bytes(&value))?;
    let mut inner = Frame::with(
        frame.run,
        &frame.source,
        bheka_value::Map::new(),
        value.clone(),
    );
    eval_block(&mut inner, &body.to_vec())?;
    access::set_field(&place.parent, &place.index, value)?;
    Ok(Value::Empty)
}
