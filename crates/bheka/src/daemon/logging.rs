//! Logger objects of the configuration as sinks.

use std::path::PathBuf;
use std::sync::Arc;

use bheka_model::{ConfigObject, Generation};

use crate::cli::DaemonOptions;
use crate::log::{Format, LogSinks, Severity, SinkKind, SinkSpec, facility_code};
use crate::settings::Settings;

/// Whether records go to the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    Open,
    Closed,
}

impl Console {
    /// What the options want once the daemon runs.
    pub(crate) fn when_running(options: &DaemonOptions) -> Self {
        if options.close_stdio || options.daemonize {
            Self::Closed
        } else {
            Self::Open
        }
    }
}

/// Puts the loggers of a generation in force, beside the console.
pub(crate) fn configure(
    logs: &Arc<LogSinks>,
    settings: &Settings,
    console: Console,
    generation: &Generation,
) {
    let mut specs = Vec::new();
    if console == Console::Open {
        specs.push(SinkSpec {
            kind: SinkKind::Console {
                color: settings.color,
            },
            severity: settings.console_severity,
            format: settings.console_format,
        });
    }
    for logger in generation.of_type("FileLogger") {
        let path = PathBuf::from(logger.string("path").as_str());
        if let Some(folder) = path.parent() {
            // A failure shows when the file is opened.
            let _ = std::fs::create_dir_all(folder);
        }
        specs.push(spec(logger, SinkKind::File { path }, settings));
    }
    for logger in generation.of_type("SyslogLogger") {
        let facility = facility_code(&logger.string("facility")).unwrap_or(DAEMON_FACILITY);
        specs.push(spec(logger, SinkKind::Syslog { facility }, settings));
    }
    for logger in generation.of_type("JournaldLogger") {
        let facility = facility_code(&logger.string("facility"));
        let identifier = logger
            .optional("identifier")
            .map_or_else(|| "bheka".to_owned(), String::from);
        specs.push(spec(
            logger,
            SinkKind::Journald {
                facility,
                identifier,
            },
            settings,
        ));
    }
    for (failed, error) in logs.configure(specs) {
        let what = match &failed.kind {
            SinkKind::Console { .. } => "the console".to_owned(),
            SinkKind::File { path } => format!("the file '{}'", path.display()),
            SinkKind::Syslog { .. } => "syslog".to_owned(),
            SinkKind::Journald { .. } => "the journal".to_owned(),
        };
        tracing::error!(target: "Logger", "cannot log to {what}: {error}; its records go to the \
            other loggers only");
    }
}

/// `LOG_DAEMON`, the default of `SyslogLogger`.
const DAEMON_FACILITY: u8 = 3;

fn spec(logger: &ConfigObject, kind: SinkKind, settings: &Settings) -> SinkSpec {
    let severity = logger
        .string("severity")
        .parse()
        .unwrap_or(Severity::Information);
    // The form follows the command line, so that one switch makes all logs JSON.
    let format = match &kind {
        SinkKind::File { .. } => settings.console_format,
        _ => Format::Text,
    };
    SinkSpec {
        kind,
        severity,
        format,
    }
}
