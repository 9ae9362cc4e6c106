//! Any text, and any configuration of a grammar, loaded and built: no panic, no endless run;
//! several threads make of it what one makes; and what was made can be written down.

use std::collections::BTreeMap;

use bheka_lang::{Load, Loaded, MemorySources, ZoneDir, load};
use bheka_value::{Timestamp, Value, to_json};

use crate::grammar::Choices;

/// Steps that a statement, or an object, may take.
const STEPS_MAX: u64 = 5_000;

const TYPES: &[&str] = &[
    "Host",
    "Service",
    "HostGroup",
    "ServiceGroup",
    "User",
    "UserGroup",
    "CheckCommand",
    "NotificationCommand",
    "EventCommand",
    "Notification",
    "Dependency",
    "TimePeriod",
    "ScheduledDowntime",
    "Zone",
    "Endpoint",
    "ApiUser",
    "Comment",
    "Downtime",
    "FileLogger",
    "ApiListener",
    "IcingaApplication",
    "CheckerComponent",
];
const OBJECTS: &[&str] = &[
    "\"a\"",
    "\"b\"",
    "\"c\"",
    "\"a!b\"",
    "\"\"",
    "NodeName",
    "\"dummy\"",
];
const ATTRIBUTES: &[&str] = &[
    "address",
    "vars.a",
    "vars.b",
    "vars",
    "vars[\"k\"]",
    "groups",
    "templates",
    "check_command",
    "check_interval",
    "max_check_attempts",
    "host_name",
    "service_name",
    "command",
    "arguments",
    "ranges",
    "zone",
    "endpoints",
    "parent",
    "users",
    "user_groups",
    "period",
    "states",
    "types",
    "interval",
    "times",
    "parent_host_name",
    "child_host_name",
    "child_service_name",
    "parent_service_name",
    "display_name",
    "notes",
    "enable_active_checks",
    "includes",
    "excludes",
    "prefer_includes",
    "author",
    "comment",
    "duration",
    "fixed",
    "flapping_threshold_high",
    "redundancy_group",
    "command_endpoint",
    "event_command",
    "password",
    "permissions",
    "env",
    "timeout",
    "execute",
    "name",
    "__name",
    "package",
    "type",
    "assign",
    "path",
    "host",
    "port",
    "nosuch",
];
const VALUES: &[&str] = &[
    "\"a\"",
    "\"b\"",
    "\"dummy\"",
    "[ \"a\", \"b\" ]",
    "[ \"a\" ]",
    "{ a = 1 }",
    "5m",
    "0",
    "-1",
    "1e300",
    "null",
    "true",
    "\"$host.name$\"",
    "\"$a$ $b$ $$\"",
    "\"$a\"",
    "[ Down, OK ]",
    "[ Problem ]",
    "{ \"monday\" = \"00:00-24:00\" }",
    "{ \"january 1 - 3\" = \"22:00-06:00\" }",
    "{ \"day -1 / 2\" = \"25:00\" }",
    "{ \"-a\" = { value = \"$a$\", set_if = {{ true }} } }",
    "{ \"-b\" = { order = 1, repeat_key = false } }",
    "[ \"/bin/x\", \"$address$\" ]",
    "{ begin = 1, end = 2 }",
    "{{ 1 }}",
    "x => x",
    "[ \"*\" ]",
    "[ { permission = \"*\", filter = {{ host.name == \"a\" }} } ]",
    "NodeName",
    "host",
    "service",
    "host.vars",
    "host.name",
    "this",
    "globals",
    "k",
    "v",
    "get_object(Host, \"a\")",
];
const CONDITIONS: &[&str] = &[
    "true",
    "false",
    "host.vars.a",
    "host.name == \"a\"",
    "\"a\" in host.groups",
    "match(\"a*\", host.name)",
    "regex(\"^a\", host.name)",
    "host.vars.a == service.vars.b",
    "service.name",
    "host.address && true",
    "user.name",
    "nosuch",
    "len(host.vars) > 0",
    "host.zone == \"a\"",
    "get_object(Host, \"b\") != null",
    "match(\"a\", host.vars.b)",
];

/// A file of declarations.
fn configuration(choices: &mut Choices<'_>) {
    while !choices.is_empty() {
        match choices.byte() % 16 {
            0..=6 => object(choices),
            7..=11 => apply(choices),
            12 => group(choices),
            13 => choices.say_one(&[
                "include \"b.conf\"",
                "include \"a.conf\"",
                "include_recursive \"/etc/d\"",
                "const A = 1",
                "globals.k = [ \"a\", \"b\" ]",
                "globals.v = { a = [ 1 ], b = { c = 2 } }",
                "library \"x\"",
                "using A",
                "namespace N { x = 1 }",
            ]),
            14 => {
                choices.say("for (k in [ \"a\", \"b\", \"c\" ]) {");
                object(choices);
                choices.say("}");
            }
            _ => choices.statement(2),
        }
        choices.text.push('\n');
    }
}

fn object(choices: &mut Choices<'_>) {
    choices.say_one(&["object", "object", "template", "object", "template"]);
    choices.say_one(TYPES);
    choices.say_one(OBJECTS);
    choices.say_one(&[
        "",
        "",
        "",
        "default",
        "ignore_on_error",
        "use(k)",
        "use(k, v)",
    ]);
    body(choices);
}

