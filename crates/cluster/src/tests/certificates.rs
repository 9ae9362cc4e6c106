//! Requests for certificates, from end to end.

use super::*;
use crate::pki::{
    PkiAnswer, PkiOrder, PkiState, RequestFacts, RequestId, StoredRequest, TicketVerdict,
};

fn signer(is_signer: bool) -> Node {
    let mut node = Node::new("m1", tree());
    node.handle(Input::PkiState(PkiState {
        is_signer,
        ..PkiState::default()
    }));
    node
}

fn order(effects: &[Effect]) -> PkiOrder {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Pki(order) => Some(order.clone()),
            _ => None,
        })
        .expect("an order")
}

fn facts(ticket: TicketVerdict) -> RequestFacts {
    RequestFacts {
        fingerprint: "ab12".into(),
        common_name: "c1".into(),
        ca: "<CA>".into(),
        is_signed_by_us: false,
        is_up_to_date: false,
        needs_new_root: false,
        stored: StoredRequest::Undecided,
        ticket,
    }
}

const REQUEST: &str = r#"{"id":"x","method":"pki::RequestCertificate","params":{"ticket":"T"}}"#;

fn inspected(node: &mut Node, link: LinkId, facts: RequestFacts) -> (RequestId, Vec<Effect>) {
    let effects = node.receive(link, REQUEST);
    assert!(
        sent(&effects).is_empty(),
        "no answer before the facts are known"
    );
    let PkiOrder::Inspect { id, request } = order(&effects) else {
        panic!("{effects:?}")
    };
    assert_eq!(&*request.certificate, "<handshake PEM>");
    assert!(request.of_handshake);
    let answer = PkiAnswer::Inspected {
        id,
        facts: Ok(Box::new(facts)),
    };
    (id, node.handle(Input::Pki(answer)))
}

#[test]
fn a_right_ticket_gets_a_certificate() {
    let mut node = signer(true);
    let link = node.anonymous();
    let (id, effects) = inspected(&mut node, link, facts(TicketVerdict::Right));
    assert!(matches!(order(&effects), PkiOrder::Sign { id: signed, .. } if signed == id));
    let signed = PkiAnswer::Signed {
        id,
        certificate: Ok("<CERT>".into()),
    };
    let effects = node.handle(Input::Pki(signed));
    let texts: Vec<String> = messages(&effects)
        .into_iter()
        .map(|(_, message)| message.to_json())
        .collect();
    let fields = r#"{"ca":"<CA>","cert":"<CERT>","fingerprint_request":"ab12","status_code":0}"#;
    assert_eq!(
        texts[0],
        format!(r#"{{"id":"x","jsonrpc":"2.0","result":{fields}}}"#)
    );
    assert_eq!(
        texts[1],
        format!(r#"{{"jsonrpc":"2.0","method":"pki::UpdateCertificate","params":{fields}}}"#)
    );
}

#[test]
fn a_wrong_ticket_is_refused_and_leaves_no_trace() {
    let mut node = signer(true);
    let link = node.anonymous();
    let (_, effects) = inspected(&mut node, link, facts(TicketVerdict::Wrong));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Pki(_)))
    );
    let (_, reply) = &messages(&effects)[0];
    let result = reply.result.clone().unwrap();
    let result = result.as_dictionary().unwrap();
    assert_eq!(result.get("status_code"), Some(Value::Number(1.0)));
    assert!(lines(&effects, Severity::Warning)[0].contains("Invalid ticket for CN 'c1'"));
}

#[test]
fn a_request_without_ticket_waits_and_is_passed_on() {
    for is_signer in [true, false] {
        let mut node = signer(is_signer);
        let peer = node.up("m2");
        let link = node.anonymous();
        let (_, effects) = inspected(&mut node, link, facts(TicketVerdict::Missing));
        assert!(matches!(order(&effects), PkiOrder::SavePending { .. }));
        let to: Vec<(LinkId, String)> = sent(&effects);
        assert_eq!(
            to,
            [
                (peer, "pki::RequestCertificate".into()),
                (link, "reply".into())
            ]
        );
        // Who comes later is asked, too.
        node.down(peer);
        let (_, effects) = node.up_as(|link| accepted(link, Some("m2"), Ok(())));
        let asked = sent(&effects)
            .iter()
            .filter(|(_, method)| method == "pki::RequestCertificate")
            .count();
        assert_eq!(asked, 2, "for itself and for the child");
        // So are those that are linked already, when the node is told to.
        let effects = node.handle(Input::RequestCertificates);
        let expected = if is_signer { 0 } else { 2 };
        assert_eq!(sent(&effects).len(), expected, "who signs asks nobody");
    }
}

#[test]
fn certificates_are_taken_from_above_only() {
    let install = r#"{"method":"pki::UpdateCertificate","params":{"ca":"<CA>","cert":"<CERT>","fingerprint_request":"ab12","status_code":0}}"#;
    let mut node = Node::new("s1", tree());
    let parent = node.up("m1");
    let child = node.up("f1");
    assert!(matches!(
        order(&node.receive(parent, install)),
        PkiOrder::Install { .. }
    ));
    let effects = node.receive(child, install);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Pki(_)))
    );
    let effects = node.receive(parent, &install.replace("ab12", "../../x"));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Pki(_)))
    );
}

#[test]
fn a_connection_that_goes_takes_its_requests_along() {
    let mut node = signer(true);
    let link = node.anonymous();
    let effects = node.receive(link, REQUEST);
    let PkiOrder::Inspect { id, .. } = order(&effects) else {
        panic!("{effects:?}")
    };
    node.down(link);
    let facts = Ok(Box::new(facts(TicketVerdict::Right)));
    assert_eq!(
        node.handle(Input::Pki(PkiAnswer::Inspected { id, facts })),
        []
    );
}
