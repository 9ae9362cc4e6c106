//! Both ends of a connection on the loopback: who is let in as whom, and what bad peers cost.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::time::Duration;

use bheka_cluster::netstring::ANONYMOUS_BYTES_MAX;
use bheka_net::pki::{Certificate, PrivateKey, TrustAnchors};
use bheka_net::{
    Accepted, Connection, Deadlines, DialError, Fault, FrameError, Gate, Identity, IdentityParts,
    Phase, TlsSettings, accept, accept_by_name, dial,
};
use common::{Authority, NOW, accept_json, accept_one, listener, raw, short, target, testdata};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const SECOND: Duration = Duration::from_secs(1);

/// Connects two nodes; the acceptor answers the dialler's greeting with one message.
async fn connect(
    listener: &TcpListener,
    dialler: &Identity,
    acceptor: &Identity,
    endpoint: &str,
    now: bheka_value::Timestamp,
) -> (Result<Connection, DialError>, Connection) {
    let port = listener.local_addr().unwrap().port();
    let accepting = async {
        let connection = accept_json(listener, acceptor, now).await;
        let (mut reader, mut writer) = connection.split(ANONYMOUS_BYTES_MAX);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"{\"hello\":1}");
        writer.send(b"{\"welcome\":1}").await.unwrap();
        (reader, writer)
    };
    // The connection is needed whole, so the peer is looked at on a second one.
    let (dialled, _) = tokio::join!(
        async { dial(&target(endpoint, port), dialler, &Deadlines::default(), now).await },
        accepting
    );
    let (_, accepted) = tokio::join!(
        async { dial(&target(endpoint, port), dialler, &short(), now).await },
        accept_json(listener, acceptor, now)
    );
    (dialled, accepted)
}

#[tokio::test]
async fn two_nodes_trust_each_other() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let (listener, _) = listener();
    let (dialled, accepted) = connect(&listener, &master, &agent, "agent", NOW).await;
    let dialled = dialled.unwrap();
    assert_eq!(dialled.peer.verified_cn(), Some("agent"));
    assert_eq!(accepted.peer.verified_cn(), Some("master"));
    assert_eq!(accepted.peer.remark(), "");
    assert_eq!(dialled.tls.version, "TLSv1.3");
    assert_eq!(accepted.tls.server_name.as_deref(), Some("agent"));
    assert_eq!(
        accepted.peer.root.as_ref(),
        Some(authority.ca.certificate()),
        "root is sent"
    );
    assert_eq!(dialled.remote, listener.local_addr().unwrap());
}

#[tokio::test]
async fn messages_and_goodbye() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let (listener, port) = listener();
    let server = async {
        let (mut reader, mut writer) = accept_json(&listener, &agent, NOW).await.split(1 << 20);
        let mut received = Vec::new();
        writer.send(b"welcome").await.unwrap();
        while let Some(frame) = reader.next().await.unwrap() {
            writer.feed(&frame).await.unwrap();
            received.push(frame.len());
        }
        writer.flush().await.unwrap();
        let counters = reader.counters().clone();
        writer.close(SECOND).await;
        (received, counters)
    };
    let client = async {
        let connection = dial(&target("agent", port), &master, &Deadlines::default(), NOW)
            .await
            .unwrap();
        let (mut reader, mut writer) = connection.split(1 << 20);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"welcome");
        let large = vec![b'x'; 300_000];
        writer.send(&large).await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), b"{\"hello\":1}");
        assert_eq!(reader.next().await.unwrap().unwrap(), large);
        writer.send(b"").await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), b"");
        writer.close(SECOND).await;
        assert_eq!(
            reader.next().await.unwrap(),
            None,
            "the other side closed in turn"
        );
        assert_eq!(reader.next().await.unwrap(), None, "and stays closed");
    };
    let ((received, counters), ()) = tokio::join!(server, client);
    assert_eq!(received, [11, 300_000, 0]);
    assert_eq!((counters.frames_received(), counters.frames_sent()), (3, 4));
    assert_eq!(counters.bytes_received(), 15 + 300_008 + 3);
}

