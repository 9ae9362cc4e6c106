//! The text of a state file: netstrings of JSON, one for each object, as Icinga 2 writes them
//! (`{"name":…,"type":…,"update":{…}}`), so that either program can read the other's.

use bheka_value::{Str, Value, from_json_with_depth, to_json};

use crate::{CheckableName, CheckableState};

/// Nesting allowed in a record; custom data in results may be deep.
const DEPTH_MAX: usize = 100;

/// The saved state of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its type.
    pub type_name: Str,
    /// Its full name.
    pub name: Str,
    /// Its state attributes, with `type` and `version`.
    pub update: Value,
}

impl Entry {
    /// The entry of a host or service.
    #[must_use]
    pub fn of_checkable(name: &CheckableName, state: &CheckableState) -> Self {
        Self {
            type_name: name.type_name().into(),
            name: name.full(),
            update: state.to_value(name),
        }
    }

    /// The name and state, when this is a host or service.
    #[must_use]
    pub fn checkable(&self) -> Option<(CheckableName, CheckableState)> {
        matches!(self.type_name.as_str(), "Host" | "Service").then(|| {
            (
                CheckableName::from_full(&self.name),
                CheckableState::from_value(&self.update),
            )
        })
    }

    /// Appends the record to a text.
    pub fn encode_to(&self, text: &mut Vec<u8>) {
        let record = to_json(&Value::dictionary([
            ("name", Value::String(self.name.clone())),
            ("type", Value::String(self.type_name.clone())),
            ("update", self.update.clone()),
        ]));
        text.extend_from_slice(record.len().to_string().as_bytes());
        text.push(b':');
        text.extend_from_slice(record.as_bytes());
        text.push(b',');
    }
}

/// The text of a file with these entries.
#[must_use]
pub fn encode(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in entries {
        entry.encode_to(&mut text);
    }
    text
}

/// What is wrong with a state file from some point on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state file is damaged at byte {offset}: {cause}; what comes before it was read")]
pub struct Damage {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What.
    pub cause: String,
}

/// Reads the entries of a file, one after the other. After damage to the framing it ends; a record
/// that is not understood is reported and skipped.
#[must_use]
pub fn decode(text: &[u8]) -> Entries<'_> {
    Entries { text, offset: 0 }
}

/// See [`decode`].
#[derive(Debug)]
pub struct Entries<'a> {
    text: &'a [u8],
    offset: usize,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self
            .text
            .get(self.offset..)
            .filter(|rest| !rest.is_empty())?;
        let damage = |cause: &str| Damage {
            offset: self.offset,
            cause: cause.to_owned(),
        };
        let (record, length) = match crate::netstring::cut(rest) {
            Ok(cut) => cut,
            Err(cause) => {
                let damage = damage(cause);
                self.offset = self.text.len();
                return Some(Err(damage));
            }
        };
        let entry = read(record).map_err(|cause| damage(&cause));
        self.offset += length;
        Some(entry)
    }
}

fn read(record: &[u8]) -> Result<Entry, String> {
    let value = from_json_with_depth(record, DEPTH_MAX).map_err(|error| error.to_string())?;
    let text = |key| match value.as_dictionary().and_then(|it| it.get(key)) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(format!("record has no text '{key}'")),
    };
    let (type_name, name) = (text("type")?, text("name")?);
    let update = value
        .as_dictionary()
        .and_then(|it| it.get("update"))
        .unwrap_or_default();
    Ok(Entry {
        type_name,
        name,
        update,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Some records of a state file that 2.13.6 wrote.
    const ICINGA: &[u8] = include_bytes!("../testdata/icinga2.state");

    #[test]
    fn reads_and_rewrites_what_icinga_wrote() {
        let entries: Vec<Entry> = decode(ICINGA).map(Result::unwrap).collect();
        let types: Vec<&str> = entries
            .iter()
            .map(|entry| entry.type_name.as_str())
            .collect();
        assert_eq!(
            types,
            [
                "ApiListener",
                "Downtime",
                "Host",
                "Host",
                "Notification",
                "Service"
            ]
        );
        assert_eq!(encode(entries.clone()), ICINGA);
        let (name, state) = entries[2].checkable().unwrap();
        assert_eq!(name, CheckableName::host("h01"));
        assert_eq!(
            (state.state_raw, state.check_attempt, state.flapping_index),
            (2, 2, 1)
        );
        assert_eq!(
            state.last_check_result.as_ref().unwrap().output,
            "DOWN\nlong"
        );
        assert!(entries[0].checkable().is_none());
    }

    #[test]
    fn our_state_has_all_attributes_of_theirs() {
        // Both halves of what Icinga Redis keeps, and requests of other nodes, are not ours.
        let theirs_only = ["last_soft_states_raw", "pending_executions"];
        for entry in decode(ICINGA).map(Result::unwrap) {
            let Some((name, state)) = entry.checkable() else {
                continue;
            };
            let ours = state.to_value(&name);
            for (key, value) in entry.update.as_dictionary().unwrap().entries() {
                if theirs_only.contains(&key.as_str()) {
                    continue;
                }
                let mine = ours.as_dictionary().unwrap().get(&key).unwrap();
                assert_eq!(to_json(&mine), to_json(&value), "{name} {key}");
            }
        }
    }

    #[test]
    fn a_torn_file_yields_what_is_whole() {
        let torn = &ICINGA[..ICINGA.len() - 10];
        let entries: Vec<_> = decode(torn).collect();
        assert_eq!(entries.len(), 6);
        assert!(entries[..5].iter().all(Result::is_ok));
        assert!(entries[5].is_err());
    }

    #[test]
    fn a_strange_record_is_skipped() {
        let text = b"3:[1],23:{\"name\":\"a\",\"type\":\"b\"},";
        let entries: Vec<_> = decode(text).collect();
        assert_eq!(entries[0].as_ref().unwrap_err().offset, 0);
        assert_eq!(entries[1].as_ref().unwrap().name, "a");
        assert_eq!(entries.len(), 2);
    }

    proptest! {
        #[test]
        fn round_trips(names in prop::collection::vec((".{1,9}", ".{0,20}"), 0..8)) {
            let entries: Vec<Entry> = names
                .into_iter()
                .map(|(name, text)| Entry {
                    type_name: "User".into(),
                    name: name.into(),
                    update: Value::dictionary([("text", Value::from(text))]),
                })
                .collect();
            let text = encode(entries.clone());
            let back: Vec<Entry> = decode(&text).map(Result::unwrap).collect();
            prop_assert_eq!(back, entries);
        }

        #[test]
        fn garbage_never_panics_and_ends(text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&text).count() <= text.len());
        }
    }
}
