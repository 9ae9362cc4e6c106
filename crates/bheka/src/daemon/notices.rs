//! What an operator must be told of a configuration that is valid.

use bheka_model::Generation;

/// Types whose objects are valid and have no effect yet, with what that means.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("Notification", "no notifications are sent"),
    ("ScheduledDowntime", "no downtimes are made of them"),
    ("PerfdataWriter", "no performance data are written"),
    ("GraphiteWriter", "no metrics are sent"),
    ("InfluxdbWriter", "no metrics are sent"),
    ("Influxdb2Writer", "no metrics are sent"),
    ("ElasticsearchWriter", "nothing is sent"),
    ("GelfWriter", "nothing is sent"),
    ("OpenTsdbWriter", "no metrics are sent"),
    ("OTLPMetricsWriter", "no metrics are sent"),
    ("IcingaDB", "nothing is written to Redis"),
    ("IdoMysqlConnection", "nothing is written to the database"),
    ("IdoPgsqlConnection", "nothing is written to the database"),
    ("LivestatusListener", "no queries are answered"),
    ("ExternalCommandListener", "no commands are read"),
    ("StatusDataWriter", "no status file is written"),
    ("CompatLogger", "no compatibility log is written"),
    ("CheckResultReader", "no results are read"),
];

/// Warns of objects that this version loads but does not act on: silence would be taken for
/// health.
pub(crate) fn warn_of_what_has_no_effect(generation: &Generation) {
    for (type_name, meaning) in WITHOUT_EFFECT {
        let count = generation
            .of_type(type_name)
            .filter(|object| !object.is_built_in())
            .count();
        if count > 0 {
            tracing::warn!(target: "Application", "{count} object(s) of type '{type_name}' have \
                no effect in this version: {meaning}. See 'Not built yet' in docs/compat.md.");
        }
    }
}
