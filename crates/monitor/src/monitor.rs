//! The monitor itself: what it owns, and who deals with which input.

use std::collections::VecDeque;
use std::sync::Arc;

use bheka_model::{CheckableName, CheckableState, Event, EventKind, Generation, Origin};
use bheka_value::{Str, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::due::DueQueue;
use crate::execute::Running;
use crate::prepared::{Changes, Prepared, Table};
use crate::remote::RemoteRequest;
use crate::schedule::{FIRST_CHECK_WITHIN_S, first_check, next_check};
use crate::settings::Settings;
use crate::stats::Counters;
use crate::{Authority, CheckFigures, Effect, Input, RunId, Saved, Severity, Stats, Surroundings};

/// Checks that may run at the same time unless the configuration says otherwise.
const CONCURRENT_CHECKS_MAX: usize = 512;

/// What is known of one checkable.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) state: Arc<CheckableState>,
    /// The check that is under way here.
    pub(crate) running: Option<RunId>,
    /// Whether this node has the say over it.
    pub(crate) authoritative: bool,
}

/// A link to another node as far as checking cares.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) connected: bool,
    pub(crate) syncing: bool,
}

/// Application-wide switches, from the IcingaApplication object and global constants.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Switches {
    pub(crate) host_checks: bool,
    pub(crate) service_checks: bool,
    pub(crate) event_handlers: bool,
    pub(crate) flapping: bool,
    /// Whether there is a CheckerComponent; without it nothing is scheduled.
    pub(crate) checker: bool,
    pub(crate) concurrent_max: usize,
    pub(crate) accept_commands: bool,
}

/// Owns the live state of all checkables and decides about checks. See the crate's description.
#[derive(Debug)]
pub struct Monitor {
    pub(crate) node_name: Str,
    pub(crate) program_start: Timestamp,
    /// What is configured. Its checkables are those of `live`.
    pub(crate) table: Arc<Table>,
    pub(crate) live: FxHashMap<CheckableName, Live>,
    pub(crate) time_zone: jiff::tz::TimeZone,
    restored: FxHashMap<CheckableName, Arc<CheckableState>>,
    pub(crate) due: DueQueue,
    pub(crate) expiries: DueQueue,
    pub(crate) running: FxHashMap<RunId, Running>,
    pub(crate) sleeping: std::collections::BTreeSet<(crate::due::At, RunId)>,
    pub(crate) run_last: u64,
    pub(crate) peers: FxHashMap<Str, Peer>,
    pub(crate) authority: Authority,
    pub(crate) remote_queue: VecDeque<RemoteRequest>,
    pub(crate) remote_dropped: u64,
    pub(crate) remote_report_at: Timestamp,
    pub(crate) remote_turn: bool,
    pub(crate) surroundings: Surroundings,
    pub(crate) counters: Counters,
    pub(crate) out: Vec<Effect>,
}

impl Monitor {
    /// A monitor without configuration.
    #[must_use]
    pub fn new(node_name: Str, program_start: Timestamp) -> Self {
        let table = Table::new(Arc::default(), &node_name, None);
        Self {
            node_name,
            program_start,
            table: Arc::new(table),
            live: FxHashMap::default(),
            time_zone: jiff::tz::TimeZone::UTC,
            restored: FxHashMap::default(),
            due: DueQueue::default(),
            expiries: DueQueue::default(),
            running: FxHashMap::default(),
            sleeping: std::collections::BTreeSet::new(),
            run_last: 0,
            peers: FxHashMap::default(),
            authority: Authority::Alone,
            remote_queue: VecDeque::new(),
            remote_dropped: 0,
            remote_report_at: Timestamp::NEVER,
            remote_turn: false,
            surroundings: Surroundings::default(),
            counters: Counters::default(),
            out: Vec::new(),
        }
    }

    /// Sets the time zone in which time periods and date macros are meant (UTC before).
    pub fn set_time_zone(&mut self, time_zone: jiff::tz::TimeZone) {
        self.time_zone = time_zone;
    }

    /// Takes saved state, to be called before the first configuration is put in force; state of
    /// checkables that the configuration lacks is forgotten then.
    pub fn restore(&mut self, saved: impl IntoIterator<Item = Saved>) {
        self.restored = saved
            .into_iter()
            .map(|(name, state)| (name, Arc::new(state)))
            .collect();
    }

