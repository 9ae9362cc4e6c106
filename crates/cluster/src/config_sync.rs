//! `config::Update`: files of zones from parent to child.

use std::collections::BTreeMap;

use bheka_value::{Str, Value};

use crate::message::Message;
use crate::topology::Topology;

/// A file of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFile {
    /// Its text.
    pub content: Str,
    /// Lower-case hexadecimal SHA-256 of its bytes; empty when the sender gave none.
    pub checksum: Str,
}

/// The files of a zone by path; paths begin with `/`, their first part is `_etc` or the package.
pub type ZoneFiles = BTreeMap<Str, ZoneFile>;

/// What a `config::Update` brought, by zone; only zones that this node takes from peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigUpdate {
    /// The files.
    pub zones: BTreeMap<Str, ZoneFiles>,
    /// Whether checksums came along (2.11 and later).
    pub has_checksums: bool,
}

/// A path in an update that must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path '{path}' in zone '{zone}' leaves the directory of the zone")]
pub struct BadPath {
    /// The zone.
    pub zone: Str,
    /// The path.
    pub path: Str,
}

/// Name of the file that says when the sender's copy was made.
pub const TIMESTAMP_FILE: &str = "/.timestamp";

/// Name of the file that marks an authority; never sent and never taken.
pub const AUTHORITATIVE_FILE: &str = "/.authoritative";

/// Parameters of a `config::Update` for a peer in `zone`: files of all zones within it, and of
/// all global ones.
#[must_use]
pub fn update_params(
    files: &BTreeMap<Str, ZoneFiles>,
    topology: &Topology,
    peer_zone: &str,
) -> Value {
    let mut update = BTreeMap::new();
    let mut update_v2 = BTreeMap::new();
    let mut checksums = BTreeMap::new();
    for (name, files) in files {
        let Some(zone) = topology.zone(name) else {
            continue;
        };
        if !zone.global && !topology.is_within(name, peer_zone) {
            continue;
        }
        let sent = || {
            files
                .iter()
                .filter(|(path, _)| **path != *AUTHORITATIVE_FILE)
        };
        let (configs, others): (Vec<_>, Vec<_>) =
            sent().partition(|(path, _)| path.ends_with(".conf"));
        let contents = |files: Vec<(&Str, &ZoneFile)>| {
            Value::dictionary(
                files
                    .into_iter()
                    .map(|(path, file)| (path.clone(), Value::String(file.content.clone()))),
            )
        };
        update.insert(name.clone(), contents(configs));
        update_v2.insert(name.clone(), contents(others));
        let sums = sent().map(|(path, file)| (path.clone(), file.checksum.clone().into()));
        checksums.insert(name.clone(), Value::dictionary(sums));
    }
    Value::dictionary([
        ("checksums", Value::dictionary(checksums)),
        ("update", Value::dictionary(update)),
        ("update_v2", Value::dictionary(update_v2)),
    ])
}

/// Reads the parameters of a `config::Update`.
///
/// # Errors
/// When a path would leave the directory of its zone; nothing of such an update is used.
pub fn read_update(message: &Message) -> Result<ConfigUpdate, BadPath> {
    let checksums = message.param("checksums");
    let mut read = ConfigUpdate {
        zones: BTreeMap::new(),
        has_checksums: checksums.as_dictionary().is_some(),
    };
    for field in ["update", "update_v2"] {
        let zones = message.param(field);
        let Some(zones) = zones.as_dictionary() else {
            continue;
        };
        for (zone, files) in zones.entries() {
            let into = read.zones.entry(zone.clone()).or_default();
            let Some(files) = files.as_dictionary() else {
                continue;
            };
            for (path, content) in files.entries() {
                if !is_safe(&path) || !is_safe_name(&zone) {
                    return Err(BadPath { zone, path });
                }
                if *path == *AUTHORITATIVE_FILE {
                    continue;
                }
                let checksum = nested(&checksums, &zone, &path);
                let content = content.as_str().map(Str::new).unwrap_or_default();
                into.insert(path, ZoneFile { content, checksum });
            }
        }
    }
    Ok(read)
}

/// Whether the received files of a zone replace the own ones: their time stamp must be newer and
/// a checksum must differ (or, without checksums, a content).
#[must_use]
pub fn is_change(own: &ZoneFiles, received: &ZoneFiles, has_checksums: bool) -> bool {
    let stamp = |files: &ZoneFiles| {
        files
            .get(TIMESTAMP_FILE)
            .and_then(|file| file.content.trim().parse::<f64>().ok())
    };
    // A missing own stamp counts as 0, a missing received one as later than now.
    let (own_stamp, received_stamp) = (
        stamp(own).unwrap_or(0.0),
        stamp(received).unwrap_or(f64::INFINITY),
    );
    if own_stamp >= received_stamp {
        return false;
    }
    let relevant = |files: &ZoneFiles| -> BTreeMap<Str, Str> {
        let visible = files.iter().filter(|(path, _)| !path.starts_with("/."));
        let mark = |file: &ZoneFile| {
            if has_checksums {
                file.checksum.clone()
            } else {
                file.content.clone()
            }
        };
        visible
            .map(|(path, file)| (path.clone(), mark(file)))
            .collect()
    };
    relevant(own) != relevant(received)
}

