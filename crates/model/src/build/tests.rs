use super::*;
use crate::golden::declaration;
use bheka_value::Modification;

fn host(name: &str, attributes: &[(&str, Value)]) -> Declaration {
    let command = [("check_command", Value::from("cc"))];
    let all = command.into_iter().chain(attributes.iter().cloned());
    declaration("Host", name, Value::dictionary(all))
}

fn command() -> Declaration {
    declaration(
        "CheckCommand",
        "cc",
        Value::dictionary([("command", Value::from("x"))]),
    )
}

fn object(type_name: &str, name: &str, attributes: &[(&str, Value)]) -> Declaration {
    declaration(
        type_name,
        name,
        Value::dictionary(attributes.iter().cloned()),
    )
}

fn list(names: &[&str]) -> Value {
    Value::array(names.iter().map(|&name| name.into()))
}

fn run(declarations: Vec<Declaration>) -> Built {
    build(7, declarations, BTreeMap::new())
}

fn messages(built: &Built, severity: Severity) -> Vec<&str> {
    let of = built
        .diagnostics
        .iter()
        .filter(|finding| finding.severity == severity);
    of.map(|finding| finding.message.as_str()).collect()
}

#[test]
fn attributes_take_their_types_and_defaults() {
    let attributes = [
        ("check_interval", Value::from("90")),
        ("max_check_attempts", 2.7.into()),
        ("address", 5.0.into()),
        ("enable_flapping", 2.0.into()),
    ];
    let built = run(vec![command(), host("h", &attributes)]);
    assert!(!built.has_errors());
    let host = built.generation.get("Host", "h").unwrap();
    assert_eq!(host.get("check_interval"), Value::Number(90.0));
    assert_eq!(host.number("max_check_attempts"), 2.0);
    assert_eq!(host.string("address"), "5");
    assert!(matches!(host.get("enable_flapping"), Value::Boolean(true)));
    assert_eq!(host.string("display_name"), "h");
    assert_eq!(host.number("retry_interval"), 60.0);
    assert_eq!(host.string("name"), "h");
    assert_eq!(built.generation.number, 7);
}

#[test]
fn a_fault_points_at_the_line_that_set_the_attribute() {
    let at = |line| Location {
        path: "m.conf".into(),
        first_line: line,
        ..Location::default()
    };
    let change = |path: &[&str], line| Modification {
        path: path.iter().map(|&part| part.into()).collect(),
        operator: "=",
        location: at(line),
    };
    let vars = Value::dictionary([("a", Value::from("$x")), ("b", "fine".into())]);
    let mut declared = host("h", &[("check_interval", 0.0.into()), ("vars", vars)]);
    declared.location = at(1);
    declared.modifications = vec![
        change(&["check_interval"], 3),
        change(&["check_interval"], 4),
        change(&["vars", "b"], 5),
        change(&["vars", "a"], 6),
    ];
    let built = run(vec![command(), declared]);
    let line = |attribute: &str| {
        let finding = built
            .diagnostics
            .iter()
            .find(|it| it.message.contains(attribute))
            .unwrap();
        finding.location.as_ref().unwrap().first_line
    };
    assert_eq!(line("'check_interval'"), 4);
    assert_eq!(line("'vars' -> 'a'"), 6);
    // One that nothing set is placed at the head.
    let mut declared = object("Host", "h", &[]);
    declared.location = at(9);
    let built = run(vec![declared]);
    assert_eq!(
        built.diagnostics[0].location.as_ref().unwrap().first_line,
        9
    );
}

#[test]
fn ignored_objects_take_what_needs_them_along() {
    let mut broken = host("h", &[("check_interval", 0.0.into())]);
    broken.ignore_on_error = true;
    let on_host = [
        ("host_name", Value::from("h")),
        ("check_command", "cc".into()),
    ];
    let mut service = object("Service", "h!s", &on_host);
    service.ignore_on_error = true;
    let built = run(vec![command(), broken.clone(), service.clone()]);
    assert!(!built.has_errors());
    assert_eq!(
        built.generation.count("Host") + built.generation.count("Service"),
        0
    );
    assert_eq!(messages(&built, Severity::Notice).len(), 2);
    // A service that must exist cannot lose its host.
    service.ignore_on_error = false;
    let built = run(vec![command(), broken, service]);
    let expected = "Validation failed for object 'h!s' of type 'Service'; Attribute 'host_name': \
                    Object 'h' of type 'Host' does not exist.";
    assert_eq!(messages(&built, Severity::Error), [expected]);
}

#[test]
fn groups_of_groups_count() {
    let built = run(vec![
        command(),
        object("HostGroup", "linux", &[("groups", list(&["unix"]))]),
        object("HostGroup", "unix", &[("groups", list(&["all"]))]),
        object("HostGroup", "prod", &[]),
        object("HostGroup", "all", &[]),
        host("h", &[("groups", list(&["linux", "prod"]))]),
    ]);
    assert!(!built.has_errors());
    let groups = built.generation.get("Host", "h").unwrap().names("groups");
    assert_eq!(groups, ["linux", "prod", "all", "unix"].map(Str::from));
}

