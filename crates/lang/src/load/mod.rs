//! From files to declarations.

mod apply;
mod commit;
mod condition;
mod index;
mod report;
mod share;

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_value::schema::{Catalogue, TypeInfo};
use bheka_value::{Declaration, Doubts, Str, Timestamp, Value};

pub(crate) use commit::commit;
use rayon::prelude::*;
pub(crate) use report::Report;
use share::Sharer;

use crate::diag::{LangDiagnostic, LogLine};
use crate::doubt::Slip;
use crate::draft::Draft;
use crate::env::{Env, Runtime, Settings};
use crate::eval::{Frame, eval};
use crate::fault::{Fault, Stop};
use crate::files;
use crate::run::Run;
use crate::source::{Origin, Source};
use crate::{Sources, itl};

/// A directory whose objects belong to a zone.
#[derive(Clone, Debug)]
pub struct ZoneDir {
    /// The zone.
    pub zone: String,
    /// The package (`_etc`, `_api`, …).
    pub package: String,
    /// Where it lies.
    pub path: String,
}

/// What to load.
pub struct Load<'a> {
    /// The table of types.
    pub catalogue: &'static dyn Catalogue,
    /// Files and environment variables.
    pub sources: &'a dyn Sources,
    /// Where `include <…>` looks.
    pub include_dirs: Vec<String>,
    /// The files to evaluate, in order.
    pub files: Vec<String>,
    /// Globals: `-D`, and what the program provides. Names of attributes of
    /// `System.Configuration` (`DataDir`) go there; others may be dotted
    /// (`System.PlatformName`).
    pub constants: Vec<(String, Value)>,
    /// Directories of zones, evaluated behind the files.
    pub zone_dirs: Vec<ZoneDir>,
    /// The time, for `get_time()`.
    pub now: Timestamp,
    /// Whether to note which line set which attribute. It costs memory; a run that found errors
    /// can be repeated with it to get their lines.
    pub track_modifications: bool,
    /// How many threads evaluate bodies and apply rules.
    pub threads: usize,
}

/// What came of it.
pub struct Loaded {
    /// The objects, in the order of their making, with the attributes that were set. Those that
    /// the system brings along (`ido`, `icingadb`) belong to no package; Icinga 2 neither counts
    /// nor lists them.
    pub declarations: Vec<Declaration>,
    /// The globals. Keep them as long as functions of the configuration may be called.
    pub globals: Globals,
    /// Errors and warnings. With an error the declarations are incomplete.
    pub diagnostics: Vec<LangDiagnostic>,
    /// Objects of which some statements failed, as far as they came: their other attributes can be
    /// checked.
    pub failed: Vec<Declaration>,
    /// What may be missing because of the errors.
    pub doubts: Doubts,
    /// Errors that are not among `diagnostics`: they follow from others.
    pub held: usize,
    /// Errors that are not among `diagnostics`: there are too many.
    pub more: usize,
    /// Objects that were left out because of `ignore_on_error`, with the error.
    pub ignored: Vec<LangDiagnostic>,
    /// What `log()` said.
    pub log: Vec<LogLine>,
}

/// The global variables and functions of a loaded configuration.
#[derive(Clone, Debug)]
pub struct Globals {
    pub(crate) env: Arc<Env>,
}

impl Globals {
    /// A global by name; dots reach into namespaces.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        let imported = || {
            self.env
                .imports
                .iter()
                .find_map(|import| import.as_object()?.attribute(first))
        };
        let mut value = self.env.globals.get(first).or_else(imported)?;
        for part in parts {
            value = match &value {
                Value::Dictionary(dictionary) => dictionary.get(part)?,
                Value::Object(object) => object.attribute(part)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// A live object by type and full name, once a daemon is attached; until then there is none.
    #[must_use]
    pub fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        self.env.object(type_name, name)
    }

    /// All globals and the attributes of `System.Configuration`, without functions and types:
    /// what macros, `variable list` and the generation need.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<Str, Value> {
        let mut map = BTreeMap::new();
        if let Some(Value::Object(configuration)) = self.env.imports.get(1) {
            for name in configuration.attribute_names() {
                if let Some(value) = configuration.attribute(&name) {
                    map.insert(name, value);
                }
            }
        }
        let built_in = ["System", "Icinga", "Types", "Internal", "StatsFunctions"];
        let own = self.env.globals.entries().into_iter();
        map.extend(own.filter(|(name, _)| !built_in.contains(&name.as_str())));
        map
    }

    /// From now on functions see the running daemon's objects, time and log.
    pub fn attach(&self, runtime: Arc<dyn Runtime>) {
        self.env.attach(Some(runtime));
        self.env.registry.clear();
    }

    /// Whether both are those of one configuration.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.env, &other.env)
    }

    /// Drops the globals' values. Functions and globals refer to each other; this is how their
    /// memory comes free when a generation is done with.
    pub fn retire(&self) {
        self.env.globals.clear();
        self.env.registry.clear();
        self.env.forget_sources();
        self.env.attach(None);
    }
}

