//! Findings as text: message, place, and the lines with the place marked, as Icinga 2 shows them.

use std::fmt::Write as _;
use std::fs;

use bheka_lang::LangDiagnostic;
use bheka_model::ModelDiagnostic;
use bheka_value::{Location, Value};

/// A finding of the evaluator.
pub(super) fn of_language(diagnostic: &LangDiagnostic) -> String {
    let prefix = if diagnostic.is_error() { "Error: " } else { "" };
    let mut text = format!("{prefix}{}", diagnostic.message);
    if let Some(location) = &diagnostic.location {
        let excerpt = excerpt(location).or_else(|| diagnostic.excerpt.clone());
        place(location, excerpt, &mut text);
    }
    text
}

/// A finding of the model.
pub(super) fn of_model(finding: &ModelDiagnostic) -> String {
    let is_error = finding.severity == bheka_model::Severity::Error;
    let prefix = if is_error { "Error: " } else { "" };
    let mut text = format!("{prefix}{}", finding.message);
    if let Some(location) = finding.location.as_ref().filter(|_| is_error) {
        place(location, excerpt(location), &mut text);
    }
    text
}

fn place(location: &Location, excerpt: Option<String>, text: &mut String) {
    let _ = write!(text, "\nLocation: {location}");
    if let Some(excerpt) = excerpt {
        text.push('\n');
        text.push_str(excerpt.trim_end_matches('\n'));
    }
}

/// A place in a text that is at hand: where it is, and its lines.
pub(crate) fn place_in(source: &str, location: &Location) -> String {
    let mut text = format!("Location: {location}\n");
    text.push_str(marked(source, location).trim_end_matches('\n'));
    text
}

/// The marked lines (tabs as single blanks) of a place with two lines before and after it; `None` when the file is gone.
fn excerpt(location: &Location) -> Option<String> {
    if location.path.is_empty() {
        return None;
    }
    let source = fs::read(&*location.path).ok()?;
    Some(marked(&String::from_utf8_lossy(&source), location))
}

fn marked(source: &str, location: &Location) -> String {
    let mut out = String::new();
    let (first, last) = (location.first_line as usize, location.last_line as usize);
    for (index, line) in source.split('\n').enumerate() {
        let number = index + 1;
        if number + 2 < first || number > last + 2 {
            continue;
        }
        let line = line.strip_suffix('\r').unwrap_or(line).replace('\t', " ");
        let head = format!("{}({number}): ", location.path);
        let _ = writeln!(out, "{head}{line}");
        if number < first || number > last {
            continue;
        }
        let start = if number == first {
            location.first_column.max(1) as usize
        } else {
            1
        };
        let end = if number == last {
            location.last_column as usize
        } else {
            line.len()
        };
        out.push_str(&" ".repeat(head.chars().count()));
        // Columns are bytes.
        for (at, _) in line.char_indices().take_while(|(at, _)| *at < end) {
            out.push(if at + 1 >= start { '^' } else { ' ' });
        }
        out.push('\n');
    }
    out
}

/// A location from the dictionary in which the language hands it out.
pub(super) fn location_of(value: &Value) -> Location {
    let field = |name: &str| value.as_dictionary().and_then(|fields| fields.get(name));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "line numbers"
    )]
    let number = |name: &str| {
        field(name)
            .and_then(|number| number.as_number())
            .unwrap_or_default()
            .max(0.0) as u32
    };
    Location {
        path: field("path")
            .and_then(|path| path.as_str().map(Into::into))
            .unwrap_or_default(),
        first_line: number("first_line"),
        first_column: number("first_column"),
        last_line: number("last_line"),
        last_column: number("last_column"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_marked_below_their_lines() {
        let source = "one\nobject Host \"a\" {\n\tcheck_command = \"x\"\n}\nfive\nsix\n";
        let location = Location {
            path: "f".into(),
            first_line: 3,
            first_column: 2,
            last_line: 3,
            last_column: 20,
        };
        assert_eq!(
            marked(source, &location),
            "f(1): one
f(2): object Host \"a\" {
f(3):  check_command = \"x\"
       ^^^^^^^^^^^^^^^^^^^
f(4): }
f(5): five
"
        );
        let location = Location {
            last_line: 4,
            last_column: 1,
            ..location
        };
        assert!(marked(source, &location).contains("f(4): }\n      ^\n"));
    }
}
