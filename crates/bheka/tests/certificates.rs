//! Certificates, keys and settings of TLS that change while the daemon runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "support/peer.rs"]
mod peer;
#[allow(missing_docs)]
mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use peer::{Papers, Peer};
use support::{Authority, Node, Program, wait_for};

fn has_openssl(test: &str) -> bool {
    let there = Path::new("/usr/bin/openssl").exists();
    if !there {
        eprintln!("skipped: {test} needs the package openssl");
    }
    there
}

/// A master that knows the endpoints `good` and `bad`, and their certificates.
struct Stage {
    authority: Authority,
    master: Node,
    papers: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            authority: Authority::new(),
            master: Node::new(Program::Bheka, "master"),
            papers: tempfile::tempdir().unwrap(),
        };
        stage.master.certify(&stage.authority);
        for name in ["good", "bad"] {
            stage.authority.issue(name, stage.papers.path(), name);
        }
        stage
    }

    fn configure(&self, listener: &str) {
        let mut text = "object Endpoint \"master\" { }\n\
                        object Zone \"master\" { endpoints = [ \"master\" ] }\n"
            .to_owned();
        for name in ["good", "bad"] {
            text += &format!(
                "object Endpoint \"{name}\" {{ }}\n\
                 object Zone \"{name}\" {{ endpoints = [ \"{name}\" ]; parent = \"master\" }}\n"
            );
        }
        self.master.configure(listener, &text);
    }

    /// Reloads, and waits until that is done.
    fn reload(&self) {
        let line = "Reloaded the configuration in";
        let count = || self.master.read_log("debug.log").matches(line).count();
        let before = count();
        self.master.signal("HUP");
        wait_for(
            "the reload",
            || self.master.logs(),
            || (count() > before).then_some(()),
        );
    }

    /// Connects as an endpoint, greets, and waits for the answer.
    fn dial(&self, name: &str) -> Peer {
        let papers = Papers {
            dir: self.papers.path(),
            name,
        };
        let mut peer = Peer::tls(self.master.port, Some(papers), name);
        peer.send_frame(
            br#"{"jsonrpc":"2.0","method":"icinga::Hello","params":{"version":21306}}"#,
        );
        peer.expect("icinga::Hello");
        peer
    }

    /// Whether the master takes the endpoint for connected.
    fn is_connected(&self, name: &str) -> bool {
        self.master.object("endpoints", name).unwrap()["connected"] == true
    }

    /// Connects with a certificate that was revoked, and expects to be told apart.
    fn expect_revoked(&self, name: &str) {
        let line = format!("New client connection for identity '{name}'");
        let lines = || {
            let log = self.master.read_log("debug.log");
            let lines = log.lines().filter(|text| text.contains(&line));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = lines().len();
        let _peer = self.dial(name);
        let told = wait_for(
            "the connection to be logged",
            || self.master.logs(),
            || lines().get(before).cloned(),
        );
        assert!(told.contains("code 23: certificate revoked"), "{told}");
        assert!(!self.is_connected(name));
    }

    fn expect_connected(&self, name: &str) -> Peer {
        let peer = self.dial(name);
        self.master
            .wait_object("endpoints", name, "connected", |attrs| {
                attrs["connected"] == true
            });
        peer
    }
}

/// The revocation list is not forgotten when a new certificate is loaded: on a reload, and when a
/// parent sends one.
#[test]
fn revoked_peers_stay_out_after_a_new_certificate() {
    if !has_openssl("revoked_peers_stay_out_after_a_new_certificate") {
        return;
    }
    let mut stage = Stage::new();
    let crl = stage.master.dir.join("crl.pem");
    stage.authority.revoke(&["bad"], &crl);
    stage.configure(&format!("crl_path = \"{}\"", crl.display()));
    stage.master.start_and_wait();
    stage.expect_revoked("bad");
    let good = stage.expect_connected("good");

    stage.master.certify(&stage.authority);
    stage.reload();
    stage.master.wait_log(&["Loaded the changed certificate"]);
    stage.expect_revoked("bad");
    assert!(stage.is_connected("good"), "and its link stays");
    drop(good);
    assert!(stage.master.stop());
}

