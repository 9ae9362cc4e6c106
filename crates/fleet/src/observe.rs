//! One part of a trial: what agents, master and API did from one moment to another.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{
    ApiReport, Distribution, Fleet, Milestones, Probe, Quantiles, Snapshot, Timeline, Usage,
};

/// How often the number of connected agents is noted.
const LOOK: Duration = Duration::from_millis(20);
/// How often the master's memory is looked at.
const LOOK_AT_MEMORY: Duration = Duration::from_secs(1);

/// A part of a trial that goes on.
#[derive(Debug)]
pub struct Observer<'a> {
    fleet: &'a Fleet,
    probe: Option<&'a Probe>,
    master: Option<u32>,
    began: Instant,
    before: Snapshot,
    handshakes_before: Distribution,
    usage_before: Option<Usage>,
    rss_peak: u64,
    memory_seen: Instant,
    timeline: Timeline,
}

/// A part of a trial that is over.
#[derive(Clone, Debug, Serialize)]
pub struct Observed {
    /// What was done in it.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// Of a reload: when the new configuration was in force, in seconds.
    pub in_force_s: Option<f64>,
    /// When which share of the agents was connected.
    pub milestones: Milestones,
    /// What the agents counted.
    pub agents: Snapshot,
    /// From the begin of a connection to the peer's first message, as the agents saw it.
    pub handshakes: Quantiles,
    /// How the API answered.
    pub api: Option<ApiReport>,
    /// What the master used.
    pub master: Option<MasterUse>,
    /// Connected agents over time.
    pub timeline: Timeline,
}

/// What the processes of a master used in a span of time.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct MasterUse {
    /// CPU time in seconds.
    pub cpu_s: f64,
    /// The same for a thousand connections that were made.
    pub cpu_s_per_1000: Option<f64>,
    /// CPU time in percent of one core.
    pub cpu_percent: f64,
    /// Resident memory at the end, in bytes.
    pub rss_bytes: u64,
    /// The most that was seen.
    pub rss_peak_bytes: u64,
    /// Open file descriptors at the end.
    pub descriptors: u64,
}

impl<'a> Observer<'a> {
    /// Begins. So many agents are expected to be connected in the end; `master` is the process
    /// whose use is of interest, and that of its descendants.
    #[must_use]
    pub fn begin(
        fleet: &'a Fleet,
        expected: u64,
        probe: Option<&'a Probe>,
        master: Option<u32>,
    ) -> Self {
        if let Some(probe) = probe {
            probe.pause(false);
            // What was before is not of this part.
            let _ = probe.take();
        }
        let now = Instant::now();
        Self {
            fleet,
            probe,
            master,
            began: now,
            before: fleet.snapshot(),
            handshakes_before: fleet.handshakes(),
            usage_before: master.and_then(Usage::of),
            rss_peak: 0,
            memory_seen: now,
            timeline: Timeline::new(expected),
        }
    }

    /// From now on this process is the master, and all that it has used since its start counts.
    pub fn set_master(&mut self, pid: Option<u32>) {
        self.master = pid;
        self.usage_before = None;
    }

    /// What was counted since the begin.
    #[must_use]
    pub fn so_far(&self) -> Snapshot {
        self.fleet.snapshot().since(&self.before)
    }

    /// The time since the begin.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether as many are connected as are expected.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.fleet.snapshot().connected >= self.timeline.expected()
    }

    /// Looks once, and waits until it is time to look again.
    pub async fn look(&mut self) {
        self.note();
        sleep(LOOK).await;
    }

    /// Goes on until every request to the API has its answer, without beginning new ones: a master
    /// that left them all waiting until the agents were connected would otherwise have no slow
    /// answers at all. Takes 30 s at most.
    pub async fn drain(&mut self) {
        if let Some(probe) = self.probe {
            probe.pause(true);
            while probe.pending() > 0 {
                self.look().await;
            }
        }
    }

    fn note(&mut self) {
        self.timeline
            .note(self.began.elapsed(), self.fleet.snapshot().connected);
        if self.memory_seen.elapsed() >= LOOK_AT_MEMORY {
            self.memory_seen = Instant::now();
            if let Some(usage) = self.master.and_then(Usage::without_descriptors) {
                self.rss_peak = self.rss_peak.max(usage.rss_bytes);
            }
        }
    }

    /// Ends the part.
    #[must_use]
    pub fn end(mut self, name: &str) -> Observed {
        self.note();
        let agents = self.so_far();
        let seconds = self.began.elapsed().as_secs_f64();
        let usage = self.master.and_then(Usage::of);
        let master = usage.map(|usage| {
            let before = self.usage_before.unwrap_or_default();
            let cpu_s = (usage.cpu_s - before.cpu_s).max(0.0);
            #[allow(clippy::cast_precision_loss, reason = "a figure for the eye")]
            let thousands = agents.connects as f64 / 1e3;
            MasterUse {
                cpu_s,
                cpu_s_per_1000: (agents.connects > 0).then(|| cpu_s / thousands),
                cpu_percent: cpu_s / seconds * 100.0,
                rss_bytes: usage.rss_bytes,
                rss_peak_bytes: self.rss_peak.max(usage.rss_bytes),
                descriptors: usage.descriptors,
            }
        });
        let handshakes = self.fleet.handshakes().since(&self.handshakes_before);
        Observed {
            name: name.to_owned(),
            seconds,
            in_force_s: None,
            milestones: self.timeline.milestones(),
            agents,
            handshakes: handshakes.quantiles(),
            api: self.probe.map(|probe| {
                probe.pause(false);
                probe.take()
            }),
            master,
            timeline: self.timeline,
        }
    }
}
