//! Durations as counts, so that millions of them take a few kilobytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Buckets of one power of two: a quantile is off by 3 % at most.
const STEPS: usize = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Microseconds above 2^36 (19 hours) all fall into the last bucket.
const BITS_MAX: u32 = 36;
const BUCKETS: usize = (BITS_MAX - STEP_BITS + 1) as usize * STEPS;

/// Counts durations, from many threads at once.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let read = |bucket: &AtomicU64| bucket.load(Ordering::Relaxed);
        Distribution {
            counts: self.buckets.iter().map(read).collect(),
        }
    }
}

/// How often which duration was counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Distribution {
    counts: Vec<u64>,
}

/// The figures of a distribution that people look at, in milliseconds; 0 when it is empty.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Quantiles {
    /// How many durations were counted.
    pub count: u64,
    /// Half of them were at most this.
    pub p50_ms: f64,
    /// 90 of a hundred.
    pub p90_ms: f64,
    /// 99 of a hundred.
    pub p99_ms: f64,
    /// All of them.
    pub max_ms: f64,
}

impl Distribution {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted since an earlier distribution of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().chain(std::iter::repeat(&0));
        Self {
            counts: self
                .counts
                .iter()
                .zip(before)
                .map(|(now, before)| now.saturating_sub(*before))
                .collect(),
        }
    }

    /// The duration that this share (0 to 1) of all does not exceed; zero when there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among counted things, clamped"
        )]
        let rank = (self.count() as f64 * share.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return Duration::from_micros(upper_bound(index));
            }
        }
        Duration::ZERO
    }

    /// The usual figures.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let ms = |share| self.quantile(share).as_secs_f64() * 1e3;
        Quantiles {
            count: self.count(),
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p99_ms: ms(0.99),
            max_ms: ms(1.0),
        }
    }
}

fn bucket(micros: u64) -> usize {
    let micros = micros.min((1 << BITS_MAX) - 1);
    // The leading bits of the number: exact below 2 * STEPS, five bits after the first above.
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let lead = usize::try_from(micros >> shift).unwrap_or(0);
    shift as usize * STEPS + lead
}

fn upper_bound(index: usize) -> u64 {
    let shift = (index / STEPS).saturating_sub(1);
    let lead = (index - shift * STEPS) as u64;
    ((lead + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_a_bucket_that_is_close() {
        for micros in (0..200).chain((1..36).map(|bit| 1 << bit)).chain([
            999_999,
            1_000_000,
            59_999_999,
            u64::MAX,
        ]) {
            let index = bucket(micros);
            assert!(index < BUCKETS, "{micros}");
            let bound = upper_bound(index);
            let real = micros.min((1 << BITS_MAX) - 1);
            assert!(
                bound >= real && bound <= real + real / 32,
                "{micros}: {bound}"
            );
        }
    }

    #[test]
    fn longer_ones_are_in_later_buckets() {
        let buckets: Vec<usize> = (0..10_000).map(bucket).collect();
        assert!(buckets.is_sorted());
    }

    #[test]
    fn quantiles_and_differences() {
        let histogram = Histogram::default();
        assert_eq!(histogram.distribution().quantile(0.5), Duration::ZERO);
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        let first = histogram.distribution();
        let quantiles = first.quantiles();
        assert_eq!(quantiles.count, 100);
        assert!((50.0..52.0).contains(&quantiles.p50_ms), "{quantiles:?}");
        assert!((99.0..103.0).contains(&quantiles.p99_ms), "{quantiles:?}");
        assert!((100.0..104.0).contains(&quantiles.max_ms), "{quantiles:?}");
        histogram.record(Duration::from_secs(2));
        let later = histogram.distribution().since(&first);
        assert_eq!(later.count(), 1);
        assert!(later.quantile(0.0) >= Duration::from_secs(2));
    }
}
