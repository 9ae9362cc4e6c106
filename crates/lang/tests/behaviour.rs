//! What the cases of the corpus do not show: sandbox, limits, functions after loading, all errors
//! of a run.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use bheka_lang::{
    Console, ConsoleSettings, Filter, Globals, Load, Loaded, LogLine, MemorySources, Runtime,
    Sources, ZoneDir, load,
};
use bheka_value::{NativeFunction, Timestamp, Value, to_json};
use proptest::prelude::*;

fn load_files(files: &[(&str, &str)], zone_dirs: Vec<ZoneDir>, threads: usize) -> Loaded {
    let sources = MemorySources::new(files.iter().copied());
    load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &sources,
        include_dirs: vec!["/include".to_owned()],
        files: vec!["/etc/main.conf".to_owned()],
        constants: vec![("NodeName".to_owned(), Value::string("here"))],
        zone_dirs,
        now: Timestamp(1000.0),
        track_modifications: true,
        threads,
    })
}

fn load_text(text: &str) -> Loaded {
    load_files(&[("/etc/main.conf", text)], Vec::new(), 1)
}

fn own(loaded: &Loaded) -> Vec<String> {
    let declarations = loaded.declarations.iter().filter(|d| !d.package.is_empty());
    declarations
        .map(|d| format!("{} {}", d.type_info.name, d.name))
        .collect()
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.diagnostics.iter().filter(|d| d.is_error());
    errors.map(|d| d.message.clone()).collect()
}

fn console() -> Console {
    Console::new(ConsoleSettings {
        catalogue: bheka_model::catalogue(),
        sources: Arc::new(MemorySources::default()),
        include_dirs: Vec::new(),
        constants: Vec::new(),
        now: Timestamp(1000.0),
    })
}

/// What is too large for a double is no number, as in Icinga 2; infinity by its name is one.
#[test]
fn digits_beyond_a_double_are_no_number() {
    let mut console = console();
    for text in ["1e400", "-1e400", "1.7976931348623159e308"] {
        let error = console.eval(&format!("number(\"{text}\")")).unwrap_err();
        let expected = format!("Can't convert '{text}' to a floating point number.");
        assert!(error.message.ends_with(&expected), "{}", error.message);
    }
    for text in [
        "1e-400",
        "inf",
        "-infinity",
        "nan",
        "1.7976931348623157e308",
    ] {
        let outcome = console.eval(&format!("number(\"{text}\")"));
        assert!(outcome.is_ok(), "{text}");
    }
}

#[test]
fn all_errors_of_a_run_are_reported() {
    let loaded = load_text(
        "object Host \"a\" { nope = 1 }\nobject Host \"b\" { vars.x = undefined_thing }\n\
         object User \"c\" { import \"missing\" }\n",
    );
    let errors = errors(&loaded);
    assert_eq!(errors.len(), 3, "{errors:?}");
    let lines: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter_map(|d| d.location.as_ref().map(|location| location.first_line))
        .collect();
    assert_eq!(lines.len(), 3);
    assert!(
        loaded
            .diagnostics
            .iter()
            .all(|d| d.excerpt.as_ref().unwrap().contains('^'))
    );
}

#[test]
fn zones_come_from_directories_and_hosts() {
    let dir = ZoneDir {
        zone: "north".to_owned(),
        package: "_etc".to_owned(),
        path: "/etc/zones.d/north".to_owned(),
    };
    let files = [
        (
            "/etc/main.conf",
            "apply Service \"s\" { check_command = \"c\"; assign where true }\n",
        ),
        (
            "/etc/zones.d/north/h.conf",
            "object Host \"h\" { check_command = \"c\" }\n",
        ),
        (
            "/etc/zones.d/north/deep/d.conf",
            "object CheckCommand \"c\" { command = [ \"x\" ] }\n",
        ),
    ];
    let loaded = load_files(&files, vec![dir], 1);
    assert!(errors(&loaded).is_empty(), "{:?}", errors(&loaded));
    assert_eq!(own(&loaded), ["CheckCommand c", "Host h", "Service h!s"]);
    for declaration in loaded.declarations.iter().filter(|d| !d.package.is_empty()) {
        assert_eq!(
            declaration.zone.as_deref(),
            Some("north"),
            "{}",
            declaration.name
        );
    }
}

