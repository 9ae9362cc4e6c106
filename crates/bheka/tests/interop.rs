//! Interoperability with the real Icinga 2: Bheka as master and as agent, both directions.
//!
//! Each test starts its own nodes on free ports of loopback and waits for what both sides say of
//! each other. Skipped, and said so, where Icinga 2 is not installed.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::{Value, json};
use support::{Authority, Node, Program, has_icinga2, wait_for};

/// Zones of a master and its agents; each entry is an agent's name, and its port when the master
/// dials it.
fn zones(agents: &[(&str, Option<u16>)], master_port: Option<u16>) -> String {
    let host = |port: Option<u16>| {
        port.map(|port| format!("host = \"127.0.0.1\"; port = {port}; log_duration = 0"))
            .unwrap_or_default()
    };
    let mut text = format!(
        "object Endpoint \"master\" {{ {} }}\n\
         object Zone \"master\" {{ endpoints = [ \"master\" ] }}\n",
        host(master_port)
    );
    for (name, port) in agents {
        text += &format!(
            "object Endpoint \"{name}\" {{ {} }}\n\
             object Zone \"{name}\" {{ endpoints = [ \"{name}\" ]; parent = \"master\" }}\n",
            host(*port)
        );
    }
    text
}

/// A host per agent with a service that runs on it and exits with the given status.
fn checks(agent: &str, exit_status: u8) -> String {
    format!(
        "object Host \"{agent}\" {{\n  check_command = \"dummy\"\n  zone = \"master\"\n}}\n\
         object Service \"remote\" {{\n  zone = \"master\"\n  host_name = \"{agent}\"\n  check_command = \"echo-state\"\n  \
           command_endpoint = \"{agent}\"\n  check_interval = 2s\n  retry_interval = 2s\n  \
           vars.rc = {exit_status}\n  vars.text = \"told by $host.name$\"\n}}\n"
    )
}

const AGENT_LISTENER: &str = "accept_commands = true\naccept_config = true";

/// Which side dials.
#[derive(Clone, Copy, PartialEq)]
enum Dialler {
    Master,
    Agent,
}

/// A master and an agent of the given programs, configured and certified, not started.
fn pair(master: Program, agent: Program, dialler: Dialler) -> (Authority, Node, Node) {
    let authority = Authority::new();
    let (master, agent) = (Node::new(master, "master"), Node::new(agent, "agent"));
    master.certify(&authority);
    agent.certify(&authority);
    let agent_port = (dialler == Dialler::Master).then_some(agent.port);
    let master_port = (dialler == Dialler::Agent).then_some(master.port);
    let of_master = zones(&[("agent", agent_port)], None) + &checks("agent", 1);
    master.configure("", &of_master);
    agent.configure(AGENT_LISTENER, &zones(&[("agent", None)], master_port));
    (authority, master, agent)
}

/// Both sides see the link, with version and capabilities of the peer.
fn expect_link(master: &Node, agent: &Node) {
    let version = |program| {
        if program == Program::Icinga2 {
            21306.0
        } else {
            21605.0
        }
    };
    for (here, there) in [(master, agent), (agent, master)] {
        let endpoint = here.wait_object("endpoints", &there.name, "connected", |attrs| {
            attrs["connected"] == true && attrs["icinga_version"].as_f64() > Some(0.0)
        });
        let expected = version(there.program);
        assert_eq!(
            endpoint["icinga_version"].as_f64(),
            Some(expected),
            "{endpoint:#?}"
        );
        let capabilities = endpoint["capabilities"].as_f64().unwrap_or_default();
        assert!(capabilities as u64 & 1 == 1, "{endpoint:#?}");
    }
}

/// The remote check ran on the agent and its result arrived whole.
fn expect_remote_result(master: &Node) -> Value {
    let service = master.wait_object("services", "agent!remote", "has a result", |attrs| {
        attrs["last_check_result"]["exit_status"] == 1
    });
    let result = &service["last_check_result"];
    assert_eq!(result["state"], 1, "{result:#?}");
    assert_eq!(result["output"], "told by agent on agent", "{result:#?}");
    assert_eq!(result["check_source"], "agent", "{result:#?}");
    assert_eq!(result["scheduling_source"], "master", "{result:#?}");
    assert_eq!(result["active"], true, "{result:#?}");
    let perfdata = &result["performance_data"];
    assert_eq!(
        *perfdata,
        json!(["'a b'=1.5ms;2;3;0;10", "c=7%"]),
        "{result:#?}"
    );
    assert_eq!(service["state"], 1);
    service
}

