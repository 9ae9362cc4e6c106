//! From files on disk to a generation: the same code for `daemon -C`, for the start and for a
//! reload, so there is one verdict.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bheka_api::Template;
use bheka_lang::{DirEntry, Globals, LangDiagnostic, Load, SourceError, Sources, ZoneDir};
use bheka_model::{Generation, ModelDiagnostic, objects_dump};
use bheka_value::{Location, Str, Value, to_json};

use crate::cli::DaemonOptions;
use crate::daemon::clock;
use crate::settings::Settings;
use crate::version;

/// A configuration that is valid.
pub(crate) struct Loaded {
    /// Its objects.
    pub(crate) generation: Generation,
    /// Its globals, which functions need as long as they may be called.
    pub(crate) globals: Globals,
    /// Its templates by type.
    pub(crate) templates: Vec<(Str, Template)>,
}

/// The disk and the environment.
#[derive(Debug, Default)]
pub(crate) struct DiskSources;

impl Sources for DiskSources {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        Ok(std::fs::read(path)?)
    }

    fn is_file(&self, path: &str) -> bool {
        Path::new(path).is_file()
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            // Names that are not UTF-8 cannot be written in a configuration either.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = entry.path().is_dir();
            entries.push(DirEntry { name, is_dir });
        }
        Ok(entries)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Loads and checks; findings go to the log in Icinga 2's form. `None` when the configuration has
/// errors.
///
/// # Errors
/// When something other than the configuration is wrong.
pub(crate) fn load(
    settings: &Settings,
    options: &DaemonOptions,
    number: u64,
) -> anyhow::Result<Option<Loaded>> {
    tracing::info!(target: "cli", "Loading configuration file(s).");
    let files = main_files(settings, options);
    let outcome = evaluate(settings, options, files, number);
    let Some(loaded) = outcome else {
        tracing::error!(target: "cli",
            "Config validation failed. Re-run with '{} daemon -C' after fixing the config.",
            version::PROGRAM);
        return Ok(None);
    };
    tell_counts(&loaded.generation);
    dump_variables(settings, &loaded.globals)?;
    if options.dump_objects {
        dump_objects(settings, &loaded.generation)?;
    }
    Ok(Some(loaded))
}

fn main_files(settings: &Settings, options: &DaemonOptions) -> Vec<String> {
    let mut files: Vec<PathBuf> = options.config.clone();
    if files.is_empty() && !options.no_config {
        files.push(settings.paths.main_file());
    }
    if !options.no_config {
        // Configuration packages (Director, runtime objects) name their active stage themselves.
        let packages = settings.paths.data_dir.join("api/packages");
        let mut includes: Vec<PathBuf> = folders(&packages)
            .into_iter()
            .map(|package| package.join("include.conf"))
            .filter(|include| include.is_file())
            .collect();
        includes.sort();
        files.extend(includes);
    }
    files.iter().map(|path| path.display().to_string()).collect()
}

/// The directories of zones: the node's own, then those that a parent sent, unless the node itself
/// is the source of that zone.
fn zone_dirs(settings: &Settings) -> Vec<ZoneDir> {
    let paths = &settings.paths;
    let mut dirs = Vec::new();
    for dir in folders(&paths.zones_dir) {
        dirs.push(zone_dir(&dir, "_etc", &dir));
    }
    for zone in folders(&paths.data_dir.join("api/zones")) {
        let is_own = dirs.iter().any(|dir| zone.ends_with(&dir.zone));
        if is_own || zone.join(".authoritative").exists() {
            continue;
        }
        for tag in folders(&zone) {
            let package = tag.file_name().unwrap_or_default().to_string_lossy().into_owned();
            dirs.push(zone_dir(&zone, &package, &tag));
        }
    }
    dirs
}

fn zone_dir(zone: &Path, package: &str, path: &Path) -> ZoneDir {
    ZoneDir {
        zone: zone.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        package: package.to_owned(),
        path: path.display().to_string(),
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn evaluate(
    settings: &Settings,
    options: &DaemonOptions,
    files: Vec<String>,
    number: u64,
) -> Option<Loaded> {
    let sources = DiskSources;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let loaded = bheka_lang::load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &sources,
        include_dirs: settings
            .include_search()
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        files,
        constants: settings.constants(),
        zone_dirs: zone_dirs(settings),
        now: clock::now(),
        track_modifications: options.dump_objects,
        threads,
    });
    for line in &loaded.log {
        write_log(line.severity, &line.facility, &line.message);
    }
    for left_out in &loaded.ignored {
        tracing::debug!(target: "ConfigItem", "Ignoring config object: {left_out}");
    }
    let mut findings = Findings::default();
    loaded.diagnostics.iter().for_each(|diagnostic| findings.lang(diagnostic));
    let is_parsed = !loaded.diagnostics.iter().any(|diagnostic| diagnostic.is_syntax);
    if is_parsed {
        tracing::info!(target: "ConfigItem", "Committing config item(s).");
    }
    let globals = loaded.globals;
    let built = bheka_model::build(number, loaded.declarations, globals.to_map());
    if is_parsed {
        built.diagnostics.iter().for_each(|diagnostic| findings.model(diagnostic));
    }
    if findings.errors > 0 {
        if is_parsed {
            let plural = if findings.errors == 1 { "" } else { "s" };
            tracing::error!(target: "config", "{} error{plural}", findings.errors);
        }
        globals.retire();
        return None;
    }
    Some(Loaded { generation: built.generation, templates: Vec::new(), globals })
}

