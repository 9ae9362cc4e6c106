//! What is kept over the end of a daemon, however it ended, and how the daemon behaves towards
//! who started it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Authority, Node, PATIENCE, Program, wait_for};

const ZONES: &str = "object Endpoint \"master\" { }\n\
    object Zone \"master\" { endpoints = [ \"master\" ] }\n";

/// Passive services, and one that is checked once in a long while.
const OBJECTS: &str = r#"
object Host "h" { check_command = "dummy"; enable_active_checks = false; max_check_attempts = 3 }
object Host "active" { check_command = "dummy"; check_interval = 6h; retry_interval = 6h }
template Service "s" {
  host_name = "h"
  check_command = "dummy"
  enable_active_checks = false
  max_check_attempts = 3
}
object Service "ok" { import "s" }
object Service "soft" { import "s"; max_check_attempts = 5 }
object Service "hard" { import "s" }
object Service "acked" { import "s" }
object Service "pending" { import "s" }
"#;

/// What of a checkable's state the API shows and a restart must not change.
const KEPT: &[&str] = &[
    "acknowledgement",
    "acknowledgement_expiry",
    "acknowledgement_last_change",
    "check_attempt",
    "flapping_current",
    "flapping_last_change",
    "force_next_check",
    "last_check",
    "last_check_result",
    "last_hard_state",
    "last_hard_state_change",
    "last_reachable",
    "last_state",
    "last_state_change",
    "last_state_type",
    "last_state_unreachable",
    "next_check",
    "previous_state_change",
    "severity",
    "state",
    "state_type",
    "problem",
    "handled",
];

const CHECKABLES: &[(&str, &str)] = &[
    ("hosts", "h"),
    ("services", "h!ok"),
    ("services", "h!soft"),
    ("services", "h!hard"),
    ("services", "h!acked"),
    ("services", "h!pending"),
];

fn node(program: Program) -> Node {
    let node = Node::new(program, "master");
    node.certify(&Authority::new());
    node.configure("", &(ZONES.to_owned() + OBJECTS));
    node
}

fn submit(node: &Node, service: Option<&str>, status: u8, text: &str) {
    let filter = match service {
        Some(service) => format!("host.name == \"h\" && service.name == \"{service}\""),
        None => "host.name == \"h\"".to_owned(),
    };
    let body = json!({
        "type": if service.is_some() { "Service" } else { "Host" },
        "filter": filter,
        "exit_status": status,
        "plugin_output": text,
        "performance_data": ["a=1.5;2;3;0;10", "'b c'=7%"],
        "check_source": "elsewhere",
    });
    let answer = node.post("/v1/actions/process-check-result", &body);
    let (status, body) = answer.expect("an answer");
    assert_eq!(status, 200, "{body:#?}");
}

/// States of all kinds.
fn fill(node: &Node) {
    submit(node, None, 1, "host is down");
    submit(node, Some("ok"), 0, "fine");
    submit(node, Some("soft"), 2, "soft and critical");
    for text in ["one", "two", "three"] {
        submit(node, Some("hard"), 1, text);
    }
    for _ in 0..3 {
        submit(node, Some("acked"), 2, "known");
    }
}

/// The attributes that are kept, of all checkables.
fn state(node: &Node) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for (plural, name) in CHECKABLES {
        let object = node
            .object(plural, name)
            .unwrap_or_else(|| panic!("{name}: {}", node.logs()));
        let mut kept: BTreeMap<String, Value> = KEPT
            .iter()
            .map(|name| ((*name).to_owned(), object[*name].clone()))
            .collect();
        if kept["last_check_result"] == json!(null) {
            // A first check is planned anew at each start.
            kept.remove("next_check");
        }
        found.insert((*name).to_owned(), kept);
    }
    found
}

#[track_caller]
fn assert_same(
    after: &BTreeMap<String, BTreeMap<String, Value>>,
    before: &BTreeMap<String, BTreeMap<String, Value>>,
) {
    for (name, attributes) in before {
        for (attribute, value) in attributes {
            assert_eq!(&after[name][attribute], value, "{attribute} of {name}");
        }
    }
}

fn snapshot(node: &Node) -> PathBuf {
    node.dir.join("data/bheka.state")
}

