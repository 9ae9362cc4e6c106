//! What of a configuration can be worked out before it is put in force, so that whoever owns the
//! live state need not go over all checkables while everything else waits.

use std::sync::{Arc, Weak};

use bheka_model::{CheckableName, Generation};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::dependencies::{self, Dependency};
use crate::monitor::{Switches, read_switches};
use crate::settings::{Settings, local_zone};

/// A configuration as the monitor uses it: immutable.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) generation: Arc<Generation>,
    pub(crate) switches: Switches,
    pub(crate) settings: FxHashMap<CheckableName, Settings>,
    pub(crate) dependencies: FxHashMap<CheckableName, Vec<Dependency>>,
    /// Who depends on a checkable through Dependency objects.
    pub(crate) dependents: FxHashMap<CheckableName, Vec<CheckableName>>,
}

impl Table {
    /// Of a generation on a node. Names that `before` has, too, share their memory.
    pub(crate) fn new(generation: Arc<Generation>, node_name: &str, before: Option<&Self>) -> Self {
        let local_zone = local_zone(&generation, node_name);
        let mut settings = FxHashMap::default();
        settings.reserve(generation.count("Host") + generation.count("Service"));
        for name in generation.checkables() {
            let Some(object) = generation.checkable(&name) else {
                continue;
            };
            let read = Settings::read(&name, object, &generation, local_zone.as_deref());
            let known = before.and_then(|before| before.settings.get_key_value(&name));
            settings.insert(known.map_or(name, |(known, _)| known.clone()), read);
        }
        let mut dependencies: FxHashMap<_, Vec<_>> = FxHashMap::default();
        let mut dependents: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for object in generation.of_type("Dependency") {
            let (child, dependency) = dependencies::read(object);
            let of_parent = dependents.entry(dependency.parent.clone()).or_default();
            of_parent.push(child.clone());
            dependencies.entry(child).or_default().push(dependency);
        }
        Self {
            switches: read_switches(&generation),
            generation,
            settings,
            dependencies,
            dependents,
        }
    }
}

/// What is different in the next table, as far as live state cares.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Checkables that only the next one has.
    pub(crate) added: Vec<CheckableName>,
    /// Checkables that it lacks.
    pub(crate) removed: Vec<CheckableName>,
    /// Those with other intervals.
    pub(crate) repaced: Vec<CheckableName>,
    /// Those that came into the own zone, or left it.
    pub(crate) moved: Vec<CheckableName>,
    /// Those that depend on something else, or otherwise.
    pub(crate) relinked: Vec<CheckableName>,
}

impl Changes {
    /// From one table to the next.
    pub(crate) fn between(before: &Table, next: &Table) -> Self {
        let mut changes = Self::default();
        for (name, settings) in &next.settings {
            let Some(known) = before.settings.get(name) else {
                changes.added.push(name.clone());
                continue;
            };
            if !known.same_pace(settings) {
                changes.repaced.push(name.clone());
            }
            if known.own_zone != settings.own_zone {
                changes.moved.push(name.clone());
            }
        }
        let gone = before.settings.keys();
        let gone = gone.filter(|name| !next.settings.contains_key(*name));
        changes.removed.extend(gone.cloned());
        let mut relinked: FxHashSet<&CheckableName> = FxHashSet::default();
        for (child, dependencies) in &next.dependencies {
            let is_same = before.dependencies.get(child) == Some(dependencies)
                && dependencies.iter().all(|it| same_period(it, before, next));
            if !is_same {
                relinked.insert(child);
            }
        }
        let free = before.dependencies.keys();
        relinked.extend(free.filter(|child| !next.dependencies.contains_key(*child)));
        changes.relinked.extend(relinked.into_iter().cloned());
        changes
    }
}

/// Whether the period of a dependency means what it meant.
fn same_period(dependency: &Dependency, before: &Table, next: &Table) -> bool {
    let Some(name) = &dependency.period else {
        return true;
    };
    let period = |table: &Table| table.generation.get("TimePeriod", name).cloned();
    match (period(before), period(next)) {
        (Some(before), Some(next)) => before.same_as(&next),
        (before, next) => before.is_none() && next.is_none(),
    }
}

/// A configuration that is ready to be put in force by
/// [`Input::Exchange`](crate::Input::Exchange).
///
/// Making it goes over all checkables; putting it in force goes over those that change. Keep it, to
/// prepare the next one, and drop it where that may take a while.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) table: Arc<Table>,
    /// The table that `changes` start from.
    base: Weak<Table>,
    changes: Changes,
}

impl Prepared {
    /// Prepares a generation for a monitor of this node. With the one that will be in force until
    /// then, what changes is worked out as well; else the monitor does that itself.
    #[must_use]
    pub fn new(generation: Arc<Generation>, node_name: &str, before: Option<&Self>) -> Self {
        let before = before.map(|before| &before.table);
        let table = Table::new(generation, node_name, before.map(|it| &**it));
        Self {
            changes: before.map_or_else(Changes::default, |it| Changes::between(it, &table)),
            base: before.map(Arc::downgrade).unwrap_or_default(),
            table: Arc::new(table),
        }
    }

    /// The configuration.
    #[must_use]
    pub fn generation(&self) -> &Arc<Generation> {
        &self.table.generation
    }

    /// Checkables that the one before had and this one lacks.
    #[must_use]
    pub fn removed(&self) -> &[CheckableName] {
        &self.changes.removed
    }

