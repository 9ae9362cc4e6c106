//! Paths and files.

use bheka_value::Value;

use super::{Row, exact, variadic};
use crate::Sources;
use crate::convert::{to_int32, to_number, to_text};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};
use crate::files;

pub(super) const SYSTEM: &[Row] = &[
    exact("basename", &["path"], true, basename),
    exact("dirname", &["path"], true, dirname),
    variadic("glob", &["pathspec", "callback", "type"], false, glob),
    variadic(
        "glob_recursive",
        &["pathspec", "callback", "type"],
        false,
        glob_recursive,
    ),
    exact("path_exists", &["path"], false, path_exists),
];

fn basename(c: &Call<'_>) -> Outcome {
    let path = to_text(c.argument(0));
    let path = path.as_str();
    let name = match path.rsplit_once('/') {
        _ if is_root_name(path) => path,
        Some((before, "")) => {
            let before = before.trim_end_matches('/');
            // What lies behind a final slash is the directory itself.
            if before.is_empty() || is_root_name(before) {
                "/"
            } else {
                "."
            }
        }
        Some((_, name)) => name,
        None => path,
    };
    Ok(Value::string(name))
}

/// `//name`, and `//`: the host in a path of POSIX; no directory holds it.
fn is_root_name(path: &str) -> bool {
    path.strip_prefix("//")
        .is_some_and(|rest| !rest.contains('/'))
}

fn dirname(c: &Call<'_>) -> Outcome {
    let path = to_text(c.argument(0));
    let path = path.as_str();
    let directory = match path.rfind('/') {
        None => "",
        Some(_) if is_root_name(path) => "",
        Some(at) => {
            let before = path.get(..at).unwrap_or_default();
            let trimmed = before.trim_end_matches('/');
            if is_root_name(trimmed) {
                path.get(..=trimmed.len()).unwrap_or_default()
            } else if !trimmed.is_empty() {
                trimmed
            } else if at + 1 == path.len() {
                ""
            } else {
                "/"
            }
        }
    };
    Ok(Value::string(directory))
}

fn sources<'c>(c: &Call<'c>) -> Outcome<&'c dyn Sources> {
    c.run
        .sources
        .ok_or_else(|| Fault::new("files cannot be read while running"))
}

fn kinds(value: Option<&Value>) -> Outcome<u8> {
    match value {
        Some(value) => Ok(u8::try_from(to_int32(to_number(value)?) & 3).unwrap_or(0)),
        None => Ok(files::FILE | files::DIRECTORY),
    }
}

fn glob(c: &Call<'_>) -> Outcome {
    if c.arguments.is_empty() {
        return Err(Fault::new("Path must be specified."));
    }
    let kinds = kinds(c.arguments.get(1))?;
    let found = files::glob(c.run, sources(c)?, &to_text(c.argument(0)), kinds)?;
    Ok(Value::array(found.into_iter().map(Value::from)))
}

fn glob_recursive(c: &Call<'_>) -> Outcome {
    if c.arguments.len() < 2 {
        return Err(Fault::new("Path and pattern must be specified."));
    }
    let kinds = kinds(c.arguments.get(2))?;
    let (path, pattern) = (to_text(c.argument(0)), to_text(c.argument(1)));
    let found = files::recursive(c.run, sources(c)?, &path, &pattern, kinds)?;
    Ok(Value::array(found.into_iter().map(Value::from)))
}

fn path_exists(c: &Call<'_>) -> Outcome {
    let path = to_text(c.argument(0));
    let sources = sources(c)?;
    Ok(Value::Boolean(
        !path.is_empty() && (sources.is_file(&path) || sources.list(&path).is_ok()),
    ))
}
