//! From "due" to a command line, or to the result of an internal check.

use std::sync::Arc;

use bheka_model::{CheckResult, CheckableName, EventKind, Origin};
use bheka_value::{Str, Timestamp, Value};

use crate::command_line::{self, Resolved};
use crate::dependencies::Purpose;
use crate::due::At;
use crate::monitor::Monitor;
use crate::remote::RemoteRequest;
use crate::scope::{Collected, Scope};
use crate::{
    CommandLine, Effect, Finished, RunId, RunKind, Severity, conclude, split_output,
    split_performance_data, state_of,
};

/// Something that was started and will end.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) purpose: RunPurpose,
    /// `command` of the result.
    pub(crate) shown: Value,
    /// The first word, for texts.
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum RunPurpose {
    Check {
        checkable: CheckableName,
        schedule_start: Timestamp,
    },
    Remote(Box<RemoteRequest>),
    Event {
        checkable: CheckableName,
    },
    /// The internal check `sleep`, with its result prepared.
    Sleep {
        checkable: CheckableName,
        result: Box<CheckResult>,
    },
    /// The same for a peer.
    RemoteSleep {
        request: Box<RemoteRequest>,
        result: Box<CheckResult>,
    },
}

/// What a check command comes to.
pub(crate) enum Execution {
    /// Start this.
    Run(Resolved),
    /// An internal check has answered.
    Done(Box<CheckResult>),
    /// An internal check will answer after so many seconds.
    Later(Box<CheckResult>, f64),
    /// Nothing to do (the `null` check, or macros were only collected).
    Nothing,
}

impl Monitor {
    /// Starts what is due, as far as the limit of concurrent checks allows. Local checks and
    /// requests of peers take turns.
    pub(crate) fn start_due(&mut self, now: Timestamp) {
        // Each entry gets one chance a call, so that tiny intervals cannot hold the caller.
        let mut budget = self.due.len() + self.remote_queue.len();
        while budget > 0 && self.has_free_slot() {
            budget -= 1;
            let remote_first = self.remote_turn && !self.remote_queue.is_empty();
            self.remote_turn = !self.remote_turn;
            if !remote_first && let Some(name) = self.due.pop_due(now) {
                self.start_or_skip(&name, now);
                continue;
            }
            match self.remote_queue.pop_front() {
                Some(request) => self.start_remote(request, now),
                None => break,
            }
        }
    }

    fn start_or_skip(&mut self, name: &CheckableName, now: Timestamp) {
        let Some(live) = self.live.get(name) else {
            return;
        };
        let forced = live.state.force_next_check;
        if !forced && let Some((severity, text)) = self.reason_to_skip(name, now) {
            self.log(severity, "CheckerComponent", text);
            self.advance_next_check(name, &Origin::local(), now);
            return;
        }
        if forced {
            self.change(name, |state| state.force_next_check = false);
            self.emit(name, &Origin::local(), EventKind::ForceNextCheck(false));
        }
        self.log(
            Severity::Debug,
            "CheckerComponent",
            format!("Executing check for '{}'", name.full()),
        );
        self.start_check(name, now);
    }

    fn reason_to_skip(&self, name: &CheckableName, now: Timestamp) -> Option<(Severity, String)> {
        let settings = self.settings(name)?;
        let full = || name.full();
        if !self.is_reachable(name, Purpose::Check, now) {
            return Some((
                Severity::Notice,
                format!("Skipping check for object '{}': Dependency failed.", full()),
            ));
        }
        let (wide, what) = if name.is_service() {
            (self.table.switches.service_checks, "service")
        } else {
            (self.table.switches.host_checks, "host")
        };
        if !settings.active_checks || !wide {
            return Some((
                Severity::Notice,
                format!(
                    "Skipping check for {what} '{}': active {what} checks are disabled",
                    full()
                ),
            ));
        }
        let period = settings.check_period.as_ref()?;
        if self.in_period(period, now) {
            return None;
        }
        Some((
            Severity::Notice,
            format!(
                "Skipping check for object '{}': not in check period '{period}'",
                full()
            ),
        ))
    }

