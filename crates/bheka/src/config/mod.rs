//! From files to a generation: reads the disk for the language, lets the model build, and says
//! what it found in Icinga 2's words.
//!
//! `daemon -C`, the start of the daemon and every reload take this one path, so that they agree
//! about what is valid.

mod caches;
mod finding;
mod inputs;
mod places;
mod render;
mod report;
mod sources;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use bheka_api::Template;
use bheka_lang::{Globals, LangDiagnostic, Sources, ZoneDir};
use bheka_model::{Built, ConfigObject, Generation, ModelDiagnostic};
use bheka_net::{Identity, IdentityFiles, TlsSettings};
use bheka_value::schema::Catalogue;
use bheka_value::{Advice, Declaration, Location, Str, Value};

use crate::cli::DaemonOptions;
use crate::daemon::{clock, listener};
use crate::log::{LogSinks, Severity};
use crate::settings::Settings;
use crate::version::PROGRAM;
pub(crate) use finding::{Excerpts, Finding};
pub(crate) use inputs::refresh_objects;
use inputs::{Inputs, Recorder};
pub(crate) use render::place_in;
use report::Reporter;
pub(crate) use report::{FindingFormat, report_failure};
pub(crate) use sources::DiskSources;
use sources::StagedSources;

/// A valid configuration.
pub(crate) struct Loaded {
    /// Its objects.
    pub(crate) generation: Generation,
    /// Its templates with the types that they are for, for the API.
    pub(crate) templates: Vec<(Str, Template)>,
    /// What its functions need. Keep it as long as any of them may be called; then call
    /// [`Globals::retire`], for functions and globals refer to each other.
    pub(crate) globals: Globals,
    /// How long reading and evaluating took.
    pub(crate) evaluated_in: Duration,
    /// How long building and validating the objects took.
    pub(crate) built_in: Duration,
}

/// How to load.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The number of the generation.
    pub(crate) number: u64,
    /// How many threads evaluate.
    pub(crate) threads: usize,
    /// Where files of a parent lie that are to take the place of those in
    /// `Paths::received_zones_dir` when they prove valid. They are read from here, but every place
    /// in what is made of them names where they will be.
    pub(crate) staged: Option<PathBuf>,
}

impl Plan {
    /// On all cores, with what is in force.
    pub(crate) fn at_full_speed(number: u64) -> Self {
        Self {
            number,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            staged: None,
        }
    }
}

/// A configuration that is not valid. Everything that is wrong with it has been logged; this is
/// enough for a status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invalid {
    /// How many errors there are.
    pub(crate) errors: usize,
    /// The first of them with its place.
    pub(crate) first: Option<String>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.errors, &self.first) {
            (_, None) => f.write_str("the configuration has errors"),
            (1, Some(first)) => write!(f, "the configuration has an error: {first}"),
            (errors, Some(first)) => {
                write!(
                    f,
                    "the configuration has {errors} errors, the first: {first}"
                )
            }
        }
    }
}

/// Loads the configuration that the command line names. When it is not valid, what is wrong has
/// been logged.
///
/// # Errors
/// When a file that the command line names cannot be read.
pub(crate) fn load(
    settings: &Settings,
    options: &DaemonOptions,
    plan: &Plan,
) -> anyhow::Result<Result<Loaded, Invalid>> {
    let logs = &*options.logs;
    logs.write(
        Severity::Information,
        "cli",
        "Loading configuration file(s).",
    );
    let received = &settings.paths.received_zones_dir;
    let staged = plan
        .staged
        .as_ref()
        .map(|stage| StagedSources::new(received, stage));
    let sources: &dyn Sources = match &staged {
        Some(staged) => staged,
        None => &DiskSources,
    };
    let attempt = Attempt {
        settings,
        plan,
        files: files(settings, options)?,
        received: plan.staged.as_ref().unwrap_or(received),
        logs,
        recorder: Recorder::new(sources),
    };
    attempt.check_files()?;
    let tracked = options.dump_objects;
    let begun = Instant::now();
    let mut outcome = attempt.evaluate(tracked);
    let evaluated_in = begun.elapsed();
    let built = attempt.build(&mut outcome);
    let built_in = begun.elapsed() - evaluated_in;
    let is_valid = outcome.is_valid() && !built.has_errors();
    let mut reporter = Reporter::new(logs, options.findings);
    if is_valid {
        reporter.report(&outcome, &built);
        let loaded = attempt.finish(outcome, built, options);
        return Ok(Ok(Loaded {
            evaluated_in,
            built_in,
            ..loaded
        }));
    }
    if tracked && staged.is_none() {
        reporter.report(&outcome, &built);
    } else {
        // The lines of attributes are known only when they are recorded. That costs memory which a
        // valid configuration is spared.
        attempt.report_again(&mut reporter);
    }
    outcome.loaded.globals.retire();
    let text = format!(
        "Config validation failed. Re-run with '{PROGRAM} daemon -C' after fixing the config."
    );
    logs.write(Severity::Critical, "cli", text);
    Ok(Err(reporter.verdict()))
}

