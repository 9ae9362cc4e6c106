//! Findings about a configuration for people and for tools: one form for what the parser, the
//! evaluator and the model found. `docs/diagnostics.md` describes both forms.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use bheka_lang::{LangDiagnostic, Sources as _};
use bheka_model::ModelDiagnostic;
use bheka_value::{Advice, Location};
use serde_json::{Value as Json, json};

use super::DiskSources;
use super::render::marked;
use crate::log::Severity;

/// Something that was found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) facility: String,
    /// The text, without the leading `Error: `.
    pub(crate) message: String,
    pub(crate) location: Option<Location>,
    /// The marked lines, when whoever found it had the text at hand.
    pub(crate) excerpt: Option<String>,
    /// Type and name of the object.
    pub(crate) object: Option<(String, String)>,
    pub(crate) advice: Advice,
}

impl Finding {
    /// One without a place.
    pub(crate) fn new(
        severity: Severity,
        facility: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            facility: facility.to_owned(),
            message: message.into(),
            location: None,
            excerpt: None,
            object: None,
            advice: Advice::of(code),
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Critical
    }

    /// Message and place on one line, for a status.
    pub(crate) fn headline(&self) -> String {
        let mut text = self.message.trim_end().replace('\n', " ");
        if let Some(location) = &self.location {
            let place = location.to_string();
            if !text.contains(&place) {
                let _ = write!(text, " ({place})");
            }
        }
        text
    }

    /// The text of a log record: message, place, marked lines, help. Warnings that name their place
    /// themselves do not repeat it.
    pub(crate) fn text(&self, excerpts: &mut Excerpts) -> String {
        let prefix = if self.is_error() { "Error: " } else { "" };
        let mut text = format!("{prefix}{}", self.message);
        if let Some(location) = &self.location {
            let place = location.to_string();
            if !self.message.contains(&place) || self.is_error() {
                let _ = write!(text, "\nLocation: {place}");
                let shows_lines = self.is_error() || self.excerpt.is_some();
                if let Some(excerpt) = shows_lines.then(|| self.lines(excerpts)).flatten() {
                    text.push('\n');
                    text.push_str(excerpt.trim_end_matches('\n'));
                }
            }
        }
        for line in self.advice.lines() {
            text.push('\n');
            text.push_str(&line);
        }
        text
    }

    fn lines(&self, excerpts: &mut Excerpts) -> Option<String> {
        let found = self.location.as_ref().and_then(|it| excerpts.of(it));
        found.or_else(|| self.excerpt.clone())
    }

    /// The object for tools.
    pub(crate) fn json(&self, excerpts: &mut Excerpts) -> Json {
        let place = |number: fn(&Location) -> u32| self.location.as_ref().map(number);
        let path = self.location.as_ref().map(|it| &*it.path);
        let object = self.object.as_ref();
        json!({
            "type": "finding",
            "severity": self.severity.name(),
            "facility": self.facility,
            "code": self.advice.code,
            "message": self.message,
            "file": path,
            "line": place(|it| it.first_line),
            "column": place(|it| it.first_column),
            "end_line": place(|it| it.last_line),
            "end_column": place(|it| it.last_column),
            "object": object.map(|(of, name)| json!({ "type": of, "name": name })),
            "attribute": self.advice.attribute,
            "suggestion": self.advice.suggestions.first(),
            "suggestions": self.advice.suggestions,
            "notes": self.advice.notes,
            "excerpt": self.lines(excerpts),
        })
    }
}

impl From<&LangDiagnostic> for Finding {
    fn from(found: &LangDiagnostic) -> Self {
        let object = found.object.as_deref();
        Self {
            severity: found.severity.into(),
            facility: found.facility.to_owned(),
            message: found.message.clone(),
            location: found.location.clone(),
            excerpt: found.excerpt.clone(),
            object: object.map(|(of, name)| (of.to_string(), name.to_string())),
            advice: (*found.advice).clone(),
        }
    }
}

impl From<&ModelDiagnostic> for Finding {
    fn from(found: &ModelDiagnostic) -> Self {
        let object = found.object.as_ref();
        Self {
            severity: match found.severity {
                bheka_model::Severity::Notice => Severity::Notice,
                bheka_model::Severity::Warning => Severity::Warning,
                bheka_model::Severity::Error => Severity::Critical,
            },
            facility: found.facility.to_owned(),
            message: found.message.clone(),
            location: found.location.clone(),
            excerpt: None,
            object: object.map(|(of, name)| ((*of).to_owned(), name.to_string())),
            advice: found.advice.clone(),
        }
    }
}

/// The marked lines of places. Each file is read once.
#[derive(Debug, Default)]
pub(crate) struct Excerpts {
    files: HashMap<Arc<str>, Option<Lines>>,
    is_elsewhere: bool,
}

#[derive(Debug)]
struct Lines {
    text: String,
    /// Where each line begins.
    starts: Vec<usize>,
}

/// Lines before and after the marked ones.
const CONTEXT: usize = 2;

impl Excerpts {
    /// Those of another machine: whatever has the same name here is another file.
    pub(crate) fn elsewhere() -> Self {
        Self {
            is_elsewhere: true,
            ..Self::default()
        }
    }

    /// The marked lines (tabs as single blanks) with two lines before and after them; none when
    /// the file is gone.
    pub(crate) fn of(&mut self, location: &Location) -> Option<String> {
        if location.path.is_empty() || self.is_elsewhere {
            return None;
        }
        let path = Arc::clone(&location.path);
        let file = self.files.entry(path).or_insert_with_key(|path| {
            // What is no regular file was read once and may not be there, or wait, twice.
            fs::metadata(&**path).ok().filter(fs::Metadata::is_file)?;
            let bytes = DiskSources.read(path).ok()?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let ends = text.match_indices('\n').map(|(at, _)| at + 1);
            let starts = std::iter::once(0).chain(ends).collect();
            Some(Lines { text, starts })
        });
        let file = file.as_ref()?;
        // The lines that are shown, and no more.
        let first = (location.first_line as usize).saturating_sub(CONTEXT + 1);
        let behind = location.last_line as usize + CONTEXT;
        let start = file.starts.get(first).copied()?;
        let end = file.starts.get(behind).copied();
        let end = end.map_or(file.text.len(), |end| end - 1);
        Some(marked(file.text.get(start..end)?, first + 1, location))
    }
}
