//! No input makes the evaluator panic, overflow the stack or run without end: each of these ends
//! with an error that names the limit, or with a value. The limits of this process are low, so that
//! the tests are quick; what they are otherwise is in docs/limits.md.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bheka_lang::{
    Console, ConsoleSettings, DirEntry, Filter, Guard, Load, Loaded, MemorySources, SourceError,
    Sources, load,
};
use bheka_value::{Timestamp, Value, to_json};

const STEPS: u64 = 500_000;
const BYTES: u64 = 32 << 20;

const TOO_LONG: &str = "takes too long: the limit of 500000 steps";
const TOO_MUCH: &str = "too much memory: the limit of 33554432 bytes";
const TOO_LARGE: &str = "is too large: ";
const TOO_NESTED: &str = "Recursion level too deep";
const TOO_DEEP: &str = "nests too deep: the limit is 256 levels";

fn console_with(sources: Arc<dyn Sources>) -> Console {
    bheka_lang::limit_evaluation(STEPS, BYTES);
    Console::new(ConsoleSettings {
        catalogue: bheka_model::catalogue(),
        sources,
        include_dirs: vec!["/include".to_owned()],
        constants: Vec::new(),
        now: Timestamp(1000.0),
    })
}

fn console() -> Console {
    console_with(Arc::new(MemorySources::default()))
}

/// The message of the error that a text must end with.
fn refused(text: &str) -> String {
    match console().eval(text) {
        Ok(value) => panic!("{text}: {}", bheka_lang::to_text(&value).len()),
        Err(error) => error.message,
    }
}

fn all_refused(expected: &str, texts: &[&str]) {
    for text in texts {
        let message = refused(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

fn value(text: &str) -> String {
    match console().eval(text) {
        Ok(value) => to_json(&value),
        Err(error) => panic!("{text}: {}", error.message),
    }
}

#[test]
fn endless_loops_end() {
    all_refused(
        TOO_LONG,
        &[
            "while (true) { }",
            "while (true) { continue }",
            "while (true) { try { throw \"x\" } except { } }",
            "while (true) { try { while (true) { } } except { } }",
            "var f = () => null\nwhile (true) { f() }",
            "while (true) { \"a\".upper() }",
            "while (true) { [ 1, 2, 3 ].sort() }",
            "while (true) { regex(\"a\", \"a\") }",
            "while (true) { sleep(0) }",
            "sleep(3600)",
        ],
    );
}

#[test]
fn what_icinga_2_runs_is_not_refused() {
    assert_eq!(
        value("var a = range(5000)\nwhile (a.len() > 0) { a.remove(0) }\na.len()"),
        "0"
    );
    assert_eq!(
        value(
            "var n = 0\nfor (i in range(5000)) { if (regex(\"^os(R|S)$\", \"osR\")) { n += 1 } }\nn"
        ),
        "5000"
    );
    assert_eq!(
        value("var a = []\nfor (i in range(20000)) { a += [ i ] }\na.len() + a[19999]"),
        "39999"
    );
}

#[test]
fn a_list_grows_only_where_nobody_else_sees_it() {
    let cases = [
        (
            "var a = [ 1 ]\nvar b = a\na += [ 2 ]\n[ a, b ]",
            "[[1,2],[1]]",
        ),
        ("var a = [ 1 ]\na += a\na", "[1,1]"),
        (
            "var a = [ 1, 2 ]\nfor (x in a) { a += [ x ] }\na",
            "[1,2,1,2]",
        ),
        (
            "var a = [ 1 ]\nvar f = () use(a) => a\na += [ 2 ]\nf()",
            "[1]",
        ),
        (
            "var d = { a = [ 1 ] }\nvar e = d.shallow_clone()\nd.a += [ 2 ]\ne.a",
            "[1]",
        ),
        ("var d = { a = [ 1 ] }\nd.a += [ 2 ]\nd", "{\"a\":[1,2]}"),
        (
            "globals.c = [ 1 ]\nglobals.d = { x = c }\nglobals.d.x += [ 2 ]\nc",
            "[1]",
        ),
        ("var a = [ 1 ]\nvar r = &a\n*r += [ 2 ]\na", "[1,2]"),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text), expected, "{text}");
    }
    // A frozen list stays as it is; the variable gets a new one.
    assert_eq!(
        value("var a = [ 1 ]\na.freeze()\na += [ 2 ]\na += [ 3 ]\na"),
        "[1,2,3]"
    );
}

#[test]
fn recursion_ends() {
    all_refused(
        TOO_NESTED,
        &[
            "globals.f = () => globals.f()\nglobals.f()",
            "globals.f = function() { globals.f() }\nglobals.f()",
            "globals.f = (a) => [ 1 ].map(globals.f)\nglobals.f(1)",
            "globals.f = (a, b) => [ 2, 1 ].sort(globals.f)\nglobals.f(1, 2)",
            "globals.f = () => globals.f.call(null)\nglobals.f()",
            "globals.f = () => globals.f.callv(null, [])\nglobals.f()",
            "globals.f = () => match(globals.f(), globals.f())\nglobals.f()",
            "globals.f = () => globals.f() + globals.f()\nglobals.f()",
            "globals.f = () => Internal.run_with_activation_context(globals.f)\nglobals.f()",
        ],
    );
}

#[test]
fn objects_that_make_objects_end() {
    let message = refused(
        "globals.i = 0\nglobals.f = function() {\n globals.i += 1\n var n = \"h\" + globals.i\n\
             object Host n {\n vars.a = Internal.run_with_activation_context(globals.f)\n }\n}\n\
             Internal.run_with_activation_context(globals.f)",
    );
    assert!(!message.is_empty());
}

#[test]
fn texts_that_nest_too_deep_are_refused() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{ a = ", " }"),
        ("!", ""),
        ("-", ""),
        ("f(", ")"),
        ("if (true) {", "}"),
        ("{{", "}}"),
        ("x => ", ""),
        ("function() {", "}"),
        ("1 + (", ")"),
        ("while (true) {", "}"),
    ] {
        for count in [2_000, 200_000] {
            let text = format!("{}1{}", open.repeat(count), close.repeat(count));
            if let Err(error) = console().eval(&text) {
                assert!(!error.message.is_empty(), "{open}");
            }
        }
    }
    let long = format!("1{}", " + 1".repeat(20_000));
    let message = console().eval(&long);
    assert!(message.is_ok() || message.unwrap_err().message.contains("too deep"));
}