    /// Changes state by an input; what is to be done about it comes back, in order.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        match input {
            Input::Command { command, origin } => self.apply_command(command, &origin, now),
            Input::Reconfigure(generation) => {
                let table = Table::new(generation, &self.node_name, Some(&*self.table));
                let changes = Changes::between(&self.table, &table);
                self.reconfigure(Arc::new(table), &changes, now);
            }
            Input::Exchange(prepared) => self.exchange(&prepared, now),
            Input::PeerChanged {
                endpoint,
                connected,
                syncing,
            } => {
                self.peers.insert(endpoint, Peer { connected, syncing });
            }
            Input::CheckFinished { run, outcome } => self.finished(run, outcome, now),
            Input::RemoteExecute { endpoint, params } => {
                self.remote_execute(endpoint, params, now);
            }
            Input::Authority(authority) => {
                // It comes with each configuration, whether it has changed or not.
                if self.authority != authority {
                    self.authority = authority;
                    self.review_authority(now);
                }
            }
            Input::Surroundings(surroundings) => self.surroundings = *surroundings,
            Input::Tick => {}
        }
        self.expire(now);
        self.wake_sleepers(now);
        self.report_dropped(now);
        self.start_due(now);
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted at the latest. `None` when only other inputs matter.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let mut wakeup: Option<Timestamp> = None;
        let mut consider = |at: Timestamp| {
            wakeup = Some(wakeup.map_or(at, |earlier| earlier.min(at)));
        };
        if self.has_free_slot() {
            self.due.first().into_iter().for_each(&mut consider);
        }
        self.expiries.first().into_iter().for_each(&mut consider);
        self.sleeping
            .first()
            .map(|(at, _)| at.0)
            .into_iter()
            .for_each(&mut consider);
        if self.remote_dropped > 0 {
            consider(self.remote_report_at);
        }
        wakeup
    }

    /// The live state of a checkable.
    #[must_use]
    pub fn state(&self, name: &CheckableName) -> Option<&CheckableState> {
        self.live.get(name).map(|live| live.state.as_ref())
    }

    /// The live state of a checkable, shared: a cheap snapshot.
    #[must_use]
    pub fn shared_state(&self, name: &CheckableName) -> Option<Arc<CheckableState>> {
        self.live.get(name).map(|live| Arc::clone(&live.state))
    }

    /// All checkables with their live state, in no order.
    pub fn states(&self) -> impl Iterator<Item = (&CheckableName, &Arc<CheckableState>)> {
        self.live.iter().map(|(name, live)| (name, &live.state))
    }

    /// The configuration in force.
    #[must_use]
    pub fn generation(&self) -> &Arc<Generation> {
        &self.table.generation
    }

    /// What is configured of a checkable.
    pub(crate) fn settings(&self, name: &CheckableName) -> Option<&Settings> {
        self.table.settings.get(name)
    }

    /// Whether this node has the say over a checkable (`paused` in the API is the opposite).
    #[must_use]
    pub fn is_authoritative(&self, name: &CheckableName) -> bool {
        self.live.get(name).is_some_and(|live| live.authoritative)
    }

    /// Number of checks under way here, and of those waiting for their time.
    #[must_use]
    pub fn pending_and_idle(&self) -> (usize, usize) {
        (self.running.len(), self.due.len())
    }

    /// Numbers for which no checkable has to be looked at, at this time.
    #[must_use]
    pub fn figures(&self, now: Timestamp) -> CheckFigures {
        crate::stats::figures(self, now)
    }

    /// Numbers for the status, at this time; looks at all checkables.
    #[must_use]
    pub fn stats(&self, now: Timestamp) -> Stats {
        crate::stats::collect(self, now)
    }

    pub(crate) fn has_free_slot(&self) -> bool {
        self.running.len() < self.table.switches.concurrent_max
    }

    pub(crate) fn log(&mut self, severity: Severity, facility: &'static str, text: String) {
        self.out.push(Effect::Log {
            severity,
            facility,
            text,
        });
    }

    pub(crate) fn emit(&mut self, checkable: &CheckableName, origin: &Origin, kind: EventKind) {
        self.out.push(Effect::Emit(Event {
            checkable: checkable.clone(),
            origin: origin.clone(),
            kind,
        }));
    }

    /// Changes the state of a checkable and publishes it.
    pub(crate) fn change(
        &mut self,
        name: &CheckableName,
        change: impl FnOnce(&mut CheckableState),
    ) {
        if let Some(live) = self.live.get_mut(name) {
            change(Arc::make_mut(&mut live.state));
            self.out.push(Effect::Publish(name.clone()));
        }
    }

    /// Plans the next check, and tells everyone.
    pub(crate) fn set_next_check(&mut self, name: &CheckableName, at: Timestamp, origin: &Origin) {
        self.change(name, |state| state.next_check = at);
        self.plan(name);
        self.emit(name, origin, EventKind::NextCheck(at));
    }

    /// The next check after a check or a skipped one.
    pub(crate) fn advance_next_check(
        &mut self,
        name: &CheckableName,
        origin: &Origin,
        now: Timestamp,
    ) {
        let (Some(live), Some(settings)) = (self.live.get(name), self.settings(name)) else {
            return;
        };
        let soft = live.state.state_type == bheka_model::StateType::Soft
            && live.state.last_check_result.is_some();
        let interval_s = if soft {
            settings.retry_interval_s
        } else {
            settings.check_interval_s
        };
        let at = next_check(now, interval_s, settings.offset);
        self.set_next_check(name, at, origin);
    }

    /// Puts a checkable into the queue at its time, or takes it out when it is not ours to check
    /// or a check is under way.
    pub(crate) fn plan(&mut self, name: &CheckableName) {
        let (Some(live), Some(settings)) = (self.live.get(name), self.table.settings.get(name))
        else {
            self.due.remove(name);
            return;
        };
        if self.table.switches.checker
            && live.authoritative
            && settings.own_zone
            && live.running.is_none()
        {
            self.due.set(name, live.state.next_check);
        } else {
            self.due.remove(name);
        }
    }

    fn exchange(&mut self, prepared: &Prepared, now: Timestamp) {
        let next = Arc::clone(&prepared.table);
        if let Some(changes) = prepared.changes_from(&self.table) {
            return self.reconfigure(next, changes, now);
        }
        let changes = Changes::between(&self.table, &next);
        self.reconfigure(next, &changes, now);
    }

    /// Puts a table in force. What is the same in both is not touched: everything else waits
    /// meanwhile.
    fn reconfigure(&mut self, next: Arc<Table>, changes: &Changes, now: Timestamp) {
        let before = std::mem::replace(&mut self.table, next);
        for name in &changes.removed {
            self.live.remove(name);
            self.due.remove(name);
            self.expiries.remove(name);
        }
        let share = Share::of(&self.authority);
        for name in &changes.added {
            let live = Live {
                state: self.restored.remove(name).unwrap_or_default(),
                running: None,
                authoritative: share.is_ours(name, &self.node_name).unwrap_or(false),
            };
            self.live.insert(name.clone(), live);
        }
        self.restored = FxHashMap::default();
        for name in &changes.added {
            self.plan_first(name, false, now);
        }
        for name in &changes.repaced {
            self.plan_first(name, true, now);
        }
        if before.switches.checker == self.table.switches.checker {
            let changed = changes.added.iter().chain(&changes.repaced);
            for name in changed.chain(&changes.moved) {
                self.plan(name);
            }
        } else {
            let names: Vec<CheckableName> = self.live.keys().cloned().collect();
            names.iter().for_each(|name| self.plan(name));
        }
        for name in &changes.added {
            self.judge_reachability(name, now);
        }
        for name in &changes.relinked {
            self.refresh_reachability(name, now);
        }
    }

    /// Spreads new checkables, and plans those whose interval has changed within the new one.
    fn plan_first(&mut self, name: &CheckableName, repaced: bool, now: Timestamp) {
        let (Some(live), Some(settings)) = (self.live.get(name), self.settings(name)) else {
            return;
        };
        let planned = live.state.next_check;
        let expiry = live.state.acknowledgement_expiry;
        let at = if repaced {
            let again = next_check(now, settings.check_interval_s, settings.offset);
            if planned > again || planned.is_never() {
                again
            } else {
                planned
            }
        } else if planned < now + FIRST_CHECK_WITHIN_S {
            first_check(now, settings.check_interval_s, settings.offset)
        } else {
            planned
        };
        self.change(name, |state| state.next_check = at);
        if !expiry.is_never() {
            self.expiries.set(name, expiry);
        }
    }

    fn review_authority(&mut self, now: Timestamp) {
        let share = Share::of(&self.authority);
        let names: Vec<CheckableName> = self.live.keys().cloned().collect();
        let mut gained = FxHashSet::default();
        for name in &names {
            if let Some(live) = self.live.get_mut(name) {
                let ours = share.is_ours(name, &self.node_name);
                let ours = ours.unwrap_or(live.authoritative);
                if ours && !live.authoritative {
                    gained.insert(name.clone());
                }
                live.authoritative = ours;
            }
        }
        for name in &names {
            if gained.contains(name) {
                self.resume(name, now);
            }
            self.plan(name);
        }
    }

    /// A checkable that becomes ours and is overdue does not run at once with all the others.
    fn resume(&mut self, name: &CheckableName, now: Timestamp) {
        let (Some(live), Some(settings)) = (self.live.get(name), self.settings(name)) else {
            return;
        };
        if live.state.next_check < now {
            let at = first_check(now, settings.check_interval_s, settings.offset);
            self.change(name, |state| state.next_check = at);
        }
    }
}

