//! Numbers about checks: rates in windows, latencies, counts by state, as `/v1/status/CIB` and the
//! `icinga` check show them.

use std::collections::VecDeque;

use bheka_model::CheckResult;
use bheka_value::Timestamp;

use crate::monitor::Monitor;
use crate::state_machine::{host_state, is_problem};

/// Seconds in the widest window.
const WINDOW_S: usize = 900;

/// Results per second over the last 15 minutes.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Second and count, oldest first; only seconds with results.
    seconds: VecDeque<(i64, u32)>,
}

impl Window {
    fn add(&mut self, now: Timestamp) {
        let second = whole_second(now);
        match self.seconds.back_mut() {
            // A clock that was set back counts to the newest second known.
            Some((last, count)) if *last >= second => *count += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        while self.seconds.len() > WINDOW_S {
            self.seconds.pop_front();
        }
    }

    fn count(&self, now: Timestamp, window_s: i64) -> f64 {
        let since = whole_second(now) - window_s;
        self.seconds
            .iter()
            .rev()
            .take_while(|(second, _)| *second > since)
            .map(|(_, count)| f64::from(*count))
            .sum()
    }
}

#[allow(clippy::cast_possible_truncation)]
fn whole_second(at: Timestamp) -> i64 {
    at.seconds().floor() as i64
}

/// Results since start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckTotals {
    /// How many.
    pub count: u64,
    /// Seconds that they waited beyond being due, together.
    pub latency_s: f64,
    /// Seconds that they took to make, together.
    pub execution_s: f64,
}

impl CheckTotals {
    fn add(&mut self, result: &CheckResult) {
        self.count += 1;
        self.latency_s += latency_s(result);
        self.execution_s += execution_s(result);
    }
}

/// Numbers that cost the same however many checkables there are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckFigures {
    /// Active results of hosts.
    pub active_host_checks: CheckRate,
    /// Passive results of hosts.
    pub passive_host_checks: CheckRate,
    /// Active results of services.
    pub active_service_checks: CheckRate,
    /// Passive results of services.
    pub passive_service_checks: CheckRate,
    /// Since start: active and passive ones of hosts, active and passive ones of services.
    pub totals: [CheckTotals; 4],
    /// Checks that run now.
    pub concurrent_checks: usize,
    /// Requests of peers that wait.
    pub remote_check_queue: usize,
}

/// Counters of processed results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    totals: [CheckTotals; 4],
    active_hosts: Window,
    passive_hosts: Window,
    active_services: Window,
    passive_services: Window,
}

impl Counters {
    pub(crate) fn count(&mut self, service: bool, result: &CheckResult, now: Timestamp) {
        let (window, position) = match (service, result.active) {
            (false, true) => (&mut self.active_hosts, 0),
            (false, false) => (&mut self.passive_hosts, 1),
            (true, true) => (&mut self.active_services, 2),
            (true, false) => (&mut self.passive_services, 3),
        };
        window.add(now);
        self.totals[position].add(result);
    }
}

/// Results of one kind: a second, and in the last 1, 5 and 15 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct CheckRate {
    pub per_second: f64,
    pub last_1min: f64,
    pub last_5min: f64,
    pub last_15min: f64,
}

/// Smallest, greatest and mean, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Spread {
    pub min_s: f64,
    pub max_s: f64,
    pub avg_s: f64,
}

/// Hosts or services by state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckableCounts {
    /// By state: up and down, or OK, WARNING, CRITICAL, UNKNOWN. Pending ones do not count.
    pub by_state: [f64; 4],
    /// Without a result.
    pub pending: f64,
    /// Not reachable at the last result.
    pub unreachable: f64,
    /// Flapping.
    pub flapping: f64,
    /// In at least one downtime.
    pub in_downtime: f64,
    /// Acknowledged.
    pub acknowledged: f64,
    /// Problems in downtime or acknowledged, or of a host that is a problem.
    pub handled: f64,
    /// Problems.
    pub problem: f64,
}

