//! Words to the user of a command.

use std::io::{self, Write as _};

use crate::log::{Severity, colors_wanted};

/// Prints to standard output. A reader that has gone away is no error; a full disk is, and ends the
/// program: whoever redirects the output would take half of it for the whole.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        drop(out);
        let _ = writeln!(
            io::stderr(),
            "critical/cli: cannot write the output: {error}"
        );
        std::process::exit(1);
    }
}

/// An error with its causes. Many errors tell their cause themselves; then it is not told twice.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let words = cause.to_string();
        if text.is_empty() {
            text = words;
        } else if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
    }
    // The number says nothing to people, the words before it do.
    let mut clean = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(" (os error ") {
        clean.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    clean + rest
}

/// A message of a command, as Icinga 2's commands print it: like a log line, without the time.
pub(crate) fn say(severity: Severity, facility: &str, text: &str) {
    let name = severity.name();
    let name = match severity {
        Severity::Critical if colors_wanted() => format!("\x1b[31m\x1b[1m{name}\x1b[0m"),
        Severity::Warning if colors_wanted() => format!("\x1b[33m\x1b[1m{name}\x1b[0m"),
        Severity::Information if colors_wanted() => format!("\x1b[32m{name}\x1b[0m"),
        _ => name.to_owned(),
    };
    print(&format!("{name}/{facility}: {text}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let io = || std::io::Error::from_raw_os_error(2);
        let error = anyhow::Error::new(io()).context(format!("cannot read 'x': {}", io()));
        assert_eq!(
            explain(&error),
            "cannot read 'x': No such file or directory"
        );
        let error = anyhow::Error::new(io())
            .context("cannot read 'x'")
            .context("failed");
        assert_eq!(
            explain(&error),
            "failed: cannot read 'x': No such file or directory"
        );
    }
}
