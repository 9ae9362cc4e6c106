//! The files of objects and variables in the cache directory, for `object list` and
//! `variable list`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use bheka_model::{Generation, objects_dump};
use bheka_value::{Str, Value, to_json};

use crate::settings;

/// Writes the objects with what set their attributes.
pub(super) fn write_objects(path: &Path, generation: &Generation) -> anyhow::Result<()> {
    write(path, |out| {
        for object in generation
            .all()
            .filter(|object| !super::is_built_in(object))
        {
            out.write_all(&objects_dump::record(object))?;
        }
        Ok(())
    })
}

/// Writes the global variables, without what belongs to `System.Configuration`.
pub(super) fn write_variables(path: &Path, globals: &BTreeMap<Str, Value>) -> anyhow::Result<()> {
    let namespaces = NAMESPACES.iter().map(|name| {
        (
            Str::from(*name),
            Value::string("Object of type 'Namespace'"),
        )
    });
    let own = globals
        .iter()
        .filter(|(name, _)| !settings::is_configuration(name));
    let mut variables: BTreeMap<Str, Value> = namespaces.collect();
    variables.extend(own.map(|(name, value)| (name.clone(), shown(value))));
    write(path, |out| {
        for (name, value) in variables {
            let record = to_json(&Value::dictionary([
                ("name", Value::String(name)),
                ("value", value),
            ]));
            write!(out, "{}:{record},", record.len())?;
        }
        Ok(())
    })
}

fn shown(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::string(format!("Object of type '{}'", object.type_name())),
        other => other.clone(),
    }
}

/// Writes a file that only its owner reads (it may hold passwords), replacing the old one as a
/// whole.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let context = || format!("cannot write '{}'", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(context)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp.{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let result = (|| {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.flush()?;
        std::fs::rename(&temporary, path)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result.with_context(context)
}

/// Namespaces that every configuration has.
const NAMESPACES: &[&str] = &["Icinga", "Internal", "StatsFunctions", "System", "Types"];
