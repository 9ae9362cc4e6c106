//! Responses and the error bodies of Icinga 2.

use std::borrow::Cow;

use bheka_model::Command;
use bheka_value::{Value, write_json, write_json_string};

use crate::backend::ProcessOrder;
use crate::params::Params;

/// Names and values of headers, in order.
pub(crate) type Headers = Vec<(Cow<'static, str>, String)>;

/// The answer to a request.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers but for `Content-Length` and `Connection`.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection ends after it.
    pub close: bool,
    /// Whether to end the connection without sending anything, as 2.13.6 does on an
    /// `Authorization` header that is not base64.
    pub hang_up: bool,
    /// Changes that have to be applied before the response is sent, so that a success is a fact.
    pub commands: Vec<Command>,
    /// What is asked of the process, to be passed on once the response is sent: it may end the
    /// connection.
    pub process: Option<ProcessOrder>,
    /// The name of the user who asked, for the log.
    pub user: Option<String>,
}

/// A parameter has a value that cannot be read (`pretty=abc`). Icinga 2 answers with status 500,
/// "Unhandled exception".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unhandled;

/// What a handler yields.
pub(crate) type Handled = Result<Response, Unhandled>;

impl Response {
    /// A response with a content type.
    pub(crate) fn with_body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), content_type.to_owned())],
            body: body.into(),
            ..Self::default()
        }
    }

    /// A JSON response from text that is already JSON.
    pub(crate) fn json_text(status: u16, text: String) -> Self {
        Self::with_body(status, "application/json", text)
    }

    /// A JSON response in the form that the parameters ask for.
    pub(crate) fn json(status: u16, params: &Params, value: &Value) -> Handled {
        let layout = Layout::of(params)?;
        let mut text = String::new();
        write_json(&mut text, value, layout.indent, 0);
        layout.finish(&mut text);
        Ok(Self::json_text(status, text))
    }

    /// `{"error": …, "status": …}`, with `diagnostic_information` when there is some and the
    /// request asks for it (`verbose`).
    pub(crate) fn error(
        status: u16,
        params: &Params,
        text: &str,
        diagnostics: Option<&str>,
    ) -> Handled {
        let mut entries = vec![
            ("error", Value::Number(f64::from(status))),
            ("status", Value::string(text)),
        ];
        // The switch is read in any case: one that cannot be read spoils the answer.
        let verbose = params.flag("verbose")?;
        if let Some(diagnostics) = diagnostics.filter(|it| verbose && !it.is_empty()) {
            entries.push(("diagnostic_information", Value::string(diagnostics)));
        }
        Self::json(status, params, &Value::dictionary(entries))
    }

    /// The answer to what Icinga 2 stumbles over.
    pub(crate) fn unhandled() -> Self {
        Self::json_text(
            500,
            r#"{"error":500,"status":"Unhandled exception"}"#.to_owned(),
        )
    }

    /// A page that says what is wrong with the request as HTTP.
    pub(crate) fn page(status: u16, html: impl Into<Vec<u8>>) -> Self {
        Self {
            close: true,
            ..Self::with_body(status, "text/html", html)
        }
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The words that follow a status in the status line.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            302 => "Found",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            409 => "Conflict",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "Unknown",
        }
    }
}

/// Compact or indented (`pretty`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) indent: Option<usize>,
}

impl Layout {
    pub(crate) fn of(params: &Params) -> Result<Self, Unhandled> {
        Ok(Self {
            indent: params.flag("pretty")?.then_some(4),
        })
    }

    /// Starts a line at a depth.
    pub(crate) fn line(self, out: &mut String, depth: usize) {
        if let Some(width) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
    }

    /// Writes a key and its colon.
    pub(crate) fn key(self, out: &mut String, key: &str) {
        write_json_string(out, key);
        out.push_str(if self.indent.is_some() { ": " } else { ":" });
    }

    /// Ends the text: the indented form has a line end.
    pub(crate) fn finish(self, out: &mut String) {
        if self.indent.is_some() {
            out.push('\n');
        }
    }
}

/// Writes `{"results":[…]}` item by item, so that a long list never exists as values.
pub(crate) struct ResultsWriter {
    text: String,
    layout: Layout,
    any: bool,
}

impl ResultsWriter {
    /// Depth at which the items of the list stand.
    pub(crate) const ITEM_DEPTH: usize = 2;

    pub(crate) fn new(params: &Params) -> Result<Self, Unhandled> {
        let layout = Layout::of(params)?;
        let mut text = String::from("{");
        layout.line(&mut text, 1);
        layout.key(&mut text, "results");
        text.push('[');
        Ok(Self {
            text,
            layout,
            any: false,
        })
    }

    /// Adds an item that a closure writes.
    pub(crate) fn item(&mut self, write: impl FnOnce(&mut String, Layout)) {
        if self.any {
            self.text.push(',');
        }
        self.any = true;
        self.layout.line(&mut self.text, Self::ITEM_DEPTH);
        write(&mut self.text, self.layout);
    }

    /// Adds a value.
    pub(crate) fn value(&mut self, value: &Value) {
        self.item(|out, layout| write_json(out, value, layout.indent, Self::ITEM_DEPTH));
    }

    pub(crate) fn finish(mut self) -> String {
        if self.any {
            self.layout.line(&mut self.text, 1);
        }
        self.text.push(']');
        self.layout.line(&mut self.text, 0);
        self.text.push('}');
        self.layout.finish(&mut self.text);
        self.text
    }
}
