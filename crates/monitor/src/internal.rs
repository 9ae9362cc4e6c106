//! The checks that are evaluated inside (manual chapter 10, "Check Commands"). Texts and the sets
//! of performance data are those of 2.13.6.

use std::sync::Arc;

use bheka_model::{CheckResult, ConfigObject};
use bheka_value::{Str, Timestamp, Value, format_number};

use crate::execute::Execution;
use crate::macros::{Escape, resolve, text_of};
use crate::monitor::{Monitor, Peer};
use crate::perfdata::number;
use crate::scope::Scope;
use crate::{PeerNumbers, split_output, split_performance_data, state_of};

impl Monitor {
    /// The internal check of that function name.
    pub(crate) fn internal_check(
        &mut self,
        function: &str,
        command: &ConfigObject,
        scope: &Arc<Scope>,
        subject: &Str,
        now: Timestamp,
    ) -> Result<Execution, String> {
        let collecting = scope.collected.is_some();
        let mut result = CheckResult {
            state: 0,
            command: Value::String(command.name.clone()),
            execution_start: now,
            execution_end: now,
            ..CheckResult::default()
        };
        match function.strip_prefix("Internal#").unwrap_or(function) {
            "DummyCheck" => dummy(scope, subject, &mut result, now)?,
            "IcingaCheck" => {
                let version = macro_value(scope, "$icinga_min_version$")?;
                if !collecting {
                    self.icinga(version.as_ref(), &mut result, now);
                }
            }
            "ClusterCheck" if !collecting => self.cluster(&mut result),
            "ClusterZoneCheck" => self.cluster_zone(scope, collecting, &mut result, now)?,
            "RandomCheck" if !collecting => self.random(subject, &mut result, now),
            "ExceptionCheck" if !collecting => result = exception(subject, "Test", now),
            "NullCheck" if !collecting => {
                result.command = Value::Empty;
                result.output = format!("Hello from {}", self.node_name).into();
                result.performance_data = Some(vec![number("time", now.seconds(), "")]);
            }
            "SleepCheck" => {
                let time = macro_value(scope, "$sleep_time$")?;
                let seconds = time.and_then(|time| time.to_number()).unwrap_or(1.0);
                let text = format!("Slept for {} seconds.", format_number(seconds));
                result.output = text.into();
                if !collecting {
                    return Ok(Execution::Later(
                        Box::new(result),
                        seconds.clamp(0.0, 86_400.0),
                    ));
                }
            }
            "ClusterCheck" | "RandomCheck" | "ExceptionCheck" | "NullCheck" => {}
            _ => {
                return Err(format!(
                    "check command '{}' uses the function '{function}', which this program does \
                     not have; use 'plugin-check-command'",
                    command.name
                ));
            }
        }
        if collecting {
            return Ok(Execution::Nothing);
        }
        Ok(Execution::Done(Box::new(result)))
    }

    fn icinga(&self, min_version: Option<&Value>, result: &mut CheckResult, now: Timestamp) {
        let surroundings = &self.surroundings;
        let mut text = format!(
            "Icinga 2 has been running for {}. Version: {}",
            duration_text(now - self.program_start),
            surroundings.version
        );
        if !surroundings.last_reload_failed.is_never() {
            let at = crate::period::zoned(surroundings.last_reload_failed, &self.time_zone);
            text.push_str(&format!(
                "; Last reload attempt failed at {}",
                at.strftime("%Y-%m-%d %H:%M:%S %z")
            ));
            result.state = 1;
        }
        if let Some(wanted) = min_version.map(text_of).filter(|wanted| !wanted.is_empty())
            && version_parts(&wanted) > version_parts(&surroundings.version)
        {
            text.push_str(&format!("; Minimum version {wanted} is not installed."));
            result.state = 2;
        }
        result.output = text.into();
        let mut data = self.feature_numbers();
        let stats = self.stats(now);
        data.extend(
            stats
                .numbers()
                .into_iter()
                .map(|(name, value)| number(name, value, "")),
        );
        data.extend(peer_numbers(self.surroundings.peers.iter()));
        result.performance_data = Some(data);
    }

    fn cluster(&self, result: &mut CheckResult) {
        let peers = self.surroundings.peers.iter();
        let neighbours = peers.filter(|peer| peer.neighbour);
        let (connected, absent): (Vec<&str>, Vec<&str>) = neighbours
            .map(|peer| peer.endpoint.as_str())
            .partition(|endpoint| self.link_of(endpoint).connected);
        if absent.is_empty() {
            result.output = format!(
                "Icinga 2 Cluster OK: {} endpoints are connected.\n({})",
                connected.len(),
                connected.join(", ")
            )
            .into();
        } else {
            result.state = 2;
            result.output = format!(
                "Icinga 2 Cluster Problem: {} endpoints are not connected.\n({})",
                absent.len(),
                absent.join(", ")
            )
            .into();
        }
        result.performance_data = Some(self.feature_numbers());
    }

