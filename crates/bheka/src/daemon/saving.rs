//! When and what of the live state is saved.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use bheka_cluster::{Cluster, PeerPositions};
use bheka_model::state_file::{self, Damage, Entry};
use bheka_model::{CheckableName, CheckableState};
use bheka_monitor::Monitor;
use bheka_value::{Str, Timestamp, Value};

use super::store::{Records, Save, Saved, Store, journal_path};

/// How often changes go to the journal: what `kill -9` can cost.
const JOURNAL_EVERY_S: f64 = 2.0;

/// How soon a write that failed is tried again: everything is written then.
const RETRY_EVERY_S: f64 = 20.0;

/// How often everything is written anew (Icinga 2: 300 s).
const SNAPSHOT_EVERY_S: f64 = 300.0;

/// The state's way to disk.
#[derive(Debug)]
pub(crate) struct Saving {
    store: Store,
    changed: HashSet<CheckableName>,
    positions: Vec<(Str, PeerPositions)>,
    /// Records of objects that this program does not keep state of.
    others: Vec<Entry>,
    is_snapshot_due: bool,
    next_journal: Timestamp,
    next_snapshot: Timestamp,
}

/// What a state file said.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Checkables.
    pub(crate) checkables: Vec<bheka_monitor::Saved>,
    /// Endpoints.
    pub(crate) peers: Vec<(Str, PeerPositions)>,
    /// `ts` of the last logged message.
    pub(crate) log_message_timestamp: Timestamp,
    /// Records of other objects, as they were: Icinga 2 may take over again.
    pub(crate) others: Vec<Entry>,
    /// What could not be read of the snapshot.
    pub(crate) snapshot_damage: Vec<Damage>,
    /// What could not be read of the journal.
    pub(crate) journal_damage: Vec<Damage>,
}

impl Saving {
    /// Begins to save into a store. What `others` says is written back as it is.
    pub(crate) fn new(store: Store, others: Vec<Entry>, now: Timestamp) -> Self {
        Self {
            store,
            changed: HashSet::new(),
            positions: Vec::new(),
            others,
            is_snapshot_due: false,
            next_journal: now + JOURNAL_EVERY_S,
            next_snapshot: now + SNAPSHOT_EVERY_S,
        }
    }

    /// This checkable has changed.
    pub(crate) fn mark(&mut self, name: &CheckableName) {
        if !self.changed.contains(name) {
            self.changed.insert(name.clone());
        }
    }

    /// Everything may have changed: write a snapshot soon.
    pub(crate) fn mark_all(&mut self) {
        self.is_snapshot_due = true;
    }

    /// When something is due.
    pub(crate) fn next_wakeup(&self) -> Timestamp {
        self.next_journal
    }

    /// Hands over what is due. When the disk does not keep up, it stays marked for later; after a
    /// failure everything is written anew.
    pub(crate) fn save_when_due(&mut self, monitor: &Monitor, cluster: &Cluster, now: Timestamp) {
        if now < self.next_journal {
            return;
        }
        let has_failed = self.store.has_failed();
        let pause_s = if has_failed {
            RETRY_EVERY_S
        } else {
            JOURNAL_EVERY_S
        };
        self.next_journal = now + pause_s;
        let is_whole = self.is_snapshot_due || has_failed || now >= self.next_snapshot;
        let save = self.collect(monitor, cluster, is_whole);
        if save.journal.is_none() && save.snapshot.is_none() {
            return;
        }
        if self.store.offer(save) {
            self.changed.clear();
            if is_whole {
                self.is_snapshot_due = false;
                self.next_snapshot = now + SNAPSHOT_EVERY_S;
            }
        } else {
            // Positions count as changed again.
            self.positions.clear();
        }
    }

    /// Writes everything and waits until it is on disk.
    pub(crate) fn finish(mut self, monitor: &Monitor, cluster: &Cluster) {
        let save = self.collect(monitor, cluster, true);
        self.store.finish(save);
    }

