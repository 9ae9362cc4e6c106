//! Logger objects of the configuration as sinks.

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
        let path = logger.string("path").to_string().into();
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
        tracing::error!(target: "Logger", "cannot open the log {:?}: {error}; its records go to \
            the other loggers only", failed.kind);
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
