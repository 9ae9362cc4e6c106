//! The framing of records in files: `LENGTH:CONTENT,`.

/// Cuts the first record off: its content, and how many bytes it took.
///
/// # Errors
/// What is wrong with the framing.
pub(crate) fn cut(text: &[u8]) -> Result<(&[u8], usize), &'static str> {
    let colon = text
        .iter()
        .take(20)
        .position(|byte| *byte == b':')
        .ok_or("no length")?;
    let digits = &text[..colon];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("length is not a number");
    }
    let length: usize = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or("length is out of range")?;
    let end = colon
        .checked_add(1)
        .and_then(|start| start.checked_add(length));
    let end = end.ok_or("length is out of range")?;
    match text.get(end) {
        None => Err("record is cut off"),
        Some(b',') => Ok((&text[colon + 1..end], end + 1)),
        Some(_) => Err("no comma after the record"),
    }
}
