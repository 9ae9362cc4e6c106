//! `GET /v1/status[/NAME]`

use std::sync::Arc;

use bheka_lang::Globals;
use bheka_model::{CheckableName, CheckableState, ConfigObject, Generation, StateType};
use bheka_value::{Str, Value};

use crate::backend::{CheckCounts, ListenerStatus, Openings};
use crate::objects::NO_OBJECTS;
use crate::params::Params;
use crate::query::{self, Source, TargetType};
use crate::response::{Handled, Response, ResultsWriter};
use crate::view::Snapshot;

/// Answers a query for status.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    name: Option<&str>,
    http_clients: usize,
    mut params: Params,
) -> Handled {
    if let Some(name) = name {
        params.set("status", Value::string(name));
    }
    let source = Statuses {
        snapshot,
        http_clients,
    };
    match query::select(&source, user, "status/query", &params) {
        Ok(found) => {
            let mut writer = ResultsWriter::new(&params)?;
            found
                .iter()
                .for_each(|status| writer.value(&status.value()));
            Ok(Response::json_text(200, writer.finish()))
        }
        Err(miss) => miss.answer(&params, NO_OBJECTS),
    }
}

/// All names that 2.13.6 answers to; those whose feature is not configured have empty status.
const NAMES: [&str; 21] = [
    "ApiListener",
    "CIB",
    "CheckResultReader",
    "CheckerComponent",
    "CompatLogger",
    "ElasticsearchWriter",
    "ExternalCommandListener",
    "FileLogger",
    "GelfWriter",
    "GraphiteWriter",
    "IcingaApplication",
    "IdoMysqlConnection",
    "IdoPgsqlConnection",
    "Influxdb2Writer",
    "InfluxdbWriter",
    "LivestatusListener",
    "NotificationComponent",
    "OpenTsdbWriter",
    "PerfdataWriter",
    "StatusDataWriter",
    "SyslogLogger",
];

/// How much is shown of a feature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What Icinga 2 shows: in the list of all.
    Icinga,
    /// More, when it is asked for by its name.
    Full,
}

struct Statuses<'s> {
    snapshot: &'s Snapshot,
    http_clients: usize,
}

/// The status of one feature.
struct Status {
    name: &'static str,
    status: Value,
    perfdata: Vec<(String, f64)>,
}

impl Status {
    fn value(&self) -> Value {
        let perfdata = self
            .perfdata
            .iter()
            .map(|(label, value)| perfdata_value(label, *value));
        Value::dictionary([
            ("name", Value::string(self.name)),
            ("perfdata", Value::array(perfdata)),
            ("status", self.status.clone()),
        ])
    }
}

impl Source for Statuses<'_> {
    type Target = Status;

    fn types(&self) -> Vec<TargetType> {
        vec![TargetType {
            name: "Status".into(),
            plural: "Statuses".into(),
        }]
    }

    fn find(&self, _type_name: &str, name: &str) -> Result<Status, String> {
        let name = NAMES.iter().find(|candidate| **candidate == name);
        name.and_then(|name| self.status(name, Extent::Full))
            .ok_or_else(|| "Invalid status function name.\n".to_owned())
    }

    fn all(&self, _type_name: &str) -> Vec<Status> {
        NAMES
            .iter()
            .filter_map(|name| self.status(name, Extent::Icinga))
            .collect()
    }

    fn scope(&self, target: &Status) -> Vec<(Str, Value)> {
        vec![("obj".into(), target.value())]
    }

    fn generation(&self) -> &Generation {
        &self.snapshot.generation
    }

    fn globals(&self) -> Option<Globals> {
        self.snapshot.backend.globals()
    }

    fn name(&self, target: &Status) -> Str {
        target.name.into()
    }
}

