//! Evaluation of the tree.

pub(crate) mod access;
mod assign;
pub(crate) mod call;
mod control;
pub(crate) mod declare;
pub(crate) mod frame;
mod include;
pub(crate) mod ops;
mod reference;

pub(crate) use reference::target as reference_target;

use std::sync::Arc;

use bheka_syntax::ast::{BinaryOp, Block, Expr, ExprKind, UnaryOp};
use bheka_value::{Array, Str, Value};

pub(crate) use frame::Frame;

use crate::convert::to_text;
use crate::cost::own_bytes;
use crate::fault::{Eval, Fault, Stop};

/// Evaluates an expression.
pub(crate) fn eval(frame: &mut Frame<'_>, expr: &Expr) -> Eval {
    // Literals cannot fail and do not nest.
    match &expr.kind {
        ExprKind::Null => return Ok(Value::Empty),
        ExprKind::Number(number) => return Ok(Value::Number(*number)),
        ExprKind::Boolean(boolean) => return Ok(Value::Boolean(*boolean)),
        ExprKind::String(text) => return Ok(Value::String(text.into())),
        _ => {}
    }
    if let Err(fault) = frame.run.enter() {
        return Err(fault.at(frame.location(expr.span)).into());
    }
    let result = eval_kind(frame, expr);
    frame.run.leave();
    match result {
        Err(Stop::Error(fault)) if fault.location.is_none() => {
            let span = match &expr.kind {
                ExprKind::Object(object) => object.head,
                ExprKind::Apply(apply) => apply.head,
                _ => expr.span,
            };
            Err(fault.located(|| frame.location(span)).into())
        }
        other => other,
    }
}

/// Evaluates an expression whose value is to become a text.
fn eval_text(frame: &mut Frame<'_>, expr: &Expr) -> Eval<Str> {
    let value = eval(frame, expr)?;
    frame.run.weigh(&value)?;
    Ok(to_text(&value))
}

/// Evaluates statements; the value is that of the last one.
pub(crate) fn eval_block(frame: &mut Frame<'_>, block: &Block) -> Eval {
    frame.run.enter()?;
    let mut last = Ok(Value::Empty);
    for statement in block {
        last = eval(frame, statement);
        if last.is_err() {
            break;
        }
    }
    frame.run.leave();
    last
}

fn eval_kind(frame: &mut Frame<'_>, expr: &Expr) -> Eval {
    use ExprKind as K;
    match &expr.kind {
        K::Variable(name) => access::variable(frame, name, expr),
        K::Index { base, index } => eval_index(frame, base, index),
        K::Call {
            function,
            arguments,
        } => call::eval_call(frame, function, arguments),
        K::Binary {
            operator,
            left,
            right,
        } => eval_binary(frame, *operator, left, right),
        K::Unary { operator, operand } => eval_unary(frame, *operator, operand),
        K::Assign {
            operator,
            target,
            value,
        } => assign::eval_assign(frame, *operator, target, value, expr, false),
        K::Dictionary(block) => eval_dictionary(frame, block),
        K::Array(items) => eval_array(frame, items),
        K::Null | K::Number(_) | K::Boolean(_) | K::String(_) => Ok(Value::Empty),
        K::This => Ok(frame.this.clone()),
        K::Locals => Ok(frame.locals_value()),
        K::Globals => Ok(frame.run.globals()),
        K::CurrentFilename => Ok(Value::string(&*frame.source.path)),
        K::CurrentLine => Ok(Value::Number(f64::from(frame.source.line(expr.span)))),
        K::Function(function) => call::eval_function(frame, function),
        K::If { .. }
        | K::While { .. }
        | K::For { .. }
        | K::Return(_)
        | K::Break
        | K::Continue
        | K::Throw(_)
        | K::Try { .. }
        | K::Block(_) => control::eval_control(frame, expr),
        K::Var { .. } | K::Const { .. } | K::Namespace { .. } => assign::eval_define(frame, expr),
        K::Object(object) => declare::eval_object(frame, object),
        K::Apply(apply) => declare::eval_apply(frame, apply),
        K::Import(name) => declare::eval_import(frame, name, expr),
        K::Include { .. } | K::IncludeRecursive { .. } | K::IncludeZones { .. } => {
            include::eval_include(frame, expr)
        }
        K::Library(name) => {
            frame.run.forbid_in_sandbox("Loading libraries is")?;
            eval(frame, name).map(|_| Value::Empty)
        }
        // What is used was noted when the text was parsed.
        K::AssignWhere(_) | K::IgnoreWhere(_) | K::Debugger | K::Using(_) => Ok(Value::Empty),
        K::Error => Err(Fault::script("Text that did not parse cannot be evaluated.").into()),
    }
}

