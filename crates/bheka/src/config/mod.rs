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
use std::fs::File;
use std::path::PathBuf;

use anyhow::bail;
use bheka_api::Template;
use bheka_lang::{Globals, LangDiagnostic, ZoneDir};
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

/// A valid configuration.
pub(crate) struct Loaded {
    /// Its objects.
    pub(crate) generation: Generation,
    /// Its templates with the types that they are for, for the API.
    pub(crate) templates: Vec<(Str, Template)>,
    /// What its functions need. Keep it as long as any of them may be called; then call
    /// [`Globals::retire`], for functions and globals refer to each other.
    pub(crate) globals: Globals,
}

/// Loads the configuration that the command line names. `None` when it is not valid; what is wrong
/// has been logged then.
///
/// # Errors
/// When a file that the command line names cannot be read.
pub(crate) fn load(
    settings: &Settings,
    options: &DaemonOptions,
    number: u64,
) -> anyhow::Result<Option<Loaded>> {
    let logs = &*options.logs;
    logs.write(
        Severity::Information,
        "cli",
        "Loading configuration file(s).",
    );
    let attempt = Attempt {
        settings,
        files: files(settings, options)?,
        logs,
        recorder: Recorder::new(&DiskSources),
    };
    attempt.check_files()?;
    let tracked = options.dump_objects;
    let mut outcome = attempt.evaluate(tracked);
    let built = attempt.build(&mut outcome, number);
    let is_valid = outcome.is_valid() && !built.has_errors();
    let mut reporter = Reporter::new(logs, options.findings);
    if is_valid || tracked {
        reporter.report(&outcome, &built);
    } else {
        // The lines of attributes are known only when they are recorded. That costs memory which a
        // valid configuration is spared.
        let mut tracked = attempt.evaluate(true);
        let built = attempt.build(&mut tracked, number);
        reporter.report(&tracked, &built);
        tracked.loaded.globals.retire();
    }
    if is_valid {
        return Ok(Some(attempt.finish(outcome, built, options)));
    }
    outcome.loaded.globals.retire();
    let text = format!(
        "Config validation failed. Re-run with '{PROGRAM} daemon -C' after fixing the config."
    );
    logs.write(Severity::Critical, "cli", text);
    Ok(None)
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
    files: Vec<PathBuf>,
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

    fn evaluate(&self, tracked: bool) -> Outcome {
        let zone_dirs = places::zone_dirs(&self.settings.paths, self.logs);
        let inputs = self.inputs(&zone_dirs);
        let loaded = inputs.evaluate(&self.recorder, tracked);
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
            loaded: inputs.evaluate(&self.recorder, tracked),
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

    fn build(&self, outcome: &mut Outcome, number: u64) -> Built {
        let mut declarations = std::mem::take(&mut outcome.loaded.declarations);
        complete(&mut declarations);
        let failed = std::mem::take(&mut outcome.loaded.failed);
        let globals = outcome.loaded.globals.to_map();
        let doubts = &outcome.loaded.doubts;
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
