//! Where macros find their values: the objects around a check, and the names under which they
//! are known.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bheka_model::{CheckableName, CheckableState, ConfigObject, Generation, StateType};
use bheka_value::schema::{FieldKind, Flags};
use bheka_value::{Dictionary, Map, ObjectView, Str, Timestamp, Value};

use crate::Monitor;
use crate::state_machine::host_state;

/// A host or service as macros, lambdas and filters see it at one moment.
#[derive(Clone, Debug)]
pub(crate) struct CheckableView {
    pub(crate) object: Arc<ConfigObject>,
    pub(crate) state: Arc<CheckableState>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) host: Option<Arc<CheckableView>>,
}

impl CheckableView {
    pub(crate) fn is_host(&self) -> bool {
        self.object.type_info.name == "Host"
    }

    fn own_attribute(&self, name: &str) -> Option<Value> {
        match (name, &self.host) {
            ("host", Some(host)) => {
                return Some(Value::Object(Arc::clone(host) as Arc<dyn ObjectView>));
            }
            ("name" | "__name" | "display_name", _) => {
                return Some(config_attribute(&self.object, name));
            }
            _ => {}
        }
        let known = self.object.attributes.contains_key(name)
            || self.object.type_info.field(name).is_some();
        known.then(|| {
            bheka_model::attribute(&self.object, Some(&self.state), &self.generation, name)
        })
    }
}

impl ObjectView for CheckableView {
    fn type_name(&self) -> &str {
        self.object.type_info.name
    }

    fn object_name(&self) -> Str {
        self.object.name.clone()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.own_attribute(name)
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.object
            .type_info
            .fields()
            .map(|field| Str::new(field.name))
            .collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Any other object of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct PlainView(pub(crate) Arc<ConfigObject>);

impl ObjectView for PlainView {
    fn type_name(&self) -> &str {
        self.0.type_info.name
    }

    fn object_name(&self) -> Str {
        self.0.name.clone()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let known = matches!(name, "name" | "__name" | "zone")
            || self.0.attributes.contains_key(name)
            || self.0.type_info.field(name).is_some();
        known.then(|| config_attribute(&self.0, name))
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.0
            .type_info
            .fields()
            .map(|field| Str::new(field.name))
            .collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn config_attribute(object: &ConfigObject, name: &str) -> Value {
    let value = object.get(name);
    match name {
        "name" => Value::String(object.short_name.clone()),
        "__name" => Value::String(object.name.clone()),
        "display_name" if !value.is_true() => Value::String(object.short_name.clone()),
        _ => value,
    }
}

/// One place to look for a macro.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `host` or `service`.
    Checkable(Arc<CheckableView>),
    /// `command` and other objects.
    Plain(Arc<PlainView>),
    /// `icinga`: the application; its values are computed ahead.
    Application(Arc<Application>),
    /// Anything else, e.g. a dictionary of overrides.
    Value(Value),
}

impl Source {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Checkable(view) => Value::Object(Arc::clone(view) as Arc<dyn ObjectView>),
            Self::Plain(view) => Value::Object(Arc::clone(view) as Arc<dyn ObjectView>),
            Self::Application(view) => Value::Object(Arc::clone(view) as Arc<dyn ObjectView>),
            Self::Value(value) => value.clone(),
        }
    }

    /// Custom variables.
    pub(crate) fn vars(&self) -> Option<Arc<Dictionary>> {
        let vars = match self {
            Self::Checkable(view) => view.object.get("vars"),
            Self::Plain(view) => view.0.get("vars"),
            Self::Application(view) => view.vars.clone(),
            Self::Value(_) => return None,
        };
        vars.as_dictionary().cloned()
    }

    /// Macros that are not attributes, or read differently.
    pub(crate) fn special(&self, name: &str, scope: &Scope) -> Option<Value> {
        match self {
            Self::Checkable(view) => checkable_macro(view, name, scope),
            Self::Application(view) => view.special(name, scope),
            _ => None,
        }
    }

    /// Whether an attribute is a point in time, which macros show in whole seconds.
    pub(crate) fn is_time(&self, name: &str) -> bool {
        let type_info = match self {
            Self::Checkable(view) => view.object.type_info,
            Self::Plain(view) => view.0.type_info,
            _ => return false,
        };
        type_info
            .field(name)
            .is_some_and(|field| field.kind == FieldKind::Timestamp)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<Value> {
        let hidden = |type_info: &'static bheka_value::schema::TypeInfo| {
            type_info
                .field(name)
                .is_some_and(|field| field.flags.has(Flags::NO_USER_VIEW))
        };
        match self {
            Self::Checkable(view) if !hidden(view.object.type_info) => view.attribute(name),
            Self::Plain(view) if !hidden(view.0.type_info) => view.attribute(name),
            Self::Application(view) => view.attribute(name),
            Self::Value(Value::Dictionary(dictionary)) => dictionary.get(name),
            Self::Value(Value::Object(object)) => object.attribute(name),
            _ => None,
        }
    }
}

/// The application as `icinga`.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) vars: Value,
    pub(crate) node_name: Str,
}