    /// Runs the check command of a checkable now.
    fn start_check(&mut self, name: &CheckableName, now: Timestamp) {
        let local = Origin::local();
        let Some(live) = self.live.get(name) else {
            return;
        };
        let schedule_start = live.state.next_check;
        let reachable = self.is_reachable(name, Purpose::State, now);
        self.change(name, |state| {
            state.last_check_started = now;
            state.last_reachable = reachable;
        });
        self.emit(name, &local, EventKind::LastCheckStarted(now));
        self.advance_next_check(name, &local, now);
        let Some(settings) = self.settings(name) else {
            return;
        };
        if let Some(endpoint) = settings.command_endpoint.clone()
            && endpoint != self.node_name
        {
            self.execute_remotely(name, &endpoint, schedule_start, now);
            return;
        }
        let execution = match self.execute(name, None, now) {
            Ok(execution) => execution,
            Err(text) => Execution::Done(Box::new(failed(text, now))),
        };
        let started = CheckResult {
            schedule_start,
            ..CheckResult::default()
        };
        self.carry_out(name, execution, started, now);
    }

    fn carry_out(
        &mut self,
        name: &CheckableName,
        execution: Execution,
        started: CheckResult,
        now: Timestamp,
    ) {
        match execution {
            Execution::Nothing => {}
            Execution::Done(mut result) => {
                result.schedule_start = started.schedule_start;
                self.process_result(name, *result, &Origin::local(), now);
            }
            Execution::Later(mut result, seconds) => {
                result.schedule_start = started.schedule_start;
                let purpose = RunPurpose::Sleep {
                    checkable: name.clone(),
                    result,
                };
                let run = self.begin(purpose, Value::Empty, Vec::new());
                self.sleeping.insert((At(now + seconds), run));
                self.occupy(name, run);
            }
            Execution::Run(resolved) => {
                let Some(settings) = self.settings(name) else {
                    return;
                };
                let timeout_s = settings.timeout_s();
                let purpose = RunPurpose::Check {
                    checkable: name.clone(),
                    schedule_start: started.schedule_start,
                };
                let run = self.begin(purpose, resolved.shown.clone(), resolved.argv.clone());
                self.occupy(name, run);
                self.out.push(Effect::Run(CommandLine {
                    run,
                    kind: RunKind::Check,
                    subject: name.full(),
                    argv: resolved.argv,
                    env: resolved.env,
                    timeout_s,
                }));
            }
        }
    }

    /// Notes something that was started.
    pub(crate) fn begin(
        &mut self,
        purpose: RunPurpose,
        shown: Value,
        arguments: Vec<String>,
    ) -> RunId {
        self.run_last += 1;
        let run = RunId(self.run_last);
        let program = arguments.first().cloned().unwrap_or_default();
        self.running.insert(
            run,
            Running {
                purpose,
                shown,
                program,
                arguments,
            },
        );
        run
    }

    fn occupy(&mut self, name: &CheckableName, run: RunId) {
        if let Some(live) = self.live.get_mut(name) {
            live.running = Some(run);
        }
        self.plan(name);
    }

    /// Evaluates the check command of a checkable; with `collected`, only its macros.
    pub(crate) fn execute(
        &mut self,
        name: &CheckableName,
        collected: Option<Arc<Collected>>,
        now: Timestamp,
    ) -> Result<Execution, String> {
        let Some(settings) = self.settings(name) else {
            return Ok(Execution::Nothing);
        };
        let Some(command) = settings.command.clone() else {
            let command = settings.object.string("check_command");
            return Err(format!("Check command '{command}' does not exist."));
        };
        let Some(mut scope) = self.scope(name, &command, now) else {
            return Ok(Execution::Nothing);
        };
        scope.collected = collected;
        let scope = Arc::new(scope);
        let mut execution = self.dispatch(&command, &scope, Some(name), &name.full(), now);
        if let Some(scope) = self.scope_with_counts(&scope, &name.host, now) {
            execution = self.dispatch(&command, &scope, Some(name), &name.full(), now);
        }
        if let Err(text) = &execution {
            self.log_unusable(text);
        }
        execution
    }

