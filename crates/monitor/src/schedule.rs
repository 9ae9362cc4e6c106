//! When the next check is due.

use bheka_value::Timestamp;

/// The next check after one at `now`: an interval later, pulled back by at most five and a half
/// seconds so that checks of one interval settle on a moment of their own (given by `offset`)
/// instead of drifting together.
pub(crate) fn next_check(now: Timestamp, interval_s: f64, offset: u32) -> Timestamp {
    let mut pull_s = 0.0;
    if interval_s > 1.0 {
        pull_s = (now.0 * 100.0 + f64::from(offset)).rem_euclid(interval_s * 100.0) / 100.0;
    }
    if pull_s != 0.0 {
        pull_s = (0.5 + f64::from(offset).rem_euclid(interval_s * 5.0) / 100.0).min(pull_s);
    }
    now - pull_s + interval_s
}

/// The first check of a checkable that appears at `now`: within the first interval, and within
/// a minute.
pub(crate) fn first_check(now: Timestamp, interval_s: f64, offset: u32) -> Timestamp {
    let share = f64::from(offset) / f64::from(u32::MAX >> 1);
    now + interval_s.clamp(0.0, FIRST_CHECK_WITHIN_S) * share
}

/// A planned check that comes sooner than this after a start is planned anew.
pub(crate) const FIRST_CHECK_WITHIN_S: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_close_to_the_interval(
            now in 1.0e9..2.0e9_f64, interval in 0.1..100_000.0_f64, offset in 0..u32::MAX / 2,
        ) {
            let next = next_check(Timestamp(now), interval, offset).0;
            prop_assert!(next > now - 1e-3, "never in the past: {next} {now}");
            prop_assert!(next <= now + interval + 1e-3);
            let pull_max = 0.5 + interval * 0.05;
            prop_assert!(next >= now + interval - pull_max - 1e-3);
        }

        #[test]
        fn first_checks_are_spread_within_the_bound(
            interval in 0.0..1000.0_f64, offset in 0..u32::MAX / 2,
        ) {
            let first = first_check(Timestamp(1000.0), interval, offset).0;
            prop_assert!((1000.0..=1000.0 + interval.min(60.0)).contains(&first));
        }
    }
}
