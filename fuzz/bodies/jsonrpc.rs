//! Any payloads, as a member of the zone would send them: messages that are read are written and
//! read alike, and nothing that is said closes the connection or stops the node.

use std::sync::Arc;

use bheka_cluster::{
    Cluster, Direction, Effect, Input, LinkId, LinkUp, Message, PhaseTimes, Settings, TlsFacts,
};
use bheka_model::{ConfigObject, Generation};
use bheka_value::{Location, Str, Timestamp, Value};

fn object(type_name: &str, name: &str, attributes: &[(&str, Value)]) -> Arc<ConfigObject> {
    Arc::new(ConfigObject {
        type_info: bheka_model::catalogue()
            .type_info(type_name)
            .expect("a known type"),
        name: name.into(),
        short_name: name.into(),
        zone: None,
        package: "_etc".into(),
        templates: Vec::new(),
        location: Location::default(),
        modifications: Vec::new(),
        attributes: attributes
            .iter()
            .map(|(key, value)| (Str::new(key), value.clone()))
            .collect(),
    })
}

fn node() -> Cluster {
    let members = Value::array(["m1", "m2"].map(Value::string));
    let yes = Value::Boolean(true);
    let listener = [("accept_config", yes.clone()), ("accept_commands", yes)];
    let objects = [
        object("Zone", "master", &[("endpoints", members)]),
        object("Endpoint", "m1", &[]),
        object("Endpoint", "m2", &[]),
        object("Host", "h", &[]),
        object("CheckCommand", "ping", &[]),
        object("ApiListener", "api", &listener),
    ];
    let mut cluster = Cluster::new(Settings::new("m1", START, 1));
    let generation = Generation::new(1, Default::default(), objects);
    cluster.handle(Input::Reconfigure(Arc::new(generation)), START);
    let up = LinkUp {
        link: LINK,
        direction: Direction::Accepted,
        identity: Some("m2".into()),
        verified: Ok(()),
        certificate: Some("PEM".into()),
        address: "[::1]:1".into(),
        tls: TlsFacts::default(),
        times: PhaseTimes::default(),
    };
    cluster.handle(Input::LinkUp(up), START);
    cluster
}

const START: Timestamp = Timestamp(1_795_400_000.0);
const LINK: LinkId = LinkId(1);

/// What must hold.
pub(crate) fn check(payloads: &[&[u8]]) {
    let mut cluster = node();
    for payload in payloads {
        let Ok(message) = Message::from_bytes(payload) else {
            continue;
        };
        let text = message.to_json();
        let again = Message::from_bytes(text.as_bytes()).expect("own messages can be read");
        assert_eq!(again.to_json(), text);
        let input = Input::Received {
            link: LINK,
            message,
            bytes: payload.len(),
        };
        let effects = cluster.handle(input, START + 1.0);
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::Close { .. }))
        );
    }
}
