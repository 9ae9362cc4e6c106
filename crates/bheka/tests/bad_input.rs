//! What a peer or stranger may send that it should not. Each case gets the behaviour of the newest
//! Icinga 2, a log line that names the cause, and costs no other connection anything: one agent is
//! connected throughout, and its TCP connection must be the same before and after.
//!
//! Deadlines are waited for as events; no time is measured.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::time::Duration;

use peer::{Papers, Peer};
use serde_json::json;
use support::{Authority, Node, Program, wait_for};

/// A master under fire and the agent that must not notice.
struct Stage {
    authority: Authority,
    master: Node,
    agent: Node,
    link: Vec<String>,
    memory_kib: u64,
}

/// Memory that a case may cost for good, in KiB. Debug builds and allocators keep some.
const GROWTH_MAX_KIB: u64 = 48 * 1024;

impl Stage {
    /// Deadlines are short so that they can be waited for.
    fn new() -> Self {
        let authority = Authority::new();
        let mut master = Node::new(Program::Bheka, "master");
        let mut agent = Node::new(Program::Bheka, "agent");
        master.certify(&authority);
        agent.certify(&authority);
        let zones = |host: &str| {
            format!(
                "object Endpoint \"master\" {{ {host} }}\n\
                 object Zone \"master\" {{ endpoints = [ \"master\" ] }}\n\
                 object Endpoint \"agent\" {{ }}\n\
                 object Zone \"agent\" {{ endpoints = [ \"agent\" ]; parent = \"master\" }}\n\
                 object Endpoint \"child\" {{ }}\n\
                 object Zone \"child\" {{ endpoints = [ \"child\" ]; parent = \"master\" }}\n"
            )
        };
        master.configure(
            "tls_handshake_timeout = 2\n  connect_timeout = 3",
            &(zones("")
                + "object Host \"agent\" { check_command = \"dummy\"; zone = \"master\" }\n\
                   object Service \"remote\" {\n  host_name = \"agent\"\n  \
                   check_command = \"echo-state\"\n  zone = \"master\"\n  command_endpoint = \"agent\"\n  \
                   check_interval = 1s\n  retry_interval = 1s\n}\n\
                   object Service \"passive\" {\n  host_name = \"agent\"\n  \
                   check_command = \"dummy\"\n  zone = \"child\"\n  \
                   enable_active_checks = false\n}\n"),
        );
        let host = format!("host = \"127.0.0.1\"; port = {}", master.port);
        agent.configure(
            "accept_commands = true\naccept_config = true",
            &zones(&host),
        );
        master.start_and_wait();
        agent.start();
        master.wait_object("endpoints", "agent", "connected", |it| {
            it["connected"] == true
        });
        let mut stage = Self {
            authority,
            master,
            agent,
            link: Vec::new(),
            memory_kib: 0,
        };
        stage.wait_result();
        stage.link = stage.agent.connections();
        assert_eq!(stage.link.len(), 1, "{:?}", stage.link);
        stage.memory_kib = stage.memory();
        stage
    }

    /// A certificate of the CA that the master knows.
    fn papers(&self, name: &'static str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        self.authority.issue(name, dir.path(), name);
        dir
    }

    fn executed(&self) -> f64 {
        let service = self
            .master
            .object("services", "agent!remote")
            .unwrap_or_default();
        service["last_check_result"]["execution_end"]
            .as_f64()
            .unwrap_or_default()
    }

    /// The agent runs another check for the master.
    fn wait_result(&self) {
        let before = self.executed();
        wait_for(
            "a result of the agent",
            || self.logs(),
            || (self.executed() > before).then_some(()),
        );
    }

    fn logs(&self) -> String {
        self.master.logs() + "\n" + &self.agent.logs()
    }

    /// Resident memory of the master, in KiB.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.master.pid());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Where the master's debug log ends now.
    fn mark(&self) -> usize {
        self.master.read_log("debug.log").len()
    }

