//! Any text cut into tokens: they stand in order, inside the text, and end with its end.

/// What must hold.
pub(crate) fn check(text: &str) {
    let tokens = bheka_syntax::tokens(text);
    let mut at = 0;
    for (name, span) in &tokens {
        assert!(!name.is_empty());
        assert!(span.start <= span.end, "{name} {span:?}");
        assert!(
            text.get(span.start as usize..span.end as usize).is_some(),
            "{name} {span:?}"
        );
        // The new-line at the end has the place of the token before it.
        assert!(span.start >= at || *name == "new-line" || *name == "end of file");
        at = at.max(span.start);
    }
    assert_eq!(tokens.last().map(|(name, _)| *name), Some("end of file"));
}