#[test]
fn dependency_rings_are_refused() {
    let depends = |name: &str, child: &str, parent: &str| {
        let ends = [
            ("child_host_name", child.into()),
            ("parent_host_name", parent.into()),
        ];
        object("Dependency", name, &ends)
    };
    let hosts = || vec![command(), host("a", &[]), host("b", &[]), host("c", &[])];
    let mut straight = hosts();
    straight.extend([
        depends("a!x", "a", "b"),
        depends("b!y", "b", "c"),
        depends("a!z", "a", "c"),
    ]);
    assert!(!run(straight).has_errors());
    let mut ring = hosts();
    ring.extend([
        depends("a!x", "a", "b"),
        depends("b!y", "b", "c"),
        depends("c!z", "c", "a"),
    ]);
    let built = run(ring);
    let errors = messages(&built, Severity::Error);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("Host 'b' depends on Host 'c' (Dependency 'b!y')"),
        "{errors:?}"
    );
    // A service depends on its host without saying so.
    let on_host = [
        ("host_name", Value::from("a")),
        ("check_command", "cc".into()),
    ];
    let ends = [
        ("child_host_name", Value::from("a")),
        ("parent_host_name", "a".into()),
        ("parent_service_name", "s".into()),
    ];
    let mut own = hosts();
    own.extend([
        object("Service", "a!s", &on_host),
        object("Dependency", "a!d", &ends),
    ]);
    assert!(run(own).has_errors());
}

#[test]
fn long_chains_do_not_overflow_the_stack() {
    let name = |at: usize| format!("h{at}");
    let mut all = vec![command()];
    for at in 0..20_000 {
        all.push(host(&name(at), &[]));
        let ends = [
            ("child_host_name", Value::from(name(at))),
            ("parent_host_name", name(at.max(1) - 1).into()),
        ];
        if at > 0 {
            all.push(object("Dependency", &format!("h{at}!d"), &ends));
        }
    }
    assert!(!run(all).has_errors());
}

#[test]
fn the_listener_needs_its_own_endpoint() {
    let check = |declarations| {
        let globals = BTreeMap::from([("NodeName".into(), "node".into())]);
        let built = build(1, declarations, globals);
        messages(&built, Severity::Error)
            .iter()
            .map(|&it| it.to_owned())
            .collect::<Vec<_>>()
    };
    let listener = |name| object("ApiListener", name, &[]);
    assert_eq!(
        check(vec![listener("api")]),
        ["Endpoint object for 'node' is missing."]
    );
    let node = || object("Endpoint", "node", &[]);
    let zone = || object("Zone", "z", &[("endpoints", list(&["node"]))]);
    assert_eq!(check(vec![listener("api"), node(), zone()]), [""; 0]);
    assert_eq!(
        check(vec![listener("api"), listener("b"), node(), zone()]),
        ["Only one ApiListener object is allowed."]
    );
}

#[test]
fn a_reload_tells_what_changed() {
    let of = |hosts: &[(&str, f64)]| {
        let mut all = vec![command()];
        let interval = |seconds: f64| [("check_interval", Value::Number(seconds))];
        all.extend(
            hosts
                .iter()
                .map(|(name, seconds)| host(name, &interval(*seconds))),
        );
        run(all).generation
    };
    let diff =
        of(&[("a", 1.0), ("b", 1.0), ("c", 1.0)]).diff(&of(&[("a", 1.0), ("b", 2.0), ("d", 1.0)]));
    assert_eq!(diff.added, [("Host", "d".into())]);
    assert_eq!(diff.changed, [("Host", "b".into())]);
    assert_eq!(diff.removed, [("Host", "c".into())]);
    assert_eq!(diff.unchanged, 2);
}

/// What HTTP forbids is refused in the words of 2.16.
#[test]
fn headers_of_the_listener_are_those_of_http() {
    for (name, value, expected) in [
        ("X-A", Value::from("a\tb ü"), None),
        ("X-A", "".into(), None),
        ("X A", "a".into(), Some("Header name is invalid.")),
        ("", "a".into(), Some("Header name is invalid.")),
        ("X-A", 1.0.into(), Some("Header value must be a string.")),
        ("X-A", "a\nb".into(), Some("Header value is invalid.")),
        ("X-A", " a".into(), Some("Header value is invalid.")),
        ("X-A", "a\t".into(), Some("Header value is invalid.")),
    ] {
        let headers = Value::dictionary([(name, value)]);
        let built = run(vec![object(
            "ApiListener",
            "api",
            &[("http_response_headers", headers)],
        )]);
        let found = messages(&built, Severity::Error);
        let found = found.iter().find(|it| it.contains("Header "));
        assert_eq!(found.is_some(), expected.is_some(), "{name} {found:?}");
        assert!(found.is_none_or(|it| it.ends_with(expected.unwrap())));
    }
}
