//! Branches, loops, exceptions.

use bheka_syntax::ast::{Block, Expr, ExprKind};
use bheka_value::Value;

use super::{Frame, eval, eval_block};
use crate::convert::{kind_name, to_text};
use crate::fault::{Eval, Fault, Stop};
use crate::namespace::as_namespace;

pub(super) fn eval_control(frame: &mut Frame<'_>, expr: &Expr) -> Eval {
    match &expr.kind {
        ExprKind::If {
            condition,
            then,
            otherwise,
        } => {
            if eval(frame, condition)?.is_true() {
                eval_block(frame, then)
            } else if let Some(otherwise) = otherwise {
                eval_block(frame, otherwise)
            } else {
                Ok(Value::Empty)
            }
        }
        ExprKind::While { condition, body } => {
            frame.run.forbid_in_sandbox("While loops are")?;
            while eval(frame, condition)?.is_true() {
                if !eval_round(frame, body)? {
                    break;
                }
            }
            Ok(Value::Empty)
        }
        ExprKind::For {
            key,
            value,
            collection,
            body,
        } => {
            frame.run.forbid_in_sandbox("For loops are")?;
            let collection = eval(frame, collection)?;
            eval_for(frame, key.as_deref(), value, &collection, body)
        }
        ExprKind::Return(value) => {
            let value = match value {
                Some(value) => eval(frame, value)?,
                None => Value::Empty,
            };
            Err(Stop::Return(value))
        }
        ExprKind::Break => Err(Stop::Break),
        ExprKind::Continue => Err(Stop::Continue),
        ExprKind::Throw(value) => {
            let value = eval(frame, value)?;
            frame.run.weigh(&value)?;
            Err(Fault::script(to_text(&value).as_str()).into())
        }
        ExprKind::Try { body, handler } => match guarded(frame, body) {
            Err(Stop::Error(_)) => {
                eval_block(frame, handler)?;
                Ok(Value::Empty)
            }
            other => other.map(|_| Value::Empty),
        },
        ExprKind::Block(block) => eval_block(frame, block),
        _ => Ok(Value::Empty),
    }
}

/// The body of a `try`: its first error ends it.
fn guarded(frame: &mut Frame<'_>, body: &Block) -> Eval {
    let run = frame.run;
    run.keeper.aside(|| eval_block(frame, body))
}

/// One round of a loop; false ends it.
fn eval_round(frame: &mut Frame<'_>, body: &Block) -> Eval<bool> {
    frame.run.step()?;
    frame.run.env.check_interrupted()?;
    match eval_block(frame, body) {
        Ok(_) | Err(Stop::Continue) => Ok(true),
        Err(Stop::Break) => Ok(false),
        Err(other) => Err(other),
    }
}

fn eval_for(
    frame: &mut Frame<'_>,
    key: Option<&str>,
    value: &str,
    collection: &Value,
    body: &Block,
) -> Eval {
    let entries = match (collection, as_namespace(collection)) {
        (Value::Array(items), _) => {
            if key.is_some() {
                return Err(Fault::script("Cannot use dictionary iterator for array.").into());
            }
            // The body may shorten or lengthen the array; what runs away meets a limit.
            let mut at = 0;
            loop {
                let item = items.read().get(at).cloned();
                let Some(item) = item else { break };
                frame.set_local(value, item);
                if !eval_round(frame, body)? {
                    break;
                }
                at += 1;
            }
            return Ok(Value::Empty);
        }
        (Value::Dictionary(entries), _) => {
            if key.is_none() {
                return Err(Fault::script("Cannot use array iterator for dictionary.").into());
            }
            entries.entries()
        }
        (_, Some(namespace)) => {
            if key.is_none() {
                return Err(Fault::script("Cannot use array iterator for namespace.").into());
            }
            namespace.entries()
        }
        _ => {
            let kind = kind_name(collection);
            return Err(Fault::script(format!("Invalid type in for expression: {kind}")).into());
        }
    };
    for (name, item) in entries {
        if let Some(key) = key {
            frame.set_local(key, Value::String(name));
        }
        frame.set_local(value, item);
        if !eval_round(frame, body)? {
            break;
        }
    }
    Ok(Value::Empty)
}
