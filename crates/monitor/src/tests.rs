//! The monitor as a whole: inputs in, effects out.

use std::sync::Arc;

use bheka_model::{
    CheckResult, CheckableName, Command, ConfigObject, EventKind, Generation, Origin, StateType,
};
use bheka_value::{NativeFunction, Str, Timestamp, Value};

use crate::testing::{generation, object};
use crate::{CommandLine, Effect, Finished, Input, Monitor, RunKind};

const START: Timestamp = Timestamp(1_000_000.0);

fn words(words: &[&str]) -> Value {
    Value::array(words.iter().map(|word| Value::string(*word)))
}

fn command(name: &str, attributes: [(&str, Value); 2]) -> Arc<ConfigObject> {
    object("CheckCommand", name, attributes)
}

fn internal(name: &str, function: &str, vars: Value) -> Arc<ConfigObject> {
    let function = NativeFunction::pure(function, &[], |_, _| Ok(Value::Empty));
    command(
        name,
        [("execute", Value::Function(function)), ("vars", vars)],
    )
}

fn host(name: &str, command: &str, interval_s: f64) -> Arc<ConfigObject> {
    object(
        "Host",
        name,
        [
            ("check_command", Value::string(command)),
            ("check_interval", Value::Number(interval_s)),
            ("retry_interval", Value::Number(30.0)),
            ("max_check_attempts", Value::Number(3.0)),
            ("address", Value::string("192.0.2.1")),
        ],
    )
}

fn plugin() -> Arc<ConfigObject> {
    command(
        "ping",
        [
            ("command", words(&["/bin/ping", "$address$"])),
            ("timeout", Value::Number(9.0)),
        ],
    )
}

fn started(generation: Arc<Generation>) -> Monitor {
    let mut monitor = Monitor::new("here".into(), START);
    monitor.handle(Input::Reconfigure(generation), START);
    monitor
}

fn runs(effects: &[Effect]) -> Vec<&CommandLine> {
    effects
        .iter()
        .filter_map(|effect| {
            if let Effect::Run(line) = effect {
                Some(line)
            } else {
                None
            }
        })
        .collect()
}

fn kinds(effects: &[Effect]) -> Vec<&'static str> {
    effects
        .iter()
        .filter_map(|effect| {
            let Effect::Emit(event) = effect else {
                return None;
            };
            Some(match event.kind {
                EventKind::CheckResult(_) => "CheckResult",
                EventKind::StateChange { hard: true, .. } => "HardChange",
                EventKind::StateChange { hard: false, .. } => "SoftChange",
                EventKind::NextCheck(_) => "NextCheck",
                EventKind::LastCheckStarted(_) => "LastCheckStarted",
                EventKind::ForceNextCheck(_) => "ForceNextCheck",
                EventKind::AcknowledgementCleared { .. } => "AcknowledgementCleared",
                EventKind::Flapping(_) => "Flapping",
                _ => "other",
            })
        })
        .collect()
}

fn finish(monitor: &mut Monitor, line: &CommandLine, status: i32, at: Timestamp) -> Vec<Effect> {
    let outcome = Finished {
        exit_status: status,
        output: b"text | a=1\n".to_vec(),
        start: at - 0.5,
        end: at,
        ..Finished::default()
    };
    monitor.handle(
        Input::CheckFinished {
            run: line.run,
            outcome,
        },
        at,
    )
}

