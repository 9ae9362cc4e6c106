//! What operators read: one line per record, in the severities and the form of Icinga 2.
//!
//! Records come from `tracing` (any crate) and from [`LogSinks::write`] (texts that other parts
//! return as data). One thread writes them to the sinks, in order. The queue to it is bounded:
//! when it is full, debug and notice records are dropped and counted, others wait, so that a full
//! disk or a slow terminal never loses what matters. Sinks flush whenever the queue is empty, and
//! [`LogSinks::flush`] waits for that, so nothing is lost at the end.

mod file;
mod journald;
mod layer;
mod record;
mod sinks;
mod syslog;

pub(crate) use layer::SinkLayer;
pub(crate) use record::{Format, Record, Severity};
pub(crate) use sinks::{LogSinks, SinkKind, SinkSpec};
pub(crate) use syslog::facility_code;

use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt as _;

/// Whether standard output is a terminal whose user has nothing against colours
/// (<https://no-color.org>).
pub(crate) fn colors_wanted() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::IsTerminal::is_terminal(&std::io::stdout())
}

/// Makes these sinks the destination of everything that is traced in this process.
///
/// A second call changes nothing: `tracing` has one destination per process.
pub(crate) fn install(sinks: &Arc<LogSinks>) {
    let subscriber = tracing_subscriber::registry().with(SinkLayer::new(Arc::clone(sinks)));
    // Only tests install twice.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