/// `crl_path`, `cipher_list` and `tls_protocolmin` hold for the connections after a reload, and
/// those that exist stay.
#[test]
fn settings_of_tls_change_at_a_reload() {
    if !has_openssl("settings_of_tls_change_at_a_reload") {
        return;
    }
    let mut stage = Stage::new();
    stage.configure("");
    stage.master.start_and_wait();
    let good = stage.expect_connected("good");
    drop(stage.expect_connected("bad"));
    let link = |stage: &Stage| {
        let needle = format!(":{} ", stage.master.port);
        let mut found = stage.master.connections();
        found.retain(|line| line.contains(&needle));
        found
    };
    stage
        .master
        .wait_object("endpoints", "bad", "gone", |attrs| {
            attrs["connected"] == false
        });
    let before = link(&stage);
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(agreed(&stage, &["-tls1_2"]), "ECDHE-RSA-AES256-GCM-SHA384");

    let crl = stage.master.dir.join("crl.pem");
    stage.authority.revoke(&["bad"], &crl);
    let path = format!("crl_path = \"{}\"", crl.display());
    stage.configure(&format!(
        "{path}\n  cipher_list = \"ECDHE-RSA-AES128-GCM-SHA256\""
    ));
    stage.reload();
    stage.expect_revoked("bad");
    assert_eq!(agreed(&stage, &["-tls1_2"]), "ECDHE-RSA-AES128-GCM-SHA256");

    stage.configure("tls_protocolmin = \"TLSv1.3\"");
    stage.reload();
    drop(stage.expect_connected("bad"));
    assert_eq!(agreed(&stage, &["-tls1_2"]), "");
    assert_eq!(agreed(&stage, &["-tls1_3"]), "TLS_AES_256_GCM_SHA384");

    assert!(stage.is_connected("good"));
    assert!(
        link(&stage).contains(&before[0]),
        "the link of 'good' stays"
    );
    drop(good);
    assert!(stage.master.stop());
}

/// Who connected before a restart comes back without a full handshake, and is known.
#[test]
fn tickets_are_good_after_a_restart() {
    if !has_openssl("tickets_are_good_after_a_restart") {
        return;
    }
    let mut stage = Stage::new();
    stage.configure("}\nobject ApiUser \"good\" { client_cn = \"good\"; permissions = [ \"*\" ]");
    stage.master.start_and_wait();
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(!get_resuming(&stage, version));
        assert!(get_resuming(&stage, version));
    }
    let file = stage.master.dir.join("data/session-ticket-keys.json");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stage.master.kill();
    stage.master.start_and_wait();
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(get_resuming(&stage, version), "{version}");
    }
    // A file that others may read is worth nothing any more.
    assert!(stage.master.stop());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    stage.master.start_and_wait();
    stage.master.wait_log(&["warning", "may be read by others"]);
    assert!(!get_resuming(&stage, "-tls1_3"));
    assert!(get_resuming(&stage, "-tls1_3"));
    // Tickets of another certificate are worth nothing, either.
    stage.master.certify(&stage.authority);
    stage.reload();
    assert!(!get_resuming(&stage, "-tls1_3"));
    assert!(stage.master.stop());
}

