//! One record and its forms.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Zoned;

/// How grave a record is, least grave first. The names are those of the loggers' `severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Severity {
    /// For finding errors in the program.
    Debug,
    /// For following what it does.
    Notice,
    /// What an operator wants to know.
    Information,
    /// What an operator should look into.
    Warning,
    /// What needs an operator.
    Critical,
}

/// The pure crates have the same words, but may not know this one.
macro_rules! same_words {
    ($($theirs:ty),*) => { $(
        impl From<$theirs> for Severity {
            fn from(theirs: $theirs) -> Self {
                match theirs {
                    <$theirs>::Debug => Self::Debug,
                    <$theirs>::Notice => Self::Notice,
                    <$theirs>::Information => Self::Information,
                    <$theirs>::Warning => Self::Warning,
                    <$theirs>::Critical => Self::Critical,
                }
            }
        }
    )* };
}

same_words!(
    bheka_lang::Severity,
    bheka_monitor::Severity,
    bheka_cluster::Severity
);

impl Severity {
    /// Its name in configurations and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Notice => "notice",
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Its level in syslog and journald.
    pub(crate) fn syslog_level(self) -> u8 {
        match self {
            Self::Debug => 7,
            Self::Notice => 5,
            Self::Information => 6,
            Self::Warning => 4,
            Self::Critical => 2,
        }
    }

    /// The escape sequence that starts its colour on a terminal.
    fn color(self) -> &'static str {
        match self {
            Self::Debug => "\x1b[36m",
            Self::Notice => "\x1b[34m",
            Self::Information => "\x1b[32m",
            Self::Warning => "\x1b[33m\x1b[1m",
            Self::Critical => "\x1b[31m\x1b[1m",
        }
    }
}

/// Reads a name as in `severity = "notice"`.
impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(name: &str) -> Result<Self, UnknownSeverity> {
        [
            Self::Debug,
            Self::Notice,
            Self::Information,
            Self::Warning,
            Self::Critical,
        ]
        .into_iter()
        .find(|severity| severity.name() == name)
        .ok_or(UnknownSeverity)
    }
}

/// The name is none of the five.
#[derive(Debug, thiserror::Error)]
#[error("severity must be debug, notice, information, warning or critical")]
pub(crate) struct UnknownSeverity;

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a sink writes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `[2026-11-23 06:00:43 +0000] information/cli: text`
    Text,
    /// One JSON object per line.
    Json,
}

/// Something to log.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// When, in local time.
    pub(crate) time: Zoned,
    /// How grave.
    pub(crate) severity: Severity,
    /// Which part of the program says it.
    pub(crate) facility: String,
    /// The text, maybe of several lines.
    pub(crate) text: String,
    /// The same for programs: further members of the JSON form.
    pub(crate) fields: Vec<(&'static str, serde_json::Value)>,
}

impl Record {
    /// A record of this moment.
    pub(crate) fn now(
        severity: Severity,
        facility: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            time: Zoned::now(),
            severity,
            facility: facility.into(),
            text: text.into(),
            fields: Vec::new(),
        }
    }

    /// With a further member of the JSON form.
    pub(crate) fn with(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The text with marks of places in the colour of the severity, and what helps in green.
    fn colored_text(&self) -> Cow<'_, str> {
        if !self.text.contains('\n') {
            return Cow::Borrowed(&self.text);
        }
        let mut lines = Vec::new();
        for line in self.text.split('\n') {
            let marks = line.trim_start_matches(' ');
            let is_mark = !marks.is_empty() && marks.bytes().all(|byte| byte == b'^');
            lines.push(if is_mark {
                Cow::Owned(format!("{}{line}\x1b[0m", self.severity.color()))
            } else if line.starts_with("Help: ") {
                Cow::Owned(format!("\x1b[32m{line}\x1b[0m"))
            } else {
                Cow::Borrowed(line)
            });
        }
        Cow::Owned(lines.join("\n"))
    }

    /// The line (or lines: a text with line breaks goes on unindented), with its line break.
    pub(crate) fn line(&self, format: Format, colored: bool) -> String {
        match format {
            Format::Text => {
                let time = self.time.strftime("%Y-%m-%d %H:%M:%S %z");
                let (on, off) = if colored {
                    (self.severity.color(), "\x1b[0m")
                } else {
                    ("", "")
                };
                let text = if colored {
                    self.colored_text()
                } else {
                    Cow::Borrowed(self.text.as_str())
                };
                format!(
                    "[{time}] {on}{}{off}/{}: {text}\n",
                    self.severity, self.facility
                )
            }
            Format::Json => {
                let mut object = serde_json::json!({
                    "timestamp": self.time.timestamp().to_string(),
                    "severity": self.severity.name(),
                    "facility": self.facility,
                    "message": self.text,
                });
                for (name, value) in &self.fields {
                    object[*name] = value.clone();
                }
                format!("{object}\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let time = "2026-11-23T06:00:43.5+01:00[+01:00]".parse().expect("time");
        Record {
            time,
            severity: Severity::Critical,
            facility: "cli".into(),
            text: "a\nb".into(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn text_is_as_operators_know_it() {
        assert_eq!(
            record().line(Format::Text, false),
            "[2026-11-23 06:00:43 +0100] critical/cli: a\nb\n"
        );
        assert_eq!(
            record().line(Format::Text, true),
            "[2026-11-23 06:00:43 +0100] \x1b[31m\x1b[1mcritical\x1b[0m/cli: a\nb\n"
        );
    }

    #[test]
    fn json_is_one_line() {
        assert_eq!(
            record().line(Format::Json, true),
            "{\"facility\":\"cli\",\"message\":\"a\\nb\",\"severity\":\"critical\",\
             \"timestamp\":\"2026-11-23T05:00:43.5Z\"}\n"
        );
    }

    #[test]
    fn severities_have_an_order_and_names() {
        assert!(Severity::Debug < Severity::Notice && Severity::Warning < Severity::Critical);
        assert_eq!("notice".parse::<Severity>().ok(), Some(Severity::Notice));
        assert!("Notice".parse::<Severity>().is_err());
    }
}
