//! `include` in its forms.

use std::sync::Arc;

use bheka_syntax::ast::{Expr, ExprKind};
use bheka_value::{Str, Suggester, Value, question};

use super::{Frame, eval, eval_block};
use crate::Sources;
use crate::doubt::Slip;
use crate::fault::{Eval, Fault, Outcome};
use crate::files;
use crate::load::{Parsed, admit, admit_valid};
use crate::source::{Origin, Source};
use crate::stack::parallel_from;

pub(super) fn eval_include(frame: &mut Frame<'_>, expr: &Expr) -> Eval {
    frame.run.forbid_in_sandbox("Includes are")?;
    match &expr.kind {
        ExprKind::Include { path, search } => {
            let path = super::eval_text(frame, path)?;
            include(frame, &path, *search)
        }
        ExprKind::IncludeRecursive { path, pattern } => {
            let path = super::eval_text(frame, path)?;
            let pattern = pattern_text(frame, pattern.as_deref())?;
            let root = absolute(frame, &path)?;
            let origin = inherited(frame);
            let sources = sources(frame)?;
            let files = files::recursive(frame.run, sources, &root, &pattern, files::FILE)
                .map_err(|fault| no_directory(sources, fault, &root))?;
            include_all(frame, &files, &origin)
        }
        ExprKind::IncludeZones { tag, path, pattern } => {
            let package = super::eval_text(frame, tag)?;
            let path = super::eval_text(frame, path)?;
            let pattern = pattern_text(frame, pattern.as_deref())?;
            include_zones(frame, &package, &path, &pattern)
        }
        _ => Ok(Value::Empty),
    }
}

fn pattern_text(frame: &mut Frame<'_>, pattern: Option<&Expr>) -> Eval<Str> {
    match pattern {
        Some(pattern) => Ok(super::eval_text(frame, pattern)?),
        None => Ok("*.conf".into()),
    }
}

fn sources<'r>(frame: &Frame<'r>) -> Outcome<&'r dyn Sources> {
    frame
        .run
        .sources
        .ok_or_else(|| Fault::new("files cannot be included while running"))
}

fn inherited(frame: &Frame<'_>) -> Origin {
    Origin {
        zone: frame.source.zone.clone(),
        package: frame.source.package.clone(),
        directory: None,
    }
}

/// What comes with the program, or with Icinga 2.
const LIBRARY: &[&str] = &[
    "itl",
    "manubulon",
    "nscp",
    "plugins",
    "plugins-contrib",
    "windows-plugins",
];

fn not_there(path: &str) -> Fault {
    Fault::script(format!("Include file '{path}' does not exist")).code("missing-file")
}

/// The same, with files of that directory whose names are near.
fn not_in_directory(frame: &Frame<'_>, path: &str, full: &str) -> Fault {
    let fault = not_there(path);
    let name = full.rsplit('/').next().unwrap_or_default();
    let entries = sources(frame).and_then(|it| files::list(it, files::directory_of(full)));
    let Ok(entries) = entries else {
        return fault.note("its directory does not exist");
    };
    let near = Suggester::default().nearest(name, entries.iter().map(|it| it.name.as_str()));
    let head = path.strip_suffix(name).unwrap_or_default();
    let near: Vec<String> = near.iter().map(|name| format!("{head}{name}")).collect();
    match question(&near) {
        Some(question) => fault.note(question),
        None => fault,
    }
}

/// The same error, with directories whose names are near when it is that this one is not there.
fn no_directory(sources: &dyn Sources, fault: Fault, directory: &str) -> Fault {
    if sources.list(directory).is_ok() {
        return fault;
    }
    let fault = fault.code("missing-file");
    let trimmed = directory.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or_default();
    let Ok(entries) = sources.list(files::directory_of(trimmed)) else {
        return fault.note("the directory above it does not exist either");
    };
    let dirs = entries.iter().filter(|it| it.is_dir);
    let near = Suggester::default().nearest(name, dirs.map(|it| it.name.as_str()));
    match question(&near) {
        Some(question) => fault.note(question),
        None if directory.starts_with('/') => fault,
        None => fault.note("the path is looked up from the directory of the file that names it"),
    }
}

/// The path seen from the file that includes it.
fn absolute(frame: &Frame<'_>, path: &str) -> Outcome<String> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    match &frame.source.directory {
        Some(directory) => Ok(format!("{directory}/{path}")),
        None => Err(not_there(path)),
    }
}

fn include(frame: &mut Frame<'_>, path: &str, search: bool) -> Eval {
    let sources = sources(frame)?;
    let origin = inherited(frame);
    if search {
        let dirs = frame.run.env.include_dirs.iter();
        let found = dirs
            .map(|dir| format!("{dir}/{path}"))
            .find(|file| sources.is_file(file));
        return match (found, crate::itl::embedded(path)) {
            (Some(file), _) => include_all(frame, &[file], &origin),
            (None, Some(text)) => run_text(frame, &format!("<{path}>"), text, origin),
            (None, None) => {
                let dirs = frame.run.env.include_dirs.join("', '");
                let near = Suggester::default().nearest(path, LIBRARY.iter().copied());
                let note = question(&near).unwrap_or_else(|| format!("looked for in '{dirs}'"));
                Err(not_there(path).note(note).into())
            }
        };
    }
    let has_wildcard = path.contains(['*', '?']);
    let full = match absolute(frame, path) {
        Err(_) if has_wildcard => return Ok(Value::Empty),
        other => other?,
    };
    let kinds = files::FILE | files::DIRECTORY;
    let found = files::glob(frame.run, sources, &full, kinds)?;
    if found.is_empty() && !has_wildcard {
        return Err(not_in_directory(frame, path, &full).into());
    }
    let files: Vec<String> = found
        .into_iter()
        .filter(|path| sources.is_file(path))
        .collect();
    include_all(frame, &files, &origin)
}