#[test]
fn a_check_goes_from_due_to_events_in_order() {
    let mut monitor = started(generation([plugin(), host("h", "ping", 300.0)]));
    let due = monitor.next_wakeup().unwrap();
    assert!(due >= START && due <= START + 60.0);
    assert!(runs(&monitor.handle(Input::Tick, due - 0.01)).is_empty());

    let effects = monitor.handle(Input::Tick, due);
    assert_eq!(kinds(&effects), ["LastCheckStarted", "NextCheck"]);
    let lines = runs(&effects);
    assert_eq!(lines[0].argv, ["/bin/ping", "192.0.2.1"]);
    assert_eq!((lines[0].kind, lines[0].timeout_s), (RunKind::Check, 9.0));
    assert!(
        runs(&monitor.handle(Input::Tick, due + 400.0)).is_empty(),
        "one at a time"
    );

    let effects = finish(&mut monitor, lines[0], 2, due + 401.0);
    assert_eq!(kinds(&effects), ["NextCheck", "CheckResult", "SoftChange"]);
    let state = monitor.state(&CheckableName::host("h")).unwrap();
    assert_eq!(
        (state.state_raw, state.state_type, state.check_attempt),
        (2, StateType::Soft, 2)
    );
    let result = state.last_check_result.clone().unwrap();
    assert_eq!(
        (result.output.as_str(), result.schedule_start),
        ("text ", due)
    );
    assert_eq!(result.check_source, "here");
    assert!(
        state.next_check <= due + 401.0 + 30.0,
        "the retry interval counts"
    );
    assert!(state.next_check > due + 401.0 + 25.0);
}

#[test]
fn a_reload_moves_nothing_that_stayed() {
    let hosts = || (0..50).map(|index| host(&format!("h{index}"), "ping", 300.0));
    let mut monitor = started(generation(hosts().chain([plugin()])));
    let due = monitor.next_wakeup().unwrap();
    let effects = monitor.handle(Input::Tick, due);
    let line = runs(&effects)[0].clone();
    let before: Vec<_> = (0..50)
        .map(|index| {
            monitor
                .state(&CheckableName::host(format!("h{index}")))
                .unwrap()
                .next_check
        })
        .collect();

    let kept = hosts().skip(1).take(48);
    let next = kept.chain([
        plugin(),
        host("h49", "ping", 100.0),
        host("new", "ping", 300.0),
    ]);
    let later = due;
    monitor.handle(Input::Reconfigure(generation(next)), later);
    for (index, before) in before.iter().enumerate().take(49).skip(1) {
        let name = CheckableName::host(format!("h{index}"));
        assert_eq!(
            monitor.state(&name).unwrap().next_check,
            *before,
            "h{index}"
        );
    }
    assert!(monitor.state(&CheckableName::host("h0")).is_none());
    let new = monitor
        .state(&CheckableName::host("new"))
        .unwrap()
        .next_check;
    assert!(new >= later && new <= later + 60.0);
    let repaced = monitor
        .state(&CheckableName::host("h49"))
        .unwrap()
        .next_check;
    assert!(repaced <= later + 100.0);

    let effects = finish(&mut monitor, &line, 0, later + 1.0);
    let counted = kinds(&effects).contains(&"CheckResult");
    assert_eq!(
        counted,
        line.subject != "h0",
        "a running check counts if its host is still there"
    );
}

#[test]
fn concurrency_is_limited_and_peers_take_turns_with_local_checks() {
    let hosts = (0..20).map(|index| host(&format!("h{index}"), "ping", 3000.0));
    let listener = object(
        "ApiListener",
        "api",
        [("accept_commands", Value::Boolean(true))],
    );
    let limit = [("concurrent_checks", Value::Number(4.0))];
    let checker = object("CheckerComponent", "checker", limit);
    let all = hosts.chain([plugin(), listener, checker]);
    let mut monitor = started(Arc::new(Generation::new(1, Default::default(), all)));
    let request = || {
        let params = Value::dictionary([
            ("command", Value::string("ping")),
            ("host", Value::string("far")),
            (
                "macros",
                Value::dictionary([("address", Value::string("10.0.0.1"))]),
            ),
        ]);
        Input::RemoteExecute {
            endpoint: "parent".into(),
            params,
        }
    };
    let early = START - 1.0;
    let mut open: Vec<CommandLine> = Vec::new();
    for _ in 0..24 {
        open.extend(runs(&monitor.handle(request(), early)).into_iter().cloned());
    }
    assert_eq!((open.len(), monitor.remote_queue.len()), (4, 20));

    let late = START + 100.0;
    let mut order = Vec::new();
    while let Some(line) = open.pop() {
        open.extend(
            runs(&finish(&mut monitor, &line, 0, late))
                .into_iter()
                .cloned(),
        );
        order.extend(open.last().map(|line| line.kind));
        assert!(open.len() <= 4 && monitor.running.len() <= 4);
    }
    let remote = order
        .iter()
        .take(20)
        .filter(|kind| **kind == RunKind::Remote)
        .count();
    assert!(
        (8..=12).contains(&remote),
        "both get their share: {order:?}"
    );
    assert!(monitor.remote_queue.is_empty());
}

