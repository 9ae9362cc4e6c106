//! What a node says of its endpoints.
//!
//! A real Icinga 2 can be asked as well: it does not know why an endpoint is not connected, but
//! whether.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use bheka_value::{Value, to_json};

use crate::api_url::ApiUrl;
use crate::cli::explain;
use crate::client::{Client, at};
use crate::settings::Settings;

/// The node when no other is named.
const HERE: &str = "https://localhost/";
/// Endpoints in one answer: a large one would hold up other clients of the node.
const PAGE: usize = 500;

/// The API of a node.
pub(super) struct Node {
    client: Client,
    address: String,
    runtime: tokio::runtime::Runtime,
}

/// What holds for all endpoints together.
pub(super) struct Overview {
    /// The name of the node.
    pub(super) identity: String,
    /// Endpoints of the own, the parent and the child zones, by name.
    pub(super) listed: Vec<Listed>,
    /// The status of the listener.
    pub(super) status: Value,
}

/// An endpoint as it stands in the status.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) is_connected: bool,
}

/// An endpoint with its connection.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) zone: String,
    /// All attributes as they came.
    pub(super) attributes: Value,
}

impl Node {
    /// The node at a URL, or the one of this machine.
    ///
    /// # Errors
    /// When the URL cannot be read, nobody says who asks, or TLS cannot be set up.
    pub(super) fn new(url: Option<&str>, settings: &Settings) -> anyhow::Result<Self> {
        let mut address = ApiUrl::with_environment(url.unwrap_or(HERE))?;
        if address.user.is_empty() || address.password.is_empty() {
            let path = settings.paths.config_dir.join("conf.d/api-users.conf");
            let known = user_in(&path, &address.user);
            let Some((user, password)) = known else {
                bail!(
                    "it is not known who asks: set ICINGA2_API_USERNAME and \
                     ICINGA2_API_PASSWORD, or use --connect https://USER@HOST:5665/ (no ApiUser \
                     with a password can be read in '{}')",
                    path.display()
                );
            };
            (address.user, address.password) = (user, password);
        }
        Ok(Self {
            client: Client::new(
                &address.host,
                address.port,
                &address.user,
                &address.password,
            )?,
            address: format!("host '{}' port '{}'", address.host, address.port),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// # Errors
    /// When the node cannot be asked, or has no listener.
    pub(super) fn overview(&self) -> anyhow::Result<Overview> {
        let answer = self.get("/v1/status/ApiListener")?;
        let status = at(&answer, "results.0.status.api")
            .with_context(|| format!("{} tells nothing of an ApiListener", self.address))?;
        let identity = text(&status, "identity");
        let mut listed: Vec<Listed> = Vec::new();
        for (key, is_connected) in [("conn_endpoints", true), ("not_conn_endpoints", false)] {
            let names = strings(&at(&status, key).unwrap_or_default());
            listed.extend(names.into_iter().map(|name| Listed {
                name,
                zone: String::new(),
                is_connected,
            }));
        }
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        if let Some(Value::Dictionary(zones)) = at(&status, "zones") {
            let mut places: HashMap<String, String> = HashMap::new();
            for (zone, of) in zones.entries().iter() {
                let endpoints = strings(&at(of, "endpoints").unwrap_or_default());
                places.extend(endpoints.into_iter().map(|it| (it, zone.to_string())));
            }
            for endpoint in &mut listed {
                endpoint.zone = places.remove(&endpoint.name).unwrap_or_default();
            }
        }
        Ok(Overview {
            identity,
            listed,
            status,
        })
    }

    /// These endpoints, page by page.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub(super) fn endpoints(&self, names: &[&str]) -> anyhow::Result<Vec<Endpoint>> {
        let mut found = Vec::with_capacity(names.len());
        for page in names.chunks(PAGE) {
            let names = page.iter().copied().map(Value::string);
            let body = Value::dictionary([("endpoints", Value::array(names))]);
            let asked = self.client.query("/v1/objects/endpoints", to_json(&body));
            let answer = self.runtime.block_on(asked);
            let answer = answer.map_err(|error| self.unreachable(&error))?;
            match answer.status {
                200 => {}
                // They were removed from the configuration a moment ago.
                404 => continue,
                status => bail!(
                    "{} answers {status} {}; the user needs the permissions \
                     'objects/query/Endpoint' and 'status/query'",
                    self.address,
                    answer.reason
                ),
            }
            let Some(Value::Array(results)) = at(&answer.json()?, "results") else {
                bail!("the answer of {} holds no results", self.address);
            };
            found.extend(results.items().iter().map(|result| Endpoint {
                name: text(result, "name"),
                zone: String::new(),
                attributes: at(result, "attrs").unwrap_or_default(),
            }));
        }
        Ok(found)
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.runtime.block_on(self.client.ask(path));
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        match answer.status {
            200 => answer.json(),
            401 => bail!(
                "{} does not know the user, or the password is wrong",
                self.address
            ),
            404 => bail!(
                "{} answers 404 Not Found; the user needs the permissions \
                 'objects/query/Endpoint' and 'status/query'",
                self.address
            ),
            status => bail!("{} answers {status} {}", self.address, answer.reason),
        }
    }

    fn unreachable(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!(
            "Cannot connect to REST API on {}: {}",
            self.address,
            explain(error)
        )
    }
}

impl Overview {
    /// The zone of an endpoint; empty when it is not known.
    pub(super) fn zone_of(&self, endpoint: &str) -> &str {
        let found = self
            .listed
            .binary_search_by(|listed| listed.name.as_str().cmp(endpoint));
        found.map_or("", |place| self.listed[place].zone.as_str())
    }

    /// How many endpoints are connected.
    pub(super) fn connected(&self) -> usize {
        self.listed.iter().filter(|it| it.is_connected).count()
    }

    /// All of it for programs.
    pub(super) fn to_json(&self, endpoints: &[Endpoint]) -> serde_json::Value {
        let endpoints: Vec<serde_json::Value> = endpoints
            .iter()
            .map(|endpoint| {
                serde_json::json!({
                    "name": endpoint.name,
                    "zone": endpoint.zone,
                    "state": endpoint.state(),
                    "connected": endpoint.is_connected(),
                    "connection": as_json(&endpoint.get("connection")),
                    "last_message_received": endpoint.number("last_message_received"),
                    "last_message_sent": endpoint.number("last_message_sent"),
                })
            })
            .collect();
        let part = |name: &str| as_json(&at(&self.status, name).unwrap_or_default());
        serde_json::json!({
            "node": self.identity,
            "endpoints_known": self.listed.len(),
            "endpoints_connected": self.connected(),
            "fleet": part("fleet"),
            "openings": part("openings"),
            "endpoints": endpoints,
        })
    }
}

impl Endpoint {
    /// An attribute.
    pub(super) fn get(&self, path: &str) -> Value {
        at(&self.attributes, path).unwrap_or_default()
    }

    /// An attribute that is a number.
    pub(super) fn number(&self, path: &str) -> Option<f64> {
        self.get(path).as_number()
    }

    /// An attribute that is a text.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.get(path).as_str().map(str::to_owned)
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.get("connected").is_true()
    }

    /// How it stands, in one word; of an Icinga 2 what can be told.
    pub(super) fn state(&self) -> String {
        if let Some(state) = self.text("connection.state") {
            return state;
        }
        let is = |name: &str| self.get(name).is_true();
        let state = match (is("connected"), is("syncing"), is("connecting")) {
            (true, true, _) => "syncing",
            (true, false, _) => "connected",
            (false, _, true) => "connecting",
            (false, _, false) => "absent",
        };
        state.to_owned()
    }

    /// Whether it is dialled in vain.
    pub(super) fn is_failing(&self) -> bool {
        let failed = self.number("connection.last_error.count").unwrap_or(0.0) > 0.0;
        !self.is_connected() && failed
    }

    /// Whether a connection is being made.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state().as_str(), "connecting" | "queued" | "unproven")
    }
}

