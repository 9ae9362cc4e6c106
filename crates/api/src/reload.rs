//! What reloads did, for `/v1/status/IcingaApplication`. Icinga 2 starts another process and tells
//! no more of it than whether it failed.

use std::sync::Arc;

use bheka_value::{Timestamp, Value};

/// Reloads of this process so far.
#[derive(Debug, Clone, Default)]
pub struct ReloadStatus {
    /// Whether one is under way.
    pub running: bool,
    /// Requests that wait for the next one.
    pub waiting: usize,
    /// How many have taken effect.
    pub succeeded: u64,
    /// How many were refused.
    pub refused: u64,
    /// The last one that took effect.
    pub last: Option<Arc<ReloadReport>>,
    /// The last one that was refused, also when others have taken effect since.
    pub last_failure: Option<Arc<ReloadFailure>>,
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReloadReport {
    /// What asked for it, in words.
    pub cause: String,
    /// When it began.
    pub at: Timestamp,
    /// Objects that only the new configuration has.
    pub objects_added: usize,
    /// Objects that are configured differently.
    pub objects_changed: usize,
    /// Objects that only the old configuration had.
    pub objects_removed: usize,
    /// Objects that are configured alike: nothing of theirs was touched.
    pub objects_unchanged: usize,
    /// Connections of endpoints that live on.
    pub endpoints_kept: usize,
    /// Connections that were closed because address or zone of the endpoint changed; a new one is
    /// made.
    pub endpoints_reconnected: usize,
    /// Connections that were closed because the endpoint is gone.
    pub endpoints_closed: usize,
    /// Seconds for reading and evaluating the files.
    pub evaluate_s: f64,
    /// Seconds for building and validating the objects.
    pub build_s: f64,
    /// Seconds for comparing with what was in force, and for what could be worked out in advance.
    pub diff_s: f64,
    /// Seconds for which everything else waited while the configurations were exchanged.
    pub swap_s: f64,
    /// Seconds from begin to end.
    pub total_s: f64,
    /// Bytes of memory that the process used before.
    pub memory_before_bytes: u64,
    /// Bytes of memory that the process used at most meanwhile.
    pub memory_peak_bytes: u64,
}

/// Why a reload did not take effect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReloadFailure {
    /// What asked for it, in words.
    pub cause: String,
    /// When it was refused.
    pub at: Timestamp,
    /// What was wrong.
    pub text: String,
}

impl ReloadStatus {
    /// The form that the API shows; none before anything was asked for, so that the status of a
    /// process that never reloaded has what Icinga 2's has.
    pub(crate) fn to_value(&self) -> Option<Value> {
        let is_untouched = self.succeeded + self.refused == 0 && !self.running && self.waiting == 0;
        if is_untouched {
            return None;
        }
        let or_null = |value: Option<Value>| value.unwrap_or(Value::Empty);
        Some(Value::dictionary([
            ("running", Value::Boolean(self.running)),
            ("waiting", number(self.waiting)),
            ("succeeded", number(self.succeeded)),
            ("refused", number(self.refused)),
            ("last", or_null(self.last.as_ref().map(|it| it.to_value()))),
            (
                "last_failure",
                or_null(self.last_failure.as_ref().map(|it| it.to_value())),
            ),
        ]))
    }
}

impl ReloadReport {
    /// The form that the API shows, and logs for programs.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::dictionary([
            ("cause", Value::string(&self.cause)),
            ("at", Value::Number(self.at.seconds())),
            (
                "objects",
                Value::dictionary([
                    ("added", number(self.objects_added)),
                    ("changed", number(self.objects_changed)),
                    ("removed", number(self.objects_removed)),
                    ("unchanged", number(self.objects_unchanged)),
                ]),
            ),
            (
                "endpoints",
                Value::dictionary([
                    ("kept", number(self.endpoints_kept)),
                    ("reconnected", number(self.endpoints_reconnected)),
                    ("closed", number(self.endpoints_closed)),
                ]),
            ),
            (
                "seconds",
                Value::dictionary([
                    ("evaluate", Value::Number(self.evaluate_s)),
                    ("build", Value::Number(self.build_s)),
                    ("diff", Value::Number(self.diff_s)),
                    ("swap", Value::Number(self.swap_s)),
                    ("total", Value::Number(self.total_s)),
                ]),
            ),
            (
                "memory_bytes",
                Value::dictionary([
                    ("before", number(self.memory_before_bytes)),
                    ("peak", number(self.memory_peak_bytes)),
                ]),
            ),
        ])
    }
}

impl ReloadFailure {
    /// The form that the API shows, and logs for programs.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::dictionary([
            ("cause", Value::string(&self.cause)),
            ("at", Value::Number(self.at.seconds())),
            ("text", Value::string(&self.text)),
        ])
    }
}

/// Counts and bytes stay far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn number(number: impl TryInto<u64>) -> Value {
    Value::Number(number.try_into().unwrap_or(u64::MAX) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_before_the_first() {
        assert!(ReloadStatus::default().to_value().is_none());
        let running = ReloadStatus {
            running: true,
            ..ReloadStatus::default()
        };
        let text = bheka_value::to_json(&running.to_value().unwrap());
        assert_eq!(
            text,
            "{\"last\":null,\"last_failure\":null,\"refused\":0,\"running\":true,\
             \"succeeded\":0,\"waiting\":0}"
        );
    }
}
