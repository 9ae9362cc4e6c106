//! The records behind `object list`: what each object looked like when it was committed, and
//! which lines set what. Icinga 2 keeps them in `icinga2.debug` as netstrings of JSON.

use std::fmt::Write as _;

use bheka_value::schema::Flags;
use bheka_value::{Location, Modification, Str, Value, from_json_with_depth, to_json};

use crate::ConfigObject;
use crate::literal::literal;

/// Nesting allowed in a record.
const DEPTH_MAX: usize = 100;

/// The record of an object, to be put in a file.
#[must_use]
pub fn record(object: &ConfigObject) -> Vec<u8> {
    let fields = object.type_info.fields().filter(|field| {
        field.flags.has(Flags::CONFIG)
            && (!field.flags.has(Flags::NEWER) || object.attributes.contains_key(field.name))
    });
    let properties = fields.map(|field| field.name).chain(["type"]);
    let json = to_json(&Value::dictionary([
        ("debug_hints", hints(&object.modifications)),
        ("debug_info", place(&object.location, None)),
        ("name", Value::String(object.short_name.clone())),
        (
            "properties",
            Value::dictionary(properties.map(|name| (name, object.get(name)))),
        ),
        ("type", Value::string(object.type_info.name)),
    ]));
    let mut record = json.len().to_string().into_bytes();
    record.push(b':');
    record.extend_from_slice(json.as_bytes());
    record.push(b',');
    record
}

/// Reads the records of a file, one after the other; ends after damage.
#[must_use]
pub fn decode(text: &[u8]) -> Records<'_> {
    Records { text, offset: 0 }
}

/// See [`decode`].
#[derive(Debug)]
pub struct Records<'a> {
    text: &'a [u8],
    offset: usize,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self
            .text
            .get(self.offset..)
            .filter(|rest| !rest.is_empty())?;
        let offset = self.offset;
        let read = crate::netstring::cut(rest)
            .map_err(str::to_owned)
            .and_then(|(json, length)| {
                let value =
                    from_json_with_depth(json, DEPTH_MAX).map_err(|error| error.to_string())?;
                Ok((Record { value }, length))
            });
        Some(match read {
            Ok((record, length)) => {
                self.offset += length;
                Ok(record)
            }
            Err(cause) => {
                self.offset = self.text.len();
                Err(format!("objects file is damaged at byte {offset}: {cause}"))
            }
        })
    }
}

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    value: Value,
}

impl Record {
    fn part(&self, key: &str) -> Value {
        self.value
            .as_dictionary()
            .and_then(|it| it.get(key))
            .unwrap_or_default()
    }

    /// The type of the object.
    #[must_use]
    pub fn type_name(&self) -> Str {
        text_or_empty(self.part("type"))
    }

    /// The full name of the object.
    #[must_use]
    pub fn name(&self) -> Str {
        let full = self
            .part("properties")
            .as_dictionary()
            .and_then(|it| it.get("__name"));
        text_or_empty(full.unwrap_or_else(|| self.part("name")))
    }

    /// The attributes as they were.
    #[must_use]
    pub fn properties(&self) -> Value {
        self.part("properties")
    }

    /// The block that `object list` prints; an empty line stands between blocks.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_with(Style::Plain)
    }

    /// As [`Record::render`], in a style.
    #[must_use]
    pub fn render_with(&self, style: Style) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "Object '{}' of type '{}':",
            style.mark("\u{1b}[34m\u{1b}[1m", &self.name()),
            style.mark("\u{1b}[35m\u{1b}[1m", &self.type_name())
        );
        if let Some((path, lines)) = place_text(&self.part("debug_info"), 0) {
            let line = format!("  % declared in '{path}', lines {lines}");
            let _ = writeln!(out, "{}", style.mark("\u{1b}[36m", &line));
        }
        write_entries(
            &self.properties(),
            &self.part("debug_hints"),
            2,
            style,
            &mut out,
        );
        out
    }
}

/// How blocks look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With terminal colours.
    Coloured,
}

impl Style {
    fn mark(self, colour: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("{colour}{text}\u{1b}[0m"),
        }
    }
}

fn text_or_empty(value: Value) -> Str {
    match value {
        Value::String(text) => text,
        _ => Str::default(),
    }
}

fn write_entries(value: &Value, hints: &Value, indent: usize, style: Style, out: &mut String) {
    let Some(entries) = value.as_dictionary() else {
        return;
    };
    let hints = hints
        .as_dictionary()
        .and_then(|it| it.get("properties"))
        .unwrap_or_default();
    for (key, value) in entries.entries() {
        let hint = hints
            .as_dictionary()
            .and_then(|it| it.get(&key))
            .unwrap_or_default();
        out.extend(std::iter::repeat_n(' ', indent));
        let _ = write!(out, "* {}", style.mark("\u{1b}[32m", &key));
        if value.as_dictionary().is_none() {
            let _ = write!(out, " = {}", shown(&value));
        }
        out.push('\n');
        write_hints(&hint, indent + 2, style, out);
        write_entries(&value, &hint, indent + 2, style, out);
    }
}