fn group(choices: &mut Choices<'_>) {
    choices.say("object");
    choices.say_one(&["HostGroup", "ServiceGroup", "UserGroup"]);
    choices.say_one(OBJECTS);
    choices.say("{ assign where");
    choices.say_one(CONDITIONS);
    choices.say("\n ignore where");
    choices.say_one(CONDITIONS);
    choices.say("}");
}

fn apply(choices: &mut Choices<'_>) {
    choices.say("apply");
    choices.say_one(&["Service", "Notification", "Dependency", "ScheduledDowntime"]);
    choices.say_one(&["\"a\"", "\"b\"", "\"x-\"", ""]);
    if choices.byte().is_multiple_of(3) {
        choices.say_one(&[
            "for (k in [ \"a\", \"b\" ])",
            "for (k => v in host.vars)",
            "for (k in host.vars.a)",
            "for (k in host.groups)",
            "for (k => v in { a = 1 })",
            "for (k in range(3))",
        ]);
    }
    choices.say_one(&["to Host", "to Service", ""]);
    choices.say_one(&["", "", "ignore_on_error", "use(k)"]);
    choices.say("{");
    entries(choices);
    choices.say_one(&["assign where", "assign where", "ignore where", "//"]);
    choices.say_one(CONDITIONS);
    choices.say("\n }");
}

fn body(choices: &mut Choices<'_>) {
    choices.say("{");
    entries(choices);
    choices.say("}");
}

fn entries(choices: &mut Choices<'_>) {
    for _ in 0..choices.byte() % 6 {
        match choices.byte() % 8 {
            0 => {
                choices.say("import");
                choices.say_one(OBJECTS);
            }
            1 => choices.statement(4),
            2 => {
                choices.say_one(ATTRIBUTES);
                choices.say_one(&["=", "+=", "-="]);
                choices.expression(4);
            }
            _ => {
                choices.say_one(ATTRIBUTES);
                choices.say_one(&["=", "=", "=", "+=", "-="]);
                choices.say_one(VALUES);
            }
        }
        choices.text.push('\n');
    }
}

fn load_with(files: &MemorySources, threads: usize) -> Loaded {
    load(Load {
        catalogue: bheka_model::catalogue(),
        sources: files,
        include_dirs: vec!["/etc/d".to_owned()],
        files: vec!["/etc/main.conf".to_owned()],
        constants: vec![("NodeName".to_owned(), Value::string("a"))],
        zone_dirs: vec![ZoneDir {
            zone: "a".to_owned(),
            package: "_etc".to_owned(),
            path: "/zones/a".to_owned(),
        }],
        now: Timestamp(1_795_400_000.0),
        track_modifications: threads == 1,
        threads,
    })
}

/// Objects and errors as sorted lines.
fn summary(loaded: &Loaded) -> Vec<String> {
    let objects = loaded.declarations.iter().map(|it| {
        let attributes = it.attributes.iter();
        let attributes: BTreeMap<String, String> = attributes
            .map(|(name, value)| (name.as_str().to_owned(), to_json(value)))
            .collect();
        format!(
            "{} {} {:?} {:?} {:?} {attributes:?}",
            it.type_info.name, it.name, it.zone, it.templates, it.location
        )
    });
    let findings = loaded.diagnostics.iter().map(|it| {
        assert!(it.message.len() <= 40_000);
        format!("{:?} {} {:?}", it.severity, it.message, it.location)
    });
    let mut lines: Vec<String> = objects.chain(findings).collect();
    lines.sort();
    lines
}

/// What must hold. The first byte tells whether the rest is a text or choices of a grammar.
pub(crate) fn check(bytes: &[u8]) {
    bheka_lang::limit_evaluation(STEPS_MAX, 64 << 20);
    let Some((mode, rest)) = bytes.split_first() else {
        return;
    };
    let text = match mode % 4 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => {
            let mut choices = Choices::new(rest);
            configuration(&mut choices);
            choices.text
        }
    };
    let files = MemorySources::new([
        ("/etc/main.conf", text.as_str()),
        ("/etc/a.conf", text.get(..text.len() / 2).unwrap_or("")),
        (
            "/etc/b.conf",
            "object CheckCommand \"b\" { command = [ \"/bin/true\" ] }\n",
        ),
        ("/etc/d/e/x.conf", "globals.k = [ \"a\" ]\n"),
        (
            "/zones/a/z.conf",
            "object Host \"z\" { check_command = \"dummy\" }\n",
        ),
    ]);
    let loaded = load_with(&files, 1);
    let told = summary(&loaded);
    if mode & 0x80 != 0 && !["ptr", "random"].iter().any(|word| text.contains(word)) {
        let parallel = load_with(&files, 4);
        assert_eq!(summary(&parallel), told, "{text}");
        parallel.globals.retire();
    }
    let globals = loaded.globals.to_map();
    let built = bheka_model::build_beside(
        1,
        loaded.declarations,
        loaded.failed,
        &loaded.doubts,
        globals,
    );
    for finding in &built.diagnostics {
        assert!(!finding.message.is_empty());
    }
    loaded.globals.retire();
}