#[test]
fn a_full_remote_queue_drops_and_tells() {
    let listener = object(
        "ApiListener",
        "api",
        [("accept_commands", Value::Boolean(true))],
    );
    let limit = [("concurrent_checks", Value::Number(1.0))];
    let checker = object("CheckerComponent", "checker", limit);
    let all = [plugin(), listener, checker];
    let mut monitor = started(Arc::new(Generation::new(1, Default::default(), all)));
    let params = Value::dictionary([
        ("command", Value::string("ping")),
        ("host", Value::string("far")),
        (
            "macros",
            Value::dictionary([("address", Value::string("10.0.0.1"))]),
        ),
    ]);
    for _ in 0..25_004 {
        let params = params.clone();
        monitor.handle(
            Input::RemoteExecute {
                endpoint: "parent".into(),
                params,
            },
            START,
        );
    }
    assert_eq!(monitor.remote_queue.len(), 25_000);
    assert_eq!(monitor.next_wakeup(), Some(START + 10.0));
    let effects = monitor.handle(Input::Tick, START + 10.0);
    let told = effects.iter().any(|effect| {
        matches!(effect, Effect::Log { text, .. } if text.contains("3 requests were dropped"))
    });
    assert!(told, "{effects:?}");
}

#[test]
fn counts_of_the_application_are_macros() {
    let echo = command(
        "echo",
        [
            (
                "command",
                words(&["/bin/echo", "$icinga.num_hosts_pending$,$num_services$"]),
            ),
            ("timeout", Value::Number(9.0)),
        ],
    );
    let service = object(
        "Service",
        "h!s",
        [
            ("check_command", Value::string("echo")),
            ("check_interval", Value::Number(3000.0)),
        ],
    );
    let mut monitor = started(generation([echo, service, host("h", "echo", 3000.0)]));
    let effects = monitor.handle(Input::Tick, START + 60.0);
    for line in runs(&effects) {
        assert_eq!(line.argv[1], "1,1", "{}", line.subject);
    }
    assert_eq!(runs(&effects).len(), 2);
}

#[test]
fn remote_requests_are_answered_as_agents_do() {
    let listener = object(
        "ApiListener",
        "api",
        [("accept_commands", Value::Boolean(false))],
    );
    let mut monitor = started(generation([plugin(), listener]));
    let request = |command: &str| {
        let macros = Value::dictionary([("address", Value::string("10.0.0.9"))]);
        let params = Value::dictionary([
            ("command", Value::string(command)),
            ("command_type", Value::string("check_command")),
            ("host", Value::string("far")),
            ("service", Value::string("s")),
            ("macros", macros),
            ("check_timeout", Value::Number(4.0)),
        ]);
        Input::RemoteExecute {
            endpoint: "parent".into(),
            params,
        }
    };
    let reply = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::ReplyRemote {
                endpoint,
                method,
                params,
            } => {
                assert_eq!(
                    (endpoint.as_str(), *method),
                    ("parent", "event::CheckResult")
                );
                Some(bheka_value::to_json(params))
            }
            _ => None,
        })
    };
    let wanted = |text: &str| {
        format!(
            "{{\"cr\":{{\"active\":true,\"check_source\":\"\",\"command\":null,\"execution_end\":0,\
             \"execution_start\":0,\"exit_status\":0,\"output\":\"{text}\",\
             \"performance_data\":null,\"previous_hard_state\":0,\"schedule_end\":0,\
             \"schedule_start\":0,\"scheduling_source\":\"\",\"state\":3,\"ttl\":0,\
             \"type\":\"CheckResult\",\"vars_after\":null,\"vars_before\":null}},\
             \"host\":\"far\",\"service\":\"s\"}}"
        )
    };
    let effects = monitor.handle(request("ping"), START);
    assert_eq!(
        reply(&effects).unwrap(),
        wanted("Endpoint 'here' does not accept commands.")
    );

    let listener = object(
        "ApiListener",
        "api",
        [("accept_commands", Value::Boolean(true))],
    );
    monitor.handle(Input::Reconfigure(generation([plugin(), listener])), START);
    let effects = monitor.handle(request("nope"), START);
    assert_eq!(
        reply(&effects).unwrap(),
        wanted("Check command 'nope' does not exist.")
    );

    let effects = monitor.handle(request("ping"), START);
    let line = runs(&effects)[0].clone();
    assert_eq!((line.argv[1].as_str(), line.timeout_s), ("10.0.0.9", 4.0));
    let effects = finish(&mut monitor, &line, 1, START + 2.0);
    let json = reply(&effects).unwrap();
    assert!(
        json.contains("\"check_source\":\"here\"") && json.contains("\"exit_status\":1"),
        "{json}"
    );
    assert!(
        json.contains("\"schedule_start\":1000002") && json.contains("[\"a=1\"]"),
        "{json}"
    );
}

