//! What a plugin printed, taken apart.

use bheka_value::{Str, Value};

use crate::Finished;

/// Text and performance data of a plugin's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginOutput {
    /// Short and long text.
    pub text: String,
    /// Performance data of all lines, joined by blanks.
    pub performance_data: String,
}

/// Splits the trimmed output of a plugin: in each line, what follows the first `|` is performance
/// data, provided that it holds a `=` (manual, chapter 5, "Plugin API"; the proviso was observed
/// on 2.13.6).
#[must_use]
pub fn split_output(output: &str) -> PluginOutput {
    let mut text = String::new();
    let mut performance_data = String::new();
    for line in output.split(['\r', '\n']) {
        if !text.is_empty() {
            text.push('\n');
        }
        match line.split_once('|') {
            Some((before, after)) if after.contains('=') => {
                text.push_str(before);
                if !performance_data.is_empty() {
                    performance_data.push(' ');
                }
                performance_data.push_str(after);
            }
            _ => text.push_str(line),
        }
    }
    PluginOutput {
        text,
        performance_data: trim(&performance_data).to_owned(),
    }
}

/// Performance data as separate `label=value` strings. A label reaches up to the next `=`, a value
/// to the next blank; labels with blanks come out quoted.
#[must_use]
pub fn split_performance_data(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((label, after)) = rest.split_once('=') {
        let label = match label
            .strip_prefix('\'')
            .and_then(|label| label.strip_suffix('\''))
        {
            Some(inner) if !inner.is_empty() => inner,
            _ => label,
        };
        let (value, next) = after.split_once(' ').unwrap_or((after, ""));
        found.push(Value::string(if label.contains(' ') {
            format!("'{label}'={value}")
        } else {
            format!("{label}={value}")
        }));
        rest = next;
    }
    found
}

/// The state of an exit status: 0–3 as they are, everything else unknown.
#[must_use]
pub fn state_of(exit_status: i64) -> u8 {
    match exit_status {
        0 => 0,
        1 => 1,
        2 => 2,
        _ => 3,
    }
}

/// Output and exit status of a finished command, with the suffixes by which Icinga 2 tells of
/// violent ends.
#[must_use]
pub fn conclude(finished: &Finished, program: &str) -> (Str, i64) {
    if let Some(error) = &finished.spawn_error {
        return (format!("execvpe({program}) failed: {error}").into(), 128);
    }
    let mut output = String::from_utf8_lossy(&finished.output).into_owned();
    // Whoever killed it may have noted so where the output was then.
    if finished.timed_out && !output.contains("<Timeout exceeded.>") {
        output.push_str("<Timeout exceeded.>");
    }
    if let Some(signal) = finished.signal {
        output.push_str(&format!(
            "<Terminated by signal {signal} ({}).>",
            signal_name(signal)
        ));
        return (output.into(), 128);
    }
    // What it answered after it was told to end is not an answer to the question.
    let status = if finished.timed_out {
        128
    } else {
        i64::from(finished.exit_status)
    };
    (output.into(), status)
}

/// Blanks as Icinga 2 trims them.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n', '\u{b}', '\u{c}'])
}

/// The words of `strsignal` for the signals of Linux.
fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "Hangup",
        "Interrupt",
        "Quit",
        "Illegal instruction",
        "Trace/breakpoint trap",
        "Aborted",
        "Bus error",
        "Floating point exception",
        "Killed",
        "User defined signal 1",
        "Segmentation fault",
        "User defined signal 2",
        "Broken pipe",
        "Alarm clock",
        "Terminated",
        "Stack fault",
        "Child exited",
        "Continued",
        "Stopped (signal)",
        "Stopped",
        "Stopped (tty input)",
        "Stopped (tty output)",
        "Urgent I/O condition",
        "CPU time limit exceeded",
        "File size limit exceeded",
        "Virtual timer expired",
        "Profiling timer expired",
        "Window changed",
        "I/O possible",
        "Power failure",
        "Bad system call",
    ];
    let index = usize::try_from(signal)
        .ok()
        .and_then(|number| number.checked_sub(1));
    match index.and_then(|index| NAMES.get(index)) {
        Some(name) => (*name).to_owned(),
        None => format!("Unknown signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(exit_status: i32, signal: Option<i32>, timed_out: bool) -> Finished {
        let output = b"begun\n".to_vec();
        Finished {
            exit_status,
            signal,
            timed_out,
            output,
            ..Finished::default()
        }
    }

    #[test]
    fn violent_ends_are_told_in_known_words() {
        let (text, status) = conclude(&finished(0, Some(15), true), "x");
        assert_eq!(
            text,
            "begun\n<Timeout exceeded.><Terminated by signal 15 (Terminated).>"
        );
        assert_eq!((status, state_of(status)), (128, 3));
        let (text, _) = conclude(&finished(0, Some(9), false), "x");
        assert_eq!(text, "begun\n<Terminated by signal 9 (Killed).>");
        assert_eq!(
            conclude(&finished(5, None, false), "x"),
            ("begun\n".into(), 5)
        );
        let missing = Finished {
            spawn_error: Some("No such file or directory".to_owned()),
            ..Finished::default()
        };
        let wanted = "execvpe(/nonexistent/x) failed: No such file or directory".into();
        assert_eq!(conclude(&missing, "/nonexistent/x"), (wanted, 128));
    }

    #[test]
    fn a_bar_without_equals_is_text() {
        let parts = split_output("it's|quoted|\nsecond | a=1\nthird|b=2 c=3");
        assert_eq!(parts.text, "it's|quoted|\nsecond \nthird");
        assert_eq!(parts.performance_data, "a=1 b=2 c=3");
    }
}
