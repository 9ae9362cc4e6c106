//! `GET /metrics`: the text format of Prometheus, version 0.0.4.
//!
//! Names have the prefix `bheka_`, but for those of the process, which have theirs by convention.
//! Without `endpoints=1` the number of series does not grow with the number of endpoints.

use std::fmt::Write as _;
use std::sync::Arc;

use bheka_model::ConfigObject;

use crate::backend::{Backend, CheckTotals, Openings, Resources};
use crate::connection::ConnectionStatus;
use crate::fleet::{FleetStatus, Storm, Traffic, Way};
use crate::params::Params;
use crate::permission;
use crate::reload::ReloadStatus;
use crate::response::{Handled, Response};
use crate::view::Snapshot;

/// The permission for it; `status/query` is as good.
const PERMISSION: &str = "metrics";
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a request is one for metrics that cost next to nothing: it does not wait behind others.
pub(crate) fn is_cheap(target: &str) -> bool {
    target == "/metrics" || (target.starts_with("/metrics?") && !target.contains("endpoints"))
}

/// Answers a scrape.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    http_clients: usize,
    params: &Params,
) -> Handled {
    let may = |required: &str| {
        permission::check(user, required).is_ok_and(|grant| grant.is_unrestricted())
    };
    if !may(PERMISSION) && !may("status/query") {
        let text = format!("Missing permission: {PERMISSION}");
        return Response::error(403, params, &text, None);
    }
    let single = params.flag("endpoints")?;
    if single && !may("status/query") && !may("objects/query/endpoint") {
        let text = "Missing permission: objects/query/Endpoint";
        return Response::error(403, params, text, None);
    }
    let mut page = Page::default();
    whole(&mut page, snapshot, http_clients);
    if single {
        endpoints(&mut page, snapshot);
    }
    Ok(Response::with_body(200, CONTENT_TYPE, page.text))
}

/// A page of metrics.
#[derive(Default)]
struct Page {
    text: String,
}

/// A metric with its name, whose samples follow.
struct Metric<'p> {
    page: &'p mut Page,
    name: &'static str,
}

impl Page {
    fn metric(&mut self, kind: &str, name: &'static str, help: &str) -> Metric<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Metric { page: self, name }
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric("counter", name, help)
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric("gauge", name, help)
    }
}

impl Metric<'_> {
    fn value(&mut self, value: impl Number) -> &mut Self {
        self.sample("", &[], value)
    }

    fn with(&mut self, labels: &[(&str, &str)], value: impl Number) -> &mut Self {
        self.sample("", labels, value)
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Number) -> &mut Self {
        let out = &mut self.page.text;
        out.push_str(self.name);
        out.push_str(suffix);
        for (position, (label, of)) in labels.iter().enumerate() {
            let _ = write!(out, "{}{label}=\"", if position == 0 { '{' } else { ',' });
            for character in of.chars() {
                match character {
                    '\\' => out.push_str("\\\\"),
                    '"' => out.push_str("\\\""),
                    '\n' => out.push_str("\\n"),
                    other => out.push(other),
                }
            }
            out.push('"');
        }
        if !labels.is_empty() {
            out.push('}');
        }
        let _ = writeln!(out, " {}", value.text());
        self
    }
}

/// What can be the value of a sample.
trait Number {
    fn text(&self) -> String;
}

impl Number for u64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for u32 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for usize {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for bool {
    fn text(&self) -> String {
        u8::from(*self).to_string()
    }
}

impl Number for f64 {
    fn text(&self) -> String {
        float(*self)
    }
}

/// A number as Prometheus reads it.
fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

fn whole(page: &mut Page, snapshot: &Snapshot, http_clients: usize) {
    let backend = &*snapshot.backend;
    let application = backend.application();
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("icinga_version", &backend.version()),
        ("node", &application.node_name),
    ];
    page.gauge("bheka_info", "Which program this is; always 1.")
        .with(&labels, 1_u64);
    page.gauge("bheka_start_time_seconds", "When it started, since 1970.")
        .value(application.program_start.seconds());
    let listener = backend.api_listener();
    if let Some(fleet) = listener.as_ref().and_then(|it| it.fleet.as_ref()) {
        states(page, fleet);
        dials(page, fleet);
        links(page, fleet);
        traffic(page, fleet);
        storms(page, fleet);
    }
    if let Some(listener) = &listener {
        openings(page, &listener.openings);
        page.gauge(
            "bheka_anonymous_links",
            "Cluster connections of peers that are no endpoint.",
        )
        .value(listener.anonymous_clients);
    }
    page.gauge("bheka_http_connections", "Open HTTP connections.")
        .value(http_clients);
    checks(page, backend);
    if let Some(reloads) = backend.reloads() {
        self::reloads(page, &reloads);
    }
    if let Some(resources) = backend.resources() {
        process(page, &resources, application.program_start.seconds());
    }
}

