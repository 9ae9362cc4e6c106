//! Checks as they run: time limits, processes, limits of output and number, soft and hard states;
//! and what comes of it, held against a real Icinga 2 on the same configuration.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use serde_json::{Value, json};
use support::{Authority, Node, Program, wait_for};

const ZONES: &str = "object Endpoint \"master\" { }\n\
    object Zone \"master\" { endpoints = [ \"master\" ] }\n";

/// `run` runs the shell text in the variable `text`. Its timeout is long enough for all that is to
/// end by itself, on a busy machine, too.
const OBJECTS: &str = r#"
object CheckCommand "run" {
  command = [ "/bin/sh", "-c", "$text$" ]
  timeout = 10
}
object Host "h" { check_command = "dummy"; enable_active_checks = false }
template Service "s" {
  host_name = "h"
  check_command = "run"
  check_interval = 6h
  retry_interval = 6h
  max_check_attempts = 3
}
"#;

fn node(program: Program, objects: &str) -> Node {
    let node = Node::new(program, "master");
    node.certify(&Authority::new());
    node.configure("", &(ZONES.to_owned() + OBJECTS + objects));
    node
}

/// Services of the template with shell texts.
fn runs(texts: &[(&str, &str)]) -> String {
    texts
        .iter()
        .map(|(name, text)| {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('$', "$$");
            format!("object Service \"{name}\" {{ import \"s\"; vars.text = \"{text}\" }}\n")
        })
        .collect()
}

/// Checks all services now.
fn check_now(node: &Node, filter: &str) {
    let body = json!({ "type": "Service", "filter": filter, "force": true });
    let (status, body) = node
        .post("/v1/actions/reschedule-check", &body)
        .expect("an answer");
    assert_eq!(status, 200, "{body:#?}");
}

/// The result of a service, once there is one.
fn result(node: &Node, service: &str) -> Value {
    let name = format!("h!{service}");
    let service = node.wait_object("services", &name, "has a result", |it| {
        it["last_check_result"] != json!(null)
    });
    service["last_check_result"].clone()
}

fn output(result: &Value) -> String {
    result["output"].as_str().unwrap_or_default().to_owned()
}

/// The processes below a process, with their names and states: `1234 sh S`.
fn children(pid: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path().join("stat");
        let Ok(stat) = std::fs::read_to_string(path) else {
            continue;
        };
        let Some((head, tail)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut fields = tail.split(' ');
        let (state, parent) = (fields.next().unwrap(), fields.next().unwrap());
        if parent == pid.to_string() {
            found.push(format!("{} {state}", head.replace('(', "")));
        }
    }
    found
}

/// Whether any process has this text in its command line.
fn is_somewhere(text: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(text)
    })
}

/// What both programs must report alike: output, status and state of plugins that end well,
/// late, by force or not at all.
#[test]
fn plugins_end_as_with_icinga2() {
    if !support::has_icinga2("plugins_end_as_with_icinga2") {
        return;
    }
    let texts = [
        ("ok", "echo 'fine|a=1;2;3;0;10'"),
        ("status-1", "echo warn; exit 1"),
        ("status-2", "echo 'crit | a=1'; exit 2"),
        ("status-3", "exit 3"),
        ("status-4", "echo four; exit 4"),
        ("status-127", "/does/not/exist"),
        ("lines", "printf 'one|a=1\\ntwo\\nthree|b=2 c=3\\n'"),
        ("both", "echo out; echo err >&2"),
        ("bytes", "printf 'a\\377b\\n'"),
        ("late", "echo before; sleep 100"),
        (
            "stubborn",
            "trap '' TERM; echo before; while :; do sleep 1; done",
        ),
        ("table", "printf 'text\\n|x=1\\n'"),
        ("blank", "printf '\\n\\n  text  \\n\\n'"),
        ("signal", "echo before; kill -9 $$"),
        ("locale", "echo \"$LC_NUMERIC\""),
        ("nice", "sleep 1; nice"),
    ];
    let missing = "object CheckCommand \"missing\" { command = [ \"/does/not/exist\", \"x y\" ] }\n\
        object Service \"missing\" { import \"s\"; check_command = \"missing\" }\n\
        object CheckCommand \"patient\" { import \"run\"; timeout = 3 }\n\
        object Service \"polite\" {\n  import \"s\"\n  check_command = \"patient\"\n  \
        vars.text = \"trap 'echo late; exit 0' TERM; echo before; sleep 100 & wait\"\n}\n";
    let mut told = Vec::new();
    for program in [Program::Bheka, Program::Icinga2] {
        let mut node = node(program, &(runs(&texts) + missing));
        node.start_and_wait();
        check_now(&node, "true");
        let mut results = Vec::new();
        for service in texts
            .iter()
            .map(|(name, _)| *name)
            .chain(["missing", "polite"])
        {
            let result = result(&node, service);
            let kept = [
                "output",
                "exit_status",
                "state",
                "performance_data",
                "command",
                "active",
            ]
            .map(|name| (name, result[name].clone()));
            results.push((service, kept));
        }
        if program == Program::Bheka {
            let mut late = result(&node, "late");
            assert_eq!(
                output(&late).matches("<Timeout exceeded.>").count(),
                1,
                "{late:#?}"
            );
            assert_eq!(late["exit_status"], 128);
            late = result(&node, "polite");
            assert_eq!(late["exit_status"], 128, "too late is too late: {late:#?}");
            assert_eq!(children(node.pid()), Vec::<String>::new());
            node.wait_log(&["warning/PluginCheckTask", "'h!late'", "exit code 128"]);
        }
        told.push(results);
    }
    for (ours, theirs) in told[0].iter().zip(&told[1]) {
        assert_eq!(ours, theirs);
    }
}

