//! A daemon without a daemon: the recorded configuration loaded through the language and the
//! model, and a monitor that applies what is submitted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bheka_api::{
    Api, ApplicationStatus, Backend, CheckCounts, CheckStatistics, CheckerStatus, EndpointStatus,
    ListenerStatus, Listing, ProcessOrder, Submission, Template, ZoneStatus,
};
use bheka_lang::{DirEntry, Globals, Load, SourceError, Sources};
use bheka_model::{Board, Command, Origin};
use bheka_monitor::{Effect, Input, Monitor};
use bheka_value::{Str, Timestamp, Value};

/// The port of the API in the configuration.
pub(crate) const PORT: u16 = 27_040;
/// The directory that stands for the recording's work directory.
pub(crate) const DIRECTORY: &str = "/golden";
/// Where Debian's `icinga2-common` keeps its library.
const LIBRARY: &str = "/usr/share/icinga2/include";
/// 2026-11-23 03:07:10 UTC, about when the cases were recorded.
const NOW: Timestamp = Timestamp(1_795_403_230.0);

/// The directory with the recorded cases.
pub(crate) fn testdata() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/rest"))
}

/// Whether the library that the recorded configuration includes is there.
pub(crate) fn has_library() -> bool {
    PathBuf::from(LIBRARY).join("itl").is_file()
}

/// The recorded configuration under [`DIRECTORY`], everything else from the disk.
struct Files;

impl Sources for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        match path.strip_prefix("/golden/etc/") {
            Some(name) => {
                let text = std::fs::read_to_string(testdata().join("conf").join(name))?;
                let text = text
                    .replace("@PORT@", &PORT.to_string())
                    .replace("@DIR@", DIRECTORY);
                Ok(text.into_bytes())
            }
            None => Ok(std::fs::read(path)?),
        }
    }

    fn is_file(&self, path: &str) -> bool {
        self.read(path).is_ok()
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            entries.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir: entry.file_type()?.is_dir(),
            });
        }
        Ok(entries)
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }
}

/// The daemon as the API sees it.
pub(crate) struct World {
    board: Arc<Board>,
    monitor: Mutex<Monitor>,
    passive_services: Mutex<f64>,
    /// Functions of the configuration live as long as these.
    globals: Globals,
}

impl World {
    /// Loads the recorded configuration.
    pub(crate) fn load() -> Arc<Self> {
        let constants = [
            ("ConfigDir", "etc"),
            ("DataDir", "data"),
            ("LogDir", "log"),
            ("CacheDir", "cache"),
            ("SpoolDir", "spool"),
            ("InitRunDir", "run"),
        ];
        let constants = constants
            .map(|(name, dir)| (name.to_owned(), Value::from(format!("{DIRECTORY}/{dir}"))));
        let loaded = bheka_lang::load(Load {
            catalogue: bheka_model::catalogue(),
            sources: &Files,
            include_dirs: vec![LIBRARY.into()],
            files: vec!["/golden/etc/icinga2.conf".into()],
            constants: constants.into(),
            zone_dirs: Vec::new(),
            now: NOW,
            track_modifications: false,
            threads: 1,
        });
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let built = bheka_model::build(1, loaded.declarations, loaded.globals.to_map());
        assert!(!built.has_errors(), "{:?}", built.diagnostics);
        let generation = Arc::new(built.generation);
        let board = Arc::new(Board::default());
        board.set_generation(Arc::clone(&generation));
        // A program start of "never", so that the times of checkables without a result are 0.
        let mut monitor = Monitor::new("golden-master".into(), Timestamp::NEVER);
        monitor.handle(Input::Reconfigure(generation), NOW);
        let world = Arc::new(Self {
            board,
            monitor: Mutex::new(monitor),
            passive_services: Mutex::new(0.0),
            globals: loaded.globals,
        });
        let names: Vec<_> = world.board.generation().checkables().collect();
        names.iter().for_each(|name| world.publish(name));
        world
    }

    /// The API over it.
    pub(crate) fn api(self: &Arc<Self>) -> Arc<Api> {
        Arc::new(Api::new(Arc::clone(self) as Arc<dyn Backend>))
    }

    /// Applies commands as the writer would.
    pub(crate) fn apply(&self, commands: Vec<Command>) {
        for command in commands {
            // 2.13.6 counts passive results of hosts as those of services.
            *self.passive_services.lock().unwrap() += 1.0;
            let input = Input::Command {
                command,
                origin: Origin::local(),
            };
            let effects = self.monitor.lock().unwrap().handle(input, NOW);
            for effect in effects {
                if let Effect::Publish(name) = effect {
                    self.publish(&name);
                }
            }
        }
    }

    fn publish(&self, name: &bheka_model::CheckableName) {
        if let Some(state) = self.monitor.lock().unwrap().state(name) {
            self.board.publish(name, state);
        }
    }
}

impl Backend for World {
    fn board(&self) -> &Arc<Board> {
        &self.board
    }

    fn globals(&self) -> Option<Globals> {
        Some(self.globals.clone())
    }

    fn now(&self) -> Timestamp {
        NOW
    }

    fn version(&self) -> String {
        "r2.13.6-1".into()
    }

    fn application(&self) -> ApplicationStatus {
        ApplicationStatus {
            node_name: "golden-master".into(),
            environment: Str::default(),
            pid: 1,
            program_start: NOW,
            enable_event_handlers: true,
            enable_flapping: true,
            enable_host_checks: true,
            enable_notifications: true,
            enable_perfdata: true,
            enable_service_checks: true,
        }
    }

    fn api_listener(&self) -> Option<ListenerStatus> {
        let zone = |name: &str, endpoint: &str, parent: &str| ZoneStatus {
            name: name.into(),
            connected: parent.is_empty(),
            client_log_lag_s: 0.0,
            endpoints: vec![endpoint.into()],
            parent_zone: parent.into(),
        };
        Some(ListenerStatus {
            identity: "golden-master".into(),
            listing: Arc::new(Listing::new(
                Vec::new(),
                vec!["sat1".into()],
                vec![
                    zone("master", "golden-master", ""),
                    zone("satellite", "sat1", "master"),
                ],
            )),
            ..ListenerStatus::default()
        })
    }

    fn process(&self, _order: ProcessOrder, _user: &str) {}

    fn check_statistics(&self) -> CheckStatistics {
        let passive = *self.passive_services.lock().unwrap();
        let counts = CheckCounts {
            minutes_1: passive,
            minutes_5: passive,
            minutes_15: passive,
        };
        CheckStatistics {
            passive_service: counts,
            ..CheckStatistics::default()
        }
    }

    fn checker(&self) -> Option<CheckerStatus> {
        // What the recording's scheduler had: all hosts and services of the own zone.
        Some(CheckerStatus {
            idle: 71,
            pending: 0,
        })
    }

    fn endpoint(&self, _name: &str) -> Option<EndpointStatus> {
        None
    }

    fn templates(&self, type_name: &str) -> Vec<Template> {
        let templates = BTreeMap::from([("Host", Vec::new())]);
        templates.get(type_name).cloned().unwrap_or_default()
    }

    fn submit(&self, commands: Vec<Command>) -> Submission {
        self.apply(commands);
        Box::pin(async { Ok(()) })
    }
}