#[test]
fn a_command_endpoint_gets_the_macros_and_a_missing_one_is_told_late() {
    let mut far = host("h", "ping", 60.0);
    let endpoint = Arc::get_mut(&mut far).unwrap();
    endpoint
        .attributes
        .insert("command_endpoint".into(), Value::string("agent"));
    let mut monitor = started(generation([plugin(), far]));
    let name = CheckableName::host("h");
    let due = monitor.next_wakeup().unwrap();
    let effects = monitor.handle(Input::Tick, due);
    assert_eq!(
        kinds(&effects),
        ["LastCheckStarted", "NextCheck"],
        "quiet in the first 300 s"
    );

    let connected = |connected| Input::PeerChanged {
        endpoint: "agent".into(),
        connected,
        syncing: false,
    };
    monitor.handle(connected(true), due);
    let due = monitor.state(&name).unwrap().next_check;
    let effects = monitor.handle(Input::Tick, due);
    let sent = effects.iter().find_map(|effect| match effect {
        Effect::ExecuteRemote { endpoint, params } => Some((endpoint.clone(), params.clone())),
        _ => None,
    });
    let (endpoint, params) = sent.unwrap();
    assert_eq!(endpoint, "agent");
    assert_eq!(
        bheka_value::to_json(&params),
        "{\"command\":\"ping\",\"command_type\":\"check_command\",\"host\":\"h\",\
         \"macros\":{\"address\":\"192.0.2.1\"}}"
    );
    assert_eq!(
        monitor.state(&name).unwrap().next_check,
        due + 9.0 + 30.0,
        "the watchdog"
    );

    let result = CheckResult {
        state: 0,
        output: "far".into(),
        ..CheckResult::default()
    };
    let command = Command::ProcessResult {
        checkable: name.clone(),
        result: Box::new(result),
    };
    let origin = Origin {
        endpoint: Some("agent".into()),
        zone: Some("agent".into()),
    };
    let effects = monitor.handle(Input::Command { command, origin }, due + 1.0);
    assert_eq!(kinds(&effects), ["NextCheck", "CheckResult", "HardChange"]);
    let result = monitor
        .state(&name)
        .unwrap()
        .last_check_result
        .clone()
        .unwrap();
    assert_eq!(
        (
            result.check_source.as_str(),
            result.scheduling_source.as_str()
        ),
        ("agent", "here")
    );

    monitor.handle(connected(false), due + 2.0);
    let late = START + 2000.0;
    monitor.handle(Input::Tick, late);
    let result = monitor
        .state(&name)
        .unwrap()
        .last_check_result
        .clone()
        .unwrap();
    assert_eq!(
        result.output,
        "Remote Icinga instance 'agent' is not connected to 'here'"
    );
    assert_eq!((result.state, result.check_source.as_str()), (3, "agent"));
}