    /// Waits for a line after a mark with all the words.
    fn wait_line(&self, mark: usize, words: &[&str]) -> String {
        wait_for(
            &format!("a line of the log with {words:?}"),
            || self.logs(),
            || {
                let log = self.master.read_log("debug.log");
                let mut lines = log.get(mark..)?.lines();
                lines
                    .find(|line| words.iter().all(|word| line.contains(word)))
                    .map(str::to_owned)
            },
        )
    }

    /// The good link is the same, works, the API answers, and memory is not eaten.
    fn expect_unharmed(&mut self, after: &str) {
        assert!(
            self.master.is_running(),
            "{after}: the master has ended\n{}",
            self.logs()
        );
        assert_eq!(
            self.agent.connections(),
            self.link,
            "{after}\n{}",
            self.logs()
        );
        let (status, _) = self
            .master
            .get("/v1/status/IcingaApplication")
            .expect("an answer");
        assert_eq!(status, 200, "{after}");
        let memory = self.memory();
        assert!(
            memory < self.memory_kib + GROWTH_MAX_KIB,
            "{after}: memory went from {} KiB to {memory} KiB",
            self.memory_kib
        );
    }

    /// One peer that sends bytes, is closed, and is named in the log.
    fn expect_closed(&mut self, mut peer: Peer, bytes: &[u8], words: &[&str]) {
        let mark = self.mark();
        peer.send(bytes);
        peer.expect_end();
        let line = self.wait_line(mark, words);
        let is_shown = ["information/", "warning/", "critical/"];
        assert!(
            is_shown.iter().any(|it| line.contains(it)),
            "{}: {line}",
            peer.what
        );
        let what = peer.what.clone();
        drop(peer);
        self.expect_unharmed(&what);
    }
}

/// JSON that nests this deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut text = br#"{"jsonrpc":"2.0","method":"event::Heartbeat","params":{"x":"#.to_vec();
    // The message and its parameters are two levels.
    text.extend(std::iter::repeat_n(b'[', depth - 2));
    text.extend(std::iter::repeat_n(b']', depth - 2));
    text.extend_from_slice(b"}}");
    text
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = format!("{}:", payload.len()).into_bytes();
    frame.extend_from_slice(payload);
    frame.push(b',');
    frame
}

/// Bytes without sense, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

/// A TLS 1.2 record that announces a ClientHello of 512 bytes and brings ten.
const HALF_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half of";

#[test]
fn strangers_without_tls() {
    if !support::has_icinga2("strangers_without_tls") {
        return;
    }
    let mut stage = Stage::new();
    let port = stage.master.port;
    // Those that end by a deadline run beside the others.
    let deadlines = stage.mark();
    let mut silent = Peer::tcp(port, "TCP, then silence");
    let mut half = Peer::tcp(port, "half a handshake");
    half.send(HALF_HELLO);
    let mut quiet = Peer::tls(port, None, "TLS, then silence");

    let words = ["warning/ApiListener", "127.0.0.1", "TLS handshake failed"];
    let tcp = |what| Peer::tcp(port, what);
    stage.expect_closed(tcp("garbage on the port"), &noise(4096), &words);
    stage.expect_closed(tcp("HTTP without TLS"), b"GET / HTTP/1.1\r\n\r\n", &words);
    stage.expect_closed(tcp("a netstring without TLS"), &frame(b"{}"), &words);
    // A record of TLS with noise in it.
    let mut record = b"\x16\x03\x01\x08\x00".to_vec();
    record.extend(noise(2048));
    stage.expect_closed(tcp("a TLS record of garbage"), &record, &words);

    silent.expect_end();
    half.expect_end();
    quiet.expect_end();
    let timeout = [
        "warning/ApiListener",
        "127.0.0.1",
        "TLS handshake",
        "timeout after 2 s",
    ];
    stage.wait_line(deadlines, &timeout);
    let timeout = [
        "warning/ApiListener",
        "127.0.0.1",
        "first byte",
        "timeout after 3 s",
    ];
    stage.wait_line(deadlines, &timeout);
    stage.wait_result();
    stage.expect_unharmed("silence");
}

