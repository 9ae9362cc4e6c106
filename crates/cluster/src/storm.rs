//! Storms: many endpoints being connected at once, after a start, a cut of the network or the
//! restart of whoever dials in. What counts is how long it takes until they are all there, so that
//! is measured, from the first attempt on.

use std::collections::{BTreeMap, VecDeque};

use bheka_value::Timestamp;

use crate::facts::{DialPhase, FailureKind};

/// Dials that came to nothing, by how far they came and why.
pub type Failures = BTreeMap<(DialPhase, FailureKind), u64>;

/// Why a storm counts as over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StormEnd {
    /// Everybody who can be reached is connected.
    Complete,
    /// Some are still being tried, but nobody came for a minute, or it went on for an hour.
    Stalled,
}

impl StormEnd {
    /// The name in API and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stalled => "stalled",
        }
    }
}

/// A storm, over or under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StormReport {
    /// When the first of its attempts began.
    pub began: Timestamp,
    /// When it was over; `None` while it goes on.
    pub ended: Option<(Timestamp, StormEnd)>,
    /// Endpoints that were connected more than at its beginning.
    pub connected: u64,
    /// Endpoints that are dialled and are not connected.
    pub missing: u64,
    /// Seconds until half of [`Self::connected`] was; `None` while it goes on, and when none was.
    pub t50_s: Option<f64>,
    /// Seconds until nine tenths were.
    pub t90_s: Option<f64>,
    /// Seconds until all were.
    pub t100_s: Option<f64>,
    /// Dials begun.
    pub dials: u64,
    /// Connections made, either way.
    pub connects: u64,
    /// Connections lost meanwhile.
    pub lost: u64,
    /// Dials that came to nothing.
    pub failures: Failures,
}

impl StormReport {
    /// Dials that came to nothing.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Those among them that had come as far as a handshake: its work was thrown away.
    #[must_use]
    pub fn wasted(&self) -> u64 {
        let handshake = |phase| matches!(phase, DialPhase::Tls | DialPhase::Hello);
        let failures = self.failures.iter();
        failures
            .filter(|((phase, _), _)| handshake(*phase))
            .map(|(_, count)| count)
            .sum()
    }
}

/// Notices storms and measures them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Storms {
    /// What happened in the last second, oldest first; a storm may have begun with it.
    recent: VecDeque<(Timestamp, Happening)>,
    current: Option<Current>,
    last: Option<StormReport>,
    count: u64,
}

/// What matters to a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A dial began. `fresh`: the first since the endpoint was connected last.
    Dialled { fresh: bool },
    /// An endpoint got its connection. `fresh`: without having been dialled for it.
    Connected { fresh: bool },
    /// A dial came to nothing.
    Failed(DialPhase, FailureKind),
    /// An endpoint lost its connection.
    Lost,
}

#[derive(Clone, Debug)]
struct Current {
    report: StormReport,
    last_connect: Timestamp,
    /// Connections more or fewer, by hundredths of a second since the beginning.
    gains: BTreeMap<u32, i64>,
}

