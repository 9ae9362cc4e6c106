//! Scripts by the API: sessions and their end, sandbox, budgets, completion, and commands.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bheka_api::{
    Api, ApplicationStatus, Backend, CheckStatistics, CheckerStatus, EndpointStatus,
    ListenerStatus, ProcessOrder, Request, Submission, Template,
};
use bheka_lang::{Globals, Load, MemorySources};
use bheka_model::{Board, Command};
use bheka_value::Timestamp;
use serde_json::{Value, json};

const CONFIG: &str = r#"
object CheckCommand "c" { command = [ "x" ] }
object Host "h" { check_command = "c"; address = "192.0.2.1"; vars.os = "Linux" }
object Service "s" { host_name = "h"; check_command = "c" }
object ApiUser "root" { password = "p"; permissions = [ "*" ] }
object ApiUser "friend" { password = "p"; permissions = [ "console" ] }
object ApiUser "stranger" { password = "p"; permissions = [ "objects/query/*" ] }
const Answer = 42
globals.count = 0
"#;

struct World {
    board: Arc<Board>,
    globals: Mutex<Globals>,
    now: Mutex<f64>,
}

fn load() -> (bheka_model::Generation, Globals) {
    let sources = MemorySources::new([("/c.conf", CONFIG)]);
    let loaded = bheka_lang::load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &sources,
        include_dirs: Vec::new(),
        files: vec!["/c.conf".into()],
        constants: Vec::new(),
        zone_dirs: Vec::new(),
        now: Timestamp(1000.0),
        track_modifications: false,
        threads: 1,
    });
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let built = bheka_model::build(1, loaded.declarations, loaded.globals.to_map());
    assert!(!built.has_errors(), "{:?}", built.diagnostics);
    (built.generation, loaded.globals)
}

impl World {
    fn new() -> (Arc<Self>, Api) {
        let (generation, globals) = load();
        let board = Arc::new(Board::default());
        board.set_generation(Arc::new(generation));
        let world = Arc::new(Self {
            board,
            globals: Mutex::new(globals),
            now: Mutex::new(1000.0),
        });
        let api = Api::new(Arc::clone(&world) as Arc<dyn Backend>);
        (world, api)
    }

    /// What a reload does.
    fn reload(&self) {
        let (generation, globals) = load();
        self.board.set_generation(Arc::new(generation));
        let before = std::mem::replace(&mut *self.globals.lock().unwrap(), globals);
        before.retire();
    }
}

impl Backend for World {
    fn board(&self) -> &Arc<Board> {
        &self.board
    }
    fn globals(&self) -> Option<Globals> {
        Some(self.globals.lock().unwrap().clone())
    }
    fn now(&self) -> Timestamp {
        Timestamp(*self.now.lock().unwrap())
    }
    fn version(&self) -> String {
        "r2.13.6-1".into()
    }
    fn application(&self) -> ApplicationStatus {
        ApplicationStatus {
            node_name: "here".into(),
            ..ApplicationStatus::default()
        }
    }
    fn api_listener(&self) -> Option<ListenerStatus> {
        None
    }
    fn process(&self, _order: ProcessOrder, _user: &str) {}
    fn check_statistics(&self) -> CheckStatistics {
        CheckStatistics::default()
    }
    fn checker(&self) -> Option<CheckerStatus> {
        None
    }
    fn endpoint(&self, _name: &str) -> Option<EndpointStatus> {
        None
    }
    fn templates(&self, _type_name: &str) -> Vec<Template> {
        Vec::new()
    }
    fn submit(&self, _commands: Vec<Command>) -> Submission {
        Box::pin(async { Ok(()) })
    }
}

fn ask(api: &Api, user: &str, path: &str, body: &Value) -> (u16, Value, Vec<Command>) {
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:p"));
    let request = Request {
        method: "POST".into(),
        target: path.into(),
        headers: vec![
            ("Accept".into(), "application/json".into()),
            ("Authorization".into(), format!("Basic {credentials}")),
        ],
        body: body.to_string().into_bytes(),
        ..Request::default()
    };
    let response = api.respond(&request);
    let body = serde_json::from_slice(&response.body).unwrap();
    (response.status, body, response.commands)
}

/// Evaluates in a session of `root`: the one entry of the results.
fn run_in(api: &Api, session: &str, command: &str) -> Value {
    let body = json!({ "session": session, "command": command });
    let (status, answer, _) = ask(api, "root", "/v1/console/execute-script", &body);
    assert_eq!(status, 200, "{answer}");
    answer["results"][0].clone()
}

fn value_in(api: &Api, session: &str, command: &str) -> Value {
    let entry = run_in(api, session, command);
    assert_eq!(entry["code"], 200, "{command}: {entry}");
    entry["result"].clone()
}

fn error_in(api: &Api, session: &str, command: &str) -> String {
    let entry = run_in(api, session, command);
    assert_eq!(entry["code"], 500, "{command}: {entry}");
    entry["status"].as_str().unwrap().to_owned()
}