#[test]
fn what_doubles_ends() {
    all_refused(
        TOO_LARGE,
        &[
            "var a = [ 1 ]\na[1000000000] = 1",
            "var a = []\na[4294967296] = 1",
            "range(1000000000)",
            "range(0, 1000000000000, 0.0000001)",
        ],
    );
    let limits = [TOO_LARGE, TOO_MUCH, TOO_LONG];
    for text in [
        "var s = \"ab\"\nwhile (true) { s += s }",
        "var s = \"ab\"\nwhile (true) { s = s + s }",
        "var s = \"ab\"\nwhile (true) { s = s.replace(\"a\", \"aa\") }",
        "var s = \"ab\"\nwhile (true) { s = [ s, s ].join(\"\") }",
        "var a = [ 1 ]\nwhile (true) { a += a }",
        "var a = [ 1 ]\nwhile (true) { a = a + a }",
        "var a = [ 1 ]\nwhile (true) { a = [ a, a ]\n Json.encode(a) }",
        "var a = [ 1 ]\nwhile (true) { a.add(a.clone()) }",
        "var d = {}\nvar i = 0\nwhile (true) { d[i] = [ i, i ]\n i += 1 }",
        "var d = { a = 1 }\nwhile (true) { d[string(d)] = d.clone() }",
        "var a = []\nwhile (true) { a.add([]) }",
        "var a = []\nwhile (true) { a.add({ b = {} }) }",
        "var a = []\nwhile (true) { a.add(() => 1) }",
        "var a = []\nwhile (true) { a.add(DateTime()) }",
        "var a = []\nwhile (true) { a.add(\"x\" + a.len()) }",
        "while (true) { log(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\") }",
        "var i = 0\nwhile (true) { globals[i] = i\n i += 1 }",
        "var s = \"[]\"\nwhile (true) { s = \"[\" + s + \",\" + s + \"]\"\n Json.decode(s) }",
        "var s = \",\"\nwhile (true) { s += s\n s.split(\",\") }",
        "while (true) { union(range(10000), range(10000)) }",
        "while (true) { \"'\".replace(\"'\", \"''''''''''''''''''\") }",
    ] {
        let message = refused(text);
        assert!(
            limits.iter().any(|limit| message.contains(limit)),
            "{text}\n{message}"
        );
    }
}

#[test]
fn what_is_replaced_is_free_again() {
    // Each round makes a longer copy; together they would be 72 MB.
    let text = "var a = []\nfor (i in range(3000)) { a += [ i ] }\nlen(a)";
    assert_eq!(value(text), "3000");
    let text = "var s = \"\"\nfor (i in range(10000)) { s = s + \"x\" }\nlen(s)";
    assert_eq!(value(text), "10000");
    let text = "var d = {}\nfor (i in range(700)) { var e = {}\n e[i] = i\n d += e }\nlen(d)";
    assert_eq!(value(text), "700");
}

