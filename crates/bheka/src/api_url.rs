//! Where an API is and who asks, as a URL.

use anyhow::bail;

/// The port of the API when the URL names none.
const PORT: u16 = 5665;

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ApiUrl {
    /// The name of an ApiUser; may be empty.
    pub(crate) user: String,
    /// Its password; may be empty.
    pub(crate) password: String,
    /// The host.
    pub(crate) host: String,
    /// The port; 5665 when the URL names none.
    pub(crate) port: u16,
}

impl ApiUrl {
    /// What `https://user:password@host:port/` says. The environment variables
    /// `ICINGA2_API_USERNAME` and `ICINGA2_API_PASSWORD` win over it.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub(crate) fn with_environment(url: &str) -> anyhow::Result<Self> {
        let mut it = Self::parse(url)?;
        for (name, place) in [
            ("ICINGA2_API_USERNAME", &mut it.user),
            ("ICINGA2_API_PASSWORD", &mut it.password),
        ] {
            if let Ok(value) = std::env::var(name) {
                *place = value;
            }
        }
        Ok(it)
    }

    fn parse(url: &str) -> anyhow::Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            bail!("Invalid URL: '{url}' is not of the form https://user@host:5665/");
        };
        // TLS is spoken whatever the scheme says, as Icinga 2 does.
        if !["https", "http"].contains(&scheme) {
            bail!("Invalid URL: scheme '{scheme}' is not https");
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (credentials, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let Some((host, port)) = rest.split_once(']') else {
                    bail!("Invalid URL: the address in brackets has no end");
                };
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if host.is_empty() {
            bail!("Invalid URL: it names no host");
        }
        let port = match port {
            "" => PORT,
            port => match port.parse() {
                Ok(port) => port,
                Err(_) => bail!("Invalid URL: '{port}' is not a port"),
            },
        };
        Ok(Self {
            user: decode(user)?,
            password: decode(password)?,
            host: decode(host)?,
            port,
        })
    }
}

/// `%40` to `@`
fn decode(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = rest.next().map(char::from)?.to_digit(16)?;
            u8::try_from(digit).ok()
        };
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => bail!("Invalid URL: '%' needs two hexadecimal digits behind it"),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, user, password, host, port) in [
            (
                "https://root:pw@h.example:5665/",
                "root",
                "pw",
                "h.example",
                5665,
            ),
            ("https://root@127.0.0.1:1", "root", "", "127.0.0.1", 1),
            ("https://localhost/", "", "", "localhost", 5665),
            (
                "https://a%40b:p%3A%25@[::1]:99/x?y",
                "a@b",
                "p:%",
                "::1",
                99,
            ),
            ("https://u:p:q@[fe80::1]", "u", "p:q", "fe80::1", 5665),
        ] {
            let address = ApiUrl::parse(url).unwrap();
            let expected = ApiUrl {
                user: user.to_owned(),
                password: password.to_owned(),
                host: host.to_owned(),
                port,
            };
            assert_eq!(address, expected, "{url}");
        }
        for url in [
            "127.0.0.1",
            "ftp://h/",
            "https:///",
            "https://h:x/",
            "https://[::1",
            "https://%4/",
        ] {
            let error = ApiUrl::parse(url).unwrap_err();
            assert!(error.to_string().starts_with("Invalid URL: "), "{url}");
        }
    }
}
