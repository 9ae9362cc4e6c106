//! Who is told of what.

use super::*;

fn node_with(at: &str, peers: &[&str]) -> (Node, BTreeMap<String, LinkId>) {
    let mut node = Node::new(at, tree());
    let links = peers
        .iter()
        .map(|name| ((*name).to_owned(), node.up(name)))
        .collect();
    (node, links)
}

/// The peers that are told of an event here.
fn told(at: &str, peers: &[&str], host: &str, origin: Origin) -> Vec<String> {
    let (mut node, links) = node_with(at, peers);
    let effects = node.event(host, origin);
    let targets = sent(&effects);
    let mut names: Vec<String> = links
        .into_iter()
        .filter(|(_, link)| targets.iter().any(|(target, _)| target == link))
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names
}

fn from(endpoint: &str, zone: &str) -> Origin {
    Origin {
        endpoint: Some(endpoint.into()),
        zone: (!zone.is_empty()).then(|| zone.into()),
    }
}

#[test]
fn a_zone_and_all_above_it_are_told() {
    let all = &["m2", "s1", "a1"];
    assert_eq!(told("m1", all, "hm", Origin::local()), ["m2"]);
    assert_eq!(told("m1", all, "hs", Origin::local()), ["m2", "s1"]);
    assert_eq!(told("m1", all, "hf", Origin::local()), ["m2", "s1"]);
    assert_eq!(told("m1", all, "ha", Origin::local()), ["a1", "m2"]);
    assert_eq!(
        told("s1", &["m1", "m2", "f1"], "hf", Origin::local()),
        ["f1", "m1"]
    );
    assert_eq!(told("s1", &["m1", "f1"], "hs", Origin::local()), ["m1"]);
}

#[test]
fn nobody_hears_back_what_it_said() {
    let all = &["m2", "s1", "a1"];
    assert_eq!(told("m1", all, "ha", from("a1", "agent")), ["m2"]);
    assert_eq!(told("m1", all, "hs", from("m2", "")), ["s1"]);
    assert_eq!(
        told("s1", &["m1", "m2", "f1"], "hf", from("m2", "master")),
        ["f1"]
    );
}

#[test]
fn others_than_the_zone_master_tell_only_it() {
    assert_eq!(
        told("m2", &["m1", "s1", "a1"], "hs", Origin::local()),
        ["m1"]
    );
    assert_eq!(
        told("m2", &["s1", "a1"], "hs", Origin::local()),
        ["s1"],
        "m1 is away"
    );
    assert_eq!(told("m2", &["m1", "s1"], "hs", from("s1", "sat")), ["m1"]);
}

#[test]
fn messages_carry_time_and_origin() {
    let (mut node, _) = node_with("m1", &["m2"]);
    let effects = node.event("ha", from("a1", "agent"));
    let (_, message) = &messages(&effects)[0];
    assert_eq!(message.origin_zone.as_deref(), Some("agent"));
    let first = message.ts.unwrap();
    node.now -= 100.0;
    let effects = node.event("ha", Origin::local());
    let (_, message) = &messages(&effects)[0];
    assert_eq!(message.origin_zone, None);
    assert!(
        message.ts.unwrap() > first,
        "also when the clock is set back"
    );
}

#[test]
fn who_is_away_gets_it_later_and_only_what_concerns_it() {
    let (mut node, _) = node_with("m1", &["m2"]);
    let effects = node.event("ha", Origin::local());
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::AppendLog(_)))
    );
    node.now += 1.0;
    node.event("hs", Origin::local());
    node.now += 1.0;
    let (_, effects) = node.up_as(|link| accepted(link, Some("a1"), Ok(())));
    let replayed: Vec<Str> = messages(&effects)
        .iter()
        .filter(|(_, message)| message.ts.is_some())
        .filter_map(|(_, message)| message.text_param("host"))
        .collect();
    assert_eq!(replayed, ["ha"]);
    let methods: Vec<String> = sent(&effects)
        .into_iter()
        .map(|(_, method)| method)
        .collect();
    assert_eq!(
        methods,
        [
            "icinga::Hello",
            "config::Update",
            "event::SetForceNextCheck"
        ]
    );
}

#[test]
fn nothing_is_logged_when_all_are_there_or_want_no_log() {
    let (mut node, _) = node_with("m1", &["m2", "a1"]);
    let appended = |effects: Vec<Effect>| {
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::AppendLog(_)))
    };
    assert!(!appended(node.event("ha", Origin::local())));
    assert!(appended(node.event("hs", Origin::local())));
    let mut objects = tree();
    objects[7] = crate::testing::object(
        "Endpoint",
        "s1",
        None,
        [("log_duration", Value::Number(0.0))],
    );
    node.reconfigure(objects);
    assert!(!appended(node.event("hs", Origin::local())));
}

