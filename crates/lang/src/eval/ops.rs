//! Operators and their typing.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use bheka_syntax::ast::BinaryOp;
use bheka_value::{Array, MAX_NESTING, Value};

use crate::builtins::datetime::DateTime;
use crate::convert::{kind_name, not_an_object, script_json, to_int32, to_number, to_text};
use crate::fault::{Fault, Outcome};
use crate::run::{Run, check_items, check_size};

fn refused(symbol: &str, left: &Value, right: &Value) -> Fault {
    Fault::new(format!(
        "Operator {symbol} cannot be applied to values of type '{}' and '{}'",
        kind_name(left),
        kind_name(right)
    ))
}

/// What the operators take for nothing: `null` and the empty string.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Empty => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Both as numbers, when both are numbers or blank and not both blank.
fn lenient_numbers(left: &Value, right: &Value) -> Option<(f64, f64)> {
    if let (Value::Number(left), Value::Number(right)) = (left, right) {
        return Some((*left, *right));
    }
    let blank_as_null = |value: &Value| {
        if is_blank(value) {
            Value::Empty
        } else {
            value.clone()
        }
    };
    numbers(&blank_as_null(left), &blank_as_null(right))
}

/// Both as dates, when each is a date or blank and not both are blank.
///
/// # Errors
/// When one is blank.
fn dates(left: &Value, right: &Value) -> Outcome<Option<(f64, f64)>> {
    match (date(left), date(right)) {
        (Some(left), Some(right)) => Ok(Some((left.seconds(), right.seconds()))),
        (Some(_), None) if is_blank(right) => Err(Fault::new("Not a DateTime value.")),
        (None, Some(_)) if is_blank(left) => Err(Fault::new("Not a DateTime value.")),
        _ => Ok(None),
    }
}

/// Both as numbers, when both are numbers or empty and not both empty.
fn numbers(left: &Value, right: &Value) -> Option<(f64, f64)> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some((*left, *right)),
        (Value::Number(left), Value::Empty) => Some((*left, 0.0)),
        (Value::Empty, Value::Number(right)) => Some((0.0, *right)),
        _ => None,
    }
}

fn date(value: &Value) -> Option<&DateTime> {
    value.as_object()?.as_any().downcast_ref::<DateTime>()
}

/// [`binary`], with its work counted.
pub(crate) fn counted(run: &Run<'_>, operator: BinaryOp, left: &Value, right: &Value) -> Outcome {
    if is_small(left) && is_small(right) {
        return binary(operator, left, right);
    }
    match operator {
        BinaryOp::In | BinaryOp::NotIn => run.weigh(right)?,
        // Only arrays are looked into.
        BinaryOp::Equal | BinaryOp::NotEqual => {
            if let (Value::Array(l), Value::Array(r)) = (left, right)
                && !Arc::ptr_eq(l, r)
            {
                run.weigh(left)?;
                run.weigh(right)?;
            }
        }
        BinaryOp::Subtract => {
            let times = right.as_array().map_or(0, |items| items.len() as u64);
            run.weigh_times(left, times + 1)?;
            let times = left.as_array().map_or(0, |items| items.len() as u64);
            run.weigh_times(right, times + 1)?;
        }
        BinaryOp::Add => {
            let result = add(left, right)?;
            run.made(&result)?;
            return Ok(result);
        }
        // Others look at one another's insides only where both are lists.
        _ if left.as_array().is_some() && right.as_array().is_some() => {
            run.weigh(left)?;
            run.weigh(right)?;
        }
        _ => run.steps(text_steps(left) + text_steps(right))?,
    }
    let result = binary(operator, left, right)?;
    run.made(&result)?;
    Ok(result)
}

/// Steps for reading a text.
fn text_steps(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| text.len() as u64 / 64)
}

fn is_small(value: &Value) -> bool {
    matches!(value, Value::Empty | Value::Number(_) | Value::Boolean(_))
}

/// Any operator but the short-circuiting ones.
pub(crate) fn binary(operator: BinaryOp, left: &Value, right: &Value) -> Outcome {
    match operator {
        BinaryOp::Add => add(left, right),
        BinaryOp::Subtract => subtract(left, right),
        BinaryOp::Multiply => match lenient_numbers(left, right) {
            Some((left, right)) => Ok(Value::Number(left * right)),
            None => Err(refused("*", left, right)),
        },
        BinaryOp::Divide => divide(left, right),
        BinaryOp::Modulo => modulo(left, right),
        // Icinga 2's text names this operator so.
        BinaryOp::Xor => integers("&", left, right, |l, r| l ^ r),
        BinaryOp::BinaryAnd => integers("&", left, right, |l, r| l & r),
        BinaryOp::BinaryOr => integers("|", left, right, |l, r| l | r),
        // The processor takes the shift modulo 32.
        BinaryOp::ShiftLeft => {
            integers("<<", left, right, |l, r| l.wrapping_shl(r.cast_unsigned()))
        }
        BinaryOp::ShiftRight => {
            integers(">>", left, right, |l, r| l.wrapping_shr(r.cast_unsigned()))
        }
        BinaryOp::Equal => Ok(Value::Boolean(equal(left, right))),
        BinaryOp::NotEqual => Ok(Value::Boolean(!equal(left, right))),
        BinaryOp::Less => compare("<", left, right).map(Value::Boolean),
        BinaryOp::Greater => compare(">", left, right).map(Value::Boolean),
        BinaryOp::LessOrEqual => compare("<=", left, right).map(Value::Boolean),
        BinaryOp::GreaterOrEqual => compare(">=", left, right).map(Value::Boolean),
        BinaryOp::In => contained(left, right).map(Value::Boolean),
        BinaryOp::NotIn => contained(left, right).map(|found| Value::Boolean(!found)),
        BinaryOp::And => Ok(if left.is_true() {
            right.clone()
        } else {
            left.clone()
        }),
        BinaryOp::Or => Ok(if left.is_true() {
            left.clone()
        } else {
            right.clone()
        }),
    }
}