#[test]
fn variables_live_in_their_session() {
    let (_world, api) = World::new();
    assert_eq!(value_in(&api, "a", "var x = 5"), Value::Null);
    assert_eq!(value_in(&api, "a", "x + Answer"), 47);
    assert_eq!(value_in(&api, "a", "this.x"), 5);
    let undefined = "Tried to access undefined script variable 'x'";
    assert!(error_in(&api, "b", "x").contains(undefined));
    // Without a name there is a session for each request.
    assert_eq!(value_in(&api, "", "var x = 5"), Value::Null);
    assert!(error_in(&api, "", "x").starts_with("<1>: x\n     ^\n"));
    // The same name is another session for another user.
    let body = json!({ "session": "a", "command": "x" });
    let (status, answer, _) = ask(&api, "friend", "/v1/console/execute-script", &body);
    assert_eq!((status, &answer["results"][0]["code"]), (200, &json!(500)));
    // Globals are everybody's.
    assert_eq!(value_in(&api, "a", "globals.count += 1"), Value::Null);
    assert_eq!(value_in(&api, "b", "count"), 1);
}

#[test]
fn errors_in_functions_of_earlier_inputs_show_them() {
    let (_world, api) = World::new();
    value_in(&api, "a", "function f(x) {\n  return x.y.z()\n}");
    let entry = run_in(&api, "a", "f(1)");
    assert_eq!(
        entry["status"],
        "<1>: function f(x) {\n  return x.y.z()\n}\n               ^^^\nInvalid field access (for value of \
         type 'Number'): 'y'\n"
    );
    let place = json!({
        "path": "<1>", "first_line": 2, "first_column": 10, "last_line": 2, "last_column": 12
    });
    assert_eq!(entry["debug_info"], place);
    assert_eq!(entry["incomplete_expression"], false);
    assert_eq!(run_in(&api, "a", "[ 1,")["incomplete_expression"], true);
    assert_eq!(run_in(&api, "a", "1 +")["incomplete_expression"], false);
}

#[test]
fn sessions_end_when_nobody_uses_them() {
    let (world, api) = World::new();
    value_in(&api, "a", "var x = 5");
    *world.now.lock().unwrap() += 1799.0;
    assert_eq!(value_in(&api, "a", "x"), 5);
    *world.now.lock().unwrap() += 1801.0;
    error_in(&api, "a", "x");
}

#[test]
fn the_session_that_was_used_least_makes_room() {
    let (world, api) = World::new();
    value_in(&api, "first", "var x = 5");
    for number in 0..200 {
        *world.now.lock().unwrap() += 1.0;
        value_in(&api, &format!("s{number}"), "var x = 6");
    }
    error_in(&api, "first", "x");
    assert_eq!(value_in(&api, "s199", "x"), 6);
}

#[test]
fn a_reload_ends_sessions() {
    let (world, api) = World::new();
    value_in(&api, "a", "var x = 5; function f() { return Answer }");
    world.reload();
    error_in(&api, "a", "x");
    assert_eq!(value_in(&api, "a", "get_host(\"h\").vars.os"), "Linux");
}

#[test]
fn a_sandbox_leaves_no_traces() {
    let (_world, api) = World::new();
    let sandboxed = |command: &str| {
        let body = json!({ "session": "a", "command": command, "sandboxed": 1 });
        let (_, answer, commands) = ask(&api, "root", "/v1/console/execute-script", &body);
        assert!(commands.is_empty());
        answer["results"][0].clone()
    };
    assert_eq!(sandboxed("Answer")["result"], 42);
    assert_eq!(
        sandboxed("get_object(Host, \"h\").vars.os")["result"],
        "Linux"
    );
    for forbidden in [
        "var x = 1",
        "globals.x = 1",
        "this.x = 1",
        "const X = 1",
        "function f() { }",
        "log(\"x\")",
        "get_host(\"h\")",
        "get_object(Host, \"h\").process_check_result(CheckResult())",
        "get_object(Host, \"h\").next_check = 1",
        "get_object(ApiUser, \"root\").password",
        "object Host \"x\" { }",
        "include \"/c.conf\"",
        "sleep(1)",
        "exit(1)",
    ] {
        assert_eq!(sandboxed(forbidden)["code"], 500, "{forbidden}");
    }
    assert_eq!(value_in(&api, "a", "locals.len()"), 0);
}

#[test]
fn permissions_and_methods() {
    let (_world, api) = World::new();
    let body = json!({ "command": "1" });
    let status = |user: &str, path: &str| ask(&api, user, path, &body).0;
    assert_eq!(status("friend", "/v1/console/execute-script"), 200);
    assert_eq!(status("stranger", "/v1/console/execute-script"), 404);
    assert_eq!(status("stranger", "/v1/console/auto-complete-script"), 404);
    assert_eq!(
        status("friend", "/v1/console/execute-script?sandboxed=x"),
        404
    );
    let (status, answer, _) = ask(&api, "friend", "/v1/console/x", &body);
    let expected = json!({ "error": 400, "status": "Invalid method specified: x" });
    assert_eq!((status, answer), (400, expected));
}

