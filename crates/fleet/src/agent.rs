//! One agent on one connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bheka_cluster::message::Message;
use bheka_cluster::netstring::TRUSTED_BYTES_MAX;
use bheka_net::{Connection, FrameError, FrameReader, FrameWriter, Identity, Phase};
use bheka_value::{Timestamp, Value};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::counters::{Counters, LinkState, count};
use crate::signals::{Parting, Signals};
use crate::{Clock, StateMix};

/// What a stock agent says of itself: 2.13.6, able to run arbitrary commands.
const VERSION: f64 = 21_306.0;
const CAPABILITIES: f64 = 1.0;
const HEARTBEAT: Duration = Duration::from_secs(20);
const LOG_POSITION: Duration = Duration::from_secs(5);
/// How long a stranger may stay.
const STRANGER_STAY: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(2);
/// Checks that wait for their turn; more are dropped, as in Icinga 2.
const WAITING_MAX: usize = 25_000;

/// What all agents share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) counters: Counters,
    pub(crate) clock: Clock,
    pub(crate) delay: Duration,
    pub(crate) handshake_delay: Duration,
    pub(crate) slow_pause: Duration,
    pub(crate) states: StateMix,
}

/// How a connection came about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When it was begun.
    pub(crate) began: Instant,
    /// Whether Hello was sent.
    pub(crate) greeted: bool,
    /// Whether the agent is to read slowly.
    pub(crate) slow: bool,
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// By the master or the network, or it never was one.
    Lost,
    /// The agent left, in a wave.
    Left,
}

/// One agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) identity: Arc<Identity>,
    pub(crate) link: LinkState,
    pub(crate) shared: Arc<Shared>,
}

/// The payload of an agent's greeting.
pub(crate) fn hello() -> Vec<u8> {
    let params = Value::dictionary([
        ("capabilities", Value::from(CAPABILITIES)),
        ("version", Value::from(VERSION)),
    ]);
    Message::call("icinga::Hello", params).to_bytes()
}