/// A plugin's whole process group ends with it when its time is up, and nobody stays a zombie.
#[test]
fn no_process_is_left_behind() {
    if !support::has_icinga2("no_process_is_left_behind") {
        return;
    }
    let unique = format!("97.{}", std::process::id());
    let mut texts: Vec<(String, String)> = (0..20)
        .map(|number| {
            (
                format!("group{number}"),
                format!("sleep {unique} & sleep {unique}; wait"),
            )
        })
        .collect();
    let orphan = format!("(trap '' TERM; sleep {unique}; sleep {unique}) & echo parent; exit 0");
    let orphan = orphan.replace(&unique, &format!("1.{}", std::process::id()));
    texts.push(("quick".to_owned(), orphan));
    let texts: Vec<(&str, &str)> = texts
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let mut node = node(Program::Bheka, &runs(&texts));
    node.start_and_wait();
    check_now(&node, "true");
    for number in 0..20 {
        let result = result(&node, &format!("group{number}"));
        assert!(
            output(&result).contains("<Timeout exceeded.>"),
            "{result:#?}"
        );
    }
    // A process that outlives its plugin does not hold up the result.
    assert_eq!(output(&result(&node, "quick")), "parent");
    wait_for(
        "all processes to end",
        || format!("{:?}", children(node.pid())),
        || (children(node.pid()).is_empty() && !is_somewhere(&unique)).then_some(()),
    );
    // At its end the daemon takes running plugins along, and their end is no result.
    let lasting = format!("98.{}", std::process::id());
    let text = format!("echo $PPID > started; sleep {lasting}");
    let long = "object CheckCommand \"long\" { command = [ \"/bin/sh\", \"-c\", \"$text$\" ] }\n\
        object Service \"long\" { import \"s\"; check_command = \"long\"; vars.text = \"";
    let objects = format!("{long}{}\" }}\n", text.replace('$', "$$"));
    node.configure("", &(ZONES.to_owned() + OBJECTS + &objects));
    node.signal("HUP");
    node.wait_object("services", "h!long", "is there", |_| true);
    check_now(&node, "service.name == \"long\"");
    wait_for(
        "the plugin to start",
        || node.logs(),
        || (node.dir.join("started").exists() && is_somewhere(&lasting)).then_some(()),
    );
    assert!(node.stop(), "{}", node.logs());
    wait_for("the plugin to end", String::new, || {
        (!is_somewhere(&lasting)).then_some(())
    });
    let state = std::fs::read_to_string(node.dir.join("data/bheka.state")).unwrap();
    assert!(!state.contains("Terminated by signal 15"), "{state}");
}

