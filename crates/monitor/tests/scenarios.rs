//! Check results and what they did to hosts and services, step by step, against what Icinga 2
//! 2.13.6 showed. Steps that need downtimes, comments or real time end a scenario early;
//! notifications are not compared.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its cases must fail"
)]

mod loading;

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_lang::Globals;
use bheka_model::{
    Acknowledgement, Board, CheckResult, CheckableName, Command, LiveObject, Origin,
};
use bheka_monitor::{CommandLine, Effect, Finished, Input, Monitor, RunKind};
use bheka_value::{Map, Timestamp, Value, from_json};

const PRELUDE: &str = r#"
include <itl>
object CheckerComponent "checker" { }
object Endpoint "golden-master" { }
object Zone "master" { endpoints = [ "golden-master" ] }
object NotificationCommand "log" { command = [ "log.sh" ] }
object NotificationCommand "log-svc" { command = [ "log.sh" ] }
object EventCommand "log-event" {
  command = [ "log.sh", "event", "host", "$host.name$", "$host.state$", "$host.state_type$", "$host.check_attempt$" ]
}
object EventCommand "log-event-svc" {
  command = [ "log.sh", "event", "service", "$host.name$", "$service.name$", "$service.state$", "$service.state_type$", "$service.check_attempt$" ]
}
object CheckCommand "script" { command = [ "plugin.sh" ]; env.MODE = "$mode$"; timeout = 2 }
object CheckCommand "nocmd" { command = [ "/nonexistent/plugin" ] }
object CheckCommand "logged" { command = [ "log.sh", "check", "$host.name$" ] }
object CheckCommand "echoargs" {
  command = [ "/usr/bin/printf", "[%s]" ]
  arguments = {
    "-H" = { value = "$address$"; required = true; description = "x" }
    "-z" = { value = "$z$"; order = 5 }
    "-a" = { value = "$a$"; order = -2 }
    "--flag" = { set_if = "$flag$" }
    "--noflag" = { set_if = "$noflag$" }
    "--val" = { set_if = "$flag$"; value = "v" }
    "-L" = { value = "$list$" }
    "-R" = { value = "$list$"; repeat_key = false }
    "-S" = { value = "$skip$"; skip_key = true; order = 9 }
    "-K" = { key = "--key"; value = "k" }
    "--sep" = { value = "x"; separator = "=" }
    "-m" = "$missing$"
    "-f" = {{ "fn" + macro("$address$") }}
    "-e" = { value = "" }
    "-n" = { value = "$num$" }
  }
}
object User "watcher" { }
object User "second" { }
object User "disabled" { enable_notifications = false }
object User "only-recovery" { types = [ Recovery ] }
object User "only-problem" { types = [ Problem ] }
object User "only-critical" { states = [ Critical, Down ] }
object User "asleep" { period = "never" }
object User "awake" { period = "always" }
object User "g1" { groups = [ "grp" ] }
object User "g2" { groups = [ "grp" ] }
object UserGroup "grp" { }
object TimePeriod "never" { ranges = { } }
object TimePeriod "always" { ranges = { "monday" = "00:00-24:00"; "tuesday" = "00:00-24:00"; "wednesday" = "00:00-24:00"; "thursday" = "00:00-24:00"; "friday" = "00:00-24:00"; "saturday" = "00:00-24:00"; "sunday" = "00:00-24:00" } }
template Host "gh" { check_command = "dummy"; enable_active_checks = false; max_check_attempts = 3; check_interval = 1000; retry_interval = 300; address = "192.0.2.1" }
template Service "gs" { check_command = "dummy"; enable_active_checks = false; max_check_attempts = 3; check_interval = 1000; retry_interval = 300 }
template Notification "gn" { command = "log"; interval = 0; users = [ "watcher" ] }
"#;

const ATTRIBUTES: [&str; 15] = [
    "acknowledgement",
    "check_attempt",
    "downtime_depth",
    "flapping",
    "flapping_current",
    "force_next_check",
    "handled",
    "last_hard_state",
    "last_reachable",
    "last_state",
    "last_state_type",
    "problem",
    "severity",
    "state",
    "state_type",
];

fn entries(value: &Value) -> Map {
    value
        .as_dictionary()
        .map(|entries| entries.entries())
        .unwrap_or_default()
}