/// Values of the language as those of the library that writes JSON here.
fn as_json(value: &Value) -> serde_json::Value {
    serde_json::from_str(&to_json(value)).unwrap_or_default()
}

fn text(value: &Value, path: &str) -> String {
    let found = at(value, path);
    found
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    let Value::Array(items) = value else {
        return Vec::new();
    };
    let items = items.items();
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Name and password of a user in the file that `api setup` writes, where it can be read: that of
/// this name, or the first one.
fn user_in(path: &Path, wanted: &str) -> Option<(String, String)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut name = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("object ApiUser ") {
            name = quoted(rest);
        } else if let Some(rest) = line.strip_prefix("password") {
            let password = rest.trim_start().strip_prefix('=').and_then(quoted);
            if let (Some(name), Some(password)) = (&name, password)
                && (wanted.is_empty() || wanted == name)
            {
                return Some((name.clone(), password));
            }
        }
    }
    None
}

/// A string literal without escapes.
fn quoted(text: &str) -> Option<String> {
    let text = text.trim_start().strip_prefix('"')?;
    let (inside, _) = text.split_once('"')?;
    (!inside.contains('\\')).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_that_setup_made_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api-users.conf");
        assert_eq!(user_in(&path, ""), None);
        let text = "object ApiUser \"cn\" {\n  client_cn = \"x\"\n}\n\
                    object ApiUser \"root\" {\n  password = \"s3cret\"\n}\n\
                    object ApiUser \"other\" {\n  password = \"o\"\n}\n";
        std::fs::write(&path, text).unwrap();
        let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
        assert_eq!(user_in(&path, ""), pair("root", "s3cret"));
        assert_eq!(user_in(&path, "other"), pair("other", "o"));
        assert_eq!(user_in(&path, "nobody"), None);
    }

    #[test]
    fn an_icinga_is_understood_as_well() {
        let attributes = Value::dictionary([
            ("connected", Value::Boolean(false)),
            ("connecting", Value::Boolean(true)),
        ]);
        let endpoint = Endpoint {
            attributes,
            ..Endpoint::default()
        };
        assert_eq!(endpoint.state(), "connecting");
        assert!(endpoint.is_connecting() && !endpoint.is_failing());
    }
}
