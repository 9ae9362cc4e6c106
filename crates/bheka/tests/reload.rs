//! What a reload takes up: listener, certificate; and signals at awkward moments.

#![allow(clippy::unwrap_used)]

#[allow(missing_docs)]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Authority, Node, Program, free_port, wait_for};

fn has_openssl(test: &str) -> bool {
    let there = Path::new("/usr/bin/openssl").exists();
    if !there {
        eprintln!("skipped: {test} needs the package openssl");
    }
    there
}

fn master(authority: &Authority) -> Node {
    let master = Node::new(Program::Bheka, "master");
    master.certify(authority);
    configure(&master);
    master
}

fn configure(master: &Node) {
    let zones = "object Endpoint \"master\" { }\n\
                 object Zone \"master\" { endpoints = [ \"master\" ] }\n\
                 object Host \"h\" { check_command = \"dummy\"; check_interval = 1h }\n";
    master.configure("", zones);
}

/// The serial number of the certificate that is shown on a port.
fn serial(port: u16) -> Option<String> {
    let shown = Command::new("timeout")
        .args(["10", "openssl", "s_client", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let mut reader = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    std::io::Write::write_all(&mut reader.stdin.take()?, &shown.stdout).ok()?;
    let output = reader.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[test]
fn a_reload_takes_another_port_and_another_certificate() {
    if !has_openssl("a_reload_takes_another_port_and_another_certificate") {
        return;
    }
    let authority = Authority::new();
    let mut master = master(&authority);
    master.start_and_wait();
    let (old_port, old_serial) = (master.port, serial(master.port).unwrap());
    authority.issue("master", &master.dir.join("data/certs"), "master");
    master.port = free_port();
    configure(&master);
    master.signal("HUP");
    master.wait_until_up();
    let new_serial = wait_for("a certificate", || master.logs(), || serial(master.port));
    assert_ne!(new_serial, old_serial);
    wait_for(
        "the old port to close",
        || master.logs(),
        || {
            std::net::TcpStream::connect(("127.0.0.1", old_port))
                .is_err()
                .then_some(())
        },
    );
    // A certificate that cannot be used is refused as a whole, and the one before stays.
    std::fs::write(master.dir.join("data/certs/master.crt"), "nonsense").unwrap();
    master.signal("HUP");
    master.wait_log(&["The running configuration stays in force"]);
    assert_eq!(serial(master.port).unwrap(), new_serial);
    assert!(master.stop());
}

#[test]
fn a_port_that_is_taken_leaves_the_listener_as_it_was() {
    if !has_openssl("a_port_that_is_taken_leaves_the_listener_as_it_was") {
        return;
    }
    let authority = Authority::new();
    let mut master = master(&authority);
    master.start_and_wait();
    let port = master.port;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    master.port = taken.local_addr().unwrap().port();
    configure(&master);
    master.signal("HUP");
    master.wait_log(&["cannot listen on", "the listener stays as it was"]);
    master.port = port;
    assert!(master.get("/v1/status/IcingaApplication").is_some());
    assert!(master.stop());
}

#[test]
fn signals_during_the_start_end_it_in_order_or_wait() {
    if !has_openssl("signals_during_the_start_end_it_in_order_or_wait") {
        return;
    }
    let authority = Authority::new();
    let mut master = master(&authority);
    // Large enough that loading it takes a while.
    let many = "for (i in range(20000)) { object Host \"many\" + i { check_command = \"dummy\"; \
                check_interval = 1h } }\n";
    let config = master.dir.join("etc/main.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + many).unwrap();
    master.start();
    master.wait_log(&["Loading configuration file(s)"]);
    master.signal("HUP");
    master.wait_until_up();
    master.wait_log(&["Reloaded the configuration"]);
    // An end does not wait for a reload.
    master.signal("HUP");
    assert!(master.stop(), "{}", master.logs());

    for log in ["console.log", "debug.log"] {
        std::fs::remove_file(master.dir.join("log").join(log)).unwrap();
    }
    master.start();
    master.wait_log(&["Loading configuration file(s)"]);
    assert!(master.stop(), "{}", master.logs());
}

#[test]
fn a_failed_reload_is_forgotten_once_one_succeeds() {
    if !has_openssl("a_failed_reload_is_forgotten_once_one_succeeds") {
        return;
    }
    let authority = Authority::new();
    let mut master = master(&authority);
    let config = master.dir.join("etc/main.conf");
    let text = std::fs::read_to_string(&config).unwrap()
        + "object Host \"self\" { check_command = \"icinga\"; check_interval = 1s; \
           retry_interval = 1s }\n";
    std::fs::write(&config, &text).unwrap();
    master.start_and_wait();
    std::fs::write(&config, text.clone() + "object Host { }\n").unwrap();
    master.signal("HUP");
    let says_failed = |attrs: &serde_json::Value| {
        let output = attrs["last_check_result"]["output"]
            .as_str()
            .unwrap_or_default();
        output.contains("Last reload attempt failed")
    };
    master.wait_object("hosts", "self", "tells of the failure", says_failed);
    std::fs::write(&config, text).unwrap();
    master.signal("HUP");
    master.wait_object("hosts", "self", "has forgotten it", |attrs| {
        !says_failed(attrs)
    });
    assert!(master.stop());
}

/// What the status says of reloads.
fn reloads(node: &Node) -> serde_json::Value {
    let (_, status) = node.get("/v1/status/IcingaApplication").unwrap();
    status["results"][0]["status"]["icingaapplication"]["app"]["reload"].clone()
}

#[test]
fn the_api_reloads_in_place_and_tells_what_came_of_it() {
    if !has_openssl("the_api_reloads_in_place_and_tells_what_came_of_it") {
        return;
    }
    let authority = Authority::new();
    let mut master = master(&authority);
    master.start_and_wait();
    assert_eq!(reloads(&master), serde_json::Value::Null);
    let pid = master.pid();
    let config = master.dir.join("etc/main.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    let added = text.clone() + "object Host \"new\" { check_command = \"dummy\" }\n";
    std::fs::write(&config, added).unwrap();
    let (status, body) = master
        .post("/v1/actions/restart-process", &serde_json::json!({}))
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["results"][0]["status"], "Restarting Icinga 2.");
    master.wait_object("hosts", "new", "exists", |_| true);
    let said = wait_for(
        "the report",
        || master.logs(),
        || Some(reloads(&master)).filter(|said| said["succeeded"] == 1.0),
    );
    assert_eq!(said["last"]["cause"], "API user 'root'");
    assert_eq!(said["last"]["objects"]["added"], 1.0);
    assert_eq!(said["last"]["objects"]["removed"], 0.0);
    assert!(said["last"]["seconds"]["total"].as_f64() > Some(0.0));
    assert!(said["last"]["memory_bytes"]["peak"].as_f64() > Some(1e6));
    master.wait_log(&["Reloaded the configuration", "1 objects added"]);

    // What is wrong is told, and the old configuration stays.
    std::fs::write(&config, text + "object Host \"broken\" { }\n").unwrap();
    master.post("/v1/actions/restart-process", &serde_json::json!({}));
    let said = wait_for(
        "the failure",
        || master.logs(),
        || Some(reloads(&master)).filter(|said| said["refused"] == 1.0),
    );
    let why = said["last_failure"]["text"].as_str().unwrap();
    assert!(why.contains("broken") && why.contains("main.conf"), "{why}");
    assert_eq!(said["last"]["objects"]["added"], 1.0);
    master.wait_log(&["Reload refused (API user 'root')", "broken"]);
    assert!(master.object("hosts", "new").is_some());
    assert_eq!(pid, master.pid());

    let shut_down = master.post("/v1/actions/shutdown-process", &serde_json::json!({}));
    let (_, body) = shut_down.unwrap();
    assert_eq!(body["results"][0]["status"], "Shutting down Icinga 2.");
    wait_for("the end", String::new, || {
        (!master.is_running()).then_some(())
    });
    assert!(master.log_line(&["Shutdown complete"]).is_some());
}

#[test]
fn a_reload_without_the_own_endpoint_is_refused() {
    if !has_openssl("a_reload_without_the_own_endpoint_is_refused") {
        return;
    }
    let authority = Authority::new();
    let mut master = master(&authority);
    master.start_and_wait();
    master.configure("", "object Host \"h\" { check_command = \"dummy\" }\n");
    master.signal("HUP");
    master.wait_log(&["Endpoint object for 'master' is missing"]);
    master.wait_log(&["Reload refused", "The running configuration stays in force"]);
    assert!(master.object("endpoints", "master").is_some());
    assert!(master.stop());
}

/// What a master sends is checked where it is staged, and in force where it belongs.
#[test]
fn an_update_is_loaded_once_as_if_it_were_in_its_place() {
    if !has_openssl("an_update_is_loaded_once_as_if_it_were_in_its_place") {
        return;
    }
    let authority = Authority::new();
    let (mut master, mut agent) = (
        Node::new(Program::Bheka, "master"),
        Node::new(Program::Bheka, "agent"),
    );
    let zones = |host: &str| {
        format!(
            "object Endpoint \"master\" {{ {host} }}\n\
             object Zone \"master\" {{ endpoints = [ \"master\" ] }}\n\
             object Endpoint \"agent\" {{ }}\n\
             object Zone \"agent\" {{ endpoints = [ \"agent\" ]; parent = \"master\" }}\n\
             object Zone \"everywhere\" {{ global = true }}\n"
        )
    };
    let only_here = "template CheckCommand \"only-here\" { command = [ \"/bin/true\" ] }\n";
    master.certify(&authority);
    agent.certify(&authority);
    master.configure("", &(zones("") + only_here));
    let address = format!("host = \"127.0.0.1\"; port = {}", master.port);
    agent.configure("accept_config = true", &zones(&address));
    let zone = master.dir.join("etc/zones.d/everywhere");
    std::fs::create_dir_all(&zone).unwrap();
    let file = zone.join("commands.conf");
    let sent = |text: &str| {
        format!("object CheckCommand \"sent\" {{ command = [ \"/bin/echo\", \"{text}\" ] }}\n")
    };
    std::fs::write(&file, sent("one")).unwrap();
    master.start_and_wait();
    agent.start_and_wait();
    let shows = |text: &'static str| move |attrs: &serde_json::Value| attrs["command"][1] == text;
    let attrs = agent.wait_object("checkcommands", "sent", "the first version", shows("one"));
    let place = agent
        .dir
        .join("data/api/zones/everywhere/_etc/commands.conf");
    assert_eq!(
        attrs["source_location"]["path"],
        place.display().to_string()
    );
    assert!(place.exists());
    let said = reloads(&agent);
    assert_eq!(said["last"]["cause"], "update from endpoint 'master'");
    // One load, not one to check and another one to use.
    let loads = |node: &Node| {
        let log = node.read_log("debug.log");
        log.matches("Loading configuration file(s).").count()
    };
    assert_eq!(loads(&agent), said["succeeded"].as_u64().unwrap() as usize);

    // What only the master can use is refused, with the place where it is.
    let bad = sent("two") + "object CheckCommand \"bad\" { import \"only-here\" }\n";
    std::fs::write(&file, bad).unwrap();
    master.signal("HUP");
    agent.wait_log(&["Config validation failed for the update", "only-here"]);
    let why = wait_for(
        "the failure in the status",
        || agent.logs(),
        || {
            reloads(&agent)["last_failure"]["text"]
                .as_str()
                .map(str::to_owned)
        },
    );
    assert!(why.contains("zones-stage/everywhere"), "{why}");
    let attrs = agent.object("checkcommands", "sent").unwrap();
    assert!(shows("one")(&attrs), "{attrs}");
    assert_eq!(std::fs::read_to_string(&place).unwrap(), sent("one"));

    std::fs::write(&file, sent("three")).unwrap();
    master.signal("HUP");
    agent.wait_object("checkcommands", "sent", "the third version", shows("three"));
    assert!(agent.stop() && master.stop());
}
