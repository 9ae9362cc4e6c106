//! Conditions of rules: the index and the tests without the evaluator say what the evaluator says.

use bheka_lang::{Load, Loaded, MemorySources, load};
use bheka_value::{Timestamp, Value};

fn load_text(text: &str) -> Loaded {
    let sources = MemorySources::new([("/etc/main.conf", text)]);
    load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &sources,
        include_dirs: Vec::new(),
        files: vec!["/etc/main.conf".to_owned()],
        constants: vec![("NodeName".to_owned(), Value::string("n"))],
        zone_dirs: Vec::new(),
        now: Timestamp(0.0),
        track_modifications: false,
        threads: 1,
    })
}

/// The services that were made, and whether there were errors.
fn services(text: &str) -> (Vec<String>, bool) {
    let loaded = load_text(text);
    let of_type = loaded.declarations.iter();
    let mut names: Vec<String> = of_type
        .filter(|it| it.type_info.name == "Service")
        .map(|it| it.name.to_string())
        .collect();
    names.sort();
    let failed = loaded.diagnostics.iter().any(|it| it.is_error());
    loaded.globals.retire();
    (names, failed)
}

const HOSTS: &str = r#"
object CheckCommand "c" { command = [ "/bin/true" ] }
object Host "a1" { check_command = "c"; vars.d = { k = "v" }; vars.os = "Linux"; vars.l = [ "x", "y" ] }
object Host "a2" { check_command = "c"; vars.d = "str"; vars.os = "linux"; vars.l = "x" }
object Host "b\\2" { check_command = "c"; vars.os = 5; vars.l = [ 1, "x" ]; groups = [ "g" ] }
object Host "B3" { check_command = "c"; vars.os = true; vars.l = [ ] }
object Host "e" { check_command = "c" }
object HostGroup "g" { groups = [ "h" ] }
object HostGroup "h" { }
"#;

const ATOMS: &[&str] = &[
    "host.vars.os",
    "host.vars.os == \"Linux\"",
    "host.vars.os != \"Linux\"",
    "host.vars.os == 5",
    "host.vars.os == true",
    "host.vars.os == \"\"",
    "host.vars.d.k",
    "host.vars.d.k == \"v\"",
    "host.name == \"a1\"",
    "\"Linux\" == host.vars.os",
    "match(\"a*\", host.name)",
    "match(\"A?\", host.name)",
    "match(\"b\\\\*\", host.name)",
    "match(\"*\", host.vars.os)",
    "match(\"li*\", host.vars.os)",
    "\"x\" in host.vars.l",
    "\"y\" in host.vars.l",
    "\"z\" !in host.vars.l",
    "1 in host.vars.l",
    "\"h\" in host.groups",
    "\"g\" in host.groups",
    "host.nonsense == \"x\"",
    "true",
    "false",
];

fn agrees(condition: &str) {
    let rule = |condition: &str| {
        format!(
            "{HOSTS}\napply Service \"s\" {{ check_command = \"c\"; assign where {condition} }}\n"
        )
    };
    // A list is nothing that a condition is read into: the evaluator does this one.
    let direct = services(&rule(condition));
    let evaluated = services(&rule(&format!("[ ({condition}) ][0]")));
    assert_eq!(direct, evaluated, "{condition}");
}

#[test]
fn single_conditions_agree_with_the_evaluator() {
    for atom in ATOMS {
        agrees(atom);
        agrees(&format!("!({atom})"));
    }
}

#[test]
fn combined_conditions_agree_with_the_evaluator() {
    // Every third pair in turn, so that each atom stands left and right of many others.
    let mut turn = 0;
    for left in ATOMS {
        for right in ATOMS {
            turn += 1;
            match turn % 9 {
                0 => agrees(&format!("{left} && {right}")),
                3 => agrees(&format!("{left} || {right}")),
                6 => agrees(&format!("!({left}) && ({right} || host.name == \"e\")")),
                _ => {}
            }
        }
    }
}

/// `match()` escapes only `*` and `?`; Icinga 2 2.13 makes a service on `b\2` alone.
#[test]
fn a_backslash_in_a_pattern_is_one() {
    let text = format!(
        "{HOSTS}\nobject Host \"b2\" {{ check_command = \"c\" }}\n\
         apply Service \"s\" {{ check_command = \"c\"; assign where match(\"b\\\\2\", host.name) }}\n"
    );
    assert_eq!(services(&text), (vec!["b\\2!s".to_owned()], false));
}

/// A member of a group is one of the groups above it, for rules too; and groups that a rule has
/// assigned count for the next one.
#[test]
fn groups_of_groups_and_assigned_groups_count() {
    let text = r#"
object CheckCommand "c" { command = [ "/bin/true" ] }
object Host "a" { check_command = "c"; groups = [ "Z2" ] }
object Host "b" { check_command = "c" }
object HostGroup "Z2" { groups = [ "Z3" ] }
object HostGroup "Z3" { }
object HostGroup "one" { assign where host.name == "b" }
object HostGroup "two" { assign where "one" in host.groups }
apply Service "n" { check_command = "c"; assign where "Z3" in host.groups }
apply Service "x" { check_command = "c"; assign where "two" in host.groups }
"#;
    let expected = vec!["a!n".to_owned(), "b!x".to_owned()];
    assert_eq!(services(text), (expected, false));
}

/// What a body does to its target does not decide whether other rules match.
#[test]
fn conditions_come_before_bodies() {
    let text = r#"
object CheckCommand "c" { command = [ "/bin/true" ] }
object Host "h" { check_command = "c" }
apply Service "a" { check_command = "c"; host.vars.role = "x"; assign where true }
apply Service "b" { check_command = "c"; assign where host.vars.role == "x" }
apply Service "d" { check_command = "c"; assign where [ host.vars.role == "x" ][0] }
apply Service "e" for (q in [ 1 ]) { check_command = "c"; assign where host.vars.role == "x" }
"#;
    assert_eq!(services(text), (vec!["h!a".to_owned()], false));
}
