//! Telling what was found: to the log as text, or to standard output as JSON for tools.

use bheka_lang::LogLine;
use bheka_model::Built;
use serde_json::{Value as Json, json};

use super::finding::{Excerpts, Finding};
use super::{Invalid, Outcome};
use crate::cli::print;
use crate::log::{LogSinks, Severity};

/// Errors that are shown; further ones are counted. Tools get all that were kept.
const SHOWN_MAX: usize = 100;

/// Where findings go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FindingFormat {
    /// Records of the log.
    #[default]
    Text,
    /// One JSON object a line on standard output, and no log there.
    Json,
}

/// Tells what a load found.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    logs: &'a LogSinks,
    format: FindingFormat,
    excerpts: Excerpts,
    errors: usize,
    warnings: usize,
    first_error: Option<String>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(logs: &'a LogSinks, format: FindingFormat) -> Self {
        Self {
            logs,
            format,
            excerpts: Excerpts::default(),
            errors: 0,
            warnings: 0,
            first_error: None,
        }
    }

    /// What is wrong, in short.
    pub(super) fn verdict(self) -> Invalid {
        Invalid {
            errors: self.errors,
            first: self.first_error,
        }
    }

    /// What was found in the order in which it is of use: what scripts logged, notices, warnings,
    /// errors, and how many there are.
    pub(super) fn report(&mut self, outcome: &Outcome, built: &Built) {
        let loaded = &outcome.loaded;
        for line in &loaded.log {
            self.logged(line);
        }
        for dir in &outcome.stray {
            let text = format!(
                "Ignoring directory '{}' for unknown zone '{}'.",
                dir.path, dir.zone
            );
            let code = "stray-zone-directory";
            self.tell(&Finding::new(Severity::Warning, "config", code, text));
        }
        let of_syntax = |it: &&bheka_lang::LangDiagnostic| it.is_syntax && it.is_error();
        let syntax_errors = loaded.diagnostics.iter().filter(of_syntax).count();
        if syntax_errors == 0 && self.format == FindingFormat::Text {
            let text = "Committing config item(s).";
            self.logs.write(Severity::Information, "ConfigItem", text);
        }
        let found = loaded.ignored.iter().chain(&loaded.diagnostics);
        let found = found.map(Finding::from);
        let of_model = built.diagnostics.iter().map(Finding::from);
        let (errors, others): (Vec<_>, Vec<_>) = found.chain(of_model).partition(Finding::is_error);
        for finding in &others {
            self.tell(finding);
        }
        let shown = match self.format {
            FindingFormat::Text => SHOWN_MAX,
            FindingFormat::Json => usize::MAX,
        };
        for finding in errors.iter().take(shown) {
            self.tell(finding);
        }
        let untold = errors.len().saturating_sub(shown);
        self.errors += untold;
        self.close(
            untold,
            loaded.more + built.more,
            loaded.held + built.held,
            syntax_errors,
        );
    }

    /// What is not shown, and the sum.
    fn close(&mut self, untold: usize, more: usize, held: usize, syntax_errors: usize) {
        let shown = self.errors - untold;
        self.errors += more;
        let (total, left_out) = (self.errors, untold + more);
        if self.format == FindingFormat::Json {
            self.line(&json!({
                "type": "summary",
                "valid": total == 0,
                "errors": total,
                "warnings": self.warnings,
                "not_shown": left_out,
                "consequences": held,
            }));
            return;
        }
        if left_out > 0 {
            let text = format!("... and {left_out} more errors");
            self.logs.write(Severity::Critical, "config", text);
        }
        if held > 0 {
            let errors = if held == 1 {
                "error that follows"
            } else {
                "errors that follow"
            };
            let text = format!(
                "Left out {held} {errors}, most likely, from the {shown} above; run again once \
                 those are mended"
            );
            self.logs.write(Severity::Information, "config", text);
        }
        // Icinga 2 does not count errors of syntax, for it stops at the first.
        if total > syntax_errors || total > 1 {
            let plural = if total == 1 { "" } else { "s" };
            let text = format!("{total} error{plural}");
            self.logs.write(Severity::Critical, "config", text);
        }
    }

    /// Tells one finding.
    fn tell(&mut self, finding: &Finding) {
        match finding.severity {
            Severity::Critical => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| finding.headline());
            }
            Severity::Warning => self.warnings += 1,
            _ => {}
        }
        match self.format {
            FindingFormat::Text => {
                if self.logs.wants(finding.severity) {
                    let text = finding.text(&mut self.excerpts);
                    self.logs.write(finding.severity, &finding.facility, text);
                }
            }
            FindingFormat::Json => {
                let object = finding.json(&mut self.excerpts);
                self.line(&object);
            }
        }
    }

    fn logged(&self, line: &LogLine) {
        match self.format {
            FindingFormat::Text => {
                self.logs
                    .write(line.severity.into(), &line.facility, line.message.as_str());
            }
            FindingFormat::Json => self.line(&json!({
                "type": "log",
                "severity": line.severity.as_str(),
                "facility": line.facility,
                "message": line.message,
            })),
        }
    }

    fn line(&self, object: &Json) {
        print(&format!("{object}\n"));
    }
}

/// The last words of a load that could not even begin.
pub(crate) fn report_failure(message: &str) {
    let finding = Finding::new(Severity::Critical, "cli", "unreadable-file", message);
    let object = finding.json(&mut Excerpts::default());
    print(&format!("{object}\n"));
    let summary = json!({
        "type": "summary",
        "valid": false,
        "errors": 1,
        "warnings": 0,
        "not_shown": 0,
        "consequences": 0,
    });
    print(&format!("{summary}\n"));
}