impl Statuses<'_> {
    fn status(&self, name: &'static str, extent: Extent) -> Option<Status> {
        let mut perfdata = Vec::new();
        let status = match name {
            "CIB" => self.checks(),
            "IcingaApplication" => nested("icingaapplication", "app", self.application()),
            "ApiListener" => {
                let listener = self.snapshot.backend.api_listener()?;
                perfdata = listener_perfdata(&listener, self.http_clients);
                let status = listener_value(&listener, self.http_clients);
                if let (Extent::Full, Some(fields)) = (extent, status.as_dictionary()) {
                    let openings = openings_value(&listener.openings);
                    // It was made a moment ago, and is not frozen.
                    if let Ok(mut fields) = fields.write() {
                        fields.insert("openings".into(), openings);
                        if let Some(fleet) = &listener.fleet {
                            fields.insert("fleet".into(), fleet.to_value());
                        }
                    }
                }
                nested_in("api", status)
            }
            "CheckerComponent" => {
                let checker = self.snapshot.backend.checker().unwrap_or_default();
                let (idle, pending) = (count(checker.idle), count(checker.pending));
                let names = self.objects(name, |object| {
                    let label = |of: &str| format!("checkercomponent_{}_{of}", object.name);
                    perfdata.push((label("idle"), idle));
                    perfdata.push((label("pending"), pending));
                    Value::dictionary([
                        ("idle", Value::Number(idle)),
                        ("pending", Value::Number(pending)),
                    ])
                });
                nested_in("checkercomponent", names)
            }
            // The logs and the notifications say no more than that they are there.
            "FileLogger" | "SyslogLogger" | "NotificationComponent" => nested_in(
                &name.to_lowercase(),
                self.objects(name, |_| Value::Number(1.0)),
            ),
            _ => nested_in(&name.to_lowercase(), Value::dictionary::<&str>([])),
        };
        Some(Status {
            name,
            status,
            perfdata,
        })
    }

    /// A dictionary of the objects of a type.
    fn objects(&self, type_name: &str, mut of: impl FnMut(&ConfigObject) -> Value) -> Value {
        let objects = self.snapshot.generation.of_type(type_name);
        Value::dictionary(objects.map(|object| (object.name.clone(), of(object))))
    }

    fn application(&self) -> Value {
        let app = self.snapshot.backend.application();
        let mut fields = vec![
            (
                "enable_event_handlers",
                Value::Boolean(app.enable_event_handlers),
            ),
            ("enable_flapping", Value::Boolean(app.enable_flapping)),
            ("enable_host_checks", Value::Boolean(app.enable_host_checks)),
            (
                "enable_notifications",
                Value::Boolean(app.enable_notifications),
            ),
            ("enable_perfdata", Value::Boolean(app.enable_perfdata)),
            (
                "enable_service_checks",
                Value::Boolean(app.enable_service_checks),
            ),
            ("environment", Value::String(app.environment)),
            ("node_name", Value::String(app.node_name)),
            ("pid", Value::Number(f64::from(app.pid))),
            ("program_start", Value::Number(app.program_start.seconds())),
            ("version", Value::string(self.snapshot.backend.version())),
        ];
        let reloads = self.snapshot.backend.reloads();
        if let Some(reloads) = reloads.and_then(|reloads| reloads.to_value()) {
            fields.push(("reload", reloads));
        }
        Value::dictionary(fields)
    }

    fn checks(&self) -> Value {
        let statistics = self.snapshot.backend.check_statistics();
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut counts = |name: &str, counts: CheckCounts| {
            let per_second = counts.minutes_1 / 60.0;
            for (suffix, number) in [
                ("", per_second),
                ("_1min", counts.minutes_1),
                ("_5min", counts.minutes_5),
                ("_15min", counts.minutes_15),
            ] {
                fields.push((format!("{name}{suffix}"), Value::Number(number)));
            }
        };
        counts("active_host_checks", statistics.active_host);
        counts("passive_host_checks", statistics.passive_host);
        counts("active_service_checks", statistics.active_service);
        counts("passive_service_checks", statistics.passive_service);
        let application = self.snapshot.backend.application();
        let mut number = |name: &str, number: f64| {
            fields.push((name.to_owned(), Value::Number(number)));
        };
        number(
            "current_concurrent_checks",
            count(statistics.current_concurrent_checks),
        );
        number(
            "current_pending_callbacks",
            count(statistics.current_pending_callbacks),
        );
        number("remote_check_queue", count(statistics.remote_check_queue));
        number("uptime", self.snapshot.now - application.program_start);
        let tally = Tally::take(self.snapshot);
        tally.write(&mut number);
        Value::dictionary(fields)
    }
}

/// States and times of all checkables.
#[derive(Default)]
struct Tally {
    hosts: Kinds,
    services: Kinds,
    /// Hosts: up, down. Services: OK, warning, critical, unknown.
    host_states: [usize; 2],
    service_states: [usize; 4],
    latency: Spread,
    execution_time: Spread,
}