fn items(value: Option<&Value>) -> Vec<Value> {
    value
        .and_then(Value::as_array)
        .map(|array| array.items())
        .unwrap_or_default()
}

struct World {
    monitor: Monitor,
    board: Arc<Board>,
    now: Timestamp,
    prefix: String,
    events: Vec<String>,
    moved: BTreeMap<String, (Timestamp, Timestamp)>,
    _globals: Globals,
}

impl World {
    fn new(config: &str, prefix: &str) -> Result<Self, String> {
        let text = format!("{PRELUDE}{}", config.replace("@P@", prefix));
        let (generation, globals) = loading::generation(&text)?;
        let mut world = Self {
            monitor: Monitor::new("golden-master".into(), loading::START),
            board: Arc::new(Board::default()),
            now: loading::START,
            prefix: prefix.to_owned(),
            events: Vec::new(),
            moved: BTreeMap::new(),
            _globals: globals,
        };
        world.board.set_generation(Arc::clone(&generation));
        world.input(Input::Reconfigure(generation));
        Ok(world)
    }

    fn name(&self, object: &str) -> CheckableName {
        CheckableName::from_full(&format!("{}{object}", self.prefix))
    }

    fn input(&mut self, input: Input) {
        let effects = self.monitor.handle(input, self.now);
        for effect in effects {
            match effect {
                Effect::Publish(name) => {
                    if let Some(state) = self.monitor.state(&name) {
                        self.board.publish(&name, state);
                    }
                }
                Effect::Run(line) if line.kind == RunKind::Event => {
                    self.events
                        .push(line.argv[1..].join("|").replace(&self.prefix, "@P@"));
                    self.input(Input::CheckFinished {
                        run: line.run,
                        outcome: Finished::default(),
                    });
                }
                Effect::Run(line) => {
                    let mut outcome = plugin(&line);
                    (outcome.start, outcome.end) = (self.now, self.now);
                    self.input(Input::CheckFinished {
                        run: line.run,
                        outcome,
                    });
                }
                _ => {}
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command {
            command,
            origin: Origin::local(),
        });
    }

    /// Does a step; false when it needs what is not compared here.
    fn step(&mut self, action: &str, args: &Map) -> bool {
        self.now = self.now + 1.0;
        let object = args.get("obj").and_then(Value::as_str).unwrap_or_default();
        let checkable = self.name(object);
        let number = |name: &str| args.get(name).and_then(Value::as_number);
        match action {
            "process-check-result" => {
                let status = number("status").unwrap_or(0.0) as u8;
                let state = if checkable.is_service() {
                    status
                } else {
                    status.min(1) * 2
                };
                let output = args
                    .get("output")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let mut result = CheckResult {
                    state,
                    exit_status: i64::from(status),
                    output: output.into(),
                    performance_data: Some(Vec::new()),
                    active: false,
                    ttl: number("ttl").unwrap_or(0.0),
                    ..CheckResult::default()
                };
                if let (Some(start), Some(end)) = (number("exec_start"), number("exec_end")) {
                    result.execution_start = self.now + start;
                    result.execution_end = self.now + end;
                }
                self.command(Command::ProcessResult {
                    checkable,
                    result: Box::new(result),
                });
            }
            "acknowledge" => {
                let problem = self.monitor.state(&checkable).is_some_and(|state| {
                    bheka_monitor::is_problem(state, !checkable.is_service())
                        && state.acknowledgement == Acknowledgement::None
                });
                let sticky = args.get("sticky").is_some_and(Value::is_true);
                let kind = if sticky {
                    Acknowledgement::Sticky
                } else {
                    Acknowledgement::Normal
                };
                if problem {
                    self.command(Command::SetAcknowledgement {
                        checkable,
                        author: "auth".into(),
                        comment: "ack comment".into(),
                        kind,
                        notify: true,
                        persistent: false,
                        expiry: number("expiry")
                            .map_or(Timestamp::NEVER, |expiry| self.now + expiry),
                        change_time: self.now,
                    });
                }
            }
            "unack" => self.command(Command::ClearAcknowledgement {
                checkable,
                author: "auth".into(),
                change_time: self.now,
            }),
            "force-check" => {
                let at = self.now;
                self.command(Command::SetForceNextCheck {
                    checkable: checkable.clone(),
                    forced: true,
                });
                self.command(Command::SetNextCheck { checkable, at });
            }
            _ => return false,
        }
        true
    }

    fn observe(&mut self, object: &str) -> BTreeMap<String, Value> {
        let name = self.name(object);
        let live = LiveObject::find(&self.board, name.type_name(), &name.full()).unwrap();
        let attribute = |attribute: &str| {
            use bheka_value::ObjectView;
            live.attribute(attribute).unwrap_or_default()
        };
        let mut seen: BTreeMap<String, Value> = ATTRIBUTES
            .iter()
            .map(|name| ((*name).to_owned(), attribute(name)))
            .collect();
        let current = attribute("flapping_current").as_number().unwrap_or(-1.0);
        seen.insert(
            "flapping_current".into(),
            Value::Number((current * 100.0).round() / 100.0),
        );

        let state = self.monitor.state(&name).unwrap();
        let now = (state.last_state_change, state.last_hard_state_change);
        let before = self.moved.insert(object.to_owned(), now).unwrap_or(now);
        seen.insert(
            "state_change_moved".into(),
            Value::Boolean(now.0 != before.0),
        );
        seen.insert(
            "hard_change_moved".into(),
            Value::Boolean(now.1 != before.1),
        );
        let last = state
            .last_check_result
            .as_ref()
            .map(|result| result.schedule_end);
        let ahead = state.next_check - last.unwrap_or_default();
        let near = |interval: f64| (ahead - interval).abs() <= (0.03 * interval).max(2.0);
        let class = match last {
            None => "unset",
            _ if near(attribute("check_interval").as_number().unwrap()) => "check",
            _ if near(attribute("retry_interval").as_number().unwrap()) => "retry",
            _ if ahead <= 0.0 => "past",
            _ => "other",
        };
        seen.insert("next_check_class".into(), Value::string(class));
        seen
    }
}

/// What the plugins of the recording printed.
fn plugin(line: &CommandLine) -> Finished {
    let mode = line
        .env
        .iter()
        .find(|(name, _)| name == "MODE")
        .map_or("", |(_, mode)| mode);
    let (output, exit_status, signal) = match (line.argv[0].as_str(), mode) {
        ("/usr/bin/printf", _) => (
            line.argv[2..]
                .iter()
                .map(|word| format!("[{word}]"))
                .collect(),
            0,
            None,
        ),
        ("plugin.sh", "multi") => {
            let text = "first line | a=1 b=2;3\nsecond line\nthird line | c=3\nd=4 e=5\n";
            (text.to_owned(), 1, None)
        }
        ("plugin.sh", "perf") => {
            let text = "TEXT | a=1s;2;3;0;9 'with space'=5% c=0.5MB d=U e=1e3 f=-2;@1:2;~:5 \
                        g=1;2 bad x= h=3";
            (text.to_owned(), 0, None)
        }
        ("plugin.sh", "empty") => (String::new(), 2, None),
        ("plugin.sh", "spaces") => ("   padded   \n\n  \n".to_owned(), 0, None),
        ("plugin.sh", "stderr") => ("to stderr\nto stdout\n".to_owned(), 1, None),
        ("plugin.sh", "stderronly") => ("only stderr\n".to_owned(), 1, None),
        ("plugin.sh", "nul") => ("a\0b".to_owned(), 0, None),
        ("plugin.sh", "html") => ("<b>bold</b> & \"quotes\" \\n literal".to_owned(), 0, None),
        ("plugin.sh", "long") => ("x".repeat(200_000), 0, None),
        ("plugin.sh", "kill:KILL") => ("before signal\n".to_owned(), 0, Some(9)),
        ("plugin.sh", "kill:TERM") => ("before signal\n".to_owned(), 0, Some(15)),
        ("plugin.sh", mode) => match mode.split_once(':') {
            Some(("exit", status)) => {
                (format!("exiting {status}\n"), status.parse().unwrap(), None)
            }
            Some(("sleep", _)) => ("before sleep\n".to_owned(), 0, Some(15)),
            _ => (format!("unknown mode [{mode}]\n"), 3, None),
        },
        _ => (String::new(), 0, None),
    };
    Finished {
        exit_status,
        signal,
        timed_out: mode.starts_with("sleep:"),
        output: output.into_bytes(),
        ..Finished::default()
    }
}

fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_number(), wanted.as_number()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() < 0.011,
        _ => found.equals(wanted),
    }
}

