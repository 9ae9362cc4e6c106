//! The fleet under a real Icinga 2 master: it must take our agents for stock ones. Where Icinga 2
//! is not installed, the test says so and passes.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bheka_fleet::{Clock, Fleet, Options, StateMix};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey};
use bheka_net::{Deadlines, DialTarget, Identity, dial};
use bheka_value::{Timestamp, Value, from_json_with_depth};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const AGENTS: usize = 5;

#[allow(
    clippy::disallowed_methods,
    reason = "Icinga 2 looks at the real clock, too"
)]
fn real_now() -> Timestamp {
    Timestamp(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64(),
    )
}

/// Kills the whole process group, for Icinga 2 is three processes.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

fn configuration(names: &[&str], own_port: u16, agents_port: u16) -> String {
    let mut text = format!(
        "const NodeName = \"master\"\nconst ZoneName = \"master\"\n\
         object ApiListener \"api\" {{\n bind_host = \"127.0.0.1\"\n bind_port = {own_port}\n}}\n\
         object ApiUser \"root\" {{\n password = \"secret\"\n permissions = [ \"*\" ]\n}}\n\
         object CheckerComponent \"checker\" {{ }}\n\
         object CheckCommand \"remote\" {{ command = [ \"/nowhere\" ] }}\n\
         object Endpoint \"master\" {{ }}\nobject Zone \"master\" {{ endpoints = [ \"master\" ] }}\n"
    );
    for name in names {
        let _ = write!(
            text,
            "object Endpoint \"{name}\" {{\n host = \"127.0.0.1\"\n port = {agents_port}\n}}\n\
             object Zone \"{name}\" {{\n endpoints = [ \"{name}\" ]\n parent = \"master\"\n}}\n\
             object Host \"{name}\" {{\n check_command = \"remote\"\n check_interval = 1s\n \
             retry_interval = 1s\n zone = \"master\"\n command_endpoint = name\n}}\n"
        );
    }
    text
}

fn start_master(directory: &Path, authority: &CertificateAuthority, conf: &str) -> Group {
    for name in ["data/certs", "log", "cache", "spool", "run"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    let certs = directory.join("data/certs");
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let certificate = authority.issue("master", &key, real_now() - 60.0).unwrap();
    certificate.write(&certs.join("master.crt")).unwrap();
    key.write(&certs.join("master.key")).unwrap();
    authority
        .certificate()
        .write(&certs.join("ca.crt"))
        .unwrap();
    fs::write(directory.join("icinga2.conf"), conf).unwrap();
    let id = |flag: &str| {
        let output = Command::new("id").arg(flag).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let mut command = Command::new("icinga2");
    command
        .args(["daemon", "-c", "icinga2.conf"])
        .current_dir(directory)
        .process_group(0);
    for (name, value) in [
        ("DataDir", "data"),
        ("LogDir", "log"),
        ("CacheDir", "cache"),
        ("SpoolDir", "spool"),
        ("InitRunDir", "run"),
        ("PidPath", "run/icinga2.pid"),
    ] {
        command.args(["-D", &format!("{name}={}/{value}", directory.display())]);
    }
    command.args(["-D", &format!("RunAsUser={}", id("-un"))]);
    command.args(["-D", &format!("RunAsGroup={}", id("-gn"))]);
    let log = fs::File::create(directory.join("out.txt")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    Group(command.spawn().unwrap())
}

/// The hosts as the master's API shows them: name, state, output, check source.
async fn hosts(port: u16) -> Option<Vec<(String, f64, String, String)>> {
    let target = DialTarget {
        endpoint_name: "master".into(),
        host: "127.0.0.1".into(),
        port,
        hello: None,
    };
    let nobody = Identity::anonymous().unwrap();
    let connection = dial(&target, &nobody, &Deadlines::default(), real_now())
        .await
        .ok()?;
    let mut stream = connection.into_stream();
    // root:secret
    let request = "GET /v1/objects/hosts?attrs=last_check_result HTTP/1.1\r\nHost: master\r\n\
                   Authorization: Basic cm9vdDpzZWNyZXQ=\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let body = from_json_with_depth(&answer[start..], 100).ok()?;
    let field = |value: &Value, name: &str| value.as_dictionary().and_then(|d| d.get(name));
    let results = field(&body, "results")?;
    let mut hosts = Vec::new();
    for result in results.as_array()?.items() {
        let check = field(&field(&result, "attrs")?, "last_check_result")?;
        let text = |name: &str| field(&check, name)?.as_str().map(str::to_owned);
        let name = field(&result, "name")?.as_str()?.to_owned();
        let state = field(&check, "state")?.as_number()?;
        hosts.push((name, state, text("output")?, text("check_source")?));
    }
    Some(hosts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_master_takes_them_for_agents() {
    if Command::new("icinga2").arg("--version").output().is_err() {
        eprintln!("SKIPPED: icinga2 is not installed");
        return;
    }
    let authority = CertificateAuthority::generate(KeyKind::EcP256, real_now() - 86_400.0).unwrap();
    let states = StateMix {
        warning: 30,
        critical: 30,
        unknown: 0,
    };
    let options = Options::new(AGENTS, authority.clone(), Clock::new(real_now));
    let fleet = Fleet::start(Options { states, ..options }).await.unwrap();
    let names: Vec<&str> = fleet.names().collect();
    let own_port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let directory = tempfile::tempdir().unwrap();
    let agents_port = fleet.address().unwrap().port();
    let conf = configuration(&names, own_port, agents_port);
    let _master = start_master(directory.path(), &authority, &conf);
    let expected: Vec<_> = names
        .iter()
        .map(|name| {
            let state = states.state(name, None);
            let word = ["OK", "WARNING", "CRITICAL"][usize::from(state)];
            let output = format!("{word} - simulated by {name}");
            (
                (*name).to_owned(),
                f64::from(state),
                output,
                (*name).to_owned(),
            )
        })
        .collect();
    let shown = async {
        loop {
            if let Some(mut hosts) = hosts(own_port).await {
                hosts.sort_by(|left, right| left.0.cmp(&right.0));
                if hosts == expected {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let result = tokio::time::timeout(Duration::from_secs(90), shown).await;
    let log = fs::read_to_string(directory.path().join("out.txt")).unwrap();
    assert!(result.is_ok(), "{:?}\n{log}", fleet.snapshot());
    let snapshot = fleet.snapshot();
    assert_eq!(
        (snapshot.connected, snapshot.drops, snapshot.strangers),
        (AGENTS as u64, 0, 0)
    );
    assert_eq!(snapshot.messages_malformed, 0);
    assert!(
        !log.contains("warning/") && !log.contains("critical/"),
        "{log}"
    );
}
