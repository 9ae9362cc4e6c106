//! Any text formatted: no panic; what parses keeps its tree (apart from places) and its comments,
//! and is not changed by formatting it again; what does not parse is refused with its errors.

use bheka_syntax::format::{Style, format};
use bheka_syntax::{parse, tokens};

/// What must hold.
pub(crate) fn check(text: &str) {
    let parsed = parse(text);
    let formatted = match format(text, &Style::default()) {
        Ok(formatted) => formatted,
        Err(errors) => {
            assert!(!errors.is_empty());
            let known = [
                "reads this text only up to here",
                "'current_line' would move",
            ];
            let is_known = known.iter().any(|words| errors[0].message.contains(words));
            assert!(parsed.has_errors() || is_known, "{text:?}\n{errors:?}");
            return;
        }
    };
    assert!(!parsed.has_errors(), "{text:?}");
    let again = parse(&formatted);
    assert!(!again.has_errors(), "{text:?}\n{formatted:?}");
    assert_eq!(
        tree(&again.block),
        tree(&parsed.block),
        "{text:?}\n{formatted:?}"
    );
    assert_eq!(words(&formatted), words(text), "{text:?}\n{formatted:?}");
    assert_eq!(
        format(&formatted, &Style::default()).as_deref(),
        Ok(formatted.as_str()),
        "formatted again, from {text:?}"
    );
}

/// The debug form of a tree without places, so that no kind of node is forgotten.
fn tree(block: &bheka_syntax::ast::Block) -> String {
    let text = format!("{block:?}");
    let mut parts = text.split("Span { start: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    out
}

/// All tokens apart from separators, and all comments, without blanks around their lines.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut at = 0;
    for (name, span) in tokens(text) {
        if matches!(name, "new-line" | "end of file") {
            continue;
        }
        let (start, end) = (span.start as usize, span.end as usize);
        comments(&text[at..start], &mut words);
        at = end;
        if !matches!(name, "','" | "';'") {
            words.push(format!("{name} {}", &text[start..end]));
        }
    }
    comments(&text[at..], &mut words);
    words
}

/// The comments in what stands between two tokens.
fn comments(gap: &str, words: &mut Vec<String>) {
    let mut rest = gap.trim_start();
    while !rest.is_empty() {
        let length = match rest.strip_prefix("/*") {
            Some(inner) => inner.find("*/").map(|length| length + 4),
            None => rest.find('\n'),
        };
        let (comment, behind) = rest.split_at(length.unwrap_or(rest.len()));
        let lines: Vec<&str> = comment.split('\n').map(str::trim).collect();
        words.push(lines.join("\n"));
        rest = behind.trim_start();
    }
}
