//! A request as the router sees it, and its URL.

use std::fmt;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub struct PeerInfo {
    /// The common name of the client certificate, when it verified against the CA.
    pub verified_cn: Option<String>,
    /// Address and port, for the log.
    pub remote: String,
}

/// One HTTP request with its whole body.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method as sent, e.g. `GET`.
    pub method: String,
    /// The request target as sent, e.g. `/v1/objects/hosts?attrs=name`.
    pub target: String,
    /// Name and value of each header, in order.
    pub headers: Vec<(String, String)>,
    /// The body, empty when there is none.
    pub body: Vec<u8>,
    /// Who sent it.
    pub peer: PeerInfo,
}

impl PeerInfo {
    /// The address as Icinga 2's log has it: `[127.0.0.1]:33452`, IPv4 in brackets as well.
    #[must_use]
    pub fn logged(&self) -> String {
        match self.remote.rsplit_once(':') {
            Some((host, port)) if !host.starts_with('[') => format!("[{host}]:{port}"),
            _ => self.remote.clone(),
        }
    }
}

impl Request {
    /// The value of the first header of that name; case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The method to act on: `X-HTTP-Method-Override` when it names one (in capitals), else the
    /// real one (manual, chapter 12, "Request Method Override").
    #[must_use]
    pub fn effective_method(&self) -> &str {
        match self.header("X-HTTP-Method-Override") {
            Some(method) if is_known_method(method) => method,
            _ => &self.method,
        }
    }

    /// Whether the client asked for exactly `application/json`.
    #[must_use]
    pub fn accepts_json(&self) -> bool {
        self.header("Accept") == Some("application/json")
    }
}

fn is_known_method(method: &str) -> bool {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE",
    ];
    KNOWN.contains(&method)
}

/// A request target, taken apart and decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// The parts of the path between slashes, empty ones left out.
    pub(crate) path: Vec<String>,
    /// Keys and values of the query string, in order; a trailing `[]` of the key is cut off.
    pub(crate) query: Vec<(String, String)>,
}

/// The target breaks the rules of Icinga 2's URL parser, which answers it with status 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadUrl;

impl Url {
    /// Takes a target apart as Icinga 2 2.13.6 does (observed): `[scheme:][//authority]/path`, a
    /// query and a fragment, in which only the characters that RFC 3986 allows may stand bare.
    pub(crate) fn parse(target: &str) -> Result<Self, BadUrl> {
        let mut rest = target;
        if let Some(colon) = rest
            .find([':', '/', '?', '#'])
            .filter(|at| rest[*at..].starts_with(':'))
        {
            check_scheme(&rest[..colon])?;
            rest = &rest[colon + 1..];
        }
        if let Some(after) = rest.strip_prefix("//") {
            let end = after.find('/').ok_or(BadUrl)?;
            check_authority(&after[..end])?;
            rest = &after[end..];
        }
        if !rest.starts_with('/') {
            return Err(BadUrl);
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        if !fragment.bytes().all(allowed) {
            return Err(BadUrl);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut url = Self::default();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            url.path.push(decode(part)?);
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let key = decode(key.strip_suffix("[]").unwrap_or(key))?;
            if key.is_empty() {
                return Err(BadUrl);
            }
            url.query.push((key, decode(value)?));
        }
        Ok(url)
    }

    /// The path as error messages show it: decoded, no slash in front.
    pub(crate) fn joined_path(&self) -> String {
        self.path.join("/")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        f.write_str(&self.joined_path())
    }
}

fn check_scheme(scheme: &str) -> Result<(), BadUrl> {
    let mut bytes = scheme.bytes();
    let first = bytes.next().ok_or(BadUrl)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if first.is_ascii_alphabetic() && bytes.all(fits) {
        Ok(())
    } else {
        Err(BadUrl)
    }
}

fn check_authority(authority: &str) -> Result<(), BadUrl> {
    let fits = authority.bytes().all(|byte| allowed(byte) || byte == b'%');
    if fits { Ok(()) } else { Err(BadUrl) }
}

/// Printable ASCII but for ``"%<>[\]^`{|}`` (a per cent sign only with two hex digits).
fn allowed(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"%<>[\\]^`{|}#".contains(&byte)
}

fn decode(text: &str) -> Result<String, BadUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex).ok_or(BadUrl)?;
            let low = rest.next().and_then(hex).ok_or(BadUrl)?;
            bytes.push(high << 4 | low);
        } else if allowed(byte) {
            bytes.push(byte);
        } else {
            return Err(BadUrl);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_logged_in_brackets() {
        for (remote, logged) in [
            ("127.0.0.1:33452", "[127.0.0.1]:33452"),
            ("[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:5"),
            ("test", "test"),
        ] {
            let remote = remote.to_owned();
            let verified_cn = None;
            assert_eq!(
                PeerInfo {
                    verified_cn,
                    remote
                }
                .logged(),
                logged
            );
        }
    }
    use proptest::prelude::*;

    fn path(target: &str) -> Option<String> {
        Url::parse(target).ok().map(|url| url.joined_path())
    }

    #[test]
    fn paths_as_2_13_6_reads_them() {
        assert_eq!(path("/v1//objects/").as_deref(), Some("v1/objects"));
        assert_eq!(path("/v1%2Fstatus").as_deref(), Some("v1/status"));
        assert_eq!(path("http://u:p@x:80/v1").as_deref(), Some("v1"));
        assert_eq!(path("x:/v1").as_deref(), Some("v1"));
        assert_eq!(path("//v1/objects").as_deref(), Some("objects"));
        assert_eq!(path("///v1").as_deref(), Some("v1"));
        assert_eq!(path("/v1/h01;x#frag").as_deref(), Some("v1/h01;x"));
        for bad in [
            "", "*", "v1", "//v1", "http://x", "/a b", "/%zz", "/a%", "/ü", "/a\"b", "?a=1",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    #[test]
    fn queries_as_2_13_6_reads_them() {
        let query = |target: &str| Url::parse(target).map(|url| url.query);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            query("/?a[]=1&&b&c=x=y+z"),
            Ok(vec![pair("a", "1"), pair("b", ""), pair("c", "x=y+z"),])
        );
        for bad in ["/?=x", "/?[]=1", "/?a[0]=1", "/?a[=1", "/?a={}", "/?a=%zz"] {
            assert_eq!(query(bad), Err(BadUrl), "{bad}");
        }
    }

    #[test]
    fn only_known_methods_override() {
        let mut request = Request {
            method: "POST".into(),
            ..Request::default()
        };
        for (name, expected) in [
            ("GET", "GET"),
            ("get", "POST"),
            ("FOO", "POST"),
            ("PUT", "PUT"),
        ] {
            request.headers = vec![("x-http-method-override".into(), name.into())];
            assert_eq!(request.effective_method(), expected);
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(target in ".*") {
            let _ = Url::parse(&target);
        }

        #[test]
        fn encoded_parts_come_back(part in "[^/]{1,20}") {
            let encoded: String = part.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let url = Url::parse(&format!("/{encoded}?{encoded}={encoded}")).unwrap();
            prop_assert_eq!(&url.path, &vec![part.clone()]);
            prop_assert_eq!(url.query, vec![(part.clone(), part)]);
        }
    }
}