#[tokio::test]
async fn strangers_are_let_in_but_known_as_such() {
    let authority = Authority::new(NOW);
    let foreign = Authority::new(NOW);
    let agent = authority.node("agent");
    let (listener, _) = listener();
    let newcomer = authority.newcomer("newcomer");
    let (dialled, accepted) = connect(&listener, &newcomer, &agent, "agent", NOW).await;
    assert_eq!(dialled.unwrap().peer.verified_cn(), Some("agent"));
    assert_eq!(accepted.peer.cn.as_deref(), Some("newcomer"));
    assert_eq!(accepted.peer.verified_cn(), None);
    assert_eq!(
        accepted.peer.remark(),
        "certificate validation failed: code 18: self-signed certificate"
    );
    // A namesake authority: same subject, other key.
    let impostor = foreign.node("master");
    let (dialled, accepted) = connect(&listener, &impostor, &agent, "agent", NOW).await;
    assert_eq!(accepted.peer.verified.as_ref().unwrap_err().code, 7);
    assert_eq!(dialled.unwrap().peer.verified.unwrap_err().code, 7);
    // No certificate at all.
    let nobody = Identity::anonymous().unwrap();
    let (dialled, accepted) = connect(&listener, &nobody, &agent, "agent", NOW).await;
    assert_eq!(accepted.peer.remark(), "no client certificate");
    assert_eq!(accepted.peer.cn, None);
    assert!(dialled.unwrap().peer.certificate.is_some());
}

#[tokio::test]
async fn a_wrong_common_name_hears_nothing() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("other-agent"));
    let (listener, port) = listener();
    let (dialled, accepted) = tokio::join!(
        async { dial(&target("agent", port), &master, &Deadlines::default(), NOW).await },
        accept_one(&listener, &agent, NOW)
    );
    let error = dialled.unwrap_err();
    assert_eq!((error.phase, error.fault), (Phase::Identity, Fault::Peer));
    assert!(
        error.cause.contains("endpoint 'agent': got 'other-agent'"),
        "{error}"
    );
    assert_eq!(error.peer.unwrap().cn.as_deref(), Some("other-agent"));
    let error = accepted.unwrap_err();
    assert_eq!(error.phase, Phase::FirstByte);
    assert!(error.closed_silently);
}

#[tokio::test]
async fn the_host_rule_binds_the_acceptor_only() {
    // `names.crt` is for other hosts than its common name.
    let authority = Authority::new(NOW);
    let key = PrivateKey::generate(bheka_net::pki::KeyKind::EcP256).unwrap();
    let odd = authority.ca.issue("agent", &key, NOW).unwrap();
    assert_eq!(odd.dns_names(), ["agent"]);
    let (listener, _) = listener();
    let master = authority.node("master");
    let chain = [Certificate::read(&testdata("wild.crt"))
        .unwrap()
        .der()
        .clone()];
    let anchors = TrustAnchors::read(&testdata("ca.crt")).unwrap();
    let judge = Identity::new(
        IdentityParts {
            own: None,
            anchors: Some(anchors),
        },
        TlsSettings::default(),
    )
    .unwrap();
    let as_server = judge.judge(Some(&chain), Some("node1"), NOW);
    assert_eq!(
        as_server.verified.unwrap_err().to_string(),
        "hostname mismatch (code 62)"
    );
    assert_eq!(
        judge.judge(Some(&chain), None, NOW).verified_cn(),
        Some("node1")
    );
    assert!(
        judge
            .judge(Some(&chain), Some("a.example.org"), NOW)
            .verified
            .is_ok()
    );
    drop((listener, master));
}