fn nested(checksums: &Value, zone: &str, path: &str) -> Str {
    let of_zone = checksums.as_dictionary().and_then(|zones| zones.get(zone));
    let sum = of_zone
        .as_ref()
        .and_then(|zone| zone.as_dictionary()?.get(path));
    sum.as_ref()
        .and_then(Value::as_str)
        .map(Str::new)
        .unwrap_or_default()
}

fn is_safe(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains(['\0', '\\'])
        && path[1..]
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

fn is_safe_name(zone: &str) -> bool {
    !zone.is_empty() && zone != "." && zone != ".." && !zone.contains(['/', '\0', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{generation, global_zone, zone};

    const CAPTURED: &str = r#"{"jsonrpc":"2.0","method":"config::Update","params":{"checksums":{"zagent":{"/.checksums":"caf6224e","/.timestamp":"1d854c79","/_etc/h.conf":"2555c544"}},"update":{"zagent":{"/_etc/h.conf":"object Host \"hz\" { check_command = \"echo1\" }\n"}},"update_v2":{"zagent":{"/.checksums":"{\"/_etc/h.conf\":\"2555c544\"}","/.timestamp":"1795401777.937815"}}}}"#;

    fn captured() -> ConfigUpdate {
        read_update(&Message::from_bytes(CAPTURED.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_captured_update_round_trips() {
        let update = captured();
        assert!(update.has_checksums);
        let topology = Topology::new(
            &generation([
                zone("zmaster", &["master"], None),
                zone("zagent", &[], Some("zmaster")),
            ]),
            "master",
        );
        let params = update_params(&update.zones, &topology, "zagent");
        assert_eq!(Message::call("config::Update", params).to_json(), CAPTURED);
    }

    #[test]
    fn a_peer_gets_its_own_and_global_zones_only() {
        let topology = Topology::new(
            &generation([
                zone("top", &["m"], None),
                zone("a", &[], Some("top")),
                zone("b", &[], Some("top")),
                global_zone("g"),
            ]),
            "m",
        );
        let files: BTreeMap<Str, ZoneFiles> = ["top", "a", "b", "g", "gone"]
            .map(|name| (Str::from(name), captured().zones["zagent"].clone()))
            .into();
        let zones = |peer_zone| {
            let params = update_params(&files, &topology, peer_zone);
            let update = params.as_dictionary().unwrap().get("update").unwrap();
            update
                .as_dictionary()
                .unwrap()
                .entries()
                .into_keys()
                .collect::<Vec<_>>()
        };
        assert_eq!(zones("a"), ["a", "g"]);
        assert_eq!(zones("top"), ["a", "b", "g", "top"]);
        assert_eq!(
            bheka_value::to_json(&update_params(&BTreeMap::new(), &topology, "a")),
            r#"{"checksums":{},"update":{},"update_v2":{}}"#
        );
    }

    #[test]
    fn paths_stay_within_the_zone() {
        for (zone, path) in [
            ("z", "/../x.conf"),
            ("z", "x.conf"),
            ("..", "/x.conf"),
            ("z", "/a//b"),
            ("z", "/"),
        ] {
            let files = Value::dictionary([(path, Value::string(""))]);
            let update = Value::dictionary([(zone, files)]);
            let message = Message::call("config::Update", Value::dictionary([("update", update)]));
            assert!(read_update(&message).is_err(), "{zone} {path}");
        }
    }

    #[test]
    fn a_change_needs_a_newer_stamp_and_a_different_checksum() {
        let own = captured().zones["zagent"].clone();
        let with = |path: &str, content: &str, checksum: &str| {
            let mut files = own.clone();
            let file = ZoneFile {
                content: content.into(),
                checksum: checksum.into(),
            };
            files.insert(path.into(), file);
            files
        };
        assert!(!is_change(&own, &own, true));
        let newer = with(TIMESTAMP_FILE, "1795401778", "x");
        assert!(!is_change(&own, &newer, true), "only the stamp differs");
        assert!(
            !is_change(&own, &with("/_etc/h.conf", "", "other"), true),
            "not newer"
        );
        let mut changed = newer.clone();
        changed.remove("/_etc/h.conf");
        assert!(is_change(&own, &changed, true), "a file is gone");
        assert!(is_change(&ZoneFiles::new(), &own, true));
    }
}
