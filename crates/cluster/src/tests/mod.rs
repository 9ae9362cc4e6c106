//! The cluster as a whole, one node at a time.

mod access;
mod certificates;
mod execution;
mod fleet;
mod links;
mod positions;
mod routing;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_model::{CheckResult, CheckableName, ConfigObject, Event, EventKind, Origin};
use bheka_value::{Str, Timestamp, Value};

use crate::facts::{
    DialFailure, DialPhase, FailureKind, PeerFacts, PeerState, PhaseTimes, TlsFacts,
};
use crate::log::{LogFile, LogPage, LogRecord};
use crate::testing::{check_command, endpoint, generation, host, listener, zone};
use crate::{
    CloseReason, Cluster, Direction, DownCause, Effect, Input, LinkId, LinkUp, Message, Settings,
    Severity,
};

const START: f64 = 1_795_400_000.0;

/// A node under test, with a memory for its replay log.
struct Node {
    cluster: Cluster,
    now: f64,
    last_link: u64,
    log: BTreeMap<LogFile, Vec<LogRecord>>,
}

impl Node {
    fn new(name: &str, objects: Vec<Arc<ConfigObject>>) -> Self {
        let settings = Settings::new(name, Timestamp(START), 1);
        let mut node = Self {
            cluster: Cluster::new(settings),
            now: START,
            last_link: 0,
            log: BTreeMap::new(),
        };
        node.reconfigure(objects);
        node
    }

    fn handle(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = self.cluster.handle(input, Timestamp(self.now));
        let mut done = Vec::new();
        while !effects.is_empty() {
            let effect = effects.remove(0);
            match &effect {
                Effect::AppendLog(record) => {
                    self.log
                        .entry(LogFile::Current)
                        .or_default()
                        .push(record.clone());
                }
                Effect::RotateLog { number } => {
                    let records = self.log.remove(&LogFile::Current).unwrap_or_default();
                    self.log.insert(LogFile::Rotated(*number), records);
                }
                Effect::DeleteLog { number } => {
                    self.log.remove(&LogFile::Rotated(*number));
                }
                Effect::ReadLog { link, file, offset } => {
                    let page = self.page(*file, *offset);
                    let input = Input::LogPage { link: *link, page };
                    effects.extend(self.cluster.handle(input, Timestamp(self.now)));
                }
                _ => {}
            }
            done.push(effect);
        }
        done
    }

    fn page(&self, file: LogFile, offset: u64) -> LogPage {
        let bytes: Vec<u8> = self
            .log
            .get(&file)
            .into_iter()
            .flatten()
            .flat_map(LogRecord::to_frame)
            .collect();
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        LogPage::read(&bytes[from..], offset, true)
    }

    fn reconfigure(&mut self, objects: Vec<Arc<ConfigObject>>) -> Vec<Effect> {
        self.handle(Input::Reconfigure(Arc::new(generation(objects))))
    }

    /// Lets time pass, tick by tick.
    fn pass(&mut self, seconds: f64) -> Vec<Effect> {
        let end = self.now + seconds;
        let mut effects = Vec::new();
        while let Some(due) = self
            .cluster
            .next_wakeup()
            .filter(|due| due.seconds() <= end)
        {
            self.now = self.now.max(due.seconds());
            effects.extend(self.handle(Input::Tick));
        }
        self.now = end;
        effects
    }

    fn up_as(&mut self, up: impl FnOnce(LinkId) -> LinkUp) -> (LinkId, Vec<Effect>) {
        self.last_link += 1;
        let link = LinkId(self.last_link);
        let up = up(link);
        let effects = self.handle(Input::LinkUp(up));
        (link, effects)
    }

    /// A peer that proves to be `name` connects.
    fn up(&mut self, name: &str) -> LinkId {
        self.up_as(|link| accepted(link, Some(name), Ok(()))).0
    }

    fn anonymous(&mut self) -> LinkId {
        self.up_as(|link| accepted(link, None, Err("no certificate".into())))
            .0
    }

    fn receive(&mut self, link: LinkId, json: &str) -> Vec<Effect> {
        let message = Message::from_bytes(json.as_bytes()).unwrap();
        self.handle(Input::Received {
            link,
            message,
            bytes: json.len(),
        })
    }

    fn down(&mut self, link: LinkId) -> Vec<Effect> {
        self.handle(Input::LinkDown {
            link,
            cause: DownCause::Announced,
        })
    }

    fn facts(&self, endpoint: &str) -> PeerFacts {
        self.cluster.connection_status(endpoint).unwrap().facts
    }

    fn event(&mut self, checkable: &str, origin: Origin) -> Vec<Effect> {
        let checkable = CheckableName::from_full(checkable);
        let kind = EventKind::ForceNextCheck(true);
        self.handle(Input::LocalEvent(Event {
            checkable,
            origin,
            kind,
        }))
    }
}

fn accepted(link: LinkId, identity: Option<&str>, verified: Result<(), Str>) -> LinkUp {
    LinkUp {
        link,
        direction: Direction::Accepted,
        identity: identity.map(Str::from),
        verified,
        certificate: Some("<handshake PEM>".into()),
        address: "[::1]:40000".into(),
        tls: TlsFacts::default(),
        times: PhaseTimes::default(),
    }
}

fn dialled(link: LinkId, endpoint: &str, identity: Option<&str>) -> LinkUp {
    let direction = Direction::Dialled {
        endpoint: endpoint.into(),
    };
    LinkUp {
        direction,
        ..accepted(link, identity, Ok(()))
    }
}

/// What was sent, as (link, method or `reply`).
fn sent(effects: &[Effect]) -> Vec<(LinkId, String)> {
    messages(effects)
        .into_iter()
        .map(|(link, message)| (link, message.method.map_or("reply".into(), String::from)))
        .collect()
}

fn messages(effects: &[Effect]) -> Vec<(LinkId, Message)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { link, payload } => {
                Some((*link, Message::from_bytes(payload.as_bytes()).unwrap()))
            }
            _ => None,
        })
        .collect()
}

fn closed(effects: &[Effect]) -> Vec<(LinkId, CloseReason)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Close { link, reason } => Some((*link, reason.clone())),
            _ => None,
        })
        .collect()
}

fn dials(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Dial { endpoint, .. } => Some(&**endpoint),
            _ => None,
        })
        .collect()
}

fn lines(effects: &[Effect], at_least: Severity) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Log { severity, text, .. } if *severity >= at_least => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn commands(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Command { .. }))
        .count()
}

/// Two masters, a satellite below them, an agent below that, and a second agent under the masters;
/// a host in each zone.
fn tree() -> Vec<Arc<ConfigObject>> {
    vec![
        listener(true),
        zone("master", &["m1", "m2"], None),
        zone("sat", &["s1"], Some("master")),
        zone("far", &["f1"], Some("sat")),
        zone("agent", &["a1"], Some("master")),
        endpoint("m1", None),
        endpoint("m2", None),
        endpoint("s1", None),
        endpoint("f1", None),
        endpoint("a1", None),
        host("hm", Some("master"), None),
        host("hs", Some("sat"), None),
        host("hf", Some("far"), None),
        host("ha", Some("agent"), None),
        host("remote", Some("master"), Some("a1")),
        check_command("ping"),
    ]
}

fn result_json(host: &str) -> String {
    let result = CheckResult {
        output: "fine".into(),
        state: 0,
        ..CheckResult::default()
    };
    let cr = result.to_value();
    let params = Value::dictionary([("cr", cr), ("host", Value::string(host))]);
    Message::call("event::CheckResult", params).to_json()
}
