//! The command line: Icinga 2's words, flags, output and exit codes.

mod ca;
mod completion;
mod console;
pub(crate) mod dump;
mod feature;
mod fleet;
mod fmt;
mod help;
mod literal;
mod man;
mod object;
mod parse;
mod pki;
mod rekey;
mod say;
mod setup;
mod table;
mod variable;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::{FindingFormat, report_failure};
use crate::daemon;
use crate::log::{self, LogSinks, Record, Severity, SinkKind, SinkSpec};
use crate::settings::Settings;
use crate::version;

use object::matches;
pub(crate) use parse::Invocation;
use parse::UsageError;
pub(crate) use say::{explain, print, say};

/// The options of `daemon`.
#[derive(Debug, Clone)]
pub(crate) struct DaemonOptions {
    /// Files given with `--config`; empty for the default one.
    pub(crate) config: Vec<PathBuf>,
    /// `--no-config`
    pub(crate) no_config: bool,
    /// `--validate`
    pub(crate) validate: bool,
    /// `--dump-objects`
    pub(crate) dump_objects: bool,
    /// `--format`
    pub(crate) findings: FindingFormat,
    /// `--errorlog`
    pub(crate) errorlog: Option<PathBuf>,
    /// `--daemonize`
    pub(crate) daemonize: bool,
    /// `--close-stdio`
    pub(crate) close_stdio: bool,
    /// The log of this process; the console is its only sink at first.
    pub(crate) logs: Arc<LogSinks>,
}