/// Output beyond the limit is cut and said so; the plugin is not blocked by it.
#[test]
fn output_has_a_limit() {
    if !support::has_icinga2("output_has_a_limit") {
        return;
    }
    let texts = [
        (
            "large",
            "head -c 1000000 /dev/zero | tr '\\0' a; echo; echo '|x=1'; exit 1",
        ),
        ("huge", "head -c 30000000 /dev/zero | tr '\\0' b; exit 2"),
        ("endless", "yes 'this goes on for ever'"),
    ];
    let mut node = node(Program::Bheka, &runs(&texts));
    node.start_and_wait();
    check_now(&node, "true");
    let large = result(&node, "large");
    assert_eq!(output(&large).trim_end().len(), 1_000_000);
    assert_eq!(
        (&large["exit_status"], &large["performance_data"]),
        (&json!(1), &json!(["x=1"]))
    );
    let huge = result(&node, "huge");
    assert_eq!(huge["exit_status"], 2);
    let text = output(&huge);
    assert!(text.len() < 5 << 20, "{}", text.len());
    assert!(
        text.ends_with("bytes discarded.>"),
        "{}",
        &text[text.len() - 100..]
    );
    let text = output(&result(&node, "endless"));
    assert!(
        text.len() < 5 << 20 && text.contains("<Timeout exceeded.>"),
        "{}",
        text.len()
    );
    let path = format!("/proc/{}/status", node.pid());
    let status = std::fs::read_to_string(path).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim();
    let peak: u64 = peak.trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 400 * 1024, "{peak} KiB");
}

/// Never more plugins at once than `MaxConcurrentChecks`, and all get their turn.
#[test]
fn checks_wait_for_their_turn() {
    if !support::has_icinga2("checks_wait_for_their_turn") {
        return;
    }
    // Each notes how many of them are there while it runs.
    let text = "echo x > running.$$; ls | grep -c '^running'; sleep 0.3; rm running.$$";
    let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    let texts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text)).collect();
    let limit = "const MaxConcurrentChecks = 3\n";
    let mut node = node(Program::Bheka, &(limit.to_owned() + &runs(&texts)));
    node.start_and_wait();
    // Not forced: a forced check does not wait in Icinga 2 either.
    let body = json!({ "type": "Service", "filter": "true" });
    let (status, _) = node.post("/v1/actions/reschedule-check", &body).unwrap();
    assert_eq!(status, 200);
    let mut most = 0;
    for name in &names {
        let seen: usize = output(&result(&node, name)).trim().parse().unwrap();
        most = most.max(seen);
    }
    assert!(most <= 3, "{most} at once");
    assert!(most > 1, "they did not run at the same time at all");
}

/// Attempts, soft and hard states, and the intervals between, of a service that fails and
/// recovers.
#[test]
fn states_become_hard() {
    if !support::has_icinga2("states_become_hard") {
        return;
    }
    let object = "object Service \"flips\" {\n  import \"s\"\n  check_interval = 6h\n  \
        retry_interval = 1s\n  max_check_attempts = 4\n  vars.text = \"cat status; exit \
        `cat status`\"\n}\n";
    let mut node = node(Program::Bheka, object);
    std::fs::write(node.dir.join("status"), "0").unwrap();
    node.start_and_wait();
    check_now(&node, "true");
    let ok = node.wait_object("services", "h!flips", "is ok", |it| it["state"] == 0);
    assert_eq!(
        (&ok["state_type"], &ok["check_attempt"]),
        (&json!(1), &json!(1))
    );
    let distance =
        |it: &Value| it["next_check"].as_f64().unwrap() - it["last_check"].as_f64().unwrap();
    assert!(distance(&ok) > 3600.0, "the long interval: {ok:#?}");

    std::fs::write(node.dir.join("status"), "2").unwrap();
    check_now(&node, "true");
    // From here on it goes by itself, every second.
    let hard = node.wait_object("services", "h!flips", "is hard", |it| {
        it["state"] == 2 && it["state_type"] == 1
    });
    assert_eq!(
        (&hard["check_attempt"], &hard["last_hard_state"]),
        (&json!(1), &json!(2))
    );
    assert!(hard["last_hard_state_change"].as_f64() > ok["last_hard_state_change"].as_f64());
    assert!(hard["last_state_change"].as_f64() < hard["last_hard_state_change"].as_f64());
    assert!(
        distance(&hard) > 3600.0,
        "the long interval again: {hard:#?}"
    );
    let before = &hard["last_check_result"]["vars_before"];
    assert_eq!(
        (&before["state_type"], &before["attempt"]),
        (&json!(0), &json!(3)),
        "{hard:#?}"
    );

    std::fs::write(node.dir.join("status"), "0").unwrap();
    check_now(&node, "true");
    let ok = node.wait_object("services", "h!flips", "is ok", |it| it["state"] == 0);
    assert_eq!(
        (&ok["state_type"], &ok["last_hard_state"]),
        (&json!(1), &json!(0))
    );
}

