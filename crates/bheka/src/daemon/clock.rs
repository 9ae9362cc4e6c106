//! The clock, read here and nowhere else in the daemon.

use bheka_value::Timestamp;

/// The wall clock.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the edge that reads the clock"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp(bheka_exec::seconds_since_epoch(std::time::SystemTime::now()))
}