#[test]
fn http_that_is_none() {
    if !support::has_icinga2("http_that_is_none") {
        return;
    }
    let mut stage = Stage::new();
    let port = stage.master.port;
    let start = stage.mark();
    let mut huge = b"GET /v1 HTTP/1.1\r\nHost: x\r\nX-Long: ".to_vec();
    huge.extend(std::iter::repeat_n(b'a', 3 << 20));
    huge.extend_from_slice(b"\r\n\r\n");
    for (what, request, cause) in [
        ("a bad request line", &b"NONSENSE\r\n\r\n"[..], "bad method"),
        (
            "bytes that are neither",
            b"\x00\xff\xfe garbage\r\n\r\n",
            "bad method",
        ),
        ("another protocol", b"GET / SIP/2.0\r\n\r\n", "bad version"),
        (
            "a bad header",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "bad field",
        ),
        (
            "two lengths",
            b"GET / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n",
            "bad Content-Length",
        ),
        ("a huge header", &huge, "header limit exceeded"),
    ] {
        let mark = stage.mark();
        let mut peer = Peer::tls(port, None, what);
        peer.send(request);
        peer.expect("HTTP/1.1 400");
        peer.expect_end();
        stage.wait_line(mark, &["warning/HttpServerConnection", "127.0.0.1", cause]);
        stage.expect_unharmed(what);
    }

    let mut peer = Peer::tls(port, None, "half a request");
    peer.send(b"GET /v1 HTTP/1.1\r\nHost: x\r\n");
    peer.expect_end();
    stage.wait_line(
        start,
        &["information/HttpServerConnection", "incomplete request"],
    );
    stage.expect_unharmed("half a request");

    let mut peer = Peer::tls(port, None, "no credentials");
    peer.send(b"GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    peer.expect("HTTP/1.1 401");
    peer.expect("Basic realm=\"Icinga 2\"");
    stage.wait_result();
    stage.expect_unharmed("HTTP");
}

#[test]
fn anonymous_messages() {
    if !support::has_icinga2("anonymous_messages") {
        return;
    }
    let mut stage = Stage::new();
    let port = stage.master.port;
    let start = stage.mark();
    // Says nothing wrong, and still has to go after its 10 s.
    let mut patient = Peer::tls(port, None, "an anonymous peer");
    patient.send_frame(br#"{"jsonrpc":"2.0","method":"event::Heartbeat","params":{}}"#);
    patient.expect("icinga::Hello");

    let closing = "warning/JsonRpcConnection";
    let over = format!("{}:", 1024 * 1024 + 1);
    let object = "must be an object";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a leading zero", b"02:{},".to_vec(), "leading zero"),
        ("ten digits", b"1234567890:".to_vec(), "more than 9 digits"),
        ("no comma", b"2:{}{}".to_vec(), "expected ',' after 2 bytes"),
        ("no colon", b"2{},".to_vec(), "expected ':'"),
        (
            "more than 1 MiB",
            over.into_bytes(),
            "exceeds the limit of 1048576 bytes",
        ),
        (
            "999999999 bytes",
            b"999999999:".to_vec(),
            "exceeds the limit of 1048576 bytes",
        ),
        ("no JSON", frame(b"{nonsense"), "invalid JSON"),
        ("no message", frame(b""), "invalid JSON"),
        ("no text", frame(b"{\"a\":\"\xff\xfe"), "invalid JSON"),
        ("33 levels", frame(&nested(33)), "JSON nests too deep"),
        (
            "100000 levels",
            frame(&nested(100_000)),
            "JSON nests too deep",
        ),
        ("an array", frame(b"[1,2]"), object),
        ("a number", frame(b"5"), object),
        ("null", frame(b"null"), object),
        (
            "a method that is no text",
            frame(br#"{"method":5}"#),
            "field 'method'",
        ),
    ];
    for (what, bytes, cause) in cases {
        stage.expect_closed(
            Peer::tls(port, None, what),
            &bytes,
            &[closing, "127.0.0.1", cause],
        );
    }

    // Exactly the limits are accepted: 1 MiB, and 32 levels.
    let mut peer = Peer::tls(port, None, "as much as is allowed");
    let mut filled = br#"{"id":"full","method":"event::Heartbeat","params":{},"x":""#.to_vec();
    filled.resize(1024 * 1024 - 2, b'a');
    filled.extend_from_slice(b"\"}");
    peer.send_frame(&filled);
    peer.expect("\"id\":\"full\"");
    peer.send_frame(&nested(32));
    // What is no business of strangers is dropped with `null`, what nobody knows is not answered
    // with an error, and what is no dictionary is an error as text.
    let result = json!({
        "check_result": { "state": 2, "output": "forged", "exit_status": 2, "type": "CheckResult" }
    });
    let mut forged = json!({ "id": "forged", "jsonrpc": "2.0", "method": "event::CheckResult" });
    forged["params"] =
        json!({ "host": "agent", "service": "passive", "cr": result["check_result"] });
    peer.send_frame(forged.to_string().as_bytes());
    peer.expect(r#"{"id":"forged","jsonrpc":"2.0","result":null}"#);
    stage.wait_line(start, &["Discarding 'event::CheckResult'", "not allowed"]);
    for method in [
        "config::Update",
        "event::ExecuteCommand",
        "log::SetLogPosition",
    ] {
        let call = json!({ "id": method, "method": method, "params": { "command": "dummy" } });
        peer.send_frame(call.to_string().as_bytes());
        peer.expect(&format!(
            r#"{{"id":"{method}","jsonrpc":"2.0","result":null}}"#
        ));
        stage.wait_line(start, &[&format!("Discarding '{method}'")]);
    }
    let call = json!({
        "id": "cert", "method": "pki::UpdateCertificate",
        "params": { "status_code": 0, "cert": "garbage", "ca": "garbage" }
    });
    peer.send_frame(call.to_string().as_bytes());
    peer.expect(r#"{"id":"cert","jsonrpc":"2.0","result":null}"#);
    stage.wait_line(start, &["Discarding 'pki::UpdateCertificate'"]);
    peer.send_frame(br#"{"id":1,"method":"no::Such","params":{}}"#);
    peer.expect(r#"{"id":1,"jsonrpc":"2.0"}"#);
    stage.wait_line(start, &["non-existent function 'no::Such'"]);
    peer.send_frame(br#"{"id":2,"method":"icinga::Hello","params":[1]}"#);
    peer.expect(r#""error":"#);
    peer.send_frame(br#"{"id":3,"method":"event::Heartbeat"}"#);
    peer.expect(r#"{"id":3,"jsonrpc":"2.0","result":null}"#);
    let passive = stage.master.object("services", "agent!passive").unwrap();
    assert_eq!(passive["last_check_result"], json!(null), "{passive:#?}");

    patient.expect_end();
    stage.wait_line(start, &["Closing connection to 'anonymous'", "after 10 s"]);
    stage.wait_result();
    stage.expect_unharmed("anonymous messages");
}

#[test]
fn messages_of_an_endpoint() {
    if !support::has_icinga2("messages_of_an_endpoint") {
        return;
    }
    let mut stage = Stage::new();
    let port = stage.master.port;
    let dir = stage.papers("child");
    let papers = Some(Papers {
        dir: dir.path(),
        name: "child",
    });
    let mark = stage.mark();
    let mut peer = Peer::tls(port, papers, "an endpoint");
    peer.send_frame(br#"{"method":"icinga::Hello","params":{"version":21605,"capabilities":7}}"#);
    peer.expect("icinga::Hello");
    stage
        .master
        .wait_object("endpoints", "child", "connected", |it| {
            it["connected"] == true
        });
    let skipped = |stage: &Stage, cause: &str| {
        let words = [
            "warning/JsonRpcConnection",
            "'child'",
            "Skipping a message",
            cause,
        ];
        stage.wait_line(mark, &words);
    };
    for (number, (payload, cause)) in [
        (b"{nonsense".to_vec(), "invalid JSON"),
        (nested(33), "JSON nests too deep"),
        (nested(100_000), "JSON nests too deep"),
        (b"[]".to_vec(), "must be an object"),
        (br#"{"method":{}}"#.to_vec(), "field 'method'"),
        (
            br#"{"method":"event::Heartbeat","ts":"now"}"#.to_vec(),
            "field 'ts'",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        peer.send_frame(&payload);
        skipped(&stage, cause);
        // The link is used on: this is answered.
        let call = json!({ "id": number, "method": "event::Heartbeat", "params": {} });
        peer.send_frame(call.to_string().as_bytes());
        peer.expect(&format!(
            r#"{{"id":{number},"jsonrpc":"2.0","result":null}}"#
        ));
    }
    peer.send_frame(br#"{"id":"odd","method":"event::SetNextCheck","params":[]}"#);
    peer.expect(r#""error":""#);
    stage.wait_line(
        mark,
        &[
            "warning/JsonRpcConnection",
            "'child'",
            "must be a dictionary",
        ],
    );
    // More than a stranger may send, though not more than a child may.
    let mut large = br#"{"id":"large","method":"event::Heartbeat","params":{},"x":""#.to_vec();
    large.resize(2 << 20, b'a');
    large.extend_from_slice(b"\"}");
    peer.send_frame(&large);
    peer.expect("\"id\":\"large\"");
    // Somebody else's object.
    let cr = json!({ "state": 2, "output": "forged", "exit_status": 2, "type": "CheckResult" });
    let params = json!({ "host": "agent", "service": "remote", "cr": cr });
    let forged = json!({ "id": "forged", "method": "event::CheckResult", "params": params });
    peer.send_frame(forged.to_string().as_bytes());
    peer.expect(r#"{"id":"forged","jsonrpc":"2.0","result":null}"#);
    stage.wait_line(
        mark,
        &["Discarding 'event::CheckResult'", "'child'", "unauthorized"],
    );
    // Its own.
    let params = json!({ "host": "agent", "service": "passive", "cr": cr });
    let own = json!({ "method": "event::CheckResult", "params": params });
    peer.send_frame(own.to_string().as_bytes());
    stage
        .master
        .wait_object("services", "agent!passive", "has the result", |it| {
            it["last_check_result"]["output"] == "forged"
        });
    assert!(peer.stays(Duration::ZERO), "{}", stage.logs());
    // Framing is not forgiven: where the next message begins nobody knows.
    peer.send(b"16777217:");
    peer.expect_end();
    let cause = "exceeds the limit of 16777216 bytes";
    stage.wait_line(mark, &["warning/JsonRpcConnection", "'child'", cause]);
    stage
        .master
        .wait_object("endpoints", "child", "gone", |it| it["connected"] == false);
    let mut again = Peer::tls(port, papers, "an endpoint comes back");
    again.send_frame(br#"{"method":"icinga::Hello","params":{}}"#);
    stage
        .master
        .wait_object("endpoints", "child", "back", |it| it["connected"] == true);
    // The newer of two goes as soon as the older one shows that it lives.
    let mut double = Peer::tls(port, papers, "an endpoint twice");
    double.send_frame(br#"{"method":"icinga::Hello","params":{}}"#);
    double.expect("icinga::Hello");
    again.send_frame(br#"{"method":"event::Heartbeat","params":{}}"#);
    double.expect_end();
    assert!(again.stays(Duration::ZERO));
    again.send(b"007:{},");
    again.expect_end();
    stage.wait_line(mark, &["'child'", "leading zero"]);
    stage.wait_result();
    stage.expect_unharmed("messages of an endpoint");
}

#[test]
fn certificates_that_prove_nothing() {
    if !support::has_icinga2("certificates_that_prove_nothing") {
        return;
    }
    let mut stage = Stage::new();
    let port = stage.master.port;
    let hello = frame(br#"{"method":"icinga::Hello","params":{"version":21605}}"#);

    // Valid, though nobody of that name is configured: closed at once, and named.
    let dir = stage.papers("nobody");
    let papers = Some(Papers {
        dir: dir.path(),
        name: "nobody",
    });
    let mark = stage.mark();
    let peer = Peer::tls(port, papers, "an unknown endpoint");
    stage.expect_closed(peer, &hello, &["warning/ApiListener", "'nobody'"]);
    assert!(stage.master.read_log("debug.log")[mark..].contains("no Endpoint object"));

    // Valid, and the master's own name.
    let dir = stage.papers("master");
    let papers = Some(Papers {
        dir: dir.path(),
        name: "master",
    });
    let peer = Peer::tls(port, papers, "the master's own name");
    stage.expect_closed(peer, &hello, &["warning/ApiListener", "'master'"]);

    // Of another CA, and of none, in the name of the agent: strangers, who may not speak for it.
    let other = Authority::new();
    let strange = tempfile::tempdir().unwrap();
    other.issue("agent", strange.path(), "agent");
    let selfmade = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-keyout",
            "agent.key",
            "-out",
            "agent.crt",
            "-subj",
            "/CN=agent",
        ])
        .current_dir(selfmade.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let mut peers = Vec::new();
    let mark = stage.mark();
    for (dir, what) in [(&strange, "another CA"), (&selfmade, "self-signed")] {
        let papers = Some(Papers {
            dir: dir.path(),
            name: "agent",
        });
        let mut peer = Peer::tls(port, papers, what);
        peer.send(&hello);
        peer.expect("icinga::Hello");
        let cr = json!({ "state": 2, "output": "forged", "exit_status": 2, "type": "CheckResult" });
        let params = json!({ "host": "agent", "service": "remote", "cr": cr });
        let forged = json!({ "id": 1, "method": "event::CheckResult", "params": params });
        peer.send_frame(forged.to_string().as_bytes());
        peer.expect(r#"{"id":1,"jsonrpc":"2.0","result":null}"#);
        peers.push(peer);
    }
    let words = ["identity 'agent'", "(certificate validation failed: code "];
    let line = stage.wait_line(mark, &words);
    assert!(line.contains("information/ApiListener"), "{line}");
    let log = stage.master.read_log("debug.log");
    for code in ["code 18: ", "code 7: "] {
        assert!(log[mark..].contains(code), "{code}\n{}", stage.logs());
    }
    for peer in &mut peers {
        // 10 s after the start.
        peer.expect_end();
    }
    let log = stage.master.read_log("debug.log");
    assert!(!log.contains("forged"), "{}", stage.logs());
    stage.wait_result();
    stage.expect_unharmed("certificates");
}

#[test]
fn two_hundred_at_once() {
    if !support::has_icinga2("two_hundred_at_once") {
        return;
    }
    let mut stage = Stage::new();
    let port = stage.master.port;
    let mark = stage.mark();
    let mut peers = Vec::new();
    for number in 0..200 {
        peers.push(match number % 5 {
            0 => {
                let mut peer = Peer::tls(port, None, "TLS with a message");
                peer.send_frame(br#"{"method":"icinga::Hello","params":{}}"#);
                peer
            }
            1 => {
                let mut peer = Peer::tcp(port, "noise");
                peer.send(&noise(2000));
                peer
            }
            2 => {
                let mut peer = Peer::tcp(port, "half a handshake");
                peer.send(HALF_HELLO);
                peer
            }
            _ => Peer::tcp(port, "silence"),
        });
    }
    // While all of them are there, the agent and the API are served.
    stage.wait_result();
    let (status, _) = stage
        .master
        .get("/v1/status/ApiListener")
        .expect("an answer");
    assert_eq!(status, 200);
    for mut peer in peers {
        peer.expect_end();
    }
    stage.wait_line(mark, &["TLS handshake failed", "timeout"]);
    stage.wait_line(mark, &["TLS handshake failed", "does not speak TLS"]);
    stage.wait_result();
    stage.expect_unharmed("200 at once");
    wait_for(
        "descriptors to come free",
        || stage.logs(),
        || {
            let path = format!("/proc/{}/fd", stage.master.pid());
            (std::fs::read_dir(path).unwrap().count() < 60).then_some(())
        },
    );
}
