//! `bheka console`: on a terminal, on a pipe, and in running nodes of both programs.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use support::{Authority, Node, Program, has_icinga2, wait_for};

/// A console on a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was looked at.
    seen: usize,
}

impl Terminal {
    fn open(home: &Path, arguments: &[&str]) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal = || {
            let mut options = File::options();
            let options = options.read(true).write(true);
            options.open(name.to_str().unwrap()).unwrap()
        };
        let child = Command::new(Program::Bheka.path())
            .arg("console")
            .args(arguments)
            .env("HOME", home)
            .env("TERM", "xterm")
            .env_remove("XDG_STATE_HOME")
            .stdin(terminal())
            .stdout(terminal())
            .stderr(terminal())
            .spawn()
            .unwrap();
        let keyboard = File::from(controller);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                into.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self {
            child,
            keyboard,
            screen,
            seen: 0,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text appears behind what was seen before.
    fn expect(&mut self, text: &str) {
        let seen = self.seen;
        let screen = || self.screen.lock().unwrap()[seen..].to_owned();
        let found = wait_for(
            &format!("'{text}' on the terminal"),
            || format!("the rest of the screen: {:?}", screen()),
            || screen().find(text),
        );
        self.seen += found + text.len();
    }

    fn expect_end(mut self) -> bool {
        wait_for(
            "the console to end",
            || self.screen.lock().unwrap().clone(),
            || self.child.try_wait().unwrap(),
        )
        .success()
    }
}

#[test]
fn a_terminal_has_editing_completion_and_history() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(home.path(), &[]);
    terminal.expect("Type $help to view available commands.");
    terminal.expect("<1> => ");
    terminal.press("1 + 2\r");
    terminal.expect("3.000000\r\n");
    // Several lines.
    terminal.expect("<2> => ");
    terminal.press("var data = {\r");
    terminal.expect("<2> .. ");
    terminal.press("alpha = [ 1,\r");
    terminal.expect("<2> .. ");
    terminal.press("2 ] }\r");
    terminal.expect("null\r\n");
    // The left arrow goes back, so that the 5 stands in front.
    terminal.expect("<3> => ");
    terminal.press("0\u{1b}[D5\r");
    terminal.expect("50.000000\r\n");
    // Members behind a dot, functions, and words of the language.
    terminal.expect("<4> => ");
    terminal.press("data.al\t.le\t()\r");
    terminal.expect("2.000000\r\n");
    terminal.expect("<5> => ");
    terminal.press("System.Math.sq\t(16)\r");
    terminal.expect("4.000000\r\n");
    terminal.expect("<6> => ");
    terminal.press("nul\t\r");
    terminal.expect("null\r\n");
    // Several candidates are listed.
    terminal.expect("<7> => ");
    terminal.press("data.\t\t");
    terminal.expect("shallow_clone");
    terminal.expect("<7> => data.");
    // Ctrl-C forgets the line, and all lines before it.
    terminal.press("\u{3}");
    terminal.expect("<7> => ");
    terminal.press("[ 1,\r");
    terminal.expect("<7> .. ");
    terminal.press("\u{3}");
    terminal.expect("<7> => ");
    // Errors are marked below what was typed.
    terminal.press("1 + nope\r");
    terminal.expect("\r\n           ^^^^\r\nError while evaluating expression: ");
    terminal.expect("<8> => ");
    terminal.press("$nope\r");
    terminal.expect("Unknown debugger command: $nope\r\n");
    // The arrow up brings back the last inputs, also those of several lines.
    terminal.expect("<9> => ");
    terminal.press("\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\r");
    terminal.expect("4.000000\r\n");
    terminal.expect("<10> => ");
    terminal.press("\u{4}");
    assert!(terminal.expect_end());

    let history = home.path().join(".bheka_history");
    let mode = std::fs::metadata(&history).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&history).unwrap();
    assert!(text.contains("data.alpha.len()\n"), "{text}");
    // And so they do the next time.
    let mut terminal = Terminal::open(home.path(), &[]);
    terminal.expect("<1> => ");
    terminal.press("\u{1b}[A\r");
    terminal.expect("4.000000\r\n");
    terminal.expect("<2> => ");
    terminal.press("$quit\r");
    assert!(terminal.expect_end());
}

/// What a console prints for inputs on a pipe, without the two lines of the greeting.
fn pipe(program: Program, arguments: &[&str], input: &str) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(program.path())
        .arg("console")
        .args(arguments)
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that ends early has not read all of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().skip(2).collect();
    (
        output.status.success(),
        lines.join("\n").trim_end().to_owned(),
    )
}

