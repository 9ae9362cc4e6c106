//! Who may say what.

use super::*;

/// Whether a message of `from` about `host` leads to a command on a node named `at`.
fn taken(at: &str, from: &str, json: &str) -> bool {
    let mut node = Node::new(at, tree());
    let link = node.up(from);
    commands(&node.receive(link, json)) == 1
}

fn forced(host: &str, origin_zone: &str) -> String {
    let origin = if origin_zone.is_empty() {
        String::new()
    } else {
        format!(r#""originZone":"{origin_zone}","#)
    };
    format!(
        r#"{{"method":"event::SetForceNextCheck",{origin}"params":{{"host":"{host}","forced":true}}}}"#
    )
}

#[test]
fn objects_are_open_to_their_zone_and_those_above() {
    assert!(taken("m1", "m2", &forced("hm", "")), "own zone");
    assert!(taken("m1", "a1", &forced("ha", "")), "the object's zone");
    assert!(
        !taken("m1", "a1", &forced("hm", "")),
        "a child about its parent's object"
    );
    assert!(
        !taken("m1", "a1", &forced("hs", "")),
        "a child about a sibling's object"
    );
    assert!(taken("s1", "m1", &forced("hs", "")), "a parent");
    assert!(
        taken("s1", "m1", &forced("hf", "")),
        "a parent about a grandchild's object"
    );
    assert!(
        !taken("m1", "m2", &forced("nosuch", "")),
        "an unknown object"
    );
}

#[test]
fn origin_zone_counts_within_the_own_zone_only() {
    assert!(taken("m1", "m2", &forced("ha", "agent")));
    assert!(
        !taken("m1", "m2", &forced("hm", "agent")),
        "the agent's word, passed on"
    );
    assert!(!taken("m1", "a1", &forced("hm", "master")), "a lie");
    assert!(
        !taken("m1", "m2", &forced("hm", "nosuch")),
        "an unknown zone"
    );
}

#[test]
fn results_are_taken_from_the_command_endpoint() {
    assert!(taken("m1", "a1", &result_json("remote")));
    assert!(!taken("m1", "s1", &result_json("remote")));
    assert!(!taken("m1", "a1", &result_json("hm")));
    assert!(!taken("m1", "a1", &forced("remote", "")), "only results");
}

#[test]
fn some_events_stay_within_a_zone() {
    let suppressed = r#"{"method":"event::SetSuppressedNotifications","params":{"host":"ha","suppressed_notifications":64}}"#;
    assert!(taken("m1", "m2", suppressed));
    assert!(!taken("m1", "a1", suppressed));
    assert!(!taken("s1", "m1", suppressed));
}

#[test]
fn anonymous_peers_may_greet_and_ask_for_certificates() {
    let mut node = Node::new("m1", tree());
    let link = node.anonymous();
    for method in [
        "event::CheckResult",
        "config::Update",
        "log::SetLogPosition",
    ] {
        let json = format!(r#"{{"id":1,"method":"{method}","params":{{"host":"hm"}}}}"#);
        let effects = node.receive(link, &json);
        assert_eq!(commands(&effects), 0);
        let replies = messages(&effects);
        assert_eq!(
            replies[0].1.to_json(),
            r#"{"id":1,"jsonrpc":"2.0","result":null}"#
        );
    }
    let install = r#"{"id":1,"method":"pki::UpdateCertificate","params":{"cert":"x","ca":"y","fingerprint_request":"ab"}}"#;
    let effects = node.receive(link, install);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Pki(_)))
    );
}

#[test]
fn replies_follow_the_table() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    let mut reply = |json: &str| {
        messages(&node.receive(link, json))
            .first()
            .map(|(_, message)| message.to_json())
    };
    let null = Some(r#"{"id":1,"jsonrpc":"2.0","result":null}"#.to_owned());
    assert_eq!(
        reply(r#"{"id":1,"method":"event::Heartbeat","params":{}}"#),
        null
    );
    assert_eq!(reply(r#"{"id":1,"method":"event::Heartbeat"}"#), null);
    assert_eq!(
        reply(r#"{"id":1,"method":"event::Heartbeat","params":null}"#),
        null
    );
    assert_eq!(reply(r#"{"method":"event::Heartbeat","params":{}}"#), None);
    assert_eq!(
        reply(r#"{"id":null,"method":"nosuch","params":{}}"#),
        Some(r#"{"id":null,"jsonrpc":"2.0"}"#.into())
    );
    assert_eq!(reply(r#"{"method":"nosuch","params":{}}"#), None);
    let failed = reply(r#"{"id":1,"method":"event::Heartbeat","params":[]}"#).unwrap();
    assert!(failed.starts_with(r#"{"error":"parameters of"#), "{failed}");
    assert_eq!(reply(r#"{"id":1,"result":5}"#), None);
    assert!(reply(r#"{"id":2,"method":"event::Heartbeat","params":{},"ts":100}"#).is_some());
    assert_eq!(
        reply(r#"{"id":2,"method":"event::Heartbeat","params":{},"ts":99}"#),
        None
    );
}

#[test]
fn configuration_is_taken_from_above_when_allowed() {
    let update = r#"{"method":"config::Update","params":{"update":{"far":{"/_etc/a.conf":"x"},"nosuch":{}},"update_v2":{},"checksums":{}}}"#;
    let configs = |effects: &[Effect]| {
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::ConfigUpdate { .. }))
            .count()
    };
    let mut node = Node::new("f1", tree());
    let parent = node.up("s1");
    let effects = node.receive(parent, update);
    assert_eq!(configs(&effects), 1);
    assert!(lines(&effects, Severity::Warning)[0].contains("unknown zone 'nosuch'"));

    let mut objects = tree();
    objects[0] = listener(false);
    node.reconfigure(objects);
    let effects = node.receive(parent, update);
    assert_eq!(configs(&effects), 0);
    assert!(lines(&effects, Severity::Warning)[0].contains("accept_config"));

    let mut node = Node::new("s1", tree());
    let child = node.up("f1");
    assert_eq!(configs(&node.receive(child, update)), 0);
    let parent = node.up("m1");
    let escape = r#"{"method":"config::Update","params":{"update":{"far":{"/../a.conf":"x"}}}}"#;
    assert_eq!(configs(&node.receive(parent, escape)), 0);
}
