//! The table of types: every object type of Icinga 2.13.6 with its attributes in the order in
//! which 2.13.6 numbers them, and what 2.14 to 2.16 added (flag `NEWER`).
//!
//! Sources: chapter 9 of the manual ("Object Types") and what `GET /v1/types` of 2.13.6 says.

use bheka_value::schema::{Catalogue, TypeInfo};

mod base;
mod cluster;
mod contacts;
mod daemon;
mod interfaces;
mod monitoring;
pub(crate) mod plan;
mod reference;
mod runtime;
mod words;
mod writers;

pub use reference::reference;

/// Writes down a list of attributes:
///
/// ```text
/// /// One sentence.
/// "name": Kind("ReferencedType") [FLAG FLAG] = default where limit;
/// ```
///
/// Reference, default and limit may be left out; the default is then the empty value of the kind.
macro_rules! fields {
    ($list:ident: $(
        $(#[doc = $doc:literal])+
        $name:literal: $kind:ident $(($reference:literal))? [$($flag:ident)*]
            $(= $default:ident $(($($argument:expr),+))?)?
            $(where $limit:ident $(($($bound:expr),+))?)?;
    )*) => {
        pub(super) const $list: &[FieldInfo] = &[$(
            FieldInfo {
                name: $name,
                kind: bheka_value::schema::FieldKind::$kind,
                flags: bheka_value::schema::Flags::NONE
                    $(.with(bheka_value::schema::Flags::$flag))*,
                default: $crate::types::default_value!($kind $($default $(($($argument),+))?)?),
                reference: $crate::types::referenced!($($reference)?),
                limit: $crate::types::limit!($($limit $(($($bound),+))?)?),
                doc: concat!($($doc),+),
            },
        )*];
    };
}

macro_rules! default_value {
    ($kind:ident Num($number:expr)) => {
        bheka_value::schema::DefaultValue::Number($number)
    };
    ($kind:ident Text($text:expr)) => {
        bheka_value::schema::DefaultValue::String($text)
    };
    ($kind:ident Bool($boolean:expr)) => {
        bheka_value::schema::DefaultValue::Boolean($boolean)
    };
    ($kind:ident Names($names:expr)) => {
        bheka_value::schema::DefaultValue::Names($names)
    };
    ($kind:ident Point($point:expr)) => {
        bheka_value::schema::DefaultValue::Point($point)
    };
    ($kind:ident Path($constant:expr, $tail:expr)) => {
        bheka_value::schema::DefaultValue::Path($constant, $tail)
    };
    ($kind:ident Now) => {
        bheka_value::schema::DefaultValue::Now
    };
    ($kind:ident ShortName) => {
        bheka_value::schema::DefaultValue::ShortName
    };
    ($kind:ident EmptyArray) => {
        bheka_value::schema::DefaultValue::EmptyArray
    };
    ($kind:ident EmptyDictionary) => {
        bheka_value::schema::DefaultValue::EmptyDictionary
    };
    (Boolean) => {
        bheka_value::schema::DefaultValue::Boolean(false)
    };
    (String) => {
        bheka_value::schema::DefaultValue::String("")
    };
    (Name) => {
        bheka_value::schema::DefaultValue::String("")
    };
    (Number) => {
        bheka_value::schema::DefaultValue::Number(0.0)
    };
    (Duration) => {
        bheka_value::schema::DefaultValue::Number(0.0)
    };
    (Timestamp) => {
        bheka_value::schema::DefaultValue::Number(0.0)
    };
    (Enum) => {
        bheka_value::schema::DefaultValue::Number(0.0)
    };
    ($kind:ident) => {
        bheka_value::schema::DefaultValue::Empty
    };
}

macro_rules! referenced {
    () => {
        None
    };
    ($name:literal) => {
        Some($name)
    };
}

macro_rules! limit {
    () => {
        bheka_value::schema::Limit::None
    };
    ($limit:ident $(($($bound:expr),+))?) => {
        bheka_value::schema::Limit::$limit $(($($bound),+))?
    };
}

use {default_value, fields, limit, referenced};

/// All types, sorted by name.
static TYPES: &[&TypeInfo] = &[
    &cluster::API_LISTENER,
    &cluster::API_USER,
    &base::APPLICATION,
    &monitoring::CHECK_COMMAND,
    &interfaces::CHECK_RESULT_READER,
    &base::CHECKABLE,
    &daemon::CHECKER_COMPONENT,
    &base::COMMAND,
    &runtime::COMMENT,
    &interfaces::COMPAT_LOGGER,
    &base::CONFIG_OBJECT,
    &base::CUSTOM_VAR_OBJECT,
    &base::DB_CONNECTION,
    &monitoring::DEPENDENCY,
    &runtime::DOWNTIME,
    &writers::ELASTICSEARCH_WRITER,
    &cluster::ENDPOINT,
    &monitoring::EVENT_COMMAND,
    &interfaces::EXTERNAL_COMMAND_LISTENER,
    &daemon::FILE_LOGGER,
    &writers::GELF_WRITER,
    &writers::GRAPHITE_WRITER,
    &monitoring::HOST,
    &monitoring::HOST_GROUP,
    &daemon::ICINGA_APPLICATION,
    &interfaces::ICINGA_DB,
    &interfaces::IDO_MYSQL_CONNECTION,
    &interfaces::IDO_PGSQL_CONNECTION,
    &writers::INFLUXDB2_WRITER,
    &base::INFLUXDB_COMMON_WRITER,
    &writers::INFLUXDB_WRITER,
    &daemon::JOURNALD_LOGGER,
    &interfaces::LIVESTATUS_LISTENER,
    &base::LOGGER,
    &contacts::NOTIFICATION,
    &monitoring::NOTIFICATION_COMMAND,
    &daemon::NOTIFICATION_COMPONENT,
    &writers::OTLP_METRICS_WRITER,
    &writers::OPEN_TSDB_WRITER,
    &writers::PERFDATA_WRITER,
    &runtime::SCHEDULED_DOWNTIME,
    &monitoring::SERVICE,
    &monitoring::SERVICE_GROUP,
    &interfaces::STATUS_DATA_WRITER,
    &base::STREAM_LOGGER,
    &daemon::SYSLOG_LOGGER,
    &contacts::TIME_PERIOD,
    &contacts::USER,
    &contacts::USER_GROUP,
    &cluster::ZONE,
];

struct Table;

impl Catalogue for Table {
    fn type_info(&self, name: &str) -> Option<&'static TypeInfo> {
        TYPES
            .binary_search_by(|candidate| candidate.name.cmp(name))
            .ok()
            .map(|position| TYPES[position])
    }

    fn types(&self) -> &'static [&'static TypeInfo] {
        TYPES
    }
}

