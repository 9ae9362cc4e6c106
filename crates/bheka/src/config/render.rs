//! Places as text: where, and the lines with the place marked, as Icinga 2 shows them.

use bheka_value::{Location, Value};

/// A place in a text that is at hand: where it is, and its lines.
pub(crate) fn place_in(source: &str, location: &Location) -> String {
    let mut text = format!("Location: {location}\n");
    text.push_str(marked(source, 1, location).trim_end_matches('\n'));
    text
}

/// Marked lines that are shown from the start of a place; of the rest only the last one.
const MARKED_MAX: usize = 30;

/// The marked lines of a place, control characters as blanks, of long lines a part, with two lines before and after it. The
/// first line of `source` has the number `number_of_first`.
pub(super) fn marked(source: &str, number_of_first: usize, location: &Location) -> String {
    let mut out = String::new();
    let (first, last) = (location.first_line as usize, location.last_line as usize);
    for (index, line) in source.split('\n').enumerate() {
        let number = index + number_of_first;
        let skipped = number >= first + MARKED_MAX && number < last;
        if number + 2 < first || number > last + 2 || skipped {
            continue;
        }
        let start = if number == first {
            location.first_column.max(1)
        } else {
            1
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (line, skipped) = bheka_syntax::shown_part(line, start);
        let mut head = format!("{}({number}): ", location.path);
        if skipped > 0 {
            head.push('…');
        }
        out.push_str(&head);
        out.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        out.push('\n');
        if number < first || number > last {
            continue;
        }
        let (start, skipped) = (start as usize, skipped as usize);
        let end = if number == last {
            (location.last_column as usize).saturating_sub(skipped)
        } else {
            line.len()
        };
        out.push_str(&" ".repeat(head.chars().count()));
        // Columns are bytes.
        let mut marks = 0;
        for (at, _) in line.char_indices().take_while(|(at, _)| *at < end) {
            let is_marked = at + skipped + 1 >= start;
            marks += usize::from(is_marked);
            out.push(if is_marked { '^' } else { ' ' });
        }
        if marks == 0 && first == last {
            out.push('^');
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
            marked(source, 1, &location),
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
        assert!(marked(source, 1, &location).contains("f(4): }\n      ^\n"));
    }

    #[test]
    fn long_lines_are_shown_around_the_mark() {
        let source = format!("{}XY\u{7}{}\n", "a".repeat(5000), "b".repeat(5000));
        let location = Location {
            path: "f".into(),
            first_line: 1,
            first_column: 5001,
            last_line: 1,
            last_column: 5002,
        };
        let text = marked(&source, 1, &location);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("f(1): …aaa") && lines[0].len() < 1000);
        let at = |line: &str, wanted: char| line.chars().position(|c| c == wanted);
        assert_eq!(at(lines[0], 'X'), at(lines[1], '^'));
        assert_eq!(lines[1].matches('^').count(), 2);
        assert!(!text.contains('\u{7}'));
        assert_eq!(lines[2], "f(2): ");
    }
}