#[test]
fn the_embedded_library_stands_in_and_files_win() {
    let text = "include <itl>\n";
    let loaded = load_text(text);
    assert!(errors(&loaded).is_empty());
    assert!(own(&loaded).contains(&"CheckCommand cluster-zone".to_owned()));
    let files = [
        ("/etc/main.conf", text),
        (
            "/include/itl",
            "object CheckCommand \"mine\" { command = [ \"x\" ] }\n",
        ),
    ];
    let loaded = load_files(&files, Vec::new(), 1);
    assert_eq!(own(&loaded), ["CheckCommand mine"]);
}

#[test]
fn threads_do_not_change_the_result() {
    let text = "object CheckCommand \"c\" { command = [ \"x\" ] }\n\
        template Service \"t\" { check_command = \"c\"; vars.n = name }\n\
        for (i in range(300)) { object Host \"h\" + i use (i) {\n\
          check_command = \"c\"; vars.i = i; vars.d = { a = { }, b = { p = i } } } }\n\
        apply Service \"s\" { import \"t\"; assign where host.vars.i % 2 == 0 }\n\
        apply Service \"d-\" for (k => v in host.vars.d) { import \"t\"; vars += v }\n\
        object HostGroup \"even\" { assign where host.vars.i % 2 == 0 }\n\
        object NotificationCommand \"n\" { command = [ \"y\" ] }\nobject User \"u\" { }\n\
        apply Notification \"m\" to Service { command = \"n\"; users = [ \"u\" ]\n\
          assign where service.name == \"s\" && \"even\" in host.groups }\n";
    let shown = |threads| {
        let loaded = load_files(&[("/etc/main.conf", text)], Vec::new(), threads);
        assert!(errors(&loaded).is_empty(), "{:?}", errors(&loaded));
        loaded
            .declarations
            .iter()
            .map(|d| {
                let attributes = Value::dictionary(d.attributes.clone());
                format!("{} {} {}", d.type_info.name, d.name, to_json(&attributes))
            })
            .collect::<Vec<_>>()
    };
    let alone = shown(1);
    assert_eq!(alone.len(), 2 + 1 + 300 + 150 + 600 + 1 + 1 + 1 + 150);
    assert_eq!(alone, shown(4));
}

#[test]
fn constants_stay_what_they_are() {
    let loaded = load_text(
        "const D = { x = 1 }\nobject User \"a\" { vars = D; vars.x = 2 }\n\
         object User \"b\" { vars.d = D; vars.d.x = 3 }\nobject User \"c\" { vars = D }\n",
    );
    let vars = |name: &str| {
        let found = loaded
            .declarations
            .iter()
            .find(|d| d.name.as_str() == name)
            .unwrap();
        to_json(&found.attributes["vars"])
    };
    assert_eq!(
        [vars("a"), vars("b"), vars("c")],
        ["{\"x\":2}", "{\"d\":{\"x\":3}}", "{\"x\":1}"]
    );
}

#[test]
fn functions_of_the_configuration_run_later() {
    let loaded = load_text(
        "object User \"u\" { vars.f = {{ macro(\"$a$\") + \" of \" + get_host(\"h\").name }} }\n",
    );
    let user = loaded
        .declarations
        .iter()
        .find(|d| d.name.as_str() == "u")
        .unwrap();
    let vars = user.attributes["vars"].as_dictionary().unwrap().clone();
    let function = vars.get("f").unwrap().as_function().unwrap().clone();
    struct Live(Mutex<Vec<String>>);
    impl Runtime for Live {
        fn now(&self) -> Timestamp {
            Timestamp(7.0)
        }
        fn object(&self, type_name: &str, name: &str) -> Option<Value> {
            Some(Value::dictionary([(
                "name",
                Value::from(format!("{type_name} {name}")),
            )]))
        }
        fn objects(&self, _: &str) -> Vec<Value> {
            Vec::new()
        }
        fn log(&self, line: LogLine) {
            self.0.lock().unwrap().push(line.to_string());
        }
    }
    loaded.globals.attach(Arc::new(Live(Mutex::default())));
    let resolve = NativeFunction::pure("macro", &["text"], |_, _| Ok(Value::string("value")));
    let this = Value::dictionary([("macro", Value::Function(resolve))]);
    let value = function.call(Some(&this), &[]).unwrap();
    assert_eq!(value.as_str(), Some("value of Host h"));
    loaded.globals.retire();
}

