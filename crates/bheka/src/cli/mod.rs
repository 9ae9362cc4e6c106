//! The command line: Icinga 2's words, flags, output and exit codes.

mod ca;
mod completion;
mod dump;
mod feature;
mod help;
mod man;
mod object;
mod parse;
mod pki;
mod say;
mod table;
mod variable;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::daemon;
use crate::log::{self, LogSinks, Record, Severity, SinkKind, SinkSpec};
use crate::settings::Settings;
use crate::version;

pub(crate) use parse::Invocation;
use parse::UsageError;
pub(crate) use say::{print, say};

/// The options of `daemon`.
#[derive(Debug, Clone)]
pub(crate) struct DaemonOptions {
    /// Files given with `--config`; empty for the default one.
    pub(crate) config: Vec<PathBuf>,
    /// `--no-config`
    pub(crate) no_config: bool,
    /// `--validate`
    pub(crate) validate: bool,
    /// `--dump-objects`, or implied by `--validate`
    pub(crate) dump_objects: bool,
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
    match run(&words, &invocation, settings) {
        Ok(code) => code,
        Err(error) => {
            say(Severity::Critical, "cli", &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str], invocation: &Invocation, settings: Settings) -> anyhow::Result<ExitCode> {
    match words {
        ["ca", "list"] => ca::list(invocation, &settings),
        ["ca", "remove"] => ca::remove(invocation, &settings),
        ["ca", "restore"] => ca::restore(invocation, &settings),
        ["ca", "sign"] => ca::sign(invocation, &settings),
        ["completion"] => completion::print(invocation),
        ["daemon"] => run_daemon(invocation, settings),
        ["feature", "disable"] => feature::disable(invocation, &settings),
        ["feature", "enable"] => feature::enable(invocation, &settings),
        ["feature", "list"] => feature::list(&settings),
        ["man"] => man::write(invocation),
        ["object", "list"] => object::list(invocation, &settings),
        ["pki", "new-ca"] => pki::new_ca(&settings),
        ["pki", "new-cert"] => pki::new_cert(invocation),
        ["pki", "request"] => pki::request(invocation),
        ["pki", "save-cert"] => pki::save(invocation),
        ["pki", "sign-csr"] => pki::sign_csr(invocation, &settings),
        ["pki", "ticket"] => pki::ticket(invocation, &settings),
        ["pki", "verify"] => pki::verify(invocation),
        ["variable", "get"] => variable::get(invocation, &settings),
        ["variable", "list"] => variable::list(&settings),
        _ => anyhow::bail!("command '{}' is not available", words.join(" ")),
    }
}

fn run_daemon(invocation: &Invocation, settings: Settings) -> anyhow::Result<ExitCode> {
    let logs = Arc::new(LogSinks::new());
    // The console can always be opened.
    let _ = logs.configure(vec![SinkSpec {
        kind: SinkKind::Console {
            color: settings.color,
        },
        severity: settings.console_severity,
        format: settings.console_format,
    }]);
    log::install(&logs);
    let validate = invocation.flag("validate");
    let options = DaemonOptions {
        config: invocation
            .values("config")
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        no_config: invocation.flag("no-config"),
        validate,
        dump_objects: validate || invocation.flag("dump-objects"),
        errorlog: invocation.nonempty("errorlog").map(PathBuf::from),
        daemonize: invocation.flag("daemonize"),
        close_stdio: invocation.flag("close-stdio"),
        logs: Arc::clone(&logs),
    };
    let result = daemon::run(settings, options);
    if let Err(error) = &result {
        logs.write(Severity::Critical, "cli", format!("{error:#}"));
    }
    logs.flush();
    Ok(result.unwrap_or(ExitCode::FAILURE))
}
