//! The model held against what a daemon of 2.13.6 said.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_value::schema::Flags;
use bheka_value::{
    Declaration, Location, Map, Str, Timestamp, Value, from_json_with_depth, to_json,
};

use crate::reflection::{api_type, array_rank, navigation_name, own_fields};
use crate::{Board, CheckableName, CheckableState, LiveObject, Severity, build, catalogue};

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines()
        .map(|line| from_json_with_depth(line.as_bytes(), 100).unwrap())
}

fn part(value: &Value, key: &str) -> Value {
    value.as_dictionary().unwrap().get(key).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .items()
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn declaration(type_name: &str, name: &str, attributes: Value) -> Declaration {
    let attributes = attributes.as_dictionary().unwrap().entries();
    let short_name: Str = name.rsplit('!').next().unwrap().into();
    Declaration {
        type_info: catalogue().type_info(type_name).unwrap(),
        name: name.into(),
        templates: vec![short_name.clone()],
        short_name,
        zone: None,
        package: "_etc".into(),
        attributes,
        location: Location::default(),
        ignore_on_error: false,
        modifications: Vec::new(),
    }
}

/// `GET /v1/types`: every attribute with its number, type, flags and references.
#[test]
fn types_are_those_of_2_13() {
    let types = from_json_with_depth(include_bytes!("../testdata/types.json"), 100).unwrap();
    let types = types.as_dictionary().unwrap().entries();
    assert_eq!(types.len(), 48);
    for (name, expected) in types {
        let info = catalogue()
            .type_info(&name)
            .unwrap_or_else(|| panic!("no type {name}"));
        assert_eq!(
            Value::from(info.plural),
            part(&expected, "plural"),
            "{name}"
        );
        assert_eq!(
            Value::from(info.base.unwrap()),
            part(&expected, "base"),
            "{name}"
        );
        assert_eq!(
            Value::from(info.is_abstract),
            part(&expected, "abstract"),
            "{name}"
        );
        let ours: Map = own_fields(info)
            .filter(|(_, field)| !field.flags.has(Flags::NEWER))
            .map(|(id, field)| {
                let flags = [
                    Flags::CONFIG,
                    Flags::STATE,
                    Flags::REQUIRED,
                    Flags::NO_USER_MODIFY,
                    Flags::NO_USER_VIEW,
                    Flags::DEPRECATED,
                    Flags::NAVIGATION,
                ];
                let flags: String = flags
                    .iter()
                    .map(|it| if field.flags.has(*it) { '1' } else { '0' })
                    .collect();
                let leads = field.flags.has(Flags::NAVIGATION);
                #[allow(clippy::cast_precision_loss)]
                let row = Value::array([
                    Value::Number(id as f64),
                    api_type(field).into(),
                    Value::Number(f64::from(array_rank(field))),
                    flags.into(),
                    field.reference.into(),
                    leads.then(|| navigation_name(field.name)).into(),
                ]);
                (field.name, row)
            })
            .collect();
        let theirs = part(&expected, "fields");
        assert_eq!(
            to_json(&Value::dictionary(ours)),
            to_json(&theirs),
            "{name}"
        );
    }
}

/// Valid and invalid configurations, and the words of `icinga2 daemon -C` about them.
#[test]
fn findings_are_those_of_2_13() {
    let mut wrong = Vec::new();
    for case in lines(include_str!("../testdata/validation.jsonl")) {
        let objects = part(&case, "objects").as_array().unwrap().items();
        let declarations: Vec<Declaration> = objects
            .iter()
            .map(|object| {
                let object = object.as_array().unwrap().items();
                let (type_name, name) = (object[0].as_str().unwrap(), object[1].as_str().unwrap());
                declaration(type_name, name, object[2].clone())
            })
            .collect();
        let globals = BTreeMap::from([("NodeName".into(), "testnode".into())]);
        let built = build(1, declarations, globals);
        let said = |severity| -> Vec<String> {
            let ours = built
                .diagnostics
                .iter()
                .filter(|it| it.severity == severity);
            // The golden file holds first lines only.
            ours.map(|it| it.message.lines().next().unwrap_or("").to_owned())
                .collect()
        };
        let (errors, warnings) = (said(Severity::Error), said(Severity::Warning));
        let expected = texts(&part(&case, "errors"));
        let missing = expected.iter().any(|it| !errors.contains(it));
        if missing || expected.is_empty() != errors.is_empty() {
            wrong.push(format!(
                "{}\n  2.13: {expected:?}\n  ours: {errors:?}",
                to_json(&case)
            ));
        }
        for warning in part(&case, "warnings").as_array().unwrap().items() {
            let words = texts(&warning);
            let found = built.diagnostics.iter().any(|it| {
                it.severity == Severity::Warning
                    && it.facility == words[0]
                    && it.message == words[1]
            });
            if !found {
                wrong.push(format!("{}\n  warnings: {warnings:?}", to_json(&case)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// `GET /v1/objects`: all attributes of an object, rebuilt from its configuration and state.
#[test]
fn objects_show_what_2_13_shows() {
    for case in lines(include_str!("../testdata/objects.jsonl")) {
        let (type_name, name) = (part(&case, "type"), part(&case, "name"));
        let (type_name, name) = (type_name.as_str().unwrap(), name.as_str().unwrap());
        let expected = part(&case, "attrs");
        let shown = show(type_name, name, &expected);
        let ours = shown.as_dictionary().unwrap().entries();
        let theirs = expected.as_dictionary().unwrap().entries();
        let names = |of: &Map| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "{type_name} {name}");
        for (key, value) in &theirs {
            let close = match (&ours[key], value) {
                (Value::Number(ours), Value::Number(theirs)) => (ours - theirs).abs() < 1e-4,
                (ours, theirs) => to_json(ours) == to_json(theirs),
            };
            assert!(
                close,
                "{type_name} {name} {key}: {:?}, not {value:?}",
                ours[key]
            );
        }
    }
}

/// Builds the object from the configured ones of these attributes, gives it the live ones, and
/// shows all.
fn show(type_name: &str, name: &str, attributes: &Value) -> Value {
    let info = catalogue().type_info(type_name).unwrap();
    let all = attributes.as_dictionary().unwrap().entries();
    let checkable = matches!(type_name, "Host" | "Service");
    let (mut configured, mut live) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in &all {
        let Some(field) = info.field(key) else {
            continue;
        };
        let own = matches!(
            key.as_str(),
            "templates" | "source_location" | "package" | "zone"
        );
        if field.flags.has(Flags::CONFIG) && !own {
            configured.insert(key.clone(), value.clone());
        } else if !checkable && !own && !matches!(key.as_str(), "ha_mode" | "all_parents") {
            live.insert(key.clone(), value.clone());
        }
    }
    let mut declared = declaration(type_name, name, Value::dictionary(configured));
    declared.package = part(attributes, "package").as_str().unwrap().into();
    declared.zone = part(attributes, "zone")
        .as_str()
        .filter(|it| !it.is_empty())
        .map(Str::new);
    declared.templates = texts(&part(attributes, "templates"))
        .iter()
        .map(Str::from)
        .collect();
    declared.location = location(&part(attributes, "source_location"));
    // Faults about objects that are not part of the case do not matter here.
    let built = build(1, vec![declared], BTreeMap::new());
    let board = Arc::new(Board::default());
    board.set_generation(Arc::new(built.generation));
    if checkable {
        let state = state_of(attributes);
        board.publish(&CheckableName::from_full(name), &state);
        let quiet = crate::CheckResult {
            state: 0,
            ..crate::CheckResult::default()
        };
        let up = CheckableState {
            state_raw: 0,
            last_check_result: Some(Arc::new(quiet)),
            ..CheckableState::default()
        };
        if type_name == "Service" {
            board.publish(&CheckableName::host(name.split('!').next().unwrap()), &up);
        }
        if state.last_check_result.is_none() {
            let interval = part(attributes, "check_interval").as_number().unwrap();
            let next_update = part(attributes, "next_update").as_number().unwrap();
            board.set_program_start(Timestamp(next_update - 2.0 * interval));
        }
    } else {
        board.publish_attributes(type_name, name, live);
    }
    LiveObject::find(&board, type_name, name)
        .unwrap()
        .to_value()
}

/// What the API shows of live state, as the state file would hold it: raw states are hidden.
fn state_of(attributes: &Value) -> CheckableState {
    let mut state = CheckableState::from_value(attributes);
    if let Some(result) = state.last_check_result.clone() {
        state.state_raw = result.state;
    }
    // A state that was soft from the beginning is all that these cases have before the last one.
    state.downtime_depth = 0;
    if part(attributes, "last_hard_state").as_number() == Some(0.0) {
        state.last_hard_state_raw = 0;
    }
    if part(attributes, "last_state").as_number() == Some(0.0) {
        state.last_state_raw = 0;
    }
    state
}

fn location(value: &Value) -> Location {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let number = |key| part(value, key).as_number().unwrap() as u32;
    Location {
        path: part(value, "path").as_str().unwrap().into(),
        first_line: number("first_line"),
        first_column: number("first_column"),
        last_line: number("last_line"),
        last_column: number("last_column"),
    }
}