fn journal(node: &Node) -> PathBuf {
    node.dir.join("data/bheka.state.journal")
}

/// Waits until a text is on disk.
fn wait_saved(node: &Node, text: &str) {
    wait_for(
        &format!("'{text}' to be on disk"),
        || node.logs(),
        || {
            [snapshot(node), journal(node)].iter().find_map(|path| {
                let bytes = std::fs::read(path).ok()?;
                String::from_utf8_lossy(&bytes).contains(text).then_some(())
            })
        },
    );
}

/// The first check of this one is done, and the next one is hours away.
fn wait_planned(node: &Node) -> Value {
    let attributes = node.wait_object("hosts", "active", "was checked", |it| {
        it["last_check"].as_f64() > Some(0.0)
            && it["next_check"].as_f64() > it["last_check"].as_f64()
    });
    attributes["next_check"].clone()
}

#[test]
fn state_survives_ends_of_all_kinds() {
    if !support::has_icinga2("state_survives_ends_of_all_kinds") {
        return;
    }
    let mut node = node(Program::Bheka);
    node.start_and_wait();
    let check = json!({ "type": "Host", "filter": "host.name == \"active\"", "force": true });
    node.post("/v1/actions/reschedule-check", &check)
        .expect("an answer");
    let planned = wait_planned(&node);
    fill(&node);
    let before = state(&node);
    assert_eq!(before["h!soft"]["state_type"], 0);
    assert_eq!(before["h!hard"]["state_type"], 1);
    assert_eq!(before["h!hard"]["last_check_result"]["output"], "three");

    // In good order.
    assert!(node.stop(), "{}", node.logs());
    assert!(!journal(&node).exists(), "the snapshot holds everything");
    node.start_and_wait();
    assert_same(&state(&node), &before);
    assert_eq!(
        node.object("hosts", "active").unwrap()["next_check"],
        planned
    );

    // Attempts go on counting where they were.
    submit(&node, Some("soft"), 2, "soft still");
    let service = node.object("services", "h!soft").unwrap();
    let attempt = before["h!soft"]["check_attempt"].as_f64().unwrap() + 1.0;
    assert_eq!(service["check_attempt"].as_f64(), Some(attempt));
    assert_eq!(service["state_type"], 0);
    submit(&node, Some("ok"), 1, "after the restart");
    let before = state(&node);
    wait_saved(&node, "after the restart");
    wait_saved(&node, "soft still");

    // At once.
    node.kill();
    node.start_and_wait();
    assert_same(&state(&node), &before);
    assert_eq!(
        node.object("hosts", "active").unwrap()["next_check"],
        planned
    );

    // And again, with a record of which only the beginning reached the disk.
    submit(&node, Some("ok"), 2, "whole record");
    wait_saved(&node, "whole record");
    let before = state(&node);
    node.kill();
    let mut bytes = std::fs::read(journal(&node)).unwrap_or_default();
    bytes.extend_from_slice(b"4711:{\"name\":\"h!ok\",\"type\":\"Service\",\"upd");
    std::fs::write(journal(&node), bytes).unwrap();
    node.start_and_wait();
    assert_same(&state(&node), &before);
    let line = node.wait_log(&["warning/", "bheka.state.journal", "damaged"]);
    assert!(line.contains("bheka.state.journal.damaged"), "{line}");
    // What comes after is not lost behind the broken record.
    submit(&node, Some("ok"), 0, "after the damage");
    wait_saved(&node, "after the damage");
    node.kill();
    node.start_and_wait();
    let service = node.object("services", "h!ok").unwrap();
    assert_eq!(service["last_check_result"]["output"], "after the damage");
    assert!(node.stop(), "{}", node.logs());
}

/// Cuts a state file into its records.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':').unwrap();
        let length: usize = std::str::from_utf8(&rest[..colon])
            .unwrap()
            .parse()
            .unwrap();
        let (record, after) = rest.split_at(colon + length + 2);
        found.push(record.to_vec());
        rest = after;
    }
    found
}