/// What the status shows about checks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Active results of hosts.
    pub active_host_checks: CheckRate,
    /// Passive results of hosts.
    pub passive_host_checks: CheckRate,
    /// Active results of services.
    pub active_service_checks: CheckRate,
    /// Passive results of services.
    pub passive_service_checks: CheckRate,
    /// From being due to being done, less the execution, of the last results.
    pub latency: Spread,
    /// How long the last results took to make.
    pub execution_time: Spread,
    /// Hosts.
    pub hosts: CheckableCounts,
    /// Services.
    pub services: CheckableCounts,
    /// Checks that run now.
    pub concurrent_checks: f64,
    /// Requests of peers that wait.
    pub remote_check_queue: f64,
    /// Seconds since the start.
    pub uptime_s: f64,
}

impl Stats {
    /// All numbers under the names and in the order of the `icinga` check.
    #[must_use]
    pub fn numbers(&self) -> Vec<(&'static str, f64)> {
        let (ah, ph) = (self.active_host_checks, self.passive_host_checks);
        let (as_, ps) = (self.active_service_checks, self.passive_service_checks);
        let (s, h) = (self.services, self.hosts);
        vec![
            ("active_host_checks", ah.per_second),
            ("passive_host_checks", ph.per_second),
            ("active_host_checks_1min", ah.last_1min),
            ("passive_host_checks_1min", ph.last_1min),
            ("active_host_checks_5min", ah.last_5min),
            ("passive_host_checks_5min", ph.last_5min),
            ("active_host_checks_15min", ah.last_15min),
            ("passive_host_checks_15min", ph.last_15min),
            ("active_service_checks", as_.per_second),
            ("passive_service_checks", ps.per_second),
            ("active_service_checks_1min", as_.last_1min),
            ("passive_service_checks_1min", ps.last_1min),
            ("active_service_checks_5min", as_.last_5min),
            ("passive_service_checks_5min", ps.last_5min),
            ("active_service_checks_15min", as_.last_15min),
            ("passive_service_checks_15min", ps.last_15min),
            ("current_pending_callbacks", 0.0),
            ("current_concurrent_checks", self.concurrent_checks),
            ("remote_check_queue", self.remote_check_queue),
            ("min_latency", self.latency.min_s),
            ("max_latency", self.latency.max_s),
            ("avg_latency", self.latency.avg_s),
            ("min_execution_time", self.execution_time.min_s),
            ("max_execution_time", self.execution_time.max_s),
            ("avg_execution_time", self.execution_time.avg_s),
            ("num_services_ok", s.by_state[0]),
            ("num_services_warning", s.by_state[1]),
            ("num_services_critical", s.by_state[2]),
            ("num_services_unknown", s.by_state[3]),
            ("num_services_pending", s.pending),
            ("num_services_unreachable", s.unreachable),
            ("num_services_flapping", s.flapping),
            ("num_services_in_downtime", s.in_downtime),
            ("num_services_acknowledged", s.acknowledged),
            ("num_services_handled", s.handled),
            ("num_services_problem", s.problem),
            ("uptime", self.uptime_s),
            ("num_hosts_up", h.by_state[0]),
            ("num_hosts_down", h.by_state[1]),
            ("num_hosts_pending", h.pending),
            ("num_hosts_unreachable", h.unreachable),
            ("num_hosts_flapping", h.flapping),
            ("num_hosts_in_downtime", h.in_downtime),
            ("num_hosts_acknowledged", h.acknowledged),
            ("num_hosts_handled", h.handled),
            ("num_hosts_problem", h.problem),
        ]
    }
}

/// How long the check itself took.
#[must_use]
pub(crate) fn execution_s(result: &CheckResult) -> f64 {
    (result.execution_end - result.execution_start).max(0.0)
}

/// How long it waited beyond that.
#[must_use]
pub(crate) fn latency_s(result: &CheckResult) -> f64 {
    (result.schedule_end - result.schedule_start - execution_s(result)).max(0.0)
}