fn add(left: &Value, right: &Value) -> Outcome {
    if let Some((left, right)) = numbers(left, right) {
        return Ok(Value::Number(left + right));
    }
    match (left, right) {
        (Value::String(_), Value::String(_) | Value::Number(_) | Value::Empty)
        | (Value::Number(_) | Value::Empty, Value::String(_)) => {
            let (left, right) = (to_text(left), to_text(right));
            check_size(left.len() + right.len())?;
            let mut text = String::with_capacity(left.len() + right.len());
            text.push_str(&left);
            text.push_str(&right);
            Ok(Value::from(text))
        }
        (Value::Array(items), blank) | (blank, Value::Array(items)) if is_blank(blank) => {
            Ok(Value::array(items.items()))
        }
        (Value::Array(left), Value::Array(right)) => {
            let mut items = left.items();
            items.extend(right.items());
            check_items(items.len())?;
            Ok(Value::Array(Arc::new(Array::new(items))))
        }
        (Value::Dictionary(entries), blank) | (blank, Value::Dictionary(entries))
            if is_blank(blank) =>
        {
            Ok(Value::dictionary(entries.entries()))
        }
        (Value::Dictionary(left), Value::Dictionary(right)) => {
            check_items(left.len().saturating_add(right.len()))?;
            let mut entries = left.entries();
            entries.extend(right.entries());
            Ok(Value::dictionary(entries))
        }
        (Value::Object(_), Value::Number(seconds)) if date(left).is_some() => {
            Ok(date(left).map_or(Value::Empty, |date| date.shifted(*seconds)))
        }
        _ => Err(refused("+", left, right)),
    }
}

fn subtract(left: &Value, right: &Value) -> Outcome {
    if let Some((left, right)) = numbers(left, right) {
        return Ok(Value::Number(left - right));
    }
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            let right = right.items();
            let kept = left
                .items()
                .into_iter()
                .filter(|item| !right.iter().any(|other| equal(item, other)));
            Ok(Value::array(kept))
        }
        // Icinga 2 crashes here unless the array is empty.
        (Value::Array(items), Value::Empty) if items.is_empty() => Ok(Value::array([])),
        (Value::Array(_), Value::String(text)) if text.is_empty() => Err(not_an_object(right)),
        (blank, Value::Array(_)) if is_blank(blank) => Ok(Value::array([])),
        (Value::Object(_), Value::Number(seconds)) if date(left).is_some() => {
            Ok(date(left).map_or(Value::Empty, |date| date.shifted(-seconds)))
        }
        _ => match dates(left, right)? {
            Some((left, right)) => Ok(Value::Number(left - right)),
            None => Err(refused("-", left, right)),
        },
    }
}

fn blank_divisor(symbol: &str) -> Fault {
    Fault::new(format!(
        "Right-hand side argument for operator {symbol} is Empty."
    ))
}

fn zero_divisor(symbol: &str) -> Fault {
    Fault::new(format!(
        "Right-hand side argument for operator {symbol} is 0."
    ))
}

fn divide(left: &Value, right: &Value) -> Outcome {
    if is_blank(right) {
        return Err(blank_divisor("/"));
    }
    match lenient_numbers(left, right) {
        Some((_, 0.0)) => Err(zero_divisor("/")),
        Some((left, right)) => Ok(Value::Number(left / right)),
        None => Err(refused("/", left, right)),
    }
}

/// Of whole numbers. Only the type of the divisor counts; the other side is converted.
fn modulo(left: &Value, right: &Value) -> Outcome {
    if is_blank(right) {
        return Err(blank_divisor("%"));
    }
    let Value::Number(divisor) = right else {
        return Err(refused("%", left, right));
    };
    if *divisor == 0.0 {
        return Err(zero_divisor("%"));
    }
    let left = to_int32(to_number(left)?);
    let divisor = to_int32(*divisor);
    if divisor == 0 {
        // Of a fraction nothing is left; Icinga 2 is killed by the processor.
        return Err(zero_divisor("%"));
    }
    Ok(Value::Number(f64::from(left.wrapping_rem(divisor))))
}