/// Who has the say over what.
enum Share {
    /// As it was; over nothing that is new.
    AsBefore,
    /// Over what the names fall to, by host or each by itself; sorted.
    Among(Vec<Str>, bool),
}

impl Share {
    fn of(authority: &Authority) -> Self {
        match authority {
            Authority::Alone => Self::Among(Vec::new(), false),
            Authority::Hold => Self::AsBefore,
            Authority::Shared {
                candidates,
                by_host,
            } => {
                let mut sorted = candidates.clone();
                sorted.sort();
                sorted.dedup();
                Self::Among(sorted, *by_host)
            }
        }
    }

    /// Whether this node has the say over it; `None` when that stays as it is.
    fn is_ours(&self, name: &CheckableName, node_name: &Str) -> Option<bool> {
        match self {
            Self::AsBefore => None,
            Self::Among(members, by_host) => {
                Some(owner(name, members, *by_host).is_none_or(|owner| owner == node_name))
            }
        }
    }
}

/// The member that owns an object: protocol reference, "Object authority". `None` when nobody
/// else is there.
fn owner<'m>(name: &CheckableName, members: &'m [Str], by_host: bool) -> Option<&'m Str> {
    let full = name.full();
    let key = if by_host {
        name.host.as_str()
    } else {
        full.as_str()
    };
    let count = u64::try_from(members.len())
        .ok()
        .filter(|&count| count > 0)?;
    let index = usize::try_from(sdbm(key) % count).ok()?;
    members.get(index)
}

