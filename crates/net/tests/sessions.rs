//! Coming back without a signature: in both roles, in both versions of TLS, over reloads and
//! restarts.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bheka_net::pki::{Certificate, PrivateKey};
use bheka_net::{
    Deadlines, DialTarget, Identity, IdentityParts, PeerIdentity, TicketKeys, TlsInfo, TlsSettings,
    dial,
};
use bheka_value::Timestamp;
use common::{Authority, accept_json, listener, real_now, target, testdata};
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: f64 = 3600.0;

/// What each side knows of the other.
struct Link {
    tls: TlsInfo,
    by_dialler: PeerIdentity,
    by_acceptor: PeerIdentity,
}

/// Dials; both sides say a word, so that tickets that follow the handshake arrive.
async fn connect(
    listener: &TcpListener,
    dialler: &Identity,
    acceptor: &Identity,
    endpoint: &str,
    now: Timestamp,
) -> Link {
    let port = listener.local_addr().unwrap().port();
    let accepting = async {
        let connection = accept_json(listener, acceptor, now).await;
        let peer = connection.peer.clone();
        let (mut reader, mut writer) = connection.split(1024);
        reader.next().await.unwrap().unwrap();
        writer.send(b"welcome").await.unwrap();
        assert_eq!(reader.next().await.unwrap(), None);
        peer
    };
    let dialling = dial_and_talk(endpoint, port, dialler, now);
    let ((tls, by_dialler), by_acceptor) = tokio::join!(dialling, accepting);
    Link {
        tls,
        by_dialler,
        by_acceptor,
    }
}

async fn dial_and_talk(
    endpoint: &str,
    port: u16,
    dialler: &Identity,
    now: Timestamp,
) -> (TlsInfo, PeerIdentity) {
    let target = DialTarget {
        hello: None,
        ..target(endpoint, port)
    };
    let connection = dial(&target, dialler, &Deadlines::default(), now)
        .await
        .unwrap();
    let known = (connection.tls.clone(), connection.peer.clone());
    let (mut reader, mut writer) = connection.split(1024);
    writer.send(b"hello").await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), b"welcome");
    writer.close(SECOND).await;
    known
}

fn parts_of(identity: &Identity) -> IdentityParts {
    IdentityParts {
        own: Some((identity.certificate().unwrap(), identity.key().unwrap())),
        anchors: identity.anchors(),
    }
}

/// A process that starts: the same certificate, and the ticket keys of the file.
fn start(parts: &IdentityParts, settings: TlsSettings, file: &Path, now: Timestamp) -> Identity {
    let (keys, warning) = TicketKeys::open(file, now).unwrap();
    assert_eq!(warning, None);
    Identity::new(parts.clone(), settings)
        .unwrap()
        .with_ticket_keys(Arc::new(keys))
}

#[tokio::test]
async fn those_that_dial_us_resume_after_a_restart() {
    let now = real_now();
    let authority = Authority::new(now);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    let agent = authority.node("agent");
    let parts = authority.parts(authority.leaf("master"));
    let (listener, _) = listener();
    let first = start(&parts, TlsSettings::default(), &file, now);
    let link = connect(&listener, &agent, &first, "master", now).await;
    assert!(!link.tls.resumed);
    drop(first);
    let again = start(&parts, TlsSettings::default(), &file, now + HOUR);
    let link = connect(&listener, &agent, &again, "master", now).await;
    assert!(link.tls.resumed);
    assert_eq!(link.by_acceptor.verified_cn(), Some("agent"));

    // Keys change, and the last ones are still known.
    assert!(again.rotate_ticket_keys(now + 6.0 * HOUR).unwrap());
    let link = connect(&listener, &agent, &again, "master", now).await;
    assert!(link.tls.resumed);
    for hours in [12.0, 18.0] {
        assert!(again.rotate_ticket_keys(now + hours * HOUR).unwrap());
    }
    let link = connect(&listener, &agent, &again, "master", now).await;
    assert!(!link.tls.resumed);

    // Another certificate of this node must be seen.
    let renewed = authority.parts(authority.leaf("master"));
    let renewed = start(&renewed, TlsSettings::default(), &file, now + 18.0 * HOUR);
    let link = connect(&listener, &agent, &renewed, "master", now).await;
    assert!(!link.tls.resumed);
    assert_eq!(link.by_dialler.certificate, renewed.certificate());
}

#[tokio::test]
async fn who_was_revoked_meanwhile_does_not_come_back_with_a_ticket() {
    let now = common::NOW;
    let authority = Authority::new(now);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    let own = (
        Certificate::read(&testdata("c1.crt")).unwrap(),
        PrivateKey::read(&testdata("c1.key")).unwrap(),
    );
    let c1 = Identity::new(authority.parts(own), TlsSettings::default()).unwrap();
    let anchors = bheka_net::pki::TrustAnchors::new(vec![
        Certificate::read(&testdata("ca.crt")).unwrap(),
        authority.ca.certificate().clone(),
    ]);
    let parts = IdentityParts {
        anchors: Some(anchors.unwrap()),
        ..authority.parts(authority.leaf("master"))
    };
    let (listener, _) = listener();
    let first = start(&parts, TlsSettings::default(), &file, now);
    let link = connect(&listener, &c1, &first, "master", now).await;
    assert_eq!(link.by_acceptor.verified_cn(), Some("c1"));
    let strict = TlsSettings {
        crl: Some(testdata("v2.crl")),
        ..TlsSettings::default()
    };
    let again = start(&parts, strict, &file, now);
    let link = connect(&listener, &c1, &again, "master", now).await;
    assert!(link.tls.resumed);
    assert_eq!(link.by_acceptor.verified.unwrap_err().code, 23);
    // So does time: the session is good, the certificate is not.
    let link = connect(&listener, &c1, &first, "master", now + 398.0 * 24.0 * HOUR).await;
    assert!(link.tls.resumed);
    assert_eq!(link.by_acceptor.verified.unwrap_err().code, 10);
}

