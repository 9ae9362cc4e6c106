//! Inputs, and what is wrong with them.

use std::process::ExitCode;

use bheka_lang::LangDiagnostic;
use bheka_value::{Location, Value};

use super::json;
use crate::cli::print;
use crate::config::{Excerpts, Finding, place_in};

/// Something to evaluate.
pub(super) struct Input {
    /// How messages call it: `<1>`, or the name of a file.
    pub(super) name: String,
    /// The script.
    pub(super) text: String,
    /// Whether it comes from a file.
    pub(super) is_file: bool,
}

impl Input {
    /// A complaint with its place: for a file with its lines, for what was typed with a mark below
    /// the prompt, for an earlier input with its text (which `earlier` knows), for an included file
    /// with `lines`.
    pub(super) fn complaint(
        &self,
        message: &str,
        location: Option<&Location>,
        lines: Option<&str>,
        earlier: impl Fn(&str) -> Option<String>,
    ) -> String {
        let Some(location) = location else {
            return message.to_owned();
        };
        let place = if *location.path != *self.name {
            match earlier(&location.path) {
                Some(text) => with_text(&text, location),
                None => {
                    let lines = lines.map(|it| format!("\n{}", it.trim_end_matches('\n')));
                    format!("Location: {location}{}", lines.unwrap_or_default())
                }
            }
        } else if self.is_file {
            place_in(&self.text, location)
        } else {
            marks(&self.text, location)
        };
        format!("{place}\n{message}")
    }
}

/// How wide `<1> => ` is.
fn prompt_columns(name: &str) -> usize {
    name.len() + " => ".len()
}

/// The marks of a place, without the lines: those stand above, behind the prompt.
fn marks(text: &str, location: &Location) -> String {
    let indent = prompt_columns(&location.path);
    let marked = marked_lines(text, location);
    let marked = marked.map(|(_, before, count)| mark(indent + before, count));
    marked.collect::<Vec<_>>().join("\n")
}

/// The lines of an earlier input with their marks.
fn with_text(text: &str, location: &Location) -> String {
    let prefix = format!("{}: ", location.path);
    let mut out = String::new();
    for (line, before, count) in marked_lines(text, location) {
        if !out.is_empty() {
            out.push('\n');
        }
        // Tabs are as wide as blanks, so that the marks stand where they should.
        let line = line.replace('\t', " ");
        out += &format!("{prefix}{line}\n{}", mark(prefix.len() + before, count));
    }
    out
}

/// Each line of a place with the number of characters before the mark, and its length.
fn marked_lines<'t>(
    text: &'t str,
    location: &Location,
) -> impl Iterator<Item = (&'t str, usize, usize)> {
    let (first, last) = (location.first_line as usize, location.last_line as usize);
    let (from, to) = (
        location.first_column as usize,
        location.last_column as usize,
    );
    let lines = text
        .split('\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let marked = lines.filter(move |(number, _)| (first..=last).contains(number));
    marked.map(move |(number, line)| {
        let indent = line.len() - line.trim_start().len();
        let start = if number == first { from } else { indent + 1 }.max(1);
        let end = if number == last { to } else { line.len() };
        // Columns count bytes, marks characters.
        let before = line.get(..start - 1).map_or(start - 1, width);
        let count = line
            .get(start - 1..end.min(line.len()))
            .map_or((end + 1).saturating_sub(start), width);
        (line, before, count.max(1))
    })
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn mark(before: usize, count: usize) -> String {
    format!("{}{}", " ".repeat(before), "^".repeat(count))
}

/// `--syntax-only`
pub(super) fn check_syntax(input: &Input, is_json: bool) -> ExitCode {
    let found = bheka_lang::check_text(bheka_model::catalogue(), &input.name, &input.text);
    let Some(error) = found.into_iter().find(LangDiagnostic::is_error) else {
        if is_json {
            json::show_value(&Value::Boolean(true));
        } else {
            print("true\n");
        }
        return ExitCode::SUCCESS;
    };
    if is_json {
        json::show(&Finding::from(&error).json(&mut Excerpts::default()));
        return ExitCode::FAILURE;
    }
    let text = input.complaint(&error.message, error.location.as_ref(), None, |_| None);
    print(&format!("{text}\n"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, from: (u32, u32), to: (u32, u32)) -> Location {
        Location {
            path: path.into(),
            first_line: from.0,
            first_column: from.1,
            last_line: to.0,
            last_column: to.1,
        }
    }

    #[test]
    fn marks_stand_below_what_was_typed() {
        let input = Input {
            name: "<10>".to_owned(),
            text: "{\n  a = b.c\n}".to_owned(),
            is_file: false,
        };
        let at = place("<10>", (2, 7), (2, 9));
        assert_eq!(
            input.complaint("no", Some(&at), None, |_| None),
            format!("{}^^^\nno", " ".repeat(8 + 6))
        );
        assert_eq!(input.complaint("no", None, None, |_| None), "no");
    }

    #[test]
    fn an_earlier_input_is_shown() {
        let input = Input {
            name: "<2>".to_owned(),
            text: "f()".to_owned(),
            is_file: false,
        };
        let at = place("<1>", (1, 18), (2, 3));
        let earlier = |name: &str| {
            assert_eq!(name, "<1>");
            Some("function f() { ü(x,\n  y).z }".to_owned())
        };
        assert_eq!(
            input.complaint("no", Some(&at), None, earlier),
            "<1>: function f() { ü(x,\n                     ^^^\n<1>:   y).z }\n       ^\nno"
        );
        let elsewhere = place("/etc/x.conf", (1, 18), (2, 3));
        assert_eq!(
            input.complaint("no", Some(&elsewhere), None, |_| None),
            "Location: in /etc/x.conf: 1:18-2:3\nno"
        );
        assert_eq!(
            input.complaint("no", Some(&elsewhere), Some("lines\n"), |_| None),
            "Location: in /etc/x.conf: 1:18-2:3\nlines\nno"
        );
    }
}
