//! Fifty agents and a master made of `bheka_net` alone.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bheka_cluster::message::Message;
use bheka_cluster::netstring::TRUSTED_BYTES_MAX;
use bheka_fleet::{Clock, Dial, Fleet, Options, Parting, Role, Roles, Snapshot, StateMix};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey, TrustAnchors};
use bheka_net::{
    Accepted, Deadlines, DialTarget, FrameReader, FrameWriter, Gate, Identity, IdentityParts,
    Phase, TlsSettings, accept, dial, listen,
};
use bheka_value::{Timestamp, Value};

const NOW: Timestamp = Timestamp(1_795_416_106.0);
const AGENTS: usize = 50;

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate(KeyKind::EcP256, NOW - 86_400.0).unwrap()
}

fn master(authority: &CertificateAuthority) -> Arc<Identity> {
    let key = PrivateKey::generate(KeyKind::EcP256).unwrap();
    let parts = IdentityParts {
        own: Some((authority.issue("master", &key, NOW).unwrap(), key)),
        anchors: Some(TrustAnchors::new(vec![authority.certificate().clone()]).unwrap()),
    };
    Arc::new(Identity::new(parts, TlsSettings::default()).unwrap())
}

fn options(authority: &CertificateAuthority) -> Options {
    Options::new(AGENTS, authority.clone(), Clock::new(|| NOW))
}

fn hello() -> Vec<u8> {
    Message::call(
        "icinga::Hello",
        Value::dictionary([("version", Value::from(21_306.0))]),
    )
    .to_bytes()
}

fn check(host: &str, service: &str) -> Vec<u8> {
    let params = Value::dictionary([
        ("command", Value::from("load")),
        ("command_type", Value::from("check_command")),
        ("host", Value::from(host)),
        (
            "macros",
            Value::dictionary([("load_wload1", Value::from(5.0))]),
        ),
        ("service", Value::from(service)),
    ]);
    Message::call("event::ExecuteCommand", params).to_bytes()
}

async fn connect(fleet: &Fleet, name: &str, identity: &Identity) -> (FrameReader, FrameWriter) {
    let address = fleet.address().unwrap();
    let target = DialTarget {
        endpoint_name: name.to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        hello: Some(hello()),
    };
    let connection = dial(&target, identity, &Deadlines::default(), NOW)
        .await
        .unwrap();
    assert_eq!(connection.peer.verified_cn(), Some(name));
    connection.split(TRUSTED_BYTES_MAX)
}

async fn next(reader: &mut FrameReader) -> Message {
    Message::from_bytes(&reader.next().await.unwrap().unwrap()).unwrap()
}