#[tokio::test]
async fn resumption_does_not_bypass_the_verdict() {
    for settings in [TlsSettings::default(), only_tls13()] {
        let authority = Authority::new(NOW);
        let master = authority.node_with("master", settings);
        let agent = authority.node("agent");
        let (listener, _) = listener();
        let (dialled, accepted) = connect(&listener, &master, &agent, "agent", NOW).await;
        assert!(!dialled.unwrap().tls.resumed);
        assert!(accepted.tls.resumed, "the second connection resumes");
        assert_eq!(
            accepted.peer.verified_cn(),
            Some("master"),
            "and knows the peer"
        );
        // The certificates end; the sessions do not.
        let later = NOW + 398.0 * 86_400.0;
        let (dialled, accepted) = connect(&listener, &master, &agent, "agent", later).await;
        let dialled = dialled.unwrap();
        assert!(dialled.tls.resumed && accepted.tls.resumed);
        assert_eq!(dialled.peer.verified.unwrap_err().code, 10);
        assert_eq!(accepted.peer.verified.unwrap_err().code, 10);
    }
}

#[tokio::test]
async fn revocation_is_read_anew_and_holds_for_resumed_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let crl = directory.path().join("crl.pem");
    std::fs::copy(testdata("v2.crl"), &crl).unwrap();
    let authority = Authority::new(NOW);
    let own = |name: &str| {
        let certificate = Certificate::read(&testdata(name)).unwrap();
        (certificate, PrivateKey::read(&testdata("c1.key")).unwrap())
    };
    let anchors = TrustAnchors::new(vec![
        Certificate::read(&testdata("ca.crt")).unwrap(),
        authority.ca.certificate().clone(),
    ])
    .unwrap();
    let agent = Identity::new(
        IdentityParts {
            anchors: Some(anchors),
            ..authority.parts(authority.leaf("agent"))
        },
        TlsSettings::default(),
    )
    .unwrap();
    let c1 = Identity::new(authority.parts(own("c1.crt")), TlsSettings::default()).unwrap();
    let (listener, _) = listener();
    let (_, accepted) = connect(&listener, &c1, &agent, "agent", NOW).await;
    assert!(accepted.peer.verified.is_ok());
    let parts = IdentityParts {
        anchors: agent.anchors(),
        own: Some((agent.certificate().unwrap(), agent.key().unwrap())),
    };
    let settings = TlsSettings {
        crl: Some(crl.clone()),
        ..TlsSettings::default()
    };
    agent.reconfigure(parts.clone(), settings).unwrap();
    let (_, accepted) = connect(&listener, &c1, &agent, "agent", NOW).await;
    assert!(accepted.tls.resumed);
    assert_eq!(
        accepted.peer.verified.unwrap_err().to_string(),
        "certificate revoked (code 23)"
    );
    // A new certificate does not let the revoked ones in.
    agent.replace(parts.clone()).unwrap();
    let (_, accepted) = connect(&listener, &c1, &agent, "agent", NOW).await;
    assert_eq!(accepted.peer.verified.unwrap_err().code, 23);
    // A list that is broken lets nobody pass, rather than everybody.
    std::fs::write(&crl, "broken").unwrap();
    let (_, accepted) = connect(&listener, &c1, &agent, "agent", NOW).await;
    assert_eq!(accepted.peer.verified.unwrap_err().code, 3);
    // That keeps no new certificate out; with another list than before it would be refused.
    agent.replace(parts.clone()).unwrap();
    let (_, accepted) = connect(&listener, &c1, &agent, "agent", NOW).await;
    assert_eq!(accepted.peer.verified.unwrap_err().code, 3);
    let broken = TlsSettings {
        crl: Some(directory.path().join("missing.pem")),
        ..TlsSettings::default()
    };
    agent.reconfigure(parts, broken).unwrap_err();
    assert_eq!(agent.settings().crl, Some(crl));
}