/// Writes findings and counts errors.
#[derive(Default)]
struct Findings {
    errors: usize,
    texts: HashMap<String, Option<String>>,
}

impl Findings {
    fn lang(&mut self, diagnostic: &LangDiagnostic) {
        if diagnostic.is_error() {
            self.errors += 1;
            tracing::error!(target: "config", "Error: {diagnostic}");
        } else {
            write_log(diagnostic.severity, diagnostic.facility, &diagnostic.to_string());
        }
    }

    fn model(&mut self, diagnostic: &ModelDiagnostic) {
        let mut text = diagnostic.message.clone();
        if let Some(location) = &diagnostic.location {
            let _ = write!(text, "\nLocation: {location}");
            if let Some(excerpt) = self.excerpt(location) {
                let _ = write!(text, "\n{excerpt}");
            }
        }
        match diagnostic.severity {
            bheka_model::Severity::Error => {
                self.errors += 1;
                tracing::error!(target: "config", "Error: {text}");
            }
            bheka_model::Severity::Warning => {
                write_log(bheka_lang::Severity::Warning, diagnostic.facility, &text);
            }
            _ => write_log(bheka_lang::Severity::Information, diagnostic.facility, &text),
        }
    }

    /// The lines around a location, with the file's name in front and the place marked.
    fn excerpt(&mut self, location: &Location) -> Option<String> {
        let path = location.path.to_string();
        let text = self
            .texts
            .entry(path.clone())
            .or_insert_with(|| {
                std::fs::read(&path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            })
            .as_ref()?;
        let start = offset(text, location.first_line, location.first_column)?;
        let end = offset(text, location.last_line, location.last_column)?.saturating_add(1);
        Some(bheka_syntax::excerpt_in(&path, text, bheka_syntax::ast::Span { start, end }))
    }
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: u32, column: u32) -> Option<u32> {
    let skipped = usize::try_from(line.checked_sub(1)?).ok()?;
    let before: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    u32::try_from(before).ok()?.checked_add(column.checked_sub(1)?)
}

fn write_log(severity: bheka_lang::Severity, facility: &str, text: &str) {
    use bheka_lang::Severity;
    let facility = if facility.is_empty() { "config" } else { facility };
    match severity {
        Severity::Debug => tracing::trace!(facility, "{text}"),
        Severity::Notice => tracing::debug!(facility, "{text}"),
        Severity::Information => tracing::info!(facility, "{text}"),
        Severity::Warning => tracing::warn!(facility, "{text}"),
        Severity::Critical => tracing::error!(facility, "{text}"),
    }
}

fn tell_counts(generation: &Generation) {
    for info in bheka_model::catalogue().types() {
        let count = generation.count(info.name);
        if count > 0 {
            let line = bheka_model::instantiated_line(info, count);
            tracing::info!(target: "ConfigItem", "{line}");
        }
    }
}

/// `VarsPath`, for `variable list` and `variable get`.
fn dump_variables(settings: &Settings, globals: &Globals) -> anyhow::Result<()> {
    let path = &settings.paths.vars_path;
    tracing::info!(target: "ScriptGlobal", "Dumping variables to file '{}'", path.display());
    let mut bytes = Vec::new();
    let variables: BTreeMap<Str, Value> = globals.to_map();
    for (name, value) in variables {
        let record = Value::dictionary([("name", Value::String(name)), ("value", value)]);
        bytes.extend(bheka_cluster::netstring::encode(to_json(&record).as_bytes()));
    }
    write_cache(path, &bytes)
}

/// `ObjectsPath`, for `object list`.
fn dump_objects(settings: &Settings, generation: &Generation) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    for object in generation.all() {
        bytes.extend(objects_dump::record(object));
    }
    write_cache(&settings.paths.objects_path, &bytes)
}

fn write_cache(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("cannot create cache directory '{}'", folder.display())
        })?;
    }
    crate::daemon::replace_file(path, bytes)
        .with_context(|| format!("cannot write '{}'", path.display()))
}