#[test]
fn damage_costs_only_what_is_damaged() {
    if !support::has_icinga2("damage_costs_only_what_is_damaged") {
        return;
    }
    let mut node = node(Program::Bheka);
    node.start_and_wait();
    fill(&node);
    let before = state(&node);
    assert!(node.stop(), "{}", node.logs());
    let good = std::fs::read(snapshot(&node)).unwrap();
    let (hard, others): (Vec<_>, Vec<_>) = records(&good)
        .into_iter()
        .partition(|record| String::from_utf8_lossy(record).contains("\"h!hard\""));
    assert_eq!(hard.len(), 1);

    // Cut off within the last record: the others are there.
    let mut cut = others.concat();
    cut.extend_from_slice(&hard[0][..hard[0].len() / 2]);
    // A record that is whole though no JSON: only that one is lost.
    let mut odd = others[..2].concat();
    odd.extend_from_slice(b"9:{\"name\"::,");
    odd.extend(others[2..].concat());
    for (what, bytes) in [("cut off", cut), ("a record without sense", odd)] {
        std::fs::write(snapshot(&node), &bytes).unwrap();
        let _ = std::fs::remove_file(node.dir.join("log/console.log"));
        node.start_and_wait();
        let line = node
            .read_log("console.log")
            .lines()
            .find(|line| line.contains("warning/ConfigObject") && line.contains("is damaged"))
            .map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("{what}: no warning\n{}", node.logs()));
        assert!(
            line.contains("bheka.state' is damaged in 1 place(s), first at byte "),
            "{line}"
        );
        let mut expected = before.clone();
        expected.remove("h!hard");
        assert_same(&state(&node), &expected);
        let lost = node.object("services", "h!hard").unwrap();
        assert_eq!(lost["last_check_result"], json!(null), "{what}");
        // What was found is kept for whoever wants to look at it.
        let kept = std::fs::read(node.dir.join("data/bheka.state.damaged")).unwrap();
        assert_eq!(kept, bytes, "{what}");
        assert!(node.stop(), "{}", node.logs());
    }

    // Nothing readable at all: the daemon runs, and knows nothing.
    for (what, bytes) in [
        ("garbage", b"\x00\xffnot a state file at all".to_vec()),
        ("a huge length", b"99999999999999999999:{".to_vec()),
        ("nothing", Vec::new()),
        (
            "nesting",
            [b"200000:".as_slice(), &[b'['; 200_000], b","].concat(),
        ),
    ] {
        std::fs::write(snapshot(&node), &bytes).unwrap();
        let _ = std::fs::remove_file(journal(&node));
        let _ = std::fs::remove_file(node.dir.join("log/console.log"));
        node.start_and_wait();
        let service = node.object("services", "h!ok").unwrap();
        assert_eq!(service["last_check_result"], json!(null), "{what}");
        let is_told = node
            .read_log("console.log")
            .contains("is damaged in 1 place(s)");
        assert_eq!(is_told, !bytes.is_empty(), "{what}\n{}", node.logs());
        assert!(node.stop(), "{what}: {}", node.logs());
    }
    // The journal's records are newer than the snapshot's, garbage in it or not.
    std::fs::write(snapshot(&node), others.concat()).unwrap();
    let mut bytes = hard[0].clone();
    bytes.extend_from_slice(b"nonsense");
    std::fs::write(journal(&node), bytes).unwrap();
    node.start_and_wait();
    assert_same(&state(&node), &before);
    assert!(node.stop(), "{}", node.logs());
}

/// The records of objects that only Icinga 2 keeps state of.
fn other_records(file: &Path) -> Vec<Value> {
    let bytes = std::fs::read(file).unwrap();
    let mut found: Vec<Value> = records(&bytes)
        .iter()
        .map(|record| {
            let colon = record.iter().position(|byte| *byte == b':').unwrap();
            serde_json::from_slice(&record[colon + 1..record.len() - 1]).unwrap()
        })
        .filter(|record: &Value| {
            let ours = ["Host", "Service", "Endpoint", "ApiListener"];
            !ours.iter().any(|kind| record["type"] == *kind)
        })
        .collect();
    found.sort_by_key(Value::to_string);
    found
}

