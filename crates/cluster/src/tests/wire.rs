//! What was captured is read and written alike.

use proptest::prelude::*;

use bheka_model::Command;

use super::*;
use crate::{events, netstring};

const CAPTURED: &str = include_str!("../../../../testdata/wire/captured.jsonl");

#[test]
fn captured_messages_round_trip_to_the_byte() {
    assert!(CAPTURED.lines().count() > 20);
    for line in CAPTURED.lines() {
        let message = Message::from_bytes(line.as_bytes()).unwrap();
        assert_eq!(message.to_json(), line);
        let mut decoder = netstring::Decoder::new(line.len());
        decoder.push(&message.to_frame());
        assert_eq!(decoder.next().unwrap().as_deref(), Some(line.as_bytes()));
    }
}

#[test]
fn captured_events_survive_the_way_through_the_model() {
    let mut seen = 0;
    for line in CAPTURED.lines() {
        let message = Message::from_bytes(line.as_bytes()).unwrap();
        let method = message.method_name();
        let Some(checkable) =
            events::checkable(&message).filter(|_| events::access(method).is_some())
        else {
            continue;
        };
        let command = events::decode(method, checkable.clone(), &message)
            .unwrap()
            .unwrap();
        let kind = events::caused_by(&command);
        let encoded = events::encode(&Event {
            checkable,
            origin: Origin::local(),
            kind,
        })
        .unwrap();
        assert_eq!(encoded.method, method);
        assert_eq!(
            bheka_value::to_json(&encoded.params),
            bheka_value::to_json(&message.params)
        );
        seen += 1;
    }
    assert!(seen >= 11, "{seen}");
}

#[test]
fn a_result_without_performance_data_is_not_taken_for_ok() {
    let cr = r#"{"method":"event::CheckResult","params":{"host":"hm","cr":{"type":"CheckResult","state":2}}}"#;
    let mut node = Node::new("m1", tree());
    let link = node.up("m2");
    let effects = node.receive(link, cr);
    let state = effects.iter().find_map(|effect| match effect {
        Effect::Command {
            command: Command::ProcessResult { result, .. },
            ..
        } => Some(result.state),
        _ => None,
    });
    assert_eq!(state, Some(2));
    let effects = node.receive(
        link,
        &cr.replace("CheckResult\",\"state", "Other\",\"state"),
    );
    assert_eq!(commands(&effects), 0);
    assert!(lines(&effects, Severity::Warning)[0].contains("'cr' must be a check result"));
}

fn any_message() -> impl Strategy<Value = String> {
    let captured: Vec<String> = CAPTURED.lines().map(str::to_owned).collect();
    (
        prop::sample::select(captured),
        any::<prop::sample::Index>(),
        "[\\x20-\\x7e]{0,3}",
    )
        .prop_map(|(line, at, patch)| {
            let at = at.index(line.len());
            let end = (at + patch.len()).min(line.len());
            format!("{}{patch}{}", &line[..at], &line[end..])
        })
}

proptest! {
    #[test]
    fn damaged_messages_never_panic_nor_close(lines in prop::collection::vec(any_message(), 1..8)) {
        let mut node = Node::new("m1", tree());
        let link = node.up("m2");
        for line in lines {
            let input = match Message::from_bytes(line.as_bytes()) {
                Ok(message) => Input::Received { link, message, bytes: line.len() },
                Err(error) => {
                    Input::Malformed { link, error: error.to_string().into(), bytes: line.len() }
                }
            };
            let effects = node.handle(input);
            prop_assert!(closed(&effects).is_empty());
        }
    }
}