impl Storms {
    /// Takes note. True when a storm begins with it.
    pub(crate) fn note(&mut self, happening: Happening, now: Timestamp) -> bool {
        if let Some(current) = &mut self.current {
            current.note(happening, now);
            return false;
        }
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| now - *at > WINDOW_S || now < *at)
            || self.recent.len() >= RECENT_MAX
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, happening));
        let is_fresh = |happening: &Happening| {
            matches!(
                happening,
                Happening::Dialled { fresh: true } | Happening::Connected { fresh: true }
            )
        };
        let mut fresh = self.recent.iter().filter(|(_, it)| is_fresh(it));
        let Some((began, _)) = fresh.next().copied() else {
            return false;
        };
        if fresh.count() + 1 < BEGIN_COUNT {
            return false;
        }
        let mut current = Current {
            report: StormReport {
                began,
                ..StormReport::default()
            },
            last_connect: began,
            gains: BTreeMap::new(),
        };
        for (at, happening) in self.recent.drain(..) {
            if at >= began {
                current.note(happening, at);
            }
        }
        self.count += 1;
        self.current = Some(current);
        true
    }

    /// Looks whether it is over, and yields its report then. `missing` endpoints are dialled and
    /// not connected, and there is hope for so many of them.
    pub(crate) fn tick(
        &mut self,
        missing: usize,
        hopeful: usize,
        now: Timestamp,
    ) -> Option<&StormReport> {
        let current = self.current.as_mut()?;
        current.report.missing = missing as u64;
        let quiet_s = now - current.last_connect;
        let end = if hopeful == 0 && quiet_s >= QUIET_S {
            StormEnd::Complete
        } else if quiet_s >= STALL_S || now - current.report.began >= LENGTH_MAX_S {
            StormEnd::Stalled
        } else {
            return None;
        };
        let report = self.current.take()?.finish(end, now);
        self.last = Some(report);
        self.last.as_ref()
    }

    /// Whether one is under way.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// The one that is under way, without its times.
    pub(crate) fn current(&self) -> Option<&StormReport> {
        self.current.as_ref().map(|current| &current.report)
    }

    /// The last one that is over.
    pub(crate) const fn last(&self) -> Option<&StormReport> {
        self.last.as_ref()
    }

    /// How many there were, with the one under way.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The clock was set.
    pub(crate) fn shift(&mut self, seconds: f64) {
        self.recent.clear();
        if let Some(current) = &mut self.current {
            current.report.began = current.report.began + seconds;
            current.last_connect = current.last_connect + seconds;
        }
    }
}

