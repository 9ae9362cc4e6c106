//! Configurations that take more descriptors than there are.

#![allow(clippy::unwrap_used)]

#[allow(missing_docs)]
mod support;

use std::fmt::Write as _;
use std::process::Command;

use support::{Authority, Node, Program};

fn has_tools(test: &str) -> bool {
    let there = ["/usr/bin/openssl", "/usr/bin/prlimit"]
        .iter()
        .all(|program| std::path::Path::new(program).exists());
    if !there {
        eprintln!("skipped: {test} needs the packages openssl and util-linux");
    }
    there
}

/// A master whose agents are nowhere.
fn configure(master: &Node, agents: usize) {
    let mut zones = "object Endpoint \"master\" { }\n\
                     object Zone \"master\" { endpoints = [ \"master\" ] }\n"
        .to_owned();
    for number in 0..agents {
        let _ = writeln!(
            zones,
            "object Endpoint \"a{number}\" {{ }}\n\
             object Zone \"a{number}\" {{ endpoints = [ \"a{number}\" ]; parent = \"master\" }}"
        );
    }
    master.configure("", &zones);
}

#[test]
fn what_cannot_fit_is_refused_with_the_numbers() {
    if !has_tools("what_cannot_fit_is_refused_with_the_numbers") {
        return;
    }
    let authority = Authority::new();
    let mut master = Node::new(Program::Bheka, "master");
    master.certify(&authority);
    configure(&master, 1000);
    let config = master.dir.join("etc/main.conf").display().to_string();
    let daemon = master.command(&["daemon", "-c", &config]);
    let limited = Command::new("/usr/bin/prlimit")
        .args(["--nofile=256:900", "--"])
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .output()
        .unwrap();
    assert!(!limited.status.success());
    let said = String::from_utf8_lossy(&limited.stdout) + String::from_utf8_lossy(&limited.stderr);
    assert!(
        said.contains("1000 for connections with endpoints")
            && said.contains("the limit is 900")
            && said.contains("LimitNOFILE="),
        "{said}"
    );

    // The same at a reload: what runs stays.
    configure(&master, 100);
    master.start_and_wait();
    let pid = master.pid().to_string();
    let lowered = Command::new("/usr/bin/prlimit")
        .args(["--pid", &pid, "--nofile=900:900"])
        .status();
    assert!(lowered.unwrap().success());
    configure(&master, 1000);
    master.signal("HUP");
    master.wait_log(&["Reload refused", "the limit is 900"]);
    assert!(master.object("endpoints", "a99").is_some());
    assert!(master.object("endpoints", "a100").is_none());
    assert!(master.stop());
}
