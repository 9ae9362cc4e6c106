//! Strings and the textual form of numbers.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An immutable, cheaply cloned string.
///
/// Icinga 2's strings are bytes; Bheka's are UTF-8. Bytes that are not valid UTF-8 become U+FFFD
/// where they enter (files, plugin output), as Icinga 2 does where they leave (JSON).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Arc<str>);

impl Str {
    /// A string from its text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether others hold the same text, too: then it stays in memory when this one is dropped.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The text from bytes; invalid sequences become U+FFFD.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Arc::from(String::from_utf8_lossy(bytes).as_ref()))
    }
}

impl Default for Str {
    fn default() -> Self {
        Self::new("")
    }
}

impl Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl From<Arc<str>> for Str {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl From<&Arc<str>> for Str {
    fn from(text: &Arc<str>) -> Self {
        Self(Arc::clone(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<Str> for String {
    fn from(text: Str) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl serde::Serialize for Str {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Str {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The text of a number when the language turns it into a string (`"" + 2.5`): whole numbers
/// without a fraction, others with six decimals, as Icinga 2 2.13 prints them.
#[must_use]
pub fn format_number(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() {
            "-nan".into()
        } else {
            "nan".into()
        };
    }
    if number.is_infinite() {
        return if number < 0.0 {
            "-inf".into()
        } else {
            "inf".into()
        };
    }
    if number.trunc() == number {
        format!("{number:.0}")
    } else {
        format!("{number:.6}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_like_the_language() {
        assert_eq!(format_number(5.0), "5");
        assert_eq!(format_number(2.5), "2.500000");
        assert_eq!(format_number(-0.1), "-0.100000");
        assert_eq!(format_number(1e20), "100000000000000000000");
    }

    #[test]
    fn invalid_bytes_become_replacement_characters() {
        assert_eq!(Str::from_bytes(b"a\xff").as_str(), "a\u{fffd}");
    }
}
