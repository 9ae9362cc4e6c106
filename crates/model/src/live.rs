//! An object with its live state, as filters, macros and functions see it.

use std::sync::Arc;

use bheka_value::schema::Flags;
use bheka_value::{ObjectView, Str, Value};

use crate::attributes::{Facts, is_shown};
use crate::{Board, CheckableName, CheckableState, ConfigObject};

/// A view of an object over the [`Board`]: reading an attribute reads what is published then.
#[derive(Clone, Debug)]
pub struct LiveObject {
    board: Arc<Board>,
    object: Arc<ConfigObject>,
}

impl LiveObject {
    /// A view of that object.
    #[must_use]
    pub fn new(board: Arc<Board>, object: Arc<ConfigObject>) -> Self {
        Self { board, object }
    }

    /// The object of that type and name in the generation in force.
    #[must_use]
    pub fn find(board: &Arc<Board>, type_name: &str, name: &str) -> Option<Self> {
        let generation = board.generation();
        let object = generation.get(type_name, name)?;
        Some(Self::new(Arc::clone(board), Arc::clone(object)))
    }

    /// All objects of that type in the generation in force.
    #[must_use]
    pub fn of_type(board: &Arc<Board>, type_name: &str) -> Vec<Self> {
        let generation = board.generation();
        let objects = generation.of_type(type_name);
        objects
            .map(|object| Self::new(Arc::clone(board), Arc::clone(object)))
            .collect()
    }

    /// The view as a value.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(Arc::new(self))
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> &Arc<ConfigObject> {
        &self.object
    }

    /// What `/v1/objects` shows under `attrs`: every attribute that is not hidden, and `type`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let shown = self
            .object
            .type_info
            .fields()
            .filter(|field| is_shown(&self.object, field));
        let names = shown.map(|field| field.name).chain(["type"]);
        Value::dictionary(self.attributes(names))
    }

    /// Several attributes, all from one moment.
    pub fn attributes<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Vec<(&'n str, Value)> {
        self.with_facts(|facts| {
            let live = self
                .board
                .attributes(self.object.type_info.name, &self.object.name);
            let of = |name: &str| match live.as_ref().and_then(|live| live.get(name)) {
                Some(value) => value.clone(),
                None => facts.attribute(name),
            };
            names.into_iter().map(|name| (name, of(name))).collect()
        })
    }

    /// The object that a navigation attribute leads to (`host`, `service`, `check_command`, …; see
    /// [`crate::reflection::navigation_name`]), for joins.
    #[must_use]
    pub fn navigate(&self, navigation: &str) -> Option<Self> {
        let navigable = |field: &&bheka_value::schema::FieldInfo| {
            field.flags.has(Flags::NAVIGATION)
                && crate::reflection::navigation_name(field.name) == navigation
        };
        let field = self.object.type_info.fields().find(navigable)?;
        if field.name == "host" {
            return Self::find(&self.board, "Host", &self.object.string("host_name"));
        }
        let target = self.object.optional(field.name)?;
        if let Some(reference) = field.reference {
            return Self::find(&self.board, reference, &target);
        }
        // `service_name`, `child_service_name`, …: short names on the host beside them.
        let host = self
            .object
            .optional(&field.name.replace("service", "host"))?;
        Self::find(&self.board, "Service", &format!("{host}!{target}"))
    }

    fn with_facts<T>(&self, read: impl FnOnce(&Facts<'_>) -> T) -> T {
        let generation = self.board.generation();
        let (mut state, mut host) = (None, None);
        if matches!(self.object.type_info.name, "Host" | "Service") {
            let name = CheckableName::from_full(&self.object.name);
            state = self.board.state(&name);
            if name.is_service() {
                host = Some(
                    self.board
                        .state(&CheckableName::host(name.host))
                        .unwrap_or_default(),
                );
            }
        }
        read(&Facts {
            object: &self.object,
            state: &state.unwrap_or_else(|| Arc::new(CheckableState::default())),
            generation: &generation,
            host: host.as_deref(),
            program_start: self.board.program_start(),
            stored: std::cell::OnceCell::new(),
        })
    }
}

impl ObjectView for LiveObject {
    fn type_name(&self) -> &str {
        self.object.type_info.name
    }

    fn object_name(&self) -> Str {
        self.object.name.clone()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        if name == "host" && self.object.type_info.name == "Service" {
            return Some(self.navigate("host").map_or(Value::Empty, Self::into_value));
        }
        if name != "type" {
            self.object.type_info.field(name)?;
        }
        self.attributes([name]).pop().map(|(_, value)| value)
    }

    fn attribute_names(&self) -> Vec<Str> {
        let shown = self
            .object
            .type_info
            .fields()
            .filter(|field| is_shown(&self.object, field));
        shown.map(|field| field.name.into()).collect()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