#[test]
fn a_retired_configuration_frees_its_memory() {
    let loaded = load_text("function f() { 1 }\nglobals.d = { g = () => f() }\n");
    let dictionary = loaded.globals.get("d").unwrap();
    let weak = Arc::downgrade(dictionary.as_dictionary().unwrap());
    drop(dictionary);
    loaded.globals.retire();
    drop(loaded);
    assert!(weak.upgrade().is_none());
}

fn filter(text: &str, scope: &[(&str, Value)]) -> Result<Value, String> {
    Filter::compile(text)
        .unwrap()
        .eval(scope)
        .map_err(|error| error.message)
}

#[test]
fn filters_see_their_scope_and_the_library() {
    let host = Value::dictionary([("name", Value::string("web1"))]);
    let scope = [("host", host)];
    assert!(
        filter("match(\"web*\", host.name)", &scope)
            .unwrap()
            .is_true()
    );
    assert!(
        filter("regex(\"^db\", host.name) || len(host.name) == 4", &scope)
            .unwrap()
            .is_true()
    );
    assert!(Filter::compile("host.name ==").is_err());
}

#[test]
fn filters_have_no_side_effects() {
    let vars = Value::dictionary([("a", Value::Number(1.0))]);
    let scope = [("vars", vars.clone())];
    for text in [
        "vars.a = 2",
        "var x = 2",
        "const X = 2",
        "log(\"x\")",
        "vars.set(\"a\", 2)",
        "vars.remove(\"a\")",
        "[ vars ].map(x => x.clear())",
        "include \"/etc/passwd\"",
        "object Host \"x\" { }",
        "function f() { 1 }",
        "exit(1)",
        "glob(\"/*\")",
    ] {
        let error = filter(text, &scope).unwrap_err();
        let refused = error.contains("sandbox") || error.contains("side-effect free");
        assert!(refused, "{text}: {error}");
    }
    assert_eq!(to_json(&vars), "{\"a\":1}");
}

#[test]
fn filters_have_a_budget() {
    let error = filter("while (true) { }", &[]).unwrap_err();
    assert!(error.contains("not allowed in sandbox mode"), "{error}");
    for text in [
        "(f => f(f))(f => f(f))",
        "(f => [ f ].map(f))(f => [ f ].map(f))",
        "(f => [ f, f ].sort((a, b) => a(a)))(f => [ f, f ].sort((a, b) => a(a)))",
    ] {
        let error = filter(text, &[]).unwrap_err();
        let refused = ["not marked as safe", "side-effect free", "side-effect-free"];
        assert!(
            refused.iter().any(|it| error.contains(it)),
            "{text}: {error}"
        );
    }
}

#[test]
fn filters_can_use_constants_of_a_configuration_but_no_functions() {
    let loaded = load_text("const Wanted = [ \"a\" ]\nglobals.is_it = (n) => n in Wanted\n");
    let globals: &Globals = &loaded.globals;
    let scope = [("name", Value::string("a"))];
    let called = Filter::compile("is_it(name)").unwrap();
    let error = called.eval_in(globals, &scope).unwrap_err();
    assert!(error.message.contains("not marked as safe"), "{error:?}");
    let compiled = Filter::compile("name in Wanted").unwrap();
    assert!(
        compiled
            .eval_in(globals, &[("name", Value::string("a"))])
            .unwrap()
            .is_true()
    );
    assert!(
        !compiled
            .eval_in(globals, &[("name", Value::string("b"))])
            .unwrap()
            .is_true()
    );
    globals.retire();
}

#[test]
fn growth_has_limits() {
    let mut console = console();
    for text in [
        "var s = \"x\"\nfor (i in range(40)) { s += s }",
        "var a = []\na[1000000000] = 1",
        "range(1000000000000)",
        "var a = [ 1 ]\nfor (i in range(40)) { a += a }",
    ] {
        let error = console.eval(text).unwrap_err();
        assert!(error.message.contains("limit"), "{text}: {}", error.message);
    }
}

