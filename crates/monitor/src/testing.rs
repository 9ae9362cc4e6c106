//! Objects and generations for tests, without a configuration language.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_model::{ConfigObject, Generation, catalogue};
use bheka_value::{Location, Map, Str, Value};

/// An object of a type of the catalogue with these attributes.
pub(crate) fn object<const N: usize>(
    type_name: &str,
    name: &str,
    attributes: [(&str, Value); N],
) -> Arc<ConfigObject> {
    object_of(
        type_name,
        name,
        attributes
            .into_iter()
            .map(|(key, value)| (Str::new(key), value)),
    )
}

/// The same from any list of attributes.
pub(crate) fn object_of(
    type_name: &str,
    name: &str,
    attributes: impl IntoIterator<Item = (Str, Value)>,
) -> Arc<ConfigObject> {
    let type_info = catalogue().type_info(type_name).unwrap();
    let short_name = name.rsplit('!').next().unwrap_or(name);
    let mut attributes: Map = attributes.into_iter().collect();
    if type_name == "Service" {
        let host = name.split('!').next().unwrap_or_default();
        attributes.insert("host_name".into(), Value::string(host));
    }
    Arc::new(ConfigObject {
        type_info,
        name: name.into(),
        short_name: short_name.into(),
        zone: None,
        package: "_etc".into(),
        templates: Vec::new(),
        location: Location::default(),
        modifications: Vec::new(),
        attributes,
    })
}

/// A generation of these objects and a CheckerComponent.
pub(crate) fn generation(objects: impl IntoIterator<Item = Arc<ConfigObject>>) -> Arc<Generation> {
    let checker = object("CheckerComponent", "checker", []);
    let all = objects.into_iter().chain([checker]);
    Arc::new(Generation::new(1, BTreeMap::new(), all))
}
