//! Loads a configuration file and prints what it declares as JSON, one object a line:
//! `cargo run -p bheka-lang --example declarations -- FILE [NAME=VALUE …]`. For looking at the
//! evaluator by itself; `bheka object list` shows the objects as the model has them.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;

use bheka_lang::{Load, load};
use bheka_value::{Timestamp, Value, to_json};
use support::{Disk, constants};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(file) = arguments.next() else {
        eprintln!("usage: declarations FILE [NAME=VALUE …]");
        return;
    };
    let directory = Path::new(&file).parent().unwrap_or(Path::new("."));
    let mut constants = constants(directory);
    constants.extend(arguments.filter_map(|argument| {
        let (name, value) = argument.split_once('=')?;
        Some((name.to_owned(), Value::string(value)))
    }));
    let disk = Disk {
        directory: ".".into(),
    };
    let loaded = load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &disk,
        include_dirs: vec!["/usr/share/icinga2/include".to_owned()],
        files: vec![file],
        constants,
        zone_dirs: Vec::new(),
        now: Timestamp(1_795_415_000.0),
        track_modifications: true,
        threads: 2,
    });
    for line in &loaded.log {
        eprintln!("{line}");
    }
    for diagnostic in &loaded.diagnostics {
        eprintln!(
            "{}/{}: {diagnostic}",
            diagnostic.severity, diagnostic.facility
        );
    }
    for declaration in &loaded.declarations {
        let hints = declaration.modifications.iter().map(|hint| {
            let path: Vec<&str> = hint.path.iter().map(|part| part.as_str()).collect();
            Value::from(format!(
                "{} {} {}",
                path.join("."),
                hint.operator,
                hint.location
            ))
        });
        let line = Value::dictionary([
            ("type", Value::string(declaration.type_info.name)),
            ("name", Value::String(declaration.name.clone())),
            ("zone", declaration.zone.clone().into()),
            ("package", Value::String(declaration.package.clone())),
            ("location", Value::from(declaration.location.to_string())),
            (
                "templates",
                Value::array(declaration.templates.iter().cloned().map(Value::String)),
            ),
            (
                "attributes",
                Value::dictionary(declaration.attributes.clone()),
            ),
            ("modifications", Value::array(hints)),
        ]);
        println!("{}", to_json(&line));
    }
    loaded.globals.retire();
}
