//! HTTP/1.1 as bytes: heads and bodies of requests, pure.
//!
//! A small reader of our own instead of a library's, because clients see what it says about
//! malformed requests (`bad method`, `bad field`, …), and because Icinga 2 lets pass what stricter
//! libraries refuse (no `Host`, folded headers, raw bytes in the target). It is strict where
//! leniency would let two parties disagree about where a request ends.

use crate::request::{PeerInfo, Request};

/// Bytes of a head, request line and headers together. (The manual says 8 KB; 2.13.6 takes more.)
pub(crate) const HEAD_LENGTH_MAX: usize = 32 << 10;

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Head {
    /// Method, target and headers; the body is empty yet.
    pub(crate) request: Request,
    /// How the body ends.
    pub(crate) framing: Framing,
    /// Whether the client wants to send another request afterwards.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// What is wrong with a request, in the words of 2.13.6.
pub(crate) type Cause = &'static str;

/// Reads a head from the bytes that came so far; `None` while it is incomplete. Also yields its
/// length.
///
/// # Errors
/// As soon as the bytes cannot become a valid head.
pub(crate) fn read_head(bytes: &[u8], peer: &PeerInfo) -> Result<Option<(Head, usize)>, Cause> {
    let method_end = bytes.iter().position(|byte| !is_token(*byte));
    if method_end.is_some_and(|end| end == 0 || bytes[end] != b' ') {
        return Err("bad method");
    }
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        let too_long = bytes.len() > HEAD_LENGTH_MAX;
        return if too_long {
            Err("header limit exceeded")
        } else {
            Ok(None)
        };
    };
    if end > HEAD_LENGTH_MAX {
        return Err("header limit exceeded");
    }
    let mut lines = Lines(&bytes[..end + 2]);
    let (method, target, version_1_1) = request_line(lines.next().unwrap_or_default())?;
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        if line
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            // A folded line belongs to the header before it.
            let (_, value) = headers.last_mut().ok_or("bad field")?;
            value.push(b' ');
            value.extend_from_slice(trim(line));
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or("bad field")?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err("bad field");
        }
        headers.push((text(name), value.to_vec()));
    }
    let is_control = |byte: &u8| *byte < 0x20 && *byte != b'\t' || *byte == 0x7f;
    if headers
        .iter()
        .any(|(_, value)| value.iter().any(is_control))
    {
        return Err("bad value");
    }
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, text(&value)))
        .collect();
    let request = Request {
        method,
        target,
        headers,
        body: Vec::new(),
        peer: peer.clone(),
    };
    let head = Head {
        framing: framing(&request)?,
        keep_alive: version_1_1 && !has_option(&request, "Connection", "close"),
        expects_continue: has_option(&request, "Expect", "100-continue"),
        request,
    };
    Ok(Some((head, end + 4)))
}

fn request_line(line: &[u8]) -> Result<(String, String, bool), Cause> {
    let space = line
        .iter()
        .position(|byte| *byte == b' ')
        .ok_or("bad method")?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err("bad method");
    }
    let space = rest
        .iter()
        .position(|byte| *byte == b' ')
        .ok_or("bad target")?;
    let (target, version) = (&rest[..space], &rest[space + 1..]);
    if target.is_empty() || target.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return Err("bad target");
    }
    let version_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return Err("bad version"),
    };
    Ok((text(method), text(target), version_1_1))
}

/// Decides how the body ends. Two statements about it are one too many.
fn framing(request: &Request) -> Result<Framing, Cause> {
    let all = |name: &str| -> Vec<&str> {
        let headers = request.headers.iter();
        headers
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    };
    match (&all("Content-Length")[..], &all("Transfer-Encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => {
            if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("bad Content-Length");
            }
            length
                .parse()
                .map(Framing::Length)
                .map_err(|_| "bad Content-Length")
        }
        ([], [encoding]) if encoding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (_, []) => Err("bad Content-Length"),
        _ => Err("bad Transfer-Encoding"),
    }
}

fn has_option(request: &Request, header: &str, option: &str) -> bool {
    let headers = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(header));
    let mut options = headers.flat_map(|(_, value)| value.split(','));
    options.any(|candidate| candidate.trim().eq_ignore_ascii_case(option))
}

