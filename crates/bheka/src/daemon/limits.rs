//! Descriptors (open files, sockets, pipes): how many the configuration takes, how many there are,
//! how many are in use.
//!
//! A process that runs out of them fails in odd places. So the limit is raised as far as it goes at
//! the start, a configuration that cannot fit is refused with the numbers, and one is warned before
//! it gets tight.

use std::fmt;
use std::fs;

use bheka_cluster::Topology;
use bheka_model::Generation;
use bheka_monitor::concurrent_checks_max;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors of a check that runs: its output, the process, and a pipe's other end at the start.
const PER_CHECK: u64 = 3;

/// Checks at once without which nothing works; more than these may have to wait for each other.
const CHECKS_AT_LEAST: u64 = 64;

/// Connections of a web interface and a few scripts.
const API_CLIENTS: u64 = 256;

/// Without these the node cannot be asked any more.
const API_CLIENTS_AT_LEAST: u64 = 64;

/// Connections that are turned away later: of strangers, and second ones of an endpoint that dials
/// while it is dialled.
const STRANGERS: u64 = 128;

/// State, replay log, process id, event queues, what the runtime itself has.
const FILES: u64 = 64;

/// How many descriptors a configuration takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// One for each endpoint that this node talks to directly, connected or being dialled.
    links: u64,
    /// For checks at once.
    checks: u64,
    /// For API clients and for connections that do not stay.
    clients: u64,
    /// For files.
    files: u64,
}

/// Counts what a generation takes on the node that sees its zones so.
pub(crate) fn needed(generation: &Generation, topology: &Topology) -> Need {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let listener = generation.of_type("ApiListener").next();
    let links = listener.as_ref().map_or(0, |_| {
        let local = topology.local_endpoint();
        let neighbours = topology
            .endpoints()
            .filter(|(name, endpoint)| endpoint.relation.is_neighbour() && *name != local);
        count(neighbours.count())
    });
    // Who takes orders of others runs as many checks as it may, whatever it knows itself.
    let takes_orders = listener
        .as_ref()
        .is_some_and(|it| it.boolean("accept_commands"));
    let own = generation.count("Host") + generation.count("Service");
    let at_once = match takes_orders {
        true => concurrent_checks_max(generation),
        false => concurrent_checks_max(generation).min(own),
    };
    let logs = ["FileLogger", "SyslogLogger", "JournaldLogger"].map(|it| generation.count(it));
    Need {
        links,
        checks: count(at_once).saturating_mul(PER_CHECK),
        clients: listener.as_ref().map_or(0, |_| API_CLIENTS + STRANGERS),
        files: FILES + count(logs.iter().sum()),
    }
}

impl Need {
    /// What it takes when everything happens at once.
    fn full(&self) -> u64 {
        [self.links, self.checks, self.clients, self.files]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Below this it cannot work: not all endpoints find room.
    fn least(&self) -> u64 {
        let part = Self {
            checks: self.checks.min(CHECKS_AT_LEAST * PER_CHECK),
            clients: self.clients.min(API_CLIENTS_AT_LEAST),
            ..*self
        };
        part.full()
    }

    /// Holds it against the number of descriptors that there are; `None` when there is no limit.
    pub(crate) fn judge(&self, limit: Option<u64>) -> Verdict {
        match limit {
            Some(limit) if limit < self.least() => Verdict::CannotFit(self.text(limit)),
            Some(limit) if limit < self.full() => Verdict::Tight(self.text(limit)),
            _ => Verdict::Fits,
        }
    }

    fn text(&self, limit: u64) -> String {
        let wanted = self.full().saturating_mul(5) / 4;
        format!(
            "the configuration takes up to {} open files ({self}), at least {}, and the limit is \
             {limit}; raise it, with 'LimitNOFILE={}' in the service's unit (systemctl edit) or \
             'ulimit -n' where it is started",
            self.full(),
            self.least(),
            wanted.checked_next_power_of_two().unwrap_or(wanted),
        )
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} for connections with endpoints, {} for checks, {} for API clients and strangers, \
             {} for files",
            self.links, self.checks, self.clients, self.files
        )
    }
}

/// Whether a configuration fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// With everything.
    Fits,
    /// As long as not everything happens at once.
    Tight(String),
    /// It must be refused.
    CannotFit(String),
}

impl Verdict {
    /// Warns when it is tight.
    ///
    /// # Errors
    /// When it cannot fit.
    pub(crate) fn admit(self) -> anyhow::Result<()> {
        match self {
            Self::Fits => Ok(()),
            Self::Tight(text) => {
                tracing::warn!(target: "Application", "{text}");
                Ok(())
            }
            Self::CannotFit(text) => anyhow::bail!(text),
        }
    }
}

/// How many descriptors this process may have; `None` without a limit.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit as far as the system lets this process. Returns what it was, if it changed, for
/// programs that it starts: some go through all possible descriptors, others fail with numbers
/// above 1,024.
pub(crate) fn raise() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    if before == limit.maximum {
        return None;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(target: "Application", "cannot raise the limit of open files: {error}");
        return None;
    }
    before
}

/// Says when it gets tight, once, until it has eased.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    is_high: bool,
}

/// Percent of the limit above which one is warned.
const HIGH_PERCENT: u64 = 80;

/// Percent below which it counts as eased.
const EASED_PERCENT: u64 = 70;

