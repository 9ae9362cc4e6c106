//! What is due when.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bheka_value::{Str, Timestamp};

use crate::api::LinkId;

/// Something due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Every 5 s: log positions, log clean-up.
    Positions,
    /// Every 10 s: authority.
    Authority,
    /// Every 30 s: silent links.
    Liveness,
    /// Every 24 h: renewal of the own certificate.
    Renewal,
    /// Every 20 s for each link.
    Heartbeat(LinkId),
    /// Once for an anonymous link.
    Anonymous(LinkId),
    /// Dial an endpoint.
    Dial(Str),
    /// A peer that was dialled has to have said something.
    Hello(LinkId),
    /// Which of two connections to an endpoint stays.
    Spare(LinkId),
    /// A second after much began to happen.
    Digest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Due(f64);

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// All timers, soonest first. Those of links that are gone are dropped when they come up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Due, Timer)>,
}

impl Timers {
    /// Sets a timer.
    pub(crate) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.due.insert((Due(at.seconds()), timer));
    }

    /// The next timer that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        let (due, _) = self.due.first()?;
        if due.0 > now.seconds() {
            return None;
        }
        self.due
            .pop_first()
            .map(|(due, timer)| (Timestamp(due.0), timer))
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| Timestamp(due.0))
    }

    /// When the first one is due for which this holds.
    pub(crate) fn next_of(&self, holds: impl Fn(Timestamp, &Timer) -> bool) -> Option<Timestamp> {
        let mut due = self.due.iter();
        let (due, _) = due.find(|(due, timer)| holds(Timestamp(due.0), timer))?;
        Some(Timestamp(due.0))
    }

    /// Moves all by so many seconds, when the clock was set.
    pub(crate) fn shift(&mut self, seconds: f64) {
        let due = std::mem::take(&mut self.due);
        self.due = due
            .into_iter()
            .map(|(due, timer)| (Due(due.0 + seconds), timer))
            .collect();
    }
}

/// A small generator of random numbers (splitmix64), for jitter.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(pub(crate) u64);

impl Jitter {
    /// A number of 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `[low, high)`.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        let mixed = self.bits();
        let unit = (mixed >> 11) as f64 / (1u64 << 53) as f64;
        low + unit * (high - low)
    }
}
