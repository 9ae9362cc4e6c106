//! The state of things at the time of a request, and objects as filters see them.

use std::sync::Arc;

use bheka_model::{CheckableName, CheckableState, ConfigObject, Generation, LiveObject};
use bheka_value::schema::{FieldInfo, Flags, TypeInfo};
use bheka_value::{ObjectView, Str, Timestamp, Value};

use crate::backend::Backend;
use crate::connection::ConnectionStatus;

/// Attributes of a TimePeriod that depend on the time.
const TIME_PERIOD: [&str; 4] = ["is_inside", "segments", "valid_begin", "valid_end"];

/// Attributes of an Endpoint that are made of what is known of its connection.
const OF_CONNECTION: [&str; 2] = ["connection", "messages_received_per_type"];

/// What a request sees: one generation from beginning to end.
pub(crate) struct Snapshot {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) now: Timestamp,
}

impl Snapshot {
    pub(crate) fn take(backend: &Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self {
            generation: backend.board().generation(),
            now: backend.now(),
            backend: Arc::clone(backend),
        })
    }

    /// The live state of an object, when it is a host or service that has some.
    pub(crate) fn state(&self, object: &ConfigObject) -> Option<Arc<CheckableState>> {
        if !matches!(object.type_info.name, "Host" | "Service") {
            return None;
        }
        self.backend
            .board()
            .state(&CheckableName::from_full(&object.name))
    }

    /// Attributes of an object as the API shows them, all from one moment.
    pub(crate) fn attributes<'n>(
        &self,
        object: &Arc<ConfigObject>,
        names: &[&'n str],
    ) -> Vec<(&'n str, Value)> {
        let live = LiveObject::new(Arc::clone(self.backend.board()), Arc::clone(object));
        let mut attributes = live.attributes(names.iter().copied());
        let runtime: &dyn Fn(&str) -> Option<Value> = match object.type_info.name {
            "Endpoint" => {
                let Some(status) = self.backend.endpoint(&object.name) else {
                    return attributes;
                };
                // It is more than all else, and not always asked for.
                let wanted = names.iter().any(|name| OF_CONNECTION.contains(name));
                let connection = if wanted {
                    self.backend.connection(&object.name)
                } else {
                    None
                };
                &move |name| match (name, &connection) {
                    ("connection", connection) => Some(
                        connection
                            .as_ref()
                            .map_or(Value::Empty, ConnectionStatus::to_value),
                    ),
                    ("messages_received_per_type", Some(connection)) => {
                        Some(connection.received_per_type())
                    }
                    _ => status.attribute(name),
                }
            }
            // Working a period out costs more than looking an attribute up.
            "TimePeriod" if names.iter().any(|name| TIME_PERIOD.contains(name)) => {
                let Some(status) = self.backend.time_period(object) else {
                    return attributes;
                };
                &move |name| status.attribute(name)
            }
            "ApiListener" => &|name| self.listener_attribute(name),
            _ => return attributes,
        };
        for (name, value) in &mut attributes {
            if let Some(current) = runtime(name) {
                *value = current;
            }
        }
        attributes
    }

    /// Whether an attribute has a value of its own at run time, so that it is shown although no
    /// configuration sets it and Icinga 2 2.13 does not have it.
    pub(crate) fn is_live(&self, object: &ConfigObject, name: &str) -> bool {
        let is_of_endpoint = OF_CONNECTION.contains(&name) || name == "seconds_processing_messages";
        object.type_info.name == "Endpoint"
            && is_of_endpoint
            && self.backend.endpoint(&object.name).is_some()
    }

    /// One attribute.
    pub(crate) fn attribute(&self, object: &Arc<ConfigObject>, name: &str) -> Value {
        let value = self.attributes(object, &[name]).pop();
        value.map(|(_, value)| value).unwrap_or_default()
    }

    fn listener_attribute(&self, name: &str) -> Option<Value> {
        if !matches!(name, "identity" | "log_message_timestamp") {
            return None;
        }
        let status = self.backend.api_listener().unwrap_or_default();
        Some(match name {
            "identity" => Value::String(status.identity),
            _ => Value::Number(status.log_message_timestamp.seconds()),
        })
    }

    /// The object that an attribute leads to, under the name by which joins and filters know it.
    pub(crate) fn navigate(
        &self,
        object: &ConfigObject,
        join: &Join,
    ) -> Option<&Arc<ConfigObject>> {
        let name = match join.kind {
            JoinKind::Direct => object.string(join.field),
            JoinKind::Service { host_field } => {
                let service = object.string(join.field);
                if service.is_empty() {
                    return None;
                }
                format!("{}!{service}", object.string(host_field)).into()
            }
        };
        self.generation.get(join.target, &name)
    }
}