/// Takes over from a real Icinga 2 on its own directories, with what it wrote at its end.
#[test]
fn a_state_file_of_icinga2_is_read() {
    if !support::has_icinga2("a_state_file_of_icinga2_is_read") {
        return;
    }
    let mut theirs = node(Program::Icinga2);
    theirs.start_and_wait();
    fill(&theirs);
    let acknowledge = json!({
        "type": "Service", "filter": "service.name == \"acked\"", "author": "me",
        "comment": "known", "sticky": true, "notify": false
    });
    let (status, _) = theirs
        .post("/v1/actions/acknowledge-problem", &acknowledge)
        .unwrap();
    assert_eq!(status, 200);
    let check = json!({ "type": "Host", "filter": "host.name == \"active\"", "force": true });
    theirs
        .post("/v1/actions/reschedule-check", &check)
        .expect("an answer");
    let planned = wait_planned(&theirs);
    let before = state(&theirs);
    assert_eq!(before["h!acked"]["acknowledgement"], 2);
    assert!(theirs.stop(), "{}", theirs.logs());
    let file = theirs.dir.join("data/icinga2.state");
    let others = other_records(&file);
    assert!(!others.is_empty());

    theirs.program = Program::Bheka;
    let path = format!("StatePath={}", file.display());
    let start = |node: &Node| {
        let console = std::fs::File::create(node.dir.join("log/console.log")).unwrap();
        let child = daemon(node, &["-D", &path])
            .stdout(console)
            .spawn()
            .unwrap();
        wait_until_up(node);
        Running(child)
    };
    let mut ours = start(&theirs);
    let after = state(&theirs);
    assert_same(&after, &before);
    assert_eq!(
        theirs.object("hosts", "active").unwrap()["next_check"],
        planned
    );
    // And what this program saves into it is found again.
    submit(&theirs, Some("ok"), 1, "by the successor");
    ours.end();
    let mut ours = start(&theirs);
    let expect = |node: &Node| {
        let service = node.object("services", "h!ok").unwrap();
        assert_eq!(service["last_check_result"]["output"], "by the successor");
        let service = node.object("services", "h!acked").unwrap();
        assert_eq!(service["acknowledgement"], 2);
    };
    expect(&theirs);
    ours.end();
    // What only Icinga 2 understands is still there.
    assert_eq!(other_records(&file), others);
    // The way back is open, too.
    theirs.program = Program::Icinga2;
    theirs.start_and_wait();
    expect(&theirs);
}

/// A process that is killed at the end of a test.
struct Running(Child);

