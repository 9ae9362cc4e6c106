//! Every recorded request against ours, over HTTP. `testdata/rest/pending.txt` names the cases
//! that do not agree yet, each with its reason; a case that agrees must not stand there.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod client;
mod compare;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use bheka_api::Api;
use client::{Answer, Client, Silence};
use compare::{Differences, Normaliser};
use serde_json::{Value, json};
use world::World;

/// Requests that stand alone.
#[tokio::test(start_paused = true)]
async fn static_cases() {
    let Some(golden) = Golden::new() else { return };
    let world = World::load();
    let api = world.api();
    golden.set_up(&api).await;
    let text = std::fs::read_to_string(world::testdata().join("static.jsonl")).unwrap();
    let mut verdicts = Verdicts::default();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let user = case["user"].as_str();
        let actual = golden.request(&api, &case, user).await;
        verdicts.add(
            case["id"].as_str().unwrap(),
            differences(&case["expect"], &actual),
        );
    }
    verdicts.judge("rest-");
}

/// Requests that follow one another, and bytes that may not be HTTP.
#[tokio::test(start_paused = true)]
async fn scenarios() {
    let Some(golden) = Golden::new() else { return };
    let mut verdicts = Verdicts::default();
    for entry in std::fs::read_dir(world::testdata().join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        let scenario: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let world = World::load();
        let api = world.api();
        if scenario["setup"] == true {
            golden.set_up(&api).await;
        }
        let mut found = Differences::new();
        for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            let actual = if step["op"] == "raw" {
                golden.raw(&api, step).await
            } else {
                golden
                    .request(&api, step, step["user"].as_str().or(Some("root")))
                    .await
            };
            let differences = differences(&step["expect"], &actual).into_iter();
            found.extend(
                differences.map(|(path, left, right)| {
                    (format!("step {}: {path}", number + 1), left, right)
                }),
            );
        }
        verdicts.add(path.file_stem().unwrap().to_str().unwrap(), found);
    }
    verdicts.judge("scen-");
}

#[derive(Default)]
struct Verdicts {
    agree: BTreeSet<String>,
    differ: BTreeMap<String, Differences>,
}

impl Verdicts {
    fn add(&mut self, id: &str, differences: Differences) {
        if differences.is_empty() {
            self.agree.insert(id.to_owned());
        } else {
            self.differ.insert(id.to_owned(), differences);
        }
    }

    /// Holds the verdicts against the pending cases whose name begins so.
    fn judge(&self, prefix: &str) {
        let text = std::fs::read_to_string(world::testdata().join("pending.txt")).unwrap();
        let pending: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.split('#').next()?.split_whitespace().next())
            .filter(|id| id.starts_with(prefix))
            .collect();
        let mut faults = Vec::new();
        for (id, differences) in &self.differ {
            if pending.contains(id.as_str()) {
                continue;
            }
            faults.push(format!("{id} differs:"));
            for (path, expected, actual) in differences.iter().take(8) {
                faults.push(format!("    {path}: expected {expected}, got {actual}"));
            }
        }
        for id in &pending {
            if self.agree.contains(*id) {
                faults.push(format!("{id} agrees now: take it out of pending.txt"));
            } else if !self.differ.contains_key(*id) {
                faults.push(format!("{id} in pending.txt is not a case"));
            }
        }
        eprintln!("{} agree, {} differ", self.agree.len(), self.differ.len());
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}

struct Golden {
    passwords: BTreeMap<String, String>,
    normaliser: Normaliser,
}

impl Golden {
    /// `None` when the tests cannot run here.
    fn new() -> Option<Self> {
        if !world::has_library() {
            eprintln!("left out: the recorded configuration needs /usr/share/icinga2/include");
            return None;
        }
        Some(Self {
            passwords: serde_json::from_value(read("conf/users.json")).unwrap(),
            normaliser: Normaliser::new(world::DIRECTORY, world::PORT),
        })
    }

    /// Sends the check results that the cases build on.
    async fn set_up(&self, api: &Arc<Api>) {
        for step in read("setup.json").as_array().unwrap() {
            let answer = self.request(api, step, Some("root")).await;
            assert_eq!(answer["status"], 200, "{step}");
        }
    }

    fn credentials(&self, user: &str) -> String {
        let credentials = if user.contains(':') {
            user.to_owned()
        } else {
            format!(
                "{user}:{}",
                self.passwords.get(user).map_or("wrong", String::as_str)
            )
        };
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        format!("Basic {encoded}")
    }