    fn cluster_zone(
        &self,
        scope: &Arc<Scope>,
        collecting: bool,
        result: &mut CheckResult,
        now: Timestamp,
    ) -> Result<(), String> {
        let zone_name = macro_value(scope, "$cluster_zone$")?;
        let threshold = |text: &str| -> Result<Option<f64>, String> {
            Ok(macro_value(scope, text)?.and_then(|value| match value {
                Value::Empty => None,
                value => value.to_number(),
            }))
        };
        let warning_s = threshold("$cluster_lag_warning$")?;
        let critical_s = threshold("$cluster_lag_critical$")?;
        if collecting {
            return Ok(());
        }
        let Some(zone_name) = zone_name
            .map(|name| text_of(&name))
            .filter(|name| !name.is_empty())
        else {
            result.state = 3;
            result.output = "Macro 'cluster_zone' must be set.".into();
            return Ok(());
        };
        let Some(zone) = self.table.generation.get("Zone", &zone_name) else {
            result.state = 3;
            result.output = format!("Zone '{zone_name}' does not exist.").into();
            return Ok(());
        };
        let members = zone.names("endpoints");
        let mut connected = false;
        let mut lag_s: f64 = 0.0;
        for peer in members.iter().filter_map(|name| self.peer(name)) {
            let link = self.link_of(&peer.endpoint);
            connected |= link.connected;
            let known = !peer.remote_log_position.is_never();
            if known && (link.syncing || !link.connected) {
                lag_s = lag_s.max(now - peer.remote_log_position);
            }
        }
        let verb = if connected {
            "connected"
        } else {
            "not connected"
        };
        let mut text = format!(
            "Zone '{zone_name}' is {verb}. Log lag: {}",
            duration_text(lag_s)
        );
        result.state = if connected { 0 } else { 2 };
        if connected {
            if let Some(limit) = critical_s.filter(|limit| lag_s > *limit) {
                result.state = 2;
                text.push_str(&format!(
                    " greater than critical threshold: {}",
                    duration_text(limit)
                ));
            } else if let Some(limit) = warning_s.filter(|limit| lag_s > *limit) {
                result.state = 1;
                text.push_str(&format!(
                    " greater than warning threshold: {}",
                    duration_text(limit)
                ));
            }
        }
        result.output = text.into();
        let limit = |limit: Option<f64>| Value::Number(limit.unwrap_or(0.0));
        let lag = crate::perfdata::Perfdata {
            label: "slave_lag".into(),
            value: lag_s,
            unit: "s".into(),
            warn: limit(warning_s),
            crit: limit(critical_s),
            ..crate::perfdata::Perfdata::default()
        };
        let mut data = vec![lag.to_value()];
        data.extend(peer_numbers(
            members.iter().filter_map(|name| self.peer(name)),
        ));
        result.performance_data = Some(data);
        Ok(())
    }

    /// A pseudo-random state, different each time but the same for the same history.
    fn random(&self, subject: &str, result: &mut CheckResult, now: Timestamp) {
        let mut hash = now.seconds().to_bits() ^ self.run_last.rotate_left(32);
        for byte in subject.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^= hash >> 29;
        hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 32;
        result.state = u8::try_from(hash % 4).unwrap_or(0);
        let value = f64::from(u32::try_from((hash >> 8) % 1000).unwrap_or(0));
        let uptime_s = now - self.program_start;
        result.output = format!(
            "Hello from {}. Icinga 2 has been running for {}. Version: {}",
            self.node_name,
            duration_text(uptime_s),
            self.surroundings.version
        )
        .into();
        result.performance_data = Some(vec![
            number("time", now.seconds(), ""),
            number("value", value, ""),
            number("value_1m", value * 0.9, ""),
            number("value_5m", value * 0.8, ""),
            number("uptime", uptime_s, ""),
        ]);
    }

    fn feature_numbers(&self) -> Vec<Value> {
        let api = &self.surroundings.api;
        let (pending, idle) = self.pending_and_idle();
        let mut data: Vec<Value> = [
            ("api_num_conn_endpoints", api.num_conn_endpoints),
            ("api_num_endpoints", api.num_endpoints),
            ("api_num_http_clients", api.num_http_clients),
            (
                "api_num_json_rpc_anonymous_clients",
                api.num_json_rpc_anonymous_clients,
            ),
            (
                "api_num_json_rpc_relay_queue_item_rate",
                api.num_json_rpc_relay_queue_item_rate,
            ),
            (
                "api_num_json_rpc_relay_queue_items",
                api.num_json_rpc_relay_queue_items,
            ),
            (
                "api_num_json_rpc_sync_queue_item_rate",
                api.num_json_rpc_sync_queue_item_rate,
            ),
            (
                "api_num_json_rpc_sync_queue_items",
                api.num_json_rpc_sync_queue_items,
            ),
            (
                "api_num_json_rpc_work_queue_item_rate",
                api.num_json_rpc_work_queue_item_rate,
            ),
            ("api_num_not_conn_endpoints", api.num_not_conn_endpoints),
            ("checkercomponent_checker_idle", stat(idle)),
            ("checkercomponent_checker_pending", stat(pending)),
        ]
        .into_iter()
        .map(|(label, value)| number(label, value, ""))
        .collect();
        let features = &self.surroundings.features;
        data.extend(
            features
                .iter()
                .map(|(label, value)| number(label, *value, "")),
        );
        data
    }

