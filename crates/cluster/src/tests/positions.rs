//! Positions in each other's logs.

use super::*;

#[test]
fn positions_are_announced_every_five_seconds_once_known() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    let announced = |effects: Vec<Effect>| {
        messages(&effects)
            .into_iter()
            .filter(|(_, message)| message.method_name() == "log::SetLogPosition")
            .map(|(_, message)| message.number_param("log_position").unwrap())
            .collect::<Vec<_>>()
    };
    assert!(announced(node.pass(10.0)).is_empty());
    node.receive(
        link,
        r#"{"method":"event::Heartbeat","params":{},"ts":1795400001.5}"#,
    );
    assert_eq!(
        announced(node.pass(10.0)),
        [1_795_400_001.5, 1_795_400_001.5]
    );
}

#[test]
fn a_peer_cannot_confirm_what_it_was_not_sent() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    let position = |node: &Node| {
        node.cluster
            .endpoint_status("a1", Timestamp(node.now))
            .local_log_position
    };
    node.receive(
        link,
        r#"{"method":"log::SetLogPosition","params":{"log_position":9e12}}"#,
    );
    assert!(position(&node).is_never(), "nothing was ever sent");
    let effects = node.event("ha", Origin::local());
    let ts = messages(&effects)[0].1.ts.unwrap();
    node.receive(
        link,
        r#"{"method":"log::SetLogPosition","params":{"log_position":9e12}}"#,
    );
    assert_eq!(position(&node), ts);
    node.receive(
        link,
        r#"{"method":"log::SetLogPosition","params":{"log_position":5}}"#,
    );
    assert_eq!(position(&node), ts, "it never goes back");
}

#[test]
fn positions_survive_a_restart() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    node.receive(
        link,
        r#"{"method":"event::Heartbeat","params":{},"ts":1795400009}"#,
    );
    node.receive(
        link,
        r#"{"method":"icinga::Hello","params":{"version":21306,"capabilities":1}}"#,
    );
    let saved: Vec<_> = node
        .cluster
        .positions()
        .map(|(name, kept)| (name.clone(), kept))
        .collect();
    let mut cluster = Cluster::new(Settings::new("m1", Timestamp(START), 1));
    for (name, kept) in saved {
        cluster.restore(&name, kept);
    }
    let mut next = Node {
        cluster,
        now: START + 20.0,
        last_link: 9,
        log: BTreeMap::new(),
    };
    next.reconfigure(tree());
    let status = next.cluster.endpoint_status("a1", Timestamp(next.now));
    assert_eq!(status.remote_log_position, Timestamp(1_795_400_009.0));
    assert_eq!((status.icinga_version, status.capabilities), (21306, 1));
}

#[test]
fn status_counts_neighbours() {
    let mut node = Node::new("m1", tree());
    let link = node.up("a1");
    node.receive(
        link,
        r#"{"method":"event::Heartbeat","params":{},"ts":1795400001}"#,
    );
    node.receive(link, r#"{"method":"event::Heartbeat","params":{}}"#);
    let status = node.cluster.status(Timestamp(node.now));
    assert_eq!(status.conn_endpoints, ["a1"]);
    assert_eq!(status.not_conn_endpoints, ["m2", "s1"]);
    let zones: Vec<(&str, bool)> = status
        .zones
        .iter()
        .map(|(name, zone)| (&**name, zone.connected))
        .collect();
    assert_eq!(zones, [("agent", true), ("master", false), ("sat", false)]);
    let of = node.cluster.endpoint_status("a1", Timestamp(node.now));
    assert_eq!(node.facts("a1").received_per_method["event::Heartbeat"], 2);
    assert!(of.messages_received_per_second > 0.0 && of.bytes_sent_per_second > 0.0);
    node.down(link);
    node.now += 50.0;
    let status = node.cluster.status(Timestamp(node.now));
    assert_eq!(
        status.zones["agent"].client_log_lag,
        node.now - 1_795_400_001.0
    );
}
