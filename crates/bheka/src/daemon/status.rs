//! Figures about the running node, collected by the writer and read by API, internal checks and
//! logs without stopping it.
//!
//! What costs the same however many endpoints there are is collected twice a second. What goes
//! over all endpoints is not: a little of each, for the internal checks, every few seconds, or
//! sooner after a change; everything only when somebody asks. Neither takes more than a fiftieth
//! of the writer's time.

use std::sync::Arc;
use std::time::Instant;

use bheka_api::{Listing, ZoneStatus};
use bheka_cluster::{ApiStatus, Cluster, ConnectionStatus, EndpointStatus, FleetStatus};
use bheka_monitor::{ApiNumbers, CheckFigures, Monitor, PeerNumbers, Surroundings};
use bheka_net::LaneStatus;
use bheka_value::{Str, Timestamp};

/// One look at everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// When they were collected.
    pub(crate) at: Timestamp,
    /// Checks.
    pub(crate) checks: CheckFigures,
    /// Checkables whose check runs, and those that wait.
    pub(crate) pending_and_idle: (usize, usize),
    /// Links, without their names.
    pub(crate) api: ApiStatus,
    /// All endpoints together.
    pub(crate) fleet: FleetStatus,
    /// Handshakes.
    pub(crate) lane: LaneStatus,
    /// Open HTTP connections.
    pub(crate) http_clients: usize,
    /// `ts` of the last message in the replay log.
    pub(crate) log_message_timestamp: Timestamp,
    /// When the last reload failed; never when it did not.
    pub(crate) last_reload_failed: Timestamp,
    /// What was known of single endpoints when somebody asked last.
    pub(crate) detail: Arc<Detail>,
}

/// What is known of single endpoints and zones.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    /// When it was collected.
    pub(crate) at: Timestamp,
    /// Endpoints and zones as the status of the API shows them.
    pub(crate) listing: Arc<Listing>,
    /// All endpoints but this node, by name.
    endpoints: Vec<(Str, EndpointStatus, ConnectionStatus)>,
}

impl Detail {
    /// An endpoint; `None` for this node and those that came later.
    pub(crate) fn endpoint(&self, name: &str) -> Option<(&EndpointStatus, &ConnectionStatus)> {
        let endpoints = &self.endpoints;
        let found = endpoints.binary_search_by(|(candidate, ..)| candidate.as_str().cmp(name));
        let (_, status, connection) = endpoints.get(found.ok()?)?;
        Some((status, connection))
    }
}

/// Collects figures, and what is dear of them only now and then.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    peers: Arc<[PeerNumbers]>,
    peers_at: Timestamp,
    peers_cost_s: f64,
    /// Whether a link came or went since.
    is_changed: bool,
    /// Neighbours that are connected, and those that are not.
    neighbours: (usize, usize),
    detail: Arc<Detail>,
    detail_cost_s: f64,
}

impl Collector {
    /// A link came up or went down.
    pub(crate) fn link_changed(&mut self) {
        self.is_changed = true;
    }

    /// The configuration is another one: nothing that was collected holds.
    pub(crate) fn forget(&mut self) {
        self.peers_at = Timestamp::NEVER;
        self.detail = Arc::default();
    }

    /// Asks the decision code.
    pub(crate) fn figures(
        &mut self,
        monitor: &Monitor,
        cluster: &Cluster,
        now: Timestamp,
    ) -> Figures {
        self.refresh_peers(cluster, now);
        Figures {
            at: now,
            checks: monitor.figures(now),
            pending_and_idle: monitor.pending_and_idle(),
            api: cluster.totals(now),
            fleet: cluster.fleet(now),
            log_message_timestamp: cluster.log_message_timestamp(),
            detail: Arc::clone(&self.detail),
            ..Figures::default()
        }
    }

