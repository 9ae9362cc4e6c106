//! Methods of arrays.

use std::sync::Arc;

use bheka_syntax::ast::BinaryOp;
use bheka_value::{Array, Value};

use super::{Row, exact, variadic};
use crate::convert::{not_an, to_flag, to_number, to_text};
use crate::eval::call::{Call, call_value};
use crate::eval::ops;
use crate::fault::{Fault, Outcome};
use crate::run::{check_items, check_size};

pub(super) const ARRAY: &[Row] = &[
    exact("add", &["value"], false, add),
    exact("all", &["func"], true, all),
    exact("any", &["func"], true, any),
    exact("clear", &[], false, clear),
    exact("contains", &["value"], true, contains),
    exact("filter", &["func"], true, filter),
    exact("freeze", &[], false, freeze),
    exact("get", &["index"], false, get),
    exact("join", &["separator"], true, join),
    exact("len", &[], true, len),
    exact("map", &["func"], true, map),
    exact("reduce", &["reduce"], true, reduce),
    exact("remove", &["index"], false, remove),
    exact("reverse", &[], true, reverse),
    exact("set", &["index", "value"], false, set),
    exact("shallow_clone", &[], true, shallow_clone),
    variadic("sort", &["less_cmp"], true, sort),
    exact("unique", &[], true, unique),
];

fn this<'c>(c: &Call<'c>) -> Outcome<&'c Arc<Array>> {
    match c.this {
        Value::Array(array) => Ok(array),
        other => Err(not_an("Array", "self", other)),
    }
}

/// Looks at the function that a method was given, and then at the array.
fn callback(c: &Call<'_>) -> Outcome<()> {
    match c.argument(0) {
        Value::Function(_) => this(c).map(|_| ()),
        other => Err(not_an("Function", "function", other)),
    }
}

/// In a sandbox the function that is handed over must be safe.
fn safe(c: &Call<'_>, what: &str) -> Outcome<()> {
    match c.argument(0) {
        Value::Function(function) if c.run.sandboxed && !function.info().side_effect_free => Err(
            Fault::new(format!("{what} function must be side-effect free.")),
        ),
        _ => Ok(()),
    }
}

fn frozen(_: bheka_value::Frozen) -> Fault {
    Fault::new("Array must not be modified.")
}

fn add(c: &Call<'_>) -> Outcome {
    let array = this(c)?;
    check_items(array.len() + 1)?;
    c.run.bytes(size_of::<Value>() as u64)?;
    array.write().map_err(frozen)?.push(c.argument(0).clone());
    Ok(Value::Empty)
}

fn all(c: &Call<'_>) -> Outcome {
    safe(c, "Filter")?;
    callback(c)?;
    for item in this(c)?.items() {
        if !to_flag(&call_value(c.run, c.argument(0), &[item])?)? {
            return Ok(Value::Boolean(false));
        }
    }
    Ok(Value::Boolean(true))
}

fn any(c: &Call<'_>) -> Outcome {
    safe(c, "Filter")?;
    callback(c)?;
    for item in this(c)?.items() {
        if to_flag(&call_value(c.run, c.argument(0), &[item])?)? {
            return Ok(Value::Boolean(true));
        }
    }
    Ok(Value::Boolean(false))
}

fn clear(c: &Call<'_>) -> Outcome {
    this(c)?.write().map_err(frozen)?.clear();
    Ok(Value::Empty)
}

fn contains(c: &Call<'_>) -> Outcome {
    let found = this(c)?
        .items()
        .iter()
        .any(|item| ops::equal(item, c.argument(0)));
    Ok(Value::Boolean(found))
}

fn filter(c: &Call<'_>) -> Outcome {
    safe(c, "Filter")?;
    callback(c)?;
    let mut kept = Vec::new();
    for item in this(c)?.items() {
        if to_flag(&call_value(
            c.run,
            c.argument(0),
            std::slice::from_ref(&item),
        )?)? {
            kept.push(item);
        }
    }
    Ok(Value::array(kept))
}

fn freeze(c: &Call<'_>) -> Outcome {
    this(c)?.freeze_shallow();
    Ok(Value::Empty)
}

fn index(c: &Call<'_>) -> Outcome<Option<usize>> {
    let number = to_number(c.argument(0))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok((0.0..9e15).contains(&number).then_some(number as usize))
}

fn out_of_range(c: &Call<'_>, length: usize) -> Fault {
    Fault::new(format!(
        "Array index '{}' is out of range: the array has {length} items.",
        crate::convert::to_text(c.argument(0))
    ))
}

fn get(c: &Call<'_>) -> Outcome {
    let at = index(c)?;
    let array = this(c)?;
    let found = at.and_then(|at| array.read().get(at).cloned());
    found.ok_or_else(|| out_of_range(c, array.len()))
}