fn write_hints(hint: &Value, indent: usize, style: Style, out: &mut String) {
    let messages = hint
        .as_dictionary()
        .and_then(|it| it.get("messages"))
        .unwrap_or_default();
    let Some(messages) = messages.as_array() else {
        return;
    };
    for message in messages.items() {
        let Some((path, lines)) = place_text(&message, 1) else {
            continue;
        };
        let operator = message.as_array().and_then(|it| it.read().first().cloned());
        let operator = text_or_empty(operator.unwrap_or_default());
        out.extend(std::iter::repeat_n(' ', indent));
        let line = format!("% {operator} modified in '{path}', lines {lines}");
        let _ = writeln!(out, "{}", style.mark("\u{1b}[36m", &line));
    }
}

/// A value as `object list` shows it: text as it is between quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        Value::Array(items) if items.is_empty() => "[ ]".into(),
        Value::Array(items) => {
            let items: Vec<String> = items.items().iter().map(shown).collect();
            format!("[ {} ]", items.join(", "))
        }
        Value::Number(number) => bheka_value::format_number(*number),
        other => literal(other, |number| format!("{number:.6}")),
    }
}

/// `[ "path", 1, 1, 1, 15 ]`, with an operator before it for a change.
fn place(location: &Location, operator: Option<&str>) -> Value {
    let numbers = [
        location.first_line,
        location.first_column,
        location.last_line,
        location.last_column,
    ];
    let operator = operator.map(Value::string);
    Value::array(
        operator
            .into_iter()
            .chain([Value::string(location.path.as_ref())])
            .chain(numbers.map(|number| Value::Number(f64::from(number)))),
    )
}

/// Path and `1:1-1:15` of a place whose path stands at that position.
fn place_text(value: &Value, at: usize) -> Option<(Str, String)> {
    let items = value.as_array()?.items();
    let number = |position: usize| items.get(at + position).and_then(Value::as_number);
    let path = items.get(at)?.as_str()?.into();
    let lines = format!(
        "{}:{}-{}:{}",
        number(1)?,
        number(2)?,
        number(3)?,
        number(4)?
    );
    Some((path, lines))
}

/// The changes as a tree by attribute path. Icinga 2 writes `=` for every operator.
fn hints(modifications: &[Modification]) -> Value {
    let mut root = Hint::default();
    for change in modifications {
        let mut hint = &mut root;
        for part in &change.path {
            hint = hint.properties.entry(part.clone()).or_default();
        }
        hint.messages.push(place(&change.location, Some("=")));
    }
    root.into_value()
}

#[derive(Default)]
struct Hint {
    messages: Vec<Value>,
    properties: std::collections::BTreeMap<Str, Hint>,
}

impl Hint {
    fn into_value(self) -> Value {
        let mut entries = Vec::new();
        if !self.messages.is_empty() {
            entries.push(("messages", Value::array(self.messages)));
        }
        if !self.properties.is_empty() {
            let inner = self
                .properties
                .into_iter()
                .map(|(key, hint)| (key, hint.into_value()));
            entries.push(("properties", Value::dictionary(inner)));
        }
        Value::dictionary(entries)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    /// Records that 2.13.6 wrote, and what its `object list` printed for them.
    const RECORDS: &[u8] = include_bytes!("../testdata/icinga2.debug");
    const LISTED: &str = include_str!("../testdata/object-list.txt");

    #[test]
    fn lists_records_of_2_13_as_2_13_does() {
        let blocks: Vec<String> = decode(RECORDS)
            .map(|record| record.unwrap().render())
            .collect();
        let text = blocks.join("\n");
        for (ours, theirs) in text.lines().zip(LISTED.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(text, LISTED);
    }

    fn at(first_line: u32, first_column: u32, last_column: u32) -> Location {
        let path = "/etc/demo/m.conf".into();
        Location {
            path,
            first_line,
            first_column,
            last_line: first_line,
            last_column,
        }
    }

    #[test]
    fn writes_the_record_that_2_13_writes() {
        let change = |path: &[&str], location| Modification {
            path: path.iter().map(|&part| part.into()).collect(),
            operator: "+=",
            location,
        };
        let object = ConfigObject {
            type_info: crate::catalogue().type_info("Service").unwrap(),
            name: "m1!s".into(),
            short_name: "s".into(),
            zone: None,
            package: "_etc".into(),
            templates: vec!["s".into()],
            location: at(24, 1, 17),
            modifications: vec![
                change(&["check_command"], at(25, 3, 22)),
                change(&["host_name"], at(24, 1, 17)),
                change(&["name"], at(24, 1, 17)),
                change(&["package"], at(24, 1, 17)),
                change(&["templates"], at(24, 1, 17)),
                change(&["vars", "z"], at(27, 5, 14)),
            ],
            attributes: bheka_value::Map::from([
                ("check_command", "cc".into()),
                ("display_name", "s".into()),
                ("host_name", "m1".into()),
                ("vars", Value::dictionary([("z", Value::Number(1.0))])),
            ]),
        };
        let ours = record(&object);
        let ours = String::from_utf8(ours).unwrap();
        let theirs = std::str::from_utf8(RECORDS).unwrap();
        assert!(theirs.contains(&ours), "{ours}");
    }

    #[test]
    fn a_damaged_file_ends_with_an_error() {
        let torn = &RECORDS[..RECORDS.len() - 2];
        assert!(decode(torn).last().unwrap().is_err());
        assert_eq!(decode(b"").count(), 0);
    }
}
