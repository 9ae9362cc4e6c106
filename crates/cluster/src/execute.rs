//! `event::ExecuteCommand`: commands that a parent wants run here, or further down.

use std::collections::BTreeMap;

use bheka_model::{CheckResult, Command, Origin};
use bheka_value::{Str, Timestamp, Value};

use crate::api::{Effect, Logged, SecurityObject, Severity};
use crate::capability::EXECUTE_ARBITRARY_COMMAND;
use crate::check_result;
use crate::cluster::Cluster;
use crate::events;
use crate::message::Message;
use crate::receive::Outcome;

/// Requests that wait or run; more are dropped without an answer (Icinga 2's limit).
pub(crate) const REMOTE_QUEUE_MAX: usize = 25_000;

/// How many executions of `execute-command` are remembered for their answers.
const EXECUTIONS_MAX: usize = 10_000;

/// Requests handed to the monitor that it has not answered.
#[derive(Debug, Default)]
pub(crate) struct RemoteQueue {
    waiting: usize,
    taken: u64,
    dropped: u64,
    executions: BTreeMap<Str, Execution>,
}

/// Where an execution was sent to.
#[derive(Debug)]
struct Execution {
    endpoint: Str,
    deadline: Timestamp,
}

impl RemoteQueue {
    pub(crate) fn finished(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    fn remember(&mut self, id: Str, endpoint: Str, deadline: Timestamp, now: Timestamp) {
        if self.executions.len() >= EXECUTIONS_MAX {
            self.executions
                .retain(|_, execution| execution.deadline >= now);
        }
        if self.executions.len() < EXECUTIONS_MAX {
            self.executions.insert(id, Execution { endpoint, deadline });
        }
    }
}

impl Cluster {
    pub(crate) fn execute_requested(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        const METHOD: &str = "event::ExecuteCommand";
        let Some(origin) = self.origin(endpoint, message) else {
            return Outcome::Done;
        };
        let zone = self.topology.zone_of(endpoint);
        let is_near = zone.is_some_and(|zone| {
            self.topology.is_local(zone) || Some(zone) == self.topology.parent_zone()
        });
        if !is_near
            || !origin
                .zone
                .as_deref()
                .is_none_or(|from| self.is_within_reach(from))
        {
            self.discard(METHOD, endpoint, "unauthorized access");
            return Outcome::Done;
        }
        if message
            .number_param("deadline")
            .is_some_and(|deadline| deadline < self.now.seconds())
        {
            self.discard(METHOD, endpoint, "its deadline has passed");
            return Outcome::Done;
        }
        match message.text_param("endpoint") {
            Some(target) if target != self.settings.local_endpoint => {
                self.forward(endpoint, &origin, &target, message)
            }
            _ => self.execute_here(endpoint, message),
        }
    }

    fn execute_here(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        let local = &self.settings.local_endpoint;
        if !self.listener.accept_commands {
            let refusal = format!("Endpoint '{local}' does not accept commands.");
            self.answer(endpoint, message, &refusal, EXIT_REFUSED);
            return Outcome::Done;
        }
        let command_type = message.text_param("command_type").unwrap_or_default();
        let command = message.text_param("command").unwrap_or_default();
        let (type_name, words) = match &*command_type {
            "check_command" => ("CheckCommand", "Check command"),
            "event_command" => ("EventCommand", "Event command"),
            "notification_command" => ("NotificationCommand", "Notification command"),
            other => return Outcome::Failed(format!("unknown command_type '{other}'")),
        };
        if self.generation.get(type_name, &command).is_none() {
            let refusal = format!("{words} '{command}' does not exist.");
            if type_name != "CheckCommand" {
                self.log(Severity::Warning, "ClusterEvents", refusal.clone());
            }
            self.answer(endpoint, message, &refusal, EXIT_UNKNOWN);
            return Outcome::Done;
        }
        let is_answered = type_name == "CheckCommand" || has_source(message);
        if is_answered {
            if self.remote.waiting >= REMOTE_QUEUE_MAX {
                self.remote.dropped += 1;
                return Outcome::Done;
            }
            self.remote.waiting += 1;
        }
        self.remote.taken += 1;
        let params = message.params.clone();
        self.effects.push(Effect::RemoteExecute {
            endpoint: endpoint.clone(),
            params,
        });
        Outcome::Done
    }

    /// Tells who asked why a command was not run, in the form it asked for.
    fn answer(&mut self, endpoint: &Str, message: &Message, text: &str, exit: f64) {
        let Some(checkable) = events::checkable(message) else {
            return;
        };
        let (method, params) = if let Some(source) = message.text_param("source") {
            let now = Value::Number(self.now.seconds());
            let fields = vec![
                ("end", now.clone()),
                ("execution", Value::String(source)),
                ("exit", Value::Number(exit)),
                ("output", Value::string(text)),
                ("start", now),
            ];
            ("event::ExecutedCommand", events::about(&checkable, fields))
        } else if message.param("command_type").as_str() == Some("check_command") {
            let result = CheckResult {
                state: 3,
                output: text.into(),
                previous_hard_state: 0,
                ..CheckResult::default()
            };
            (
                "event::CheckResult",
                events::about(&checkable, vec![("cr", check_result::to_value(&result))]),
            )
        } else {
            return;
        };
        self.send_direct(endpoint, method, params);
    }