/// What is counted for hosts and services alike.
#[derive(Default)]
struct Kinds {
    pending: usize,
    problem: usize,
    unreachable: usize,
    flapping: usize,
    in_downtime: usize,
    acknowledged: usize,
    handled: usize,
}

/// Smallest, largest and average of the services' times.
#[derive(Default)]
struct Spread {
    minimum: Option<f64>,
    maximum: f64,
    sum: f64,
    number: usize,
}

impl Spread {
    fn add(&mut self, seconds: f64) {
        self.minimum = Some(self.minimum.map_or(seconds, |minimum| minimum.min(seconds)));
        self.maximum = self.maximum.max(seconds);
        self.sum += seconds;
        self.number += 1;
    }

    fn average(&self) -> f64 {
        if self.number == 0 {
            0.0
        } else {
            self.sum / count(self.number)
        }
    }
}

impl Tally {
    fn take(snapshot: &Snapshot) -> Self {
        let mut tally = Self::default();
        for object in snapshot.generation.of_type("Host") {
            let state = snapshot.state(object).unwrap_or_default();
            // A raw warning is up for a host.
            tally.host_states[usize::from(state.state_raw > 1)] += 1;
            tally.hosts.add(snapshot, object, &state);
        }
        for object in snapshot.generation.of_type("Service") {
            let state = snapshot.state(object).unwrap_or_default();
            tally.service_states[usize::from(state.state_raw.min(3))] += 1;
            tally.services.add(snapshot, object, &state);
            // A service without a result knows nothing of its reachability yet; when its host is
            // down for good, it is unreachable all the same.
            tally.services.unreachable +=
                usize::from(state.last_reachable && is_down(snapshot, object));
            if let Some(result) = &state.last_check_result
                && result.active
            {
                let scheduled = result.schedule_end - result.schedule_start;
                let execution = result.execution_end - result.execution_start;
                tally.latency.add((scheduled - execution).max(0.0));
                tally.execution_time.add(execution);
            }
        }
        tally
    }

    fn write(&self, number: &mut impl FnMut(&str, f64)) {
        number("num_hosts_up", count(self.host_states[0]));
        number("num_hosts_down", count(self.host_states[1]));
        for (name, states) in ["ok", "warning", "critical", "unknown"]
            .iter()
            .zip(self.service_states)
        {
            number(&format!("num_services_{name}"), count(states));
        }
        for (of, kinds) in [("hosts", &self.hosts), ("services", &self.services)] {
            number(&format!("num_{of}_pending"), count(kinds.pending));
            number(&format!("num_{of}_problem"), count(kinds.problem));
            number(&format!("num_{of}_unreachable"), count(kinds.unreachable));
            number(&format!("num_{of}_flapping"), count(kinds.flapping));
            number(&format!("num_{of}_in_downtime"), count(kinds.in_downtime));
            number(&format!("num_{of}_acknowledged"), count(kinds.acknowledged));
            number(&format!("num_{of}_handled"), count(kinds.handled));
        }
        for (name, spread) in [
            ("latency", &self.latency),
            ("execution_time", &self.execution_time),
        ] {
            number(&format!("min_{name}"), spread.minimum.unwrap_or(0.0));
            number(&format!("max_{name}"), spread.maximum);
            number(&format!("avg_{name}"), spread.average());
        }
    }
}

/// Whether the host of a service is down in a hard state.
fn is_down(snapshot: &Snapshot, service: &ConfigObject) -> bool {
    let host = CheckableName::host(service.string("host_name"));
    let state = snapshot.backend.board().state(&host);
    state.is_some_and(|state| {
        state.state_raw > 1
            && state.state_type == StateType::Hard
            && state.last_check_result.is_some()
    })
}

impl Kinds {
    fn add(&mut self, snapshot: &Snapshot, object: &Arc<ConfigObject>, state: &CheckableState) {
        let computed = snapshot.attributes(object, &["problem", "handled", "acknowledgement"]);
        let is = |position: usize| computed[position].1.is_true();
        self.pending += usize::from(state.last_check_result.is_none());
        self.problem += usize::from(is(0));
        self.unreachable += usize::from(!state.last_reachable);
        self.flapping += usize::from(state.flapping);
        self.in_downtime += usize::from(state.downtime_depth > 0);
        self.acknowledged += usize::from(is(2));
        self.handled += usize::from(is(1));
    }
}