/// A way from an object to a related one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Join {
    /// The prefix in `joins` and the variable in filters.
    pub(crate) name: &'static str,
    /// The type of the related object.
    pub(crate) target: &'static str,
    field: &'static str,
    kind: JoinKind,
}

#[derive(Debug, Clone, Copy)]
enum JoinKind {
    /// The field holds the full name.
    Direct,
    /// The field holds the short name of a service on the host in another field.
    Service { host_field: &'static str },
}

/// The joins of a type (manual, chapter 12, "Object Query Joins"): each attribute that navigates,
/// under its name without `_name`.
pub(crate) fn joins(type_info: &TypeInfo) -> Vec<Join> {
    let mut joins: Vec<Join> = Vec::new();
    for field in type_info
        .fields()
        .filter(|field| field.flags.has(Flags::NAVIGATION))
    {
        let name = field.name.strip_suffix("_name").unwrap_or(field.name);
        let join = match field.name {
            "host" => Join {
                name,
                target: "Host",
                field: "host_name",
                kind: JoinKind::Direct,
            },
            "service_name" => service_join(name, field, "host_name"),
            "child_service_name" => service_join(name, field, "child_host_name"),
            "parent_service_name" => service_join(name, field, "parent_host_name"),
            _ => match field.reference {
                Some(target) => Join {
                    name,
                    target,
                    field: field.name,
                    kind: JoinKind::Direct,
                },
                None => continue,
            },
        };
        joins.push(join);
    }
    joins
}

fn service_join(name: &'static str, field: &FieldInfo, host_field: &'static str) -> Join {
    Join {
        name,
        target: "Service",
        field: field.name,
        kind: JoinKind::Service { host_field },
    }
}

/// An object as filters see it.
struct View {
    snapshot: Arc<Snapshot>,
    object: Arc<ConfigObject>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} '{}'", self.object.type_info.name, self.object.name)
    }
}

impl ObjectView for View {
    fn type_name(&self) -> &str {
        self.object.type_info.name
    }

    fn object_name(&self) -> Str {
        self.object.name.clone()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        if name == "host" && self.object.type_info.name == "Service" {
            let host = self
                .snapshot
                .generation
                .get("Host", &self.object.string("host_name"));
            return Some(host.map_or(Value::Empty, |host| object_value(&self.snapshot, host)));
        }
        let field = self.object.type_info.field(name);
        if name != "type" && field.is_none_or(|field| field.flags.has(Flags::NO_USER_VIEW)) {
            return None;
        }
        Some(self.snapshot.attribute(&self.object, name))
    }

    fn attribute_names(&self) -> Vec<Str> {
        let fields = self.object.type_info.fields();
        fields
            .filter(|field| !field.flags.has(Flags::NO_USER_VIEW) && field.name != "host")
            .map(|field| field.name.into())
            .collect()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// An object as a value for filters.
pub(crate) fn object_value(snapshot: &Arc<Snapshot>, object: &Arc<ConfigObject>) -> Value {
    Value::Object(Arc::new(View {
        snapshot: Arc::clone(snapshot),
        object: Arc::clone(object),
    }))
}

/// The variables that a filter sees for an object: `obj`, the type's name in lower case, and the
/// related objects under the names of the joins (`null` when there is none).
pub(crate) fn scope_of(
    snapshot: &Arc<Snapshot>,
    object: &Arc<ConfigObject>,
    joins: &[Join],
) -> Vec<(Str, Value)> {
    let value = object_value(snapshot, object);
    let mut scope = Vec::with_capacity(joins.len() + 2);
    for join in joins {
        let related = snapshot.navigate(object, join);
        let related = related.map_or(Value::Empty, |related| object_value(snapshot, related));
        scope.push((Str::new(join.name), related));
    }
    scope.push(("obj".into(), value.clone()));
    scope.push((object.type_info.name.to_lowercase().into(), value));
    scope
}