#[test]
fn internal_checks_answer_at_once_or_after_their_nap() {
    let vars = Value::dictionary([
        ("dummy_state", Value::Number(2.0)),
        ("dummy_text", Value::string("x $host.name$|u=5ms;1;2")),
        ("sleep_time", Value::Number(2.0)),
    ]);
    let check = |function: &str| {
        let mut monitor = started(generation([
            internal("c", function, vars.clone()),
            host("h", "c", 60.0),
        ]));
        let due = monitor.next_wakeup().unwrap();
        monitor.handle(Input::Tick, due);
        if function.ends_with("SleepCheck") {
            let wake = monitor.next_wakeup().unwrap();
            assert_eq!(wake, due + 2.0);
            monitor.handle(Input::Tick, wake);
        }
        monitor
            .state(&CheckableName::host("h"))
            .unwrap()
            .last_check_result
            .clone()
            .unwrap()
    };
    let dummy = check("Internal#DummyCheck");
    assert_eq!(
        (dummy.state, dummy.output.as_str(), dummy.exit_status),
        (2, "x h", 2)
    );
    assert_eq!(
        dummy.performance_data,
        Some(vec![Value::string("u=5ms;1;2")])
    );
    assert_eq!(dummy.command, Value::string("c"));
    assert_eq!(check("Internal#SleepCheck").output, "Slept for 2 seconds.");
    assert_eq!(
        check("Internal#ExceptionCheck").output,
        "Exception occurred while checking 'h': Error: Test\n\nContext:\n\n\t(0) Executing check \
         for object 'h'\n"
    );
    let icinga = check("Internal#IcingaCheck");
    assert!(
        icinga.output.starts_with("Icinga 2 has been running for "),
        "{}",
        icinga.output
    );
    assert_eq!(icinga.performance_data.as_ref().map(Vec::len), Some(64));
}

#[test]
fn authority_is_shared_by_name() {
    let hosts = (0..40).map(|index| host(&format!("h{index}"), "ping", 300.0));
    let all = generation(hosts.chain([plugin()]));
    let count = |node: &str| {
        let mut monitor = Monitor::new(node.into(), START);
        monitor.handle(Input::Authority(crate::Authority::Hold), START);
        monitor.handle(Input::Reconfigure(Arc::clone(&all)), START);
        assert_eq!(
            monitor.next_wakeup(),
            None,
            "nothing is checked before the others are known"
        );
        let candidates = vec![Str::new("b"), Str::new("a")];
        let shared = crate::Authority::Shared {
            candidates,
            by_host: false,
        };
        monitor.handle(Input::Authority(shared), START);
        (0..40)
            .filter(|index| monitor.is_authoritative(&CheckableName::host(format!("h{index}"))))
            .count()
    };
    let (a, b) = (count("a"), count("b"));
    assert_eq!(a + b, 40);
    assert!(a > 5 && b > 5, "{a} {b}");
}

#[test]
fn acknowledgements_expire_and_forced_checks_ignore_switches() {
    let mut quiet = host("h", "ping", 300.0);
    Arc::get_mut(&mut quiet)
        .unwrap()
        .attributes
        .insert("enable_active_checks".into(), Value::Boolean(false));
    let mut monitor = started(generation([plugin(), quiet]));
    let name = CheckableName::host("h");
    let due = monitor.next_wakeup().unwrap();
    assert!(runs(&monitor.handle(Input::Tick, due)).is_empty());
    let local = Origin::local;
    let force = Command::SetForceNextCheck {
        checkable: name.clone(),
        forced: true,
    };
    monitor.handle(
        Input::Command {
            command: force,
            origin: local(),
        },
        due,
    );
    let now = Command::SetNextCheck {
        checkable: name.clone(),
        at: due,
    };
    let effects = monitor.handle(
        Input::Command {
            command: now,
            origin: local(),
        },
        due,
    );
    assert_eq!(
        kinds(&effects),
        [
            "NextCheck",
            "ForceNextCheck",
            "LastCheckStarted",
            "NextCheck"
        ]
    );
    let line = runs(&effects)[0].clone();
    finish(&mut monitor, &line, 2, due + 1.0);

    let acknowledge = Command::SetAcknowledgement {
        checkable: name.clone(),
        author: "joe".into(),
        comment: "on it".into(),
        kind: bheka_model::Acknowledgement::Sticky,
        notify: true,
        persistent: false,
        expiry: due + 50.0,
        change_time: due + 2.0,
    };
    monitor.handle(
        Input::Command {
            command: acknowledge,
            origin: local(),
        },
        due + 2.0,
    );
    assert!(monitor.next_wakeup().is_some_and(|at| at <= due + 50.0));
    let effects = monitor.handle(Input::Tick, due + 50.0);
    assert!(kinds(&effects).contains(&"AcknowledgementCleared"));
    assert_eq!(monitor.state(&name).unwrap().acknowledgement as u8, 0);
}

