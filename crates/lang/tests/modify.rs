//! `modify_attribute()` and `restore_attribute()` of declared objects, at the console.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use bheka_lang::{Console, ConsoleSettings};
use bheka_value::{Timestamp, to_json};
use support::Disk;

const OBJECTS: &str = r#"Internal.run_with_activation_context(function() {
object CheckCommand "cc" { command = [ "/bin/true" ] }
object Host "h" { check_command = "cc"; vars.a = 1; vars.d = { x = 1 } }
})
var h = get_host("h")
"#;

/// The value of the last statement, or the error.
fn eval(text: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let mut console = Console::new(ConsoleSettings {
        catalogue: bheka_model::catalogue(),
        sources: Arc::new(Disk {
            directory: directory.path().to_owned(),
        }),
        include_dirs: Vec::new(),
        constants: Vec::new(),
        now: Timestamp(1_795_415_000.0),
    });
    let result = console.eval(&format!("{OBJECTS}{text}"));
    result
        .map(|value| to_json(&value))
        .map_err(|error| error.message)
}

#[test]
fn what_was_configured_is_kept_and_comes_back() {
    let change = "h.modify_attribute(\"notes\", \"new\")
        h.modify_attribute(\"notes\", \"newer\")
        h.modify_attribute(\"vars.a\", 2)
        h.modify_attribute(\"vars.n.m\", 3)
        h.modify_attribute(\"vars.d\", { y = 2 })
        ";
    let shown = eval(&format!(
        "{change} [ h.notes, h.vars, h.original_attributes ]"
    ));
    let expected = "[\"newer\",{\"a\":2,\"d\":{\"y\":2},\"n\":{\"m\":3}},\
                    {\"notes\":\"\",\"vars.a\":1,\"vars.d.x\":1,\"vars.d.y\":null,\
                    \"vars.n.m\":null}]";
    assert_eq!(shown.unwrap(), expected);
    let back = "h.restore_attribute(\"notes\"); h.restore_attribute(\"vars.a\")
        h.restore_attribute(\"vars.d\"); h.restore_attribute(\"check_interval\")
        [ h.notes, h.vars, h.original_attributes, h.check_interval ]";
    let expected = "[\"\",{\"a\":1,\"d\":{\"x\":1,\"y\":null},\"n\":{\"m\":3}},\
                    {\"vars.n.m\":null},300]";
    assert_eq!(eval(&format!("{change}{back}")).unwrap(), expected);
}

#[test]
fn changes_are_validated() {
    for (attribute, value, words) in [
        ("nope", "1", "Invalid field ID."),
        ("name", "1", "Attribute cannot be modified."),
        ("groups", "[ ]", "Attribute cannot be modified."),
        (
            "check_command",
            "\"cc2\"",
            "Object 'cc2' of type 'CheckCommand' does not exist.",
        ),
        ("check_command", "\"\"", "Attribute must not be empty."),
        ("check_interval", "0", "Interval must be greater than 0."),
        (
            "check_interval",
            "\"x\"",
            "Can't convert 'x' to a floating point number.",
        ),
        (
            "vars",
            "[ ]",
            "cannot be set to value of type 'Array', expected 'Dictionary'",
        ),
        ("vars.a.b", "1", "Value must be a dictionary."),
        ("notes.x", "1", "Value must be a dictionary."),
    ] {
        let error = eval(&format!("h.modify_attribute(\"{attribute}\", {value})")).unwrap_err();
        assert!(error.contains(words), "{attribute}: {error}");
        // Nothing has changed.
        let text = format!(
            "try {{ h.modify_attribute(\"{attribute}\", {value}) }} except {{ }}\n\
             [ h.vars, h.check_interval, h.original_attributes ]"
        );
        assert_eq!(eval(&text).unwrap(), "[{\"a\":1,\"d\":{\"x\":1}},300,null]");
    }
}