#[test]
fn completion_looks_without_touching() {
    let (_world, api) = World::new();
    let complete = |command: &str, sandboxed: u8| {
        let body = json!({ "session": "a", "command": command, "sandboxed": sandboxed });
        let (_, answer, _) = ask(&api, "root", "/v1/console/auto-complete-script", &body);
        let entry = answer["results"][0].clone();
        assert_eq!(entry["code"], 200);
        assert_eq!(entry["status"], "Auto-completed successfully.");
        entry["suggestions"].clone()
    };
    assert_eq!(
        complete("get_host(\"h\").addr", 0),
        json!(["get_host(\"h\").address", "get_host(\"h\").address6"])
    );
    assert_eq!(
        complete("get_services(get_host(\"h\"))[0].host.vars.o", 0),
        json!(["get_services(get_host(\"h\"))[0].host.vars.os"])
    );
    assert_eq!(
        complete("get_objects(Host)[0].addr", 0),
        json!([
            "get_objects(Host)[0].address",
            "get_objects(Host)[0].address6"
        ])
    );
    assert_eq!(complete("get_host(\"h\").addr", 1), json!([]));
    value_in(&api, "a", "var local_one = { alpha = 1 }");
    assert_eq!(complete("local_o", 0), json!(["local_one"]));
    assert_eq!(complete("local_one.al", 0), json!(["local_one.alpha"]));
    assert_eq!(complete("Ans", 0), json!(["Answer"]));
    for harmful in [
        "(globals.count = { }).",
        "local_one.clear().",
        "get_host(\"h\").process_check_result(CheckResult()).",
        "(() => { globals.count = 1 })().",
        "nope.",
    ] {
        assert_eq!(complete(harmful, 0), json!([]), "{harmful}");
    }
    assert_eq!(value_in(&api, "a", "count"), 0);
    assert_eq!(value_in(&api, "a", "local_one.len()"), 1);
}

#[test]
fn what_changes_live_objects_becomes_commands() {
    let (_world, api) = World::new();
    let commands = |command: &str| {
        let body = json!({ "command": command });
        let (_, answer, commands) = ask(&api, "root", "/v1/console/execute-script", &body);
        (answer["results"][0].clone(), commands)
    };
    let (answer, made) = commands(
        "var cr = CheckResult(); cr.state = 2; cr.output = \"bad\"\n\
         get_service(\"h\", \"s\").process_check_result(cr)",
    );
    assert_eq!(answer["code"], 200, "{answer}");
    let [Command::ProcessResult { checkable, result }] = &made[..] else {
        panic!("{made:?}");
    };
    assert_eq!(checkable.full(), "h!s");
    assert_eq!((result.state, result.output.as_str()), (2, "bad"));
    assert_eq!(result.execution_end, Timestamp(1000.0));
    assert_eq!(result.check_source, "here");

    let (_, made) = commands(
        "var h = get_host(\"h\"); h.next_check = 7; h.force_next_check = true\n\
         h.force_next_notification = true; throw \"what was done stays done\"",
    );
    assert_eq!(made.len(), 3, "{made:?}");
    assert!(matches!(&made[0], Command::SetNextCheck { at, .. } if *at == Timestamp(7.0)));

    for (script, text) in [
        (
            "get_host(\"h\").display_name = \"x\"",
            "Attribute 'display_name' of a running Host cannot be changed by a script; change the \
             configuration and reload it.",
        ),
        (
            "Internal.run_with_activation_context(() => { object Host \"x\" { } })",
            "Objects cannot be made in a configuration that is in force",
        ),
        (
            "get_host(\"h\").nope = 1",
            "Attribute 'nope' does not exist.",
        ),
        (
            "get_host(\"h\").vars.os = \"x\"",
            "Value in dictionary must not be modified.",
        ),
        (
            "get_host(\"h\").process_check_result({})",
            "the argument must be a CheckResult",
        ),
        (
            "get_host(\"h\").modify_attribute(\"vars.x\", 1)",
            "cannot be modified",
        ),
    ] {
        let (answer, made) = commands(script);
        assert!(made.is_empty());
        let status = answer["status"].as_str().unwrap();
        assert!(status.contains(text), "{script}: {status}");
    }
}

#[test]
fn no_script_runs_or_grows_without_end() {
    let (_world, api) = World::new();
    for (script, limit) in [
        ("while (true) { }", "limit"),
        (
            "function f() { return f() }; f()",
            "Recursion level too deep",
        ),
        (
            "var a = [ 1 ]; for (i in range(40)) { a = [ a, a ] }; a",
            "The result is too large to be sent",
        ),
        (
            "var a = []; a.add(a); a.add(a); a",
            "The result is too large to be sent",
        ),
        (
            "var a = []; var h = get_host(\"h\"); for (i in range(20000)) { a.add(h) }; a",
            "The result is too large to be sent",
        ),
        ("var s = \"0123456789\"; while (true) { s += s }", "limit"),
        ("while (true) { sleep(60) }", "limit"),
    ] {
        let status = error_in(&api, "", script);
        assert!(status.contains(limit), "{script}: {status}");
    }
    // What nests deeply can be thrown away.
    value_in(
        &api,
        "a",
        "var f = () => 1; for (i in range(50000)) { f = () use (f) => 1 }",
    );
    value_in(&api, "a", "f = null");
}
