//! Connections: who may stay, and who is dialled when.

use super::*;
use crate::netstring::{ANONYMOUS_BYTES_MAX, CHILD_BYTES_MAX, FramingError, TRUSTED_BYTES_MAX};
use crate::testing::object;

fn limit(effects: &[Effect]) -> Option<usize> {
    effects.iter().find_map(|effect| match effect {
        Effect::SetLimit { bytes, .. } => Some(*bytes),
        _ => None,
    })
}

#[test]
fn a_child_is_greeted_and_sent_its_configuration() {
    let mut node = Node::new("m1", tree());
    let (link, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    let methods: Vec<String> = sent(&effects)
        .into_iter()
        .map(|(_, method)| method)
        .collect();
    assert_eq!(methods, ["icinga::Hello", "config::Update"]);
    assert_eq!(limit(&effects), Some(CHILD_BYTES_MAX));
    let changes: Vec<(bool, bool)> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::PeerChanged {
                connected, syncing, ..
            } => Some((*connected, *syncing)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(true, true), (true, false)]);
    assert_eq!(
        node.cluster.endpoint_of(link).map(|name| &**name),
        Some("a1")
    );
}

#[test]
fn a_parent_is_asked_for_a_certificate_first() {
    let mut node = Node::new("a1", tree());
    let ticket = crate::pki::PkiState {
        ticket: "T1".into(),
        ..Default::default()
    };
    node.handle(Input::PkiState(ticket));
    let (_, effects) = node.up_as(|link| accepted(link, Some("m1"), Ok(())));
    let methods: Vec<String> = sent(&effects)
        .into_iter()
        .map(|(_, method)| method)
        .collect();
    assert_eq!(methods, ["icinga::Hello", "pki::RequestCertificate"]);
    assert_eq!(
        messages(&effects)[1].1.text_param("ticket"),
        Some("T1".into())
    );
    assert_eq!(limit(&effects), Some(TRUSTED_BYTES_MAX));
}

#[test]
fn masters_ask_each_other_and_share_configuration() {
    let mut node = Node::new("m1", tree());
    let (_, effects) = node.up_as(|link| accepted(link, Some("m2"), Ok(())));
    let methods: Vec<String> = sent(&effects)
        .into_iter()
        .map(|(_, method)| method)
        .collect();
    assert_eq!(
        methods,
        ["icinga::Hello", "pki::RequestCertificate", "config::Update"]
    );
}

#[test]
fn who_answers_under_another_name_is_told_nothing() {
    let mut node = Node::new("m1", tree());
    let (link, effects) = node.up_as(|link| dialled(link, "a1", Some("evil")));
    assert_eq!(sent(&effects), []);
    let reason = CloseReason::WrongName {
        expected: "a1".into(),
        found: Some("evil".into()),
    };
    assert_eq!(closed(&effects), [(link, reason)]);
    let warnings = lines(&effects, Severity::Warning);
    assert!(
        warnings[0].contains("'evil' instead of 'a1'"),
        "{warnings:?}"
    );
}

#[test]
fn a_good_certificate_without_endpoint_is_not_enough() {
    let mut node = Node::new("m1", tree());
    let (link, effects) = node.up_as(|link| accepted(link, Some("stranger"), Ok(())));
    assert_eq!(
        closed(&effects),
        [(link, CloseReason::UnknownEndpoint("stranger".into()))]
    );
    assert!(lines(&effects, Severity::Warning)[0].contains("stranger"));
    let (_, effects) = node.up_as(|link| accepted(link, Some("m1"), Ok(())));
    assert!(matches!(closed(&effects)[0].1, CloseReason::OwnName(_)));
}

