//! Figures about the running node, collected by the writer a few times a second and read by API,
//! internal checks and logs without stopping it.

use std::collections::BTreeMap;

use bheka_cluster::{ApiStatus, Cluster, EndpointStatus};
use bheka_monitor::{ApiNumbers, Monitor, PeerNumbers, Stats, Surroundings, ZoneNumbers};
use bheka_net::LaneStatus;
use bheka_value::{Str, Timestamp};

/// One look at everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// When they were collected.
    pub(crate) at: Timestamp,
    /// Checks.
    pub(crate) checks: Stats,
    /// Checkables whose check runs, and those that wait.
    pub(crate) pending_and_idle: (usize, usize),
    /// Links.
    pub(crate) api: ApiStatus,
    /// Endpoints by name.
    pub(crate) endpoints: BTreeMap<Str, EndpointStatus>,
    /// Handshakes.
    pub(crate) lane: LaneStatus,
    /// Open HTTP connections.
    pub(crate) http_clients: usize,
    /// `ts` of the last message in the replay log.
    pub(crate) log_message_timestamp: Timestamp,
    /// When the last reload failed; never when it did not.
    pub(crate) last_reload_failed: Timestamp,
}

impl Figures {
    /// Asks the decision code.
    pub(crate) fn collect(monitor: &Monitor, cluster: &Cluster, now: Timestamp) -> Self {
        let generation = monitor.generation();
        let endpoints = generation
            .of_type("Endpoint")
            .map(|endpoint| {
                (
                    endpoint.name.clone(),
                    cluster.endpoint_status(&endpoint.name, now),
                )
            })
            .collect();
        Self {
            at: now,
            checks: monitor.stats(now),
            pending_and_idle: monitor.pending_and_idle(),
            api: cluster.status(now),
            log_message_timestamp: cluster.log_message_timestamp(),
            endpoints,
            ..Self::default()
        }
    }
}

/// The figures in the form that the internal checks want.
#[allow(clippy::cast_precision_loss, reason = "counts of links fit")]
pub(crate) fn surroundings(figures: &Figures) -> Surroundings {
    let api = &figures.api;
    let (connected, absent) = (api.conn_endpoints.len(), api.not_conn_endpoints.len());
    Surroundings {
        version: crate::version::spoken().into(),
        last_reload_failed: figures.last_reload_failed,
        api: ApiNumbers {
            num_endpoints: (connected + absent) as f64,
            num_conn_endpoints: connected as f64,
            num_not_conn_endpoints: absent as f64,
            num_json_rpc_anonymous_clients: api.anonymous_clients as f64,
            num_json_rpc_relay_queue_item_rate: api.relay_queue_item_rate,
            num_json_rpc_work_queue_item_rate: api.work_queue_item_rate,
            num_http_clients: figures.http_clients as f64,
            conn_endpoints: api.conn_endpoints.clone(),
            not_conn_endpoints: api.not_conn_endpoints.clone(),
            ..ApiNumbers::default()
        },
        features: Vec::new(),
        peers: figures
            .endpoints
            .iter()
            .map(|(name, status)| PeerNumbers {
                endpoint: name.clone(),
                connected: status.connected,
                syncing: status.syncing,
                local_log_position: status.local_log_position,
                remote_log_position: status.remote_log_position,
                messages_sent_per_second: status.messages_sent_per_second,
                messages_received_per_second: status.messages_received_per_second,
                bytes_sent_per_second: status.bytes_sent_per_second,
                bytes_received_per_second: status.bytes_received_per_second,
                last_message_sent: status.last_message_sent,
                last_message_received: status.last_message_received,
            })
            .collect(),
        zones: api
            .zones
            .iter()
            .map(|(name, zone)| ZoneNumbers {
                zone: name.clone(),
                connected: zone.connected,
                client_log_lag: zone.client_log_lag,
            })
            .collect(),
    }
}

/// The cluster's view of who checks what, in the monitor's words.
pub(crate) fn authority(authority: &bheka_cluster::Authority) -> bheka_monitor::Authority {
    if authority.is_held() {
        return bheka_monitor::Authority::Hold;
    }
    match authority.candidates() {
        [] | [_] => bheka_monitor::Authority::Alone,
        candidates => bheka_monitor::Authority::Shared {
            candidates: candidates.to_vec(),
            by_host: authority.is_host_pinned(),
        },
    }
}