/// Heartbeats go both ways.
fn expect_heartbeats(master: &Node, agent: &Node) {
    for node in [master, agent] {
        node.wait_log(&["event::Heartbeat"]);
    }
}

/// The agent dies and comes back; the master notices both, and checks go on.
fn expect_return(master: &Node, agent: &mut Node) {
    agent.kill();
    master.wait_object("endpoints", "agent", "gone", |attrs| {
        attrs["connected"] == false
    });
    let before = last_check(master);
    agent.start();
    master.wait_object("endpoints", "agent", "back", |attrs| {
        attrs["connected"] == true
    });
    wait_for(
        "a result after the return",
        || master.logs() + &agent.logs(),
        || (last_check(master) > before).then_some(()),
    );
}

fn last_check(master: &Node) -> f64 {
    let service = master
        .object("services", "agent!remote")
        .unwrap_or_default();
    service["last_check_result"]["execution_end"]
        .as_f64()
        .unwrap_or_default()
}

fn whole_story(master: Program, agent: Program, dialler: Dialler) {
    let (_authority, master, agent) = pair(master, agent, dialler);
    tell_story(master, agent);
}

fn tell_story(mut master: Node, mut agent: Node) {
    agent.start();
    master.start_and_wait();
    agent.wait_until_up();
    expect_link(&master, &agent);
    expect_remote_result(&master);
    expect_heartbeats(&master, &agent);
    expect_return(&master, &mut agent);
    assert!(master.is_running() && agent.is_running());
}

#[test]
fn bheka_master_dials_a_stock_agent() {
    if has_icinga2("bheka_master_dials_a_stock_agent") {
        whole_story(Program::Bheka, Program::Icinga2, Dialler::Master);
    }
}

#[test]
fn a_stock_agent_dials_a_bheka_master() {
    if has_icinga2("a_stock_agent_dials_a_bheka_master") {
        whole_story(Program::Bheka, Program::Icinga2, Dialler::Agent);
    }
}

#[test]
fn a_stock_master_dials_a_bheka_agent() {
    if has_icinga2("a_stock_master_dials_a_bheka_agent") {
        whole_story(Program::Icinga2, Program::Bheka, Dialler::Master);
    }
}

#[test]
fn a_bheka_agent_dials_a_stock_master() {
    if has_icinga2("a_bheka_agent_dials_a_stock_master") {
        whole_story(Program::Icinga2, Program::Bheka, Dialler::Agent);
    }
}

/// A master with a P-256 key, signed by the usual RSA CA, and a stock agent with an RSA key.
#[test]
fn stock_agents_take_a_master_with_a_p256_key() {
    if !has_icinga2("stock_agents_take_a_master_with_a_p256_key") {
        return;
    }
    for dialler in [Dialler::Master, Dialler::Agent] {
        for version in ["TLSv1.2", "TLSv1.3"] {
            let (authority, master, mut agent) = pair(Program::Bheka, Program::Icinga2, dialler);
            master.certify_p256(&authority);
            agent.tls_max = Some(version);
            tell_story(master, agent);
        }
    }
}

/// A satellite or agent moves to a P-256 key below a stock master, with a ticket.
#[test]
fn a_stock_master_signs_another_key() {
    if !has_icinga2("a_stock_master_signs_another_key") {
        return;
    }
    let (authority, mut master, mut agent) = pair(Program::Icinga2, Program::Bheka, Dialler::Agent);
    authority.move_to(&master);
    let of_master = zones(&[("agent", None)], None) + &checks("agent", 1);
    master.configure("ticket_salt = \"pepper\"", &of_master);
    agent.start();
    master.start_and_wait();
    agent.wait_until_up();
    expect_link(&master, &agent);
    let ticket = agent.run(&["pki", "ticket", "--cn", "agent", "--salt", "pepper"]);
    let ticket = String::from_utf8_lossy(&ticket.stdout).trim().to_owned();
    agent.run(&["pki", "rekey", "--ticket", &ticket]);
    agent.wait_log(&["Saved and updated the certificate of this node"]);
    let key = agent.key_of("data/certs/agent.crt");
    assert!(key.ends_with("P-256"), "{key}");
    expect_return(&master, &mut agent);
}

