//! Checks that another node executes, and checks for other nodes (protocol reference, "Remote
//! execution").

use std::sync::Arc;

use bheka_model::{CheckResult, CheckableName, ConfigObject, Origin};
use bheka_value::{Dictionary, Str, Timestamp, Value};

use crate::execute::{Execution, RunPurpose, failed};
use crate::monitor::Monitor;
use crate::scope::{Application, Collected, Scope, Source};
use crate::{CommandLine, Effect, RunKind, Severity};

/// Requests that may wait; more are dropped and counted.
const QUEUE_MAX: usize = 25_000;

/// How often dropped requests are reported.
const REPORT_EVERY_S: f64 = 10.0;

/// After the timeout of the command and this, a lost answer means a new check.
const WATCHDOG_S: f64 = 30.0;

/// Before this uptime a missing connection yields no result.
const CONNECT_GRACE_S: f64 = 300.0;

/// A request of a peer to execute a command.
#[derive(Clone, Debug)]
pub(crate) struct RemoteRequest {
    endpoint: Str,
    params: Arc<Dictionary>,
}

impl RemoteRequest {
    fn text(&self, name: &str) -> Option<Str> {
        self.params
            .get(name)
            .and_then(|value| value.as_str().map(Str::new))
    }

    /// For logs: the checkable that it is about.
    pub(crate) fn subject(&self) -> Str {
        let host = self.text("host").unwrap_or_default();
        match self.text("service") {
            Some(service) => format!("{host}!{service}").into(),
            None => host,
        }
    }

    /// Whether it comes from `execute-command` and wants another answer.
    fn source(&self) -> Option<Str> {
        self.text("source")
    }

    fn addressed(&self, entries: Vec<(&'static str, Value)>) -> Value {
        let mut all: Vec<(Str, Value)> = entries
            .into_iter()
            .map(|(key, value)| (Str::new(key), value))
            .collect();
        for key in ["host", "service"] {
            if let Some(value) = self.params.get(key) {
                all.push((Str::new(key), value));
            }
        }
        Value::dictionary(all)
    }
}

impl Monitor {
    /// Has a command endpoint execute a check.
    pub(crate) fn execute_remotely(
        &mut self,
        name: &CheckableName,
        endpoint: &Str,
        schedule_start: Timestamp,
        now: Timestamp,
    ) {
        let collected = Arc::new(Collected::default());
        if let Err(text) = self.execute(name, Some(Arc::clone(&collected)), now) {
            let result = CheckResult {
                schedule_start,
                ..failed(text, now)
            };
            self.process_result(name, result, &Origin::local(), now);
            return;
        }
        let peer = self.peers.get(endpoint).copied().unwrap_or_default();
        if peer.connected {
            let Some(settings) = self.settings(name) else {
                return;
            };
            let timeout_s = settings.check_timeout_s;
            let watchdog_s = timeout_s.unwrap_or_else(|| settings.command_timeout_s()) + WATCHDOG_S;
            let command = settings.object.string("check_command");
            if !peer.syncing {
                let mut params =
                    request_params(name, "check_command", &command, collected.to_value());
                if let Some(timeout_s) = timeout_s {
                    params.push(("check_timeout", Value::Number(timeout_s)));
                }
                let params = Value::dictionary(params);
                self.out.push(Effect::ExecuteRemote {
                    endpoint: endpoint.clone(),
                    params,
                });
            }
            self.set_next_check(name, now + watchdog_s, &Origin::local());
            return;
        }
        if peer.syncing || now - self.program_start <= CONNECT_GRACE_S {
            return;
        }
        let result = CheckResult {
            state: 3,
            output: format!(
                "Remote Icinga instance '{endpoint}' is not connected to '{}'",
                self.node_name
            )
            .into(),
            schedule_start,
            execution_start: now,
            ..CheckResult::default()
        };
        self.process_result(name, result, &Origin::local(), now);
    }

