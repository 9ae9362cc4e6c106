//! One node: monitor and cluster, wired as the daemon wires them.

use std::sync::Arc;

use bheka_cluster::{Cluster, Settings};
use bheka_model::Generation;
use bheka_monitor::Monitor;
use bheka_value::{Str, Timestamp};

use crate::disk::Disk;

/// A node; without `brain` it is down.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) generation: Arc<Generation>,
    pub(crate) brain: Option<Brain>,
    pub(crate) disk: Disk,
    /// Counts starts.
    pub(crate) life: u64,
    /// When it is to be woken.
    pub(crate) wake_at: Option<f64>,
}

/// What is lost in a crash.
#[derive(Debug)]
pub(crate) struct Brain {
    pub(crate) monitor: Monitor,
    pub(crate) cluster: Cluster,
}

impl Node {
    pub(crate) fn new(name: &str, generation: Arc<Generation>) -> Self {
        Self {
            name: name.to_owned(),
            generation,
            brain: None,
            disk: Disk::default(),
            life: 0,
            wake_at: None,
        }
    }

    /// A new life, with what the disk kept.
    pub(crate) fn revive(&mut self, seed: u64, now: Timestamp) -> &mut Brain {
        self.life += 1;
        self.wake_at = None;
        let name = Str::new(&self.name);
        let mut cluster = Cluster::new(Settings::new(name.clone(), now, seed));
        for (endpoint, positions) in &self.disk.positions {
            cluster.restore(endpoint, *positions);
        }
        let mut monitor = Monitor::new(name, now);
        monitor.restore(self.disk.states.clone());
        self.brain.insert(Brain { monitor, cluster })
    }

    /// Saves state as the daemon does at intervals and at its end.
    pub(crate) fn save(&mut self) {
        let Some(brain) = &self.brain else { return };
        self.disk.positions = brain
            .cluster
            .positions()
            .map(|(name, positions)| (name.clone(), positions))
            .collect();
        self.disk.states = brain
            .monitor
            .states()
            .map(|(name, state)| (name.clone(), (**state).clone()))
            .collect();
        self.disk.states.sort_by(|left, right| left.0.cmp(&right.0));
    }

    /// When it wants to be woken.
    pub(crate) fn next_wakeup(&self) -> Option<f64> {
        let brain = self.brain.as_ref()?;
        let wakes = [brain.monitor.next_wakeup(), brain.cluster.next_wakeup()];
        wakes
            .into_iter()
            .flatten()
            .map(Timestamp::seconds)
            .reduce(f64::min)
    }
}