    /// Takes hold of what is to be saved; its text is made where it is written.
    fn collect(&mut self, monitor: &Monitor, cluster: &Cluster, is_whole: bool) -> Save {
        let changed: Vec<Shared> = self
            .changed
            .iter()
            .filter_map(|name| Some((name.clone(), monitor.shared_state(name)?)))
            .collect();
        let positions: Vec<_> = cluster
            .positions()
            .map(|(name, positions)| (name.clone(), positions))
            .collect();
        let moved = if positions == self.positions {
            Vec::new()
        } else {
            positions.clone()
        };
        self.positions = positions;
        let journal = (!changed.is_empty() || !moved.is_empty())
            .then(|| -> Records { Box::new(move || records(&changed, &moved, &[])) });
        let snapshot = is_whole.then(|| -> Records {
            let states: Vec<Shared> = monitor
                .states()
                .map(|(name, state)| (name.clone(), Arc::clone(state)))
                .collect();
            let positions = self.positions.clone();
            let timestamp = cluster.log_message_timestamp().seconds();
            let update = Value::dictionary([("log_message_timestamp", timestamp.into())]);
            let mut others = self.others.clone();
            others.push(entry("ApiListener", "api".into(), update));
            Box::new(move || records(&states, &positions, &others))
        });
        Save { journal, snapshot }
    }
}

/// A state that the monitor goes on changing: what is held here stays as it was.
type Shared = (CheckableName, Arc<CheckableState>);

fn records(states: &[Shared], positions: &[(Str, PeerPositions)], others: &[Entry]) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, state) in states {
        Entry::of_checkable(name, state).encode_to(&mut text);
    }
    for (name, positions) in positions {
        peer_entry(name, positions).encode_to(&mut text);
    }
    for other in others {
        other.encode_to(&mut text);
    }
    text
}

#[allow(clippy::cast_precision_loss, reason = "a handful of bits")]
fn peer_entry(name: &Str, positions: &PeerPositions) -> Entry {
    let update = Value::dictionary([
        ("capabilities", Value::Number(positions.capabilities as f64)),
        (
            "icinga_version",
            Value::Number(f64::from(positions.icinga_version)),
        ),
        (
            "local_log_position",
            positions.local_log_position.seconds().into(),
        ),
        (
            "remote_log_position",
            positions.remote_log_position.seconds().into(),
        ),
    ]);
    entry("Endpoint", name.clone(), update)
}

fn entry(type_name: &str, name: Str, update: Value) -> Entry {
    Entry {
        type_name: type_name.into(),
        name,
        update,
    }
}

/// Reads a snapshot and the journal over it; the journal's entries are newer.
pub(crate) fn restore(saved: &Saved) -> Restored {
    let mut restored = Restored::default();
    restored.snapshot_damage = read(&saved.snapshot, &mut restored);
    restored.journal_damage = read(&saved.journal, &mut restored);
    restored
}

fn read(bytes: &[u8], restored: &mut Restored) -> Vec<Damage> {
    let mut damages = Vec::new();
    for entry in state_file::decode(bytes) {
        match entry {
            Ok(entry) => take(restored, &entry),
            Err(damage) => damages.push(damage),
        }
    }
    damages
}

/// Says what could not be read, and keeps the files as they were found: the next save replaces
/// them.
pub(crate) fn report_damage(restored: &Restored, snapshot: &Path) {
    let journal = journal_path(snapshot);
    for (path, damages) in [
        (snapshot, &restored.snapshot_damage),
        (&*journal, &restored.journal_damage),
    ] {
        let Some(first) = damages.first() else {
            continue;
        };
        let mut copy = path.as_os_str().to_owned();
        copy.push(".damaged");
        let kept = match std::fs::copy(path, &copy) {
            Ok(_) => format!("the file is kept as '{}'", Path::new(&copy).display()),
            Err(error) => format!(
                "it cannot be kept as '{}': {error}",
                Path::new(&copy).display()
            ),
        };
        tracing::warn!(target: "ConfigObject", "The state file '{}' is damaged in {} place(s), \
            first at byte {}: {}. What can be read is used; {kept}",
            path.display(), damages.len(), first.offset, first.cause);
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "versions and bits"
)]
fn take(restored: &mut Restored, entry: &Entry) {
    if let Some(checkable) = entry.checkable() {
        restored.checkables.push(checkable);
        return;
    }
    let number = |name: &str| {
        let update = entry.update.as_dictionary()?;
        update
            .get(name)?
            .to_number()
            .filter(|number| number.is_finite() && *number >= 0.0)
    };
    let time = |name: &str| Timestamp(number(name).unwrap_or(0.0));
    match entry.type_name.as_str() {
        "Endpoint" => {
            let positions = PeerPositions {
                local_log_position: time("local_log_position"),
                remote_log_position: time("remote_log_position"),
                icinga_version: number("icinga_version").unwrap_or(0.0) as u32,
                capabilities: number("capabilities").unwrap_or(0.0) as u64,
            };
            restored.peers.push((entry.name.clone(), positions));
        }
        "ApiListener" => {
            restored.log_message_timestamp = restored
                .log_message_timestamp
                .max(time("log_message_timestamp"));
        }
        _ => restored.others.push(entry.clone()),
    }
}
