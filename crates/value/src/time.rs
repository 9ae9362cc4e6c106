//! Points in time as the protocol writes them.

use std::fmt;
use std::ops::{Add, Sub};

/// Wall-clock seconds since the Unix epoch, with fractions; the form of all times in Icinga 2's
/// attributes and messages. Zero means "never".
///
/// Pure code takes it as an argument; only the edge reads a clock.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Timestamp(pub f64);

impl Timestamp {
    /// "Never".
    pub const NEVER: Self = Self(0.0);

    /// Seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// Whether this is [`Timestamp::NEVER`].
    #[must_use]
    pub fn is_never(self) -> bool {
        self.0 == 0.0
    }

    /// The later of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }

    /// The earlier of the two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }

    /// A total order (IEEE 754), for use as a key.
    #[must_use]
    pub fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Add<f64> for Timestamp {
    type Output = Self;
    fn add(self, seconds: f64) -> Self {
        Self(self.0 + seconds)
    }
}

impl Sub<f64> for Timestamp {
    type Output = Self;
    fn sub(self, seconds: f64) -> Self {
        Self(self.0 - seconds)
    }
}

impl Sub for Timestamp {
    type Output = f64;
    fn sub(self, other: Self) -> f64 {
        self.0 - other.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}