impl Gauge {
    /// Looks at the descriptors of this process and tells a change.
    pub(crate) fn look(&mut self) {
        let (Some(used), Some(limit)) = (used(), limit()) else {
            return;
        };
        match self.judge(used, limit) {
            Some(true) => tracing::warn!(target: "Application", "{used} of {limit} open files are \
                in use, more than {HIGH_PERCENT} %: raise 'LimitNOFILE' before connections and \
                checks fail"),
            Some(false) => tracing::info!(target: "Application", "{used} of {limit} open files \
                are in use again, less than {EASED_PERCENT} %"),
            None => {}
        }
    }

    /// Whether it has become high, or eased; nothing when neither is news.
    fn judge(&mut self, used: u64, limit: u64) -> Option<bool> {
        let percent = used.saturating_mul(100) / limit.max(1);
        let is_high = percent
            >= if self.is_high {
                EASED_PERCENT
            } else {
                HIGH_PERCENT
            };
        (std::mem::replace(&mut self.is_high, is_high) != is_high).then_some(is_high)
    }
}

/// Descriptors in use.
fn used() -> Option<u64> {
    // Newer kernels (6.2) say it without a list of thousands of entries being made.
    match fs::metadata("/proc/self/fd") {
        Ok(data) if data.len() > 0 => Some(data.len()),
        _ => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bheka_model::{ConfigObject, catalogue};
    use bheka_value::{Location, Value};

    use super::*;

    fn object(type_name: &str, name: &str, attributes: &[(&str, Value)]) -> Arc<ConfigObject> {
        Arc::new(ConfigObject {
            type_info: catalogue().type_info(type_name).unwrap(),
            name: name.into(),
            short_name: name.into(),
            zone: None,
            package: "_etc".into(),
            templates: Vec::new(),
            location: Location::default(),
            modifications: Vec::new(),
            attributes: attributes
                .iter()
                .map(|(name, value)| (*name, value.clone()))
                .collect(),
        })
    }

    fn zone(name: &str, parent: Option<&str>) -> [Arc<ConfigObject>; 2] {
        let endpoints = Value::array([Value::string(name)]);
        let parent = parent.map_or(Value::Empty, Value::string);
        let attributes = [("endpoints", endpoints), ("parent", parent)];
        [
            object("Endpoint", name, &[]),
            object("Zone", name, &attributes),
        ]
    }

    fn master(agents: usize) -> Generation {
        let mut objects = vec![object("ApiListener", "api", &[])];
        objects.extend(zone("master", None));
        for number in 0..agents {
            let name = format!("agent-{number}");
            objects.extend(zone(&name, Some("master")));
            objects.push(object("Host", &name, &[]));
            // Behind an agent: no connection of this node.
            if number < 10 {
                objects.extend(zone(&format!("below-{number}"), Some(&name)));
            }
        }
        Generation::new(1, BTreeMap::new(), objects)
    }

    fn needed_at(generation: &Generation, local_endpoint: &str) -> Need {
        needed(generation, &Topology::new(generation, local_endpoint))
    }

    #[test]
    fn seventeen_thousand_agents_fit_into_twenty_thousand_descriptors() {
        let need = needed_at(&master(17_000), "master");
        assert_eq!(need.links, 17_000);
        assert_eq!(need.checks, 512 * PER_CHECK);
        assert_eq!(need.judge(Some(20_000)), Verdict::Fits);
        assert_eq!(need.judge(None), Verdict::Fits);
        assert!(matches!(need.judge(Some(18_000)), Verdict::Tight(_)));
        let Verdict::CannotFit(text) = need.judge(Some(16_384)) else {
            panic!("{need:?}");
        };
        assert!(
            text.contains("17000 for connections")
                && text.contains("the limit is 16384")
                && text.contains("LimitNOFILE=32768"),
            "{text}"
        );
    }

    #[test]
    fn a_small_node_is_content_with_the_usual_limit() {
        let need = needed_at(&master(20), "master");
        assert_eq!(need.judge(Some(1024)), Verdict::Fits);
        // An agent knows no hosts, but runs what it is told.
        let listener = [("accept_commands", Value::Boolean(true))];
        let mut objects = vec![object("ApiListener", "api", &listener)];
        objects.extend(zone("master", None));
        objects.extend(zone("agent", Some("master")));
        let agent = Generation::new(1, BTreeMap::new(), objects);
        let need = needed_at(&agent, "agent");
        assert_eq!((need.links, need.checks), (1, 512 * PER_CHECK));
        assert!(matches!(need.judge(Some(1024)), Verdict::Tight(_)));
        let nothing = needed_at(&Generation::default(), "master");
        assert_eq!(nothing.full(), FILES);
    }

    #[test]
    fn the_warning_comes_once_until_it_has_eased() {
        let mut gauge = Gauge::default();
        let told: Vec<_> = [79, 80, 85, 79, 70, 69, 75, 80]
            .map(|used| gauge.judge(used, 100))
            .into();
        assert_eq!(
            told,
            [
                None,
                Some(true),
                None,
                None,
                None,
                Some(false),
                None,
                Some(true)
            ]
        );
    }

    #[test]
    fn descriptors_are_counted() {
        let before = used().unwrap();
        let files: Vec<_> = (0..100)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        assert!(used().unwrap() + 50 > before + files.len() as u64);
    }
}