fn eval_index(frame: &mut Frame<'_>, base: &Expr, index: &Expr) -> Eval {
    let base = eval(frame, base)?;
    let index = eval(frame, index)?;
    frame.run.weigh(&index)?;
    Ok(access::get_field(frame.run, &base, &index)?)
}

fn eval_binary(frame: &mut Frame<'_>, operator: BinaryOp, left: &Expr, right: &Expr) -> Eval {
    if matches!(operator, BinaryOp::In | BinaryOp::NotIn) {
        return eval_in(frame, operator, left, right);
    }
    let left = eval(frame, left)?;
    match operator {
        BinaryOp::And if !left.is_true() => return Ok(left),
        BinaryOp::Or if left.is_true() => return Ok(left),
        BinaryOp::And | BinaryOp::Or => return eval(frame, right),
        _ => {}
    }
    let right = eval(frame, right)?;
    Ok(ops::counted(frame.run, operator, &left, &right)?)
}

/// The list comes first: where there is none, the needle is not evaluated.
fn eval_in(frame: &mut Frame<'_>, operator: BinaryOp, left: &Expr, right: &Expr) -> Eval {
    let right = eval(frame, right)?;
    if !matches!(right, Value::Array(_)) {
        return Ok(ops::counted(frame.run, operator, &Value::Empty, &right)?);
    }
    let left = eval(frame, left)?;
    Ok(ops::counted(frame.run, operator, &left, &right)?)
}

fn eval_unary(frame: &mut Frame<'_>, operator: UnaryOp, operand: &Expr) -> Eval {
    match operator {
        UnaryOp::Reference => return reference::eval_reference(frame, operand),
        UnaryOp::Dereference => {
            let value = eval(frame, operand)?;
            return Ok(reference::read(frame.run, &value)?);
        }
        _ => {}
    }
    let value = eval(frame, operand)?;
    Ok(match operator {
        UnaryOp::Not => Value::Boolean(!value.is_true()),
        UnaryOp::Complement => ops::complement(&value)?,
        UnaryOp::Negate => ops::binary(BinaryOp::Subtract, &Value::Number(0.0), &value)?,
        _ => value,
    })
}

fn eval_array(frame: &mut Frame<'_>, items: &[Expr]) -> Eval {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        values.push(eval(frame, item)?);
    }
    let array = Value::Array(Arc::new(Array::new(values)));
    frame.run.bytes(own_bytes(&array))?;
    Ok(array)
}

/// `{ a = 1 }`: a new dictionary is `this`, and assignments are to it even where a local variable
/// has the same name.
fn eval_dictionary(frame: &mut Frame<'_>, block: &Block) -> Eval {
    let dictionary = Value::dictionary::<&str>([]);
    frame.run.bytes(own_bytes(&dictionary))?;
    let outer = std::mem::replace(&mut frame.this, dictionary);
    let hints = frame.hints.take();
    let result = eval_entries(frame, block);
    frame.hints = hints;
    let dictionary = std::mem::replace(&mut frame.this, outer);
    result?;
    Ok(dictionary)
}

fn eval_entries(frame: &mut Frame<'_>, block: &Block) -> Eval<()> {
    for statement in block {
        if let ExprKind::Assign {
            operator,
            target,
            value,
        } = &statement.kind
        {
            frame.run.step()?;
            let result = assign::eval_assign(frame, *operator, target, value, statement, true);
            match result {
                Err(Stop::Error(fault)) => {
                    return Err(fault.located(|| frame.location(statement.span)).into());
                }
                other => other?,
            };
        } else {
            eval(frame, statement)?;
        }
    }
    Ok(())
}