#[tokio::test]
async fn sessions_of_all_dialled_endpoints_are_kept_over_a_reload() {
    const AGENTS: usize = 50;
    let now = real_now();
    let authority = Authority::new(now);
    let master = authority.node("master");
    let names: Vec<String> = (0..AGENTS).map(|index| format!("agent {index}")).collect();
    let agents: Vec<_> = names.iter().map(|name| authority.node(name)).collect();
    let (listener, _) = listener();
    let resumed = async || {
        let mut resumed = 0;
        for (name, agent) in names.iter().zip(&agents) {
            let link = connect(&listener, &master, agent, name, now).await;
            assert_eq!(link.by_dialler.verified_cn(), Some(name.as_str()));
            assert_eq!(link.by_acceptor.verified_cn(), Some("master"));
            resumed += usize::from(link.tls.resumed);
        }
        resumed
    };
    assert_eq!(resumed().await, 0);
    assert_eq!(resumed().await, AGENTS);
    // A reload of the same certificate, and of a list that concerns none of them.
    master.keep_sessions_of(names.iter().map(String::as_str));
    master.replace(parts_of(&master)).unwrap();
    assert_eq!(resumed().await, AGENTS);
    // Endpoints that are removed are forgotten; they are strangers when they are back.
    let all = || names.iter().map(String::as_str);
    master.keep_sessions_of(all().take(30));
    master.keep_sessions_of(all());
    assert_eq!(resumed().await, 30);
    assert_eq!(resumed().await, AGENTS);
    // Another certificate, or other settings of TLS, begin anew.
    master
        .replace(authority.parts(authority.leaf("master")))
        .unwrap();
    assert_eq!(resumed().await, 0);
    let settings = TlsSettings {
        protocol_min: Some("TLSv1.3".into()),
        ..TlsSettings::default()
    };
    master.reconfigure(parts_of(&master), settings).unwrap();
    assert_eq!(resumed().await, 0);
    assert_eq!(resumed().await, AGENTS);
}

#[tokio::test]
async fn servers_of_each_version_are_resumed_over_a_reload() {
    let now = real_now();
    let authority = Authority::new(now);
    for version in [&TLS12, &TLS13] {
        let master = authority.node("master");
        let server = server(&authority, "agent", version);
        let (listener, port) = listener();
        let mut resumed = Vec::new();
        for round in 0..4 {
            if round == 2 {
                master.keep_sessions_of(["agent"]);
                master.replace(parts_of(&master)).unwrap();
            }
            let serving = async {
                let (tcp, _) = listener.accept().await.unwrap();
                let mut stream = server.accept(tcp).await.unwrap();
                let mut word = [0; 8];
                stream.read_exact(&mut word).await.unwrap();
                stream.write_all(b"7:welcome,").await.unwrap();
                stream.flush().await.unwrap();
                let _ = stream.read(&mut word).await;
            };
            let ((tls, peer), ()) =
                tokio::join!(dial_and_talk("agent", port, &master, now), serving);
            assert_eq!(peer.verified_cn(), Some("agent"));
            assert_eq!(tls.version, name_of(version));
            resumed.push(tls.resumed);
        }
        assert_eq!(resumed, [false, true, true, true], "{version:?}");
    }
}

#[tokio::test]
async fn clients_of_each_version_resume_after_a_restart() {
    let now = real_now();
    let authority = Authority::new(now);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    let parts = authority.parts(authority.leaf("master"));
    for version in [&TLS12, &TLS13] {
        let client = client(&authority, "agent", version);
        let mut resumed = Vec::new();
        for _ in 0..3 {
            let master = start(&parts, TlsSettings::default(), &file, now);
            let (listener, port) = listener();
            let accepting = async {
                let connection = accept_json(&listener, &master, now).await;
                assert_eq!(connection.peer.verified_cn(), Some("agent"));
                assert_eq!(connection.tls.version, name_of(version));
                let is_resumed = connection.tls.resumed;
                let (mut reader, mut writer) = connection.split(1024);
                reader.next().await.unwrap().unwrap();
                writer.send(b"welcome").await.unwrap();
                assert_eq!(reader.next().await.unwrap(), None);
                is_resumed
            };
            let dialling = async {
                let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let name = ServerName::try_from("master").unwrap();
                let mut stream = client.connect(name, tcp).await.unwrap();
                stream.write_all(b"5:hello,").await.unwrap();
                let mut word = [0; 10];
                stream.read_exact(&mut word).await.unwrap();
                stream.shutdown().await.unwrap();
            };
            resumed.push(tokio::join!(accepting, dialling).0);
        }
        assert_eq!(resumed, [false, true, true], "{version:?}");
    }
}

fn name_of(version: &SupportedProtocolVersion) -> &'static str {
    if version.version == TLS12.version {
        "TLSv1.2"
    } else {
        "TLSv1.3"
    }
}

fn own(authority: &Authority, cn: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let (certificate, key) = authority.leaf(cn);
    (vec![certificate.der().clone()], key.to_rustls())
}

/// A server of the TLS library without anything of ours.
fn server(
    authority: &Authority,
    cn: &str,
    version: &'static SupportedProtocolVersion,
) -> TlsAcceptor {
    let (chain, key) = own(authority, cn);
    let mut config = ServerConfig::builder_with_provider(default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.ticketer = Ticketer::new().unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn client(
    authority: &Authority,
    cn: &str,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    let (chain, key) = own(authority, cn);
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca.certificate().der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    TlsConnector::from(Arc::new(config))
}