/// Lines without their `\r\n`.
struct Lines<'b>(&'b [u8]);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let end = find(self.0, b"\r\n")?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 2..];
        Some(line)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Puts a body together.
#[derive(Debug)]
pub(crate) struct BodyReader {
    body: Vec<u8>,
    length_max: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of the whole body are missing.
    Plain(u64),
    /// At the line with the size of a chunk.
    ChunkSize,
    /// So many bytes of a chunk are missing.
    Chunk(u64),
    /// At the line end behind a chunk.
    ChunkEnd,
    /// In the lines behind the last chunk.
    Trailer,
    /// Complete.
    Done,
}

/// Bytes of a line with the size of a chunk, or of a trailer line.
const CHUNK_LINE_LENGTH_MAX: usize = 4 << 10;
/// Bytes of all lines behind the last chunk.
const TRAILER_LENGTH_MAX: usize = 8 << 10;

impl BodyReader {
    /// A reader for a body of at most so many bytes.
    ///
    /// # Errors
    /// When the body is announced to be longer.
    pub(crate) fn new(framing: Framing, length_max: usize) -> Result<Self, Cause> {
        let state = match framing {
            Framing::Length(length) if length > length_max as u64 => {
                return Err("body limit exceeded");
            }
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Plain(length),
            Framing::Chunked => State::ChunkSize,
        };
        Ok(Self {
            body: Vec::new(),
            length_max,
            state,
        })
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The body.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Takes what belongs to the body out of the bytes that came.
    ///
    /// # Errors
    /// When the chunks are malformed, or the body becomes too long.
    pub(crate) fn advance(&mut self, bytes: &mut Vec<u8>) -> Result<(), Cause> {
        let mut at = 0;
        let result = self.consume(bytes, &mut at);
        bytes.drain(..at);
        result
    }

    fn consume(&mut self, bytes: &[u8], at: &mut usize) -> Result<(), Cause> {
        loop {
            match self.state {
                State::Done => return Ok(()),
                State::Plain(missing) | State::Chunk(missing) => {
                    let available = &bytes[*at..];
                    if available.is_empty() {
                        return Ok(());
                    }
                    let wanted = usize::try_from(missing).unwrap_or(usize::MAX);
                    let taken = &available[..available.len().min(wanted)];
                    self.take(taken)?;
                    *at += taken.len();
                    let missing = missing - taken.len() as u64;
                    self.state = match (self.state, missing) {
                        (State::Plain(_), 0) => State::Done,
                        (State::Plain(_), _) => State::Plain(missing),
                        (_, 0) => State::ChunkEnd,
                        _ => State::Chunk(missing),
                    };
                }
                State::ChunkSize => {
                    let Some(line) = next_line(bytes, at)? else {
                        return Ok(());
                    };
                    self.state = match chunk_size(line)? {
                        0 => State::Trailer,
                        size => State::Chunk(size),
                    };
                }
                State::ChunkEnd => {
                    if bytes.len() < *at + 2 {
                        return Ok(());
                    }
                    if &bytes[*at..*at + 2] != b"\r\n" {
                        return Err("bad chunk");
                    }
                    *at += 2;
                    self.state = State::ChunkSize;
                }
                State::Trailer => {
                    if bytes.len() - *at > TRAILER_LENGTH_MAX {
                        return Err("header limit exceeded");
                    }
                    let Some(line) = next_line(bytes, at)? else {
                        return Ok(());
                    };
                    if line.is_empty() {
                        self.state = State::Done;
                    }
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        if self.body.len() + bytes.len() > self.length_max {
            return Err("body limit exceeded");
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }
}

fn next_line<'b>(bytes: &'b [u8], at: &mut usize) -> Result<Option<&'b [u8]>, Cause> {
    let rest = &bytes[*at..];
    match find(rest, b"\r\n") {
        Some(end) if end <= CHUNK_LINE_LENGTH_MAX => {
            *at += end + 2;
            Ok(Some(&rest[..end]))
        }
        None if rest.len() <= CHUNK_LINE_LENGTH_MAX => Ok(None),
        _ => Err("bad chunk"),
    }
}

/// The size of a chunk; extensions behind a semicolon do not count.
fn chunk_size(line: &[u8]) -> Result<u64, Cause> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits)
        .map_err(|_| "bad chunk")?
        .trim_end();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("bad chunk");
    }
    u64::from_str_radix(digits, 16).map_err(|_| "bad chunk")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Result<Option<(Head, usize)>, Cause> {
        read_head(text.as_bytes(), &PeerInfo::default())
    }

