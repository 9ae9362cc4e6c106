//! The monitor itself: what it owns, and who deals with which input.

use std::collections::VecDeque;
use std::sync::Arc;

use bheka_model::{CheckableName, CheckableState, Event, EventKind, Generation, Origin};
use bheka_value::{Str, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::due::DueQueue;
use crate::execute::Running;
use crate::remote::RemoteRequest;
use crate::schedule::{FIRST_CHECK_WITHIN_S, first_check, next_check};
use crate::settings::{Settings, local_zone};
use crate::stats::Counters;
use crate::{Authority, Effect, Input, RunId, Saved, Severity, Stats, Surroundings};

/// Checks that may run at the same time unless the configuration says otherwise.
const CONCURRENT_CHECKS_MAX: usize = 512;

/// One checkable: what is configured and what is known.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) settings: Settings,
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
    pub(crate) generation: Arc<Generation>,
    pub(crate) local_zone: Option<Str>,
    pub(crate) switches: Switches,
    pub(crate) live: FxHashMap<CheckableName, Live>,
    pub(crate) dependencies: FxHashMap<CheckableName, Vec<crate::dependencies::Dependency>>,
    /// Who depends on a checkable through Dependency objects.
    pub(crate) dependents: FxHashMap<CheckableName, Vec<CheckableName>>,
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
        let generation = Arc::new(Generation::default());
        let switches = read_switches(&generation);
        Self {
            node_name,
            program_start,
            generation,
            local_zone: None,
            switches,
            live: FxHashMap::default(),
            dependencies: FxHashMap::default(),
            dependents: FxHashMap::default(),
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

    /// Takes saved state, to be called before the first [`Input::Reconfigure`]; state of
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
            Input::Reconfigure(generation) => self.reconfigure(generation, now),
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
                self.authority = authority;
                self.review_authority(now);
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
        &self.generation
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

    /// Numbers for the status, at this time.
    #[must_use]
    pub fn stats(&self, now: Timestamp) -> Stats {
        crate::stats::collect(self, now)
    }

    pub(crate) fn has_free_slot(&self) -> bool {
        self.running.len() < self.switches.concurrent_max
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
        let Some(live) = self.live.get(name) else {
            return;
        };
        let soft = live.state.state_type == bheka_model::StateType::Soft
            && live.state.last_check_result.is_some();
        let settings = &live.settings;
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
        let Some(live) = self.live.get(name) else {
            self.due.remove(name);
            return;
        };
        if self.switches.checker
            && live.authoritative
            && live.settings.own_zone
            && live.running.is_none()
        {
            self.due.set(name, live.state.next_check);
        } else {
            self.due.remove(name);
        }
    }

    fn reconfigure(&mut self, generation: Arc<Generation>, now: Timestamp) {
        self.switches = read_switches(&generation);
        self.local_zone = local_zone(&generation, &self.node_name);
        let names: Vec<CheckableName> = generation.checkables().collect();
        let mut before = std::mem::take(&mut self.live);
        self.live.reserve(names.len());
        let mut fresh = Vec::new();
        for name in names {
            let Some(object) = generation.checkable(&name) else {
                continue;
            };
            let settings = Settings::read(&name, object, &generation, self.local_zone.as_deref());
            let live = match before.remove(&name) {
                Some(known) => {
                    let repaced = !known.settings.same_pace(&settings);
                    if repaced {
                        fresh.push((name.clone(), true));
                    }
                    Live { settings, ..known }
                }
                None => {
                    fresh.push((name.clone(), false));
                    Live {
                        settings,
                        state: self.first_state(&name),
                        running: None,
                        authoritative: false,
                    }
                }
            };
            self.live.insert(name, live);
        }
        self.generation = generation;
        self.read_dependencies();
        self.restored = FxHashMap::default();
        for name in before.into_keys() {
            self.due.remove(&name);
            self.expiries.remove(&name);
        }
        for (name, repaced) in fresh {
            self.plan_first(&name, repaced, now);
        }
        self.review_authority(now);
        let names: Vec<CheckableName> = self.live.keys().cloned().collect();
        for name in names {
            self.judge_reachability(&name, now);
        }
    }

    fn read_dependencies(&mut self) {
        self.dependencies.clear();
        self.dependents.clear();
        let generation = Arc::clone(&self.generation);
        for object in generation.of_type("Dependency") {
            let (child, dependency) = crate::dependencies::read(object);
            self.dependents
                .entry(dependency.parent.clone())
                .or_default()
                .push(child.clone());
            self.dependencies.entry(child).or_default().push(dependency);
        }
    }

    fn first_state(&mut self, name: &CheckableName) -> Arc<CheckableState> {
        if let Some(saved) = self.restored.remove(name) {
            return saved;
        }
        Arc::default()
    }

    /// Spreads new checkables, and plans those whose interval has changed within the new one.
    fn plan_first(&mut self, name: &CheckableName, repaced: bool, now: Timestamp) {
        let Some(live) = self.live.get(name) else {
            return;
        };
        let settings = &live.settings;
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
        let members: Option<(Vec<Str>, bool)> = match &self.authority {
            Authority::Alone => Some((Vec::new(), false)),
            Authority::Hold => None,
            Authority::Shared {
                candidates,
                by_host,
            } => {
                let mut sorted = candidates.clone();
                sorted.sort();
                sorted.dedup();
                Some((sorted, *by_host))
            }
        };
        let names: Vec<CheckableName> = self.live.keys().cloned().collect();
        let mut gained = FxHashSet::default();
        for name in &names {
            let ours = match &members {
                None => self.live.get(name).is_some_and(|live| live.authoritative),
                Some((members, by_host)) => {
                    owner(name, members, *by_host).is_none_or(|owner| owner == &self.node_name)
                }
            };
            if let Some(live) = self.live.get_mut(name) {
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
        let Some(live) = self.live.get(name) else {
            return;
        };
        if live.state.next_check < now {
            let settings = &live.settings;
            let at = first_check(now, settings.check_interval_s, settings.offset);
            self.change(name, |state| state.next_check = at);
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

fn read_switches(generation: &Generation) -> Switches {
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
