//! `Math`.

use bheka_value::Value;

use super::{Row, exact, variadic};
use crate::convert::to_number;
use crate::eval::call::Call;
use crate::eval::ops;
use crate::fault::Outcome;

pub(super) const MATH: &[Row] = &[
    exact("abs", &["x"], true, |c| with(c, f64::abs)),
    exact("acos", &["x"], true, |c| with(c, f64::acos)),
    exact("asin", &["x"], true, |c| with(c, f64::asin)),
    exact("atan", &["x"], true, |c| with(c, f64::atan)),
    exact("atan2", &["x", "y"], true, |c| with_two(c, f64::atan2)),
    exact("ceil", &["x"], true, |c| with(c, f64::ceil)),
    exact("cos", &["x"], true, |c| with(c, f64::cos)),
    exact("exp", &["x"], true, |c| with(c, f64::exp)),
    exact("floor", &["x"], true, |c| with(c, f64::floor)),
    exact("isinf", &["x"], true, |c| {
        Ok(Value::Boolean(to_number(c.argument(0))?.is_infinite()))
    }),
    exact("isnan", &["x"], true, |c| {
        Ok(Value::Boolean(to_number(c.argument(0))?.is_nan()))
    }),
    exact("log", &["x"], true, |c| with(c, f64::ln)),
    variadic("max", &[], true, |c| {
        extreme(c, f64::NEG_INFINITY, ops::greater)
    }),
    variadic("min", &[], true, |c| extreme(c, f64::INFINITY, ops::less)),
    exact("pow", &["x", "y"], true, |c| with_two(c, f64::powf)),
    exact("random", &[], true, random),
    exact("round", &["x"], true, |c| with(c, f64::round)),
    exact("sign", &["x"], true, |c| {
        with(c, |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                0.0
            }
        })
    }),
    exact("sin", &["x"], true, |c| with(c, f64::sin)),
    exact("sqrt", &["x"], true, |c| with(c, f64::sqrt)),
    exact("tan", &["x"], true, |c| with(c, f64::tan)),
];

fn with(c: &Call<'_>, compute: impl FnOnce(f64) -> f64) -> Outcome {
    Ok(Value::Number(compute(to_number(c.argument(0))?)))
}

fn with_two(c: &Call<'_>, compute: impl FnOnce(f64, f64) -> f64) -> Outcome {
    // The last argument is looked at first.
    let y = to_number(c.argument(1))?;
    Ok(Value::Number(compute(to_number(c.argument(0))?, y)))
}

fn extreme(c: &Call<'_>, none: f64, better: impl Fn(&Value, &Value) -> Outcome<bool>) -> Outcome {
    let mut arguments = c.arguments.iter();
    let Some(mut best) = arguments.next() else {
        return Ok(Value::Number(none));
    };
    for argument in arguments {
        if better(argument, best)? {
            best = argument;
        }
    }
    Ok(best.clone())
}

#[allow(clippy::cast_precision_loss)]
fn random(c: &Call<'_>) -> Outcome {
    Ok(Value::Number(
        (c.run.env.random() >> 11) as f64 / (1u64 << 53) as f64,
    ))
}