    /// Sends a request on a connection of its own, and describes the answer.
    async fn request(&self, api: &Arc<Api>, case: &Value, user: Option<&str>) -> Value {
        let body = match (&case["raw_body"], &case["body"]) {
            (Value::String(text), _) => text.clone().into_bytes(),
            (_, Value::Null) => Vec::new(),
            (_, body) => body.to_string().into_bytes(),
        };
        let method = case["method"].as_str().unwrap();
        let mut headers: Vec<(String, String)> = vec![
            ("Host".into(), "127.0.0.1".into()),
            ("Accept".into(), "application/json".into()),
        ];
        headers.extend(user.map(|user| ("Authorization".into(), self.credentials(user))));
        if !body.is_empty() || matches!(method, "POST" | "PUT") {
            headers.push(("Content-Length".into(), body.len().to_string()));
        }
        for (name, value) in case["headers"].as_object().into_iter().flatten() {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            headers.extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
        }
        let mut text = format!("{method} {} HTTP/1.1\r\n", case["path"].as_str().unwrap());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        let mut client = Client::connect(api, case["cert"].as_str());
        client
            .send(&[(text + "\r\n").as_bytes(), &body].concat())
            .await;
        match client.response(method).await {
            Ok(answer) => self.describe(&answer),
            Err(Silence::Closed) => json!({ "closed": true }),
            Err(Silence::Silent) => json!({ "silent": true }),
        }
    }

    /// Sends bytes as they are written down, and describes all answers.
    async fn raw(&self, api: &Arc<Api>, step: &Value) -> Value {
        let mut client = Client::connect(api, step["cert"].as_str());
        let mut answers = Vec::new();
        for part in step["send"].as_array().unwrap() {
            client
                .send(&self.expand(part["data"].as_str().unwrap()))
                .await;
            for _ in 0..part["read"].as_u64().unwrap_or(0) {
                answers.extend(client.response("GET").await);
            }
            let pause = part["pause"].as_f64().unwrap_or(0.0);
            tokio::time::sleep(std::time::Duration::from_secs_f64(pause)).await;
        }
        let end = loop {
            match client.response("GET").await {
                Ok(answer) => answers.push(answer),
                Err(silence) => break silence,
            }
        };
        let responses = answers.iter().map(|answer| {
            let mut described = self.describe(answer);
            described["version"] = answer.version.clone().into();
            described
        });
        let responses: Vec<Value> = responses.collect();
        json!({ "json": { "responses": responses, "closed": end == Silence::Closed } })
    }

    /// `@AUTH:user@` and `@REPEAT:x:n@`; characters stand for bytes.
    fn expand(&self, text: &str) -> Vec<u8> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('@') {
            out += before;
            let marker = after
                .split_once('@')
                .filter(|(marker, _)| marker.starts_with("AUTH:") || marker.starts_with("REPEAT:"));
            let Some((marker, after_marker)) = marker else {
                out.push('@');
                rest = after;
                continue;
            };
            if let Some(user) = marker.strip_prefix("AUTH:") {
                out += &format!("Authorization: {}", self.credentials(user));
            } else {
                let (unit, count) = marker["REPEAT:".len()..].split_once(':').unwrap();
                out += &unit.repeat(count.parse().unwrap());
            }
            rest = after_marker;
        }
        out += rest;
        out.chars()
            .map(|character| u8::try_from(u32::from(character)).unwrap())
            .collect()
    }

    /// A response in the form of an expectation.
    fn describe(&self, answer: &Answer) -> Value {
        const HEADERS: [&str; 11] = [
            "content-type",
            "www-authenticate",
            "allow",
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "access-control-allow-methods",
            "access-control-allow-headers",
            "access-control-max-age",
            "connection",
            "transfer-encoding",
            "location",
        ];
        let headers: BTreeMap<&str, String> = answer
            .headers
            .iter()
            .filter(|(name, _)| HEADERS.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), self.normaliser.text(value)))
            .collect();
        let mut described = json!({ "status": answer.status, "headers": headers });
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(value) => {
                let collection = value.is_object() || value.is_array();
                if collection && answer.body.starts_with(b"{\n") {
                    described["pretty"] = true.into();
                }
                let mut value = self.normaliser.value(&value);
                compare::sort_results(&mut value);
                described["json"] = value;
            }
            Err(_) => {
                let text = self.normaliser.text(&String::from_utf8_lossy(&answer.body));
                described["text"] = text.chars().take(3000).collect::<String>().into();
            }
        }
        described
    }
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(world::testdata().join(name)).unwrap()).unwrap()
}

fn differences(expectation: &Value, actual: &Value) -> Differences {
    let mut expected = expectation.clone();
    let entries = expected.as_object_mut().unwrap();
    let ignored = entries.remove("ignore").unwrap_or_default();
    let ignored: Vec<String> = serde_json::from_value(ignored).unwrap_or_default();
    let mut differences = Differences::new();
    compare::diff(&expected, actual, "", &mut differences);
    differences.retain(|(path, ..)| {
        let path = path.strip_prefix("json.").unwrap_or(path);
        !compare::is_ignored(path, &ignored)
    });
    differences
}
