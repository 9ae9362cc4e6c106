//! What functions of the configuration see of the running daemon.

use std::sync::Arc;

use bheka_lang::{LogLine, Runtime};
use bheka_model::{Board, LiveObject};
use bheka_value::{Timestamp, Value};

use super::clock;
use crate::log::{LogSinks, Severity};

/// Live objects, the clock and the log.
pub(crate) struct LiveRuntime {
    pub(crate) board: Arc<Board>,
    pub(crate) logs: Arc<LogSinks>,
}

impl Runtime for LiveRuntime {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        LiveObject::find(&self.board, type_name, name).map(LiveObject::into_value)
    }

    fn objects(&self, type_name: &str) -> Vec<Value> {
        let generation = self.board.generation();
        let names = generation.of_type(type_name);
        names
            .filter_map(|object| self.object(type_name, &object.name))
            .collect()
    }

    fn log(&self, line: LogLine) {
        let severity = match line.severity {
            bheka_lang::Severity::Debug => Severity::Debug,
            bheka_lang::Severity::Notice => Severity::Notice,
            bheka_lang::Severity::Information => Severity::Information,
            bheka_lang::Severity::Warning => Severity::Warning,
            bheka_lang::Severity::Critical => Severity::Critical,
        };
        self.logs.write(severity, &line.facility, line.message);
    }
}