/// Parses, evaluates, commits types in dependency order, applies rules, assigns groups.
///
/// Runs on a thread of its own with a large stack. All errors are reported, not only the first.
#[must_use]
pub fn load(load: Load<'_>) -> Loaded {
    crate::stack::with_large_stack(|| load_here(load))
}

fn load_here(load: Load<'_>) -> Loaded {
    let env = Env::new(Settings {
        catalogue: load.catalogue,
        constants: load.constants,
        include_dirs: load.include_dirs,
        now: load.now,
        zone: time_zone(load.sources),
        tracking: load.track_modifications,
        threads: load.threads,
    });
    let mut report = Report::default();
    env.registry.open();
    let run = Run::new(&env, Some(load.sources));
    load_system(&run, &mut report);
    for path in &load.files {
        let package = Str::from("_etc");
        let origin = Origin {
            zone: None,
            package,
            directory: None,
        };
        evaluate_file(&run, path, origin, &mut report);
    }
    for dir in &load.zone_dirs {
        evaluate_zone(&run, dir, &mut report);
    }
    commit(&run, &mut report);
    env.registry.close();
    finish(&env, report)
}

/// The time zone for `DateTime`: `TZ` of the environment, else the system's.
pub(crate) fn time_zone(sources: &dyn Sources) -> jiff::tz::TimeZone {
    use jiff::tz::TimeZone;
    match sources.env("TZ").filter(|name| !name.is_empty()) {
        Some(name) => TimeZone::get(name.trim_start_matches(':')).unwrap_or(TimeZone::UTC),
        None => TimeZone::system(),
    }
}

/// The templates and commands that are there before any file.
pub(crate) fn load_system(run: &Run<'_>, report: &mut Report) {
    for (path, text) in itl::SYSTEM {
        match parse(run.env, path, text, Origin::default()) {
            Ok(source) => evaluate(run, &source, report),
            Err(stop) => report.fault(run.env, stop.into_fault()),
        }
        commit(run, report);
    }
    crate::builtins::hide_internal(run.env);
}

fn evaluate_file(run: &Run<'_>, path: &str, mut origin: Origin, report: &mut Report) {
    let Some(sources) = run.sources else { return };
    match sources.read(path) {
        Ok(bytes) => {
            origin.directory = Some(files::directory_of(path).to_owned());
            let text = files::decode(&bytes);
            let (source, diagnostics) = parse_all(run.env, path, &text, origin);
            let slip = Slip::of_text(diagnostics, &text);
            if !report.slips(run.env, vec![slip], None) {
                evaluate(run, &source, report);
            }
        }
        Err(error) => {
            let fault = Fault::script(format!("Could not open file '{path}': {error}"));
            report.fault(run.env, fault.code("unreadable-file"));
            report.doubts.all = true;
        }
    }
}

fn evaluate_zone(run: &Run<'_>, dir: &ZoneDir, report: &mut Report) {
    let Some(sources) = run.sources else { return };
    match files::recursive(run, sources, &dir.path, "*.conf", files::FILE) {
        Ok(found) => {
            for file in found {
                let zone = Some(Str::from(&dir.zone));
                let origin = Origin {
                    zone,
                    package: Str::from(&dir.package),
                    directory: None,
                };
                evaluate_file(run, &file, origin, report);
            }
        }
        Err(fault) => {
            report.fault(run.env, fault.code("unreadable-file"));
            report.doubts.all = true;
        }
    }
}

/// Evaluates the statements of a file. An error ends its statement, not the file, so that one run
/// shows them all.
fn evaluate(run: &Run<'_>, source: &Arc<Source>, report: &mut Report) {
    let mut frame = Frame::new(run, source);
    for statement in &source.block {
        run.renew();
        run.keeper.start();
        let result = eval(&mut frame, statement);
        // Those of the files that it included.
        let mut slips = run.keeper.finish();
        if let Err(stop) = result {
            slips.push(Slip::new(stop.into_fault(), statement));
        }
        report.slips(run.env, slips, None);
    }
}

/// Parses a text; the first error is the result where there are some.
pub(crate) fn parse(
    env: &Env,
    path: &str,
    text: &str,
    origin: Origin,
) -> Result<Arc<Source>, Stop> {
    admit_valid(env, Parsed::new(path, text, origin))
}

/// Makes a parsed text known; the first error is the result where there are some.
pub(crate) fn admit_valid(env: &Env, parsed: Parsed) -> Result<Arc<Source>, Stop> {
    let (source, diagnostics) = admit(env, parsed);
    match diagnostics.into_iter().find(LangDiagnostic::is_error) {
        Some(error) => {
            let mut fault = Fault::script(error.message);
            fault.location = error.location;
            Err(fault.into())
        }
        None => Ok(source),
    }
}

/// Parses a text, with everything that was wrong.
pub(crate) fn parse_all(
    env: &Env,
    path: &str,
    text: &str,
    origin: Origin,
) -> (Arc<Source>, Vec<LangDiagnostic>) {
    admit(env, Parsed::new(path, text, origin))
}

