//! Who asks: basic authentication and client certificates.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bheka_model::{ConfigObject, Generation};

use crate::request::Request;

/// The outcome of authentication.
pub(crate) enum Identity {
    /// This user.
    User(Arc<ConfigObject>),
    /// Nobody.
    Unknown,
    /// The `Authorization` header is not base64; 2.13.6 ends the connection without a word.
    Garbage,
}

/// Finds the user of a request. A verified client certificate decides alone when a user has its
/// name as `client_cn`; otherwise name and password do (manual, chapter 12, "Authentication").
pub(crate) fn identify(request: &Request, generation: &Generation) -> Identity {
    if let Some(cn) = request
        .peer
        .verified_cn
        .as_deref()
        .filter(|cn| !cn.is_empty())
        && let Some(user) = generation
            .of_type("ApiUser")
            .find(|user| user.string("client_cn").as_str() == cn)
    {
        return Identity::User(Arc::clone(user));
    }
    let Some(credentials) = request
        .header("Authorization")
        .and_then(|it| it.strip_prefix("Basic "))
    else {
        return Identity::Unknown;
    };
    let Some(credentials) = decode(credentials.as_bytes()) else {
        return Identity::Garbage;
    };
    let (name, password) = match credentials.iter().position(|byte| *byte == b':') {
        Some(colon) => (&credentials[..colon], &credentials[colon + 1..]),
        None => (&credentials[..], &b""[..]),
    };
    let user = std::str::from_utf8(name)
        .ok()
        .and_then(|name| generation.get("ApiUser", name));
    let expected = user.map(|user| user.string("password")).unwrap_or_default();
    // The comparison also takes place for unknown users, so that time tells nothing of names.
    let matches = equal_in_constant_time(password, expected.as_bytes());
    match user {
        Some(user) if matches && !expected.is_empty() => Identity::User(Arc::clone(user)),
        _ => Identity::Unknown,
    }
}

/// Reads base64 up to its padding, as leniently as 2.13.6 does: what follows the padding does not
/// count, and a group that lacks it yields nothing.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let end = text
        .iter()
        .position(|byte| *byte == b'=')
        .unwrap_or(text.len() - text.len() % 4);
    if !text
        .iter()
        .take(end)
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
    {
        return None;
    }
    LENIENT.decode(&text[..end]).ok()
}

/// Compares without revealing by its duration where the first difference is. Only the length of
/// `given`, which the caller knows anyway, shows.
fn equal_in_constant_time(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = given.len() ^ expected.len();
    for (position, byte) in given.iter().enumerate() {
        let other = expected.get(position).copied().unwrap_or(0);
        difference |= usize::from(std::hint::black_box(byte ^ other));
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_lenient_as_2_13_6() {
        for (text, expected) in [
            ("cm9vdDpyb290cHc=", Some("root:rootpw")),
            ("cm9vdDpyb290cHc==", Some("root:rootpw")),
            ("cm9vdDpyb290cHc=x", Some("root:rootpw")),
            ("cm9vdA==", Some("root")),
            ("", Some("")),
            (" cm9vdDpyb290cHc=", None),
            ("!!!!", None),
            ("cm9v dDpyb290cHc=", None),
        ] {
            let decoded = decode(text.as_bytes());
            assert_eq!(decoded.as_deref(), expected.map(str::as_bytes), "{text}");
        }
        assert_ne!(
            decode(b"cm9vdDpyb290cHc").as_deref(),
            Some(&b"root:rootpw"[..])
        );
    }

    #[test]
    fn comparison() {
        assert!(equal_in_constant_time(b"", b""));
        assert!(equal_in_constant_time(b"geheim", b"geheim"));
        assert!(!equal_in_constant_time(b"geheim", b"geheimer"));
        assert!(!equal_in_constant_time(b"geheimer", b"geheim"));
        assert!(!equal_in_constant_time(b"geheim", b"Geheim"));
        assert!(!equal_in_constant_time(b"a\0", b"a"));
    }
}