/// Waits until the numbers are as expected; the test's own time limit ends a vain wait.
async fn until(fleet: &Fleet, what: &str, expected: impl Fn(&Snapshot) -> bool) {
    let reached = async {
        while !expected(&fleet.snapshot()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let result = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(result.is_ok(), "{what}: {:?}", fleet.snapshot());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_agents_answer_and_keep_their_connections() {
    let authority = authority();
    let mut options = options(&authority);
    options.states = StateMix {
        warning: 20,
        critical: 20,
        unknown: 0,
    };
    let mix = options.states;
    let fleet = Fleet::start(options).await.unwrap();
    let names: Vec<String> = fleet.names().map(str::to_owned).collect();
    assert_eq!(
        (names.len(), names[0].as_str(), names[49].as_str()),
        (50, "agent-0001", "agent-0050")
    );
    let master = master(&authority);
    let mut links = Vec::new();
    for name in &names {
        let (mut reader, mut writer) = connect(&fleet, name, &master).await;
        let greeting = next(&mut reader).await;
        assert_eq!(greeting.method_name(), "icinga::Hello");
        assert_eq!(greeting.number_param("version"), Some(21_306.0));
        assert_eq!(greeting.number_param("capabilities"), Some(1.0));
        assert_eq!(
            next(&mut reader).await.method_name(),
            "pki::RequestCertificate"
        );
        // Configuration and garbage of a parent are borne.
        let empty = Value::dictionary(Vec::<(&str, Value)>::new());
        let update = Value::dictionary([("update", empty.clone()), ("update_v2", empty)]);
        writer
            .send(&Message::call("config::Update", update).to_bytes())
            .await
            .unwrap();
        writer.send(b"[]").await.unwrap();
        links.push((reader, writer));
    }
    until(&fleet, "connected", |snapshot| snapshot.connected == 50).await;
    let before = fleet.connections();
    let mut seen = [0; 4];
    for (name, (reader, writer)) in names.iter().zip(&mut links) {
        writer.send(&check(name, "load")).await.unwrap();
        let answer = next(reader).await;
        assert_eq!(answer.method_name(), "event::CheckResult");
        assert_eq!(answer.ts, None, "answers carry no time stamp");
        assert_eq!(answer.text_param("host").as_deref(), Some(name.as_str()));
        let result = answer.param("cr");
        let result = result.as_dictionary().unwrap();
        let state = mix.state(name, Some("load"));
        assert_eq!(
            result.get("state").unwrap().as_number(),
            Some(f64::from(state))
        );
        assert_eq!(
            result.get("check_source").unwrap().as_str(),
            Some(name.as_str())
        );
        assert_eq!(result.get("type").unwrap().as_str(), Some("CheckResult"));
        assert!(result.get("performance_data").unwrap().as_array().is_some());
        seen[usize::from(state)] += 1;
    }
    assert!(seen[0] > 20 && seen[1] > 2 && seen[2] > 2, "{seen:?}");
    let after = fleet.connections();
    assert!(before.iter().zip(&after).all(|(before, after)| {
        before.addresses.is_some()
            && before.addresses == after.addresses
            && (before.connects, after.connects) == (1, 1)
    }));
    let snapshot = fleet.snapshot();
    assert_eq!(
        (snapshot.connects, snapshot.drops, snapshot.checks_answered),
        (50, 0, 50)
    );
    assert_eq!(
        (snapshot.handshake_failures, snapshot.messages_malformed),
        (0, 50)
    );

    // One goes and comes back: everybody can see it.
    let (mut reader, writer) = links.remove(0);
    writer.close(Duration::from_secs(1)).await;
    while reader.next().await.unwrap().is_some() {}
    until(&fleet, "one drop", |snapshot| {
        snapshot.drops == 1 && snapshot.connected == 49
    })
    .await;
    links.push(connect(&fleet, "agent-0001", &master).await);
    until(&fleet, "back", |snapshot| snapshot.connected == 50).await;
    let again = fleet.connections();
    assert_eq!(again[0].connects, 2);
    assert_ne!(again[0].addresses, before[0].addresses);
    assert_eq!(again[1..], after[1..], "the others are untouched");

    let last = fleet.stop().await;
    assert_eq!((last.connected, last.drops), (0, 1), "stopping is no drop");
    for (reader, _writer) in &mut links {
        while reader.next().await.unwrap().is_some() {}
    }
}

#[tokio::test]
async fn duplicates_strangers_and_unknown_names() {
    let authority = authority();
    let fleet = Fleet::start(Options {
        agents: 2,
        ..options(&authority)
    })
    .await
    .unwrap();
    let trusted = master(&authority);
    let (_reader, _writer) = connect(&fleet, "agent-0001", &trusted).await;
    until(&fleet, "connected", |snapshot| snapshot.connected == 1).await;
    let (mut second, _writer2) = connect(&fleet, "agent-0001", &trusted).await;
    assert_eq!(next(&mut second).await.method_name(), "icinga::Hello");
    assert_eq!(
        second.next().await.unwrap(),
        None,
        "the newer one is refused after Hello"
    );
    until(&fleet, "duplicate", |snapshot| snapshot.duplicates == 1).await;

    let address = fleet.address().unwrap();
    let target = DialTarget {
        endpoint_name: "agent-0003".into(),
        host: address.ip().to_string(),
        port: address.port(),
        hello: None,
    };
    dial(&target, &trusted, &Deadlines::default(), NOW)
        .await
        .unwrap_err();
    until(&fleet, "unknown name", |snapshot| {
        snapshot.handshake_failures == 1
    })
    .await;

    let nobody = Identity::anonymous().unwrap();
    let target = DialTarget {
        endpoint_name: "agent-0002".into(),
        hello: Some(hello()),
        ..target
    };
    let connection = dial(&target, &nobody, &Deadlines::default(), NOW)
        .await
        .unwrap();
    let (mut reader, mut writer) = connection.split(1 << 20);
    assert_eq!(next(&mut reader).await.method_name(), "icinga::Hello");
    writer.send(&check("h", "s")).await.unwrap();
    until(&fleet, "stranger", |snapshot| snapshot.strangers == 1).await;
    let last = fleet.stop().await;
    assert_eq!((last.checks_answered, last.connects), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_dial_the_master() {
    let authority = authority();
    let listener = listen(Some("127.0.0.1"), 0).unwrap();
    let port = listener.local_addr().unwrap().port();
    let dial = Dial {
        retry: Duration::from_millis(20),
        ..Dial::new("master", "127.0.0.1", port)
    };
    let keys_max = Some(2);
    let delay = Duration::from_millis(10);
    let fleet = Fleet::start(Options {
        listen: None,
        dial: Some(dial),
        keys_max,
        delay,
        ..options(&authority)
    })
    .await
    .unwrap();
    let master = master(&authority);
    let gate = Gate::default();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AGENTS {
        let (tcp, _) = listener.accept().await.unwrap();
        let (master, gate) = (master.clone(), gate.clone());
        tasks.spawn(async move {
            let accepted = accept(tcp, &master, &Deadlines::default(), &gate, NOW)
                .await
                .unwrap();
            let Accepted::JsonRpc(connection) = accepted else {
                panic!("taken for HTTP")
            };
            let name = connection.peer.verified_cn().unwrap().to_owned();
            let (mut reader, mut writer) = connection.split(TRUSTED_BYTES_MAX);
            writer.send(&hello()).await.unwrap();
            assert_eq!(next(&mut reader).await.method_name(), "icinga::Hello");
            assert_eq!(
                next(&mut reader).await.method_name(),
                "pki::RequestCertificate"
            );
            for number in 0..3 {
                writer
                    .send(&check(&name, &format!("service-{number}")))
                    .await
                    .unwrap();
            }
            for number in 0..3 {
                let answer = next(&mut reader).await;
                let service = answer.text_param("service").unwrap();
                assert_eq!(
                    service.as_str(),
                    format!("service-{number}"),
                    "in their order"
                );
            }
            (name, reader, writer)
        });
    }
    let mut links = Vec::new();
    while let Some(link) = tasks.join_next().await {
        links.push(link.unwrap());
    }
    links.sort_by(|left, right| left.0.cmp(&right.0));
    let names: Vec<&str> = links.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, fleet.names().collect::<Vec<_>>(), "each came once");
    assert_eq!(fleet.snapshot().checks_answered, 150);
    assert_eq!(fleet.address(), None);
    // The master drops one: it comes back by itself.
    let (name, reader, writer) = links.remove(7);
    drop((reader, writer));
    let (tcp, _) = listener.accept().await.unwrap();
    let accepted = accept(tcp, &master, &Deadlines::default(), &gate, NOW)
        .await
        .unwrap();
    let Accepted::JsonRpc(connection) = accepted else {
        panic!("taken for HTTP")
    };
    assert_eq!(connection.peer.verified_cn(), Some(name.as_str()));
    let (_reader, mut writer) = connection.split(TRUSTED_BYTES_MAX);
    writer.send(&hello()).await.unwrap();
    until(&fleet, "back", |snapshot| {
        snapshot.connects == 51 && snapshot.connected == 50
    })
    .await;
    assert_eq!(fleet.stop().await.drops, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_misbehave_do_so_at_their_ports() {
    let authority = authority();
    let mut options = options(&authority);
    options.agents = 100;
    options.rsa_percent = 1;
    options.keys_max = Some(1);
    let fleet = Fleet::start(options).await.unwrap();
    let roles = Roles {
        blackhole: 10,
        mute: 5,
        refuse: 5,
        slow: 1,
    };
    let endpoints = fleet.endpoints(roles);
    let of_role = |role: Role| {
        let found = endpoints.iter().find(|endpoint| endpoint.role == role);
        found.unwrap().clone()
    };
    let master = master(&authority);
    let deadlines = Deadlines::new(Duration::from_millis(800), Duration::from_millis(400));
    for (role, phase, timed_out) in [
        (Role::Blackhole, Phase::Tcp, true),
        (Role::Mute, Phase::Tls, true),
        (Role::Refuse, Phase::Tcp, false),
    ] {
        let endpoint = of_role(role);
        let address = endpoint.address.unwrap();
        let target = DialTarget {
            endpoint_name: endpoint.name,
            host: address.ip().to_string(),
            port: address.port(),
            hello: None,
        };
        let error = dial(&target, &master, &deadlines, NOW).await.unwrap_err();
        assert_eq!(
            (error.phase, error.timed_out),
            (phase, timed_out),
            "{role:?}"
        );
    }
    // A slow one answers like the others, and RSA is understood.
    let slow = of_role(Role::Slow);
    let target = DialTarget {
        endpoint_name: slow.name,
        host: "127.0.0.1".to_owned(),
        port: slow.address.unwrap().port(),
        hello: Some(hello()),
    };
    let connection = dial(&target, &master, &Deadlines::default(), NOW).await;
    connection.unwrap();
    let nobody = DialTarget {
        endpoint_name: "stranger".into(),
        host: "127.0.0.1".into(),
        port: fleet.address().unwrap().port(),
        hello: None,
    };
    dial(&nobody, &master, &Deadlines::default(), NOW)
        .await
        .unwrap_err();
    until(&fleet, "the stranger's failure", |snapshot| {
        snapshot.failures.identity == 1
    })
    .await;
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_silences_and_a_wave_disconnects() {
    let authority = authority();
    let mut options = options(&authority);
    options.agents = 10;
    options.keys_max = Some(1);
    let fleet = Fleet::start(options).await.unwrap();
    let master = master(&authority);
    let (mut reader, mut writer) = connect(&fleet, "agent-0003", &master).await;
    assert_eq!(next(&mut reader).await.method_name(), "icinga::Hello");
    assert_eq!(
        next(&mut reader).await.method_name(),
        "pki::RequestCertificate"
    );
    fleet.cut(true);
    writer.send(&check("host", "load")).await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(300), reader.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    fleet.cut(false);
    assert_eq!(next(&mut reader).await.method_name(), "event::CheckResult");
    let before = fleet.snapshot();
    fleet.wave(100, Parting::Goodbye);
    while let Ok(Some(_)) = reader.next().await {}
    until(&fleet, "gone", |snapshot| snapshot.connected == 0).await;
    let since = fleet.snapshot().since(&before);
    assert_eq!((since.left, since.drops, since.connects), (1, 0, 0));
    assert_eq!(fleet.handshakes().count(), 1);
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_call_and_hang_up() {
    let authority = authority();
    let listener = listen(Some("127.0.0.1"), 0).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut options = options(&authority);
    options.agents = 10;
    options.keys_max = Some(1);
    let fleet = Fleet::start(options).await.unwrap();
    let master = master(&authority);
    let serving = tokio::spawn(async move {
        let mut open = Vec::new();
        let gate = Gate::default();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let accepted = accept(tcp, &master, &Deadlines::default(), &gate, NOW).await;
            if let Ok(Accepted::JsonRpc(connection)) = accepted {
                let (reader, mut writer) = connection.split(TRUSTED_BYTES_MAX);
                let _ = writer.send(&hello()).await;
                open.push((reader, writer));
            }
        }
    });
    fleet
        .call(Dial {
            spread: Duration::from_millis(50),
            at_once_max: Some(3),
            ..Dial::new("master", "127.0.0.1", port)
        })
        .await;
    until(&fleet, "all there", |snapshot| snapshot.connected == 10).await;
    // Who leaves in a wave comes back at once, not after ten seconds.
    fleet.wave(100, Parting::Abrupt);
    until(&fleet, "all back", |snapshot| {
        snapshot.connected == 10 && snapshot.connects == 20 && snapshot.left == 10
    })
    .await;
    fleet.hang_up().await;
    assert_eq!(fleet.snapshot().connected, 0);
    serving.abort();
    fleet.stop().await;
}