const TALK: &str = r#"1 + 1
var x = { a = 1 }
x
{
  b = [ "two", {} ]
}
bad syntax
throw "x"

log("hi")
function f() { x.y.z() }
f()
$nope
"abc
1 +
if (true) {
  5
}
"#;

#[test]
fn a_pipe_is_answered_as_by_icinga2() {
    let (ours, text) = pipe(Program::Bheka, &[], TALK);
    assert!(ours);
    assert!(text.ends_with("<15> =>"), "{text}");
    if has_icinga2("a_pipe_is_answered_as_by_icinga2") {
        assert_eq!((ours, text), pipe(Program::Icinga2, &[], TALK));
    }
    // What Icinga 2 takes for wrong may go on as well.
    let (_, text) = pipe(Program::Bheka, &[], "len(\n[ 1 ])\n/* a\n*/ 2\n");
    assert_eq!(
        text,
        "<1> => len(\n<1> .. [ 1 ])\n1.000000\n<2> => /* a\n<2> .. */ 2\n2.000000\n<3> =>"
    );
    // What is open at the end is said to be.
    let (_, text) = pipe(Program::Bheka, &[], "[ 1,\n");
    assert!(
        text.ends_with("unexpected end of file, expecting ']'"),
        "{text}"
    );
    let (_, text) = pipe(Program::Bheka, &["--sandbox"], "var x = 1\n2\n");
    assert!(text.contains("Assignments are not allowed in sandbox mode.\n<2> => 2\n2.000000"));
}

/// Who waits in vain presses Ctrl-C, and goes on.
#[test]
fn an_evaluation_can_be_interrupted() {
    for script in [
        "while (true) { }",
        "function f(n) { if (n > 0) { f(n - 1); f(n - 1) } }; f(60)",
        "sleep(40); sleep(40)",
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut terminal = Terminal::open(home.path(), &[]);
        terminal.expect("<1> => ");
        terminal.press(&format!("{script}\r"));
        let process = rustix::process::Pid::from_child(&terminal.child);
        let shown = Arc::clone(&terminal.screen);
        wait_for(
            "the end of the evaluation",
            || shown.lock().unwrap().clone(),
            || {
                // The terminal is none of the child's own, which would turn the key into this.
                rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
                let text = shown.lock().unwrap();
                text.contains("Evaluation was interrupted.").then_some(())
            },
        );
        terminal.expect("<2> => ");
        terminal.press("1 + 1\r");
        terminal.expect("2.000000\r\n");
        terminal.press("\u{4}");
        assert!(terminal.expect_end());
    }
}

/// What the log takes, and places of warnings, are those of Icinga 2's console.
#[test]
fn what_scripts_log_is_shown_as_by_icinga2() {
    let script = "log(LogDebug, \"a\", \"b\")\nlog(LogNotice, \"a\", \"b\")\nlog(\"c\")\n\
                  const C = 5\nC = 6\nC\nconst C = 7\nC\n";
    let (_, text) = pipe(Program::Bheka, &[], script);
    let warning = "warning/Value for constant 'C' was modified. This behaviour is deprecated.\n\
                   Location: in <7>: 1:1-1:11\nnull\n";
    assert!(text.contains(warning), "{text}");
    assert!(
        !text.contains("implicitly") && !text.contains("a: b"),
        "{text}"
    );
    if has_icinga2("what_scripts_log_is_shown_as_by_icinga2") {
        let (_, theirs) = pipe(Program::Icinga2, &[], script);
        // It counts columns from 0, and has no lines of a file to show behind a colon.
        let theirs = theirs.replace("1:0-1:10: ", "1:1-1:11");
        assert_eq!(text, theirs);
    }
    let loud = evaluate_here(&["-x", "debug", "-e", "log(LogDebug, \"a\", \"b\")"]);
    assert_eq!(loud, "debug/a: b\nnull\n");
}