impl Current {
    fn note(&mut self, happening: Happening, now: Timestamp) {
        let report = &mut self.report;
        match happening {
            Happening::Dialled { .. } => report.dials += 1,
            Happening::Connected { .. } => {
                report.connects += 1;
                self.last_connect = now;
                self.gain(1, now);
            }
            Happening::Failed(phase, kind) => {
                *report.failures.entry((phase, kind)).or_default() += 1
            }
            Happening::Lost => {
                report.lost += 1;
                self.gain(-1, now);
            }
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn gain(&mut self, count: i64, now: Timestamp) {
        let after_s = (now - self.report.began).clamp(0.0, LENGTH_MAX_S);
        *self.gains.entry((after_s * 100.0) as u32).or_default() += count;
        let connected = i64::try_from(self.report.connected).unwrap_or(i64::MAX);
        self.report.connected = u64::try_from(connected + count).unwrap_or(0);
    }

    fn finish(self, end: StormEnd, now: Timestamp) -> StormReport {
        let gained: i64 = self.gains.values().sum();
        // From then on so many stayed connected: who was lost again counts when it was back.
        let reached = |tenths: i64| {
            let wanted = (gained * tenths + 9) / 10;
            let (mut sum, mut since) = (0, None);
            for (hundredths, gain) in &self.gains {
                let before = sum;
                sum += gain;
                if before < wanted && sum >= wanted {
                    since = Some(f64::from(*hundredths) / 100.0);
                }
            }
            since
        };
        let [t50_s, t90_s, t100_s] =
            [5, 9, 10].map(|tenths| (gained > 0).then(|| reached(tenths)).flatten());
        StormReport {
            ended: Some((now, end)),
            connected: u64::try_from(gained).unwrap_or(0),
            t50_s,
            t90_s,
            t100_s,
            ..self.report
        }
    }
}

/// So many endpoints within [`WINDOW_S`] make a storm.
pub(crate) const BEGIN_COUNT: usize = 20;
const WINDOW_S: f64 = 1.0;
/// Happenings that are remembered while there is no storm.
const RECENT_MAX: usize = 256;
/// Nobody has come for so long: nobody else will.
const QUIET_S: f64 = 5.0;
/// With some still being tried, this long.
const STALL_S: f64 = 60.0;
/// No storm is longer: what goes on for an hour is the weather.
const LENGTH_MAX_S: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    const START: f64 = 1_795_400_000.0;
    const DIALLED: Happening = Happening::Dialled { fresh: true };
    const CONNECTED: Happening = Happening::Connected { fresh: false };

    fn at(seconds: f64) -> Timestamp {
        Timestamp(START + seconds)
    }

    fn close(left: Option<f64>, right: f64) -> bool {
        left.is_some_and(|left| (left - right).abs() < 0.02)
    }

    #[test]
    fn times_count_from_the_first_attempt_to_the_last_connection() {
        let mut storms = Storms::default();
        for _ in 0..100 {
            storms.note(DIALLED, at(0.0));
        }
        for number in 1..=100 {
            storms.note(CONNECTED, at(f64::from(number) * 0.1));
            assert!(
                storms
                    .tick(
                        100 - number as usize,
                        100 - number as usize,
                        at(f64::from(number) * 0.1)
                    )
                    .is_none()
            );
        }
        assert!(
            storms.tick(0, 0, at(14.9)).is_none(),
            "somebody may still call"
        );
        let report = storms.tick(0, 0, at(15.1)).unwrap().clone();
        assert!(close(report.t50_s, 5.0), "{report:?}");
        assert!(close(report.t90_s, 9.0), "{report:?}");
        assert!(close(report.t100_s, 10.0), "{report:?}");
        assert_eq!((report.dials, report.connected), (100, 100));
        assert_eq!(report.ended.unwrap().1, StormEnd::Complete);
        assert!(!storms.is_under_way());
        assert_eq!(storms.last(), Some(&report));
    }

    #[test]
    fn a_few_endpoints_are_no_storm_nor_are_many_in_a_long_time() {
        let mut storms = Storms::default();
        for _ in 0..19 {
            assert!(!storms.note(DIALLED, at(0.0)));
        }
        for number in 0..1000 {
            assert!(!storms.note(DIALLED, at(2.0 + f64::from(number) * 0.1)));
        }
        // Endpoints that never answer are dialled again and again.
        for _ in 0..1000 {
            assert!(!storms.note(Happening::Dialled { fresh: false }, at(200.0)));
        }
        assert!(storms.tick(1000, 0, at(300.0)).is_none());
    }

    #[test]
    fn those_who_call_make_a_storm_as_well() {
        let mut storms = Storms::default();
        let came = Happening::Connected { fresh: true };
        let began: Vec<bool> = (0..30)
            .map(|n| storms.note(came, at(f64::from(n) * 0.02)))
            .collect();
        assert_eq!(began.iter().filter(|began| **began).count(), 1);
        assert!(began[BEGIN_COUNT - 1]);
        let report = storms.tick(0, 0, at(6.0)).unwrap();
        assert_eq!(report.connected, 30, "those before it was noticed count");
        assert!(close(report.t100_s, 0.58), "{report:?}");
    }

    #[test]
    fn hopeless_ones_do_not_hold_it_up_and_a_standstill_ends_it() {
        let mut storms = Storms::default();
        for _ in 0..20 {
            storms.note(DIALLED, at(0.0));
        }
        storms.note(
            Happening::Failed(DialPhase::Tls, FailureKind::Timeout),
            at(1.0),
        );
        storms.note(
            Happening::Failed(DialPhase::Tcp, FailureKind::Refused),
            at(1.0),
        );
        for _ in 0..18 {
            storms.note(CONNECTED, at(2.0));
        }
        assert!(storms.tick(2, 1, at(20.0)).is_none());
        let mut other = storms.clone();
        let report = storms.tick(2, 0, at(20.0)).unwrap();
        assert_eq!((report.connected, report.missing), (18, 2));
        assert_eq!((report.failed(), report.wasted()), (2, 1));
        let report = other.tick(2, 1, at(62.1)).unwrap();
        assert_eq!(report.ended.unwrap().1, StormEnd::Stalled);
        assert!(close(report.t100_s, 2.0));
    }

    #[test]
    fn who_is_lost_again_counts_once() {
        let mut storms = Storms::default();
        for _ in 0..20 {
            storms.note(DIALLED, at(0.0));
            storms.note(CONNECTED, at(1.0));
        }
        storms.note(Happening::Lost, at(2.0));
        storms.note(CONNECTED, at(3.0));
        storms.note(Happening::Lost, at(3.5));
        storms.note(CONNECTED, at(4.0));
        let report = storms.tick(0, 0, at(10.0)).unwrap();
        assert_eq!(
            (report.connected, report.connects, report.lost),
            (20, 22, 2)
        );
        assert!(close(report.t90_s, 1.0));
        assert!(close(report.t100_s, 4.0), "{report:?}");
    }
}