    /// Says in the log that a command line could not be made; the result says it, too.
    pub(crate) fn log_unusable(&mut self, text: &str) {
        self.log(Severity::Warning, "PluginUtility", text.to_owned());
    }

    /// Switches on the function in `execute` of a check command.
    pub(crate) fn dispatch(
        &mut self,
        command: &bheka_model::ConfigObject,
        scope: &Arc<Scope>,
        checkable: Option<&CheckableName>,
        subject: &Str,
        now: Timestamp,
    ) -> Result<Execution, String> {
        let function = command.get("execute");
        let function_name = function
            .as_function()
            .map(|function| function.info().name.clone());
        match function_name.as_deref() {
            Some("Internal#PluginCheck" | "PluginCheck") | None => {
                let resolved = command_line::build(scope, command).map_err(|error| {
                    format!(
                        "Error: {error}\n\nContext:\n\n\t(0) Executing check for object '{subject}'"
                    )
                })?;
                if resolved.argv.is_empty() {
                    return Err(format!("Error: command '{}' is empty", command.name));
                }
                if scope.collected.is_some() {
                    return Ok(Execution::Nothing);
                }
                Ok(Execution::Run(resolved))
            }
            Some(internal) if internal.starts_with("Internal#") => {
                self.internal_check(internal, command, scope, subject, now)
            }
            Some(_) if scope.collected.is_some() => Ok(Execution::Nothing),
            Some(_) => match function.as_function() {
                Some(function) => self.call_execute(function.as_ref(), checkable, now),
                None => Ok(Execution::Nothing),
            },
        }
    }

    /// A command line has ended.
    pub(crate) fn finished(&mut self, run: RunId, outcome: Finished, now: Timestamp) {
        let Some(running) = self.running.remove(&run) else {
            self.log(
                Severity::Debug,
                "CheckerComponent",
                format!("no check is known for run {}, its result is ignored", run.0),
            );
            return;
        };
        let Running {
            purpose,
            shown,
            program,
            arguments,
        } = running;
        match purpose {
            RunPurpose::Check {
                checkable,
                schedule_start,
            } => {
                let mut result =
                    self.result_of(&checkable.full(), &outcome, shown, &program, &arguments);
                result.schedule_start = schedule_start;
                self.release(&checkable, run);
                self.process_result(&checkable, result, &Origin::local(), now);
            }
            RunPurpose::Remote(request) => {
                let result =
                    self.result_of(&request.subject(), &outcome, shown, &program, &arguments);
                let (output, _) = conclude(&outcome, &program);
                self.answer_remote(&request, result, output, now);
            }
            RunPurpose::Event { checkable } => {
                let (output, status) = conclude(&outcome, &program);
                if !(0..=3).contains(&status) {
                    let text = format!(
                        "Event command for object '{}' (PID: {}, arguments: {}) terminated with \
                         exit code {status}, output: {output}",
                        checkable.full(),
                        outcome.pid,
                        quoted(&arguments),
                    );
                    self.log(Severity::Warning, "PluginEventTask", text);
                }
            }
            RunPurpose::Sleep { checkable, result } => {
                self.release(&checkable, run);
                self.process_result(&checkable, *result, &Origin::local(), now);
            }
            RunPurpose::RemoteSleep { request, result } => {
                self.answer_remote(&request, *result, Str::default(), now);
            }
        }
    }

    fn release(&mut self, name: &CheckableName, run: RunId) {
        if let Some(live) = self.live.get_mut(name)
            && live.running == Some(run)
        {
            live.running = None;
        }
        self.plan(name);
    }