/// The SDBM hash over signed bytes, which all nodes of a zone must agree on.
fn sdbm(text: &str) -> u64 {
    text.bytes().fold(0_u64, |hash, byte| {
        let signed = i64::from(i8::from_ne_bytes([byte])).cast_unsigned();
        signed
            .wrapping_add(hash.wrapping_shl(6))
            .wrapping_add(hash.wrapping_shl(16))
            .wrapping_sub(hash)
    })
}

/// How many checks run at the same time at most: `concurrent_checks` of the CheckerComponent, else
/// `MaxConcurrentChecks`, else 512.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn concurrent_checks_max(generation: &Generation) -> usize {
    generation
        .of_type("CheckerComponent")
        .filter_map(|checker| checker.attributes.get("concurrent_checks")?.as_number())
        .next()
        .or_else(|| generation.globals.get("MaxConcurrentChecks")?.to_number())
        .filter(|limit| *limit >= 1.0)
        .map_or(CONCURRENT_CHECKS_MAX, |limit| limit.min(1e6) as usize)
}

pub(crate) fn read_switches(generation: &Generation) -> Switches {
    let application = generation.of_type("IcingaApplication").next();
    let switch = |name: &str| application.is_none_or(|object| object.boolean(name));
    Switches {
        host_checks: switch("enable_host_checks"),
        service_checks: switch("enable_service_checks"),
        event_handlers: switch("enable_event_handlers"),
        flapping: switch("enable_flapping"),
        checker: generation.count("CheckerComponent") > 0,
        concurrent_max: concurrent_checks_max(generation),
        accept_commands: generation
            .of_type("ApiListener")
            .next()
            .is_some_and(|listener| listener.boolean("accept_commands")),
    }
}