/// The files that the command line names, or the usual one.
fn files(settings: &Settings, options: &DaemonOptions) -> anyhow::Result<Vec<PathBuf>> {
    Ok(match (&options.config[..], options.no_config) {
        ([], true) => Vec::new(),
        ([], false) => vec![settings.paths.main_file()],
        (given, false) => given.to_vec(),
        (_, true) => bail!("--no-config (-z) and --config (-c) exclude each other"),
    })
}

struct Attempt<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    files: Vec<PathBuf>,
    /// Where what a parent sent lies now.
    received: &'a PathBuf,
    logs: &'a LogSinks,
    recorder: Recorder<'a>,
}

/// What the language made of the files.
struct Outcome {
    loaded: bheka_lang::Loaded,
    /// Directories that belong to no zone.
    stray: Vec<ZoneDir>,
    inputs: Inputs,
}

impl Outcome {
    fn is_valid(&self) -> bool {
        !self.loaded.diagnostics.iter().any(LangDiagnostic::is_error)
    }
}

impl Attempt<'_> {
    fn check_files(&self) -> anyhow::Result<()> {
        for path in &self.files {
            // Opening a pipe would take from it what the evaluator is to read.
            let opened = std::fs::metadata(path).and_then(|data| {
                if data.is_file() {
                    File::open(path).map(drop)
                } else {
                    Ok(())
                }
            });
            if let Err(error) = opened {
                let error = bheka_lang::SourceError::from(error);
                bail!(
                    "Could not compile config files: Error: cannot open file '{}' ({error}); name \
                     another one with --config, or let '{PROGRAM} node setup' write a basic \
                     configuration",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// Evaluates once more, now with the lines that set each attribute, and tells what is wrong.
    fn report_again(&self, reporter: &mut Reporter<'_>) {
        if self.plan.staged.is_none() {
            return self.report_tracked(reporter);
        }
        // What was staged will not get to its place: people must find it where it is.
        let mut settings = self.settings.clone();
        settings.paths.received_zones_dir.clone_from(self.received);
        let again = Attempt {
            settings: &settings,
            plan: self.plan,
            files: self.files.clone(),
            received: self.received,
            logs: self.logs,
            recorder: Recorder::new(&DiskSources),
        };
        again.report_tracked(reporter);
    }

    fn report_tracked(&self, reporter: &mut Reporter<'_>) {
        let mut tracked = self.evaluate(true);
        let built = self.build(&mut tracked);
        reporter.report(&tracked, &built);
        tracked.loaded.globals.retire();
    }

    fn evaluate(&self, tracked: bool) -> Outcome {
        let threads = self.plan.threads;
        let zone_dirs = places::zone_dirs(&self.settings.paths, self.received, self.logs);
        let inputs = self.inputs(&zone_dirs);
        let loaded = inputs.evaluate(&self.recorder, tracked, threads);
        // Directories of zones that do not exist must not count. Most often there are none; to
        // know, one must have evaluated the files.
        let zones = zones(&loaded);
        let exists = |dir: &ZoneDir| {
            zones.contains(dir.zone.as_str()) || loaded.doubts.object("Zone", &dir.zone)
        };
        let (known, stray): (Vec<_>, Vec<_>) = zone_dirs.into_iter().partition(exists);
        if stray.is_empty() {
            return Outcome {
                loaded,
                stray,
                inputs,
            };
        }
        loaded.globals.retire();
        let inputs = self.inputs(&known);
        Outcome {
            loaded: inputs.evaluate(&self.recorder, tracked, threads),
            stray,
            inputs,
        }
    }

    fn inputs(&self, zone_dirs: &[ZoneDir]) -> Inputs {
        let text = |path: &PathBuf| path.display().to_string();
        let packages = places::packages(&self.settings.paths);
        let files = self.files.iter();
        let files = files.chain(packages.iter().map(|it| &it.file)).map(text);
        Inputs {
            include_dirs: self.settings.include_search().iter().map(text).collect(),
            files: files.collect(),
            constants: self.settings.constants(),
            zone_dirs: zone_dirs.to_vec(),
            packages,
            now: clock::now(),
        }
    }

    fn build(&self, outcome: &mut Outcome) -> Built {
        let mut declarations = std::mem::take(&mut outcome.loaded.declarations);
        complete(&mut declarations);
        let failed = std::mem::take(&mut outcome.loaded.failed);
        let globals = outcome.loaded.globals.to_map();
        let doubts = &outcome.loaded.doubts;
        let number = self.plan.number;
        let mut built = bheka_model::build_beside(number, declarations, failed, doubts, globals);
        built
            .diagnostics
            .extend(self.certificate_fault(&built.generation));
        built
    }

    /// What is wrong with the files and ciphers of an ApiListener. The model knows no files, so it is
    /// found here; a node that cannot listen must be known before it is started or reloaded.
    fn certificate_fault(&self, generation: &Generation) -> Option<ModelDiagnostic> {
        let listener = generation.of_type("ApiListener").next()?;
        let name = generation.global_string("NodeName")?;
        let files = IdentityFiles::in_directory(&self.settings.paths.certs_dir(), &name);
        let certificate = files.certificate.display().to_string();
        let wanted = listener::tls_settings(listener);
        let with_crl = TlsSettings {
            crl: wanted.crl.clone(),
            ..TlsSettings::default()
        };
        let with_list = TlsSettings {
            cipher_list: wanted.cipher_list.clone(),
            ..TlsSettings::default()
        };
        // One after the other, so that each is blamed for what it alone brings.
        let message = if let Err(error) = Identity::load(&files, TlsSettings::default()) {
            format!(
                "Cannot get certificate from cert path: '{certificate}'. {error}; run '{PROGRAM} \
                 api setup' or '{PROGRAM} node setup', or disable the feature 'api'."
            )
        } else if let Err(error) = Identity::load(&files, with_crl) {
            let path = listener.string("crl_path");
            format!(
                "Cannot add certificate revocation list to SSL context for crl path: '{path}'. \
                 {error}."
            )
        } else if let Err(error) = Identity::load(&files, with_list) {
            let list = wanted.cipher_list.unwrap_or_default();
            format!("Cannot set cipher list to SSL context for cipher list: '{list}'. {error}.")
        } else {
            return None;
        };
        Some(ModelDiagnostic {
            severity: bheka_model::Severity::Error,
            facility: "config",
            message,
            location: Some(listener.location.clone()),
            object: Some(("ApiListener", listener.name.clone())),
            advice: Advice::of("certificate"),
        })
    }

    fn finish(&self, outcome: Outcome, built: Built, options: &DaemonOptions) -> Loaded {
        let generation = built.generation;
        for info in bheka_model::catalogue().types() {
            let count = generation
                .of_type(info.name)
                .filter(|it| !is_built_in(it))
                .count();
            if count > 0 {
                let text = bheka_model::instantiated_line(info, count);
                self.logs.write(Severity::Information, "ConfigItem", text);
            }
        }
        let paths = &self.settings.paths;
        let text = format!("Dumping variables to file '{}'", paths.vars_path.display());
        self.logs.write(Severity::Information, "ScriptGlobal", text);
        let globals = outcome.loaded.globals;
        let mut written = caches::write_variables(&paths.vars_path, &generation.globals);
        let inputs_path = inputs::path(paths);
        written = written.and(self.recorder.write(&inputs_path, &outcome.inputs));
        if options.dump_objects {
            written = written.and(caches::write_objects(&paths.objects_path, &generation));
        }
        if let Err(error) = written {
            self.logs
                .write(Severity::Warning, "cli", format!("{error:#}"));
        }
        Loaded {
            templates: templates(&globals),
            generation,
            globals,
            evaluated_in: Duration::ZERO,
            built_in: Duration::ZERO,
        }
    }
}

/// Whether an object is part of the program: Icinga 2 does not count or list those.
fn is_built_in(object: &ConfigObject) -> bool {
    object.package.is_empty() && object.type_info.name != APPLICATION
}

/// The names of the zones that were declared.
fn zones(loaded: &bheka_lang::Loaded) -> BTreeSet<String> {
    let declarations = loaded.declarations.iter();
    declarations
        .filter(|declaration| declaration.type_info.name == "Zone")
        .map(|declaration| declaration.name.as_str().to_owned())
        .collect()
}

/// Adds what exists also when nothing declares it.
fn complete(declarations: &mut Vec<Declaration>) {
    let mut types = declarations.iter().map(|it| it.type_info.name);
    if !types.any(|name| name == APPLICATION) {
        declarations.extend(application(bheka_model::catalogue()));
    }
}

/// The application object that exists even when nothing declares it.
fn application(catalogue: &'static dyn Catalogue) -> Option<Declaration> {
    Some(Declaration {
        type_info: catalogue.type_info(APPLICATION)?,
        name: "app".into(),
        short_name: "app".into(),
        zone: None,
        package: Str::default(),
        attributes: bheka_value::Map::new(),
        templates: vec!["app".into()],
        location: Location::default(),
        ignore_on_error: false,
        modifications: Vec::new(),
    })
}

/// All templates, by the language's own function.
fn templates(globals: &Globals) -> Vec<(Str, Template)> {
    let mut found = Vec::new();
    let Some(Value::Function(get_templates)) = globals.get("get_templates") else {
        return found;
    };
    for info in bheka_model::catalogue().types() {
        let Some(of_type) = globals.get(info.name) else {
            continue;
        };
        let Ok(Value::Array(templates)) = get_templates.call(None, &[of_type]) else {
            continue;
        };
        for template in templates.read().iter().filter_map(Value::as_dictionary) {
            let name = template
                .get("name")
                .and_then(|name| name.as_str().map(Str::new));
            let location = template.get("location").as_ref().map(render::location_of);
            if let (Some(name), Some(location)) = (name, location) {
                found.push((info.name.into(), Template { name, location }));
            }
        }
    }
    found
}

const APPLICATION: &str = "IcingaApplication";