fn integers(
    symbol: &str,
    left: &Value,
    right: &Value,
    compute: impl FnOnce(i32, i32) -> i32,
) -> Outcome {
    match lenient_numbers(left, right) {
        Some((l, r)) => Ok(Value::Number(f64::from(compute(to_int32(l), to_int32(r))))),
        None => Err(refused(symbol, left, right)),
    }
}

/// `<`, for sorting.
pub(crate) fn less(left: &Value, right: &Value) -> Outcome<bool> {
    compare("<", left, right)
}

/// `>`, for the largest of many.
pub(crate) fn greater(left: &Value, right: &Value) -> Outcome<bool> {
    compare(">", left, right)
}

/// Parts of values that one comparison may look at. Values are weighed before they are compared;
/// this is for whoever forgets it.
const PARTS_MAX: u32 = 1 << 24;

fn compare(symbol: &str, left: &Value, right: &Value) -> Outcome<bool> {
    let ordering = order(symbol, left, right, 0, &Cell::new(PARTS_MAX))?;
    Ok(match symbol {
        "<" => ordering.is_some_and(Ordering::is_lt),
        ">" => ordering.is_some_and(Ordering::is_gt),
        "<=" => ordering.is_some_and(Ordering::is_le),
        _ => ordering.is_some_and(Ordering::is_ge),
    })
}

/// Which of two values is less; nothing when neither is and they are not equal.
fn order(
    symbol: &str,
    left: &Value,
    right: &Value,
    depth: usize,
    parts_left: &Cell<u32>,
) -> Outcome<Option<Ordering>> {
    if depth > MAX_NESTING || parts_left.get() == 0 {
        return Err(Fault::new("Values nest too deep to be compared."));
    }
    parts_left.set(parts_left.get() - 1);
    if let (Value::String(left), Value::String(right)) = (left, right) {
        return Ok(Some(left.as_str().cmp(right.as_str())));
    }
    if let Some((left, right)) = lenient_numbers(left, right) {
        return Ok(left.partial_cmp(&right));
    }
    if let Some((left, right)) = dates(left, right)? {
        return Ok(left.partial_cmp(&right));
    }
    let (Value::Array(left), Value::Array(right), "<" | ">") = (left, right, symbol) else {
        return Err(refused(symbol, left, right));
    };
    let (left, right) = (left.items(), right.items());
    // The shorter one goes on with `null`.
    let at = |items: &[Value], index: usize| items.get(index).cloned().unwrap_or_default();
    for index in 0..left.len().max(right.len()) {
        let (l, r) = (at(&left, index), at(&right, index));
        match order(symbol, &l, &r, depth + 1, parts_left)? {
            Some(Ordering::Equal) | None => {}
            decided => return Ok(decided),
        }
    }
    Ok(Some(Ordering::Equal))
}

/// `==`: numbers and booleans by value, strings by text, `null` like `""`, arrays item by item,
/// everything else by identity.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    equal_within(left, right, 0, &Cell::new(PARTS_MAX))
}

fn equal_within(left: &Value, right: &Value, depth: usize, parts_left: &Cell<u32>) -> bool {
    if depth > MAX_NESTING || parts_left.get() == 0 {
        return false;
    }
    parts_left.set(parts_left.get() - 1);
    match (left, right) {
        (Value::Empty, Value::Empty) => true,
        (Value::Empty, Value::String(text)) | (Value::String(text), Value::Empty) => {
            text.is_empty()
        }
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Number(_) | Value::Boolean(_), Value::Number(_) | Value::Boolean(_)) => {
            left.to_number() == right.to_number()
        }
        (Value::Array(left), Value::Array(right)) => {
            if Arc::ptr_eq(left, right) {
                return true;
            }
            let (left, right) = (left.items(), right.items());
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|(l, r)| equal_within(l, r, depth + 1, parts_left))
        }
        (Value::Dictionary(left), Value::Dictionary(right)) => Arc::ptr_eq(left, right),
        (Value::Function(left), Value::Function(right)) => {
            std::ptr::addr_eq(Arc::as_ptr(left), Arc::as_ptr(right))
        }
        (Value::Object(l), Value::Object(r)) => {
            if let (Some(left), Some(right)) = (date(left), date(right)) {
                return left.seconds().total_cmp(&right.seconds()).is_eq();
            }
            std::ptr::addr_eq(Arc::as_ptr(l), Arc::as_ptr(r))
        }
        _ => false,
    }
}

fn contained(needle: &Value, haystack: &Value) -> Outcome<bool> {
    match haystack {
        blank if is_blank(blank) => Ok(false),
        Value::Array(items) => Ok(items.items().iter().any(|item| equal(item, needle))),
        other => Err(Fault::script(format!(
            "Invalid right side argument for 'in' operator: {}",
            script_json(other)
        ))),
    }
}

/// `~`
pub(crate) fn complement(value: &Value) -> Outcome {
    #[allow(clippy::cast_precision_loss)]
    let number = !crate::convert::to_int64(to_number(value)?) as f64;
    Ok(Value::Number(number))
}