    /// What is known of an endpoint; `None` for this node and those that there are not.
    fn peer(&self, endpoint: &str) -> Option<&PeerNumbers> {
        let peers = &self.surroundings.peers;
        let found = peers.binary_search_by(|peer| peer.endpoint.as_str().cmp(endpoint));
        peers.get(found.ok()?)
    }

    /// Its link as it is at this moment.
    fn link_of(&self, endpoint: &str) -> Peer {
        self.peers.get(endpoint).copied().unwrap_or_default()
    }
}

fn peer_numbers<'p>(peers: impl Iterator<Item = &'p PeerNumbers>) -> Vec<Value> {
    let mut last = [Timestamp::NEVER; 2];
    let mut sums = [0.0; 4];
    for peer in peers {
        last[0] = last[0].max(peer.last_message_sent);
        last[1] = last[1].max(peer.last_message_received);
        sums[0] += peer.messages_sent_per_second;
        sums[1] += peer.messages_received_per_second;
        sums[2] += peer.bytes_sent_per_second;
        sums[3] += peer.bytes_received_per_second;
    }
    vec![
        number("last_messages_sent", last[0].seconds(), ""),
        number("last_messages_received", last[1].seconds(), ""),
        number("sum_messages_sent_per_second", sums[0], ""),
        number("sum_messages_received_per_second", sums[1], ""),
        number("sum_bytes_sent_per_second", sums[2], ""),
        number("sum_bytes_received_per_second", sums[3], ""),
    ]
}

#[allow(clippy::cast_precision_loss)]
fn stat(count: usize) -> f64 {
    count as f64
}

/// A macro's value; `None` when it is missing.
fn macro_value(scope: &Arc<Scope>, text: &str) -> Result<Option<Value>, String> {
    let mut missing = None;
    let value = resolve(scope, &Value::string(text), &mut missing, Escape::No, 0)
        .map_err(|error| format!("Error: {error}"))?;
    Ok(missing.is_none().then_some(value))
}

fn dummy(
    scope: &Arc<Scope>,
    subject: &str,
    result: &mut CheckResult,
    now: Timestamp,
) -> Result<(), String> {
    let state = macro_value(scope, "$dummy_state$")?.unwrap_or_default();
    let text = macro_value(scope, "$dummy_text$")?.unwrap_or_default();
    let state_text = text_of(&state);
    let status = match state.to_number() {
        Some(status) => status,
        None if state_text.is_empty() => 0.0,
        None => {
            let cause = format!("Can't convert '{state_text}' to a floating point number.");
            *result = exception(subject, &cause, now);
            return Ok(());
        }
    };
    #[allow(clippy::cast_possible_truncation)]
    let status = status as i64;
    result.exit_status = status;
    result.state = state_of(status);
    let parts = split_output(&text_of(&text));
    result.output = parts.text.into();
    result.performance_data = Some(split_performance_data(&parts.performance_data));
    Ok(())
}

/// The result of a check that threw.
fn exception(subject: &str, cause: &str, now: Timestamp) -> CheckResult {
    CheckResult {
        state: 3,
        output: format!(
            "Exception occurred while checking '{subject}': Error: {cause}\n\nContext:\n\n\
             \t(0) Executing check for object '{subject}'\n"
        )
        .into(),
        execution_start: now,
        execution_end: now,
        ..CheckResult::default()
    }
}

/// The numbers of a version (`r2.13.6-1` is 2, 13, 6); what follows the third does not count.
fn version_parts(version: &str) -> Vec<u64> {
    let start = version
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(version.len());
    let number_end = |c: char| !(c.is_ascii_digit() || c == '.');
    let end = version[start..]
        .find(number_end)
        .map_or(version.len(), |length| start + length);
    version[start..end]
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// `1 day, 2 hours and 3 seconds`, `less than 1 millisecond`.
#[must_use]
pub(crate) fn duration_text(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "an unknown time".to_owned();
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let (whole, millis) = (
        seconds.max(0.0) as u64,
        (seconds.max(0.0) * 1000.0).min(1e15) as u64,
    );
    if whole == 0 {
        return match millis {
            0 => "less than 1 millisecond".to_owned(),
            1 => "1 millisecond".to_owned(),
            _ => format!("{millis} milliseconds"),
        };
    }
    let parts = [
        (whole / 86_400, "day"),
        (whole / 3600 % 24, "hour"),
        (whole / 60 % 60, "minute"),
        (whole % 60, "second"),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