#[tokio::test]
async fn settings_are_swapped_under_living_connections() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let (listener, _) = listener();
    let parts = IdentityParts {
        anchors: agent.anchors(),
        own: Some((agent.certificate().unwrap(), agent.key().unwrap())),
    };
    let (_, accepted) = connect(&listener, &master, &agent, "agent", NOW).await;
    assert_eq!(accepted.tls.version, "TLSv1.3");
    let (_reader, mut writer) = accepted.split(1024);
    let list = TlsSettings {
        cipher_list: Some("AES256-GCM-SHA384".into()),
        ..only_tls13()
    };
    agent.reconfigure(parts.clone(), list).unwrap();
    assert!(agent.warnings()[0].contains("AES256-GCM-SHA384"));
    let (dialled, _) = connect(&listener, &master, &agent, "agent", NOW).await;
    assert_eq!(dialled.unwrap().tls.version, "TLSv1.3");
    writer.feed(b"the first one lives on").await.unwrap();
    let nonsense = TlsSettings {
        protocol_min: Some("SSLv3".into()),
        ..TlsSettings::default()
    };
    agent.reconfigure(parts.clone(), nonsense).unwrap_err();
    assert_eq!(agent.settings().protocol_min.as_deref(), Some("TLSv1.3"));
    agent.reconfigure(parts, TlsSettings::default()).unwrap();
    assert!(agent.warnings().is_empty());
}

fn only_tls13() -> TlsSettings {
    TlsSettings {
        protocol_min: Some("TLSv1.3".into()),
        ..TlsSettings::default()
    }
}

#[tokio::test]
async fn the_certificate_is_swapped_under_living_connections() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.newcomer("agent"));
    let (listener, port) = listener();
    let deadlines = Deadlines::default();
    let (target, server) = (target("agent", port), accept_json(&listener, &agent, NOW));
    let (client, server) = tokio::join!(
        async {
            let target = bheka_net::DialTarget {
                hello: None,
                ..target.clone()
            };
            let connection = dial(&target, &master, &deadlines, NOW).await.unwrap();
            assert_eq!(connection.peer.verified.as_ref().unwrap_err().code, 18);
            let (reader, mut writer) = connection.split(1024);
            writer.send(b"first").await.unwrap();
            (reader, writer)
        },
        server
    );
    let old = agent.certificate().unwrap();
    let signed = authority.ca.sign_request(&old, NOW).unwrap();
    agent
        .replace(authority.parts((signed, agent.key().unwrap())))
        .unwrap();
    let (_, accepted) = tokio::join!(
        async {
            let target = bheka_net::DialTarget {
                hello: None,
                ..target
            };
            let connection = dial(&target, &master, &deadlines, NOW).await.unwrap();
            assert_eq!(
                connection.peer.verified_cn(),
                Some("agent"),
                "new ones see the new one"
            );
            assert!(!connection.tls.resumed);
            connection.close(SECOND).await;
        },
        accept_one(&listener, &agent, NOW)
    );
    assert!(accepted.unwrap_err().closed_silently);
    let ((_, mut writer), (mut reader, _)) = (client, server.split(1024));
    writer.send(b"second").await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), b"first");
    assert_eq!(
        reader.next().await.unwrap().unwrap(),
        b"second",
        "old ones live on"
    );
}

#[tokio::test]
async fn a_foreign_key_is_refused_at_load() {
    let authority = Authority::new(NOW);
    let (certificate, _) = authority.leaf("a");
    let (_, key) = authority.leaf("b");
    let error =
        Identity::new(authority.parts((certificate, key)), TlsSettings::default()).unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
}

#[tokio::test]
async fn names_that_are_no_host_names() {
    let authority = Authority::new(NOW);
    let master = authority.node("master");
    for name in ["host 1", "umläut", "127.0.0.1", "a_b", "x"] {
        let agent = authority.node(name);
        let (listener, _) = listener();
        let (dialled, accepted) = connect(&listener, &master, &agent, name, NOW).await;
        assert_eq!(dialled.unwrap().peer.verified_cn(), Some(name));
        assert!(accepted.tls.resumed, "{name}");
    }
}