impl Application {
    fn special(&self, name: &str, scope: &Scope) -> Option<Value> {
        let format = |pattern: &str| {
            let zoned = crate::period::zoned(scope.now, &scope.time_zone);
            Some(Value::string(zoned.strftime(pattern).to_string()))
        };
        match name {
            "timet" => Some(Value::Number(scope.now.seconds().trunc())),
            "long_date_time" => format("%Y-%m-%d %H:%M:%S %z"),
            "short_date_time" => format("%Y-%m-%d %H:%M:%S"),
            "date" => format("%Y-%m-%d"),
            "time" => format("%H:%M:%S %z"),
            "uptime" => Some(Value::string(crate::internal::duration_text(
                (scope.now - scope.program_start).trunc(),
            ))),
            _ if name.starts_with("num_") => scope.counts.application(name),
            _ => None,
        }
    }
}

impl ObjectView for Application {
    fn type_name(&self) -> &str {
        "IcingaApplication"
    }

    fn object_name(&self) -> Str {
        Str::new("app")
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        match name {
            "vars" => Some(self.vars.clone()),
            "name" | "__name" => Some(Value::string("app")),
            "node_name" => Some(Value::String(self.node_name.clone())),
            _ => None,
        }
    }

    fn attribute_names(&self) -> Vec<Str> {
        ["name", "node_name", "vars"]
            .into_iter()
            .map(Str::new)
            .collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What macros mean in one command line.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) now: Timestamp,
    pub(crate) program_start: Timestamp,
    pub(crate) time_zone: jiff::tz::TimeZone,
    /// In order of precedence, with the names before the dot.
    pub(crate) sources: Vec<(&'static str, Source)>,
    /// The only values there are, when a parent has resolved them.
    pub(crate) given: Option<Arc<Dictionary>>,
    /// Takes what was resolved, for sending it to the executing node.
    pub(crate) collected: Option<Arc<Collected>>,
    /// Numbers of hosts and services.
    pub(crate) counts: Arc<Counts>,
}

/// Macros that were resolved, by their text.
#[derive(Debug, Default)]
pub(crate) struct Collected(std::sync::Mutex<Map>);

impl Collected {
    pub(crate) fn add(&self, name: &str, value: &Value) {
        let mut found = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        found.insert(Str::new(name), value.clone());
    }

    pub(crate) fn to_value(&self) -> Value {
        let found = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Value::dictionary(found.clone())
    }
}

/// Numbers of hosts and services for macros. Counting is dear, so it is done only after a macro has
/// asked; then the command is resolved once more.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    taken: Option<(Numbers, Numbers)>,
    wanted: AtomicBool,
}

type Numbers = BTreeMap<&'static str, f64>;

impl Counts {
    fn application(&self, name: &str) -> Option<Value> {
        self.find(name, |(application, _)| application)
    }

    fn host(&self, name: &str) -> Option<Value> {
        self.find(name, |(_, host)| host)
    }

    fn find(&self, name: &str, which: impl Fn(&(Numbers, Numbers)) -> &Numbers) -> Option<Value> {
        let Some(taken) = &self.taken else {
            self.wanted.store(true, Ordering::Relaxed);
            return None;
        };
        which(taken).get(name).map(|number| Value::Number(*number))
    }
}

/// Macros of hosts and services that read differently from the attributes.
fn checkable_macro(view: &CheckableView, name: &str, scope: &Scope) -> Option<Value> {
    let state = &view.state;
    let is_host = view.is_host();
    let id = |raw: u8| if is_host { host_state(raw) } else { raw };
    let word = |raw: u8| Value::string(state_word(is_host, id(raw)));
    let kind = |kind: StateType| {
        Value::string(if kind == StateType::Hard {
            "HARD"
        } else {
            "SOFT"
        })
    };
    let result = state.last_check_result.as_deref();
    Some(match name {
        "state" => word(state.state_raw),
        "state_id" => Value::Number(f64::from(id(state.state_raw))),
        "state_type" => kind(state.state_type),
        "last_state" => word(state.last_state_raw),
        "last_state_id" => Value::Number(f64::from(id(state.last_state_raw))),
        "last_state_type" => kind(state.last_state_type),
        "last_state_change" => Value::Number(state.last_state_change.seconds().trunc()),
        "downtime_depth" => Value::Number(f64::from(state.downtime_depth)),
        "duration_sec" => Value::Number((scope.now - state.last_state_change).trunc()),
        "num_services"
        | "num_services_ok"
        | "num_services_warning"
        | "num_services_critical"
        | "num_services_unknown"
            if is_host =>
        {
            scope.counts.host(name)?
        }
        "latency" => Value::Number(result.map_or(0.0, crate::stats::latency_s)),
        "execution_time" => Value::Number(result.map_or(0.0, crate::stats::execution_s)),
        "output" => Value::String(result?.output.clone()),
        "perfdata" => Value::string(performance_text(result?)),
        "last_check" => Value::Number(result?.execution_end.seconds().trunc()),
        "check_source" => Value::String(result?.check_source.clone()),
        "scheduling_source" => Value::String(result?.scheduling_source.clone()),
        _ => return None,
    })
}