/// What a result looks like, without what is different each time: numbers are `0`, and where a
/// program tells of itself, only the first words count.
fn shape(result: &Value) -> Value {
    let mut shape = result.clone();
    let fields = shape.as_object_mut().expect("a result");
    for (name, value) in fields.iter_mut() {
        let is_time = [
            "execution_start",
            "execution_end",
            "schedule_start",
            "schedule_end",
        ];
        if is_time.contains(&name.as_str()) {
            assert!(value.as_f64() > Some(1.0e9), "{name}: {value}");
            *value = json!("a time");
        }
    }
    if let Some(data) = fields["performance_data"].as_array_mut() {
        for item in data.iter_mut().filter(|item| item.is_object()) {
            assert!(item["value"].is_number(), "{item:#?}");
            item["value"] = json!("a number");
        }
        // Their order is that of internal tables.
        data.sort_by_key(|item| item["label"].as_str().map(str::to_owned));
    }
    shape
}

#[test]
fn built_in_checks_answer_alike() {
    if !support::has_icinga2("built_in_checks_answer_alike") {
        return;
    }
    let objects = r#"
object CheckCommand "nothing" { import "null-check-command" }
object Service "dummy" { import "s"; check_command = "dummy"; vars.dummy_state = 2; vars.dummy_text = "dt|a=1s;2;3;0;4" }
object Service "dummy-default" { import "s"; check_command = "dummy" }
object Service "icinga" { import "s"; check_command = "icinga" }
object Service "icinga-new" { import "s"; check_command = "icinga"; vars.icinga_min_version = "99.0.0" }
object Service "cluster" { import "s"; check_command = "cluster" }
object Service "zone" { import "s"; check_command = "cluster-zone"; vars.cluster_zone = "master" }
object Service "zone-away" { import "s"; check_command = "cluster-zone"; vars.cluster_zone = "away" }
object Service "zone-unknown" { import "s"; check_command = "cluster-zone"; vars.cluster_zone = "nix" }
object Service "zone-missing" { import "s"; check_command = "cluster-zone" }
object Service "random" { import "s"; check_command = "random" }
object Service "exception" { import "s"; check_command = "exception" }
object Service "sleep" { import "s"; check_command = "sleep"; vars.sleep_time = 1 }
object Service "null" { import "s"; check_command = "nothing" }
object Endpoint "away" { }
object Zone "away" { endpoints = [ "away" ]; parent = "master" }
"#;
    let services = [
        "dummy",
        "dummy-default",
        "icinga",
        "icinga-new",
        "cluster",
        "zone",
        "zone-away",
        "zone-unknown",
        "zone-missing",
        "random",
        "exception",
        "sleep",
        "null",
    ];
    let mut told = Vec::new();
    for program in [Program::Bheka, Program::Icinga2] {
        let mut node = node(program, objects);
        node.start_and_wait();
        check_now(&node, "true");
        let results: Vec<Value> = services.iter().map(|name| result(&node, name)).collect();
        told.push(results);
    }
    for (name, (ours, theirs)) in services.iter().zip(told[0].iter().zip(&told[1])) {
        let (mut ours, mut theirs) = (shape(ours), shape(theirs));
        for it in [&mut ours, &mut theirs] {
            // It says how long the program has been running, or which version it is.
            let text = it["output"].as_str().unwrap_or_default().to_owned();
            if text.contains("has been running") {
                it["output"] = json!(text.split("running").next());
            }
            if *name == "random" {
                for field in ["state", "exit_status"] {
                    it[field] = json!("any");
                }
                it["vars_after"] = json!("any");
            }
        }
        assert_eq!(ours, theirs, "{name}");
    }
}
