//! The fleet explains itself: in the API, as metrics, on the command line and in the log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "support/prometheus.rs"]
mod prometheus;
#[allow(missing_docs)]
mod support;

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bheka_fleet::{Clock, Fleet, Options, Role, Roles};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey, TrustAnchors};
use bheka_net::{Deadlines, Gate, Identity, IdentityParts, TlsSettings};
use bheka_value::Timestamp;
use prometheus::Page;
use serde_json::Value;
use support::{Node, Program, https, wait_for};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

#[allow(clippy::disallowed_methods, reason = "the test is an edge as well")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_secs_f64())
}

fn identity(authority: &CertificateAuthority, name: &str) -> Arc<Identity> {
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let parts = IdentityParts {
        own: Some((authority.issue(name, &key, now()).unwrap(), key)),
        anchors: Some(TrustAnchors::new(vec![authority.certificate().clone()]).unwrap()),
    };
    Arc::new(Identity::new(parts, TlsSettings::default()).unwrap())
}

/// Listens under an identity and keeps whoever comes; the port.
fn listen(runtime: &Runtime, identity: Arc<Identity>) -> u16 {
    let listener = runtime
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let identity = Arc::clone(&identity);
            tokio::spawn(async move {
                let deadlines = Deadlines::default();
                let gate = Gate::default();
                let _kept = bheka_net::accept(tcp, &identity, &deadlines, &gate, now()).await;
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

/// A master and its agents, of which some misbehave.
struct Stage {
    runtime: Runtime,
    authority: CertificateAuthority,
    fleet: Option<Fleet>,
    master: Node,
    zones: String,
}

const AGENTS: usize = 40;
const ROLES: Roles = Roles {
    blackhole: 10,
    mute: 10,
    refuse: 10,
    slow: 0,
};

impl Stage {
    fn new(roles: Roles) -> Self {
        let runtime = Runtime::new().unwrap();
        let authority = CertificateAuthority::generate(KeyKind::EcP256, now()).unwrap();
        let options = Options {
            roles,
            ..Options::new(AGENTS, authority.clone(), Clock::new(now))
        };
        let fleet = runtime.block_on(Fleet::start(options)).unwrap();
        let master = Node::new(Program::Bheka, "master");
        let certs = master.dir.join("data/certs");
        let own = identity(&authority, "master");
        let own_certificate = own.certificate().unwrap();
        own_certificate.write(&certs.join("master.crt")).unwrap();
        own.key().unwrap().write(&certs.join("master.key")).unwrap();
        authority
            .certificate()
            .write(&certs.join("ca.crt"))
            .unwrap();
        let mut zones = "object Endpoint \"master\" { }\n\
                         object Zone \"master\" { endpoints = [ \"master\" ] }\n"
            .to_owned();
        for agent in fleet.endpoints(roles) {
            let address = agent.address.unwrap();
            zones += &child(&agent.name, &address.ip().to_string(), address.port());
        }
        Self {
            runtime,
            authority,
            fleet: Some(fleet),
            master,
            zones,
        }
    }

    fn with_role(&self, roles: Roles, role: Role) -> Vec<String> {
        let endpoints = self.fleet.as_ref().unwrap().endpoints(roles);
        let of_role = endpoints.into_iter().filter(|agent| agent.role == role);
        of_role.map(|agent| agent.name).collect()
    }

    fn start(&mut self) {
        let users = "object ApiUser \"scraper\" { password = \"s\"; permissions = [ \"metrics\" ] }\n\
                     object ApiUser \"nobody\" { password = \"n\"; permissions = [ \"types\" ] }\n";
        let text = format!("{}{users}", self.zones);
        self.master.configure("connect_timeout = 3", &text);
        self.master.start_and_wait();
    }

    /// What the API knows of the connection of an endpoint, once it has failed.
    fn failed(&self, name: &str) -> Value {
        let attributes = self
            .master
            .wait_object("endpoints", name, "failed", |attrs| {
                attrs["connection"]["last_error"].is_object()
            });
        attributes["connection"].clone()
    }

    fn metrics(&self, query: &str, user: &str) -> Result<Page, u16> {
        let path = format!("/metrics{query}");
        let (status, head, body) = wait_for(
            "metrics",
            || self.master.logs(),
            || https::exchange(self.master.port, "GET", &path, Some(user), None),
        );
        if status != 200 {
            return Err(status);
        }
        assert!(
            head.contains("Content-Type: text/plain; version=0.0.4"),
            "{head}"
        );
        Ok(Page::read(&String::from_utf8(body).unwrap()))
    }

    fn fleet_status(&self, words: &[&str]) -> (Option<i32>, String) {
        let url = format!("https://root@127.0.0.1:{}/", self.master.port);
        let output: Output = Command::new(Program::Bheka.path())
            .args(["fleet", "status", "--connect", &url])
            .args(words)
            .env("ICINGA2_API_PASSWORD", "secret")
            .env_remove("BHEKA_ICINGA2")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let text = text(&output.stdout) + &text(&output.stderr);
        (output.status.code(), text)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.master.kill();
        if let Some(fleet) = self.fleet.take() {
            self.runtime.block_on(fleet.stop());
        }
    }
}

fn child(name: &str, host: &str, port: u16) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "object Endpoint \"{name}\" {{ host = \"{host}\"; port = {port} }}\n\
         object Zone \"{name}\" {{ endpoints = [ \"{name}\" ]; parent = \"master\" }}\n"
    );
    text
}

/// Every way not to be connected has its words, the same everywhere.
#[test]
fn each_endpoint_says_why_it_is_not_connected() {
    let mut stage = Stage::new(ROLES);
    let strangers = CertificateAuthority::generate(KeyKind::EcP256, now()).unwrap();
    let other_name = listen(&stage.runtime, identity(&stage.authority, "somebody else"));
    let other_authority = listen(&stage.runtime, identity(&strangers, "stranger"));
    stage.zones += &child("impostor", "127.0.0.1", other_name);
    stage.zones += &child("stranger", "127.0.0.1", other_authority);
    stage.zones += &child("nowhere", "no-such-host.invalid", 5665);
    stage.start();

    let healthy = stage.with_role(ROLES, Role::Healthy);
    assert_eq!(healthy.len(), 28);
    for name in &healthy {
        let attributes = stage
            .master
            .wait_object("endpoints", name, "connected", |attrs| {
                attrs["connected"] == true && attrs["syncing"] == false
            });
        let connection = &attributes["connection"];
        assert_eq!(connection["state"], "connected", "{attributes:#}");
        assert_eq!(connection["direction"], "out");
        assert_eq!(connection["tls"]["version"], "TLSv1.3");
        assert!(connection["handshake_ms"].as_f64() > Some(0.0));
        assert!(
            connection["address"]
                .as_str()
                .unwrap()
                .starts_with("[127.0.0.1]:")
        );
        assert_eq!(
            (&connection["attempts"], &connection["connects"]),
            (&0.into(), &1.into())
        );
        assert!(connection["since"].as_f64().unwrap() > 1.0e9);
        assert!(
            connection["messages_sent_per_type"]["icinga::Hello"] == 1,
            "{attributes:#}"
        );
        let received = &attributes["messages_received_per_type"]["icinga::Hello"];
        assert_eq!(received, 1, "{attributes:#}");
        assert!(attributes["seconds_processing_messages"].as_f64() > Some(0.0));
    }
    let of = |role| stage.with_role(ROLES, role)[0].clone();
    let expected = [
        (of(Role::Refuse), "tcp", "refused", "Connection refused"),
        (of(Role::Blackhole), "tcp", "timeout", "timeout after 3 s"),
        (of(Role::Mute), "tls", "timeout", "in the TLS handshake"),
        (
            "impostor".to_owned(),
            "tls",
            "identity",
            "got 'somebody else'",
        ),
        (
            "stranger".to_owned(),
            "tls",
            "identity",
            "validation failed",
        ),
        (
            "nowhere".to_owned(),
            "resolve",
            "no_address",
            "no-such-host.invalid",
        ),
    ];
    for (name, phase, kind, cause) in &expected {
        let connection = stage.failed(name);
        let error = &connection["last_error"];
        assert_eq!(
            (error["phase"].as_str(), error["kind"].as_str()),
            (Some(*phase), Some(*kind)),
            "{name}: {connection:#}"
        );
        let text = error["cause"].as_str().unwrap();
        assert!(text.contains(cause), "{name}: {text}");
        assert!(error["count"].as_u64() >= Some(1));
        assert!(connection["attempts"].as_u64() >= Some(1));
    }
    // The node itself has no connection to itself.
    let own = stage.master.object("endpoints", "master").unwrap();
    assert!(own["connection"].is_null(), "{own:#}");

    let status = |path: &str| {
        let (_, body) = stage.master.get("/v1/status/ApiListener").unwrap();
        body.pointer(&format!("/results/0/status/api/{path}"))
            .cloned()
            .unwrap_or(Value::Null)
    };
    assert_eq!(status("num_conn_endpoints"), 28);
    assert_eq!(status("fleet/endpoints"), 43);
    assert_eq!(status("fleet/states/connected"), 28);
    assert!(status("fleet/failures/tcp/refused").as_u64() >= Some(4));
    assert!(status("fleet/failures/tls/identity").as_u64() >= Some(2));
    assert!(status("fleet/dials").as_u64() >= Some(43));
    assert!(status("openings/dials_running").is_number());
    let storm = wait_for(
        "the end of the storm",
        || stage.master.logs(),
        || Some(status("fleet/last_storm")).filter(Value::is_object),
    );
    assert_eq!(storm["connected"], 28, "{storm:#}");
    assert!(storm["seconds"]["t100"].is_number(), "{storm:#}");
    stage
        .master
        .wait_log(&["Storm over", "28 endpoints connected"]);

    check_metrics(&stage, &expected);
    check_command(&stage, &expected[0].0);
}

fn check_metrics(stage: &Stage, expected: &[(String, &str, &str, &str)]) {
    let page = stage.metrics("", "scraper:s").unwrap();
    assert_eq!(
        page.value("bheka_endpoints", &[("state", "connected")]),
        28.0
    );
    assert_eq!(page.value("bheka_endpoints_configured", &[]), 43.0);
    for (_, phase, reason, _) in expected {
        let labels = [("phase", *phase), ("reason", *reason)];
        assert!(page.value("bheka_dial_failures_total", &labels) >= 1.0);
    }
    let out = [("direction", "out"), ("resumed", "false")];
    assert_eq!(page.value("bheka_tls_handshake_seconds_count", &out), 28.0);
    assert_eq!(page.value("bheka_links_established_total", &out), 28.0);
    let hellos = [("direction", "in"), ("type", "icinga::Hello")];
    assert_eq!(page.value("bheka_messages_total", &hellos), 28.0);
    assert!(page.value("bheka_message_bytes_total", &hellos) > 28.0 * 50.0);
    assert!(page.value("bheka_last_storm_connect_seconds", &[("share", "1")]) >= 0.0);
    assert!(page.value("process_resident_memory_bytes", &[]) > 1.0e6);
    assert!(page.value("process_open_fds", &[]) >= 28.0);
    assert!(page.value("bheka_reloads_total", &[("result", "succeeded")]) == 0.0);
    assert!(
        page.find("bheka_endpoint_up", &[("endpoint", "impostor")])
            .is_none()
    );

    let single = stage.metrics("?endpoints=1", "root:secret").unwrap();
    assert_eq!(
        single.value("bheka_endpoint_up", &[("endpoint", "impostor")]),
        0.0
    );
    let up = single.metrics["bheka_endpoint_up"].samples.iter();
    assert_eq!(up.filter(|it| it.value == 1.0).count(), 28);

    assert_eq!(stage.metrics("", "nobody:n").err(), Some(403));
    assert_eq!(stage.metrics("?endpoints=1", "scraper:s").err(), Some(403));
    assert_eq!(stage.metrics("", "nobody:wrong").err(), Some(401));
}

fn check_command(stage: &Stage, refused: &str) {
    let (code, text) = stage.fleet_status(&[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("master: 28 of 43 endpoints connected"),
        "{text}"
    );
    let line = text.lines().find(|line| line.starts_with(refused)).unwrap();
    assert!(line.contains("tcp refused"), "{line}");
    assert_eq!(
        text.lines()
            .filter(|it| it.contains("  connected  "))
            .count(),
        28,
        "{text}"
    );

    let (code, text) = stage.fleet_status(&["--failing"]);
    assert_eq!(code, Some(2), "{text}");
    assert_eq!(
        text.lines()
            .filter(|it| it.contains("  connected  "))
            .count(),
        0,
        "{text}"
    );
    assert!(text.contains("impostor"), "{text}");

    let healthy = stage.with_role(ROLES, Role::Healthy);
    let (code, text) = stage.fleet_status(&[&healthy[0], &healthy[1]]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = stage.fleet_status(&["--zone", refused, "--json"]);
    assert_eq!(code, Some(2), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let endpoint = &json["endpoints"][0];
    assert_eq!(endpoint["name"], refused);
    assert_eq!(endpoint["connection"]["last_error"]["kind"], "refused");
    assert_eq!(json["fleet"]["endpoints"], 43);
    let (code, text) = stage.fleet_status(&["imp*", "--json"]);
    assert_eq!(code, Some(2));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["endpoints"].as_array().unwrap().len(), 1);

    let (code, text) = stage.fleet_status(&["no-such-*"]);
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = stage.fleet_status(&["--interval", "never"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("--interval takes seconds"), "{text}");
}

/// A crowd that comes and goes has one line a second, and its history survives a reload.
#[test]
fn a_fleet_that_comes_and_goes_is_told_in_few_lines() {
    let mut stage = Stage::new(Roles::default());
    stage.start();
    let connected = |stage: &Stage| {
        let (_, body) = stage.master.get("/v1/status/ApiListener")?;
        body["results"][0]["status"]["api"]["num_conn_endpoints"].as_u64()
    };
    let wait_for_all = |stage: &Stage, count: u64| {
        wait_for(
            "the endpoints",
            || stage.master.logs(),
            || (connected(stage) == Some(count)).then_some(()),
        );
    };
    wait_for_all(&stage, AGENTS as u64);
    stage
        .master
        .wait_log(&["Storm over", "40 endpoints connected"]);
    // Its lines are notices, which the console does not show.
    let console = stage.master.read_log("console.log");
    let single = console
        .lines()
        .filter(|line| line.contains("New client connection for identity 'agent"))
        .count();
    assert!(single < AGENTS, "{console}");
    assert!(console.contains("Endpoints: "), "{console}");

    let reloads = |stage: &Stage| {
        let page = stage.metrics("", "root:secret").unwrap();
        page.value("bheka_reloads_total", &[("result", "succeeded")])
    };
    stage.master.signal("HUP");
    wait_for(
        "the reload",
        || stage.master.logs(),
        || (reloads(&stage) == 1.0).then_some(()),
    );
    let first = stage.master.object("endpoints", "agent-0001").unwrap();
    assert_eq!(first["connection"]["connects"], 1);
    assert_eq!(first["connection"]["disconnects"], 0);

    let fleet = stage.fleet.take().unwrap();
    stage.runtime.block_on(fleet.stop());
    wait_for_all(&stage, 0);
    let gone = stage
        .master
        .wait_object("endpoints", "agent-0001", "in vain", |attrs| {
            attrs["connection"]["last_error"].is_object()
        });
    let connection = &gone["connection"];
    assert_eq!(connection["disconnects"], 1, "{gone:#}");
    assert!(
        connection["last_disconnect"]["cause"].is_string(),
        "{gone:#}"
    );
    assert_eq!(connection["last_error"]["kind"], "refused", "{gone:#}");
    assert!(connection["direction"].is_null() && connection["address"].is_null());
    let page = stage.metrics("", "root:secret").unwrap();
    let closed = page.metrics["bheka_links_closed_total"].samples.iter();
    assert_eq!(closed.map(|it| it.value).sum::<f64>(), 40.0);
    assert_eq!(
        page.value("bheka_endpoints", &[("state", "connected")]),
        0.0
    );
}