/// Frees the agent's place however the connection ends.
struct Occupied<'a>(&'a Agent);

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.0.link.vacate();
        self.0
            .shared
            .counters
            .connected
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Agent {
    /// Serves a connection until it ends or the fleet stops.
    pub(crate) async fn serve(
        &self,
        connection: Connection,
        arrival: Arrival,
        mut signals: Signals,
    ) -> Ending {
        let counters = &self.shared.counters;
        if connection.tls.resumed {
            count(&counters.resumed);
        }
        let trusted = connection.peer.verified_cn().is_some();
        let addresses = (connection.local, connection.remote);
        let (mut reader, mut writer) = connection.split(TRUSTED_BYTES_MAX);
        if !arrival.greeted && writer.send(&hello()).await.is_err() {
            counters.fail(Phase::FirstByte, false);
            return Ending::Lost;
        }
        if !trusted {
            count(&counters.strangers);
            let stay = async { while let Ok(Some(_)) = reader.next().await {} };
            tokio::select! {
                () = stay => {}
                () = tokio::time::sleep(STRANGER_STAY) => {}
                () = signals.stopped() => {}
            }
            writer.close(GOODBYE).await;
            return Ending::Lost;
        }
        if !self.link.occupy(addresses) {
            count(&counters.duplicates);
            writer.close(GOODBYE).await;
            return Ending::Lost;
        }
        counters.handshakes.record(arrival.began.elapsed());
        count(&counters.connects);
        count(&counters.connected);
        let occupied = Occupied(self);
        let mut leaving = signals.clone();
        let parting = tokio::select! {
            result = self.converse(&mut reader, &mut writer, arrival.slow) => {
                if let Err(error) = result {
                    tracing::debug!(agent = %self.name, "connection ended: {error}");
                }
                count(&counters.drops);
                None
            }
            parting = leaving.told_to_leave(&self.name) => {
                count(&counters.left);
                Some(parting)
            }
            () = signals.stopped() => None,
        };
        if parting != Some(Parting::Abrupt) {
            writer.close(GOODBYE).await;
        }
        drop(occupied);
        match parting {
            Some(_) => Ending::Left,
            None => Ending::Lost,
        }
    }

    async fn converse(
        &self,
        reader: &mut FrameReader,
        writer: &mut FrameWriter,
        slow: bool,
    ) -> Result<(), FrameError> {
        // What an agent says first to a parent: please renew my certificate if need be.
        let renewal = Value::dictionary([("ticket", Value::from(""))]);
        writer
            .send(&Message::call("pki::RequestCertificate", renewal).to_bytes())
            .await?;
        let (mut heartbeat, mut log_position) = (every(HEARTBEAT), every(LOG_POSITION));
        let mut position = Timestamp::NEVER;
        let mut waiting: VecDeque<(Instant, Timestamp, Message)> = VecDeque::new();
        // When a slow agent reads again.
        let mut pause: Option<Instant> = None;
        loop {
            let due = waiting.front().map(|(due, _, _)| *due);
            tokio::select! {
                frame = reader.next(), if pause.is_none() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    pause = slow.then(|| Instant::now() + self.shared.slow_pause);
                    let Some(message) = self.understand(&frame, &mut position) else { continue };
                    if waiting.len() < WAITING_MAX {
                        let started = self.shared.clock.now();
                        waiting.push_back((Instant::now() + self.shared.delay, started, message));
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if let Some((_, started, message)) = waiting.pop_front() {
                        self.answer(&message, started, writer).await?;
                    }
                }
                () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => {
                    pause = None;
                }
                _ = heartbeat.tick() => {
                    let empty = Value::dictionary(Vec::<(&str, Value)>::new());
                    writer.send(&Message::call("event::Heartbeat", empty).to_bytes()).await?;
                }
                _ = log_position.tick() => {
                    if !position.is_never() {
                        let params =
                            Value::dictionary([("log_position", Value::from(position.seconds()))]);
                        let message = Message::call("log::SetLogPosition", params);
                        writer.send(&message.to_bytes()).await?;
                    }
                }
            }
        }
    }

    /// Takes note of a message; yields it when it asks for something to be run.
    fn understand(&self, frame: &[u8], position: &mut Timestamp) -> Option<Message> {
        let counters = &self.shared.counters;
        count(&counters.messages_received);
        let Ok(message) = Message::from_bytes(frame) else {
            count(&counters.messages_malformed);
            return None;
        };
        if let Some(ts) = message.ts {
            if ts < *position {
                return None;
            }
            *position = ts;
        }
        (message.method_name() == "event::ExecuteCommand").then_some(message)
    }

    async fn answer(
        &self,
        request: &Message,
        started: Timestamp,
        writer: &mut FrameWriter,
    ) -> Result<(), FrameError> {
        let Some(host) = request.text_param("host") else {
            return Ok(());
        };
        let service = request
            .text_param("service")
            .filter(|service| !service.is_empty());
        let kind = request.text_param("command_type");
        let is_check = kind
            .as_ref()
            .is_none_or(|kind| kind.as_str() == "check_command");
        let source = request.text_param("source");
        if !is_check && source.is_none() {
            return Ok(());
        }
        let state = self.shared.states.state(&host, service.as_deref());
        let mut params = vec![("host", Value::from(host))];
        params.extend(service.map(|service| ("service", Value::from(service))));
        let run = Run {
            agent: &self.name,
            state,
            started,
            ended: self.shared.clock.now(),
        };
        let method = match source {
            None => {
                let command = request.text_param("command").unwrap_or_default();
                params.push(("cr", run.check_result(command.as_str())));
                "event::CheckResult"
            }
            Some(execution) => {
                params.extend(run.executed(Value::from(execution)));
                "event::ExecutedCommand"
            }
        };
        writer
            .send(&Message::call(method, Value::dictionary(params)).to_bytes())
            .await?;
        count(&self.shared.counters.checks_answered);
        count(&self.link.checks_answered);
        Ok(())
    }
}

/// One pretended run of a plugin.
struct Run<'a> {
    agent: &'a str,
    state: u8,
    started: Timestamp,
    ended: Timestamp,
}

impl Run<'_> {
    fn output(&self) -> String {
        let word = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::from(self.state.min(3))];
        format!("{word} - simulated by {}", self.agent)
    }

    fn seconds(&self) -> f64 {
        self.ended - self.started
    }

    /// In the manner of an agent: schedule times are those of the end, nothing is known of before.
    fn check_result(&self, command: &str) -> Value {
        let (started, ended) = (
            Value::from(self.started.seconds()),
            Value::from(self.ended.seconds()),
        );
        let state = Value::from(f64::from(self.state));
        let performance = format!("time={:.6}s;;;0", self.seconds());
        Value::dictionary([
            ("active", Value::from(true)),
            ("check_source", Value::from(self.agent)),
            (
                "command",
                Value::array([Value::from("/simulated"), Value::from(command)]),
            ),
            ("execution_end", ended.clone()),
            ("execution_start", started),
            ("exit_status", state.clone()),
            ("output", Value::from(self.output())),
            ("performance_data", Value::array([Value::from(performance)])),
            ("previous_hard_state", Value::from(0.0)),
            ("schedule_end", ended.clone()),
            ("schedule_start", ended),
            ("scheduling_source", Value::from(self.agent)),
            ("state", state),
            ("ttl", Value::from(0.0)),
            ("type", Value::from("CheckResult")),
            ("vars_after", Value::Empty),
            ("vars_before", Value::Empty),
        ])
    }

    fn executed(&self, execution: Value) -> [(&'static str, Value); 5] {
        let output = format!("{}|time={:.6}s\n", self.output(), self.seconds());
        [
            ("execution", execution),
            ("exit", Value::from(f64::from(self.state))),
            ("output", Value::from(output)),
            ("start", Value::from(self.started.seconds())),
            ("end", Value::from(self.ended.seconds())),
        ]
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