/// The signing master moves to a P-256 key by one command; its links stay.
#[test]
fn a_signing_master_changes_its_key_under_living_links() {
    if !has_openssl("a_signing_master_changes_its_key_under_living_links") {
        return;
    }
    let mut stage = Stage::new();
    stage.authority.move_to(&stage.master);
    stage.configure("");
    stage.master.start_and_wait();
    let good = stage.expect_connected("good");
    let before = stage.master.connections();
    assert_eq!(stage.master.key_of("data/certs/master.crt"), RSA);
    let output = stage.master.run(&["pki", "rekey", "--key-type", "p256"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Told the daemon"), "{text}");
    stage.master.wait_log(&["Loaded the changed certificate"]);
    assert_eq!(stage.master.key_of("data/certs/master.crt"), P256);
    assert_eq!(stage.master.key_of("data/certs/master.crt.bak"), RSA);
    assert_eq!(
        agreed(&stage, &["-tls1_2"]),
        "ECDHE-ECDSA-AES256-GCM-SHA384"
    );
    assert!(stage.is_connected("good"));
    let after = stage.master.connections();
    assert!(before.iter().all(|link| after.contains(link)), "{after:?}");
    drop(stage.expect_connected("bad"));
    drop(good);
    assert!(stage.master.stop());
}

/// A daemon that is started after a change of the key was interrupted ends it.
#[test]
fn an_interrupted_change_of_the_key_is_ended_at_the_start() {
    if !has_openssl("an_interrupted_change_of_the_key_is_ended_at_the_start") {
        return;
    }
    let mut stage = Stage::new();
    stage.authority.move_to(&stage.master);
    stage.configure("");
    stage.master.run(&["pki", "rekey"]);
    let file = |name: &str| stage.master.dir.join("data/certs").join(name);
    // As if it had been killed between the two files.
    std::fs::rename(file("master.crt"), file("master.crt.new")).unwrap();
    std::fs::copy(file("master.crt.bak"), file("master.crt")).unwrap();
    stage.master.start_and_wait();
    stage
        .master
        .wait_log(&["Ended an interrupted change of the key"]);
    assert_eq!(stage.master.key_of("data/certs/master.crt"), P256);
    drop(stage.expect_connected("good"));
    assert!(stage.master.stop());
}

const RSA: &str = "Public-Key: (2048 bit) RSA";
const P256: &str = "Public-Key: (256 bit) P-256";

/// An agent gets the certificate for its new key through its parent: at once with a ticket, or
/// when the administrator signs; its link stays.
#[test]
fn an_agent_changes_its_key_through_its_parent() {
    if !has_openssl("an_agent_changes_its_key_through_its_parent") {
        return;
    }
    for with_ticket in [true, false] {
        let authority = Authority::new();
        let mut master = Node::new(Program::Bheka, "master");
        let mut agent = Node::new(Program::Bheka, "agent");
        master.certify(&authority);
        agent.certify(&authority);
        authority.move_to(&master);
        let zones = |host: &str| {
            format!(
                "object Endpoint \"master\" {{ {host} }}\n\
                 object Zone \"master\" {{ endpoints = [ \"master\" ] }}\n\
                 object Endpoint \"agent\" {{ }}\n\
                 object Zone \"agent\" {{ endpoints = [ \"agent\" ]; parent = \"master\" }}\n"
            )
        };
        let salt = "const TicketSalt = \"pepper\"\n".to_owned();
        master.configure("ticket_salt = TicketSalt", &(salt + &zones("")));
        let host = format!("host = \"127.0.0.1\"; port = {}", master.port);
        agent.configure("", &zones(&host));
        master.start_and_wait();
        agent.start_and_wait();
        let connected = |attrs: &serde_json::Value| attrs["connected"] == true;
        master.wait_object("endpoints", "agent", "connected", connected);
        let link = |node: &Node| {
            let needle = format!(":{}", master.port);
            let mut links = node.connections();
            links.retain(|line| line.ends_with(&needle));
            links
        };
        let before = link(&agent);
        assert_eq!(before.len(), 1, "{before:?}");
        let mut command = vec!["pki", "rekey"];
        let ticket = master.run(&["pki", "ticket", "--cn", "agent", "--salt", "pepper"]);
        let ticket = String::from_utf8_lossy(&ticket.stdout).trim().to_owned();
        if with_ticket {
            command.extend(["--ticket", &ticket]);
        }
        let output = agent.run(&command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("waits in"), "{text}");
        if !with_ticket {
            let fingerprint = wait_for(
                "the request to reach the master",
                || master.logs() + &agent.logs(),
                || {
                    let list = master.run(&["ca", "list", "--json"]);
                    let list: serde_json::Value = serde_json::from_slice(&list.stdout).ok()?;
                    list.as_object()?.keys().next().cloned()
                },
            );
            assert!(text.contains(&fingerprint), "{text}");
            assert_eq!(agent.key_of("data/certs/agent.crt"), RSA, "still in use");
            master.run(&["ca", "sign", &fingerprint]);
            // Asking again asks at once.
            agent.run(&["pki", "rekey"]);
        }
        agent.wait_log(&["Saved and updated the certificate of this node"]);
        assert_eq!(agent.key_of("data/certs/agent.crt"), P256);
        assert_eq!(agent.key_of("data/certs/agent.crt.bak"), RSA);
        assert!(!agent.dir.join("data/certs/agent.key.new").exists());
        assert_eq!(link(&agent), before, "the link stays");
        // The next one is made with the new certificate.
        assert!(agent.stop());
        master.wait_object("endpoints", "agent", "gone", |attrs| !connected(attrs));
        agent.start_and_wait();
        master.wait_object("endpoints", "agent", "back", connected);
        assert!(agent.stop() && master.stop());
    }
}

/// Asks the API by the certificate `good`, resuming the last session with this version when there
/// is one; yields whether that was accepted.
fn get_resuming(stage: &Stage, version: &str) -> bool {
    let dir = stage.papers.path();
    let session = dir.join(format!("session{version}"));
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-ign_eof", version, "-cert", "good.crt"])
        .args(["-key", "good.key", "-connect"])
        .arg(format!("127.0.0.1:{}", stage.master.port))
        .arg("-sess_out")
        .arg(&session)
        .current_dir(dir);
    if session.exists() {
        command.arg("-sess_in").arg(&session);
    }
    let mut client = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = b"GET /v1/status/ApiListener HTTP/1.1\r\nHost: master\r\n\
        Accept: application/json\r\nConnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let output = client.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("HTTP/1.1 200"),
        "{text}\n{}",
        stage.master.logs()
    );
    text.lines().any(|line| line.starts_with("Reused, "))
}

/// The cipher suite that `s_client` agrees on with the master; empty when they agree on none.
fn agreed(stage: &Stage, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect"])
        .arg(format!("127.0.0.1:{}", stage.master.port))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let suite = text
        .lines()
        .find_map(|line| line.strip_prefix("New, ")?.split("Cipher is ").nth(1));
    suite
        .filter(|it| *it != "(NONE)")
        .unwrap_or_default()
        .to_owned()
}