    /// Has a command endpoint execute an event handler; there is no answer.
    pub(crate) fn handle_event_remotely(
        &mut self,
        name: &CheckableName,
        command: &Arc<ConfigObject>,
        endpoint: &Str,
        now: Timestamp,
    ) {
        let Some(mut scope) = self.scope(name, command, now) else {
            return;
        };
        let collected = Arc::new(Collected::default());
        scope.collected = Some(Arc::clone(&collected));
        if let Err(error) = crate::command_line::build(&Arc::new(scope), command) {
            self.log(
                Severity::Warning,
                "PluginUtility",
                format!("Error: {error}"),
            );
            return;
        }
        let peer = self.peers.get(endpoint).copied().unwrap_or_default();
        if peer.connected && !peer.syncing {
            let params = request_params(name, "event_command", &command.name, collected.to_value());
            let params = Value::dictionary(params);
            self.out.push(Effect::ExecuteRemote {
                endpoint: endpoint.clone(),
                params,
            });
        }
    }

    /// Takes a request of a peer.
    pub(crate) fn remote_execute(&mut self, endpoint: Str, params: Value, now: Timestamp) {
        let Some(params) = params.as_dictionary().cloned() else {
            return;
        };
        if self.remote_queue.len() >= QUEUE_MAX {
            if self.remote_dropped == 0 {
                self.remote_report_at = now + REPORT_EVERY_S;
            }
            self.remote_dropped += 1;
            return;
        }
        let request = RemoteRequest { endpoint, params };
        let expired = |request: &RemoteRequest| {
            let deadline = request
                .params
                .get("deadline")
                .and_then(|value| value.as_number());
            deadline.is_some_and(|deadline| deadline < now.seconds())
        };
        if expired(&request) {
            return;
        }
        self.remote_queue.push_back(request);
    }

    /// Reports requests that were dropped.
    pub(crate) fn report_dropped(&mut self, now: Timestamp) {
        if self.remote_dropped > 0 && self.remote_report_at <= now {
            let text = format!(
                "Remote check queue ran full: {} requests were dropped in the last {REPORT_EVERY_S} seconds.",
                self.remote_dropped
            );
            self.remote_dropped = 0;
            self.log(Severity::Warning, "ApiListener", text);
        }
    }

    /// Executes a request of a peer.
    pub(crate) fn start_remote(&mut self, request: RemoteRequest, now: Timestamp) {
        if !self.table.switches.accept_commands {
            let text = format!("Endpoint '{}' does not accept commands.", self.node_name);
            self.refuse(&request, &text, 126, now);
            return;
        }
        let command_type = request
            .text("command_type")
            .unwrap_or_else(|| "check_command".into());
        let command_name = request.text("command").unwrap_or_default();
        let (type_name, label) = match command_type.as_str() {
            "event_command" => ("EventCommand", "Event"),
            "notification_command" => ("NotificationCommand", "Notification"),
            _ => ("CheckCommand", "Check"),
        };
        let Some(command) = self.table.generation.get(type_name, &command_name).cloned() else {
            let text = format!("{label} command '{command_name}' does not exist.");
            if type_name == "CheckCommand" || request.source().is_some() {
                self.refuse(&request, &text, 3, now);
            }
            self.log(Severity::Warning, "ClusterEvents", text);
            return;
        };
        let scope = Arc::new(self.given_scope(&request, &command, now));
        let execution = if type_name == "CheckCommand" {
            self.dispatch(&command, &scope, None, &request.subject(), now)
        } else {
            crate::command_line::build(&scope, &command)
                .map(Execution::Run)
                .map_err(|error| format!("Error: {error}"))
        };
        match execution {
            Err(text) => {
                self.log_unusable(&text);
                let result = self.agent_result(failed(text.clone(), now), now);
                self.answer_remote(&request, result, text.into(), now);
            }
            Ok(Execution::Nothing) => {}
            Ok(Execution::Done(result)) => {
                let output = result.output.clone();
                self.answer_remote(&request, *result, output, now);
            }
            Ok(Execution::Later(result, seconds)) => {
                let request = Box::new(request);
                let run = self.begin(
                    RunPurpose::RemoteSleep { request, result },
                    Value::Empty,
                    Vec::new(),
                );
                self.sleeping.insert((crate::due::At(now + seconds), run));
            }
            Ok(Execution::Run(resolved)) => {
                let given = request
                    .params
                    .get("check_timeout")
                    .and_then(|value| value.as_number());
                let timeout_s = given.unwrap_or_else(|| command.number("timeout"));
                let subject = request.subject();
                let purpose = RunPurpose::Remote(Box::new(request));
                let run = self.begin(purpose, resolved.shown, resolved.argv.clone());
                self.out.push(Effect::Run(CommandLine {
                    run,
                    kind: RunKind::Remote,
                    subject,
                    argv: resolved.argv,
                    env: resolved.env,
                    timeout_s,
                }));
            }
        }
    }

