//! Configuration text to a generation, for the golden tests.

use std::sync::Arc;

use bheka_lang::{Globals, Load, LogLine, MemorySources, Runtime, load};
use bheka_model::{Board, Generation, LiveObject, build, catalogue};
use bheka_value::{Timestamp, Value};

/// The moment at which the tests' daemons start.
pub(crate) const START: Timestamp = Timestamp(1_790_000_000.0);

/// Loads and builds; `Err` tells what was wrong. The globals must live as long as functions of
/// the configuration may be called.
pub(crate) fn generation(text: &str) -> Result<(Arc<Generation>, Globals), String> {
    let sources = MemorySources::new([("main.conf", text)]);
    let loaded = load(Load {
        catalogue: catalogue(),
        sources: &sources,
        include_dirs: Vec::new(),
        files: vec!["main.conf".to_owned()],
        constants: vec![
            ("NodeName".to_owned(), Value::string("golden-master")),
            ("ZoneName".to_owned(), Value::string("master")),
        ],
        zone_dirs: Vec::new(),
        now: START,
        track_modifications: false,
        threads: 1,
    });
    let wrong: Vec<&str> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == bheka_lang::Severity::Critical)
        .map(|diagnostic| diagnostic.message.as_str())
        .collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let built = build(1, loaded.declarations, loaded.globals.to_map());
    if built.has_errors() {
        return Err(format!("{:?}", built.diagnostics));
    }
    let generation = Arc::new(built.generation);
    let board = Arc::new(Board::default());
    board.set_generation(Arc::clone(&generation));
    loaded.globals.attach(Arc::new(AtStart { board }));
    Ok((generation, loaded.globals))
}

/// What functions of the configuration see: objects without any result.
struct AtStart {
    board: Arc<Board>,
}

impl Runtime for AtStart {
    fn now(&self) -> Timestamp {
        START
    }

    fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        LiveObject::find(&self.board, type_name, name).map(LiveObject::into_value)
    }

    fn objects(&self, type_name: &str) -> Vec<Value> {
        let objects = LiveObject::of_type(&self.board, type_name);
        objects.into_iter().map(LiveObject::into_value).collect()
    }

    fn log(&self, _line: LogLine) {}
}