/// Does what the command line says, and returns this process's exit code.
pub(crate) fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let invocation = match Invocation::parse(arguments) {
        Ok(invocation) => invocation,
        Err(UsageError::Options(text)) => {
            let text = format!("Error while parsing command-line options: {text}");
            print(
                &Record::now(Severity::Critical, version::PROGRAM, text)
                    .line(log::Format::Text, false),
            );
            return ExitCode::FAILURE;
        }
        Err(UsageError::Operands(text)) => {
            say(Severity::Critical, "cli", &text);
            return ExitCode::FAILURE;
        }
    };
    let words = invocation.words();
    if invocation.flag("version") {
        print(&version::report(&Settings::new(&invocation).paths));
        return ExitCode::SUCCESS;
    }
    if invocation.flag("help") || !invocation.complete {
        print(&help::help(&table::table(), &words));
        return ExitCode::SUCCESS;
    }
    let settings = Settings::new(&invocation);
    let level = invocation.value("log-level");
    if level.is_some_and(|level| level.parse::<Severity>().is_err()) {
        let text = "Invalid log level set. Default is 'information'.";
        let record = Record::now(Severity::Critical, version::PROGRAM, text);
        print(&record.line(log::Format::Text, settings.color));
        return ExitCode::FAILURE;
    }
    let format = invocation.value("log-format");
    if let Some(format) = format.filter(|format| !["text", "json"].contains(&format.as_str())) {
        let text = format!("Invalid log format '{format}' set. Known are 'text' and 'json'.");
        let record = Record::now(Severity::Critical, version::PROGRAM, text);
        print(&record.line(log::Format::Text, settings.color));
        return ExitCode::FAILURE;
    }
    match run(&words, &invocation, settings) {
        Ok(code) => code,
        Err(error) => {
            say(Severity::Critical, "cli", &explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str], invocation: &Invocation, settings: Settings) -> anyhow::Result<ExitCode> {
    if writes_for_daemon(words) {
        daemon::account::change(&settings.run_as_user, &settings.run_as_group)?;
    }
    match words {
        ["ca", "list"] => ca::list(invocation, &settings),
        ["ca", "remove"] => ca::remove(invocation, &settings),
        ["ca", "restore"] => ca::restore(invocation, &settings),
        ["ca", "sign"] => ca::sign(invocation, &settings),
        ["api", "setup"] => setup::api(invocation, &settings),
        ["completion"] => completion::print(invocation),
        ["console"] => console::run(invocation, &settings),
        ["daemon"] => run_daemon(invocation, settings),
        ["demo"] => crate::demo::run(demo_options(invocation)?),
        ["feature", "disable"] => feature::disable(invocation, &settings),
        ["feature", "enable"] => feature::enable(invocation, &settings),
        ["feature", "list"] => feature::list(&settings),
        ["fleet", "status"] => fleet::status(invocation, &settings),
        ["fmt"] => fmt::run(invocation),
        ["man"] => man::write(invocation),
        ["node", "setup"] => setup::node(invocation, &settings),
        ["node", "wizard"] => setup::wizard(),
        ["object", "list"] => object::list(invocation, &settings),
        ["pki", "new-ca"] => pki::new_ca(&settings),
        ["pki", "new-cert"] => pki::new_cert(invocation),
        ["pki", "rekey"] => rekey::rekey(invocation, &settings),
        ["pki", "request"] => pki::request(invocation),
        ["pki", "save-cert"] => pki::save(invocation),
        ["pki", "sign-csr"] => pki::sign_csr(invocation, &settings),
        ["pki", "ticket"] => pki::ticket(invocation, &settings),
        ["pki", "verify"] => pki::verify(invocation),
        ["storm"] => crate::storm::run(&crate::storm::StormOptions::read(invocation)?),
        ["variable", "get"] => variable::get(invocation, &settings),
        ["variable", "list"] => variable::list(&settings),
        _ => anyhow::bail!("command '{}' is not available", words.join(" ")),
    }
}

/// How findings about a configuration are to be written.
pub(super) fn finding_format(invocation: &Invocation) -> anyhow::Result<FindingFormat> {
    match invocation.value("format").as_deref() {
        None | Some("text") => Ok(FindingFormat::Text),
        Some("json") => Ok(FindingFormat::Json),
        Some(other) => anyhow::bail!("--format takes text or json, not '{other}'"),
    }
}

/// The console may be closed when the daemon fails; the file of `--errorlog` is not.
fn note_fatal_error(path: &Path, record: &Record) {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    if let Ok(mut file) = file {
        // If this fails there is nobody left to tell.
        let _ = file.write_all(record.line(log::Format::Text, false).as_bytes());
    }
}

fn demo_options(invocation: &Invocation) -> anyhow::Result<crate::demo::DemoOptions> {
    let agents = invocation
        .value("agents")
        .unwrap_or_else(|| "200".to_owned());
    let agents = agents.parse().map_err(|_| {
        anyhow::anyhow!("--agents takes a number, not '{agents}'; for example --agents 200")
    })?;
    Ok(crate::demo::DemoOptions {
        agents,
        once: invocation.flag("once"),
    })
}

/// Whether a command reads or writes files that the daemon owns. Started by root, it does so as
/// the daemon's user, so that the daemon can read them later.
fn writes_for_daemon(words: &[&str]) -> bool {
    matches!(
        words,
        ["api" | "ca" | "node", ..]
            | ["pki", "new-ca" | "rekey" | "sign-csr"]
            | ["feature", "enable" | "disable"]
    )
}

fn run_daemon(invocation: &Invocation, settings: Settings) -> anyhow::Result<ExitCode> {
    let logs = Arc::new(LogSinks::new());
    let validate = invocation.flag("validate");
    let findings = finding_format(invocation)?;
    if findings == FindingFormat::Json && !validate {
        anyhow::bail!("--format json goes with --validate (-C); use --log-format json for the log");
    }
    if findings == FindingFormat::Text {
        // The console can always be opened.
        let _ = logs.configure(vec![SinkSpec {
            kind: SinkKind::Console {
                color: settings.color,
            },
            severity: settings.console_severity,
            format: settings.console_format,
        }]);
    }
    log::install(&logs);
    let options = DaemonOptions {
        config: invocation
            .values("config")
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        no_config: invocation.flag("no-config"),
        validate,
        dump_objects: invocation.flag("dump-objects"),
        findings,
        errorlog: invocation.nonempty("errorlog").map(PathBuf::from),
        daemonize: invocation.flag("daemonize"),
        close_stdio: invocation.flag("close-stdio"),
        logs: Arc::clone(&logs),
    };
    let errorlog = options.errorlog.clone();
    let result = daemon::run(settings, options);
    if let Err(error) = &result {
        if findings == FindingFormat::Json {
            report_failure(&explain(error));
        }
        let record = Record::now(Severity::Critical, "cli", explain(error));
        if let Some(path) = errorlog {
            note_fatal_error(&path, &record);
        }
        logs.send(record);
    }
    let dropped = logs.dropped();
    if dropped > 0 {
        let text = format!("{dropped} debug and notice messages were dropped: a log was too slow");
        logs.write(Severity::Warning, "cli", text);
    }
    logs.flush();
    Ok(result.unwrap_or(ExitCode::FAILURE))
}