    fn given_scope(
        &self,
        request: &RemoteRequest,
        command: &Arc<ConfigObject>,
        now: Timestamp,
    ) -> Scope {
        let given = request
            .params
            .get("macros")
            .and_then(|value| value.as_dictionary().cloned());
        let host = Value::dictionary([("name", request.params.get("host").unwrap_or_default())]);
        let application = Application {
            vars: Value::Empty,
            node_name: self.node_name.clone(),
        };
        Scope {
            now,
            program_start: self.program_start,
            time_zone: self.time_zone.clone(),
            sources: vec![
                ("host", Source::Value(host)),
                (
                    "command",
                    Source::Plain(Arc::new(crate::scope::PlainView(Arc::clone(command)))),
                ),
                ("icinga", Source::Application(Arc::new(application))),
            ],
            given: Some(given.unwrap_or_default()),
            collected: None,
            counts: Arc::default(),
        }
    }

    /// A result in the form in which agents send it: schedule times equal its completion, no
    /// variables, no history.
    fn agent_result(&self, mut result: CheckResult, now: Timestamp) -> CheckResult {
        for time in [&mut result.execution_start, &mut result.execution_end] {
            if time.is_never() {
                *time = now;
            }
        }
        result.schedule_start = now;
        result.schedule_end = now;
        result.check_source = self.node_name.clone();
        result.scheduling_source = self.node_name.clone();
        result.previous_hard_state = 0;
        result
    }

    /// Sends the result of a request to whoever asked.
    pub(crate) fn answer_remote(
        &mut self,
        request: &RemoteRequest,
        result: CheckResult,
        output: Str,
        now: Timestamp,
    ) {
        let Some(source) = request.source() else {
            if request
                .text("command_type")
                .is_none_or(|kind| kind == "check_command")
            {
                let result = self.agent_result(result, now);
                self.reply(
                    request,
                    "event::CheckResult",
                    vec![("cr", result.to_value())],
                );
            }
            return;
        };
        #[allow(clippy::cast_precision_loss)]
        let entries = vec![
            ("execution", Value::String(source)),
            ("exit", Value::Number(result.exit_status as f64)),
            ("output", Value::String(output)),
            ("start", Value::Number(result.execution_start.seconds())),
            ("end", Value::Number(result.execution_end.seconds())),
        ];
        self.reply(request, "event::ExecutedCommand", entries);
    }

    /// Answers that nothing was executed.
    fn refuse(&mut self, request: &RemoteRequest, text: &str, exit: u8, now: Timestamp) {
        if let Some(source) = request.source() {
            let entries = vec![
                ("execution", Value::String(source)),
                ("exit", Value::Number(f64::from(exit))),
                ("output", Value::string(text)),
                ("start", Value::Number(now.seconds())),
                ("end", Value::Number(now.seconds())),
            ];
            self.reply(request, "event::ExecutedCommand", entries);
            return;
        }
        if request
            .text("command_type")
            .is_some_and(|kind| kind != "check_command")
        {
            return;
        }
        let result = CheckResult {
            output: text.into(),
            previous_hard_state: 0,
            ..CheckResult::default()
        };
        self.reply(
            request,
            "event::CheckResult",
            vec![("cr", result.to_value())],
        );
    }

    fn reply(
        &mut self,
        request: &RemoteRequest,
        method: &'static str,
        entries: Vec<(&'static str, Value)>,
    ) {
        let params = request.addressed(entries);
        self.out.push(Effect::ReplyRemote {
            endpoint: request.endpoint.clone(),
            method,
            params,
        });
    }
}

fn request_params(
    name: &CheckableName,
    command_type: &str,
    command: &Str,
    macros: Value,
) -> Vec<(&'static str, Value)> {
    let mut params = vec![
        ("command_type", Value::string(command_type)),
        ("command", Value::String(command.clone())),
        ("host", Value::String(name.host.clone())),
        ("macros", macros),
    ];
    if let Some(service) = &name.service {
        params.push(("service", Value::String(service.clone())));
    }
    params
}
