//! Translations at the edge: what `net` says of a connection in the words of `cluster`, which must
//! not know it, and what `cluster` remembers in the form that `api` shows.

use std::io::ErrorKind;
use std::time::Duration;

use bheka_api as api;
use bheka_cluster::{
    ConnectionStatus, DialFailure, DialPhase, FailureKind, Failures, FleetStatus, PhaseTimes,
    StormReport, TlsFacts, Traffic, Way,
};
use bheka_net::{DialError, Fault, Phase, StepTimes, TlsInfo};

/// Why a dial failed.
pub(crate) fn failure(error: &DialError, elapsed: Duration) -> DialFailure {
    DialFailure {
        phase: phase(error.phase),
        kind: kind(error),
        cause: error.cause.as_str().into(),
        address: error.remote.map(|remote| remote.to_string().into()),
        elapsed_s: elapsed.as_secs_f64(),
    }
}

fn phase(phase: Phase) -> DialPhase {
    match phase {
        Phase::Resolve => DialPhase::Resolve,
        Phase::Tcp => DialPhase::Tcp,
        Phase::Admission | Phase::Tls | Phase::Identity => DialPhase::Tls,
        Phase::FirstByte => DialPhase::Hello,
    }
}

fn kind(error: &DialError) -> FailureKind {
    if error.timed_out {
        return FailureKind::Timeout;
    }
    match (error.phase, error.io) {
        (Phase::Resolve, _) => FailureKind::NoAddress,
        (Phase::Identity, _) => FailureKind::Identity,
        (_, Some(ErrorKind::ConnectionRefused)) => FailureKind::Refused,
        (_, Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)) => {
            FailureKind::Unreachable
        }
        (_, Some(ErrorKind::TimedOut)) => FailureKind::Timeout,
        (_, Some(ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory)) => FailureKind::Limit,
        (
            _,
            Some(
                ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe,
            ),
        ) => FailureKind::Closed,
        (Phase::Tls, None) => match error.fault {
            Fault::Peer => FailureKind::Protocol,
            Fault::User => FailureKind::Configuration,
            Fault::Environment => FailureKind::Other,
        },
        (Phase::FirstByte, None) => FailureKind::Closed,
        _ => FailureKind::Other,
    }
}

/// What TLS agreed on.
pub(crate) fn tls(info: &TlsInfo) -> TlsFacts {
    TlsFacts {
        version: info.version,
        suite: info.suite.as_str().into(),
        resumed: info.resumed,
    }
}

/// How long it took.
pub(crate) fn times(times: &StepTimes) -> PhaseTimes {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    PhaseTimes {
        resolve_s: seconds(times.resolve),
        tcp_s: seconds(times.tcp),
        tls_s: seconds(times.tls),
    }
}

/// A connection as the API shows it.
pub(crate) fn connection(status: &ConnectionStatus) -> api::ConnectionStatus {
    let facts = &status.facts;
    let milliseconds = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1000.0);
    let per_type = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        let counts = counts.iter();
        counts.map(|(method, count)| (*method, *count)).collect()
    };
    api::ConnectionStatus {
        state: facts.state.name(),
        since: facts.since,
        direction: status.direction.map(bheka_cluster::LinkDirection::name),
        address: status.address.clone(),
        tls: (facts.connects > 0).then(|| api::TlsStatus {
            version: facts.tls.version,
            suite: facts.tls.suite.clone(),
            resumed: facts.tls.resumed,
        }),
        resolve_ms: milliseconds(facts.times.resolve_s),
        tcp_ms: milliseconds(facts.times.tcp_s),
        handshake_ms: milliseconds(facts.times.tls_s),
        attempts: facts.attempts,
        next_attempt: status.next_attempt,
        last_error: facts.last_error.as_ref().map(|last| api::DialError {
            at: last.at,
            phase: last.failure.phase.name(),
            kind: last.failure.kind.name(),
            cause: last.failure.cause.clone(),
            address: last.failure.address.clone(),
            elapsed_ms: last.failure.elapsed_s * 1000.0,
            count: last.count,
        }),
        connects: facts.connects,
        disconnects: facts.disconnects,
        last_disconnect: facts
            .last_disconnect
            .as_ref()
            .map(|last| (last.at, last.cause.clone())),
        messages_sent: facts.sent.messages,
        messages_received: facts.received.messages,
        bytes_sent: facts.sent.bytes,
        bytes_received: facts.received.bytes,
        sent_per_type: per_type(&facts.sent_per_method),
        received_per_type: per_type(&facts.received_per_method),
    }
}

/// All endpoints together as the API shows them.
pub(crate) fn fleet(status: &FleetStatus) -> api::FleetStatus {
    let counters = &status.counters;
    let way = |way: &Way| api::Way {
        direction: way.0.name(),
        resumed: way.1,
    };
    let traffic = |of: &std::collections::BTreeMap<&'static str, Traffic>| {
        let of = of.iter();
        of.map(|(method, traffic)| {
            let traffic = api::Traffic {
                messages: traffic.messages,
                bytes: traffic.bytes,
            };
            (*method, traffic)
        })
        .collect()
    };
    api::FleetStatus {
        states: status
            .states
            .iter()
            .map(|(state, count)| (state.name(), *count))
            .collect(),
        neighbours: status.neighbours,
        dials: counters.dials,
        dials_per_second: status.dials_per_second,
        failures: failures(&counters.failures),
        failures_per_second: status.failures_per_second,
        connects: counters
            .connects
            .iter()
            .map(|(of, count)| (way(of), *count))
            .collect(),
        connects_per_second: status.connects_per_second,
        disconnects: counters
            .disconnects
            .iter()
            .map(|(by, count)| (by.name(), *count))
            .collect(),
        handshakes: counters
            .handshakes
            .iter()
            .map(|(of, histogram)| {
                let handshakes = api::Handshakes {
                    classes: histogram.cumulative().collect(),
                    count: histogram.count,
                    sum_s: histogram.sum_s,
                };
                (way(of), handshakes)
            })
            .collect(),
        sent: traffic(&counters.sent),
        received: traffic(&counters.received),
        storms: status.storms,
        storm: status.storm.as_ref().map(storm),
        last_storm: status.last_storm.as_ref().map(storm),
    }
}

fn storm(report: &StormReport) -> api::Storm {
    api::Storm {
        began: report.began,
        ended: report.ended.map(|(at, end)| (at, end.name())),
        connected: report.connected,
        missing: report.missing,
        t50_s: report.t50_s,
        t90_s: report.t90_s,
        t100_s: report.t100_s,
        dials: report.dials,
        connects: report.connects,
        lost: report.lost,
        failures: failures(&report.failures),
        wasted: report.wasted(),
    }
}

fn failures(failures: &Failures) -> Vec<api::Failures> {
    failures
        .iter()
        .map(|((phase, kind), count)| api::Failures {
            phase: phase.name(),
            kind: kind.name(),
            count: *count,
        })
        .collect()
}