/// A text that nobody knows of yet. Making it depends on the text alone, so that many can be made
/// at once.
pub(crate) struct Parsed {
    source: Arc<Source>,
    diagnostics: Vec<bheka_syntax::Diagnostic>,
    applies: Vec<Arc<bheka_syntax::ast::ApplyExpr>>,
}

impl Parsed {
    pub(crate) fn new(path: &str, text: &str, origin: Origin) -> Self {
        let parsed = bheka_syntax::parse(text);
        Self {
            source: Arc::new(Source::new(path, text, parsed.block, origin)),
            diagnostics: parsed.diagnostics,
            applies: parsed.applies,
        }
    }
}

/// Makes a parsed text known, with everything that was wrong in it.
pub(crate) fn admit(env: &Env, parsed: Parsed) -> (Arc<Source>, Vec<LangDiagnostic>) {
    let source = parsed.source;
    env.add_source(&source);
    let diagnostics = parsed.diagnostics.into_iter();
    let diagnostics = diagnostics.map(|diagnostic| LangDiagnostic::of_text(&source, diagnostic));
    let mut diagnostics: Vec<_> = diagnostics.collect();
    // Rules for types that have none are errors even where nothing evaluates them.
    for apply in &parsed.applies {
        if let Err(fault) = crate::eval::declare::apply_types(env, &source, apply) {
            let mut diagnostic = LangDiagnostic::error(env, fault);
            diagnostic.is_syntax = true;
            diagnostics.push(diagnostic);
        }
    }
    (source, diagnostics)
}

fn finish(env: &Arc<Env>, mut report: Report) -> Loaded {
    let mut log = Vec::new();
    for line in env.take_log() {
        if line.from_script {
            log.push(line);
            continue;
        }
        report.diagnostics.push(LangDiagnostic::of_log(env, line));
    }
    if !report.has_errors() {
        for rule in env.registry.rules() {
            if !rule.matched.load(std::sync::atomic::Ordering::Acquire) {
                report
                    .diagnostics
                    .push(crate::diag::unused_rule(env, &rule));
            }
        }
        let empty = env.registry.unmatched_groups();
        let empty = empty
            .iter()
            .map(|group| crate::diag::empty_group(env, group));
        report.diagnostics.extend(empty);
    }
    let made = env.registry.take_made();
    let failed = std::mem::take(&mut report.failed);
    let endless = made
        .par_iter()
        .filter(|(draft, _)| report::is_endless(draft));
    let endless: Vec<Arc<Draft>> = endless.map(|(draft, _)| Arc::clone(draft)).collect();
    for draft in endless.iter().chain(&failed) {
        report.endless(env, draft);
    }
    drop(endless);
    report.close();
    let failed = failed.into_iter().map(|draft| (draft, false)).collect();
    let failed = declare_all(failed, env.threads);
    let declarations = declare_all(made, env.threads);
    env.forget_sources();
    Loaded {
        declarations,
        globals: Globals {
            env: Arc::clone(env),
        },
        diagnostics: report.diagnostics,
        failed,
        doubts: report.doubts,
        held: report.held,
        more: report.more,
        ignored: report.ignored,
        log,
    }
}

/// What the model gets of drafts, in their order.
fn declare_all(drafts: Vec<(Arc<Draft>, bool)>, threads: usize) -> Vec<Declaration> {
    // Each part shares values among its own objects.
    let part = drafts.len().div_ceil(threads).max(1);
    let drafts = drafts.into_iter().filter_map(|(draft, ignore_on_error)| {
        let info = draft.entry.info?;
        Some((info, draft, ignore_on_error))
    });
    drafts
        .collect::<Vec<_>>()
        .into_par_iter()
        .with_min_len(part)
        .map_init(Sharer::default, |sharer, (info, draft, ignore_on_error)| {
            declare(info, draft, ignore_on_error, sharer)
        })
        .collect()
}

/// What the model gets of a draft.
fn declare(
    type_info: &'static TypeInfo,
    draft: Arc<Draft>,
    ignore_on_error: bool,
    sharer: &mut Sharer,
) -> Declaration {
    let location = draft.location.clone();
    // A function that captured the object keeps it as it is.
    let mut state = match Arc::try_unwrap(draft) {
        Ok(draft) => draft.into_state(),
        Err(draft) => draft.read().clone(),
    };
    for (name, value) in std::mem::take(&mut state.defaults) {
        if value.is_true() {
            state.attributes.insert(name.into(), value);
        }
    }
    for (_, value) in state.attributes.iter_mut() {
        sharer.share(value);
    }
    let short_name = state.short_name.unwrap_or_else(|| state.name.clone());
    Declaration {
        type_info,
        name: state.name,
        short_name,
        zone: state.zone,
        package: state.package,
        attributes: state.attributes,
        templates: state.templates,
        location,
        ignore_on_error,
        modifications: state.modifications,
    }
}