/// `[ [ …, … ], [ …, … ] ]`: small in memory, endless for everybody who walks through it.
const DOUBLED: &str = "var a = [ \"x\" ]\nvar b = [ \"x\" ]\n\
    for (i in range(60)) { a = [ a, a ]\n b = [ b, b ] }\n";

#[test]
fn shared_parts_count_as_often_as_they_appear() {
    for text in [
        "string(a)",
        "a.to_string()",
        "Json.encode(a)",
        "a == b",
        "a != b",
        "a < b",
        "a in [ b ]",
        "[ b ].contains(a)",
        "[ a ] - [ b ]",
        "a.clone()",
        "log(a)",
        "throw a",
        "String(a)",
        "[ b, a ].sort()",
        "[ b, a ].unique()",
        "union([ a ], [ b ])",
        "intersection([ a ], [ b ])",
        "match(\"*\", a)",
        "regex(\"a\", a)",
        "len(string(a))",
        "[ a ].join(\"\") + [ a, a ].join(\"\")",
        "({})[a]",
        "var d = {}\nd[a] = 1",
        "get_object(Host, a)",
        "\"x\".replace(a, a)",
        "number(a)",
        "a",
    ] {
        let message = refused(&format!("{DOUBLED}{text}"));
        let limits = [TOO_LONG, TOO_LARGE, "cannot be applied", "is not"];
        assert!(
            limits.iter().any(|it| message.contains(it)),
            "{text}\n{message}"
        );
    }
    assert_eq!(value(&format!("{DOUBLED}len(a)")), "2");
    assert_eq!(value(&format!("{DOUBLED}a == a")), "true");
}

#[test]
fn values_that_contain_themselves_are_refused() {
    const CYCLE: &str = "var a = []\na.add(a)\na.add(a)\nvar d = {}\nd.d = d\nd.e = d\n\
        var c = CheckResult()\nc.vars_before = { x = c, y = c }\n\
        var n = Namespace()\nn.n = n\nn.m = n\n";
    for text in [
        "string(a)",
        "Json.encode(a)",
        "Json.encode(d)",
        "Json.encode(n)",
        "d.clone()",
        "a.clone()",
        "a",
        "d",
        "c",
        "n",
        "[ a ] == [ d.d ]",
        "log(d)",
        "a in [ [ a ] ]",
        "[ a, a ].sort()",
        "throw d",
    ] {
        let outcome = console().eval(&format!("{CYCLE}{text}"));
        let Err(error) = outcome else {
            assert!(text.contains("=="), "{text}");
            continue;
        };
        let limits = [TOO_DEEP, TOO_LONG, "refers to itself"];
        assert!(
            limits.iter().any(|it| error.message.contains(it)),
            "{text}\n{}",
            error.message
        );
    }
    assert_eq!(
        value(&format!("{CYCLE}[ len(a), len(d), a == a ]")),
        "[2,2,true]"
    );
}