/// An agent that does not accept commands says so, and one whose certificate names somebody else
/// is never taken for the endpoint; neither costs the good agent anything.
#[test]
fn bad_agents_are_told_apart() {
    if !has_icinga2("bad_agents_are_told_apart") {
        return;
    }
    let authority = Authority::new();
    let mut master = Node::new(Program::Bheka, "master");
    let mut deaf = Node::new(Program::Icinga2, "deaf");
    let mut liar = Node::new(Program::Icinga2, "liar");
    master.certify(&authority);
    deaf.certify(&authority);
    // The master knows this agent as "agent"; its certificate says "liar".
    liar.certify(&authority);
    let text = zones(
        &[("agent", Some(liar.port)), ("deaf", Some(deaf.port))],
        None,
    ) + &checks("agent", 1)
        + &checks("deaf", 1);
    master.configure("", &text);
    deaf.configure("accept_commands = false", &zones(&[("deaf", None)], None));
    liar.configure(AGENT_LISTENER, &zones(&[("liar", None)], None));
    deaf.start();
    liar.start();
    master.start_and_wait();
    let service = master.wait_object("services", "deaf!remote", "was answered", |attrs| {
        attrs["last_check_result"]["output"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    });
    let result = &service["last_check_result"];
    assert_eq!(result["state"], 3, "{result:#?}");
    assert_eq!(
        result["output"], "Endpoint 'deaf' does not accept commands.",
        "{result:#?}"
    );
    let line = master.wait_log(&["liar", "agent"]);
    assert!(
        line.contains("warning") || line.contains("critical"),
        "{line}"
    );
    let endpoint = master.object("endpoints", "agent").unwrap();
    assert_eq!(endpoint["connected"], false, "{endpoint:#?}");
    let endpoint = master.object("endpoints", "deaf").unwrap();
    assert_eq!(
        endpoint["connected"],
        true,
        "{endpoint:#?}\n{}\n{}",
        master.logs(),
        deaf.logs()
    );
}

/// A reload adds a host, removes another, and touches nothing else: connections, running checks
/// and schedules stay. A broken configuration is refused while the old one runs on.
#[test]
fn a_reload_touches_only_what_changed() {
    if !has_icinga2("a_reload_touches_only_what_changed") {
        return;
    }
    let (_authority, mut master, mut agent) =
        pair(Program::Bheka, Program::Icinga2, Dialler::Master);
    let base = zones(&[("agent", Some(agent.port))], None)
        + &checks("agent", 1)
        + "object CheckCommand \"slow\" { command = [ \"/bin/sh\", \"-c\", \
             \"touch started; while [ ! -e go ]; do sleep 0.2; done; echo finished slowly\" ] }\n\
           object Host \"steady\" { check_command = \"dummy\"; check_interval = 1h }\n\
           object Host \"running\" { check_command = \"slow\"; check_interval = 1h }\n";
    let removed = "object Host \"leaver\" { check_command = \"dummy\" }\n";
    let added =
        "object Host \"newcomer\" { check_command = \"echo-state\"; check_interval = 2s }\n";
    master.configure("", &(base.clone() + removed));
    agent.start();
    master.start_and_wait();
    expect_link(&master, &agent);
    expect_remote_result(&master);
    let run_now = json!({ "type": "Host", "filter": "host.name == \"running\"", "force": true });
    let (status, _) = master
        .post("/v1/actions/reschedule-check", &run_now)
        .unwrap();
    assert_eq!(status, 200);
    wait_for(
        "the slow check to start",
        || master.logs(),
        || master.dir.join("started").exists().then_some(()),
    );
    master.wait_object("hosts", "steady", "is planned", |attrs| {
        attrs["next_check"].as_f64() > attrs["last_check"].as_f64()
            && attrs["last_check"].as_f64() > Some(0.0)
    });
    let before = master.connections();
    let agent_link = |connections: &[String]| -> Vec<String> {
        let needle = format!(":{}", agent.port);
        connections
            .iter()
            .filter(|line| line.contains(&needle))
            .cloned()
            .collect()
    };
    assert_eq!(agent_link(&before).len(), 1, "{before:?}");
    let next_check = master.object("hosts", "steady").unwrap()["next_check"].clone();
    let process = master.pid();

    master.configure("", &(base.clone() + added));
    master.signal("HUP");
    master.wait_object("hosts", "newcomer", "was added and checked", |attrs| {
        attrs["last_check_result"]["exit_status"] == 0
    });
    assert_eq!(master.object("hosts", "leaver"), None);
    assert_eq!(agent_link(&master.connections()), agent_link(&before));
    assert_eq!(
        master.object("hosts", "steady").unwrap()["next_check"],
        next_check
    );
    assert_eq!(master.pid(), process);
    std::fs::write(master.dir.join("go"), "").unwrap();
    let running = master.wait_object("hosts", "running", "its check finished", |attrs| {
        attrs["last_check_result"]["output"] == "finished slowly"
    });
    assert_eq!(running["last_check_result"]["state"], 0);

    master.configure(
        "",
        &(base + added + "object Host \"broken\" { check_commandd = 1 }\n"),
    );
    master.signal("HUP");
    let line = master.wait_log(&["check_commandd"]);
    assert!(line.contains("critical"), "{line}");
    master.wait_log(&["The running configuration stays in force"]);
    assert_eq!(master.object("hosts", "broken"), None);
    assert_eq!(agent_link(&master.connections()), agent_link(&before));
    assert!(master.object("hosts", "newcomer").is_some());
    assert!(master.stop(), "{}", master.logs());
}

/// An agent that `icinga2 node setup` enrols with a ticket gets its certificate at once; one
/// without a ticket waits until `ca sign`.
#[test]
fn stock_agents_enrol_at_a_bheka_master() {
    if !has_icinga2("stock_agents_enrol_at_a_bheka_master") {
        return;
    }
    let mut master = Node::new(Program::Bheka, "master");
    master.run(&["pki", "new-ca"]);
    let certs = master.dir.join("data/certs");
    let path = |name: &str| certs.join(name).display().to_string();
    master.run(&[
        "pki",
        "new-cert",
        "--key-type",
        "p256",
        "--cn",
        "master",
        "--key",
        &path("master.key"),
        "--csr",
        &path("master.csr"),
    ]);
    master.run(&[
        "pki",
        "sign-csr",
        "--csr",
        &path("master.csr"),
        "--cert",
        &path("master.crt"),
    ]);
    std::fs::copy(master.dir.join("data/ca/ca.crt"), certs.join("ca.crt")).unwrap();
    let text = "const TicketSalt = \"pepper\"\n".to_owned()
        + &zones(&[("ticketed", None), ("patient", None)], None);
    master.configure("ticket_salt = TicketSalt", &text);
    master.start_and_wait();
    let ticket = master.run(&["pki", "ticket", "--cn", "ticketed", "--salt", "pepper"]);
    let ticket = String::from_utf8_lossy(&ticket.stdout).trim().to_owned();

    let mut ticketed = enrol(&master, "ticketed", Some(&ticket));
    ticketed.start();
    master.wait_object("endpoints", "ticketed", "connected", |attrs| {
        attrs["connected"] == true
    });

    let mut patient = enrol(&master, "patient", None);
    patient.start();
    let fingerprint = wait_for(
        "the request to be listed",
        || master.logs(),
        || {
            let list = master.run(&["ca", "list", "--json"]);
            let list: Value = serde_json::from_slice(&list.stdout).ok()?;
            let mut requests = list.as_object()?.iter();
            let (fingerprint, _) = requests.find(|(_, request)| {
                request["subject"]
                    .as_str()
                    .is_some_and(|subject| subject.contains("patient"))
            })?;
            Some(fingerprint.clone())
        },
    );
    master.run(&["ca", "sign", &fingerprint]);
    master.wait_object("endpoints", "patient", "connected", |attrs| {
        attrs["connected"] == true
    });
}

/// `icinga2 node setup` of an agent that dials the master.
fn enrol(master: &Node, name: &str, ticket: Option<&str>) -> Node {
    let agent = Node::new(Program::Icinga2, name);
    // What `node setup` expects of a configuration directory.
    for folder in [
        "etc/features-available",
        "etc/features-enabled",
        "etc/conf.d",
    ] {
        std::fs::create_dir_all(agent.dir.join(folder)).unwrap();
    }
    std::fs::write(agent.dir.join("etc/features-available/api.conf"), "").unwrap();
    std::fs::write(
        agent.dir.join("etc/constants.conf"),
        "const PluginDir = \"/usr/lib/nagios/plugins\"\nconst TicketSalt = \"\"\n",
    )
    .unwrap();
    let trusted = agent.dir.join("trusted.crt").display().to_string();
    let port = master.port.to_string();
    agent.run(&[
        "pki",
        "save-cert",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--trustedcert",
        &trusted,
    ]);
    let endpoint = format!("master,127.0.0.1,{port}");
    let parent = format!("127.0.0.1,{port}");
    let mut arguments = vec![
        "node",
        "setup",
        "--cn",
        name,
        "--zone",
        name,
        "--endpoint",
        &endpoint,
        "--parent_zone",
        "master",
        "--parent_host",
        &parent,
        "--trustedcert",
        &trusted,
        "--accept-commands",
        "--accept-config",
        "--disable-confd",
    ];
    if let Some(ticket) = ticket {
        arguments.extend(["--ticket", ticket]);
    }
    agent.run(&arguments);
    std::fs::write(
        agent.dir.join("etc/main.conf"),
        format!(
            "include <itl>\ninclude \"zones.conf\"\nobject IcingaApplication \"app\" {{}}\n\
             object ApiListener \"api\" {{ bind_host = \"127.0.0.1\"; bind_port = {} }}\n",
            agent.port
        ),
    )
    .unwrap();
    agent
}

#[test]
fn a_stock_agent_takes_configuration_from_a_bheka_master() {
    if has_icinga2("a_stock_agent_takes_configuration_from_a_bheka_master") {
        configuration_travels(Program::Bheka, Program::Icinga2);
    }
}

#[test]
fn a_bheka_agent_takes_configuration_from_a_stock_master() {
    if has_icinga2("a_bheka_agent_takes_configuration_from_a_stock_master") {
        configuration_travels(Program::Icinga2, Program::Bheka);
    }
}

/// Files of a global zone reach the agent, and again after a reload that changes them.
fn configuration_travels(master: Program, agent: Program) {
    let (_authority, mut master, mut agent) = pair(master, agent, Dialler::Master);
    let global = "object Zone \"everywhere\" { global = true }\n";
    let text = zones(&[("agent", Some(agent.port))], None)
        + global
        + "object Host \"agent\" { check_command = \"dummy\"; zone = \"master\" }\n\
           object Service \"synced\" {\n  host_name = \"agent\"\n  zone = \"master\"\n  \
           check_command = \"synced\"\n  command_endpoint = \"agent\"\n  \
           check_interval = 2s\n  retry_interval = 2s\n}\n";
    master.configure("", &text);
    agent.configure(AGENT_LISTENER, &(zones(&[("agent", None)], None) + global));
    let zone = master.dir.join("etc/zones.d/everywhere");
    std::fs::create_dir_all(&zone).unwrap();
    let command = |text: &str| {
        let command = format!(
            "object CheckCommand \"synced\" {{ command = [ \"/bin/echo\", \"{text}\" ] }}\n"
        );
        std::fs::write(zone.join("commands.conf"), command).unwrap();
    };
    command("first version");
    agent.start();
    master.start_and_wait();
    let shows =
        |text: &'static str| move |attrs: &Value| attrs["last_check_result"]["output"] == text;
    master.wait_object(
        "services",
        "agent!synced",
        "first version",
        shows("first version"),
    );
    command("second version");
    master.signal("HUP");
    master.wait_object(
        "services",
        "agent!synced",
        "second version",
        shows("second version"),
    );
    assert!(master.is_running());
}
