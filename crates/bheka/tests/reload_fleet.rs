//! Reloads while many agents are connected, or are about to be.

#![allow(clippy::unwrap_used)]

#[allow(missing_docs)]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bheka_fleet::{Clock, Dial, Fleet, Options};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey};
use bheka_value::Timestamp;
use serde_json::{Value, json};
use support::{Node, Program, wait_for};

#[allow(
    clippy::disallowed_methods,
    reason = "certificates of this test must be valid now"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_secs_f64())
}

/// A master with a certificate of a CA, and the CA.
fn master() -> (Node, CertificateAuthority) {
    let authority = CertificateAuthority::generate(KeyKind::EcP256, now() - 86_400.0).unwrap();
    let master = Node::new(Program::Bheka, "master");
    let certs = master.dir.join("data/certs");
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let certificate = authority.issue("master", &key, now()).unwrap();
    key.write(&certs.join("master.key")).unwrap();
    certificate.write(&certs.join("master.crt")).unwrap();
    let ca = authority.certificate();
    ca.write(&certs.join("ca.crt")).unwrap();
    (master, authority)
}

/// Writes the configuration: a zone and a host for each agent, with its address when it is dialled.
fn configure(master: &Node, agents: &[String], address: Option<SocketAddr>, more: &str) {
    let names: Vec<String> = agents.iter().map(|name| format!("\"{name}\"")).collect();
    let host = address.map_or_else(String::new, |address| {
        format!("host = \"{}\"; port = {}", address.ip(), address.port())
    });
    let text = format!(
        r#"object IcingaApplication "app" {{ }}
object CheckerComponent "checker" {{ }}
object FileLogger "debug-log" {{ severity = "notice"; path = "{log}/log/debug.log" }}
object ApiListener "api" {{ bind_host = "127.0.0.1"; bind_port = {port} }}
object ApiUser "root" {{ password = "secret"; permissions = [ "*" ] }}
object CheckCommand "agent-check" {{ command = [ "/bin/true" ] }}
object Endpoint "master" {{ }}
object Zone "master" {{ endpoints = [ "master" ] }}
for (name in [ {names} ]) {{
  object Endpoint name {{ {host} }}
  object Zone name {{ endpoints = [ name ]; parent = "master" }}
  object Host name {{
    check_command = "agent-check"
    zone = "master"
    command_endpoint = name
    check_interval = 5s
  }}
}}
{more}
"#,
        log = master.dir.display(),
        port = master.port,
        names = names.join(", "),
    );
    std::fs::write(master.dir.join("etc/main.conf"), text).unwrap();
}

fn status(master: &Node, name: &str) -> Option<Value> {
    let (code, body) = master.get(&format!("/v1/status/{name}"))?;
    (code == 200).then(|| body["results"][0]["status"].clone())
}

fn reloads(master: &Node) -> Option<Value> {
    let app = status(master, "IcingaApplication")?;
    Some(app["icingaapplication"]["app"]["reload"].clone())
}

fn ask_for_reload(master: &Node) {
    let answer = master.post("/v1/actions/restart-process", &json!({}));
    assert_eq!(answer.map(|(code, _)| code), Some(200), "{}", master.logs());
}

/// Waits until so many reloads have taken effect, and none is under way.
fn wait_reloads(master: &Node, at_least: f64) -> Value {
    wait_for(
        "reloads",
        || format!("{:?}\n{}", reloads(master), master.logs()),
        || {
            reloads(master).filter(|said| {
                said["succeeded"].as_f64() >= Some(at_least)
                    && said["running"] == false
                    && said["waiting"] == 0.0
            })
        },
    )
}

/// Waits until all agents are connected, as both sides see it.
fn wait_connected(master: &Node, fleet: &Fleet, agents: usize) {
    wait_for(
        "all agents to be connected",
        || format!("{:?}\n{}", fleet.snapshot(), master.logs()),
        || {
            let listener = status(master, "ApiListener")?;
            let connected = listener["api"]["num_conn_endpoints"].as_u64() == Some(agents as u64);
            (connected && fleet.snapshot().connected == agents as u64).then_some(())
        },
    );
}

