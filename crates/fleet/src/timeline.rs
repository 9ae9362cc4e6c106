//! How many agents were connected when.

use std::time::Duration;

use serde::Serialize;

/// Points that are kept; beyond that every other is forgotten.
const POINTS_MAX: usize = 4_000;

/// Connected agents over time, and when which share of them was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    expected: u64,
    lowest: Option<u64>,
    milestones: Milestones,
    points: Vec<Point>,
    /// Nothing that comes earlier than this after the last point is kept.
    #[serde(skip)]
    step: Duration,
}

/// A moment of a timeline.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// Seconds since the timeline's begin.
    pub at_s: f64,
    /// Agents that were connected.
    pub connected: u64,
}

/// Since when a share of the expected agents was connected at the same time and stayed so until the
/// end; in seconds since the timeline's begin, 0 when it was so from the begin on.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Milestones {
    /// Half of them.
    pub t50_s: Option<f64>,
    /// 90 of a hundred.
    pub t90_s: Option<f64>,
    /// 99 of a hundred.
    pub t99_s: Option<f64>,
    /// All of them.
    pub t100_s: Option<f64>,
}

impl Timeline {
    /// An empty one; so many agents are expected to be connected in the end.
    #[must_use]
    pub fn new(expected: u64) -> Self {
        Self {
            expected,
            lowest: None,
            milestones: Milestones::default(),
            points: Vec::new(),
            step: Duration::from_millis(20),
        }
    }

    /// Notes how many are connected now. To be called every few ten milliseconds.
    pub fn note(&mut self, at: Duration, connected: u64) {
        let at_s = at.as_secs_f64();
        let is_reached =
            |percent: u64| connected * 100 >= self.expected * percent && self.expected > 0;
        for (percent, milestone) in [
            (50, &mut self.milestones.t50_s),
            (90, &mut self.milestones.t90_s),
            (99, &mut self.milestones.t99_s),
            (100, &mut self.milestones.t100_s),
        ] {
            if !is_reached(percent) {
                *milestone = None;
            } else if milestone.is_none() {
                let from_the_begin = self.lowest.is_none();
                *milestone = Some(if from_the_begin { 0.0 } else { at_s });
            }
        }
        self.lowest = Some(
            self.lowest
                .map_or(connected, |lowest| lowest.min(connected)),
        );
        if let [.., last] = &self.points[..] {
            let since = at_s - last.at_s;
            if since < self.step.as_secs_f64() || (last.connected == connected && since < 1.0) {
                return;
            }
        }
        self.points.push(Point { at_s, connected });
        if self.points.len() > POINTS_MAX {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.step *= 2;
        }
    }

    /// How many agents are expected to be connected in the end.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Since when which share is reached.
    #[must_use]
    pub fn milestones(&self) -> Milestones {
        self.milestones
    }

    /// What was noted, thinned out.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The fewest that were seen connected.
    #[must_use]
    pub fn lowest(&self) -> u64 {
        self.lowest.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milestones(expected: u64, notes: &[(u64, u64)]) -> (Milestones, u64) {
        let mut timeline = Timeline::new(expected);
        for (ms, connected) in notes {
            timeline.note(Duration::from_millis(*ms), *connected);
        }
        (timeline.milestones(), timeline.lowest())
    }

    #[test]
    fn shares_count_from_when_they_stay() {
        let start = [(0, 0), (100, 99), (200, 100), (300, 185), (400, 120)];
        let (seen, lowest) = milestones(200, &start);
        let expected = Milestones {
            t50_s: Some(0.2),
            ..Milestones::default()
        };
        assert_eq!((seen, lowest), (expected, 0));
        let all = [&start[..], &[(500, 198), (600, 200)]].concat();
        let expected = Milestones {
            t50_s: Some(0.2),
            t90_s: Some(0.5),
            t99_s: Some(0.5),
            t100_s: Some(0.6),
        };
        assert_eq!(milestones(200, &all).0, expected);
        // A dip: half of them never left.
        let dip = [(1, 200), (50, 110), (90, 190), (700, 200)];
        let expected = Milestones {
            t50_s: Some(0.0),
            t90_s: Some(0.09),
            t99_s: Some(0.7),
            t100_s: Some(0.7),
        };
        assert_eq!(milestones(200, &dip), (expected, 110));
        let mut nobody = Timeline::new(0);
        nobody.note(Duration::ZERO, 0);
        assert_eq!(nobody.milestones(), Milestones::default());
    }

    #[test]
    fn a_long_one_stays_small() {
        let mut timeline = Timeline::new(1_000_000);
        for step in 0..1_000_000 {
            timeline.note(Duration::from_millis(step * 20), step);
        }
        assert!(timeline.points().len() <= POINTS_MAX);
        assert!(timeline.points().len() > POINTS_MAX / 4);
        let first = timeline.points()[0];
        assert_eq!((first.at_s, first.connected), (0.0, 0));
    }
}
