//! Tickets: proofs that a host may get a certificate without an administrator's signature.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2;

/// Rounds of PBKDF2; Icinga 2's number.
const ROUNDS: NonZeroU32 = NonZeroU32::new(50_000).expect("not zero");

/// The ticket of a common name: PBKDF2-HMAC-SHA1 of the name with the salt, 40 hex digits.
/// About 16 ms of work; call it off the writer and the async threads.
#[must_use]
pub fn ticket(cn: &str, salt: &str) -> String {
    let mut out = [0u8; 20];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA1,
        ROUNDS,
        salt.as_bytes(),
        cn.as_bytes(),
        &mut out,
    );
    hex(&out)
}

/// Whether the ticket is the right one for the name, compared in constant time. An empty ticket or
/// an empty salt is never right.
#[must_use]
pub fn ticket_is_valid(given: &str, cn: &str, salt: &str) -> bool {
    !given.is_empty()
        && !salt.is_empty()
        && constant_time_equal(given.as_bytes(), ticket(cn, salt).as_bytes())
}

/// Equality whose duration tells nothing about where the two differ (their lengths are no secret).
#[must_use]
pub fn constant_time_equal(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

/// Lower-case hexadecimal SHA-256, the checksum of files that nodes send each other.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_checksum() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), expected);
    }

    #[test]
    fn the_ticket_of_icinga() {
        let expected = "ebeedeb873b077dddc55cfb75aa4fb86c794c072";
        assert_eq!(ticket("c1", "pepper"), expected);
        assert!(ticket_is_valid(expected, "c1", "pepper"));
        assert!(!ticket_is_valid(expected, "c2", "pepper"));
        assert!(!ticket_is_valid(&format!("{expected}\n"), "c1", "pepper"));
        assert!(!ticket_is_valid("", "c1", "pepper"));
        assert!(!ticket_is_valid(&ticket("c1", ""), "c1", ""));
    }
}
