//! Frames on the wire: `<decimal length>:<payload>,` and nothing between two of them.
//!
//! A length is 1 to 9 digits without a leading zero (unless it is `0` itself) and counts bytes.
//! Any violation ends the connection: there is no way to find the next frame.

/// Digits a length may have, so 999 999 999 bytes is the largest frame there is.
pub const LENGTH_DIGITS_MAX: usize = 9;

/// Bytes a peer without an Endpoint object may send in one frame; inclusive.
pub const ANONYMOUS_BYTES_MAX: usize = 1024 * 1024;

/// Bytes an endpoint of a child zone may send in one frame (Icinga 2 since 2.15.6 and 2.16.5).
pub const CHILD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes an endpoint of the own or a parent zone may send in one frame: all that 9 digits allow.
pub const TRUSTED_BYTES_MAX: usize = 999_999_999;

/// What was wrong with a frame. It is always the peer's fault, and always ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The first byte of a frame is not a digit.
    #[error("invalid netstring: expected a length, found {}", shown(*found))]
    MissingLength {
        /// The byte instead.
        found: u8,
    },
    /// `0` followed by another digit.
    #[error("invalid netstring: the length has a leading zero")]
    LeadingZero,
    /// More than [`LENGTH_DIGITS_MAX`] digits.
    #[error("invalid netstring: the length has more than {LENGTH_DIGITS_MAX} digits")]
    LengthDigits,
    /// Something else than a digit or a colon within the length.
    #[error("invalid netstring: expected ':' after the length, found {}", shown(*found))]
    MissingColon {
        /// The byte instead.
        found: u8,
    },
    /// The announced length is over the limit for this peer.
    #[error("netstring of {length} bytes exceeds the limit of {limit} bytes for this peer")]
    TooLong {
        /// Bytes announced.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Something else than a comma after the payload.
    #[error("invalid netstring: expected ',' after {length} bytes, found {}", shown(*found))]
    MissingComma {
        /// Bytes of payload before it.
        length: usize,
        /// The byte instead.
        found: u8,
    },
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("'{}'", char::from(byte))
    } else {
        format!("byte 0x{byte:02x}")
    }
}

/// The frame of a payload.
///
/// A payload above [`TRUSTED_BYTES_MAX`] bytes gets a length no reader accepts; whoever makes
/// messages must keep them below.
#[must_use]
pub fn encode(payload: &[u8]) -> Vec<u8> {
    let length = payload.len().to_string();
    let mut frame = Vec::with_capacity(length.len() + payload.len() + 2);
    frame.extend_from_slice(length.as_bytes());
    frame.push(b':');
    frame.extend_from_slice(payload);
    frame.push(b',');
    frame
}

/// Cuts a stream of bytes into payloads.
///
/// Push what was read, then take payloads until there is none: the decoder never holds more than
/// one unfinished frame and what was pushed after it.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    consumed: usize,
    limit: usize,
    failed: Option<FramingError>,
}

impl Default for Decoder {
    /// A decoder for a peer that is not known yet.
    fn default() -> Self {
        Self::new(ANONYMOUS_BYTES_MAX)
    }
}

impl Decoder {
    /// A decoder that accepts payloads up to `limit` bytes, inclusive.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            consumed: 0,
            limit,
            failed: None,
        }
    }

    /// Changes the limit, for frames whose payload was not handed out yet.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The limit in force, in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes held that are not handed out yet.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len() - self.consumed
    }

    /// Adds bytes as they came. After an error they are thrown away.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.compact();
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole payload, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no netstring or it is too long. The decoder is of no use after that and
    /// keeps returning the same error.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator would hide that None may end"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.scan() {
            Ok(payload) => Ok(payload),
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                self.consumed = 0;
                Err(error)
            }
        }
    }

    fn scan(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        let bytes = &self.buffer[self.consumed..];
        let Some((length, header)) = scan_length(bytes)? else {
            return Ok(None);
        };
        if length > self.limit {
            return Err(FramingError::TooLong {
                length,
                limit: self.limit,
            });
        }
        let Some(&end) = bytes.get(header + length) else {
            return Ok(None);
        };
        if end != b',' {
            return Err(FramingError::MissingComma { length, found: end });
        }
        let payload = bytes[header..header + length].to_vec();
        self.consumed += header + length + 1;
        Ok(Some(payload))
    }

    fn compact(&mut self) {
        if self.consumed == self.buffer.len() {
            self.buffer.clear();
            // A peer that sent one large frame does not keep its memory for ever.
            if self.buffer.capacity() > BUFFER_KEPT_MAX {
                self.buffer = Vec::new();
            }
        } else {
            self.buffer.drain(..self.consumed);
        }
        self.consumed = 0;
    }
}