#[test]
fn changing_what_a_loop_goes_over_is_safe() {
    let mut console = console();
    let value = console.eval("var a = [ 1, 2 ]\nfor (x in a) { a.add(x) }");
    assert!(value.unwrap_err().message.contains("the limit is"));
    let value = console
        .eval("var a = [ 1, 2, 3, 4 ]\nfor (x in a) { a.remove(0) }\na")
        .unwrap();
    assert_eq!(to_json(&value), "[3,4]");
    let value = console.eval("17 % 0.5").unwrap_err();
    assert!(value.message.contains("operator % is 0"));
    assert!(console.eval("[ 1 ] - null").is_err());
}

#[test]
fn endlessly_nested_values_do_not_overflow_the_stack() {
    let mut console = console();
    let text = "var d = {}\nvar x = d\nfor (i in range(100000)) { x.a = {}\n x = x.a }\nlen(d)";
    assert_eq!(to_json(&console.eval(text).unwrap()), "1");
    assert_eq!(to_json(&console.eval("d == d").unwrap()), "true");
    for text in ["string(d)", "d.clone()", "Json.encode(d)"] {
        let error = console.eval(text).unwrap_err();
        assert!(error.message.contains("256 levels"), "{}", error.message);
    }
}

#[test]
fn cyclic_values_do_not_overflow_the_stack() {
    let mut console = console();
    for text in [
        "var d = {}\nd.d = d\nstring(d).len() > 0",
        "Json.encode(d).len() > 0",
        "d.clone().len()",
    ] {
        let error = console.eval(text).unwrap_err();
        assert!(error.message.contains("contain itself"), "{text}");
    }
}

#[test]
fn memory_sources_list_like_a_disk() {
    let sources = MemorySources::new([("/a/b.conf", ""), ("/a/c/d.conf", "")]);
    let entries = sources.list("/a").unwrap();
    assert_eq!(entries.len(), 2);
    assert!(
        entries
            .iter()
            .any(|entry| entry.name == "c" && entry.is_dir)
    );
    assert!(sources.list("/x").is_err());
}

/// Pieces of which random texts are made, so that many of them parse.
const PIECES: &[&str] = &[
    "a",
    "b",
    "1",
    "0",
    "\"x\"",
    "null",
    "true",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "in",
    "&&",
    "||",
    "!",
    "~",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "=",
    "+=",
    "=>",
    "if",
    "else",
    "for",
    "while",
    "function",
    "return",
    "var",
    "const",
    "this",
    "globals",
    "locals",
    "throw",
    "try",
    "except",
    "\n",
    ";",
    " ",
    "&",
    "&a",
    "*a",
    "len",
    "keys",
    "typeof",
    "Host",
    "String",
    "[0]",
    ".add(a)",
    ".map(x => x)",
    "a = { }",
    "a.b = a",
    "range(3)",
    "using",
    "namespace",
    "object",
    "template",
    "apply",
    "import",
    "break",
    "continue",
    "{{",
    "}}",
    "use",
    "Json.encode",
    "DateTime",
    "\"a\".substr",
    "System",
    "[ 1, 2 ]",
    ".reduce((x, y) => x + y)",
    ".sort()",
    "<<",
    ">>",
    "^",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_panics(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        let text = pieces.join(" ").replace("while", "if");
        let mut console = console();
        if let Ok(value) = console.eval(&text) {
            let _ = to_json(&value);
        }
        if let Ok(compiled) = Filter::compile(&text) {
            let _ = compiled.eval(&[("a", Value::array([Value::Number(1.0)]))]);
        }
        let loaded = load_text(&text);
        loaded.globals.retire();
    }

    #[test]
    fn operators_take_all_kinds(
        operator in prop::sample::select(vec![
            "+", "-", "*", "/", "%", "^", "&", "|", "<<", ">>", "==", "!=", "<", ">", "<=", ">=",
            "in", "!in", "&&", "||",
        ]),
        left in prop::sample::select(VALUES),
        right in prop::sample::select(VALUES),
    ) {
        let mut console = console();
        let _ = console.eval(&format!("({left}) {operator} ({right})"));
    }
}

const VALUES: &[&str] = &[
    "null",
    "0",
    "-1",
    "1.5",
    "0.5",
    "Math.pow(2, 70)",
    "Math.sqrt(-1)",
    "Math.log(0)",
    "true",
    "false",
    "\"\"",
    "\"a\"",
    "\"5\"",
    "[]",
    "[ 1, [ 2 ] ]",
    "{}",
    "{ a = 1 }",
    "x => x",
    "DateTime(5)",
    "String",
    "System",
    "Host()",
];
