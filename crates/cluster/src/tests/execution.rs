//! Commands for others.

use super::*;

const ASK: &str = r#"{"method":"event::ExecuteCommand","params":{"command":"ping","command_type":"check_command","host":"remote","macros":{}}}"#;

fn handed_on(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::RemoteExecute { .. }))
        .count()
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