#[derive(Default)]
struct Tally {
    min: f64,
    max: f64,
    sum: f64,
    count: f64,
}

impl Tally {
    fn add(&mut self, value: f64) {
        if self.count == 0.0 || value < self.min {
            self.min = value;
        }
        self.max = self.max.max(value);
        self.sum += value;
        self.count += 1.0;
    }

    fn spread(&self) -> Spread {
        let avg_s = if self.count > 0.0 {
            self.sum / self.count
        } else {
            0.0
        };
        Spread {
            min_s: self.min,
            max_s: self.max,
            avg_s,
        }
    }
}

/// Takes all numbers at this time.
pub(crate) fn collect(monitor: &Monitor, now: Timestamp) -> Stats {
    let mut stats = Stats {
        #[allow(clippy::cast_precision_loss)]
        concurrent_checks: monitor.running.len() as f64,
        #[allow(clippy::cast_precision_loss)]
        remote_check_queue: monitor.remote_queue.len() as f64,
        uptime_s: now - monitor.program_start,
        ..Stats::default()
    };
    let (mut latency, mut execution) = (Tally::default(), Tally::default());
    for (name, live) in &monitor.live {
        let state = &live.state;
        let is_host = !name.is_service();
        let counts = if is_host {
            &mut stats.hosts
        } else {
            &mut stats.services
        };
        match &state.last_check_result {
            None => counts.pending += 1.0,
            Some(result) => {
                let raw = state.state_raw;
                let shown = if is_host { host_state(raw) } else { raw.min(3) };
                counts.by_state[usize::from(shown)] += 1.0;
                latency.add(latency_s(result));
                execution.add(execution_s(result));
            }
        }
        let tally = |counter: &mut f64, holds: bool| *counter += f64::from(u8::from(holds));
        let problem = is_problem(state, is_host);
        let acknowledged = state.acknowledgement as u8 != 0;
        let host_problem = !is_host && monitor.host_is_problem(name);
        tally(&mut counts.unreachable, !state.reachable);
        tally(&mut counts.flapping, state.flapping);
        tally(&mut counts.in_downtime, state.downtime_depth > 0);
        tally(&mut counts.acknowledged, acknowledged);
        tally(&mut counts.problem, problem);
        let handled = problem && (state.downtime_depth > 0 || acknowledged || host_problem);
        tally(&mut counts.handled, handled);
    }
    stats.latency = latency.spread();
    stats.execution_time = execution.spread();
    let figures = figures(monitor, now);
    stats.active_host_checks = figures.active_host_checks;
    stats.passive_host_checks = figures.passive_host_checks;
    stats.active_service_checks = figures.active_service_checks;
    stats.passive_service_checks = figures.passive_service_checks;
    stats
}

/// Takes the numbers for which no checkable has to be looked at.
pub(crate) fn figures(monitor: &Monitor, now: Timestamp) -> CheckFigures {
    let counters = &monitor.counters;
    CheckFigures {
        active_host_checks: rate(&counters.active_hosts, now),
        passive_host_checks: rate(&counters.passive_hosts, now),
        active_service_checks: rate(&counters.active_services, now),
        passive_service_checks: rate(&counters.passive_services, now),
        totals: counters.totals,
        concurrent_checks: monitor.running.len(),
        remote_check_queue: monitor.remote_queue.len(),
    }
}

fn rate(window: &Window, now: Timestamp) -> CheckRate {
    let minute = window.count(now, 60);
    CheckRate {
        per_second: minute / 60.0,
        last_1min: minute,
        last_5min: window.count(now, 300),
        last_15min: window.count(now, 900),
    }
}

impl Monitor {
    /// Whether the host of a service is a problem.
    pub(crate) fn host_is_problem(&self, name: &bheka_model::CheckableName) -> bool {
        let host = bheka_model::CheckableName::host(name.host.clone());
        self.live
            .get(&host)
            .is_some_and(|live| is_problem(&live.state, true))
    }
}