    /// The changes, if they start from this table.
    pub(crate) fn changes_from(&self, table: &Arc<Table>) -> Option<&Changes> {
        std::ptr::eq(self.base.as_ptr(), Arc::as_ptr(table)).then_some(&self.changes)
    }
}

#[cfg(test)]
mod tests {
    use bheka_model::{CheckResult, Command, Origin, StateType};
    use bheka_value::{Timestamp, Value};

    use super::*;
    use crate::testing::{generation, object};
    use crate::{Input, Monitor};

    const NOW: Timestamp = Timestamp(1_795_416_106.0);

    fn host(name: &str, interval_s: f64) -> Arc<bheka_model::ConfigObject> {
        let interval = ("check_interval", Value::Number(interval_s));
        object("Host", name, [interval, ("max_check_attempts", 1.0.into())])
    }

    fn depends(child: &str, parent: &str) -> Arc<bheka_model::ConfigObject> {
        object(
            "Dependency",
            &format!("{child}!on-{parent}"),
            [
                ("child_host_name", child.into()),
                ("parent_host_name", parent.into()),
            ],
        )
    }

    fn first() -> Arc<Generation> {
        let hosts = ["down", "up", "child", "grandchild", "gone", "slower"];
        let objects = hosts.map(|name| host(name, 300.0));
        let links = [depends("child", "up"), depends("grandchild", "child")];
        generation(objects.into_iter().chain(links))
    }

    fn second() -> Arc<Generation> {
        let hosts = ["down", "up", "child", "grandchild", "new"];
        let objects = hosts.map(|name| host(name, 300.0));
        let links = [depends("child", "down"), depends("grandchild", "child")];
        let rest = links.into_iter().chain([host("slower", 600.0)]);
        generation(objects.into_iter().chain(rest))
    }

    /// A monitor with the first configuration, where one host is down.
    fn started(exchange: impl FnOnce(&mut Monitor)) -> Monitor {
        let mut monitor = Monitor::new("node".into(), NOW);
        exchange(&mut monitor);
        let command = Command::ProcessResult {
            checkable: CheckableName::host("down"),
            result: Box::new(CheckResult {
                state: 2,
                ..CheckResult::default()
            }),
        };
        let origin = Origin::local();
        monitor.handle(Input::Command { command, origin }, NOW + 1.0);
        let state = monitor.state(&CheckableName::host("down")).unwrap();
        assert_eq!(state.state_type, StateType::Hard);
        monitor
    }

    fn states(monitor: &Monitor) -> Vec<String> {
        let mut states: Vec<String> = monitor
            .states()
            .map(|(name, state)| format!("{name} {state:?}"))
            .collect();
        states.sort();
        states
    }

    #[test]
    fn a_prepared_exchange_does_what_an_unprepared_one_does() {
        let mut plain = started(|monitor| {
            monitor.handle(Input::Reconfigure(first()), NOW);
        });
        plain.handle(Input::Reconfigure(second()), NOW + 2.0);

        let before = Arc::new(Prepared::new(first(), "node", None));
        let mut prepared = started(|monitor| {
            monitor.handle(Input::Exchange(Arc::clone(&before)), NOW);
        });
        let next = Prepared::new(second(), "node", Some(&before));
        assert!(next.changes_from(&prepared.table).is_some());
        assert_eq!(next.removed(), [CheckableName::host("gone")]);
        let changes = &next.changes;
        assert_eq!(changes.added, [CheckableName::host("new")]);
        assert_eq!(changes.repaced, [CheckableName::host("slower")]);
        assert_eq!(changes.relinked, [CheckableName::host("child")]);
        prepared.handle(Input::Exchange(Arc::new(next)), NOW + 2.0);
        assert_eq!(states(&prepared), states(&plain));
        // What hangs on the host that is down now is not reachable, at any depth.
        for name in ["child", "grandchild"] {
            let state = plain.state(&CheckableName::host(name)).unwrap();
            assert!(!state.reachable, "{name}");
        }
        assert_eq!(prepared.next_wakeup(), plain.next_wakeup());
    }

    #[test]
    fn what_was_prepared_for_another_configuration_is_worked_out_again() {
        let before = Prepared::new(first(), "node", None);
        let stale = Prepared::new(second(), "node", Some(&before));
        let mut monitor = started(|monitor| {
            monitor.handle(Input::Reconfigure(first()), NOW);
        });
        assert!(stale.changes_from(&monitor.table).is_none());
        monitor.handle(Input::Exchange(Arc::new(stale)), NOW + 2.0);
        assert!(monitor.state(&CheckableName::host("gone")).is_none());
        assert!(monitor.state(&CheckableName::host("new")).is_some());
    }

    #[test]
    fn a_period_that_changes_relinks_what_depends_in_it() {
        let with_period = |range: &str| {
            let attributes = [
                ("child_host_name", Value::from("child")),
                ("parent_host_name", "up".into()),
                ("period", "p".into()),
            ];
            let link = object("Dependency", "child!x", attributes);
            let ranges = Value::dictionary([("monday", Value::string(range))]);
            let period = object("TimePeriod", "p", [("ranges", ranges)]);
            generation([host("up", 300.0), host("child", 300.0), link, period])
        };
        let before = Prepared::new(with_period("00:00-12:00"), "node", None);
        let same = Prepared::new(with_period("00:00-12:00"), "node", Some(&before));
        assert!(same.changes.relinked.is_empty());
        let other = Prepared::new(with_period("00:00-13:00"), "node", Some(&before));
        assert_eq!(other.changes.relinked, [CheckableName::host("child")]);
    }
}