fn listener_value(listener: &ListenerStatus, http_clients: usize) -> Value {
    let json_rpc = Value::dictionary([
        ("anonymous_clients", number(listener.anonymous_clients)),
        (
            "relay_queue_item_rate",
            Value::Number(listener.relay_queue_item_rate),
        ),
        ("relay_queue_items", number(listener.relay_queue_items)),
        (
            "sync_queue_item_rate",
            Value::Number(listener.sync_queue_item_rate),
        ),
        ("sync_queue_items", number(listener.sync_queue_items)),
        (
            "work_queue_item_rate",
            Value::Number(listener.work_queue_item_rate),
        ),
    ]);
    let listing = &listener.listing;
    let (connected, disconnected) = (listing.connected(), listing.disconnected());
    let [conn_endpoints, not_conn_endpoints, zones] = listing.shown().clone();
    Value::dictionary([
        ("conn_endpoints", conn_endpoints),
        (
            "http",
            Value::dictionary([("clients", number(http_clients))]),
        ),
        ("identity", Value::String(listener.identity.clone())),
        ("json_rpc", json_rpc),
        ("not_conn_endpoints", not_conn_endpoints),
        ("num_conn_endpoints", number(connected)),
        ("num_endpoints", number(connected + disconnected)),
        ("num_not_conn_endpoints", number(disconnected)),
        ("zones", zones),
    ])
}

#[allow(clippy::cast_precision_loss, reason = "counts")]
fn openings_value(openings: &Openings) -> Value {
    Value::dictionary([
        ("dials_running", number(openings.dials_running)),
        ("dials_waiting", number(openings.dials_waiting)),
        ("handshake_seconds", Value::Number(openings.typical_s)),
        ("handshakes_failed", Value::Number(openings.failed as f64)),
        (
            "handshakes_finished",
            Value::Number(openings.finished as f64),
        ),
        (
            "handshakes_given_up",
            Value::Number(openings.given_up as f64),
        ),
        (
            "handshakes_inbound_waiting",
            number(openings.inbound_waiting),
        ),
        (
            "handshakes_outbound_waiting",
            number(openings.outbound_waiting),
        ),
        ("handshakes_running", number(openings.running)),
        ("handshakes_running_max", number(openings.running_max)),
    ])
}

fn listener_perfdata(listener: &ListenerStatus, http_clients: usize) -> Vec<(String, f64)> {
    let connected = listener.listing.connected();
    let disconnected = listener.listing.disconnected();
    [
        ("num_conn_endpoints", count(connected)),
        ("num_endpoints", count(connected + disconnected)),
        ("num_http_clients", count(http_clients)),
        (
            "num_json_rpc_anonymous_clients",
            count(listener.anonymous_clients),
        ),
        (
            "num_json_rpc_relay_queue_item_rate",
            listener.relay_queue_item_rate,
        ),
        (
            "num_json_rpc_relay_queue_items",
            count(listener.relay_queue_items),
        ),
        (
            "num_json_rpc_sync_queue_item_rate",
            listener.sync_queue_item_rate,
        ),
        (
            "num_json_rpc_sync_queue_items",
            count(listener.sync_queue_items),
        ),
        (
            "num_json_rpc_work_queue_item_rate",
            listener.work_queue_item_rate,
        ),
        ("num_not_conn_endpoints", count(disconnected)),
    ]
    .into_iter()
    .map(|(label, value)| (format!("api_{label}"), value))
    .collect()
}

fn perfdata_value(label: &str, value: f64) -> Value {
    Value::dictionary([
        ("counter", Value::Boolean(false)),
        ("crit", Value::Empty),
        ("label", Value::string(label)),
        ("max", Value::Empty),
        ("min", Value::Empty),
        ("type", Value::string("PerfdataValue")),
        ("unit", Value::string("")),
        ("value", Value::Number(value)),
        ("warn", Value::Empty),
    ])
}

fn nested_in(key: &str, value: Value) -> Value {
    Value::dictionary([(key, value)])
}

fn nested(outer: &str, inner: &str, value: Value) -> Value {
    nested_in(outer, nested_in(inner, value))
}

fn number(number: usize) -> Value {
    Value::Number(count(number))
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}
