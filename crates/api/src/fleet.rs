//! All endpoints together: what `/v1/status/ApiListener` shows of them beside Icinga 2's fields,
//! and `/metrics`.

use bheka_value::{Timestamp, Value};

/// The fleet at one moment. Words for states, phases and kinds are explained in `docs/fleet.md`.
#[derive(Debug, Clone, Default)]
pub struct FleetStatus {
    /// Endpoints other than this node, by state.
    pub states: Vec<(&'static str, usize)>,
    /// Endpoints of the own, the parent and the direct child zones, without this node.
    pub neighbours: usize,
    /// Dials begun since start.
    pub dials: u64,
    /// Dials a second over the last minute.
    pub dials_per_second: f64,
    /// Dials that came to nothing.
    pub failures: Vec<Failures>,
    /// Failed dials a second over the last minute.
    pub failures_per_second: f64,
    /// Connections made.
    pub connects: Vec<(Way, u64)>,
    /// Connections a second over the last minute.
    pub connects_per_second: f64,
    /// Connections ended, by who ended them.
    pub disconnects: Vec<(&'static str, u64)>,
    /// TLS handshakes of those connections.
    pub handshakes: Vec<(Way, Handshakes)>,
    /// What was sent, by method.
    pub sent: Vec<(&'static str, Traffic)>,
    /// What was received, by method.
    pub received: Vec<(&'static str, Traffic)>,
    /// Storms since start, with the one under way.
    pub storms: u64,
    /// The storm that is under way.
    pub storm: Option<Storm>,
    /// The last one that is over.
    pub last_storm: Option<Storm>,
}

/// Which way a connection was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// `in` or `out`.
    pub direction: &'static str,
    /// Whether its TLS session was resumed.
    pub resumed: bool,
}

/// Dials that came to nothing alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// How far they came.
    pub phase: &'static str,
    /// The kind of cause.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
}

/// Handshakes by how long they took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Handshakes {
    /// For each bound in seconds, how many took no longer.
    pub classes: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// Their seconds together.
    pub sum_s: f64,
}

/// Messages and bytes of frames, without TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Many endpoints connected at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Storm {
    /// When the first of its attempts began.
    pub began: Timestamp,
    /// When it was over, and how (`complete` or `stalled`).
    pub ended: Option<(Timestamp, &'static str)>,
    /// Endpoints that were connected more than at its beginning.
    pub connected: u64,
    /// Endpoints that are dialled and are not connected.
    pub missing: u64,
    /// Seconds until half of [`Self::connected`] was.
    pub t50_s: Option<f64>,
    /// Seconds until nine tenths were.
    pub t90_s: Option<f64>,
    /// Seconds until all were.
    pub t100_s: Option<f64>,
    /// Dials begun.
    pub dials: u64,
    /// Connections made.
    pub connects: u64,
    /// Connections lost meanwhile.
    pub lost: u64,
    /// Dials that came to nothing.
    pub failures: Vec<Failures>,
    /// Those among them that had come as far as a handshake.
    pub wasted: u64,
}

impl FleetStatus {
    /// The form that the API shows.
    pub(crate) fn to_value(&self) -> Value {
        let states = self.states.iter();
        let states = states.map(|(state, count)| (*state, number(*count as u64)));
        let connects = self.connects.iter().map(|(_, count)| count).sum();
        let disconnects = self.disconnects.iter();
        let disconnects = disconnects.map(|(by, count)| (*by, number(*count)));
        let storm = |storm: &Option<Storm>| storm.as_ref().map_or(Value::Empty, Storm::to_value);
        Value::dictionary([
            ("states", Value::dictionary(states)),
            ("endpoints", number(self.neighbours as u64)),
            ("dials", number(self.dials)),
            ("dials_per_second", Value::Number(self.dials_per_second)),
            ("failures", by_phase(&self.failures)),
            (
                "failures_per_second",
                Value::Number(self.failures_per_second),
            ),
            ("connects", number(connects)),
            (
                "connects_per_second",
                Value::Number(self.connects_per_second),
            ),
            ("disconnects", Value::dictionary(disconnects)),
            ("storms", number(self.storms)),
            ("storm", storm(&self.storm)),
            ("last_storm", storm(&self.last_storm)),
        ])
    }
}

impl Storm {
    fn to_value(&self) -> Value {
        let seconds = |seconds: Option<f64>| seconds.map_or(Value::Empty, Value::Number);
        let (ended, end) = match self.ended {
            Some((at, how)) => (Value::Number(at.seconds()), Value::string(how)),
            None => (Value::Empty, Value::Empty),
        };
        Value::dictionary([
            ("began", Value::Number(self.began.seconds())),
            ("ended", ended),
            ("end", end),
            ("connected", number(self.connected)),
            ("missing", number(self.missing)),
            (
                "seconds",
                Value::dictionary([
                    ("t50", seconds(self.t50_s)),
                    ("t90", seconds(self.t90_s)),
                    ("t100", seconds(self.t100_s)),
                ]),
            ),
            ("dials", number(self.dials)),
            ("connects", number(self.connects)),
            ("lost", number(self.lost)),
            ("failures", by_phase(&self.failures)),
            ("handshakes_in_vain", number(self.wasted)),
        ])
    }
}

/// `{"tcp": {"refused": 3, "timeout": 28}}`
fn by_phase(failures: &[Failures]) -> Value {
    let mut phases: Vec<(&'static str, Vec<(&'static str, Value)>)> = Vec::new();
    for failure in failures {
        let kind = (failure.kind, number(failure.count));
        match phases.iter_mut().find(|(phase, _)| *phase == failure.phase) {
            Some((_, kinds)) => kinds.push(kind),
            None => phases.push((failure.phase, vec![kind])),
        }
    }
    let phases = phases.into_iter();
    Value::dictionary(phases.map(|(phase, kinds)| (phase, Value::dictionary(kinds))))
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(number: u64) -> Value {
    Value::Number(number as f64)
}
