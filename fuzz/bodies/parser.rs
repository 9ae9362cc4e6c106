//! Any text parsed: no panic, every place lies in the text, the result depends on the text alone,
//! and the tree can be cloned, compared, printed and dropped.

use bheka_syntax::{LineIndex, MAX_DIAGNOSTICS, excerpt, excerpt_in, parse};

/// What must hold.
pub(crate) fn check(text: &str) {
    let parsed = parse(text);
    assert!(parsed.diagnostics.len() <= MAX_DIAGNOSTICS);
    let lines = LineIndex::new(text);
    for diagnostic in parsed.diagnostics.iter().take(20) {
        let span = diagnostic.span;
        assert!(
            text.get(span.start as usize..span.end as usize).is_some(),
            "{diagnostic:?}"
        );
        assert!(lines.range(span).first_line >= 1);
        assert!(!excerpt(text, span).is_empty());
        assert!(excerpt_in("f", text, span).starts_with("f("));
    }
    let again = parse(text);
    assert_eq!(again.block, parsed.block);
    assert_eq!(again.diagnostics, parsed.diagnostics);
    let copy = parsed.block.clone();
    assert_eq!(format!("{copy:?}"), format!("{:?}", parsed.block));
}
