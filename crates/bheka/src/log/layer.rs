//! From `tracing` events to records.
//!
//! The facility is the field `facility` when the event has one, else its target: the one given
//! (`target: "ApiListener"`), or the last part of the module's path. Other fields follow the
//! message as `name=value`.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::{LogSinks, Record, Severity};

/// Hands events to the sinks.
#[derive(Debug)]
pub(crate) struct SinkLayer {
    sinks: Arc<LogSinks>,
}

impl SinkLayer {
    /// A layer in front of these sinks.
    pub(crate) fn new(sinks: Arc<LogSinks>) -> Self {
        Self { sinks }
    }
}

impl<S: Subscriber> Layer<S> for SinkLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_event() && is_ours(metadata) && self.sinks.wants(severity_of(metadata.level()))
    }

    /// The answer may change with every reload, so it must not be remembered.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let facility = fields.facility.unwrap_or_else(|| {
            metadata
                .target()
                .rsplit("::")
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        let text = fields.message + &fields.others;
        self.sinks
            .send(Record::now(severity_of(metadata.level()), facility, text));
    }
}

/// Libraries trace for their developers. What they say is shown only from warnings on.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    let module = metadata.module_path().unwrap_or_else(|| metadata.target());
    module.starts_with("bheka") || *metadata.level() <= Level::WARN
}

fn severity_of(level: &Level) -> Severity {
    match *level {
        Level::TRACE => Severity::Debug,
        Level::DEBUG => Severity::Notice,
        Level::INFO => Severity::Information,
        Level::WARN => Severity::Warning,
        Level::ERROR => Severity::Critical,
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    facility: Option<String>,
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "facility" => self.facility = Some(value.to_owned()),
            name => {
                let _ = write!(self.others, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::{Format, SinkKind, SinkSpec};
    use super::*;

    #[test]
    fn events_become_lines() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        let sinks = Arc::new(LogSinks::new());
        let failed = sinks.configure(vec![SinkSpec {
            kind: SinkKind::File { path: path.clone() },
            severity: Severity::Notice,
            format: Format::Text,
        }]);
        assert!(failed.is_empty(), "{failed:?}");
        let subscriber = tracing_subscriber::registry().with(SinkLayer::new(Arc::clone(&sinks)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "ApiListener", "started on {}", 5665);
            tracing::debug!(facility = "Dynamic", peer = "a", "seen");
            tracing::trace!("too fine");
            tracing::error!("bad");
        });
        sinks.flush();
        let text = std::fs::read_to_string(path).expect("log");
        let lines: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("] "))
            .map(|(_, rest)| rest)
            .collect();
        assert_eq!(
            lines,
            [
                "information/ApiListener: started on 5665",
                "notice/Dynamic: seen peer=a",
                "critical/tests: bad"
            ]
        );
    }
}