    /// Ends the naps of `sleep` checks whose time is over.
    pub(crate) fn wake_sleepers(&mut self, now: Timestamp) {
        while let Some((at, run)) = self.sleeping.first().copied() {
            if at > At(now) {
                break;
            }
            self.sleeping.remove(&(at, run));
            if let Some(running) = self.running.get_mut(&run) {
                match &mut running.purpose {
                    RunPurpose::Sleep { result, .. } | RunPurpose::RemoteSleep { result, .. } => {
                        result.execution_end = now;
                        result.execution_start = now;
                    }
                    _ => {}
                }
            }
            self.finished(run, Finished::default(), now);
        }
    }

    /// The result that a finished plugin stands for.
    fn result_of(
        &mut self,
        subject: &str,
        outcome: &Finished,
        shown: Value,
        program: &str,
        arguments: &[String],
    ) -> CheckResult {
        let (output, exit_status) = conclude(outcome, program);
        if exit_status > 3 {
            let text = format!(
                "Check command for object '{subject}' (PID: {}, arguments: {}) terminated with \
                 exit code {exit_status}, output: {output}",
                outcome.pid,
                quoted(arguments),
            );
            self.log(Severity::Warning, "PluginCheckTask", text);
        }
        let parts = split_output(crate::output::trim(&output));
        CheckResult {
            state: state_of(exit_status),
            exit_status,
            output: parts.text.into(),
            performance_data: Some(split_performance_data(&parts.performance_data)),
            command: shown,
            execution_start: outcome.start,
            execution_end: outcome.end,
            ..CheckResult::default()
        }
    }

    /// Starts the event command of a checkable, if it has one that is enabled.
    pub(crate) fn run_event_handler(&mut self, name: &CheckableName, now: Timestamp) {
        let (Some(live), Some(settings)) = (self.live.get(name), self.settings(name)) else {
            return;
        };
        let is_enabled = self.table.switches.event_handlers && settings.event_handler;
        if !is_enabled || !live.authoritative {
            return;
        }
        let Some(command_name) = settings.event_command.clone() else {
            return;
        };
        let endpoint = settings.command_endpoint.clone();
        let Some(command) = self
            .table
            .generation
            .get("EventCommand", &command_name)
            .cloned()
        else {
            return;
        };
        self.log(
            Severity::Notice,
            "Checkable",
            format!(
                "Executing event handler '{command_name}' for checkable '{}'",
                name.full()
            ),
        );
        if let Some(endpoint) = endpoint.filter(|endpoint| endpoint != &self.node_name) {
            self.handle_event_remotely(name, &command, &endpoint, now);
            return;
        }
        let function = command.get("execute");
        if function
            .as_function()
            .is_some_and(|function| function.info().name == "Internal#NullEvent")
        {
            return;
        }
        let Some(scope) = self.scope(name, &command, now) else {
            return;
        };
        let scope = Arc::new(scope);
        let mut built = command_line::build(&scope, &command);
        if let Some(scope) = self.scope_with_counts(&scope, &name.host, now) {
            built = command_line::build(&scope, &command);
        }
        match built {
            Err(error) => self.log(
                Severity::Warning,
                "PluginUtility",
                format!("Error: {error}"),
            ),
            Ok(resolved) if resolved.argv.is_empty() => {}
            Ok(resolved) => {
                let purpose = RunPurpose::Event {
                    checkable: name.clone(),
                };
                let run = self.begin(purpose, resolved.shown, resolved.argv.clone());
                self.out.push(Effect::Run(CommandLine {
                    run,
                    kind: RunKind::Event,
                    subject: name.full(),
                    argv: resolved.argv,
                    env: resolved.env,
                    timeout_s: command.number("timeout"),
                }));
            }
        }
    }
}

/// The result of a check that could not even be started.
pub(crate) fn failed(text: String, now: Timestamp) -> CheckResult {
    CheckResult {
        state: 3,
        exit_status: 3,
        output: text.into(),
        performance_data: Some(Vec::new()),
        execution_start: now,
        execution_end: now,
        ..CheckResult::default()
    }
}

/// Words in single quotes, for logs.
fn quoted(arguments: &[String]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    words.join(" ")
}