    /// Passes a command on to an endpoint below, if everybody on the way there understands it.
    fn forward(
        &mut self,
        endpoint: &Str,
        origin: &Origin,
        target: &Str,
        message: &Message,
    ) -> Outcome {
        let path = self.topology.zone_of(target).and_then(|zone| {
            self.topology
                .child_towards(zone)
                .map(|child| (zone.clone(), child.clone()))
        });
        let Some((zone, child)) = path else {
            let text = format!("Endpoint '{target}' is not below this node's zone.");
            self.answer(endpoint, message, &text, EXIT_REFUSED);
            return Outcome::Done;
        };
        let members = self
            .topology
            .zone(&child)
            .map_or(&[][..], |zone| &zone.endpoints);
        let unable = members.iter().find(|name| {
            self.peers
                .get(*name)
                .is_none_or(|peer| peer.positions.capabilities & EXECUTE_ARBITRARY_COMMAND == 0)
        });
        if let Some(unable) = unable {
            let text = format!("Endpoint '{unable}' does not support executing commands.");
            self.answer(endpoint, message, &text, EXIT_REFUSED);
            return Outcome::Done;
        }
        let checkable = events::checkable(message);
        let object = checkable
            .as_ref()
            .and_then(|name| self.generation.checkable(name));
        let is_accessible = object.is_some_and(|object| {
            child == zone || self.topology.can_access(&child, object.zone.as_deref())
        });
        if !is_accessible {
            let text = format!("Zone '{child}' cannot access the checkable.");
            self.answer(endpoint, message, &text, EXIT_REFUSED);
            return Outcome::Done;
        }
        if let Some(source) = message.text_param("source") {
            let deadline = Timestamp(message.number_param("deadline").unwrap_or(f64::MAX));
            self.remote
                .remember(source, target.clone(), deadline, self.now);
        }
        let object = Some(SecurityObject {
            type_name: "Zone".into(),
            name: zone,
        });
        self.relay(
            origin,
            object,
            "event::ExecuteCommand",
            message.params.clone(),
            Logged::Yes,
        );
        Outcome::Done
    }

    /// What an execution came to. It is taken from the zone of the endpoint that was to run it or
    /// one above, as from everybody who may touch the checkable.
    pub(crate) fn executed_received(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        const METHOD: &str = "event::ExecutedCommand";
        let Some(origin) = self.origin(endpoint, message) else {
            return Outcome::Done;
        };
        let (Some(checkable), Some(id)) =
            (events::checkable(message), message.text_param("execution"))
        else {
            return Outcome::Failed("parameters 'host' and 'execution' must be texts".into());
        };
        let Some(object) = self.generation.checkable(&checkable) else {
            return Outcome::Done;
        };
        let executor = self
            .remote
            .executions
            .get(&*id)
            .map(|execution| &execution.endpoint);
        let is_executor_zone = |from: &str| {
            let zone = executor.and_then(|name| self.topology.zone_of(name));
            zone.is_some_and(|zone| self.topology.is_within(zone, from))
        };
        let is_allowed = origin.zone.as_deref().is_none_or(|from| {
            self.topology.can_access(from, object.zone.as_deref()) || is_executor_zone(from)
        });
        if !is_allowed {
            self.discard(METHOD, endpoint, "unauthorized access");
            return Outcome::Done;
        }
        let copied = ["end", "exit", "output", "start"]
            .map(|field| (field, message.param(field)))
            .into_iter()
            .chain([("pending", Value::Boolean(false))]);
        let executions = Value::dictionary([(id, Value::dictionary(copied))]);
        let command = Command::UpdateExecutions {
            checkable,
            executions,
        };
        self.effects.push(Effect::Command { command, origin });
        Outcome::Done
    }

    /// Learns from `event::UpdateExecutions` which endpoint is to run what.
    pub(crate) fn remember_executions(&mut self, command: &Command) {
        let Command::UpdateExecutions { executions, .. } = command else {
            return;
        };
        let Some(executions) = executions.as_dictionary() else {
            return;
        };
        for (id, entry) in executions.entries() {
            let Some(entry) = entry.as_dictionary() else {
                continue;
            };
            if let Some(Value::String(endpoint)) = entry.get("endpoint") {
                let deadline = entry.get("deadline").and_then(|value| value.to_number());
                let deadline = Timestamp(deadline.unwrap_or(f64::MAX));
                self.remote.remember(id, endpoint, deadline, self.now);
            }
        }
    }

    pub(crate) fn send_direct(&mut self, endpoint: &str, method: &str, params: Value) {
        let Some(peer) = self.peers.get(endpoint) else {
            return;
        };
        if let Some(link) = peer.link.filter(|_| !peer.syncing) {
            self.send(link, &Message::call(method, params));
        }
    }

    pub(crate) fn report_remote_queue(&mut self) {
        let (taken, dropped) = (self.remote.taken, self.remote.dropped);
        if dropped > 0 {
            let text = format!("Remote check queue ran out of slots. {dropped} checks discarded.");
            self.log(Severity::Critical, "ClusterEvents", text);
        }
        if taken > 0 {
            let waiting = self.remote.waiting;
            let text = format!("items: {waiting}, rate: {:.2}/s", taken as f64 / 10.0);
            self.log(Severity::Notice, "RemoteCheckQueue", text);
        }
        self.remote.taken = 0;
        self.remote.dropped = 0;
    }
}

fn has_source(message: &Message) -> bool {
    message.text_param("source").is_some()
}

/// Exit status for what may not be run.
const EXIT_REFUSED: f64 = 126.0;
/// Exit status for a command that does not exist.
const EXIT_UNKNOWN: f64 = 3.0;
