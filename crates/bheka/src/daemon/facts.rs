//! What `net` says of a connection, in the words of `cluster`, which must not know it.

use std::io::ErrorKind;
use std::time::Duration;

use bheka_cluster::{DialFailure, DialPhase, FailureKind, PhaseTimes, TlsFacts};
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
