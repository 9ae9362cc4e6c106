//! The configuration that Debian's `icinga2-common` installs, unmodified, through the switch: the
//! real Icinga 2 and this program must agree on what it holds.
//!
//! Everything that is written goes to temporary directories.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use support::{Node, Program};

/// What both say about the stock tree: the output of `daemon -C` and of `object list`.
struct Told {
    _node: Node,
    validation: String,
    objects: BTreeMap<(String, String), Vec<String>>,
}

/// Runs a command on `/etc/icinga2`, with everything that is written redirected.
fn run(node: &Node, arguments: &[&str]) -> String {
    let mut command = Command::new(node.program.path());
    command.args(arguments);
    if node.program == Program::Bheka {
        command.arg("--icinga2");
    }
    for define in node.defines().into_iter().filter(|define| define != "-D") {
        let name = define.split('=').next().unwrap_or_default().to_owned();
        // The tree, and what it says about the node's name, are the stock ones.
        if !["ConfigDir", "ZonesDir", "NodeName", "ZoneName"].contains(&name.as_str()) {
            command.args(["-D", &define]);
        }
    }
    let output = command.current_dir("/").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{:?} {arguments:?}:\n{text}",
        node.program
    );
    text
}

fn told(program: Program) -> Told {
    let node = Node::new(program, "stock");
    let validation = run(&node, &["daemon", "-C"]);
    let dir = node.dir.display().to_string();
    let list = run(&node, &["object", "list"]).replace(&dir, "DIR");
    Told {
        validation,
        objects: objects(&list),
        _node: node,
    }
}

fn has_stock_tree(test: &str) -> bool {
    let there = std::fs::File::open("/etc/icinga2/icinga2.conf").is_ok();
    if !there {
        eprintln!("skipped: {test} needs the package icinga2-common, and the right to read it");
    }
    there && support::has_icinga2(test)
}

/// The lines of each object, by type and name.
fn objects(list: &str) -> BTreeMap<(String, String), Vec<String>> {
    let mut found = BTreeMap::new();
    let mut lines = None;
    for line in list.lines() {
        if let Some(head) = line.strip_prefix("Object '") {
            let (name, kind) = head.split_once("' of type '").expect("a head");
            let key = (kind.trim_end_matches("':").to_owned(), name.to_owned());
            lines = Some(found.entry(key).or_insert_with(Vec::new));
        } else if let Some(lines) = lines.as_mut()
            && !line.is_empty()
        {
            lines.push(line.to_owned());
        }
    }
    found
}

/// `Instantiated 244 CheckCommands.` and the like. Their order is not defined.
fn counts(validation: &str) -> Vec<String> {
    let lines = validation
        .lines()
        .filter_map(|line| line.split("ConfigItem: Instantiated ").nth(1));
    let mut counts: Vec<String> = lines.map(str::to_owned).collect();
    counts.sort();
    counts
}

/// The attributes, with indentation for what is within them, and where the object was declared and
/// they were set. Only what docs/compat.md names is left out.
fn attributes(lines: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut is_within_location = false;
    for line in lines {
        if line.trim_start().starts_with("% ") {
            kept.extend(place(line));
            continue;
        }
        if !line.starts_with("    ") {
            is_within_location = line.starts_with("  * source_location");
        }
        // Icinga 2 counts columns of a file's first line from 0, of all others from 1.
        let is_column = line.contains("_column = ") && is_within_location;
        // Icinga 2 writes the list before groups have chosen their members.
        let is_groups = line.starts_with("  * groups = ");
        if !is_column && !is_groups {
            kept.push(line.clone());
        }
    }
    kept
}

/// A line about a place in a file.
fn place(line: &str) -> Option<String> {
    // What is compiled in has its own text here, and so its own lines.
    if line.contains("-itl.conf'") {
        return None;
    }
    // Columns of a file's first line: see above.
    Some(match line.split_once("', lines 1:") {
        Some((head, _)) => format!("{head}', line 1"),
        None => line.to_owned(),
    })
}

#[test]
fn the_stock_tree_is_valid_and_holds_the_same() {
    if !has_stock_tree("the_stock_tree_is_valid_and_holds_the_same") {
        return;
    }
    let (ours, theirs) = (told(Program::Bheka), told(Program::Icinga2));
    let last = "information/cli: Finished validating the configuration file(s).";
    assert!(
        ours.validation.trim_end().ends_with(last),
        "{}",
        ours.validation
    );
    for grave in ["warning/", "critical/"] {
        assert!(!ours.validation.contains(grave), "{}", ours.validation);
    }
    let expected = counts(&theirs.validation);
    assert!(expected.len() > 10, "{}", theirs.validation);
    assert_eq!(counts(&ours.validation), expected);

    let names = |told: &Told| told.objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));

    let mut compared = 0;
    for (key, lines) in &theirs.objects {
        let expected = attributes(lines);
        compared += expected.len();
        assert_eq!(attributes(&ours.objects[key]), expected, "{key:?}");
    }
    assert!(compared > 15_000, "{compared} lines are too few");
}

/// What is listed can be chosen by type and name, with the same answer.
#[test]
fn objects_are_chosen_alike() {
    if !has_stock_tree("objects_are_chosen_alike") {
        return;
    }
    let (ours, theirs) = (told(Program::Bheka), told(Program::Icinga2));
    for choice in [
        &["object", "list", "--type", "Host"][..],
        &["object", "list", "--type", "Service", "--name", "*ping*"],
        &["object", "list", "-t", "CheckCommand", "-n", "disk*"],
        &["object", "list", "--name", "24x7"],
        &["object", "list", "--name", "nothing like this"],
    ] {
        let names = |told: &Told| {
            let found = objects(&run(&told._node, choice));
            found.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names(&ours), names(&theirs), "{choice:?}");
    }
}

/// Variables as both see them. Names are compared as far as both have them, for Icinga 2 also
/// lists its functions and types.
#[test]
fn constants_are_the_same() {
    if !has_stock_tree("constants_are_the_same") {
        return;
    }
    let (ours, theirs) = (told(Program::Bheka), told(Program::Icinga2));
    for name in [
        "PluginDir",
        "ManubulonPluginDir",
        "PluginContribDir",
        "ZoneName",
        "NodeName",
        "TicketSalt",
        "MaxConcurrentChecks",
    ] {
        let value = |told: &Told| run(&told._node, &["variable", "get", name]);
        assert_eq!(value(&ours), value(&theirs), "{name}");
    }
}
