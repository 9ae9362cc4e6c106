//! Reachability: whether what a checkable depends on is there (manual chapter 3, "Dependencies").

use bheka_model::{CheckableName, ConfigObject, StateType};
use bheka_value::{Str, Timestamp, Value};
use rustc_hash::FxHashSet;

use crate::Monitor;
use crate::state_machine::host_state;

/// How deep dependencies may nest.
const DEPTH_MAX: u32 = 20;

/// What reachability is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To show and record it.
    State,
    /// To decide whether to check.
    Check,
    /// To decide whether to notify.
    #[allow(dead_code)]
    Notify,
}

impl Monitor {
    /// Whether no dependency fails, here or above.
    pub(crate) fn is_reachable(
        &self,
        name: &CheckableName,
        purpose: Purpose,
        now: Timestamp,
    ) -> bool {
        self.reachable_within(name, purpose, now, 0)
    }

    /// Whether a check of it would be carried out as far as dependencies go; when not, passive
    /// results from this node are ignored too (`process-check-result` answers so).
    #[must_use]
    pub fn accepts_results(&self, name: &CheckableName, now: Timestamp) -> bool {
        self.is_reachable(name, Purpose::Check, now)
    }

    /// Judges anew what depends on a checkable after its state changed, and itself.
    pub(crate) fn refresh_reachability(&mut self, name: &CheckableName, now: Timestamp) {
        let mut seen = FxHashSet::default();
        let mut open = vec![name.clone()];
        while let Some(next) = open.pop() {
            if !seen.insert(next.clone()) {
                continue;
            }
            self.judge_reachability(&next, now);
            open.extend(
                self.table
                    .dependents
                    .get(&next)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
            if !next.is_service() {
                let services = self.table.generation.services_of(&next.host).iter();
                open.extend(services.map(|service| {
                    CheckableName::service(next.host.clone(), service.short_name.clone())
                }));
            }
        }
    }

    /// Notes whether a checkable is reachable now.
    pub(crate) fn judge_reachability(&mut self, name: &CheckableName, now: Timestamp) {
        let reachable = self.is_reachable(name, Purpose::State, now);
        if self
            .live
            .get(name)
            .is_some_and(|live| live.state.reachable != reachable)
        {
            self.change(name, |state| state.reachable = reachable);
        }
    }

    fn reachable_within(
        &self,
        name: &CheckableName,
        purpose: Purpose,
        now: Timestamp,
        depth: u32,
    ) -> bool {
        if depth > DEPTH_MAX {
            return false;
        }
        // A service depends on its host without being told: its hard problem hides the service.
        if name.is_service() && purpose != Purpose::Check {
            let host = CheckableName::host(name.host.clone());
            if let Some(host) = self.live.get(&host) {
                let down = host_state(host.state.state_raw) != 0;
                if down && host.state.state_type == StateType::Hard {
                    return false;
                }
            }
        }
        let Some(dependencies) = self.table.dependencies.get(name) else {
            return true;
        };
        dependencies.iter().all(|dependency| {
            self.reachable_within(&dependency.parent, purpose, now, depth + 1)
                && self.holds(dependency, name, purpose, now)
        })
    }

    fn holds(
        &self,
        dependency: &Dependency,
        child: &CheckableName,
        purpose: Purpose,
        now: Timestamp,
    ) -> bool {
        if &dependency.parent == child {
            return true;
        }
        let Some(parent) = self.live.get(&dependency.parent) else {
            return true;
        };
        let state = &parent.state;
        if state.last_check_result.is_none() {
            return true;
        }
        let mut raw = state.state_raw;
        if dependency.ignore_soft_states && state.state_type == StateType::Soft {
            return true;
        }
        if !dependency.parent.is_service() {
            raw = host_state(raw);
        }
        let bit = filter_bit(dependency.parent.is_service(), raw);
        if dependency.states & bit != 0 {
            return true;
        }
        if let Some(period) = &dependency.period
            && !self.in_period(period, now)
        {
            return true;
        }
        match purpose {
            Purpose::State => false,
            Purpose::Check => !dependency.disable_checks,
            Purpose::Notify => !dependency.disable_notifications,
        }
    }
}

/// A Dependency object, read once per generation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dependency {
    pub(crate) parent: CheckableName,
    states: u32,
    ignore_soft_states: bool,
    disable_checks: bool,
    disable_notifications: bool,
    pub(crate) period: Option<Str>,
}

/// The child and what it depends on.
pub(crate) fn read(object: &ConfigObject) -> (CheckableName, Dependency) {
    let checkable = |host: &str, service: &str| {
        let host = object.string(host);
        match object.optional(service) {
            Some(service) => CheckableName::service(host, service),
            None => CheckableName::host(host),
        }
    };
    let child = checkable("child_host_name", "child_service_name");
    let parent = checkable("parent_host_name", "parent_service_name");
    let states = states_of(&object.get("states"), parent.is_service());
    let dependency = Dependency {
        states,
        ignore_soft_states: object.boolean("ignore_soft_states"),
        disable_checks: object.boolean("disable_checks"),
        disable_notifications: object.boolean("disable_notifications"),
        period: object.optional("period"),
        parent,
    };
    (child, dependency)
}

fn filter_bit(service: bool, state: u8) -> u32 {
    if service {
        1 << state.min(3)
    } else {
        16 << state.min(1)
    }
}

/// Bits of the states in which the parent is good: names or numbers, by default OK and Warning,
/// or Up.
fn states_of(value: &Value, service: bool) -> u32 {
    let default = if service { 1 | 2 } else { 16 };
    let Value::Array(items) = value else {
        return default;
    };
    items.items().iter().fold(0, |bits, item| {
        bits | match item {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Value::Number(number) => number.clamp(0.0, 255.0) as u32,
            Value::String(name) => match name.as_str() {
                "OK" => 1,
                "Warning" => 2,
                "Critical" => 4,
                "Unknown" => 8,
                "Up" => 16,
                "Down" => 32,
                _ => 0,
            },
            _ => 0,
        }
    })
}