/// The lines of a file that an input includes stand there, as with `daemon -C`.
#[test]
fn errors_in_included_files_show_their_lines() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("inc.conf");
    std::fs::write(&file, "var x = 1\nx = nope + 1\n").unwrap();
    let name = file.display();
    let script = format!("include \"{name}\"");
    let text = evaluate_here(&["-e", &script]);
    let expected = format!(
        "Location: in {name}: 2:5-2:8\n{name}(1): var x = 1\n{name}(2): x = nope + 1\n{}^^^^\n\
         {name}(3): \nError while evaluating expression: Tried to access undefined script variable \
         'nope'\n",
        " ".repeat(name.to_string().len() + 9)
    );
    assert_eq!(text, expected);
    if has_icinga2("errors_in_included_files_show_their_lines") {
        let mut command = Command::new(Program::Icinga2.path());
        let output = command.args(["console", "-e", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

/// Whoever asks for JSON gets nothing else.
#[test]
fn every_refusal_is_json_for_tools() {
    for (arguments, code) in [
        (&["--file", "/nope"][..], "unreadable-file"),
        (&["--file", "/nope", "--syntax-only"], "unreadable-file"),
        (&["--eval", "1 +", "--syntax-only"], "syntax"),
        (&["--eval", "1", "--connect", "nowhere"], "unreachable"),
    ] {
        let text = evaluate_here(&[&["--format", "json"], arguments].concat());
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["code"], code, "{text}");
    }
    let right = evaluate_here(&["--format", "json", "--eval", "1", "--syntax-only"]);
    assert_eq!(right, "{\"type\":\"value\",\"value\":true}\n");
}

#[test]
fn an_expression_wins_over_a_file() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("script");
    std::fs::write(&file, "\"from the file\"").unwrap();
    let run = |file: &Path, arguments: &[&str]| {
        let mut command = Command::new(Program::Bheka.path());
        let command = command.args(["console", "-r"]).arg(file).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(run(&file, &[]), "\"from the file\"\n");
    assert_eq!(run(&file, &["-e", "1"]), "1\n");
    assert_eq!(run(Path::new("missing"), &["-e", "1"]), "1\n");
    assert_eq!(run(Path::new(""), &[]), "Could not read file ''.\n");
}

/// A node with a host, and an API user who may not use the console.
fn node(program: Program, authority: &Authority) -> Node {
    let mut node = Node::new(program, "master");
    node.certify(authority);
    node.configure(
        "",
        "object Endpoint \"master\" {}\n\
         object Zone \"master\" { endpoints = [ \"master\" ] }\n\
         object ApiUser \"noc\" { password = \"secret\"; permissions = [ \"objects/*\" ] }\n\
         object Host \"h\" {\n\
           check_command = \"dummy\"; enable_active_checks = false\n\
           vars.os = \"Linux\"; vars.list = [ 1, { a = 2 } ]\n\
         }\n\
         object Service \"s\" { host_name = \"h\"; check_command = \"dummy\" }\n",
    );
    node.start_and_wait();
    node
}

/// `console --eval` of a program in a node: success and output.
fn evaluate(program: Program, node: &Node, user: &str, arguments: &[&str]) -> (bool, String) {
    let url = format!("https://{user}@127.0.0.1:{}/", node.port);
    let mut command = Command::new(program.path());
    command.args(["console", "--connect", &url]).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}

const EXPRESSIONS: &[&str] = &[
    "1 + 1",
    "get_host(\"h\").vars",
    "get_service(\"h\", \"s\").host.name",
    "get_objects(Host).len()",
    "get_host(\"nope\")",
    "NodeName",
    "typeof(get_host(\"h\")).name",
    "[ 1, \"ü\", null, {} ]",
    "Math.sqrt(2)",
    "bad syntax",
    "{",
    "throw \"x\"",
    "nope",
    "get_host(\"h\").nope",
    "get_host(\"h\").vars.os.nope",
    "",
];

/// What the console says of an expression that is evaluated here.
fn evaluate_here(arguments: &[&str]) -> String {
    let mut command = Command::new(Program::Bheka.path());
    let command = command.arg("console").args(arguments).stdin(Stdio::null());
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

/// Both programs' consoles in a node of one of them.
fn consoles_in(node: &Node) {
    let user = "root:secret";
    for expression in EXPRESSIONS {
        let ours = evaluate(Program::Bheka, node, user, &["--eval", expression]);
        // 2.13.6 takes an empty expression for none.
        if expression.is_empty() {
            assert_eq!(ours, (true, "null\n".to_owned()));
            continue;
        }
        let theirs = evaluate(Program::Icinga2, node, user, &["--eval", expression]);
        assert_eq!(ours.0, theirs.0, "{expression}");
        if ours.0 {
            assert_eq!(ours.1.trim_end(), theirs.1.trim_end(), "{expression}");
            continue;
        }
        // It shows the text twice; here an error looks as it does without a node.
        let message = |text: &str| text.trim_end().lines().last().map(str::to_owned);
        assert_eq!(message(&ours.1), message(&theirs.1), "{expression}");
        if !expression.contains("get_host") {
            assert_eq!(ours.1, evaluate_here(&["--eval", expression]));
        }
    }
    let sandboxed = ["--sandbox", "--eval", "get_host(\"h\")"];
    let (good, text) = evaluate(Program::Bheka, node, user, &sandboxed);
    assert!(!good && text.ends_with("Function is not marked as safe for sandbox mode.\n"));
    for (user, status) in [
        ("root:wrong", "Code: Unauthorized"),
        ("noc:secret", "lacks the permission 'console'"),
    ] {
        let ours = evaluate(Program::Bheka, node, user, &["--eval", "1"]);
        assert!(!ours.0 && ours.1.contains(status), "{ours:?}");
    }
    // For tools: the place, and what helps when the node is ours.
    let finding = |arguments: &[&str]| {
        let (_, text) = evaluate(Program::Bheka, node, user, arguments);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let script = "var host = 1\nhots";
    let found = finding(&["--format", "json", "--eval", script]);
    assert_eq!(
        (&found["line"], &found["column"]),
        (&2.into(), &1.into()),
        "{found}"
    );
    assert_eq!(found["file"], "<1>");
    if node.program == Program::Bheka {
        let here = evaluate_here(&["--format", "json", "--eval", script]);
        assert_eq!(
            found,
            serde_json::from_str::<serde_json::Value>(&here).unwrap()
        );
        assert_eq!(found["code"], "undefined-variable");
    }
    let url = format!("https://127.0.0.1:{}/", node.port);
    let mut command = Command::new(Program::Bheka.path());
    command
        .args(["console", "--connect", &url, "--eval", "1"])
        .env("ICINGA2_API_USERNAME", "root")
        .env("ICINGA2_API_PASSWORD", "secret");
    assert_eq!(command.output().unwrap().stdout, b"1\n");
}

const TALK_THERE: &str = "var x = {\na = get_host(\"h\").vars.os\n}\nx\nthrow \"q\"\n$help\n\
                          function f() { x.y.z() }\nf()\nx.len() + 1\n";

/// Inputs one after the other, in a node of the given program.
fn talk_in(node: &Node) {
    let url = format!("https://root:secret@127.0.0.1:{}/", node.port);
    for program in [Program::Bheka, Program::Icinga2] {
        let (good, text) = pipe(program, &["--connect", &url], TALK_THERE);
        assert!(good, "{text}");
        assert!(text.contains("{\n\ta = \"Linux\"\n}\n"), "{text}");
        if program == Program::Bheka {
            // The inputs have the numbers that they have here, and functions are shown.
            let thrown = "<3> => throw \"q\"\n       ^^^^^^^^^\nq\n";
            assert!(text.contains(thrown), "{text}");
            let called = "<6> => f()\n<5>: function f() { x.y.z() }\n                    ^^^^^^^\n";
            assert!(text.contains(called), "{text}");
        }
        assert!(text.contains("\n2.000000\n"), "{text}");
    }
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(home.path(), &["--connect", &url]);
    terminal.expect("<1> => ");
    terminal.press("get_host(\"h\").va\t.o\t\r");
    terminal.expect("\"Linux\"\r\n");
    terminal.press("\u{4}");
    assert!(terminal.expect_end());
    let port = support::free_port().to_string();
    let nowhere = format!("https://root:secret@127.0.0.1:{port}/");
    let (good, _) = pipe(Program::Bheka, &["--connect", &nowhere], "1\n");
    assert!(!good);
}

#[test]
fn consoles_in_icinga2() {
    if has_icinga2("consoles_in_icinga2") {
        let node = node(Program::Icinga2, &Authority::new());
        consoles_in(&node);
        talk_in(&node);
    }
}

#[test]
fn consoles_in_bheka() {
    if has_icinga2("consoles_in_bheka") {
        let node = node(Program::Bheka, &Authority::new());
        consoles_in(&node);
        talk_in(&node);
        let script = "var cr = CheckResult(); cr.state = 1; cr.output = \"by hand\"\n\
                      get_service(\"h\", \"s\").process_check_result(cr)";
        let (good, text) = evaluate(Program::Bheka, &node, "root:secret", &["-e", script]);
        assert!(good, "{text}");
        let service = node.object("services", "h!s").unwrap();
        assert_eq!(service["last_check_result"]["output"], "by hand");
        // Nothing that a script does ends the daemon or makes it mute.
        for script in ["while (true) { }", "function f() { f() }; f()", "exit(1)"] {
            let (good, text) = evaluate(Program::Bheka, &node, "root:secret", &["-e", script]);
            assert!(!good, "{text}");
        }
        node.wait_until_up();
    }
}