fn set(c: &Call<'_>) -> Outcome {
    let at = index(c)?;
    let array = this(c)?;
    let mut items = array
        .write()
        .map_err(|_| Fault::new("Value in array must not be modified."))?;
    let length = items.len();
    match at.and_then(|at| items.get_mut(at)) {
        Some(slot) => *slot = c.argument(1).clone(),
        None => return Err(out_of_range(c, length)),
    }
    Ok(Value::Empty)
}

fn remove(c: &Call<'_>) -> Outcome {
    let at = index(c)?;
    let array = this(c)?;
    let mut items = array.write().map_err(frozen)?;
    match at.filter(|at| *at < items.len()) {
        Some(at) => {
            items.remove(at);
        }
        None => return Err(Fault::new("Index to remove must be within bounds.")),
    }
    Ok(Value::Empty)
}

fn join(c: &Call<'_>) -> Outcome {
    let items = this(c)?.items();
    let Some((first, rest)) = items.split_first() else {
        return Ok(Value::Empty);
    };
    if let Some(text) = join_texts(first, rest, c.argument(0))? {
        return Ok(Value::from(text));
    }
    // The first item is added to nothing: that fits texts, numbers and collections.
    let mut joined = ops::counted(c.run, BinaryOp::Add, &Value::Empty, first)?;
    for item in rest {
        joined = ops::counted(c.run, BinaryOp::Add, &joined, c.argument(0))?;
        joined = ops::counted(c.run, BinaryOp::Add, &joined, item)?;
    }
    Ok(joined)
}

/// The sum of texts and numbers behind a text, without copying what was joined at each item.
fn join_texts(first: &Value, rest: &[Value], separator: &Value) -> Outcome<Option<String>> {
    let is_text =
        |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Empty);
    let Value::String(first) = first else {
        return Ok(None);
    };
    if !is_text(separator) || !rest.iter().all(is_text) {
        return Ok(None);
    }
    let separator = to_text(separator);
    let mut joined = first.as_str().to_owned();
    for item in rest {
        joined.push_str(&separator);
        joined.push_str(&to_text(item));
        check_size(joined.len())?;
    }
    Ok(Some(joined))
}

#[allow(clippy::cast_precision_loss)]
fn len(c: &Call<'_>) -> Outcome {
    Ok(Value::Number(this(c)?.len() as f64))
}

fn map(c: &Call<'_>) -> Outcome {
    safe(c, "Map")?;
    callback(c)?;
    let mut mapped = Vec::new();
    for item in this(c)?.items() {
        mapped.push(call_value(c.run, c.argument(0), &[item])?);
    }
    Ok(Value::array(mapped))
}

fn reduce(c: &Call<'_>) -> Outcome {
    safe(c, "Reduce")?;
    callback(c)?;
    let mut items = this(c)?.items().into_iter();
    let Some(mut result) = items.next() else {
        return Ok(Value::Empty);
    };
    for item in items {
        result = call_value(c.run, c.argument(0), &[result, item])?;
    }
    Ok(result)
}

fn reverse(c: &Call<'_>) -> Outcome {
    Ok(Value::array(this(c)?.items().into_iter().rev()))
}

fn shallow_clone(c: &Call<'_>) -> Outcome {
    Ok(Value::array(this(c)?.items()))
}

fn sort(c: &Call<'_>) -> Outcome {
    let items = this(c)?.items();
    match c.arguments {
        [] => sorted(c, items, ops::less),
        [function, ..] => {
            callback(c)?;
            safe(c, "Sort")?;
            sorted(c, items, |left, right| {
                let less = call_value(c.run, function, &[left.clone(), right.clone()])?;
                to_flag(&less)
            })
        }
    }
    .map(Value::array)
}

/// A stable merge sort with a comparison that can fail.
pub(super) fn sorted(
    c: &Call<'_>,
    mut items: Vec<Value>,
    mut less: impl FnMut(&Value, &Value) -> Outcome<bool>,
) -> Outcome<Vec<Value>> {
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(width * 2) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(c, left, right, &mut less, &mut merged)?;
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

fn merge(
    c: &Call<'_>,
    left: &[Value],
    right: &[Value],
    less: &mut impl FnMut(&Value, &Value) -> Outcome<bool>,
    merged: &mut Vec<Value>,
) -> Outcome<()> {
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    loop {
        c.run.step()?;
        let take_right = match (l.peek(), r.peek()) {
            (Some(left), Some(right)) => less(right, left)?,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => return Ok(()),
        };
        merged.extend(if take_right { r.next() } else { l.next() }.cloned());
    }
}

fn unique(c: &Call<'_>) -> Outcome {
    let items = sorted(c, this(c)?.items(), ops::less)?;
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        if !kept.last().is_some_and(|last| ops::equal(last, &item)) {
            kept.push(item);
        }
    }
    Ok(Value::array(kept))
}
