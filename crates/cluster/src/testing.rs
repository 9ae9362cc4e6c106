//! Objects for tests, without the language.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_model::{ConfigObject, Generation};
use bheka_value::schema::TypeInfo;
use bheka_value::{Location, Map, Str, Value};

fn type_info(name: &str) -> &'static TypeInfo {
    bheka_model::catalogue()
        .type_info(name)
        .expect("a known type")
}

/// An object of a type.
pub(crate) fn object<const N: usize>(
    type_name: &str,
    name: &str,
    zone: Option<&str>,
    attributes: [(&str, Value); N],
) -> Arc<ConfigObject> {
    let attributes: Map = attributes
        .into_iter()
        .map(|(key, value)| (Str::from(key), value))
        .collect();
    let short_name = name.rsplit('!').next().unwrap_or(name);
    Arc::new(ConfigObject {
        type_info: type_info(type_name),
        name: name.into(),
        short_name: short_name.into(),
        zone: zone.map(Str::from),
        package: "_etc".into(),
        templates: Vec::new(),
        location: Location::default(),
        modifications: Vec::new(),
        attributes,
    })
}

/// A zone with these members.
pub(crate) fn zone(name: &str, endpoints: &[&str], parent: Option<&str>) -> Arc<ConfigObject> {
    let endpoints = Value::array(endpoints.iter().map(|name| Value::string(*name)));
    object(
        "Zone",
        name,
        None,
        [("endpoints", endpoints), ("parent", parent.into())],
    )
}

/// A global zone.
pub(crate) fn global_zone(name: &str) -> Arc<ConfigObject> {
    object("Zone", name, None, [("global", Value::Boolean(true))])
}

/// An endpoint, dialled when it has a host.
pub(crate) fn endpoint(name: &str, host: Option<&str>) -> Arc<ConfigObject> {
    object("Endpoint", name, None, [("host", host.into())])
}

/// A host in a zone, checked by `command_endpoint` when there is one.
pub(crate) fn host(
    name: &str,
    zone: Option<&str>,
    command_endpoint: Option<&str>,
) -> Arc<ConfigObject> {
    object(
        "Host",
        name,
        zone,
        [("command_endpoint", command_endpoint.into())],
    )
}

/// The listener with both permissions set alike.
pub(crate) fn listener(accept: bool) -> Arc<ConfigObject> {
    let attributes = [
        ("accept_config", Value::Boolean(accept)),
        ("accept_commands", Value::Boolean(accept)),
    ];
    object("ApiListener", "api", None, attributes)
}

/// A command that may be asked for.
pub(crate) fn check_command(name: &str) -> Arc<ConfigObject> {
    object("CheckCommand", name, None, [])
}

/// A generation of these objects.
pub(crate) fn generation(objects: impl IntoIterator<Item = Arc<ConfigObject>>) -> Generation {
    Generation::new(1, BTreeMap::new(), objects)
}