#[tokio::test]
async fn one_socket_is_many_nodes() {
    let authority = Authority::new(NOW);
    let master = authority.node("master");
    let agents = [authority.node("agent-0"), authority.node("Agent-1")];
    let (listener, port) = listener();
    for name in ["agent-0", "Agent-1", "agent-2"] {
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let choose = |sni: Option<&str>| {
                agents
                    .iter()
                    .find(|agent| agent.cn().map(|cn| cn.to_lowercase()).as_deref() == sni)
            };
            accept_by_name(tcp, choose, &Deadlines::default(), &Gate::default(), NOW).await
        };
        let target = bheka_net::DialTarget {
            hello: None,
            ..target(name, port)
        };
        let client = async {
            let connection = dial(&target, &master, &Deadlines::default(), NOW).await?;
            let cn = connection.peer.cn.clone();
            connection.close(SECOND).await;
            Ok::<_, DialError>(cn)
        };
        let (accepted, dialled) = tokio::join!(server, client);
        if name == "agent-2" {
            assert!(
                accepted
                    .unwrap_err()
                    .cause
                    .contains("nobody here is called 'agent-2'")
            );
            assert_eq!(dialled.unwrap_err().phase, Phase::Tls);
        } else {
            assert_eq!(dialled.unwrap().as_deref(), Some(name));
        }
    }
}

#[tokio::test]
async fn http_is_told_from_json_rpc_and_no_byte_is_lost() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let (listener, port) = listener();
    let client = async {
        let target = bheka_net::DialTarget {
            hello: None,
            ..target("agent", port)
        };
        let connection = dial(&target, &master, &Deadlines::default(), NOW)
            .await
            .unwrap();
        let mut stream = connection.into_stream();
        stream.write_all(b"GET /v1 HTTP/1.1\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let server = async {
        let Accepted::Http(mut http) = accept_one(&listener, &agent, NOW).await.unwrap() else {
            panic!("taken for JSON-RPC");
        };
        assert_eq!(http.peer.verified_cn(), Some("master"));
        let mut request = [0; 20];
        http.stream.read_exact(&mut request).await.unwrap();
        assert_eq!(&request, b"GET /v1 HTTP/1.1\r\n\r\n");
        http.stream
            .write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
            .await
            .unwrap();
        http.stream.shutdown().await.unwrap();
    };
    let (answer, ()) = tokio::join!(client, server);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn garbage_and_silence_end_by_themselves() {
    let authority = Authority::new(NOW);
    let agent = authority.node("agent");
    let (listener, port) = listener();
    let gate = Gate::default();
    let cases: [(&[u8], Phase, Fault, bool, &str); 4] = [
        (
            b"GET / HTTP/1.1\r\n\r\n",
            Phase::Tls,
            Fault::Peer,
            false,
            "does not speak TLS",
        ),
        (
            b"",
            Phase::Tls,
            Fault::Environment,
            true,
            "timeout after 0.2 s in the TLS handshake",
        ),
        // The beginning of a ClientHello.
        (
            b"\x16\x03\x01\x02\x00\x01",
            Phase::Tls,
            Fault::Environment,
            true,
            "timeout after 0.2 s",
        ),
        (
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
            Phase::Tls,
            Fault::Peer,
            false,
            "malformed",
        ),
    ];
    for (bytes, phase, fault, timed_out, words) in cases {
        let mut peer = raw(port).await;
        peer.write_all(bytes).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let error = accept(tcp, &agent, &short(), &gate, NOW).await.unwrap_err();
        assert_eq!(
            (error.phase, error.fault, error.timed_out),
            (phase, fault, timed_out)
        );
        assert!(error.cause.contains(words), "{error}");
        assert_eq!(error.remote, Some(peer.local_addr().unwrap()));
    }
    assert_eq!(gate.unfinished(), 0, "every place is free again");
}

#[tokio::test]
async fn a_peer_that_says_nothing_after_tls() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let (listener, port) = listener();
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        accept(tcp, &agent, &short(), &Gate::default(), NOW)
            .await
            .unwrap_err()
    };
    let silent = bheka_net::DialTarget {
        hello: None,
        ..target("agent", port)
    };
    let deadlines = Deadlines::default();
    let (error, connection) = tokio::join!(server, dial(&silent, &master, &deadlines, NOW));
    assert_eq!((error.phase, error.timed_out), (Phase::FirstByte, true));
    assert_eq!(error.peer.unwrap().verified_cn(), Some("master"));
    let (mut reader, _writer) = connection.unwrap().split(1024);
    assert_eq!(reader.next().await.unwrap(), None, "it was told goodbye");
    // The same from the other side: an acceptor that does not answer Hello.
    let (dialled, _kept) = tokio::join!(
        async { dial(&target("agent", port), &master, &short(), NOW).await },
        accept_json(&listener, &agent, NOW)
    );
    let error = dialled.unwrap_err();
    assert_eq!((error.phase, error.timed_out), (Phase::FirstByte, true));
}

