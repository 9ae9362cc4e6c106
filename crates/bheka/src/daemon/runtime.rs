//! What functions of the configuration see of the running daemon.

use std::sync::Arc;

use bheka_lang::{LogLine, Runtime, Sources};
use bheka_model::{Board, LiveObject};
use bheka_value::{Timestamp, Value};

use super::clock;
use crate::config::DiskSources;
use crate::log::LogSinks;

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
        let objects = LiveObject::of_type(&self.board, type_name);
        objects.into_iter().map(LiveObject::into_value).collect()
    }

    fn log(&self, line: LogLine) {
        self.logs
            .write(line.severity.into(), &line.facility, line.message);
    }

    fn sources(&self) -> Option<&'static dyn Sources> {
        Some(&DiskSources)
    }
}
