//! Logs that aggregate: when many connections come and go, one line a second says how many, and
//! the lines of each are notices.

use std::fmt::Write as _;

use bheka_value::Timestamp;

use crate::facts::{DialPhase, FailureKind};
use crate::storm::{Failures, Happening, StormEnd, StormReport};

/// Decides which events get a line of their own, and counts the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digest {
    since: Timestamp,
    /// Lines of single events since then.
    lines: u32,
    /// Lines that were not to be.
    withheld: u32,
    counts: Counts,
}

/// What happened since the last line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) connected: u64,
    pub(crate) lost: u64,
    pub(crate) failures: Failures,
}

impl Digest {
    /// Whether one more event may have its own line; `storm` is whether one is under way.
    pub(crate) fn admits(&mut self, storm: bool, now: Timestamp) -> bool {
        let passed_s = now - self.since;
        if self.withheld == 0 && !(0.0..1.0).contains(&passed_s) {
            *self = Self {
                since: now,
                ..Self::default()
            };
        }
        if storm || self.lines >= LINES_MAX {
            self.withheld += 1;
            return false;
        }
        self.lines += 1;
        true
    }

    pub(crate) fn note(&mut self, happening: Happening) {
        match happening {
            Happening::Dialled { .. } => {}
            Happening::Connected { .. } => self.counts.connected += 1,
            Happening::Failed(phase, kind) => {
                *self.counts.failures.entry((phase, kind)).or_default() += 1;
            }
            Happening::Lost => self.counts.lost += 1,
        }
    }

    /// Whether lines were withheld, of which a line must tell.
    pub(crate) const fn is_due(&self) -> bool {
        self.withheld > 0
    }

    /// What happened, when it has to be told.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Counts> {
        let taken = std::mem::replace(
            self,
            Self {
                since: now,
                ..Self::default()
            },
        );
        (taken.withheld > 0 && taken.counts != Counts::default()).then_some(taken.counts)
    }
}

/// How the fleet stands, for a line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) connected: usize,
    pub(crate) all: usize,
    pub(crate) dialling: usize,
    pub(crate) waiting: usize,
    /// Seconds until the next of those that wait is dialled.
    pub(crate) next_s: Option<f64>,
}

/// `412 connected, 31 failed (28 tcp timeout, 3 tcp refused): 5104 of 10000, …`
pub(crate) fn line(counts: &Counts, standing: Standing) -> String {
    let mut text = format!("Endpoints: {} connected", counts.connected);
    let failed: u64 = counts.failures.values().sum();
    if failed > 0 {
        let _ = write!(text, ", {failed} failed ({})", causes(&counts.failures));
    }
    if counts.lost > 0 {
        let _ = write!(text, ", {} lost", counts.lost);
    }
    let Standing {
        connected,
        all,
        dialling,
        waiting,
        next_s,
    } = standing;
    let _ = write!(
        text,
        " in the last second; {connected} of {all} are connected"
    );
    if dialling > 0 {
        let _ = write!(text, ", {dialling} being dialled");
    }
    if waiting > 0 {
        let _ = write!(text, ", {waiting} waiting");
        if let Some(seconds) = next_s {
            let _ = write!(text, " (next in {:.1} s)", seconds.max(0.0));
        }
    }
    text.push('.');
    text
}

/// What is said when a storm is over.
pub(crate) fn last_line(report: &StormReport, standing: Standing) -> String {
    let Standing { connected, all, .. } = standing;
    let mut text = match report.ended {
        Some((_, StormEnd::Stalled)) => "Storm over, nobody came for a while:".to_owned(),
        _ => "Storm over:".to_owned(),
    };
    let _ = write!(text, " {} endpoints connected", report.connected);
    if let (Some(t50), Some(t90), Some(t100)) = (report.t50_s, report.t90_s, report.t100_s) {
        let _ = write!(
            text,
            " in {t100:.1} s (half in {t50:.1} s, nine tenths in {t90:.1} s)"
        );
    }
    let _ = write!(text, ", {connected} of {all} in all");
    if report.missing > 0 {
        let _ = write!(text, ", {} are still dialled", report.missing);
    }
    let _ = write!(text, "; {} dials, {} failed", report.dials, report.failed());
    if !report.failures.is_empty() {
        let _ = write!(text, " ({})", causes(&report.failures));
    }
    let _ = write!(text, ", {} handshakes in vain.", report.wasted());
    text
}

/// The most frequent first; at most a handful.
fn causes(failures: &Failures) -> String {
    let mut sorted: Vec<(u64, DialPhase, FailureKind)> = failures
        .iter()
        .map(|((phase, kind), count)| (*count, *phase, *kind))
        .collect();
    sorted.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let rest: u64 = sorted
        .iter()
        .skip(CAUSES_MAX)
        .map(|(count, ..)| count)
        .sum();
    let mut words: Vec<String> = sorted
        .iter()
        .take(CAUSES_MAX)
        .map(|(count, phase, kind)| {
            let kind = kind.name().replace('_', " ");
            format!("{count} {} {kind}", phase.name())
        })
        .collect();
    if rest > 0 {
        words.push(format!("{rest} other"));
    }
    words.join(", ")
}

/// Lines of single events in a second, while there is no storm.
const LINES_MAX: u32 = 100;
/// Causes in one line.
const CAUSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_400_000.0);

    #[test]
    fn few_events_have_their_lines_and_many_one_together() {
        let mut digest = Digest::default();
        for number in 0..1000 {
            assert_eq!(digest.admits(false, NOW), number < LINES_MAX);
            digest.note(Happening::Lost);
        }
        assert!(digest.is_due());
        let counts = digest.take(NOW + 1.0).unwrap();
        assert_eq!(counts.lost, 1000);
        assert!(digest.admits(false, NOW + 1.0), "a new second begins");
        assert!(digest.take(NOW + 2.0).is_none(), "all of it was told");
    }

    #[test]
    fn slow_events_are_never_withheld() {
        let mut digest = Digest::default();
        for number in 0..1000 {
            assert!(digest.admits(false, NOW + f64::from(number) * 0.1));
        }
        assert!(
            !digest.admits(true, NOW + 200.0),
            "a storm has no single lines"
        );
    }

    #[test]
    fn lines_say_what_failed() {
        let failures = Failures::from([
            ((DialPhase::Tcp, FailureKind::Refused), 3),
            ((DialPhase::Tcp, FailureKind::Timeout), 28),
        ]);
        let counts = Counts {
            connected: 412,
            lost: 0,
            failures: failures.clone(),
        };
        let standing = Standing {
            connected: 5104,
            all: 10_000,
            dialling: 60,
            waiting: 31,
            next_s: Some(2.04),
        };
        assert_eq!(
            line(&counts, standing),
            "Endpoints: 412 connected, 31 failed (28 tcp timeout, 3 tcp refused) in the last \
             second; 5104 of 10000 are connected, 60 being dialled, 31 waiting (next in 2.0 s)."
        );
        let report = StormReport {
            connected: 9969,
            missing: 31,
            t50_s: Some(5.0),
            t90_s: Some(9.0),
            t100_s: Some(10.25),
            dials: 10_000,
            failures,
            ended: Some((NOW, StormEnd::Complete)),
            ..StormReport::default()
        };
        assert_eq!(
            last_line(&report, standing),
            "Storm over: 9969 endpoints connected in 10.2 s (half in 5.0 s, nine tenths in 9.0 \
             s), 5104 of 10000 in all, 31 are still dialled; 10000 dials, 31 failed (28 tcp \
             timeout, 3 tcp refused), 0 handshakes in vain."
        );
    }
}
