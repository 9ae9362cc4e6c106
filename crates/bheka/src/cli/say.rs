//! Words to the user of a command.

use std::io::{self, IsTerminal as _, Write as _};

use crate::log::Severity;

/// Prints to standard output; a reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A message of a command, as Icinga 2's commands print it: like a log line, without the time.
pub(crate) fn say(severity: Severity, facility: &str, text: &str) {
    let name = severity.name();
    let name = match severity {
        Severity::Critical if io::stdout().is_terminal() => format!("\x1b[31m\x1b[1m{name}\x1b[0m"),
        Severity::Warning if io::stdout().is_terminal() => format!("\x1b[33m\x1b[1m{name}\x1b[0m"),
        Severity::Information if io::stdout().is_terminal() => format!("\x1b[32m{name}\x1b[0m"),
        _ => name.to_owned(),
    };
    print(&format!("{name}/{facility}: {text}\n"));
}