fn performance_text(result: &bheka_model::CheckResult) -> String {
    let items = result.performance_data.as_deref().unwrap_or_default();
    let texts: Vec<String> = items.iter().map(crate::perfdata::text_of).collect();
    texts.join(" ")
}

/// `UP`, `DOWN`, `OK`, `WARNING`, …
pub(crate) fn state_word(is_host: bool, state: u8) -> &'static str {
    match (is_host, state) {
        (true, 0) => "UP",
        (true, _) => "DOWN",
        (false, 0) => "OK",
        (false, 1) => "WARNING",
        (false, 2) => "CRITICAL",
        (false, _) => "UNKNOWN",
    }
}

impl Monitor {
    /// A host or service with its present state.
    pub(crate) fn view(&self, name: &CheckableName) -> Option<Arc<CheckableView>> {
        let live = self.live.get(name)?;
        let host = match name.service {
            Some(_) => self.view(&CheckableName::host(name.host.clone())),
            None => None,
        };
        Some(Arc::new(CheckableView {
            object: Arc::clone(&self.settings(name)?.object),
            state: Arc::clone(&live.state),
            generation: Arc::clone(&self.table.generation),
            host,
        }))
    }

    /// The scope of a command that runs for a checkable: service, host, command, application
    /// (manual chapter 3, "Runtime Macro Evaluation").
    pub(crate) fn scope(
        &self,
        name: &CheckableName,
        command: &Arc<ConfigObject>,
        now: Timestamp,
    ) -> Option<Scope> {
        let view = self.view(name)?;
        let mut sources = Vec::with_capacity(4);
        match &view.host {
            Some(host) => {
                sources.push(("service", Source::Checkable(Arc::clone(&view))));
                sources.push(("host", Source::Checkable(Arc::clone(host))));
            }
            None => sources.push(("host", Source::Checkable(view))),
        }
        sources.push((
            "command",
            Source::Plain(Arc::new(PlainView(Arc::clone(command)))),
        ));
        sources.push(("icinga", Source::Application(Arc::new(self.application()))));
        Some(Scope {
            now,
            program_start: self.program_start,
            time_zone: self.time_zone.clone(),
            sources,
            given: None,
            collected: None,
            counts: Arc::default(),
        })
    }

    /// The same scope with the counts, when a macro asked for them.
    pub(crate) fn scope_with_counts(
        &self,
        scope: &Arc<Scope>,
        host: &Str,
        now: Timestamp,
    ) -> Option<Arc<Scope>> {
        if !scope.counts.wanted.load(Ordering::Relaxed) {
            return None;
        }
        let application = self.stats(now).numbers().into_iter().collect();
        let taken = Some((application, self.count_services(host)));
        let counts = Arc::new(Counts {
            taken,
            ..Counts::default()
        });
        Some(Arc::new(Scope {
            counts,
            ..Scope::clone(scope)
        }))
    }

    fn application(&self) -> Application {
        let vars = self
            .table
            .generation
            .globals
            .get("Vars")
            .cloned()
            .unwrap_or_default();
        Application {
            vars,
            node_name: self.node_name.clone(),
        }
    }

    fn count_services(&self, host: &Str) -> Numbers {
        const NAMES: [&str; 4] = [
            "num_services_ok",
            "num_services_warning",
            "num_services_critical",
            "num_services_unknown",
        ];
        let mut counts = Numbers::from(NAMES.map(|name| (name, 0.0)));
        let services = self.table.generation.services_of(host);
        for service in services {
            let name = CheckableName::service(host.clone(), service.short_name.clone());
            let state = self.live.get(&name).map_or(3, |live| live.state.state_raw);
            *counts.entry(NAMES[usize::from(state.min(3))]).or_default() += 1.0;
        }
        counts.insert("num_services", counts.values().sum());
        counts
    }
}
