//! The console of a running node, by its API. (Manual, chapters 11 "CLI command: Console" and 12
//! "Debug Console".)

use anyhow::bail;
use bheka_lang::Sandbox;
use bheka_value::{Value, to_json};

use crate::client::{Client, at};

use super::target::Failure;

/// The port of the API when the URL names none.
const PORT: u16 = 5665;

/// A session in a node.
pub(super) struct Remote {
    client: Client,
    address: String,
    session: String,
    sandboxed: bool,
    runtime: tokio::runtime::Runtime,
}

impl Remote {
    /// A session at `https://user:password@host:port/`. The environment variables
    /// `ICINGA2_API_USERNAME` and `ICINGA2_API_PASSWORD` win over what stands in the URL.
    ///
    /// # Errors
    /// When the URL cannot be read, or TLS cannot be set up.
    pub(super) fn new(url: &str, sandbox: Sandbox) -> anyhow::Result<Self> {
        let address = Address::parse(url)?;
        let given = |name: &str, from_url: String| std::env::var(name).unwrap_or(from_url);
        let user = given("ICINGA2_API_USERNAME", address.user);
        let password = given("ICINGA2_API_PASSWORD", address.password);
        Ok(Self {
            client: Client::new(&address.host, address.port, &user, &password)?,
            address: format!("host '{}' port '{}'", address.host, address.port),
            session: uuid::Uuid::new_v4().to_string(),
            sandboxed: sandbox != Sandbox::Off,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// The value of a script.
    pub(super) fn evaluate(&self, script: &str) -> Result<Value, Failure> {
        let result = self.ask("execute-script", script)?;
        let code = at(&result, "code").and_then(|code| code.as_number());
        if code.is_some_and(|code| (200.0..300.0).contains(&code)) {
            return Ok(at(&result, "result").unwrap_or_default());
        }
        let text = at(&result, "status").and_then(|it| it.as_str().map(str::to_owned));
        let text = text.unwrap_or_else(|| format!("unexpected answer: {}", to_json(&result)));
        Err(Failure::Script(text.trim_end().to_owned().into()))
    }

    /// The words that begin as this one does; none when the node cannot be asked.
    pub(super) fn complete(&self, word: &str) -> Vec<String> {
        let Ok(result) = self.ask("auto-complete-script", word) else {
            return Vec::new();
        };
        let Some(Value::Array(words)) = at(&result, "suggestions") else {
            return Vec::new();
        };
        let words = words.items().into_iter();
        words
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    }

    /// The first of the results of a request.
    fn ask(&self, method: &str, command: &str) -> Result<Value, Failure> {
        let body = to_json(&Value::dictionary([
            ("session", Value::string(self.session.as_str())),
            ("command", Value::string(command)),
            (
                "sandboxed",
                Value::Number(f64::from(u8::from(self.sandboxed))),
            ),
        ]));
        let path = format!("/v1/console/{method}");
        let answer = self.runtime.block_on(self.client.post(&path, body));
        let answer = answer.map_err(|error| {
            let cause = crate::cli::explain(&error);
            Failure::Unreachable(format!(
                "Cannot connect to REST API on {}: {cause}",
                self.address
            ))
        })?;
        if answer.status != 200 {
            let text = format!(
                "HTTP request failed; Code: {}; Body: {}",
                answer.reason,
                String::from_utf8_lossy(&answer.body).trim_end()
            );
            return Err(Failure::Script(text.into()));
        }
        let results = answer.json().map_err(|error| {
            Failure::Script(format!("cannot read the answer of the node: {error:#}").into())
        })?;
        at(&results, "results.0").ok_or_else(|| {
            Failure::Script("the answer of the node holds no result".to_owned().into())
        })
    }
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    user: String,
    password: String,
    host: String,
    port: u16,
}

impl Address {
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
            let address = Address::parse(url).unwrap();
            let expected = Address {
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
            let error = Address::parse(url).unwrap_err();
            assert!(error.to_string().starts_with("Invalid URL: "), "{url}");
        }
    }
}
