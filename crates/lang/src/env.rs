//! The environment of one configuration: types, globals, declarations, log.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use bheka_value::schema::Catalogue;
use bheka_value::{CallError, Location, ObjectView, Str, Timestamp, Value};
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;

use crate::Sources;
use crate::builtins;
use crate::diag::{LogLine, Severity};
use crate::fault::{Fault, Outcome};
use crate::namespace::{Namespace, namespace_value};
use crate::registry::Registry;
use crate::source::Source;
use crate::types::{TypeEntry, TypeTable};

/// What the running daemon offers to functions of the configuration once it is loaded. While it
/// loads, they see the drafts and the time of loading; between the end of the load, which hands
/// over all objects, and [`crate::Globals::attach`] they see no object.
pub trait Runtime: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// A live object.
    fn object(&self, type_name: &str, name: &str) -> Option<Value>;
    /// All live objects of a type.
    fn objects(&self, type_name: &str) -> Vec<Value>;
    /// Takes a line of `log()`.
    fn log(&self, line: LogLine);
    /// Files and environment variables; by default none.
    fn sources(&self) -> Option<&'static dyn Sources> {
        None
    }
}

/// What an environment starts from.
pub(crate) struct Settings {
    pub(crate) catalogue: &'static dyn Catalogue,
    pub(crate) constants: Vec<(String, Value)>,
    pub(crate) include_dirs: Vec<String>,
    pub(crate) now: Timestamp,
    pub(crate) zone: TimeZone,
    pub(crate) tracking: bool,
    pub(crate) threads: usize,
}

/// One configuration while it is evaluated, and for its functions as long as they live.
pub(crate) struct Env {
    pub(crate) types: TypeTable,
    pub(crate) globals: Arc<Namespace>,
    /// `globals` as value.
    pub(crate) globals_value: Value,
    /// What is searched before the globals: System, System.Configuration, Types, Icinga.
    pub(crate) imports: Vec<Value>,
    pub(crate) registry: Registry,
    /// `host`, as a key that all scopes share.
    pub(crate) host_variable: Str,
    pub(crate) include_dirs: Vec<String>,
    pub(crate) zone: TimeZone,
    pub(crate) tracking: bool,
    pub(crate) threads: usize,
    now: Timestamp,
    log: Mutex<Vec<LogLine>>,
    sources: RwLock<FxHashMap<Arc<str>, Arc<Source>>>,
    runtime: RwLock<Option<Arc<dyn Runtime>>>,
    random: std::sync::atomic::AtomicU64,
    /// Whether somebody waits for the end of an evaluation, in vain.
    pub(crate) interrupted: Arc<AtomicBool>,
}

impl Env {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            let prototypes = |name: &str| builtins::prototype(weak, name);
            let types = TypeTable::new(settings.catalogue, &prototypes);
            let globals = Arc::new(Namespace::default());
            let imports = builtins::fill_globals(weak, &globals, &types, settings.constants);
            let globals_value = namespace_value(&globals);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let seed = (settings.now.seconds() * 1e6) as u64 | 1;
            Self {
                types,
                globals,
                globals_value,
                imports,
                registry: Registry::default(),
                host_variable: "host".into(),
                include_dirs: settings.include_dirs,
                zone: settings.zone,
                tracking: settings.tracking,
                threads: settings.threads.max(1),
                now: settings.now,
                log: Mutex::default(),
                sources: RwLock::default(),
                runtime: RwLock::default(),
                random: std::sync::atomic::AtomicU64::new(seed),
                interrupted: Arc::default(),
            }
        })
    }

    /// Ends an evaluation that was interrupted. To be asked wherever one may go on for long: in
    /// each round of a loop, in each call, and while it sleeps.
    pub(crate) fn check_interrupted(&self) -> Outcome<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Fault::script("Evaluation was interrupted."));
        }
        Ok(())
    }

    /// The type of a value.
    pub(crate) fn type_of(&self, value: &Value) -> Option<&Arc<TypeEntry>> {
        self.types.get(value.type_name())
    }

    pub(crate) fn attach(&self, runtime: Option<Arc<dyn Runtime>>) {
        *self.runtime.write().unwrap_or_else(PoisonError::into_inner) = runtime;
    }

    fn runtime(&self) -> Option<Arc<dyn Runtime>> {
        self.runtime
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Files and environment variables of the running daemon.
    pub(crate) fn runtime_sources(&self) -> Option<&'static dyn Sources> {
        self.runtime()?.sources()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.runtime().map_or(self.now, |runtime| runtime.now())
    }

    pub(crate) fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        match self.runtime() {
            Some(runtime) => runtime.object(type_name, name),
            None => self.registry.object(type_name, name),
        }
    }

    pub(crate) fn objects(&self, type_name: &str) -> Vec<Value> {
        match self.runtime() {
            Some(runtime) => runtime.objects(type_name),
            None => self.registry.objects(type_name),
        }
    }

    pub(crate) fn log(&self, line: LogLine) {
        match self.runtime() {
            Some(runtime) => runtime.log(line),
            None => self
                .log
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line),
        }
    }

    /// A warning of the evaluator itself.
    pub(crate) fn warn(&self, facility: &'static str, message: String, location: Option<Location>) {
        self.log(LogLine {
            severity: Severity::Warning,
            facility: facility.to_owned(),
            message,
            location,
            from_script: false,
        });
    }

    pub(crate) fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn add_source(&self, source: &Arc<Source>) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        sources.insert(Arc::clone(&source.path), Arc::clone(source));
    }

    /// The marked lines of a place.
    pub(crate) fn excerpt(&self, location: &Location) -> Option<String> {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        sources
            .get(&location.path)
            .map(|source| source.excerpt(location))
    }

    /// Drops the texts; functions keep those that they need.
    pub(crate) fn forget_sources(&self) {
        self.sources
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// A pseudo-random number (xorshift); for jitter in configurations, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        use std::sync::atomic::Ordering;
        let step = |mut x: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^ (x << 17)
        };
        let old = self
            .random
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |x| Some(step(x)));
        step(old.unwrap_or(1))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

/// `System.Configuration`: directories and limits, fixed once loading starts.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) entries: BTreeMap<Str, Value>,
}

impl ObjectView for Configuration {
    fn type_name(&self) -> &str {
        "Configuration"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.entries.get(name).cloned()
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.entries.keys().cloned().collect()
    }

    fn set_attribute(&self, name: &str, _value: Value) -> Result<(), CallError> {
        if self.entries.contains_key(name) {
            return Err(CallError::new(format!(
                "Configuration attribute '{name}' is read-only."
            )));
        }
        Err(CallError::new(format!(
            "Attribute '{name}' does not exist."
        )))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