    #[test]
    fn faults_have_the_names_of_2_13_6() {
        for (text, cause) in [
            ("GARBAGE\r\n\r\n", "bad method"),
            ("\u{16}\u{3}\u{1}", "bad method"),
            ("GET /v1 HTTP/2.0\r\n\r\n", "bad version"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad version"),
            ("GET  /v1 HTTP/1.1\r\n\r\n", "bad target"),
            ("GET /a b HTTP/1.1\r\n\r\n", "bad version"),
            ("GET / HTTP/1.1\r\nHost x\r\n\r\n", "bad field"),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "bad field"),
            ("GET / HTTP/1.1\r\n folded\r\n\r\n", "bad field"),
            ("GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n", "bad value"),
            (
                "GET / HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
                "bad Content-Length",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
                "bad Content-Length",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
                "bad Content-Length",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                "bad Content-Length",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "bad Transfer-Encoding",
            ),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
                "bad Transfer-Encoding",
            ),
        ] {
            assert_eq!(head(text).map(|_| ()), Err(cause), "{text:?}");
        }
        let long = format!(
            "GET / HTTP/1.1\r\nA: {}\r\n\r\n",
            "x".repeat(HEAD_LENGTH_MAX)
        );
        assert_eq!(head(&long).map(|_| ()), Err("header limit exceeded"));
        assert_eq!(
            head(&long[..HEAD_LENGTH_MAX + 1]).map(|_| ()),
            Err("header limit exceeded")
        );
    }

    #[test]
    fn reads_heads() {
        let text = "POST /x?y HTTP/1.1\r\nhost:\r\nA: b \r\n c\r\nConnection: x, Close\r\n\
                    Transfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\nrest";
        let (head, length) = head(text).unwrap().unwrap();
        assert_eq!(&text[length..], "rest");
        assert_eq!(
            (&*head.request.method, &*head.request.target),
            ("POST", "/x?y")
        );
        assert_eq!(head.request.header("a"), Some("b c"));
        assert_eq!(head.request.header("Host"), Some(""));
        assert_eq!(head.framing, Framing::Chunked);
        assert!(!head.keep_alive && head.expects_continue);
    }

    #[test]
    fn http_1_0_never_stays() {
        let text = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        assert!(!head(text).unwrap().unwrap().0.keep_alive);
    }

    /// The body and what is left behind it.
    type BodyAndRest = (Vec<u8>, Vec<u8>);

    fn chunked(text: &[u8], step: usize) -> Result<Option<BodyAndRest>, Cause> {
        let mut reader = BodyReader::new(Framing::Chunked, 1000).unwrap();
        let mut buffer = Vec::new();
        for part in text.chunks(step.max(1)) {
            buffer.extend_from_slice(part);
            reader.advance(&mut buffer)?;
        }
        Ok(reader.is_done().then(|| (reader.into_body(), buffer)))
    }

    #[test]
    fn chunk_faults() {
        for text in [
            "zz\r\n",
            "\r\n",
            "-1\r\n",
            "1\r\nabc\r\n",
            "fffffffffffffffff\r\n",
        ] {
            assert_eq!(chunked(text.as_bytes(), 1), Err("bad chunk"), "{text:?}");
        }
        assert_eq!(chunked(&[b'1'; 5000], 1), Err("bad chunk"));
        let long = format!("3e9\r\n{}", "x".repeat(1001));
        assert_eq!(chunked(long.as_bytes(), 7), Err("body limit exceeded"));
        assert!(BodyReader::new(Framing::Length(1001), 1000).is_err());
    }

    proptest! {
        #[test]
        fn chunks_come_together_wherever_they_are_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8),
            step in 1usize..40,
            extension in "(;[a-z=]{0,5})?",
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
            let result = chunked(&text, step).unwrap();
            prop_assert_eq!(result, Some((chunks.concat(), Vec::new())));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_head(&bytes, &PeerInfo::default());
            let _ = chunked(&bytes, 3);
        }
    }
}