fn states(page: &mut Page, fleet: &FleetStatus) {
    page.gauge(
        "bheka_endpoints_configured",
        "Endpoints of the own, the parent and the child zones, without this node.",
    )
    .value(fleet.neighbours);
    let mut metric = page.gauge(
        "bheka_endpoints",
        "Endpoints other than this node, by state.",
    );
    for (state, count) in &fleet.states {
        metric.with(&[("state", state)], *count);
    }
}

fn dials(page: &mut Page, fleet: &FleetStatus) {
    page.counter("bheka_dials_total", "Dials begun.")
        .value(fleet.dials);
    let mut metric = page.counter(
        "bheka_dial_failures_total",
        "Dials that came to nothing, by how far they came and why.",
    );
    for failures in &fleet.failures {
        let labels = [("phase", failures.phase), ("reason", failures.kind)];
        metric.with(&labels, failures.count);
    }
}

fn links(page: &mut Page, fleet: &FleetStatus) {
    let mut metric = page.counter(
        "bheka_links_established_total",
        "Connections of endpoints that were made.",
    );
    for (way, count) in &fleet.connects {
        metric.with(&labels(way), *count);
    }
    let mut metric = page.counter(
        "bheka_links_closed_total",
        "Connections of endpoints that ended, by who ended them.",
    );
    for (by, count) in &fleet.disconnects {
        metric.with(&[("by", by)], *count);
    }
    let mut metric = page.metric(
        "histogram",
        "bheka_tls_handshake_seconds",
        "How long TLS handshakes of endpoints took, with the wait for their turn.",
    );
    for (way, handshakes) in &fleet.handshakes {
        let [direction, resumed] = labels(way);
        for (bound, count) in &handshakes.classes {
            let bound = float(*bound);
            metric.sample("_bucket", &[direction, resumed, ("le", &bound)], *count);
        }
        let all = [direction, resumed, ("le", "+Inf")];
        metric
            .sample("_bucket", &all, handshakes.count)
            .sample("_sum", &[direction, resumed], handshakes.sum_s)
            .sample("_count", &[direction, resumed], handshakes.count);
    }
}

fn labels(way: &Way) -> [(&'static str, &'static str); 2] {
    let resumed = if way.resumed { "true" } else { "false" };
    [("direction", way.direction), ("resumed", resumed)]
}

fn traffic(page: &mut Page, fleet: &FleetStatus) {
    let both = [("in", &fleet.received), ("out", &fleet.sent)];
    let mut write = |name, help, of: fn(&Traffic) -> u64| {
        let mut metric = page.counter(name, help);
        for (direction, methods) in both {
            for (method, traffic) in methods {
                let labels = [("direction", direction), ("type", *method)];
                metric.with(&labels, of(traffic));
            }
        }
    };
    write(
        "bheka_messages_total",
        "Messages of the cluster, by direction and method.",
        |traffic| traffic.messages,
    );
    write(
        "bheka_message_bytes_total",
        "Bytes of these messages, without TLS.",
        |traffic| traffic.bytes,
    );
}

fn openings(page: &mut Page, openings: &Openings) {
    page.gauge("bheka_dials_waiting", "Dials that wait for a place.")
        .value(openings.dials_waiting);
    page.gauge("bheka_dials_in_progress", "Dials under way.")
        .value(openings.dials_running);
    page.gauge(
        "bheka_handshakes_waiting",
        "TLS handshakes of nodes that wait for their turn.",
    )
    .with(&[("direction", "in")], openings.inbound_waiting)
    .with(&[("direction", "out")], openings.outbound_waiting);
    page.gauge(
        "bheka_handshakes_in_progress",
        "TLS handshakes of nodes under way.",
    )
    .value(openings.running);
    page.gauge(
        "bheka_handshakes_limit",
        "How many TLS handshakes of nodes may be under way at present.",
    )
    .value(openings.running_max);
    page.counter(
        "bheka_handshakes_total",
        "TLS handshakes of nodes, by what became of them.",
    )
    .with(&[("result", "finished")], openings.finished)
    .with(&[("result", "failed")], openings.failed)
    .with(&[("result", "given_up")], openings.given_up);
}