/// The table of types.
#[must_use]
pub fn catalogue() -> &'static dyn Catalogue {
    &Table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bheka_value::schema::Flags;

    use super::*;

    #[test]
    fn types_are_sorted_and_found() {
        assert!(TYPES.is_sorted_by_key(|info| info.name));
        for info in TYPES {
            let found = catalogue().type_info(info.name).unwrap();
            assert!(std::ptr::eq(found, *info), "{}", info.name);
        }
        assert!(catalogue().type_info("Nope").is_none());
    }

    #[test]
    fn names_in_the_table_exist() {
        for info in TYPES {
            let base = info.base.unwrap();
            assert!(
                base == "Object" || catalogue().type_info(base).is_some(),
                "{}",
                info.name
            );
            let references = info.fields().filter_map(|field| field.reference);
            let related = info.load_after.iter().chain(info.apply_targets).copied();
            for name in references.chain(related).chain(info.assign_target) {
                assert!(
                    catalogue().type_info(name).is_some(),
                    "{} names {name}",
                    info.name
                );
            }
        }
    }

    #[test]
    fn attributes_are_unique_and_numbered_as_in_2_13() {
        for info in TYPES {
            let names: BTreeSet<_> = info.fields().map(|field| field.name).collect();
            assert_eq!(names.len(), info.fields().count(), "{}", info.name);
        }
        // `id` in `/v1/types/Service` of 2.13.6: the position, counted from 1.
        let service = catalogue().type_info("Service").unwrap();
        let position = |name| {
            service
                .fields()
                .position(|field| field.name == name)
                .unwrap()
                + 1
        };
        assert_eq!(position("vars"), 18);
        assert_eq!(position("check_command"), 21);
        assert_eq!(position("host_name"), 82);
        assert_eq!(position("last_state_unknown"), 91);
    }

    #[test]
    fn every_attribute_is_config_state_or_computed() {
        for field in TYPES.iter().flat_map(|info| info.fields()) {
            let kinds = [Flags::CONFIG, Flags::STATE, Flags::COMPUTED];
            assert!(
                kinds.iter().any(|kind| field.flags.has(*kind)),
                "{}",
                field.name
            );
        }
    }
}