#[test]
fn what_happens_during_a_replay_is_not_lost() {
    let mut node = Node::new("m1", tree());
    node.event("ha", Origin::local());
    // Without the harness, which answers at once.
    let link = LinkId(77);
    let up = Input::LinkUp(accepted(link, Some("a1"), Ok(())));
    let effects = node.cluster.handle(up, Timestamp(node.now));
    let Some(Effect::ReadLog { file, offset, .. }) = effects.last().cloned() else {
        panic!("no replay: {effects:?}");
    };
    let page = node.page(file, offset);
    // An event comes between the reading of the page and its arrival.
    node.now += 1.0;
    let during = node.event("ha", Origin::local());
    assert_eq!(sent(&during), []);
    let effects = node.handle(Input::LogPage { link, page });
    let stamps: Vec<Timestamp> = messages(&effects)
        .iter()
        .filter_map(|(_, message)| message.ts)
        .collect();
    assert_eq!(stamps.len(), 2);
    assert!(stamps[0] < stamps[1]);
    let after = node.event("ha", Origin::local());
    assert_eq!(sent(&after).len(), 1, "live again");
}

#[test]
fn the_log_is_rotated_and_cleaned() {
    let mut node = Node::new("m1", tree());
    node.up("s1");
    node.event("ha", Origin::local());
    node.handle(Input::Shutdown);
    let number = (START as u64) + 1;
    assert!(node.log.contains_key(&LogFile::Rotated(number)));
    node.pass(3600.0);
    assert!(node.log.contains_key(&LogFile::Rotated(number)));
    node.pass(86_400.0);
    assert!(
        !node.log.contains_key(&LogFile::Rotated(number)),
        "older than log_duration"
    );
}

#[test]
fn a_replay_goes_on_across_a_rotation() {
    let mut node = Node::new("m1", tree());
    for _ in 0..3 {
        node.now += 1.0;
        node.event("ha", Origin::local());
    }
    let link = LinkId(78);
    let up = Input::LinkUp(accepted(link, Some("a1"), Ok(())));
    let effects = node.cluster.handle(up, Timestamp(node.now));
    assert!(matches!(effects.last(), Some(Effect::ReadLog { .. })));
    let page = node.page(LogFile::Current, 0);
    node.handle(Input::Shutdown);
    node.now += 1.0;
    node.event("ha", Origin::local());
    let effects = node.handle(Input::LogPage { link, page });
    let count = messages(&effects)
        .iter()
        .filter(|(_, message)| message.ts.is_some())
        .count();
    assert_eq!(count, 4);
    assert!(
        !node
            .cluster
            .endpoint_status("a1", Timestamp(node.now))
            .syncing
    );
}

#[test]
fn authority_waits_for_others_at_first() {
    let mut node = Node::new("m1", tree());
    assert!(node.cluster.authority().is_held());
    node.pass(29.0);
    assert!(node.cluster.authority().is_held());
    node.pass(11.0);
    assert!(node.cluster.authority().is_mine("anything"));
    let link = node.up("m2");
    assert_eq!(node.cluster.authority().candidates().len(), 2);
    assert!(
        !node.cluster.authority().is_host_pinned(),
        "m2 has not said what it can"
    );
    node.receive(
        link,
        r#"{"method":"icinga::Hello","params":{"version":21600,"capabilities":7}}"#,
    );
    assert!(node.cluster.authority().is_host_pinned());
    node.down(link);
    assert_eq!(
        node.cluster.authority().candidates().len(),
        2,
        "it may be back in a moment"
    );
    node.pass(10.0);
    assert_eq!(node.cluster.authority().candidates().len(), 1);
}

#[test]
fn relayed_messages_count_without_anybody_to_receive_them() {
    let lonely = vec![
        zone("master", &["m1"], None),
        endpoint("m1", None),
        listener(true),
        host("h", None, None),
    ];
    for (objects, checkable) in [(lonely, "h"), (tree(), "ha")] {
        let mut node = Node::new("m1", objects);
        let effects: Vec<Effect> = (0..6)
            .flat_map(|_| node.event(checkable, Origin::local()))
            .collect();
        assert!(messages(&effects).is_empty());
        let status = node.cluster.status(Timestamp(node.now));
        assert_eq!(status.relay_queue_item_rate, 0.1, "6 in 60 s: {checkable}");
    }
}

#[test]
fn only_a_node_with_a_listener_must_be_an_endpoint() {
    for (objects, complains) in [(vec![], false), (vec![listener(true)], true)] {
        let settings = Settings::new("vm", Timestamp(START), 1);
        let generation = Arc::new(generation(objects));
        let effects =
            Cluster::new(settings).handle(Input::Reconfigure(generation), Timestamp(START));
        let complaint = effects.iter().any(|effect| {
            matches!(effect, Effect::Log { severity: Severity::Critical, text, .. }
                if text.contains("Endpoint object for 'vm' is missing"))
        });
        assert_eq!(complaint, complains);
    }
}
