//! With the real ones: OpenSSL's `s_client` and Icinga 2's daemon and commands. Where they are not
//! installed, the tests say so and pass.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener as StdListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bheka_cluster::message::Message;
use bheka_cluster::netstring::TRUSTED_BYTES_MAX;
use bheka_net::pki::{
    Certificate, CertificateAuthority, KeyKind, PrivateKey, RequestStore, SigningRequest, new_csr,
    self_signed, ticket,
};
use bheka_net::request::{
    AnswerStatus, CertificateRequest, RequestError, request_certificate, save_cert,
};
use bheka_net::{Accepted, Connection, Deadlines, DialTarget, Phase, dial};
use bheka_value::{Value, from_json};
use common::{Authority, accept_json, accept_one, listener, real_now, target};
use tokio::net::TcpListener;

const SECOND: Duration = Duration::from_secs(1);

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok()
        || Command::new(program).arg("version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
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

fn write_pair(directory: &Path, name: &str, pair: &(Certificate, PrivateKey)) {
    pair.0
        .write(&directory.join(format!("{name}.crt")))
        .unwrap();
    pair.1
        .write(&directory.join(format!("{name}.key")))
        .unwrap();
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn openssl_joins_with_every_kind_of_certificate() {
    if !installed("openssl") {
        return;
    }
    let now = real_now();
    let authority = Authority::new(now);
    let agent = authority.node("agent");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    authority.ca.certificate().write(&path("ca.crt")).unwrap();
    authority.ca.key().write(&path("ca.key")).unwrap();
    write_pair(directory.path(), "ec", &authority.leaf("ec"));
    let rsa = PrivateKey::generate(KeyKind::Rsa4096).unwrap();
    let rsa = (authority.ca.issue("rsa", &rsa, now - 60.0).unwrap(), rsa);
    write_pair(directory.path(), "rsa", &rsa);
    // Version 1, as `openssl x509 -req` makes it without extensions.
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    key.write(&path("v1.key")).unwrap();
    fs::write(path("v1.csr"), new_csr("v1", &key).unwrap()).unwrap();
    let signed = Command::new("openssl")
        .args([
            "x509", "-req", "-in", "v1.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
        ])
        .args(["-set_serial", "7", "-days", "2", "-out", "v1.crt"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", text(&signed));

    let now = real_now() + 1.0;
    for version in ["-tls1_2", "-tls1_3"] {
        for name in ["ec", "rsa", "v1", ""] {
            let (listener, port) = listener();
            let mut command = Command::new("openssl");
            command
                .args([
                    "s_client",
                    version,
                    "-servername",
                    "agent",
                    "-CAfile",
                    "ca.crt",
                ])
                .args(["-connect", &format!("127.0.0.1:{port}")])
                .current_dir(directory.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0);
            if !name.is_empty() {
                command.args([
                    "-cert",
                    &format!("{name}.crt"),
                    "-key",
                    &format!("{name}.key"),
                ]);
            }
            let mut child = command.spawn().unwrap();
            child
                .stdin
                .as_mut()
                .unwrap()
                .write_all(b"5:hello,")
                .unwrap();
            let connection = accept_json(&listener, &agent, now).await;
            let case = format!("{version} {name}: {:?}", connection.peer);
            if name.is_empty() {
                assert_eq!(connection.peer.remark(), "no client certificate");
            } else {
                assert_eq!(connection.peer.verified_cn(), Some(name), "{case}");
            }
            assert_eq!(connection.tls.version.replace("TLSv1.", "-tls1_"), version);
            let (mut reader, writer) = connection.split(1024);
            assert_eq!(reader.next().await.unwrap().unwrap(), b"hello", "{case}");
            writer.close(SECOND).await;
            drop(reader);
            let output = text(&child.wait_with_output().unwrap());
            assert!(output.contains("Verify return code: 0 (ok)"), "{output}");
            assert!(output.contains("Acceptable client certificate CA names\nCN = Icinga CA"));
            assert!(
                output.contains(" 1 s:CN = Icinga CA"),
                "the root is sent: {output}"
            );
            assert!(!output.contains("ALPN protocol:"));
        }
    }
}

/// Runs a command of Icinga 2 on a data directory.
fn icinga(data: &Path, arguments: &[&str]) -> Output {
    let user = Command::new("id").arg("-un").output().unwrap();
    let group = Command::new("id").arg("-gn").output().unwrap();
    let define = |name: &str, value: &str| format!("{name}={}", value.trim());
    Command::new("icinga2")
        .args(arguments)
        .args(["-D", &define("DataDir", &data.to_string_lossy())])
        .args([
            "-D",
            &define("RunAsUser", &String::from_utf8_lossy(&user.stdout)),
        ])
        .args([
            "-D",
            &define("RunAsGroup", &String::from_utf8_lossy(&group.stdout)),
        ])
        .current_dir(data)
        .output()
        .unwrap()
}

#[test]
fn icinga_reads_what_is_written_here() {
    if !installed("icinga2") {
        return;
    }
    let now = real_now();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let ca = CertificateAuthority::create(&data.join("ca"), KeyKind::Rsa4096, now - 60.0).unwrap();
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let leaf = ca.issue("c1", &key, now - 60.0).unwrap();
    leaf.write(&data.join("c1.crt")).unwrap();
    let verified = icinga(
        data,
        &["pki", "verify", "--cert", "c1.crt", "--cacert", "ca/ca.crt"],
    );
    let output = text(&verified);
    assert!(
        output.contains("OK: Certificate with CN 'c1' is signed by CA."),
        "{output}"
    );
    assert!(output.contains(&leaf.info_text()), "{output}");
    assert!(output.contains(&ca.certificate().info_text()), "{output}");
    let is_ca = text(&icinga(data, &["pki", "verify", "--cacert", "ca/ca.crt"]));
    assert!(is_ca.contains("OK: CA certificate file"), "{is_ca}");

    // Our request, their signature, with our authority's RSA key.
    fs::write(data.join("c2.csr"), new_csr("c2", &key).unwrap()).unwrap();
    let signed = icinga(
        data,
        &["pki", "sign-csr", "--csr", "c2.csr", "--cert", "c2.crt"],
    );
    assert!(signed.status.success(), "{}", text(&signed));
    let c2 = Certificate::read(&data.join("c2.crt")).unwrap();
    assert!(c2.is_signed_by(ca.certificate()));
    // Their request, our signature: the same certificate but for serial and time.
    let made = icinga(
        data,
        &[
            "pki", "new-cert", "--cn", "c3", "--key", "c3.key", "--csr", "c3.csr",
        ],
    );
    assert!(made.status.success(), "{}", text(&made));
    let request = SigningRequest::read(&data.join("c3.csr")).unwrap();
    let ours = ca.sign_csr(&request, now).unwrap();
    icinga(
        data,
        &["pki", "sign-csr", "--csr", "c3.csr", "--cert", "c3.crt"],
    );
    let theirs = Certificate::read(&data.join("c3.crt")).unwrap();
    assert!(ours.replaces(&theirs));
    let lengths = (ours.der().len() as i64, theirs.der().len() as i64);
    assert!(
        (lengths.0 - lengths.1).abs() <= 2,
        "only the serial may differ in length: {lengths:?}"
    );

    // Our store of requests, their commands.
    let store = RequestStore::new(data.join("certificate-requests"));
    let asked = self_signed("new", &key, now - 60.0).unwrap();
    store.save(&asked, "", None).unwrap();
    let fingerprint = asked.fingerprint();
    let listed = icinga(data, &["ca", "list", "--json"]);
    let listed = from_json(&listed.stdout).unwrap();
    let entry = listed.as_dictionary().unwrap().get(&fingerprint).unwrap();
    assert_eq!(entry, store.get(&fingerprint).unwrap().unwrap().to_value());
    icinga(data, &["ca", "remove", &fingerprint]);
    assert!(store.is_removed(&fingerprint));
    store.restore(&fingerprint).unwrap();
    let signed = icinga(data, &["ca", "sign", &fingerprint]);
    assert!(signed.status.success(), "{}", text(&signed));
    let response = store.get(&fingerprint).unwrap().unwrap().response.unwrap();
    let response = Certificate::from_pem(response.as_bytes()).unwrap();
    assert!(response.replaces(&asked) && response.is_signed_by(ca.certificate()));
    let listed = from_json(&icinga(data, &["ca", "list", "--all", "--json"]).stdout).unwrap();
    let entry = listed.as_dictionary().unwrap().get(&fingerprint).unwrap();
    assert_eq!(entry, store.get(&fingerprint).unwrap().unwrap().to_value());

    let theirs = icinga(
        data,
        &[
            "pki",
            "ticket",
            "--cn",
            "agent-1.example",
            "--salt",
            "päpper",
        ],
    );
    assert_eq!(
        String::from_utf8_lossy(&theirs.stdout).trim(),
        ticket("agent-1.example", "päpper")
    );
}

#[tokio::test]
async fn icinga_saves_our_certificate() {
    if !installed("icinga2") {
        return;
    }
    let now = real_now();
    let agent = Authority::new(now).node("localhost");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_owned();
    let (listener, port) = listener();
    let command = tokio::task::spawn_blocking(move || {
        let port = port.to_string();
        let arguments = [
            "--host",
            "localhost",
            "--port",
            &port,
            "--trustedcert",
            "t.crt",
        ];
        icinga(&data, &[&["pki", "save-cert"], &arguments[..]].concat())
    });
    let error = accept_one(&listener, &agent, now).await.unwrap_err();
    assert!(error.closed_silently, "{error}");
    let output = text(&command.await.unwrap());
    let saved = Certificate::read(&directory.path().join("t.crt")).unwrap();
    assert_eq!(Some(&saved), agent.certificate().as_ref());
    assert!(output.contains(&saved.info_text()), "{output}");
}

/// A daemon of Icinga 2: endpoint `stock` in zone `child` of our zone. It dials us at `our_port`
/// and listens at the port that is returned. Its data directory holds the authority's key, so it
/// signs requests. It speaks no version of TLS above the given one.
fn start_daemon(
    directory: &Path,
    authority: &Authority,
    our_port: u16,
    version: &str,
) -> (Group, u16) {
    let port = StdListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for name in ["data/certs", "data/ca", "log", "cache", "spool", "run"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    let certs = directory.join("data/certs");
    write_pair(&certs, "stock", &authority.leaf("stock"));
    authority
        .ca
        .certificate()
        .write(&certs.join("ca.crt"))
        .unwrap();
    authority
        .ca
        .certificate()
        .write(&directory.join("data/ca/ca.crt"))
        .unwrap();
    authority
        .ca
        .key()
        .write(&directory.join("data/ca/ca.key"))
        .unwrap();
    let configuration = format!(
        "const NodeName = \"stock\"\nconst ZoneName = \"child\"\n\
         object ApiListener \"api\" {{\n bind_host = \"127.0.0.1\"\n bind_port = {port}\n \
         ticket_salt = \"pepper\"\n}}\n\
         object Endpoint \"stock\" {{ }}\n\
         object Endpoint \"master\" {{\n host = \"127.0.0.1\"\n port = {our_port}\n}}\n\
         object Zone \"parent\" {{ endpoints = [ \"master\" ] }}\n\
         object Zone \"child\" {{\n endpoints = [ \"stock\" ]\n parent = \"parent\"\n}}\n"
    );
    fs::write(directory.join("icinga2.conf"), configuration).unwrap();
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
    ] {
        command.args(["-D", &format!("{name}={}/{value}", directory.display())]);
    }
    command.args(["-D", &format!("SpoolDir={}/spool", directory.display())]);
    command.args(["-D", &format!("InitRunDir={}/run", directory.display())]);
    command.args([
        "-D",
        &format!("PidPath={}/run/icinga2.pid", directory.display()),
    ]);
    command.args(["-D", &format!("RunAsUser={}", id("-un"))]);
    command.args(["-D", &format!("RunAsGroup={}", id("-gn"))]);
    let openssl = format!(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = it\n\
         [it]\nMaxProtocol = {version}\n"
    );
    fs::write(directory.join("openssl.cnf"), openssl).unwrap();
    command.env("OPENSSL_CONF", directory.join("openssl.cnf"));
    let log = fs::File::create(directory.join("out.txt")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    (Group(command.spawn().unwrap()), port)
}

fn hello() -> Vec<u8> {
    let params = Value::dictionary([
        ("capabilities", Value::from(1.0)),
        ("version", Value::from(21_306.0)),
    ]);
    Message::call("icinga::Hello", params).to_bytes()
}

/// The daemon dials us; the answer to our Hello tells its version.
async fn be_dialled(listener: &TcpListener, authority: &Authority, version: &str) {
    let master = authority.node("master");
    let accepted = accept_one(listener, &master, authority.now).await.unwrap();
    let Accepted::JsonRpc(connection) = accepted else {
        panic!("taken for HTTP")
    };
    assert_eq!(connection.peer.verified_cn(), Some("stock"));
    assert_eq!(connection.tls.server_name.as_deref(), Some("master"));
    assert_eq!(connection.tls.version, version);
    let (mut reader, mut writer) = connection.split(TRUSTED_BYTES_MAX);
    writer.send(&hello()).await.unwrap();
    let first = Message::from_bytes(&reader.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(
        first.method_name(),
        "icinga::Hello",
        "the dialler speaks first"
    );
    assert!(first.number_param("version").unwrap() >= 21_300.0);
    writer.close(SECOND).await;
}

/// Whether the daemon sends what only endpoints get. It refuses a connection after Hello while it
/// has not noticed the end of the one before.
async fn is_taken_for_the_parent(connection: Connection) -> bool {
    let (mut reader, writer) = connection.split(TRUSTED_BYTES_MAX);
    let mut expected = vec!["icinga::Hello", "pki::RequestCertificate"];
    while !expected.is_empty() {
        let Some(frame) = reader.next().await.unwrap() else {
            return false;
        };
        let message = Message::from_bytes(&frame).unwrap();
        expected.retain(|method| *method != message.method_name());
    }
    writer.close(SECOND).await;
    while let Ok(Some(_)) = reader.next().await {}
    true
}

/// Dials it until a session was resumed, over a reload of our certificate; the daemon must know us
/// each time as before.
async fn dial_it(authority: &Authority, port: u16, version: &str) {
    let master = authority.node("master");
    let stock = DialTarget {
        hello: Some(hello()),
        ..target("stock", port)
    };
    let (mut resumed, mut taken) = (Vec::new(), 0);
    while taken < 4 {
        let connection = dial(&stock, &master, &Deadlines::default(), authority.now)
            .await
            .unwrap();
        assert_eq!(connection.peer.verified_cn(), Some("stock"));
        assert_eq!(connection.tls.version, version);
        resumed.push(connection.tls.resumed);
        if is_taken_for_the_parent(connection).await {
            taken += 1;
            master.keep_sessions_of(["stock"]);
            let own = (master.certificate().unwrap(), master.key().unwrap());
            master.replace(authority.parts(own)).unwrap();
        }
    }
    assert!(
        !resumed[0] && resumed[1..].iter().all(|it| *it),
        "{resumed:?}"
    );

    let wrong = DialTarget {
        endpoint_name: "other".into(),
        ..stock
    };
    let error = dial(&wrong, &master, &Deadlines::default(), authority.now)
        .await
        .unwrap_err();
    assert_eq!(error.phase, Phase::Identity);
    assert!(
        error.cause.contains("endpoint 'other': got 'stock'"),
        "{error}"
    );
}

async fn ask_it_for_certificates(authority: &Authority, port: u16) {
    let (now, deadlines) = (authority.now, Deadlines::default());
    let trusted = save_cert("127.0.0.1", port, &deadlines, now).await.unwrap();
    assert_eq!(trusted.cn(), Some("stock"));
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let own = self_signed("newcomer", &key, now - 60.0).unwrap();
    let request = CertificateRequest {
        host: "127.0.0.1".into(),
        port,
        certificate: own.clone(),
        key,
        trusted,
        ticket: None,
    };
    let pending = request_certificate(&request, &deadlines, now)
        .await
        .unwrap();
    assert_eq!(pending.status, AnswerStatus::Pending);
    assert_eq!(
        pending.ca.as_deref(),
        Some(authority.ca.certificate().to_pem().as_str())
    );
    assert_eq!(pending.fingerprint, Some(own.fingerprint()));
    let wrong = CertificateRequest {
        ticket: Some("0".repeat(40)),
        ..request.clone()
    };
    let failed = request_certificate(&wrong, &deadlines, now).await.unwrap();
    assert_eq!(
        (failed.status, failed.certificate),
        (AnswerStatus::Failed, None)
    );
    let right = CertificateRequest {
        ticket: Some(ticket("newcomer", "pepper")),
        ..request.clone()
    };
    let signed = request_certificate(&right, &deadlines, now).await.unwrap();
    assert_eq!(signed.status, AnswerStatus::Signed);
    let certificate = Certificate::from_pem(signed.certificate.unwrap().as_bytes()).unwrap();
    assert!(certificate.replaces(&own) && certificate.is_signed_by(authority.ca.certificate()));
    let renewal = CertificateRequest {
        certificate,
        ..right.clone()
    };
    let skipped = request_certificate(&renewal, &deadlines, now)
        .await
        .unwrap();
    assert_eq!(
        skipped.status,
        AnswerStatus::Failed,
        "needs no renewal: {skipped:?}"
    );
    let elsewhere = CertificateRequest {
        trusted: own,
        ..right
    };
    let error = request_certificate(&elsewhere, &deadlines, now)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RequestError::UntrustedPeer { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn with_a_living_icinga() {
    if !installed("icinga2") {
        return;
    }
    let authority = Authority::like_icinga(real_now());
    for version in ["TLSv1.3", "TLSv1.2"] {
        let directory = tempfile::tempdir().unwrap();
        let (listener, our_port) = listener();
        let (_daemon, port) = start_daemon(directory.path(), &authority, our_port, version);
        let all = async {
            be_dialled(&listener, &authority, version).await;
            dial_it(&authority, port, version).await;
            ask_it_for_certificates(&authority, port).await;
        };
        if tokio::time::timeout(Duration::from_secs(60), all)
            .await
            .is_err()
        {
            let log = fs::read_to_string(directory.path().join("out.txt")).unwrap();
            panic!("no progress within a minute; the daemon says:\n{log}");
        }
    }
}
