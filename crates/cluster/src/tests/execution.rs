//! Commands for others.

use super::*;

const ASK: &str = r#"{"method":"event::ExecuteCommand","params":{"command":"ping","command_type":"check_command","host":"remote","macros":{}}}"#;

fn handed_on(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::RemoteExecute { .. }))
        .count()
}

fn output(effects: &[Effect]) -> String {
    let (_, message) = &messages(effects)[0];
    let cr = message.param("cr");
    cr.as_dictionary()
        .unwrap()
        .get("output")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_parent_may_ask() {
    let mut node = Node::new("a1", tree());
    let parent = node.up("m1");
    assert_eq!(handed_on(&node.receive(parent, ASK)), 1);
    let mut node = Node::new("m1", tree());
    let child = node.up("a1");
    assert_eq!(handed_on(&node.receive(child, ASK)), 0, "a child may not");
    let mut node = Node::new("f1", tree());
    let grandparent = node.up("m1");
    assert_eq!(
        handed_on(&node.receive(grandparent, ASK)),
        0,
        "nor may a grandparent"
    );
}

#[test]
fn refusals_are_answered_as_stock_nodes_do() {
    let mut node = Node::new("a1", tree());
    let parent = node.up("m1");
    let effects = node.receive(parent, &ASK.replace("ping", "nosuch"));
    assert_eq!(output(&effects), "Check command 'nosuch' does not exist.");
    assert_eq!(messages(&effects)[0].1.ts, None);
    let mut objects = tree();
    objects[0] = listener(false);
    node.reconfigure(objects);
    let effects = node.receive(parent, ASK);
    assert_eq!(output(&effects), "Endpoint 'a1' does not accept commands.");
    assert_eq!(
        messages(&effects)[0].1.to_json(),
        r#"{"jsonrpc":"2.0","method":"event::CheckResult","params":{"cr":{"active":true,"check_source":"","command":null,"execution_end":0,"execution_start":0,"exit_status":0,"output":"Endpoint 'a1' does not accept commands.","performance_data":null,"previous_hard_state":0,"schedule_end":0,"schedule_start":0,"scheduling_source":"","state":3,"ttl":0,"type":"CheckResult","vars_after":null,"vars_before":null},"host":"remote"}}"#
    );
    let sourced = ASK.replace(r#""macros""#, r#""source":"u1","macros""#);
    let effects = node.receive(parent, &sourced);
    let (_, message) = &messages(&effects)[0];
    assert_eq!(message.method_name(), "event::ExecutedCommand");
    assert_eq!(message.number_param("exit"), Some(126.0));
}

#[test]
fn too_many_requests_are_dropped_and_counted() {
    let mut node = Node::new("a1", tree());
    let parent = node.up("m1");
    let taken: usize = (0..25_003)
        .map(|_| handed_on(&node.receive(parent, ASK)))
        .sum();
    assert_eq!(taken, 25_000);
    let reply = || Input::Reply {
        endpoint: "m1".into(),
        method: "event::CheckResult".into(),
        params: Value::dictionary::<&str>([]),
    };
    assert_eq!(sent(&node.handle(reply())).len(), 1);
    assert_eq!(handed_on(&node.receive(parent, ASK)), 1);
    let effects = node.pass(10.0);
    assert!(lines(&effects, Severity::Critical)[0].contains("3 checks discarded"));
}

#[test]
fn requests_for_others_below_are_passed_on() {
    let mut node = Node::new("s1", tree());
    let parent = node.up("m1");
    let child = node.up("f1");
    let ask = r#"{"method":"event::ExecuteCommand","params":{"command":"ping","command_type":"check_command","deadline":9e12,"endpoint":"f1","host":"hf","macros":{},"source":"u1"},"ts":1795400000}"#;
    let effects = node.receive(parent, ask);
    assert_eq!(
        sent(&effects),
        [(parent, "event::ExecutedCommand".into())],
        "f1 cannot"
    );
    node.receive(
        child,
        r#"{"method":"icinga::Hello","params":{"version":21600,"capabilities":7}}"#,
    );
    let effects = node.receive(parent, ask);
    assert_eq!(sent(&effects), [(child, "event::ExecuteCommand".into())]);
    let late = ask.replace("9e12", "5");
    assert_eq!(sent(&node.receive(parent, &late)), []);

    let done = r#"{"method":"event::ExecutedCommand","params":{"execution":"u1","exit":0,"host":"hf","output":"x","start":1,"end":2}}"#;
    assert_eq!(commands(&node.receive(child, done)), 1);
}

#[test]
fn an_execution_is_answered_by_who_was_asked() {
    let mut node = Node::new("m1", tree());
    let agent = node.up("a1");
    let satellite = node.up("s1");
    let done = r#"{"method":"event::ExecutedCommand","params":{"execution":"u1","exit":0,"host":"remote","output":"x","start":1,"end":2}}"#;
    assert_eq!(commands(&node.receive(agent, done)), 0, "nobody asked");
    let peer = node.up("m2");
    node.receive(peer, r#"{"method":"event::UpdateExecutions","params":{"executions":{"u1":{"deadline":9e12,"endpoint":"a1","pending":true}},"host":"remote"}}"#);
    assert_eq!(commands(&node.receive(satellite, done)), 0);
    assert_eq!(commands(&node.receive(agent, done)), 1);
}

#[test]
fn direct_messages_carry_no_time_and_wait_for_nobody() {
    let mut node = Node::new("m1", tree());
    let ask = || Input::Send {
        endpoint: "a1".into(),
        method: "event::ExecuteCommand".into(),
        params: Value::dictionary([("host", Value::string("remote"))]),
    };
    assert_eq!(sent(&node.handle(ask())), []);
    node.up("a1");
    let effects = node.handle(ask());
    assert_eq!(messages(&effects)[0].1.ts, None);
}