fn storms(page: &mut Page, fleet: &FleetStatus) {
    page.counter(
        "bheka_storms_total",
        "Times at which many endpoints were connected at once.",
    )
    .value(fleet.storms);
    page.gauge("bheka_storm_in_progress", "Whether that is so now.")
        .value(fleet.storm.is_some());
    let Some(storm) = &fleet.last_storm else {
        return;
    };
    last_storm(page, storm);
}

fn last_storm(page: &mut Page, storm: &Storm) {
    page.gauge(
        "bheka_last_storm_start_time_seconds",
        "When the last storm began, since 1970.",
    )
    .value(storm.began.seconds());
    let mut metric = page.gauge(
        "bheka_last_storm_connect_seconds",
        "How long it took until this share of the endpoints was connected.",
    );
    let shares = [
        ("0.5", storm.t50_s),
        ("0.9", storm.t90_s),
        ("1", storm.t100_s),
    ];
    for (share, seconds) in shares {
        if let Some(seconds) = seconds {
            metric.with(&[("share", share)], seconds);
        }
    }
    page.gauge(
        "bheka_last_storm_endpoints",
        "Endpoints that the last storm connected, and those that it did not.",
    )
    .with(&[("result", "connected")], storm.connected)
    .with(&[("result", "missing")], storm.missing);
    page.gauge("bheka_last_storm_dials", "Dials of the last storm.")
        .value(storm.dials);
    page.gauge(
        "bheka_last_storm_handshakes_in_vain",
        "Handshakes of the last storm that led to no connection.",
    )
    .value(storm.wasted);
}

fn checks(page: &mut Page, backend: &dyn Backend) {
    let statistics = backend.check_statistics();
    let mut write = |kind, name, help, of: &dyn Fn(&mut Metric<'_>, &CheckTotals)| {
        let mut metric = page.metric(kind, name, help);
        for totals in &statistics.totals {
            of(&mut metric, totals);
        }
    };
    let labels = |totals: &CheckTotals| [("type", totals.of), ("kind", totals.kind)];
    let name = "bheka_checks_total";
    write(
        "counter",
        name,
        "Check results processed.",
        &|metric, totals| {
            metric.with(&labels(totals), totals.count);
        },
    );
    write(
        "summary",
        "bheka_check_latency_seconds",
        "How long checks waited beyond being due.",
        &|metric, totals| {
            metric
                .sample("_sum", &labels(totals), totals.latency_s)
                .sample("_count", &labels(totals), totals.count);
        },
    );
    write(
        "summary",
        "bheka_check_execution_seconds",
        "How long checks took.",
        &|metric, totals| {
            metric
                .sample("_sum", &labels(totals), totals.execution_s)
                .sample("_count", &labels(totals), totals.count);
        },
    );
    page.gauge("bheka_checks_in_progress", "Checks under way.")
        .value(statistics.current_concurrent_checks);
    page.gauge(
        "bheka_remote_checks_waiting",
        "Checks for other nodes that wait.",
    )
    .value(statistics.remote_check_queue);
    page.gauge(
        "bheka_writer_queue_length",
        "Messages, results and requests that wait for the one thread that decides.",
    )
    .value(statistics.current_pending_callbacks);
    if let Some(checker) = backend.checker() {
        page.gauge(
            "bheka_checkables_waiting",
            "Hosts and services that wait for their next check.",
        )
        .value(checker.idle);
    }
}

fn reloads(page: &mut Page, reloads: &ReloadStatus) {
    page.counter("bheka_reloads_total", "Reloads, by what became of them.")
        .with(&[("result", "succeeded")], reloads.succeeded)
        .with(&[("result", "refused")], reloads.refused);
    page.gauge("bheka_reload_in_progress", "Whether one is under way.")
        .value(reloads.running);
    if let Some(last) = &reloads.last {
        page.gauge(
            "bheka_last_reload_start_time_seconds",
            "When the last reload that took effect began, since 1970.",
        )
        .value(last.at.seconds());
        page.gauge(
            "bheka_last_reload_seconds",
            "How long each phase of it took.",
        )
        .with(&[("phase", "evaluate")], last.evaluate_s)
        .with(&[("phase", "build")], last.build_s)
        .with(&[("phase", "diff")], last.diff_s)
        .with(&[("phase", "swap")], last.swap_s);
    }
}

fn process(page: &mut Page, resources: &Resources, started: f64) {
    page.counter(
        "process_cpu_seconds_total",
        "Processor time of user and system.",
    )
    .value(resources.cpu_s);
    page.gauge("process_resident_memory_bytes", "Memory in use.")
        .value(resources.resident_bytes);
    page.gauge("process_virtual_memory_bytes", "Address space in use.")
        .value(resources.virtual_bytes);
    page.gauge("process_threads", "Threads.")
        .value(resources.threads);
    page.gauge("process_open_fds", "Open descriptors.")
        .value(resources.open_fds);
    if let Some(limit) = resources.max_fds {
        page.gauge("process_max_fds", "How many descriptors may be open.")
            .value(limit);
    }
    page.gauge("process_start_time_seconds", "When it started, since 1970.")
        .value(started);
}