#[tokio::test]
async fn slow_peers_keep_nobody_out() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let (listener, port) = listener();
    let gate = Gate::new(64, 1);
    let mut silent = Vec::new();
    for index in 0..40 {
        let mut peer = raw(port).await;
        if index % 2 == 0 {
            peer.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        }
        let (tcp, _) = listener.accept().await.unwrap();
        let (agent, gate) = (agent.clone(), gate.clone());
        let deadlines = Deadlines::default();
        silent.push((
            peer,
            tokio::spawn(async move { accept(tcp, &agent, &deadlines, &gate, NOW).await }),
        ));
    }
    while gate.unfinished() < 40 {
        tokio::task::yield_now().await;
    }
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        accept(tcp, &agent, &Deadlines::default(), &gate, NOW)
            .await
            .unwrap()
    };
    let hello = bheka_net::DialTarget {
        hello: None,
        ..target("agent", port)
    };
    let client = async {
        let connection = dial(&hello, &master, &Deadlines::default(), NOW)
            .await
            .unwrap();
        let (reader, mut writer) = connection.split(1024);
        writer.send(b"x").await.unwrap();
        (reader, writer)
    };
    let (accepted, _client) = tokio::join!(server, client);
    assert!(matches!(accepted, Accepted::JsonRpc(_)));
    assert_eq!(
        gate.unfinished(),
        40,
        "and all of the silent ones still wait"
    );
    for (_, task) in silent {
        task.abort();
    }
}

#[tokio::test]
async fn a_full_gate_refuses_at_once() {
    let authority = Authority::new(NOW);
    let agent = authority.node("agent");
    let (listener, port) = listener();
    let gate = Gate::new(1, 1);
    let _first = raw(port).await;
    let (tcp, _) = listener.accept().await.unwrap();
    let waiting = {
        let (agent, gate) = (agent.clone(), gate.clone());
        tokio::spawn(async move { accept(tcp, &agent, &Deadlines::default(), &gate, NOW).await })
    };
    while gate.unfinished() < 1 {
        tokio::task::yield_now().await;
    }
    let _second = raw(port).await;
    let (tcp, _) = listener.accept().await.unwrap();
    let error = accept(tcp, &agent, &Deadlines::default(), &gate, NOW)
        .await
        .unwrap_err();
    assert_eq!(
        (error.phase, error.fault),
        (Phase::Admission, Fault::Environment)
    );
    waiting.abort();
}

#[tokio::test]
async fn bad_frames_end_the_connection_with_their_cause() {
    let authority = Authority::new(NOW);
    let (master, agent) = (authority.node("master"), authority.node("agent"));
    let cases: [(&[u8], &str); 5] = [
        (b"3:abcX", "expected ','"),
        (b"01:a,", "leading zero"),
        (b"9999999999:", "more than 9 digits"),
        (b"1025:", "exceeds the limit of 1024 bytes"),
        (b"10:abc", "ended within a message"),
    ];
    for (bytes, words) in cases {
        let (listener, port) = listener();
        let client = async {
            let target = bheka_net::DialTarget {
                hello: None,
                ..target("agent", port)
            };
            let connection = dial(&target, &master, &Deadlines::default(), NOW)
                .await
                .unwrap();
            let mut stream = connection.into_stream();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        };
        let server = async {
            let connection = accept_json(&listener, &agent, NOW).await;
            let (mut reader, _writer) = connection.split(1024);
            reader.next().await.unwrap_err()
        };
        let (_, error) = tokio::join!(client, server);
        assert_eq!(error.fault(), Fault::Peer);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn limits_grow_when_the_peer_is_known() {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let mut reader = bheka_net::FrameReader::new(near, 4, std::sync::Arc::default());
    far.write_all(b"4:abcd,").await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), b"abcd");
    reader.set_limit(8);
    far.write_all(b"8:abcdefgh,9:").await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), b"abcdefgh");
    assert!(matches!(reader.next().await, Err(FrameError::Framing(_))));
}