/// Runs a scenario as far as it goes; the number of steps that were compared.
fn run(scenario: &Map) -> Result<usize, String> {
    let prefix = scenario
        .get("prefix")
        .and_then(Value::as_str)
        .unwrap_or("p_");
    let mut world = World::new(scenario["config"].as_str().unwrap(), prefix)?;
    let watch: Vec<String> = items(scenario.get("watch"))
        .iter()
        .map(|object| object.as_str().unwrap().to_owned())
        .collect();
    for object in &watch {
        world.observe(object);
    }
    for (index, step) in items(scenario.get("steps")).iter().enumerate() {
        let step = entries(step);
        world.events.clear();
        if !world.step(step["do"].as_str().unwrap(), &entries(&step["args"])) {
            return Ok(index);
        }
        let expect = entries(&step["expect"]);
        let ignore: Vec<String> = items(expect.get("ignore"))
            .iter()
            .map(|path| path.as_str().unwrap().to_owned())
            .collect();
        let wanted = expect.get("objects").map(entries).unwrap_or_default();
        for object in &watch {
            let seen = world.observe(object);
            let Some(wanted) = wanted.get(object.as_str()) else {
                continue;
            };
            for (name, wanted) in entries(wanted) {
                let path = format!("objects.{object}.{name}");
                if ignore.contains(&path) {
                    continue;
                }
                let found = &seen[name.as_str()];
                if !same(found, &wanted) {
                    return Err(format!("step {index}: {path} is {found:?}, not {wanted:?}"));
                }
            }
        }
        compare_events(&world, &expect).map_err(|why| format!("step {index}: {why}"))?;
        compare_result(&world, &entries(&step["args"]), &expect)
            .map_err(|why| format!("step {index}: {why}"))?;
    }
    Ok(items(scenario.get("steps")).len())
}