    /// What is known of single endpoints, fresh or a moment old.
    pub(crate) fn detail(&mut self, cluster: &Cluster, now: Timestamp) -> &Arc<Detail> {
        let age_s = now - self.detail.at;
        if !(0.0..DETAIL_AGE_S.max(COST_FACTOR * self.detail_cost_s)).contains(&age_s) {
            let begun = Instant::now();
            let status = cluster.status(now);
            let zones = status.zones.into_iter().map(|(name, zone)| ZoneStatus {
                name,
                connected: zone.connected,
                client_log_lag_s: zone.client_log_lag,
                endpoints: zone.endpoints,
                parent_zone: zone.parent_zone,
            });
            let zones = zones.collect();
            let endpoints = cluster
                .endpoint_statuses(now)
                .zip(cluster.connection_statuses())
                .map(|((name, status), (_, connection))| (name.clone(), status, connection));
            self.detail = Arc::new(Detail {
                at: now,
                listing: Arc::new(Listing::new(
                    status.conn_endpoints,
                    status.not_conn_endpoints,
                    zones,
                )),
                endpoints: endpoints.collect(),
            });
            self.detail_cost_s = begun.elapsed().as_secs_f64();
        }
        &self.detail
    }

    fn refresh_peers(&mut self, cluster: &Cluster, now: Timestamp) {
        let pause_s = if self.is_changed {
            PEERS_CHANGED_AGE_S
        } else {
            PEERS_AGE_S
        };
        let age_s = now - self.peers_at;
        if (0.0..pause_s.max(COST_FACTOR * self.peers_cost_s)).contains(&age_s) {
            return;
        }
        let begun = Instant::now();
        let mut neighbours = (0, 0);
        let peers = cluster.endpoint_statuses(now).map(|(name, status)| {
            if status.neighbour {
                neighbours.0 += usize::from(status.connected);
                neighbours.1 += usize::from(!status.connected);
            }
            PeerNumbers {
                endpoint: name.clone(),
                neighbour: status.neighbour,
                remote_log_position: status.remote_log_position,
                messages_sent_per_second: status.messages_sent_per_second,
                messages_received_per_second: status.messages_received_per_second,
                bytes_sent_per_second: status.bytes_sent_per_second,
                bytes_received_per_second: status.bytes_received_per_second,
                last_message_sent: status.last_message_sent,
                last_message_received: status.last_message_received,
            }
        });
        self.peers = peers.collect();
        self.neighbours = neighbours;
        self.is_changed = false;
        self.peers_at = now;
        self.peers_cost_s = begun.elapsed().as_secs_f64();
    }

    /// The figures in the form that the internal checks want.
    #[allow(clippy::cast_precision_loss, reason = "counts of links fit")]
    pub(crate) fn surroundings(&self, figures: &Figures) -> Surroundings {
        let api = &figures.api;
        let (connected, absent) = self.neighbours;
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
                ..ApiNumbers::default()
            },
            features: Vec::new(),
            peers: Arc::clone(&self.peers),
        }
    }
}

/// How old what the internal checks show of endpoints may be, when nothing happens.
const PEERS_AGE_S: f64 = 5.0;
/// How old it may be when a link came or went.
const PEERS_CHANGED_AGE_S: f64 = 0.5;
/// How old what the API shows of endpoints may be.
pub(crate) const DETAIL_AGE_S: f64 = 0.5;
/// For so many times as long as collecting took, it is not done again.
const COST_FACTOR: f64 = 50.0;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dear_is_collected_when_somebody_asks_and_not_too_often() {
        let settings = bheka_cluster::Settings::new("master", Timestamp(1000.0), 1);
        let cluster = Cluster::new(settings);
        let mut collector = Collector::default();
        let first = Arc::clone(collector.detail(&cluster, Timestamp(1000.0)));
        let second = Arc::clone(collector.detail(&cluster, Timestamp(1000.4)));
        assert!(Arc::ptr_eq(&first, &second));
        collector.detail_cost_s = 1.0;
        let third = Arc::clone(collector.detail(&cluster, Timestamp(1049.0)));
        assert!(Arc::ptr_eq(&first, &third));
        let fourth = Arc::clone(collector.detail(&cluster, Timestamp(1050.0)));
        assert!(!Arc::ptr_eq(&first, &fourth));
        collector.forget();
        assert_eq!(
            collector.detail(&cluster, Timestamp(1050.1)).at,
            Timestamp(1050.1)
        );
    }
}