/// One file after the other; the value is that of the last.
///
/// Some at a time are read and counted, parsed on all cores, and evaluated in their order. What is
/// wrong with reading one is told when those before it are done.
fn include_all(frame: &mut Frame<'_>, files: &[String], origin: &Origin) -> Eval {
    let sources = sources(frame)?;
    let mut last = Value::Empty;
    let mut rest = files;
    while !rest.is_empty() {
        let (texts, error) = read_ahead(frame, sources, rest);
        rest = rest.get(texts.len()..).unwrap_or_default();
        let parsed = parallel_from(2, &texts, frame.run.env.threads, |texts| {
            let parse = |(path, text): &(&String, String)| {
                let directory = Some(files::directory_of(path).to_owned());
                let origin = Origin {
                    directory,
                    ..origin.clone()
                };
                Parsed::new(path, text, origin)
            };
            texts.iter().map(parse).collect()
        });
        drop(texts);
        for parsed in parsed {
            last = run_parsed(frame, parsed)?;
        }
        if let Some(error) = error {
            return Err(error.into());
        }
    }
    Ok(last)
}

/// Files, and bytes of them, from which on no more are read before the first is evaluated.
const READ_AHEAD: usize = 32;
const READ_AHEAD_BYTES: usize = 16 << 20;

/// The texts of the first files, and the error at the one behind them. Each counts before any is
/// parsed: a directory that includes itself must not be parsed ahead without end.
fn read_ahead<'f>(
    frame: &Frame<'_>,
    sources: &dyn Sources,
    files: &'f [String],
) -> (Vec<(&'f String, String)>, Option<Fault>) {
    let mut texts = Vec::new();
    let mut bytes = 0;
    for path in files.iter().take(READ_AHEAD) {
        match read_file(frame, sources, path) {
            Ok(text) => {
                bytes += text.len();
                texts.push((path, text));
            }
            Err(fault) => return (texts, Some(fault)),
        }
        if bytes >= READ_AHEAD_BYTES {
            break;
        }
    }
    (texts, None)
}

fn read_file(frame: &Frame<'_>, sources: &dyn Sources, path: &str) -> Outcome<String> {
    let bytes = sources
        .read(path)
        .map_err(|error| Fault::new(format!("Could not open file '{path}': {error}")))?;
    frame.run.parses(bytes.len())?;
    Ok(files::decode(&bytes))
}

fn include_zones(frame: &mut Frame<'_>, package: &Str, path: &str, pattern: &str) -> Eval {
    let root = absolute(frame, path)?;
    let sources = sources(frame)?;
    let entries = files::list(sources, &root)?;
    let mut last = Value::Empty;
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let origin = Origin {
            zone: Some(Str::from(&entry.name)),
            package: package.clone(),
            directory: None,
        };
        let directory = format!("{root}/{}", entry.name);
        let files = files::recursive(frame.run, sources, &directory, pattern, files::FILE)?;
        last = include_all(frame, &files, &origin)?;
    }
    Ok(last)
}

/// Parses and evaluates a text. While errors are kept, so are all of this one, and its warnings.
fn run_text(frame: &mut Frame<'_>, path: &str, text: &str, origin: Origin) -> Eval {
    run_parsed(frame, Parsed::new(path, text, origin))
}

fn run_parsed(frame: &mut Frame<'_>, parsed: Parsed) -> Eval {
    let keeper = &frame.run.keeper;
    if !keeper.is_on() {
        let source = admit_valid(frame.run.env, parsed)?;
        return run_source(frame, &source);
    }
    let (source, diagnostics) = admit(frame.run.env, parsed);
    if !diagnostics.is_empty() {
        let slip = Slip::of_text(diagnostics, &source.text);
        let broken = slip.is_error();
        keeper.add(slip);
        if broken {
            return Ok(Value::Empty);
        }
    }
    within(frame, &source, |frame| {
        let mut last = Value::Empty;
        for statement in &source.block {
            match eval(frame, statement) {
                Ok(value) => last = value,
                Err(stop) => {
                    let keeper = &frame.run.keeper;
                    keeper.keep(stop.into_fault().into(), statement)?;
                }
            }
        }
        Ok(last)
    })
}

/// Evaluates a text where it is included: it sees, and adds to, the variables of the place, and
/// `this` is the same.
fn run_source(frame: &mut Frame<'_>, source: &Arc<Source>) -> Eval {
    within(frame, source, |frame| eval_block(frame, &source.block))
        .map_err(|stop| stop.into_fault().into())
}

fn within<'r>(
    frame: &mut Frame<'r>,
    source: &Arc<Source>,
    work: impl FnOnce(&mut Frame<'r>) -> Eval,
) -> Eval {
    let outer = std::mem::replace(&mut frame.source, Arc::clone(source));
    let result = work(frame);
    frame.source = outer;
    result
}