fn compare_events(world: &World, expect: &Map) -> Result<(), String> {
    let mut wanted: Vec<String> = items(expect.get("log"))
        .iter()
        .filter_map(|line| line.as_str().filter(|line| line.starts_with("event|")))
        .map(str::to_owned)
        .collect();
    let mut found = world.events.clone();
    wanted.sort();
    found.sort();
    if wanted == found {
        Ok(())
    } else {
        Err(format!("events {found:?} instead of {wanted:?}"))
    }
}

fn compare_result(world: &World, args: &Map, expect: &Map) -> Result<(), String> {
    let Some(wanted) = expect.get("result").map(entries) else {
        return Ok(());
    };
    let object = args.get("obj").and_then(Value::as_str).unwrap_or_default();
    let state = world.monitor.state(&world.name(object)).unwrap();
    let result = state.last_check_result.as_ref().ok_or("no result")?;
    let result = entries(&result.to_value());
    for (path, wanted) in wanted {
        let Some(field) = path.strip_prefix("last_check_result.") else {
            continue;
        };
        if field == "command" || wanted.as_dictionary().is_some() {
            continue;
        }
        let found = match &result[field] {
            Value::String(text) => Value::string(text.replace(&world.prefix, "@P@")),
            other => other.clone(),
        };
        if !found.equals(&wanted) {
            return Err(format!("{path} is {found:?}, not {wanted:?}"));
        }
    }
    Ok(())
}

#[test]
fn golden_scenarios_of_icinga_2() {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testdata/states/scenarios"
    );
    let mut wrong = Vec::new();
    let (mut steps, mut whole) = (0, 0);
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in &paths {
        let scenario = entries(&from_json(&std::fs::read(path).unwrap()).unwrap());
        match run(&scenario) {
            Ok(compared) => {
                steps += compared;
                whole += usize::from(compared == items(scenario.get("steps")).len());
            }
            Err(why) => wrong.push(format!("{:?}: {why}", scenario["id"])),
        }
    }
    println!(
        "{steps} steps, {whole} of {} scenarios to their end",
        paths.len()
    );
    assert!(steps >= 400, "only {steps} steps compared");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