/// The length and the bytes it takes with its colon, or `None` when more bytes are needed.
fn scan_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, FramingError> {
    let mut length = 0usize;
    for (position, &byte) in bytes.iter().enumerate() {
        match byte {
            b':' if position > 0 => return Ok(Some((length, position + 1))),
            b'0'..=b'9' if position >= LENGTH_DIGITS_MAX => return Err(FramingError::LengthDigits),
            b'0'..=b'9' if position > 0 && bytes[0] == b'0' => {
                return Err(FramingError::LeadingZero);
            }
            b'0'..=b'9' => length = length * 10 + usize::from(byte - b'0'),
            _ if position == 0 => return Err(FramingError::MissingLength { found: byte }),
            _ => return Err(FramingError::MissingColon { found: byte }),
        }
    }
    Ok(None)
}

const BUFFER_KEPT_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_all(limit: usize, bytes: &[u8]) -> (Vec<Vec<u8>>, Option<FramingError>) {
        let mut decoder = Decoder::new(limit);
        decoder.push(bytes);
        drain(&mut decoder)
    }

    fn drain(decoder: &mut Decoder) -> (Vec<Vec<u8>>, Option<FramingError>) {
        let mut payloads = Vec::new();
        loop {
            match decoder.next() {
                Ok(Some(payload)) => payloads.push(payload),
                Ok(None) => return (payloads, None),
                Err(error) => return (payloads, Some(error)),
            }
        }
    }

    #[test]
    fn frames_follow_one_another() {
        let (payloads, error) = decode_all(100, b"2:{},0:,3:abc,1");
        assert_eq!(payloads, [b"{}".to_vec(), Vec::new(), b"abc".to_vec()]);
        assert_eq!(error, None);
    }

    #[test]
    fn violations_are_named() {
        let cases: [(&[u8], FramingError); 8] = [
            (b"x", FramingError::MissingLength { found: b'x' }),
            (b":", FramingError::MissingLength { found: b':' }),
            (b"\x16\x03", FramingError::MissingLength { found: 0x16 }),
            (b"01:a,", FramingError::LeadingZero),
            (b"1234567890:", FramingError::LengthDigits),
            (b"2;{},", FramingError::MissingColon { found: b';' }),
            (
                b"11:",
                FramingError::TooLong {
                    length: 11,
                    limit: 10,
                },
            ),
            (
                b"2:{}}",
                FramingError::MissingComma {
                    length: 2,
                    found: b'}',
                },
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(
                decode_all(10, bytes),
                (Vec::new(), Some(expected)),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn errors_say_the_cause() {
        let too_long = FramingError::TooLong {
            length: 1_048_577,
            limit: 1_048_576,
        };
        assert_eq!(
            too_long.to_string(),
            "netstring of 1048577 bytes exceeds the limit of 1048576 bytes for this peer"
        );
        assert_eq!(
            FramingError::MissingLength { found: 0 }.to_string(),
            "invalid netstring: expected a length, found byte 0x00"
        );
    }

    #[test]
    fn the_limit_is_inclusive_and_can_be_raised() {
        assert_eq!(decode_all(3, b"3:abc,").0.len(), 1);
        let mut decoder = Decoder::default();
        decoder.push(b"2000000:");
        decoder.set_limit(CHILD_BYTES_MAX);
        assert_eq!(decoder.next(), Ok(None));
        decoder.push(&vec![b'x'; 2_000_000]);
        decoder.push(b",");
        assert_eq!(
            decoder.next().unwrap().map(|payload| payload.len()),
            Some(2_000_000)
        );
        assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn an_error_is_final() {
        let mut decoder = Decoder::new(10);
        decoder.push(b"a");
        assert!(decoder.next().is_err());
        decoder.push(b"2:{},");
        assert_eq!(
            decoder.next(),
            Err(FramingError::MissingLength { found: b'a' })
        );
        assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn too_long_is_known_before_the_payload_comes() {
        let (_, error) = decode_all(ANONYMOUS_BYTES_MAX, b"999999999:");
        assert_eq!(
            error,
            Some(FramingError::TooLong {
                length: 999_999_999,
                limit: ANONYMOUS_BYTES_MAX
            })
        );
    }

    proptest! {
        #[test]
        fn split_anywhere_the_payloads_are_the_same(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| encode(payload)).collect();
            for split in 0..=stream.len() {
                let mut decoder = Decoder::new(100);
                decoder.push(&stream[..split]);
                let (mut got, error) = drain(&mut decoder);
                prop_assert_eq!(error, None);
                decoder.push(&stream[split..]);
                let (rest, error) = drain(&mut decoder);
                prop_assert_eq!(error, None);
                got.extend(rest);
                prop_assert_eq!(&got, &payloads);
            }
        }

        #[test]
        fn bytewise_gives_what_at_once_gives(bytes in prop::collection::vec(
            prop_oneof![Just(b'0'), Just(b'1'), Just(b'2'), Just(b':'), Just(b','), any::<u8>()],
            0..60,
        )) {
            let at_once = decode_all(50, &bytes);
            let mut decoder = Decoder::new(50);
            let mut payloads = Vec::new();
            let mut error = None;
            for &byte in &bytes {
                decoder.push(&[byte]);
                let (got, failed) = drain(&mut decoder);
                payloads.extend(got);
                error = failed;
            }
            prop_assert_eq!(at_once, (payloads, error));
        }
    }
}
