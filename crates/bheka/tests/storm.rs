//! `bheka storm` from outside: against this daemon, and against the real Icinga 2 where it is
//! installed.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Node, Program, free_port, has_icinga2, wait_for};

const BHEKA: &str = env!("CARGO_BIN_EXE_bheka");

fn storm(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(BHEKA)
        .arg("storm")
        .args(words)
        .stdin(Stdio::null())
        .env_remove("BHEKA_ICINGA2")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn report(words: &[&str]) -> Value {
    let (code, out, errors) = storm(words);
    assert_eq!(code, Some(0), "{out}{errors}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{errors}"))
}

fn part<'r>(report: &'r Value, name: &str) -> &'r Value {
    let parts = report["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part["name"] == name);
    found.unwrap_or_else(|| panic!("no part '{name}' in {report:#}"))
}

#[test]
fn a_master_of_its_own_is_started_and_loses_nobody_by_a_reload() {
    let report = report(&[
        "--agents",
        "20",
        "--start",
        BHEKA,
        "--listen",
        "127.1.0.0/16",
        "--key",
        "mixed",
        "--keys",
        "1",
        "--blackhole",
        "10",
        "--refuse",
        "5",
        "--slow",
        "5",
        "--slow-pause",
        "0.1",
        "--checks",
        "1",
        "--waves",
        "1",
        "--wave",
        "50",
        "--cut",
        "0.5",
        "--reloads",
        "1",
        "--json",
        "-",
    ]);
    assert_eq!(report["agents"], 20);
    assert_eq!(
        (&report["connectable"], &report["connected"]),
        (&17.into(), &17.into())
    );
    assert_eq!(report["complete"], true);
    let start = part(&report, "start of the master");
    assert_eq!(start["agents"]["connects"], 17);
    assert!(start["milestones"]["t100_s"].is_number(), "{start:#}");
    assert_eq!(start["handshakes"]["count"], 17);
    assert!(start["master"]["rss_bytes"].as_u64() > Some(0), "{start:#}");
    let wave = part(&report, "wave 1");
    let left = wave["agents"]["left"].as_u64().unwrap();
    assert!(
        (1..=17).contains(&left) && wave["agents"]["connects"] == left,
        "{wave:#}"
    );
    let reload = part(&report, "reload 1");
    assert_eq!(reload["agents"]["drops"], 0);
    assert_eq!(reload["agents"]["connects"], 0);
    assert_eq!(reload["milestones"]["t100_s"], 0.0);
    assert!(reload["in_force_s"].is_number(), "{reload:#}");
    assert_eq!(reload["api"]["errors"], 0);
    let checks: u64 = report["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|part| part["agents"]["checks_answered"].as_u64())
        .sum();
    assert!(checks > 0, "{report:#}");
}

#[test]
fn agents_dial_a_master_that_somebody_else_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = |path: &Path| path.display().to_string();
    let port = free_port();
    let (agents_conf, json) = (text(&at("agents.conf")), text(&at("report.json")));
    let address = format!("127.0.0.1:{port}");
    let directory = text(&at("storm"));
    let mut child = Command::new(BHEKA)
        .args(["storm", "--agents", "20", "--directory", &directory])
        .args([
            "--direction",
            "agents",
            "--dial",
            &address,
            "--retry",
            "0.2",
        ])
        .args([
            "--master",
            "the-master",
            "--config",
            &agents_conf,
            "--json",
            &json,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It writes what the master needs, and the agents try until it is there.
    let mut node = Node::new(Program::Bheka, "the-master");
    node.port = port;
    let certs = at("storm/certs");
    wait_for("the files", String::new, || {
        (certs.join("the-master.key").exists() && at("agents.conf").exists()).then_some(())
    });
    for name in ["ca.crt", "the-master.crt", "the-master.key"] {
        std::fs::copy(certs.join(name), node.dir.join("data/certs").join(name)).unwrap();
    }
    let agents = std::fs::read_to_string(at("agents.conf")).unwrap();
    assert_eq!(agents.matches("object Endpoint").count(), 20);
    let zone = "object Endpoint \"the-master\" { }\n\
                object Zone \"the-master\" { endpoints = [ \"the-master\" ] }\n";
    node.configure("", &format!("{zone}{agents}"));
    node.start();
    let status = wait_for(
        "the end of the storm",
        || node.logs(),
        || child.try_wait().unwrap(),
    );
    assert!(status.success(), "{status}");
    let report: Value = serde_json::from_slice(&std::fs::read(at("report.json")).unwrap()).unwrap();
    let connect = part(&report, "connect");
    assert_eq!(connect["agents"]["connects"], 20, "{connect:#}");
    assert_eq!(connect["agents"]["strangers"], 0);
}

#[test]
fn the_real_icinga_is_a_master_like_any_other() {
    if !has_icinga2("the storm over a stock master") {
        return;
    }
    let program = Program::Icinga2.path().display().to_string();
    let report = report(&[
        "--agents",
        "20",
        "--start",
        &program,
        "--reloads",
        "1",
        "--json",
        "-",
    ]);
    assert_eq!(
        part(&report, "start of the master")["agents"]["connects"],
        20
    );
    let reload = part(&report, "reload 1");
    assert_eq!(reload["agents"]["drops"], 20, "its process is replaced");
}

#[test]
fn what_cannot_be_done_is_said_with_the_remedy() {
    let (code, out, errors) = storm(&["--agents", "5"]);
    assert_eq!(code, Some(1));
    assert!(format!("{out}{errors}").contains("--ca"), "{out}{errors}");
    let (code, out, errors) = storm(&["--agents", "2", "--start", "/bin/false"]);
    assert_eq!(code, Some(1));
    assert!(
        format!("{out}{errors}").contains("ended with exit status: 1"),
        "{out}{errors}"
    );
    let (code, out, errors) = storm(&["--agents", "2", "--ca", "/does/not/exist"]);
    assert_eq!(code, Some(1));
    assert!(
        format!("{out}{errors}").contains("/does/not/exist"),
        "{out}{errors}"
    );
}