#[test]
fn a_result_that_a_peer_repeats_counts_once() {
    let mut monitor = started(generation([plugin(), host("h", "ping", 60.0)]));
    let name = CheckableName::host("h");
    let mut send = |start: Timestamp| {
        let result = CheckResult {
            state: 2,
            execution_start: start,
            execution_end: start + 1.0,
            check_source: "there".into(),
            ..CheckResult::default()
        };
        let command = Command::ProcessResult {
            checkable: name.clone(),
            result: Box::new(result),
        };
        let origin = Origin {
            endpoint: Some("there".into()),
            zone: None,
        };
        monitor.handle(Input::Command { command, origin }, start + 2.0);
        monitor.state(&name).map(|state| state.check_attempt)
    };
    let first = send(START + 10.0);
    assert_eq!(send(START + 10.0), first);
    assert_ne!(send(START + 20.0), first);
}

#[test]
fn a_missing_macro_is_logged() {
    let argument = Value::dictionary([
        ("value", Value::string("$nope$")),
        ("required", Value::Boolean(true)),
    ]);
    let strict = object(
        "CheckCommand",
        "strict",
        [
            ("command", words(&["/bin/true"])),
            ("arguments", Value::dictionary([("-x", argument)])),
        ],
    );
    let mut monitor = started(generation([strict, host("h", "strict", 60.0)]));
    let due = monitor.next_wakeup().unwrap();
    let effects = monitor.handle(Input::Tick, due);
    let logged: Vec<&str> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Log {
                severity: crate::Severity::Warning,
                facility: "PluginUtility",
                text,
            } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let words = "Error: Non-optional macro 'nope' used in argument '-x' is missing.\n\nContext:\n\n\t\
                 (0) Executing check for object 'h'";
    assert_eq!(logged, [words]);
    let state = monitor.state(&CheckableName::host("h")).unwrap();
    let result = state.last_check_result.as_ref().unwrap();
    assert_eq!(result.output, words);
}

#[test]
fn the_state_change_before_follows_every_result() {
    let mut monitor = started(generation([plugin(), host("h", "ping", 60.0)]));
    let name = CheckableName::host("h");
    // As Icinga 2 shows it for the exit states of a host that was never checked (UNKNOWN is DOWN).
    let never = Timestamp::NEVER;
    let at = |offset: f64| START + offset;
    for (offset, state, last, previous) in [
        (1.0, 2, never, never),
        (2.0, 0, at(2.0), never),
        (3.0, 0, at(2.0), at(2.0)),
        (4.0, 2, at(4.0), at(2.0)),
        (5.0, 2, at(4.0), at(4.0)),
    ] {
        let result = CheckResult {
            state,
            execution_start: at(offset),
            execution_end: at(offset),
            ..CheckResult::default()
        };
        let command = Command::ProcessResult {
            checkable: name.clone(),
            result: Box::new(result),
        };
        let origin = Origin::local();
        monitor.handle(Input::Command { command, origin }, at(offset));
        let found = monitor.state(&name).unwrap();
        assert_eq!(found.last_state_change, last, "{offset}");
        assert_eq!(found.previous_state_change, previous, "{offset}");
    }
}
