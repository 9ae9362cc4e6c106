//! Time, chance, the process.

use std::time::Duration;

use bheka_value::Value;

use super::{Row, exact, variadic};
use crate::convert::{not_an_object, to_number, to_text};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};

pub(super) const SYSTEM: &[Row] = &[
    exact("exit", &["status"], false, exit),
    variadic("get_time", &[""], true, |c| {
        Ok(Value::Number(c.run.now().seconds()))
    }),
    exact("getenv", &["value"], false, getenv),
    exact("msi_get_component_path", &["component"], true, |_| {
        Ok(Value::string(""))
    }),
    exact("ptr", &["object"], false, ptr),
    variadic("random", &[""], true, random),
    exact("sleep", &["interval"], false, sleep),
    exact("track_parents", &["child"], true, track_parents),
];

/// A configuration must not end the process that reads it.
fn exit(c: &Call<'_>) -> Outcome {
    to_number(c.argument(0))?;
    Err(Fault::new(
        "exit() is not supported: a configuration must not end the program.",
    ))
}

fn getenv(c: &Call<'_>) -> Outcome {
    let name = to_text(c.argument(0));
    let found = c.run.sources.and_then(|sources| sources.env(&name));
    Ok(Value::from(found.unwrap_or_default()))
}

#[allow(clippy::cast_precision_loss)]
fn ptr(c: &Call<'_>) -> Outcome {
    let address = match c.argument(0) {
        Value::Array(array) => std::sync::Arc::as_ptr(array).addr(),
        Value::Dictionary(dictionary) => std::sync::Arc::as_ptr(dictionary).addr(),
        Value::Function(function) => std::sync::Arc::as_ptr(function).cast::<()>().addr(),
        Value::Object(object) => std::sync::Arc::as_ptr(object).cast::<()>().addr(),
        Value::Empty => 0,
        other => return Err(not_an_object(other)),
    };
    Ok(Value::Number(address as f64))
}

#[allow(clippy::cast_precision_loss)]
fn random(c: &Call<'_>) -> Outcome {
    Ok(Value::Number((c.run.env.random() >> 33) as f64))
}

/// Longest pause that a script may make.
const SLEEP_MAX_SECONDS: f64 = 60.0;

/// How long a pause lasts before it is asked whether anybody still waits for its end.
const SLEEP_PART: Duration = Duration::from_millis(50);

/// How many steps a second of pause counts for.
const SLEEP_STEPS_PER_SECOND: f64 = 1e6;

fn sleep(c: &Call<'_>) -> Outcome {
    let seconds = to_number(c.argument(0))?;
    if seconds > 0.0 {
        let seconds = seconds.min(SLEEP_MAX_SECONDS);
        c.run.sleeps(seconds)?;
        // Time counts as work: what has few steps to spend cannot spend hours either.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        c.run.steps((seconds * SLEEP_STEPS_PER_SECOND) as u64)?;
        let mut left = Duration::from_secs_f64(seconds);
        while !left.is_zero() {
            c.run.env.check_interrupted()?;
            let part = left.min(SLEEP_PART);
            std::thread::sleep(part);
            left -= part;
        }
    }
    Ok(Value::Empty)
}

fn track_parents(c: &Call<'_>) -> Outcome {
    match c.argument(0) {
        value @ (Value::Number(_) | Value::Boolean(_) | Value::String(_)) => {
            Err(not_an_object(value))
        }
        _ => Ok(Value::array([])),
    }
}