#[tokio::test]
async fn reading_can_be_given_up_and_taken_up_again() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut reader = bheka_net::FrameReader::new(near, 1 << 20, std::sync::Arc::default());
    let payload = vec![b'y'; 5000];
    let frame = bheka_cluster::netstring::encode(&payload);
    let writer = tokio::spawn(async move {
        for part in frame.chunks(37) {
            far.write_all(part).await.unwrap();
        }
        far
    });
    let received = loop {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            frame = reader.next() => break frame.unwrap().unwrap(),
        }
        if let Ok(frame) = tokio::time::timeout(Duration::from_micros(50), reader.next()).await {
            break frame.unwrap().unwrap();
        }
    };
    assert_eq!(received, payload);
    drop(writer.await.unwrap());
    assert_eq!(reader.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_peer_that_takes_nothing() {
    let (near, _far) = tokio::io::duplex(16);
    let mut writer = bheka_net::FrameWriter::new(near, std::sync::Arc::default());
    writer.set_deadline(Duration::from_millis(50));
    let error = writer.send(&[0; 100]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "timeout after 0.05 s writing to the peer"
    );
    assert_eq!(error.fault(), Fault::Environment);
}

#[tokio::test]
async fn causes_of_failed_dials() {
    let authority = Authority::new(NOW);
    let master = authority.node("master");
    let (listener, port) = listener();
    drop(listener);
    let error = dial(&target("agent", port), &master, &short(), NOW)
        .await
        .unwrap_err();
    assert_eq!(error.phase, Phase::Tcp);
    assert_eq!(error.cause, format!("127.0.0.1:{port}: Connection refused"));
    let nowhere = bheka_net::DialTarget {
        host: "no-such-host.invalid".into(),
        ..target("a", 1)
    };
    let error = dial(&nowhere, &master, &short(), NOW).await.unwrap_err();
    assert_eq!(error.phase, Phase::Resolve);
    assert!(error.cause.contains("no-such-host.invalid"), "{error}");

    // Something that is not TLS.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let (error, _kept) = tokio::join!(
        async {
            dial(&target("agent", port), &master, &short(), NOW)
                .await
                .unwrap_err()
        },
        async {
            let (mut peer, _) = plain.accept().await.unwrap();
            peer.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
            peer
        }
    );
    assert_eq!((error.phase, error.fault), (Phase::Tls, Fault::Peer));
    assert_eq!(
        error.to_string(),
        "TLS handshake failed: peer does not speak TLS"
    );
    // Something that accepts and says nothing.
    let (error, _kept) = tokio::join!(
        async {
            dial(&target("agent", port), &master, &short(), NOW)
                .await
                .unwrap_err()
        },
        async { plain.accept().await.unwrap() }
    );
    assert_eq!((error.phase, error.timed_out), (Phase::Tls, true));
}

#[tokio::test]
async fn no_common_protocol() {
    let authority = Authority::new(NOW);
    let agent = authority.node_with(
        "agent",
        TlsSettings {
            cipher_list: Some("ECDHE-ECDSA-AES128-GCM-SHA256".into()),
            ..Default::default()
        },
    );
    assert!(agent.warnings().is_empty());
    let error = Identity::new(
        authority.parts(authority.leaf("x")),
        TlsSettings {
            protocol_min: Some("TLSv1.1".into()),
            ..Default::default()
        },
    )
    .unwrap_err();
    assert!(error.to_string().contains("TLSv1.1"), "{error}");
}