/// Open files of a process.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Resident memory of a process in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_cost_no_connection_no_descriptor_and_no_memory() {
    const AGENTS: usize = 200;
    let (mut master, authority) = master();
    let fleet = Fleet::start(Options::new(AGENTS, authority, Clock::new(now)))
        .await
        .unwrap();
    let names: Vec<String> = fleet.names().map(str::to_owned).collect();
    configure(&master, &names, fleet.address(), "");
    master.start_and_wait();
    wait_connected(&master, &fleet, AGENTS);
    let pid = master.pid();
    let identity = |fleet: &Fleet| -> Vec<_> {
        let connections = fleet.connections().into_iter();
        connections
            .map(|it| (it.name, it.connects, it.addresses))
            .collect()
    };
    let before = identity(&fleet);
    // The first reloads fill caches.
    let mut memory_kib = 0;
    let mut open = 0;
    for number in 1..=100_u32 {
        let more = format!("object Host \"round-{number}\" {{ check_command = \"agent-check\" }}");
        configure(&master, &names, fleet.address(), &more);
        ask_for_reload(&master);
        let said = wait_reloads(&master, f64::from(number));
        assert_eq!(said["refused"], 0.0, "{said}");
        assert_eq!(said["last"]["endpoints"]["kept"], AGENTS as f64, "{said}");
        assert_eq!(said["last"]["objects"]["added"], 1.0, "{said}");
        if number == 10 {
            memory_kib = resident_kib(pid);
            open = descriptors(pid);
        }
    }
    assert_eq!(identity(&fleet), before);
    assert_eq!(fleet.snapshot().drops, 0);
    // Checks and API connections of this moment come and go.
    let open_now = wait_for(
        "descriptors to be as before",
        || format!("{} were open, now {}", open, descriptors(pid)),
        || Some(descriptors(pid)).filter(|now| *now <= open + 5),
    );
    assert!(open_now + 5 >= AGENTS, "{open_now}");
    let memory_now_kib = resident_kib(pid);
    assert!(
        memory_now_kib < memory_kib * 3 / 2 + 30_000,
        "{memory_kib} KiB after 10 reloads, {memory_now_kib} KiB after 100"
    );
    // Agents go on answering over the old connections.
    let answered = fleet.snapshot().checks_answered;
    wait_for(
        "further checks",
        || format!("{:?}", fleet.snapshot()),
        || (fleet.snapshot().checks_answered > answered + AGENTS as u64).then_some(()),
    );
    assert!(master.stop());
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_during_a_storm_drop_nobody() {
    const AGENTS: usize = 300;
    let (mut master, authority) = master();
    let mut options = Options::new(AGENTS, authority, Clock::new(now));
    options.listen = None;
    options.dial = Some(Dial {
        retry: Duration::from_secs(1),
        ..Dial::new("master", "127.0.0.1", master.port)
    });
    configure(&master, &options.names(), None, "");
    master.start_and_wait();
    let names = options.names();
    let fleet = Fleet::start(options).await.unwrap();
    // Asked for again and again until all are there; those that wait become one.
    let mut asked = 0;
    wait_for(
        "all agents to be connected",
        || format!("{:?}\n{}", fleet.snapshot(), master.logs()),
        || {
            asked += 1;
            let more = format!("object Host \"r{asked}\" {{ check_command = \"agent-check\" }}");
            configure(&master, &names, None, &more);
            ask_for_reload(&master);
            ask_for_reload(&master);
            (fleet.snapshot().connected == AGENTS as u64).then_some(())
        },
    );
    let said = wait_reloads(&master, 1.0);
    assert!(
        said["succeeded"].as_f64() <= Some(2.0 * f64::from(asked)),
        "{said}"
    );
    assert_eq!(said["refused"], 0.0, "{said}");
    wait_connected(&master, &fleet, AGENTS);
    master.wait_object("hosts", &format!("r{asked}"), "is there", |_| true);
    let snapshot = fleet.snapshot();
    assert_eq!(
        (snapshot.drops, snapshot.connects),
        (0, AGENTS as u64),
        "{snapshot:?}"
    );
    assert!(master.stop());
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changed_of_the_agents_is_touched() {
    const AGENTS: usize = 20;
    let (mut master, authority) = master();
    let fleet = Fleet::start(Options::new(AGENTS, authority, Clock::new(now)))
        .await
        .unwrap();
    let names: Vec<String> = fleet.names().map(str::to_owned).collect();
    configure(&master, &names, fleet.address(), "");
    master.start_and_wait();
    wait_connected(&master, &fleet, AGENTS);
    // One is gone, another one has another name for the same address.
    let address = fleet.address().unwrap();
    let moved = format!(
        "object Endpoint \"{name}\" {{ host = \"localhost\"; port = {port} }}\n\
         object Zone \"{name}\" {{ endpoints = [ \"{name}\" ]; parent = \"master\" }}\n",
        name = names[1],
        port = address.port()
    );
    configure(&master, &names[2..], Some(address), &moved);
    ask_for_reload(&master);
    let said = wait_reloads(&master, 1.0);
    let endpoints = &said["last"]["endpoints"];
    let counts = ["kept", "reconnected", "closed"].map(|name| endpoints[name].as_u64());
    assert_eq!(
        counts,
        [Some(AGENTS as u64 - 2), Some(1), Some(1)],
        "{said}"
    );
    wait_for(
        "the moved one to be there again",
        || master.logs(),
        || (fleet.snapshot().connected == AGENTS as u64 - 1).then_some(()),
    );
    let connects: Vec<u64> = fleet.connections().iter().map(|it| it.connects).collect();
    assert_eq!(connects[..2], [1, 2]);
    assert!(
        connects[2..].iter().all(|connects| *connects == 1),
        "{connects:?}"
    );
    assert!(master.stop());
    fleet.stop().await;
}

#[test]
fn a_check_that_runs_ends_and_counts_over_a_reload() {
    let (mut master, _) = master();
    let dir = master.dir.display().to_string();
    let script = |text: &str| {
        format!(
            "object CheckCommand \"slow\" {{ command = [ \"/bin/sh\", \"-c\", \"echo > {dir}/begun; \
               until [ -e {dir}/go ]; do sleep 0.05; done; echo it has ended; exit 1\" ] }}\n\
             object Host \"h\" {{ check_command = \"slow\"; check_interval = 1h; vars.x = \"{text}\" }}\n"
        )
    };
    configure(&master, &[], None, &script("one"));
    master.start_and_wait();
    let force = json!({ "type": "Host", "host": "h", "force": true });
    master.post("/v1/actions/reschedule-check", &force).unwrap();
    let has_begun = || Path::new(&dir).join("begun").exists().then_some(());
    wait_for("the check to begin", || master.logs(), has_begun);
    configure(&master, &[], None, &script("two"));
    master.signal("HUP");
    wait_reloads(&master, 1.0);
    std::fs::write(master.dir.join("go"), "").unwrap();
    let attrs = master.wait_object("hosts", "h", "has its result", |attrs| {
        attrs["last_check_result"]["output"] == "it has ended"
    });
    assert_eq!(attrs["vars"]["x"], "two");
    assert!(master.stop());
}

#[test]
fn two_reloads_at_once_queue() {
    let (mut master, _) = master();
    configure(&master, &[], None, "");
    master.start_and_wait();
    // Large enough that requests come while one is under way.
    let many = "for (i in range(3000)) { object Host \"many\" + i { check_command = \"agent-check\"; \
                check_interval = 1h } }\n";
    configure(&master, &[], None, many);
    for _ in 0..10 {
        ask_for_reload(&master);
        master.signal("HUP");
    }
    configure(
        &master,
        &[],
        None,
        "object Host \"last\" { check_command = \"agent-check\" }",
    );
    ask_for_reload(&master);
    let said = wait_reloads(&master, 1.0);
    master.wait_object("hosts", "last", "is there", |_| true);
    assert!(master.object("hosts", "many1").is_none());
    assert_eq!(said["refused"], 0.0, "{said}");
    assert!(said["succeeded"].as_f64() < Some(21.0), "{said}");
    assert!(master.stop());
}
