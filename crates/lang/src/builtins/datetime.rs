//! `DateTime`.

use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock};

use bheka_value::{CallError, ObjectView, Str, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::{Row, exact};
use crate::convert::{not_an_object, to_number, to_text};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};
use crate::run::Run;

pub(super) const DATE_TIME: &[Row] = &[exact("format", &["format"], false, format)];

/// A point in time, shown in the local time zone.
#[derive(Debug)]
pub(crate) struct DateTime {
    seconds: RwLock<f64>,
    zone: TimeZone,
}

impl DateTime {
    pub(crate) fn seconds(&self) -> f64 {
        *self.seconds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one, so many seconds later.
    pub(crate) fn shifted(&self, seconds: f64) -> Value {
        value(self.seconds() + seconds, &self.zone)
    }

    fn zoned(&self) -> Option<Zoned> {
        let seconds = self.seconds().floor();
        if !(-1e15..1e15).contains(&seconds) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)]
        let timestamp = Timestamp::from_second(seconds as i64).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()))
    }

    /// By a format of strftime(3).
    fn format(&self, format: &str) -> Outcome<String> {
        let zoned = self
            .zoned()
            .ok_or_else(|| Fault::new("DateTime value is too far away to be shown."))?;
        jiff::fmt::strtime::format(format, &zoned)
            .map_err(|error| Fault::new(format!("Invalid time format '{format}': {error}")))
    }

    pub(crate) fn to_text(&self) -> String {
        self.format("%Y-%m-%d %H:%M:%S %z").unwrap_or_default()
    }
}

fn value(seconds: f64, zone: &TimeZone) -> Value {
    let object: Arc<dyn ObjectView> = Arc::new(DateTime {
        seconds: RwLock::new(seconds),
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

    fn attribute(&self, name: &str) -> Option<Value> {
        (name == "value").then(|| Value::Number(self.seconds()))
    }

    fn attribute_names(&self) -> Vec<Str> {
        vec!["value".into()]
    }

    fn set_attribute(&self, name: &str, value: Value) -> Result<(), CallError> {
        if name != "value" {
            return Err(CallError::new(format!(
                "Attribute '{name}' does not exist."
            )));
        }
        *self.seconds.write().unwrap_or_else(PoisonError::into_inner) = to_number(&value)?;
        Ok(())
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
    let date = date.ok_or_else(|| not_an_object(c.this))?;
    date.format(&to_text(c.argument(0))).map(Value::from)
}

/// `DateTime()`, `DateTime(seconds)`, `DateTime(y, m, d[, H, M, S])` in local time.
pub(crate) fn construct(run: &Run<'_>, arguments: &[Value]) -> Outcome {
    let zone = &run.env.zone;
    let seconds = match arguments {
        [] => run.env.now().seconds(),
        [seconds] => to_number(seconds)?,
        [_, _, _] | [_, _, _, _, _, _] => {
            let mut parts = [0.0; 6];
            for (part, argument) in parts.iter_mut().zip(arguments) {
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
    if parts.iter().any(|part| part.abs() > 1e8 || part.is_nan()) {
        return None;
    }
    let months = year as i64 * 12 + month as i64 - 1;
    let first = Date::new(
        i16::try_from(months.div_euclid(12)).ok()?,
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
    Some(zoned.timestamp().as_second() as f64)
}