/// What a metric of single endpoints shows.
type OfEndpoint = fn(&mut Metric<'_>, &str, &ConnectionStatus);

/// Metrics of single endpoints: their kind, name and explanation, and what they show.
const OF_ENDPOINTS: [(&str, &str, &str, OfEndpoint); 9] = [
    (
        "gauge",
        "bheka_endpoint_up",
        "Whether the endpoint is connected.",
        |metric, name, of| {
            let up = matches!(of.state, "connected" | "syncing");
            metric.with(&[("endpoint", name)], up);
        },
    ),
    (
        "gauge",
        "bheka_endpoint_state",
        "The state of the endpoint; always 1.",
        |metric, name, of| {
            metric.with(&[("endpoint", name), ("state", of.state)], 1_u64);
        },
    ),
    (
        "gauge",
        "bheka_endpoint_state_since_seconds",
        "Since when it is in that state, since 1970.",
        |metric, name, of| {
            metric.with(&[("endpoint", name)], of.since.seconds());
        },
    ),
    (
        "gauge",
        "bheka_endpoint_attempts",
        "Dials since it was connected last.",
        |metric, name, of| {
            metric.with(&[("endpoint", name)], of.attempts);
        },
    ),
    (
        "counter",
        "bheka_endpoint_links_established_total",
        "Connections that were made.",
        |metric, name, of| {
            metric.with(&[("endpoint", name)], of.connects);
        },
    ),
    (
        "counter",
        "bheka_endpoint_links_closed_total",
        "Connections that ended.",
        |metric, name, of| {
            metric.with(&[("endpoint", name)], of.disconnects);
        },
    ),
    (
        "gauge",
        "bheka_endpoint_tls_handshake_seconds",
        "How long the TLS handshake of its last connection took.",
        |metric, name, of| {
            if let Some(ms) = of.handshake_ms {
                metric.with(&[("endpoint", name)], ms / 1000.0);
            }
        },
    ),
    (
        "counter",
        "bheka_endpoint_messages_total",
        "Messages, by direction.",
        |metric, name, of| {
            let way = |direction| [("endpoint", name), ("direction", direction)];
            metric
                .with(&way("in"), of.messages_received)
                .with(&way("out"), of.messages_sent);
        },
    ),
    (
        "counter",
        "bheka_endpoint_message_bytes_total",
        "Bytes of messages, by direction, without TLS.",
        |metric, name, of| {
            let way = |direction| [("endpoint", name), ("direction", direction)];
            metric
                .with(&way("in"), of.bytes_received)
                .with(&way("out"), of.bytes_sent);
        },
    ),
];

fn endpoints(page: &mut Page, snapshot: &Snapshot) {
    // All samples of a metric stand together, as the format demands.
    let known: Vec<(&str, ConnectionStatus)> = snapshot
        .generation
        .of_type("Endpoint")
        .filter_map(|endpoint| {
            let status = snapshot.backend.connection(&endpoint.name)?;
            Some((endpoint.name.as_str(), status))
        })
        .collect();
    for (kind, name, help, show) in OF_ENDPOINTS {
        let mut metric = page.metric(kind, name, help);
        for (endpoint, status) in &known {
            show(&mut metric, endpoint, status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_help_are_escaped() {
        let mut page = Page::default();
        page.gauge("bheka_x", "a\\b\nc")
            .with(&[("endpoint", "a\"b\\c\nd"), ("other", "é")], 1.5);
        assert_eq!(
            page.text,
            "# HELP bheka_x a\\\\b\\nc\n# TYPE bheka_x gauge\n\
             bheka_x{endpoint=\"a\\\"b\\\\c\\nd\",other=\"é\"} 1.5\n"
        );
    }

    #[test]
    fn numbers_are_as_prometheus_reads_them() {
        assert_eq!(float(f64::INFINITY), "+Inf");
        assert_eq!(float(f64::NAN), "NaN");
        assert_eq!(float(0.0025), "0.0025");
        assert_eq!(float(3.0), "3");
    }

    #[test]
    fn only_small_answers_pass_the_others() {
        assert!(is_cheap("/metrics"));
        assert!(is_cheap("/metrics?pretty=1"));
        assert!(!is_cheap("/metrics?endpoints=1"));
        assert!(!is_cheap("/metricsx"));
    }
}
