//! `DateTime`.

use std::any::Any;
use std::sync::Arc;

use bheka_syntax::ast::BinaryOp;
use bheka_value::{CallError, ObjectView, Str, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::strftime::Civil;
use super::{Row, exact};
use crate::convert::{not_an, to_number, to_text};
use crate::eval::call::Call;
use crate::eval::ops;
use crate::fault::{Fault, Outcome};
use crate::run::Run;

pub(super) const DATE_TIME: &[Row] = &[exact("format", &["format"], false, format)];

/// A point in time, shown in the local time zone.
#[derive(Debug)]
pub(crate) struct DateTime {
    seconds: f64,
    zone: TimeZone,
}

/// The calendar, weekdays included, repeats after so many seconds: 400 years.
const CYCLE_SECONDS: i64 = 12_622_780_800;
/// Seconds since the epoch that the rules of zones are asked for; others are taken from the
/// nearest cycle.
const ASKED: std::ops::Range<i64> = -370_000_000_000..253_000_000_000;

impl DateTime {
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Another one, so many seconds later.
    pub(crate) fn shifted(&self, seconds: f64) -> Value {
        value(self.seconds + seconds, &self.zone)
    }

    /// In the local zone; nothing when it is too far away.
    fn civil(&self) -> Option<Civil> {
        let seconds = self.seconds.trunc();
        if !(-6e16..6e16).contains(&seconds) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)]
        let timestamp = seconds as i64;
        let cycles = cycles_outside(timestamp, &ASKED, CYCLE_SECONDS);
        let near = Timestamp::from_second(timestamp - cycles * CYCLE_SECONDS).ok()?;
        let info = self.zone.to_offset_info(near);
        let local = info.offset().to_datetime(near);
        Some(Civil {
            year: i64::from(local.year()) + cycles * 400,
            month: local.month().into(),
            day: local.day().into(),
            hour: local.hour().into(),
            minute: local.minute().into(),
            second: local.second().into(),
            weekday: local.weekday().to_sunday_zero_offset().into(),
            day_of_year: i64::from(local.day_of_year()) - 1,
            offset: info.offset().seconds().into(),
            zone: info.abbreviation().to_owned(),
            timestamp,
        })
    }

    /// By a format of strftime(3).
    fn format(&self, format: &str) -> Outcome<String> {
        let civil = self
            .civil()
            .ok_or_else(|| Fault::new("DateTime value is too far away to be shown."))?;
        Ok(civil.format(format))
    }
}

/// How many whole cycles a number lies outside a range.
fn cycles_outside(number: i64, range: &std::ops::Range<i64>, cycle: i64) -> i64 {
    if number >= range.end {
        (number - range.end) / cycle + 1
    } else if number < range.start {
        (number - range.start) / cycle - 1
    } else {
        0
    }
}

fn value(seconds: f64, zone: &TimeZone) -> Value {
    let object: Arc<dyn ObjectView> = Arc::new(DateTime {
        seconds,
        zone: zone.clone(),
    });
    Value::Object(object)
}

impl ObjectView for DateTime {
    fn type_name(&self) -> &str {
        "DateTime"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn text(&self) -> Str {
        let text = self.format("%Y-%m-%d %H:%M:%S %z");
        text.unwrap_or_default().into()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        (name == "value").then(|| Value::Number(self.seconds()))
    }

    fn attribute_names(&self) -> Vec<Str> {
        vec!["value".into()]
    }

    /// Assignments to `value` have no effect.
    fn set_attribute(&self, name: &str, _value: Value) -> Result<(), CallError> {
        if name == "value" {
            return Ok(());
        }
        Err(CallError::new(format!(
            "Attribute '{name}' does not exist."
        )))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn format(c: &Call<'_>) -> Outcome {
    let date = c
        .this
        .as_object()
        .and_then(|object| object.as_any().downcast_ref::<DateTime>());
    let date = date.ok_or_else(|| not_an("DateTime", "self", c.this))?;
    let format = to_text(c.argument(0));
    // A conversion of a few bytes may be padded to many.
    let conversions = format.matches('%').count() as u64;
    c.run
        .bytes(conversions.saturating_mul(super::strftime::WIDTH_MAX as u64))?;
    date.format(&format).map(Value::from)
}

/// `DateTime()`, `DateTime(seconds)`, `DateTime(y, m, d[, H, M, S])` in local time.
pub(crate) fn construct(run: &Run<'_>, arguments: &[Value]) -> Outcome {
    let zone = &run.env.zone;
    let seconds = match arguments {
        [] => run.now().seconds(),
        [seconds] => to_number(seconds)?,
        [_, _, _] | [_, _, _, _, _, _] => {
            let mut parts = [0.0; 6];
            for (at, (part, argument)) in parts.iter_mut().zip(arguments).enumerate() {
                // Year and month take part in a subtraction, which wants numbers.
                if at < 2 {
                    ops::binary(BinaryOp::Subtract, argument, &Value::Number(1.0))?;
                }
                *part = to_number(argument)?.trunc();
            }
            local_seconds(parts, zone)
                .ok_or_else(|| Fault::new("DateTime value is out of range."))?
        }
        _ => {
            return Err(Fault::new(
                "Invalid number of arguments for the DateTime constructor.",
            ));
        }
    };
    Ok(value(seconds, zone))
}

/// Seconds since the epoch of a local time whose parts may overflow, as mktime(3) takes them.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn local_seconds(parts: [f64; 6], zone: &TimeZone) -> Option<f64> {
    let [year, month, day, hour, minute, second] = parts;
    if parts.iter().any(|part| part.abs() > 1e9 || part.is_nan()) {
        return None;
    }
    let months = year as i64 * 12 + month as i64 - 1;
    let year = months.div_euclid(12);
    let cycles = cycles_outside(year, &(-9000..9000), 400);
    let first = Date::new(
        i16::try_from(year - cycles * 400).ok()?,
        i8::try_from(months.rem_euclid(12) + 1).ok()?,
        1,
    )
    .ok()?;
    let seconds = hour as i64 * 3600 + minute as i64 * 60 + second as i64;
    let days = Span::new().try_days(day as i64 - 1).ok()?;
    let seconds = Span::new().try_seconds(seconds).ok()?;
    let local = first
        .checked_add(days)
        .ok()?
        .at(0, 0, 0, 0)
        .checked_add(seconds)
        .ok()?;
    let zoned = zone.to_ambiguous_zoned(local).compatible().ok()?;
    Some((zoned.timestamp().as_second() + cycles * CYCLE_SECONDS) as f64)
}
