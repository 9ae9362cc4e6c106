//! `len`, `keys`, `range`, `union`, `intersection`.

use bheka_value::Value;

use super::{Row, exact, variadic};
use crate::convert::{not_an, not_an_object, to_number};
use crate::eval::call::Call;
use crate::eval::ops;
use crate::fault::{Fault, Outcome};
use crate::namespace::as_namespace;
use crate::run::check_items;

pub(super) const SYSTEM: &[Row] = &[
    exact("len", &["value"], true, len),
    exact("keys", &["value"], true, keys),
    variadic("range", &["start", "end", "increment"], false, range),
    variadic("union", &[""], true, union),
    variadic("intersection", &[""], true, intersection),
];

#[allow(clippy::cast_precision_loss)]
fn len(c: &Call<'_>) -> Outcome {
    let length = match c.argument(0) {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Dictionary(entries) => entries.len(),
        _ => 0,
    };
    Ok(Value::Number(length as f64))
}

fn keys(c: &Call<'_>) -> Outcome {
    let value = c.argument(0);
    let names = match value {
        Value::Dictionary(entries) => entries.entries().into_keys().collect(),
        Value::Number(_) | Value::Boolean(_) | Value::String(_) => {
            return Err(not_an_object(value));
        }
        other => as_namespace(other)
            .map(crate::namespace::Namespace::keys)
            .unwrap_or_default(),
    };
    Ok(Value::array(names.into_iter().map(Value::String)))
}

fn range(c: &Call<'_>) -> Outcome {
    let (start, end, increment) = match c.arguments {
        [end] => (0.0, to_number(end)?, 1.0),
        [start, end] => (to_number(start)?, to_number(end)?, 1.0),
        [start, end, increment] => (to_number(start)?, to_number(end)?, to_number(increment)?),
        _ => return Err(Fault::new("Invalid number of arguments for range()")),
    };
    let up = increment > 0.0 && start < end;
    let down = increment < 0.0 && start > end;
    if !(up || down) {
        return Ok(Value::array([]));
    }
    let count = ((end - start) / increment).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let size = if count < 1e15 {
        count as usize
    } else {
        usize::MAX
    };
    check_items(size)?;
    c.run.steps(size as u64)?;
    let mut items = Vec::with_capacity(size);
    let mut at = start;
    while if up { at < end } else { at > end } {
        items.push(Value::Number(at));
        at += increment;
        if items.len() > size {
            break;
        }
    }
    Ok(Value::array(items))
}

fn sorted_items(c: &Call<'_>, value: &Value) -> Outcome<Vec<Value>> {
    match value {
        Value::Empty => Ok(Vec::new()),
        Value::Array(items) => super::array::sorted(c, items.items(), ops::less),
        other => Err(not_an("Array", "list", other)),
    }
}

fn union(c: &Call<'_>) -> Outcome {
    let mut all = Vec::new();
    for argument in c.arguments {
        match argument {
            Value::Empty => {}
            Value::Array(items) => all.extend(items.items()),
            other => return Err(not_an("Array", "list", other)),
        }
    }
    check_items(all.len())?;
    let mut kept: Vec<Value> = Vec::new();
    for item in super::array::sorted(c, all, ops::less)? {
        if !kept.last().is_some_and(|last| ops::equal(last, &item)) {
            kept.push(item);
        }
    }
    Ok(Value::array(kept))
}

/// Common items as often as they are in both: like merging sorted lists. A `null` ends the lists.
fn intersection(c: &Call<'_>) -> Outcome {
    let Some((first, others)) = c.arguments.split_first() else {
        return Ok(Value::array([]));
    };
    let mut common = sorted_items(c, first)?;
    if first.is_empty() || others.first().is_none_or(Value::is_empty) {
        return Ok(Value::array([]));
    }
    for argument in others {
        if argument.is_empty() {
            break;
        }
        let other = sorted_items(c, argument)?;
        let mut kept = Vec::new();
        let (mut l, mut r) = (0, 0);
        while let (Some(left), Some(right)) = (common.get(l), other.get(r)) {
            c.run.step()?;
            if ops::less(left, right)? {
                l += 1;
            } else if ops::less(right, left)? {
                r += 1;
            } else {
                kept.push(left.clone());
                l += 1;
                r += 1;
            }
        }
        common = kept;
    }
    Ok(Value::array(common))
}