#[test]
fn the_newer_of_two_connections_goes_when_the_first_one_lives() {
    let mut node = Node::new("m1", tree());
    let first = node.up("a1");
    node.pass(15.0);
    let (second, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    assert_eq!(sent(&effects), [(second, "icinga::Hello".into())]);
    assert_eq!(closed(&effects), []);
    // A third one is too many.
    let (third, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    assert_eq!(closed(&effects), [(third, CloseReason::Duplicate)]);
    assert_eq!(closed(&node.pass(4.0)), [], "neither has said anything");
    node.receive(first, r#"{"method":"event::Heartbeat","params":{}}"#);
    assert_eq!(closed(&node.pass(3.0)), [(second, CloseReason::Duplicate)]);
    assert!(node.cluster.endpoint_of(first).is_some());
}

#[test]
fn a_peer_that_comes_back_takes_the_place_of_its_dead_connection() {
    let mut node = Node::new("m1", tree());
    let dead = node.up("a1");
    node.pass(25.0);
    let (fresh, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    assert_eq!(closed(&effects), [(dead, CloseReason::Duplicate)]);
    assert!(node.cluster.is_connected("a1"));
    assert!(
        sent(&effects).contains(&(fresh, "config::Update".into())),
        "it is brought up to date"
    );
    // Also when that turns out later.
    node.pass(15.0);
    let (again, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    assert_eq!(closed(&effects), []);
    assert_eq!(closed(&node.pass(10.0)), [(fresh, CloseReason::Duplicate)]);
    assert_eq!(
        node.cluster.endpoint_of(again).map(|name| &**name),
        Some("a1")
    );
}

/// Two connections of one endpoint that came up together, in both orders: which of them is left?
fn left_of_two(local: &str, peer: &str, own_first: bool) -> &'static str {
    let mut node = Node::new(local, tree());
    let own = |link| dialled(link, peer, Some(peer));
    let theirs = |link| accepted(link, Some(peer), Ok(()));
    let (own, theirs) = if own_first {
        let own = node.up_as(own).0;
        (own, node.up_as(theirs).0)
    } else {
        let theirs = node.up_as(theirs).0;
        (node.up_as(own).0, theirs)
    };
    let gone = closed(&node.pass(3.1));
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(node.cluster.is_connected(peer));
    assert_eq!(closed(&node.pass(10.0)), [], "no flapping");
    match gone[0].0 {
        link if link == own => "theirs",
        link if link == theirs => "own",
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_two_that_dial_each_other_both_keep_the_same_connection() {
    for own_first in [true, false] {
        assert_eq!(left_of_two("m1", "s1", own_first), "own");
        assert_eq!(left_of_two("s1", "m1", own_first), "theirs");
    }
}

#[test]
fn a_peer_that_closes_one_of_two_connections_decides() {
    for first_goes in [true, false] {
        let mut node = Node::new("m1", tree());
        let (own, _) = node.up_as(|link| dialled(link, "a1", Some("a1")));
        let (theirs, _) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
        let effects = node.down(if first_goes { own } else { theirs });
        assert_eq!(closed(&effects), []);
        assert!(dials(&effects).is_empty());
        assert!(node.cluster.is_connected("a1"));
        let methods: Vec<String> = sent(&effects).into_iter().map(|(_, what)| what).collect();
        assert_eq!(
            methods.contains(&"config::Update".to_owned()),
            first_goes,
            "the other one is brought up to date only when it was second"
        );
        assert!(dials(&node.pass(20.0)).is_empty());
    }
}

#[test]
fn a_dial_is_given_up_when_the_peer_comes_by_itself() {
    // Of two that dial each other the one with the greater name gives in.
    let objects = || {
        let mut objects = dialling();
        objects[3] = endpoint("m1", Some("10.0.0.7"));
        objects
    };
    let mut node = Node::new("m1", objects());
    assert!(
        node.cluster
            .endpoint_status("a1", Timestamp(node.now))
            .connecting
    );
    let (_, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    let cancelled = Effect::CancelDial {
        endpoint: "a1".into(),
    };
    assert!(effects.contains(&cancelled), "{effects:?}");
    assert!(
        !node
            .cluster
            .endpoint_status("a1", Timestamp(node.now))
            .connecting
    );

    let mut node = Node::new("a1", objects());
    let (_, effects) = node.up_as(|link| accepted(link, Some("m1"), Ok(())));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::CancelDial { .. }))
    );
}

#[test]
fn who_is_dialled_and_says_nothing_is_left_and_tried_later() {
    let mut node = Node::new("m1", dialling());
    let (link, _) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    assert_eq!(closed(&node.pass(14.9)), []);
    assert_eq!(closed(&node.pass(0.2)), [(link, CloseReason::NoHello(15))]);
    while dials(&node.pass(0.1)).is_empty() {}
    let (link, _) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    node.receive(link, r#"{"method":"event::Heartbeat","params":{}}"#);
    assert_eq!(closed(&node.pass(30.0)), []);
}

#[test]
fn endpoints_that_never_answer_do_not_hold_up_the_others() {
    let mut settings = Settings::new("m1", Timestamp(START), 7);
    settings.dials = crate::DialLimits::new(8);
    let mut node = Node {
        cluster: Cluster::new(settings),
        now: START,
        last_link: 0,
        log: BTreeMap::new(),
    };
    let mut objects = vec![zone("master", &["m1"], None), endpoint("m1", None)];
    for number in 0..40 {
        let name = format!("a{number:02}");
        objects.push(zone(&name, &[&name], Some("master")));
        objects.push(endpoint(&name, Some("10.0.0.1")));
    }
    let mut under_way: Vec<String> = dials(&node.reconfigure(objects))
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(under_way.len(), 8);
    // Half of them fail, half are connected: every place is used again.
    let mut connected = 0;
    let mut failed = Vec::new();
    while let Some(name) = under_way.pop() {
        let number: u32 = name[1..].parse().unwrap();
        let effects = if number.is_multiple_of(2) {
            connected += 1;
            node.up_as(|link| dialled(link, &name, Some(&name))).1
        } else {
            failed.push(name.clone());
            node.handle(Input::DialFailed {
                endpoint: name.as_str().into(),
                failure: DialFailure::new(DialPhase::Tcp, FailureKind::Timeout, "timeout"),
            })
        };
        under_way.extend(dials(&effects).into_iter().map(str::to_owned));
        assert!(under_way.len() <= 8);
    }
    assert_eq!((connected, failed.len()), (20, 20));
    let mut sorted = failed.clone();
    sorted.sort();
    assert_ne!(failed, sorted, "the order is not that of the alphabet");
    // Those that failed may only take a quarter of the places.
    let mut again = 0;
    for _ in 0..100 {
        again += dials(&node.pass(0.1)).len();
    }
    assert_eq!(again, 2);
}

#[test]
fn anonymous_peers_leave_after_ten_seconds() {
    let mut node = Node::new("m1", tree());
    let link = node.anonymous();
    assert_eq!(closed(&node.pass(9.9)), []);
    assert_eq!(
        closed(&node.pass(0.2)),
        [(link, CloseReason::AnonymousExpired)]
    );
    assert_eq!(
        node.cluster.status(Timestamp(node.now)).anonymous_clients,
        0
    );
}

#[test]
fn anonymous_peers_can_be_limited() {
    let limited = [("max_anonymous_clients", Value::Number(1.0))];
    let mut objects = tree();
    objects[0] = object("ApiListener", "api", None, limited);
    let mut node = Node::new("m1", objects);
    let (_, effects) = node.up_as(|link| accepted(link, None, Err("none".into())));
    assert_eq!(limit(&effects), Some(ANONYMOUS_BYTES_MAX));
    let (second, effects) = node.up_as(|link| accepted(link, None, Err("none".into())));
    assert_eq!(sent(&effects), [(second, "icinga::Hello".into())]);
    assert_eq!(
        closed(&effects),
        [(second, CloseReason::TooManyAnonymous(1))]
    );
    node.pass(11.0);
    let (_, effects) = node.up_as(|link| accepted(link, None, Err("none".into())));
    assert_eq!(closed(&effects), []);
}

#[test]
fn silence_of_a_minute_ends_a_connection_and_bytes_prevent_it() {
    let mut node = Node::new("m1", tree());
    let silent = node.up("a1");
    let talking = node.up("s1");
    let partly = node.up("m2");
    let mut gone = Vec::new();
    for _ in 0..10 {
        gone.extend(closed(&node.pass(9.0)));
        node.receive(talking, r#"{"method":"event::Heartbeat","params":{}}"#);
        node.handle(Input::Alive { link: partly });
    }
    assert_eq!(gone, [(silent, CloseReason::Silent(60))]);
}

#[test]
fn heartbeats_go_out_every_twenty_seconds() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    let beats = |effects: Vec<Effect>| {
        sent(&effects)
            .iter()
            .filter(|(to, what)| *to == link && what == "event::Heartbeat")
            .count()
    };
    assert_eq!(beats(node.pass(19.9)), 0);
    assert_eq!(beats(node.pass(0.2)), 1);
    assert_eq!(beats(node.pass(20.0)), 1);
}

#[test]
fn a_process_that_stood_still_does_not_blame_its_peers() {
    let mut node = Node::new("m1", tree());
    node.up("a1");
    node.now += 600.0;
    assert_eq!(closed(&node.handle(Input::Tick)), []);
    node.now -= 3600.0;
    assert_eq!(closed(&node.handle(Input::Tick)), []);
    assert!(node.cluster.next_wakeup().unwrap().seconds() <= node.now + 5.0);
}

#[test]
fn nonsense_costs_an_endpoint_the_message_and_a_stranger_the_connection() {
    let mut node = Node::new("m1", tree());
    let known = node.up("a1");
    let stranger = node.anonymous();
    let bad = |link| Input::Malformed {
        link,
        error: "invalid JSON".into(),
        bytes: 10,
    };
    let effects = node.handle(bad(known));
    assert_eq!(closed(&effects), []);
    assert!(lines(&effects, Severity::Warning)[0].contains("invalid JSON"));
    assert_eq!(closed(&node.handle(bad(stranger))).len(), 1);

    let error = FramingError::MissingLength { found: b'x' };
    let effects = node.handle(Input::BadFrame { link: known, error });
    assert_eq!(closed(&effects), [(known, CloseReason::Framing(error))]);
    assert!(lines(&effects, Severity::Warning)[0].contains("expected a length, found 'x'"));
}

#[test]
fn a_peer_cannot_fill_the_log() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    let warnings: usize = (0..1000)
        .map(|_| {
            let input = Input::Malformed {
                link,
                error: "bad".into(),
                bytes: 3,
            };
            lines(&node.handle(input), Severity::Warning).len()
        })
        .sum();
    assert_eq!(warnings, 10);
    node.now += 61.0;
    let effects = node.handle(Input::Malformed {
        link,
        error: "bad".into(),
        bytes: 3,
    });
    assert!(lines(&effects, Severity::Warning)[0].ends_with("(990 more were not logged)"));
}

fn dialling() -> Vec<Arc<ConfigObject>> {
    vec![
        zone("master", &["m1"], None),
        zone("agent", &["a1"], Some("master")),
        zone("far", &["f1"], Some("agent")),
        endpoint("m1", Some("localhost")),
        endpoint("a1", Some("10.0.0.1")),
        endpoint("f1", Some("10.0.0.3")),
    ]
}

#[test]
fn neighbours_with_a_host_are_dialled_at_once_and_again_later_and_later() {
    let settings = Settings::new("m1", Timestamp(START), 7);
    let mut node = Node {
        cluster: Cluster::new(settings),
        now: START,
        last_link: 0,
        log: BTreeMap::new(),
    };
    let effects = node.reconfigure(dialling());
    assert_eq!(dials(&effects), ["a1"]);
    assert!(
        node.cluster
            .endpoint_status("a1", Timestamp(node.now))
            .connecting
    );
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let failed = Input::DialFailed {
            endpoint: "a1".into(),
            failure: DialFailure::new(DialPhase::Tcp, FailureKind::Refused, "refused"),
        };
        let effects = node.handle(failed);
        assert!(lines(&effects, Severity::Critical)[0].contains("refused"));
        let before = node.now;
        while dials(&node.pass(0.1)).is_empty() {}
        pauses.push(node.now - before);
    }
    let facts = node.facts("a1");
    let error = facts.last_error.unwrap();
    assert_eq!((error.count, error.failure.phase), (8, DialPhase::Tcp));
    assert_eq!(facts.attempts, 9, "the ninth is under way");
    assert_eq!(facts.state, PeerState::Connecting);
    assert!(pauses[0] <= 5.2, "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| (0.9..=30.2).contains(pause)),
        "{pauses:?}"
    );
    let longest = pauses
        .iter()
        .fold(0.0, |longest: f64, pause| longest.max(*pause));
    assert!(longest > 10.0, "they grow: {pauses:?}");
}

#[test]
fn a_lost_connection_is_dialled_soon_and_a_refused_one_later() {
    let mut node = Node::new("m1", dialling());
    let (link, _) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    for _ in 0..10 {
        node.pass(6.0);
        node.handle(Input::Alive { link });
    }
    assert_eq!(dials(&node.down(link)), ["a1"], "the peer was restarted");
    let (link, _) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    node.now += 0.1;
    let before = node.facts("a1");
    assert_eq!((before.state, before.attempts), (PeerState::Connected, 0));
    assert!(before.sent_per_method["icinga::Hello"] == 2);
    node.down(link);
    let after = node.facts("a1");
    assert_eq!(
        (after.state, after.since),
        (PeerState::Waiting, Timestamp(node.now))
    );
    assert_eq!((after.connects, after.disconnects), (2, 2));
    assert!(after.last_disconnect.unwrap().cause.contains("closed"));
    assert!(dials(&node.pass(0.9)).is_empty(), "the peer refused");
    assert_eq!(dials(&node.pass(4.2)), ["a1"]);
}

#[test]
fn an_unproven_endpoint_is_dialled_again_when_its_ten_seconds_are_over() {
    let mut node = Node::new("m1", dialling());
    let (link, _) = node.up_as(|link| LinkUp {
        verified: Err("self-signed certificate".into()),
        ..dialled(link, "a1", Some("a1"))
    });
    assert!(!node.cluster.is_connected("a1"));
    let facts = node.facts("a1");
    assert_eq!(facts.state, PeerState::Unproven);
    let error = facts.last_error.unwrap();
    assert_eq!(error.failure.kind, FailureKind::Identity);
    assert!(error.failure.cause.contains("self-signed"));
    let effects = node.pass(10.1);
    assert_eq!(closed(&effects), [(link, CloseReason::AnonymousExpired)]);
    assert!(dials(&effects).is_empty());
    assert_eq!(dials(&node.pass(5.0)), ["a1"]);
}

#[test]
fn a_reload_leaves_unchanged_endpoints_alone() {
    let mut node = Node::new("m1", dialling());
    let (link, _) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    let mut objects = dialling();
    objects.push(host("new", Some("agent"), None));
    objects.push(zone("more", &["n1"], Some("master")));
    objects.push(endpoint("n1", Some("10.0.0.9")));
    let effects = node.reconfigure(objects.clone());
    assert_eq!(closed(&effects), []);
    assert_eq!(sent(&effects), []);
    assert_eq!(dials(&effects), ["n1"]);

    objects[4] = endpoint("a1", Some("10.9.9.9"));
    let effects = node.reconfigure(objects.clone());
    assert_eq!(
        closed(&effects),
        [(link, CloseReason::Reconfigured("changed"))]
    );
    assert_eq!(dials(&effects), ["a1"]);

    let (link, effects) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    assert_eq!(closed(&effects), []);
    let gone: Vec<_> = objects
        .into_iter()
        .filter(|object| !matches!(&*object.name, "a1" | "agent" | "far" | "f1" | "new"))
        .collect();
    let effects = node.reconfigure(gone);
    assert_eq!(
        closed(&effects),
        [(link, CloseReason::Reconfigured("removed"))]
    );
    assert!(dials(&node.pass(60.0)).is_empty());
}

#[test]
fn a_dial_to_an_old_address_is_not_kept() {
    let mut node = Node::new("m1", dialling());
    let mut objects = dialling();
    objects[4] = endpoint("a1", Some("10.9.9.9"));
    assert!(
        dials(&node.reconfigure(objects)).is_empty(),
        "the first dial is still under way"
    );
    let (link, effects) = node.up_as(|link| dialled(link, "a1", Some("a1")));
    assert_eq!(
        closed(&effects),
        [(link, CloseReason::Reconfigured("changed"))]
    );
    assert_eq!(dials(&node.pass(5.1)), ["a1"]);
}

#[test]
fn a_new_certificate_makes_all_connections_new() {
    let mut node = Node::new("m1", tree());
    node.up("a1");
    node.up("s1");
    node.anonymous();
    let effects = node.handle(Input::DropLinks {
        reason: "certificate was renewed".into(),
    });
    assert_eq!(closed(&effects).len(), 3);
}

#[test]
fn addresses_are_logged_in_brackets_and_identities_only_when_there_are_any() {
    for (address, identity, words) in [
        (
            "127.0.0.1:33452",
            None,
            " from [127.0.0.1]:33452 (no client certificate)",
        ),
        ("[::1]:5", Some("a1"), " for identity 'a1' from [::1]:5"),
    ] {
        let mut node = Node::new("m1", tree());
        let mut up = accepted(LinkId(7), identity, Ok(()));
        up.address = address.into();
        let effects = node.handle(Input::LinkUp(up));
        let wanted = format!("New client connection{words}");
        let is_logged = effects.iter().any(
            |effect| matches!(effect, Effect::Log { facility: "ApiListener", text, .. } if *text == wanted),
        );
        assert!(is_logged, "{wanted}: {effects:?}");
    }
}