#[test]
fn deep_values_are_dropped_without_recursion() {
    for text in [
        "var x = null\nfor (i in range(30000)) { x = [ x ] }",
        "var x = null\nfor (i in range(30000)) { x = { a = x } }",
        "var x = null\nfor (i in range(30000)) { x = () use(x) => x }",
        "var x = null\nfor (i in range(30000)) { x = [ () use(x) => { y = x } ] }",
        "var x = null\nfor (i in range(30000)) { var d = { a = x }\n x = &d.a }",
        "var x = null\nfor (i in range(30000)) { var n = Namespace()\n n.a = x\n x = n }",
        "var x = null\nfor (i in range(30000)) { var c = CheckResult()\n c.command = x\n x = c }",
        "var x = null\nfor (i in range(30000)) { var c = CheckResult()\n c.vars_after = { a = x }\n x = c }",
    ] {
        // On a stack as small as those of other threads.
        let text = format!("{text}\nnull");
        let run = move || assert_eq!(value(&text), "null");
        std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(run)
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn costly_patterns_end() {
    let long = "a".repeat(5_000);
    for text in [
        format!("regex(\"(a*)*\\\\1b\", \"{long}\")"),
        "regex(\"((a{1000}){1000}){1000}\", \"a\")".to_owned(),
        format!(
            "regex(\"{}a{}\", \"a\")",
            "(".repeat(5000),
            ")".repeat(5000)
        ),
        format!("regex(\"{}\", \"a\")", "a{999}".repeat(2000)),
    ] {
        assert!(!refused(&text).is_empty());
    }
    // Linear, however it looks.
    assert_eq!(value(&format!("regex(\"(a*)*b\", \"{long}\")")), "false");
    assert_eq!(value(&format!("regex(\"(a|aa)+$\", \"{long}b\")")), "false");
    let stars = "*a".repeat(200);
    assert_eq!(value(&format!("match(\"{stars}b\", \"{long}\")")), "false");
    let doubling = "var s = \"a\"\nfor (i in range(18)) { s += s }\n";
    let long = "a".repeat((4 << 20) + 1);
    let message = refused(&format!("regex(\"a\", \"{long}\")"));
    assert!(
        message.contains("too long for a regular expression"),
        "{message}"
    );
    let message = refused(&format!("{doubling}match(\"*\" + s + \"b\", s + s)"));
    assert!(message.contains(TOO_LONG), "{message}");
}

#[test]
fn library_functions_count_their_work() {
    let big = "var a = range(100000)\nvar s = \"x\"\nfor (i in range(20)) { s += s }\n";
    for text in [
        "a - a",
        "while (true) { a.contains(-1) }",
        "while (true) { -1 in a }",
        "while (true) { a == range(100000) }",
        "while (true) { s.contains(\"y\") }",
        "while (true) { s.find(\"y\") }",
        "while (true) { s.upper() }",
        "while (true) { s.reverse() }",
        "while (true) { s.trim() }",
        "while (true) { a.reverse() }",
        "while (true) { a.shallow_clone() }",
        "while (true) { a.map(len) }",
        "while (true) { a.any(len) }",
        "while (true) { a.filter(len) }",
        "while (true) { a.join(\"\") }",
        "while (true) { Json.decode(\"[]\") }",
        "while (true) { Json.encode(a) }",
        "while (true) { escape_shell_arg(s) }",
        "while (true) { escape_shell_cmd(s) }",
        "while (true) { keys(globals) }",
        "while (true) { get_objects(CheckCommand) }",
        "while (true) { parse_performance_data(\"a=1\") }",
        "while (true) { DateTime(0).format(\"%Y\") }",
        "while (true) { s + s }",
        "s.split(s)",
        "a.sort((x, y) => true)\nwhile (true) { a.sort((x, y) => true) }",
    ] {
        let message = refused(&format!("{big}{text}"));
        let limits = [TOO_LONG, TOO_MUCH, TOO_LARGE];
        assert!(
            limits.iter().any(|it| message.contains(it)),
            "{text}\n{message}"
        );
    }
}

#[test]
fn sorting_by_nonsense_ends() {
    for comparison in [
        "true",
        "false",
        "x > y",
        "x == y",
        "1 / (x - y) > 0",
        "Math.random() > 0.5",
    ] {
        let text = format!("[ 5, 3, 9, 1, 7, 2 ].sort((x, y) => {comparison}).len()");
        assert_eq!(value(&text), "6", "{comparison}");
    }
    let text = "var a = [ 3, 2, 1 ]\na.sort(function(x, y) use(a) {\n a.add(x)\n x < y\n }).len()";
    assert_eq!(value(text), "3");
}

#[test]
fn messages_stay_short() {
    let doubling = "var s = \"x\"\nfor (i in range(22)) { s += s }\n";
    for text in [
        "throw s",
        "number(s)",
        "throw [ s, s ]",
        "Json.decode(s)",
        "regex(\"(\" + s, \"\")",
    ] {
        let message = refused(&format!("{doubling}{text}"));
        assert!(message.len() < 40_000, "{text}: {} bytes", message.len());
    }
}

// Inputs on which Icinga 2 2.13.6 crashes or hangs.

#[test]
fn a_divisor_below_one_is_zero_for_modulo() {
    assert!(refused("17 % 0.5").contains("operator % is 0"));
    assert!(refused("17 % -0.9").contains("operator % is 0"));
    assert_eq!(value("-2147483648 % -1"), "0");
}

#[test]
fn an_array_less_nothing_is_an_error() {
    assert!(refused("[ 1 ] - null").contains("cannot be applied"));
    assert_eq!(value("[] - null"), "[]");
}

#[test]
fn an_error_behind_a_string_with_a_line_break_has_its_excerpt() {
    for text in [
        "var s = \"a\nb\"\n\nundefined_variable",
        "var s = \"a\nb\"\nvar t = {{{ x\ny }}}\n1 +",
        "\"a\nb\" + {}",
    ] {
        let error = console().eval(text).unwrap_err();
        assert!(error.location.is_some());
        assert!(
            error.excerpt.is_some_and(|excerpt| excerpt.contains('^')),
            "{text}"
        );
    }
}

#[test]
fn directories_that_are_not_there_are_errors() {
    let missing = |name: &str| {
        format!(
            "Function call 'opendir' for file '{name}' failed with error code 2, \
             'No such file or directory'"
        )
    };
    assert_eq!(value("glob(\"/nonexistent/*\")"), "[]");
    assert!(refused("glob_recursive(\"nope\", \"*\")").contains(&missing("nope")));
    for (include, expected) in [
        ("include_recursive \"nope.d\"", Some(missing("/etc/nope.d"))),
        (
            "include_zones \"x\", \"nope.d\"",
            Some(missing("/etc/nope.d")),
        ),
        ("include \"nope/*.conf\"", None),
        ("include \"nope.conf\"", Some("does not exist".to_owned())),
    ] {
        let loaded = load_text(include);
        let messages = errors(&loaded);
        match expected {
            Some(expected) => assert!(messages[0].contains(&expected), "{messages:?}"),
            None => assert!(messages.is_empty(), "{messages:?}"),
        }
    }
}

#[test]
fn attributes_that_nest_too_deep_are_errors() {
    let nested = format!("{}1{}", "{ a = ".repeat(400), " }".repeat(400));
    let loaded = load_text(&format!("object Host \"h\" {{ vars.d = {nested} }}"));
    assert!(
        errors(&loaded)[0].contains("too deep"),
        "{:?}",
        errors(&loaded)
    );

    let built = "var d = {}\nfor (i in range(400)) { d = { a = d } }\n";
    let loaded = load_text(&format!("{built}object Host \"h\" use(d) {{ vars.d = d }}"));
    assert!(
        errors(&loaded)[0].contains(TOO_DEEP),
        "{:?}",
        errors(&loaded)
    );
    let fine = "var d = {}\nfor (i in range(200)) { d = { a = d } }\n";
    let loaded = load_text(&format!("{fine}object Host \"h\" use(d) {{ vars.d = d }}"));
    assert!(errors(&loaded).is_empty());

    let doubled = "var d = [ 1 ]\nfor (i in range(100)) { d = [ d, d ] }\n";
    let loaded = load_text(&format!(
        "{doubled}object Host \"h\" use(d) {{ vars.d = d }}"
    ));
    assert!(
        errors(&loaded)[0].contains("Attribute 'vars'"),
        "{:?}",
        errors(&loaded)
    );
    let loaded = load_text("object Host \"h\" { vars.me = vars\n vars.you = vars }");
    assert!(
        errors(&loaded)[0].contains("refers to itself"),
        "{:?}",
        errors(&loaded)
    );
    let loaded = load_text("object Host \"h\" { vars.me = this\n vars.you = this }");
    assert!(
        errors(&loaded)[0].contains("itself"),
        "{:?}",
        errors(&loaded)
    );
}

#[test]
fn a_loop_over_what_it_lengthens_ends() {
    let message = refused("var a = [ 1 ]\nfor (x in a) { a.add(x) }");
    let limits = [TOO_LONG, TOO_MUCH, TOO_LARGE];
    assert!(limits.iter().any(|it| message.contains(it)), "{message}");
    let message =
        refused("var d = { a = 1 }\nfor (k => v in d) { d[k + \"a\"] = 1 }\nlen(d) + \"\" + {}");
    assert!(message.contains("cannot be applied"), "{message}");
}

#[test]
fn functions_that_need_the_daemon_say_so() {
    let text = "Internal.run_with_activation_context(() => {\n\
        object CheckCommand \"c\" { command = [ \"x\" ] }\n\
        object Host \"h\" { check_command = \"c\" }\n})\n";
    for call in [
        "get_host(\"h\").process_check_result(CheckResult())",
        "get_host(\"h\").modify_attribute(\"nosuch\", 1)",
        "get_host(\"h\").restore_attribute(\"nosuch\")",
    ] {
        assert!(!refused(&format!("{text}{call}")).is_empty());
    }
}

// Files.

fn load_files(sources: &dyn Sources) -> Loaded {
    bheka_lang::limit_evaluation(STEPS, BYTES);
    load(Load {
        catalogue: bheka_model::catalogue(),
        sources,
        include_dirs: vec!["/include".to_owned()],
        files: vec!["/etc/main.conf".to_owned()],
        constants: Vec::new(),
        zone_dirs: Vec::new(),
        now: Timestamp(1000.0),
        track_modifications: false,
        threads: 2,
    })
}

fn load_text(text: &str) -> Loaded {
    load_files(&MemorySources::new([("/etc/main.conf", text)]))
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.diagnostics.iter().filter(|it| it.is_error());
    errors.map(|it| it.message.clone()).collect()
}

#[test]
fn files_that_include_each_other_are_errors() {
    let sources = MemorySources::new([
        ("/etc/main.conf", "include \"a.conf\""),
        ("/etc/a.conf", "include \"b.conf\"\ninclude \"b.conf\""),
        ("/etc/b.conf", "include \"a.conf\"\ninclude \"a.conf\""),
    ]);
    let loaded = load_files(&sources);
    let limits = [TOO_NESTED, TOO_LONG];
    let messages = errors(&loaded);
    assert!(
        limits.iter().any(|it| messages[0].contains(it)),
        "{messages:?}"
    );

    let loaded = load_text("while (true) { include \"main.conf\" }");
    assert!(!errors(&loaded).is_empty());
    let loaded = load_text("while (true) { include \"nope*\" }");
    assert!(errors(&loaded)[0].contains(TOO_LONG));
}

#[test]
fn templates_that_import_each_other_are_errors() {
    let loaded = load_text(
        "template Host \"a\" { import \"b\"\n import \"b\" }\n\
         template Host \"b\" { import \"a\"\n import \"a\" }\n\
         object Host \"h\" { import \"a\" }",
    );
    let limits = [TOO_NESTED, TOO_LONG, TOO_MUCH];
    let messages = errors(&loaded);
    assert!(
        limits.iter().any(|it| messages[0].contains(it)),
        "{messages:?}"
    );
}

#[test]
fn rules_that_make_too_much_are_errors() {
    for text in [
        "apply Service \"s\" for (i in range(1000000)) to Host { assign where true }",
        "for (i in range(1000000)) { object User i { } }",
        "for (i in range(1000000)) { template User i { } }",
        "for (i in range(1000000)) { apply Service \"s\" to Host { assign where true } }",
    ] {
        let text = format!("object Host \"h\" {{ check_command = \"dummy\" }}\n{text}");
        let messages = errors(&load_text(&text));
        let limits = [TOO_LONG, TOO_MUCH];
        assert!(
            limits.iter().any(|it| messages[0].contains(it)),
            "{text}\n{messages:?}"
        );
    }
}

/// A directory that contains itself, by any number of names.
struct Endless;

impl Sources for Endless {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if path == "/etc/main.conf" {
            return Ok(b"include_recursive \"d\"".to_vec());
        }
        Err(SourceError::not_found())
    }

    fn is_file(&self, path: &str) -> bool {
        path == "/etc/main.conf"
    }

    fn list(&self, _dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let names = (0..10).map(|at| DirEntry {
            name: format!("d{at}"),
            is_dir: true,
        });
        Ok(names.collect())
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }
}

#[test]
fn endless_directories_end() {
    let limits = [TOO_LONG, TOO_MUCH, "nests too deep"];
    let is_limit = |message: &str| limits.iter().any(|it| message.contains(it));
    let messages = errors(&load_files(&Endless));
    assert!(is_limit(&messages[0]), "{messages:?}");
    let mut console = console_with(Arc::new(Endless));
    for text in [
        "glob_recursive(\"/\", \"*\")",
        "glob(\"/*/*/*/*/*/*/*/*/*/*/*/*\")",
        "while (true) { path_exists(\"/x\") }",
    ] {
        let error = console.eval(text).unwrap_err();
        assert!(is_limit(&error.message), "{text}\n{}", error.message);
    }
}

#[test]
fn values_of_any_kind_can_be_shown() {
    for text in [
        "globals", "System", "Types", "Host", "Internal", "locals", "this", "get_time",
    ] {
        let value = console().eval(text).unwrap();
        assert!(to_json(&value).len() < 10_000_000, "{text}");
        assert!(matches!(
            value,
            Value::Object(_) | Value::Function(_) | Value::Dictionary(_)
        ));
    }
}

// The sandbox.

/// What Icinga 2 2.13.6 marks as free of side effects, without what 2.15.1 took off that list
/// (`getenv`, `get_objects`, `get_template`, `get_templates`).
const SAFE: &str = "\
    Array#all Array#any Array#contains Array#filter Array#join Array#len Array#map \
    Array#reduce Array#reverse Array#shallow_clone Array#sort Array#unique Boolean#to_string \
    Dictionary#contains Dictionary#keys Dictionary#len Dictionary#shallow_clone \
    Dictionary#values Namespace#contains Namespace#keys Namespace#values Number#to_string \
    Object#clone Object#to_string Reference#get String#contains String#find String#len \
    String#lower String#replace String#reverse String#split String#substr String#to_string \
    String#trim String#upper System.Json.decode System.Json.encode System.Math.abs \
    System.Math.acos System.Math.asin System.Math.atan System.Math.atan2 System.Math.ceil \
    System.Math.cos System.Math.exp System.Math.floor System.Math.isinf System.Math.isnan \
    System.Math.log System.Math.max System.Math.min System.Math.pow System.Math.random \
    System.Math.round System.Math.sign System.Math.sin System.Math.sqrt System.Math.tan \
    System.basename System.bool System.cidr_match System.dirname System.escape_shell_arg \
    System.escape_shell_cmd System.get_object System.get_time System.intersection System.keys \
    System.len System.match System.msi_get_component_path System.number System.random \
    System.regex System.string System.track_parents System.typeof System.union \
    ";

#[test]
fn the_functions_without_side_effects_are_those_of_icinga() {
    let list = "var out = []\n\
        for (t => T in Types) { var p = T.prototype\n if (p) { for (n in keys(p)) {\n\
        if (typeof(p[n]) == Function && p[n].side_effect_free) { out.add(t + \"#\" + n) } } } }\n\
        for (ns in [ \"System\", \"Icinga\", \"Internal\" ]) { for (k in keys(globals[ns])) {\n\
        var f = globals[ns][k]\n if (typeof(f) == Function && f.side_effect_free) { out.add(ns + \".\" + k) } } }\n\
        for (ns in [ \"Math\", \"Json\" ]) { for (k in keys(System[ns])) {\n\
        var f = System[ns][k]\n if (typeof(f) == Function && f.side_effect_free) {\n\
        out.add(\"System.\" + ns + \".\" + k) } } }\nout.sort().join(\" \")";
    let mut expected: Vec<&str> = SAFE.split_whitespace().collect();
    expected.sort_unstable();
    let found = value(list);
    let found: Vec<&str> = found.trim_matches('"').split(' ').collect();
    assert_eq!(found, expected);
}

fn sandboxed(text: &str) -> Result<Value, String> {
    bheka_lang::limit_evaluation(STEPS, BYTES);
    let filter = Filter::compile(text).map_err(|error| error.message)?;
    filter
        .eval(&[("x", Value::array([Value::Number(1.0)]))])
        .map_err(|error| error.message)
}

#[test]
fn the_sandbox_refuses_what_has_effects() {
    for (text, expected) in [
        ("x.add(2)", "not marked as safe"),
        ("x.clear()", "not marked as safe"),
        ("x.add.call(x, 2)", "not marked as safe"),
        ("x.add.callv(x, [ 2 ])", "not marked as safe"),
        ("x.map(x.add)", "Map function must be side-effect free"),
        ("x.map(y => y)", "Map function must be side-effect free"),
        (
            "x.reduce((a, b) => a)",
            "Reduce function must be side-effect free",
        ),
        (
            "x.filter(y => true)",
            "Filter function must be side-effect free",
        ),
        (
            "x.any(y => true)",
            "Filter function must be side-effect free",
        ),
        (
            "x.all(y => true)",
            "Filter function must be side-effect free",
        ),
        (
            "x.sort((a, b) => a < b)",
            "Sort function must be side-effect free",
        ),
        ("(() => 1)()", "not marked as safe"),
        ("x = 1", "Assignments are not allowed"),
        ("x += 1", "Assignments are not allowed"),
        ("globals.y = 1", "Assignments are not allowed"),
        ("*(&x) = 1", "Assignments are not allowed"),
        ("(&globals.y).set(1)", "not marked as safe"),
        ("var y = 1", "Assignments are not allowed"),
        ("const Y = 1", "Assignments are not allowed"),
        ("namespace n { }", "Assignments are not allowed"),
        ("{ a = 1 }", "Assignments are not allowed"),
        ("function f() { }", "Assignments are not allowed"),
        ("while (true) { }", "While loops are not allowed"),
        ("for (i in x) { len(i) }", "For loops are not allowed"),
        (
            "object Host \"h\" { }",
            "Object definitions are not allowed",
        ),
        (
            "template Host \"h\" { }",
            "Object definitions are not allowed",
        ),
        (
            "apply Service \"s\" to Host { assign where true }",
            "Apply rules are not allowed",
        ),
        ("include \"x\"", "Includes are not allowed"),
        ("import \"x\"", "Imports are not allowed"),
        ("library \"x\"", "Loading libraries is not allowed"),
        (
            "Internal.run_with_activation_context(() => 1)",
            "not marked as safe",
        ),
        ("log(1)", "not marked as safe"),
        ("sleep(1)", "not marked as safe"),
        ("exit(1)", "not marked as safe"),
        ("glob(\"/*\")", "not marked as safe"),
        ("glob_recursive(\"/\", \"*\")", "not marked as safe"),
        ("path_exists(\"/\")", "not marked as safe"),
        ("getenv(\"HOME\")", "not marked as safe"),
        ("get_objects(Object)", "not marked as safe"),
        ("get_template(Object, \"t\")", "not marked as safe"),
        ("range(3)", "not marked as safe"),
        ("String.prototype.set(\"x\", 1)", "not marked as safe"),
    ] {
        match sandboxed(text) {
            Ok(value) => panic!("{text}: {value:?}"),
            Err(message) => assert!(message.contains(expected), "{text}\n{message}"),
        }
    }
    for text in [
        "[ \"a\" ].map(len)",
        "using System",
        "if (true) { 3 }",
        "get_object(\"Host\", \"h\")",
    ] {
        assert!(sandboxed(text).is_ok(), "{text}");
    }
}

#[test]
fn the_sandbox_has_a_budget() {
    let pattern = "*a".repeat(2_000);
    let long = "a".repeat(200_000);
    for text in [
        format!("match(\"{pattern}b\", \"{long}\")"),
        format!("[ {} ].len()", "\"x\".upper(), ".repeat(300_000)),
        format!("Json.decode(\"[{}1]\")", "[],".repeat(500_000)),
    ] {
        let message = sandboxed(&text).unwrap_err();
        assert!(message.contains("the limit of"), "{message}");
    }
}

#[test]
fn nobody_reads_the_salt_in_a_sandbox() {
    let mut console = console();
    console
        .eval("const TicketSalt = \"s3cr3t\"\nconst Other = \"seen\"")
        .unwrap();
    for text in [
        "TicketSalt",
        "globals.TicketSalt",
        "globals[\"TicketSalt\"]",
        "*(&globals.TicketSalt)",
        "(&globals.TicketSalt).get()",
        "string(globals.values())",
        "Json.encode(globals)",
        "[ 1 ].map(globals.values)",
        "Json.encode([ 1 ].map(globals.values))",
        "this.TicketSalt",
        "\"TicketSalt\" in globals.keys()",
        "globals.contains(\"TicketSalt\")",
    ] {
        let filter = Filter::compile(text).unwrap();
        match filter.eval_in(&console.globals(), &[]) {
            Ok(value) => {
                let shown = to_json(&value);
                assert!(
                    !shown.contains("s3cr3t") && shown != "true",
                    "{text}: {shown}"
                );
            }
            Err(error) => assert!(!error.message.contains("s3cr3t"), "{text}"),
        }
    }
    let other = Filter::compile("Other == \"seen\" && globals.Other == Other").unwrap();
    assert!(other.eval_in(&console.globals(), &[]).unwrap().is_true());
}

/// Sees one variable and no objects.
struct Narrow;

impl Guard for Narrow {
    fn variable(&self, name: &str) -> bool {
        name == "Open"
    }

    fn object(&self, _object: &Value) -> bool {
        false
    }
}

#[test]
fn filters_see_what_their_author_may_see() {
    let mut console = console();
    console
        .eval(
            "const Open = 1\nconst Closed = 2\nInternal.run_with_activation_context(() => {\n\
             object User \"u\" { }\n})",
        )
        .unwrap();
    let globals = console.globals();
    for (text, narrow, wide) in [
        ("Open", "1", "1"),
        ("globals.Closed == 2", "false", "true"),
        ("get_object(User, \"u\") != null", "false", "true"),
        ("get_object(\"User\", \"u\").name", "null", "\"u\""),
        ("MatchAll", "0", "0"),
    ] {
        let filter = Filter::compile(text).unwrap();
        assert_eq!(
            to_json(&filter.eval_guarded(&globals, &[], &Narrow).unwrap()),
            narrow,
            "{text}"
        );
        assert_eq!(
            to_json(&filter.eval_in(&globals, &[]).unwrap()),
            wide,
            "{text}"
        );
    }
    let closed = Filter::compile("Closed").unwrap();
    let error = closed.eval_guarded(&globals, &[], &Narrow).unwrap_err();
    assert!(error.message.contains("undefined script variable"));
}

/// The threads of the API have ordinary stacks.
#[test]
fn filters_need_no_large_stack() {
    let shapes = [
        ("!", ""),
        ("(1 + ", ")"),
        ("[ ", " ]"),
        ("len(", ")"),
        ("[ 1 ].contains(", ")"),
        ("string(", ").len()"),
        ("if (true) { ", " }"),
        ("x[", "]"),
        ("{{ ", " }}"),
        ("[ x ].map(len).filter(len)[", "]"),
        ("try { ", " } except { }"),
    ];
    let run = move || {
        for (open, close) in shapes {
            for levels in [50, 100, 149, 298, 990, 5_000] {
                let text = format!("{}x{}", open.repeat(levels), close.repeat(levels));
                let _ = sandboxed(&text);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(run).unwrap().join().unwrap();
}