impl Running {
    /// Ends it in good order.
    fn end(&mut self) {
        terminate(self.0.id());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main_file(node: &Node) -> String {
    node.dir.join("etc/main.conf").display().to_string()
}

fn daemon(node: &Node, arguments: &[&str]) -> Command {
    let file = main_file(node);
    node.command(&[&["daemon", "-c", &file], arguments].concat())
}

/// As [`Node::wait_until_up`], for a daemon that the node did not start.
fn wait_until_up(node: &Node) {
    wait_for(
        "the API to answer",
        || node.logs(),
        || {
            node.get("/v1/status/IcingaApplication")
                .filter(|(status, _)| *status == 200)
        },
    );
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_second_daemon_is_refused() {
    if !support::has_icinga2("a_second_daemon_is_refused") {
        return;
    }
    let mut node = node(Program::Bheka);
    node.start_and_wait();
    let before = std::fs::read(node.dir.join("cache/bheka.vars")).unwrap();
    std::fs::write(node.dir.join("cache/bheka.vars"), b"untouched").unwrap();
    let output = daemon(&node, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let said = stdout(&output);
    let line = said
        .lines()
        .find(|line| line.contains("critical/cli"))
        .expect("a message");
    assert!(line.contains("another daemon"), "{line}");
    assert!(
        line.contains(&format!("(process {})", node.pid())),
        "{line}"
    );
    assert!(line.contains("-D InitRunDir=DIR"), "{line}");
    let vars = std::fs::read(node.dir.join("cache/bheka.vars")).unwrap();
    assert_eq!(
        vars, b"untouched",
        "the second one touches nothing of the first one"
    );
    assert!(node.is_running());
    // To look at the configuration is allowed.
    let output = daemon(&node, &["-C"]).output().unwrap();
    assert!(output.status.success(), "{}", stdout(&output));
    let vars = std::fs::read(node.dir.join("cache/bheka.vars")).unwrap();
    assert_eq!(vars.is_empty(), before.is_empty());
    // After a crash the number in the file means nothing.
    node.kill();
    assert!(node.dir.join("run/bheka.pid").exists());
    node.start_and_wait();
    assert!(node.stop(), "{}", node.logs());
    assert!(!node.dir.join("run/bheka.pid").exists());
}

#[test]
fn a_rotated_log_is_opened_anew() {
    if !support::has_icinga2("a_rotated_log_is_opened_anew") {
        return;
    }
    let mut node = node(Program::Bheka);
    node.start_and_wait();
    let (log, rotated) = (
        node.dir.join("log/debug.log"),
        node.dir.join("log/debug.log.1"),
    );
    std::fs::rename(&log, &rotated).unwrap();
    submit(&node, Some("ok"), 0, "into the old file");
    assert!(!log.exists());
    node.signal("USR1");
    wait_for(
        "the log to be opened anew",
        || node.logs(),
        || log.exists().then_some(()),
    );
    let before = std::fs::metadata(&rotated).unwrap().len();
    let (status, _) = node.get("/v1/status/CIB").unwrap();
    assert_eq!(status, 200);
    wait_for(
        "lines in the new file",
        || node.logs(),
        || {
            node.read_log("debug.log")
                .contains("/v1/status/CIB")
                .then_some(())
        },
    );
    assert_eq!(
        std::fs::metadata(&rotated).unwrap().len(),
        before,
        "nothing goes to the old file"
    );
    assert!(
        node.read_log("debug.log.1")
            .contains("Received USR1 signal")
    );
}

/// `-x` as with Icinga 2: the same severities on the console, and the same answer to nonsense.
#[test]
fn the_console_shows_what_was_asked_for() {
    if !support::has_icinga2("the_console_shows_what_was_asked_for") {
        return;
    }
    for program in [Program::Bheka, Program::Icinga2] {
        let node = node(program);
        let severities = |level: &str| {
            let output = daemon(&node, &["-C", "-x", level]).output().unwrap();
            assert_eq!(
                output.status.success(),
                level != "nonsense",
                "{}",
                stdout(&output)
            );
            let said = stdout(&output);
            let mut found: Vec<String> = said
                .lines()
                .filter_map(|line| line.strip_prefix('[')?.split_once("] ")?.1.split_once('/'))
                .map(|(severity, _)| severity.to_owned())
                .collect();
            found.sort();
            found.dedup();
            found
        };
        assert!(
            severities("debug").contains(&"information".to_owned()),
            "{program:?}"
        );
        assert!(severities("warning").is_empty(), "{program:?}");
        assert!(severities("critical").is_empty(), "{program:?}");
        assert_eq!(severities("information"), ["information"], "{program:?}");
        assert_eq!(severities("nonsense"), ["critical"], "{program:?}");
    }
}

/// Where standard input, output and error of a process lead.
fn stdio(pid: u32) -> [PathBuf; 3] {
    [0, 1, 2]
        .map(|number| std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap_or_default())
}

#[test]
fn the_daemon_leaves_its_terminal() {
    if !support::has_icinga2("the_daemon_leaves_its_terminal") {
        return;
    }
    let node = node(Program::Bheka);
    let errors = node.dir.join("log/error.log");
    let errors_text = errors.display().to_string();
    let pid_file = node.dir.join("run/bheka.pid");

    // `--close-stdio`: the start is seen, what comes later is not.
    let console = std::fs::File::create(node.dir.join("log/console.log")).unwrap();
    let child = daemon(&node, &["--close-stdio", "-e", &errors_text])
        .stdout(console.try_clone().unwrap())
        .stderr(console)
        .spawn()
        .unwrap();
    let mut child = Running(child);
    wait_until_up(&node);
    let null = PathBuf::from("/dev/null");
    assert_eq!(
        stdio(child.0.id()),
        [null.clone(), null.clone(), errors.clone()]
    );
    let console = node.read_log("console.log");
    assert!(console.contains("Instantiated 1 ApiListener."), "{console}");
    assert!(!console.contains("/v1/status"), "{console}");
    assert!(node.read_log("debug.log").contains("/v1/status"));
    child.end();
    assert_eq!(node.read_log("console.log"), console, "not a line more");

    // `-d`: returns when the daemon runs.
    let output = daemon(&node, &["-d", "--errorlog", &errors_text])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stdout(&output));
    let pid: u32 = std::fs::read_to_string(&pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let killer = KillAtEnd(pid);
    assert_eq!(stdio(pid), [null.clone(), null.clone(), errors]);
    let (status, body) = node
        .get("/v1/status/IcingaApplication")
        .expect("it runs already");
    assert_eq!(status, 200);
    let seen = &body["results"][0]["status"]["icingaapplication"]["app"]["pid"];
    assert_eq!(seen.as_u64(), Some(u64::from(pid)), "{body:#?}");
    let session = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = session
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(
        fields[3],
        pid.to_string(),
        "a session of its own: {session}"
    );
    // A second one says why it is refused, where it was started.
    let output = daemon(&node, &["-d"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("another daemon"),
        "{}",
        stdout(&output)
    );
    terminate(pid);
    wait_for(
        "the daemon to end",
        || node.logs(),
        || (!pid_file.exists()).then_some(()),
    );
    drop(killer);

    // So does one with a broken configuration.
    std::fs::write(
        node.dir.join("etc/broken.conf"),
        "object Host \"x\" { nonsense = 1 }\n",
    )
    .unwrap();
    let broken = node.dir.join("etc/broken.conf").display().to_string();
    let output = node
        .command(&["daemon", "-d", "-c", &broken])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("nonsense"), "{}", stdout(&output));
}

fn terminate(pid: u32) {
    let sent = Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// A daemon that is nobody's child any more.
struct KillAtEnd(u32);

impl Drop for KillAtEnd {
    fn drop(&mut self) {
        let path = format!("/proc/{}/exe", self.0);
        if std::fs::read_link(path).is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_bheka"))) {
            let _ = Command::new("kill")
                .args(["-KILL", &self.0.to_string()])
                .status();
        }
    }
}

#[test]
fn systemd_is_told() {
    if !support::has_icinga2("systemd_is_told") {
        return;
    }
    let node = node(Program::Bheka);
    let path = node.dir.join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 4096];
        let count = socket
            .recv(&mut buffer)
            .unwrap_or_else(|_| panic!("{}", node.logs()));
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    // Signs of life come at any time between the changes of state.
    let signs_of_life = std::cell::Cell::new(0);
    let next = || loop {
        let text = next();
        if !text.contains("WATCHDOG=1") {
            return text;
        }
        assert!(text.contains("STATUS="), "{text}");
        signs_of_life.set(signs_of_life.get() + 1);
    };
    let console = std::fs::File::create(node.dir.join("log/console.log")).unwrap();
    let child = daemon(&node, &[])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .stdout(console)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines(&next()).contains(&"READY=1".to_owned()));
    // Ready means ready: the API answers at once.
    assert!(node.get("/v1/status").is_some());
    let hang_up = || {
        let pid = child.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    let expect_reload = || {
        let reloading = lines(&next());
        assert!(
            reloading.contains(&"RELOADING=1".to_owned()),
            "{reloading:?}"
        );
        let time = reloading
            .iter()
            .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(
            time.is_some_and(|time| time.parse::<u64>().is_ok()),
            "{reloading:?}"
        );
        assert!(lines(&next()).contains(&"READY=1".to_owned()));
    };
    hang_up();
    expect_reload();
    // A configuration that is refused leaves the daemon as ready as it was.
    std::fs::write(main_file(&node), "object Nonsense\n").unwrap();
    hang_up();
    expect_reload();
    assert!(node.get("/v1/status").is_some());
    terminate(child.0.id());
    assert!(lines(&next()).contains(&"STOPPING=1".to_owned()));
    assert!(child.0.wait().unwrap().success());
    socket
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let mut buffer = [0; 64];
    assert!(socket.recv(&mut buffer).is_err(), "nothing more is said");
    assert!(signs_of_life.get() > 0);
}
