//! Writers of performance data.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, INFLUXDB_COMMON_WRITER_FIELDS};
use super::fields;

fields! { PERFDATA_WRITER_FIELDS:
    /// Beginning of the names of finished files for hosts; the time is added.
    "host_perfdata_path": String [CONFIG] = Path("SpoolDir", "/perfdata/host-perfdata");
    /// Beginning of the names of finished files for services; the time is added.
    "service_perfdata_path": String [CONFIG] = Path("SpoolDir", "/perfdata/service-perfdata");
    /// File that is being written for hosts.
    "host_temp_path": String [CONFIG] = Path("SpoolDir", "/tmp/host-perfdata");
    /// File that is being written for services.
    "service_temp_path": String [CONFIG] = Path("SpoolDir", "/tmp/service-perfdata");
    /// Line for a result of a host, with macros.
    "host_format_template": String [CONFIG] = Text("DATATYPE::HOSTPERFDATA\tTIMET::$host.last_check$\tHOSTNAME::$host.name$\tHOSTPERFDATA::$host.perfdata$\tHOSTCHECKCOMMAND::$host.check_command$\tHOSTSTATE::$host.state$\tHOSTSTATETYPE::$host.state_type$")
        where Macro;
    /// Line for a result of a service, with macros.
    "service_format_template": String [CONFIG] = Text("DATATYPE::SERVICEPERFDATA\tTIMET::$service.last_check$\tHOSTNAME::$host.name$\tSERVICEDESC::$service.name$\tSERVICEPERFDATA::$service.perfdata$\tSERVICECHECKCOMMAND::$service.check_command$\tHOSTSTATE::$host.state$\tHOSTSTATETYPE::$host.state_type$\tSERVICESTATE::$service.state$\tSERVICESTATETYPE::$service.state_type$")
        where Macro;
    /// Seconds after which files are finished.
    "rotation_interval": Duration [CONFIG] = Num(30.0);
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG];
}

/// `PerfdataWriter`.
pub(super) static PERFDATA_WRITER: TypeInfo = TypeInfo {
    name: "PerfdataWriter",
    plural: "PerfdataWriters",
    doc: "Writes performance data to files.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, PERFDATA_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { GRAPHITE_WRITER_FIELDS:
    /// Host of the Carbon server.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Port of the Carbon server.
    "port": String [CONFIG] = Text("2003");
    /// Beginning of metric names of hosts, with macros.
    "host_name_template": String [CONFIG] = Text("icinga2.$host.name$.host.$host.check_command$")
        where Macro;
    /// Beginning of metric names of services, with macros.
    "service_name_template": String [CONFIG] = Text("icinga2.$host.name$.services.$service.name$.$service.check_command$")
        where Macro;
    /// Whether warning and critical thresholds are sent, too.
    "enable_send_thresholds": Boolean [CONFIG];
    /// Whether figures about the check itself are sent, too: attempts, latency, state, downtimes.
    "enable_send_metadata": Boolean [CONFIG];
    /// Whether the connection stands.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether connecting is tried at all.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG];
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
}

/// `GraphiteWriter`.
pub(super) static GRAPHITE_WRITER: TypeInfo = TypeInfo {
    name: "GraphiteWriter",
    plural: "GraphiteWriters",
    doc: "Writes performance data to Graphite.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, GRAPHITE_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { INFLUXDB_WRITER_FIELDS:
    /// Name of the database.
    "database": String [CONFIG REQUIRED] = Text("icinga2");
    /// User name for logging in.
    "username": String [CONFIG];
    /// Password for logging in.
    "password": String [CONFIG NO_USER_VIEW];
    /// `username` and `password` for HTTP basic authentication.
    "basic_auth": Dictionary [CONFIG NO_USER_VIEW];
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
}

/// `InfluxdbWriter`.
pub(super) static INFLUXDB_WRITER: TypeInfo = TypeInfo {
    name: "InfluxdbWriter",
    plural: "InfluxdbWriters",
    doc: "Writes performance data to InfluxDB 1.",
    since: None,
    until: None,
    base: Some("InfluxdbCommonWriter"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        INFLUXDB_COMMON_WRITER_FIELDS,
        INFLUXDB_WRITER_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { INFLUXDB2_WRITER_FIELDS:
    /// Organization in which the bucket is.
    "organization": String [CONFIG REQUIRED];
    /// Bucket to write to.
    "bucket": String [CONFIG REQUIRED];
    /// Token for logging in.
    "auth_token": String [CONFIG REQUIRED NO_USER_VIEW];
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
}

/// `Influxdb2Writer`.
pub(super) static INFLUXDB2_WRITER: TypeInfo = TypeInfo {
    name: "Influxdb2Writer",
    plural: "Influxdb2Writers",
    doc: "Writes performance data to InfluxDB 2.",
    since: None,
    until: None,
    base: Some("InfluxdbCommonWriter"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        INFLUXDB_COMMON_WRITER_FIELDS,
        INFLUXDB2_WRITER_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { ELASTICSEARCH_WRITER_FIELDS:
    /// Host of the Elasticsearch server.
    "host": String [CONFIG REQUIRED] = Text("127.0.0.1");
    /// Port of the Elasticsearch server.
    "port": String [CONFIG REQUIRED] = Text("9200");
    /// Beginning of the names of indices; the day is added.
    "index": String [CONFIG REQUIRED] = Text("icinga2");
    /// User name for logging in.
    "username": String [CONFIG];
    /// Password for logging in.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// File with the certificates of the authorities to trust.
    "ca_path": String [CONFIG];
    /// File with the certificate to show to the server.
    "cert_path": String [CONFIG];
    /// File with the private key of that certificate.
    "key_path": String [CONFIG];
    /// Seconds to collect data before they are sent.
    "flush_interval": Duration [CONFIG] = Num(10.0);
    /// Number of data points after which they are sent at once.
    "flush_threshold": Number [CONFIG WHOLE] = Num(1024.0);
    /// Whether performance data are sent, too.
    "enable_send_perfdata": Boolean [CONFIG];
    /// Whether the connection is encrypted.
    "enable_tls": Boolean [CONFIG];
    /// Whether the certificate of the server is accepted unseen.
    "insecure_noverify": Boolean [CONFIG];
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG];
    /// Further tags of documents of hosts, with macros.
    "host_tags_template": Dictionary [CONFIG SINCE_2_15];
    /// Further tags of documents of services, with macros.
    "service_tags_template": Dictionary [CONFIG SINCE_2_15];
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
}

/// `ElasticsearchWriter`.
pub(super) static ELASTICSEARCH_WRITER: TypeInfo = TypeInfo {
    name: "ElasticsearchWriter",
    plural: "ElasticsearchWriters",
    doc: "Writes results, notifications and performance data to Elasticsearch.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, ELASTICSEARCH_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { GELF_WRITER_FIELDS:
    /// Host of the Graylog server.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Port of the Graylog server.
    "port": String [CONFIG] = Text("12201");
    /// Name of the sender in messages.
    "source": String [CONFIG] = Text("icinga2");
    /// File with the certificates of the authorities to trust.
    "ca_path": String [CONFIG];
    /// File with the certificate to show to the server.
    "cert_path": String [CONFIG];
    /// File with the private key of that certificate.
    "key_path": String [CONFIG];
    /// Whether performance data are sent, too.
    "enable_send_perfdata": Boolean [CONFIG];
    /// Whether the connection stands.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether connecting is tried at all.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG];
    /// Whether the connection is encrypted.
    "enable_tls": Boolean [CONFIG];
    /// Whether the certificate of the server is accepted unseen.
    "insecure_noverify": Boolean [CONFIG];
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
}

/// `GelfWriter`.
pub(super) static GELF_WRITER: TypeInfo = TypeInfo {
    name: "GelfWriter",
    plural: "GelfWriters",
    doc: "Writes results and notifications to Graylog.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, GELF_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { OPEN_TSDB_WRITER_FIELDS:
    /// Host of the OpenTSDB server.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Port of the OpenTSDB server.
    "port": String [CONFIG] = Text("4242");
    /// Metric name and tags of hosts, with macros.
    "host_template": Dictionary [CONFIG] = EmptyDictionary;
    /// Metric name and tags of services, with macros.
    "service_template": Dictionary [CONFIG] = EmptyDictionary;
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG];
    /// Whether labels of performance data become tags instead of parts of metric names.
    "enable_generic_metrics": Boolean [CONFIG];
    /// Whether the connection stands.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether connecting is tried at all.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
}

/// `OpenTsdbWriter`.
pub(super) static OPEN_TSDB_WRITER: TypeInfo = TypeInfo {
    name: "OpenTsdbWriter",
    plural: "OpenTsdbWriters",
    doc: "Writes performance data to OpenTSDB.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, OPEN_TSDB_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { OTLP_METRICS_WRITER_FIELDS:
    /// Host of the collector.
    "host": String [CONFIG NO_USER_MODIFY REQUIRED SINCE_2_16] = Text("127.0.0.1");
    /// Port of the collector.
    "port": Number [CONFIG NO_USER_MODIFY SINCE_2_16 WHOLE] = Num(4318.0)
        where Between(1.0, 65535.0, "Port must be in the range 1-65535.");
    /// Path to which metrics are posted.
    "metrics_endpoint": String [CONFIG NO_USER_MODIFY REQUIRED SINCE_2_16] = Text("/v1/metrics");
    /// Namespace in which the metrics are.
    "service_namespace": String [CONFIG REQUIRED SINCE_2_16] = Text("icinga");
    /// `username` and `password` for HTTP basic authentication.
    "basic_auth": Dictionary [CONFIG NO_USER_MODIFY NO_USER_VIEW SINCE_2_16];
    /// Further resource attributes for hosts, with macros.
    "host_resource_attributes": Dictionary [CONFIG SINCE_2_16];
    /// Further resource attributes for services, with macros.
    "service_resource_attributes": Dictionary [CONFIG SINCE_2_16];
    /// Seconds to collect data before they are sent.
    "flush_interval": Duration [CONFIG SINCE_2_16] = Num(15.0)
        where AtLeast(1.0, "Flush interval must be at least 1 second.");
    /// Number of collected bytes after which they are sent at once.
    "flush_threshold": Number [CONFIG SINCE_2_16 WHOLE] = Num(16777216.0)
        where AtLeast(1.0, "Flush threshold must be at least 1.");
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG SINCE_2_16] = Bool(true);
    /// Whether warning and critical thresholds are sent, too.
    "enable_send_thresholds": Boolean [CONFIG SINCE_2_16];
    /// Seconds granted for sending what is left when the daemon ends.
    "disconnect_timeout": Duration [CONFIG SINCE_2_16] = Num(10.0);
    /// Whether the connection is encrypted.
    "enable_tls": Boolean [CONFIG NO_USER_MODIFY SINCE_2_16];
    /// Whether the certificate of the collector is accepted unseen.
    "tls_insecure_noverify": Boolean [CONFIG NO_USER_MODIFY SINCE_2_16];
    /// File with the certificates of the authorities to trust.
    "tls_ca_file": String [CONFIG NO_USER_MODIFY SINCE_2_16];
    /// File with the certificate to show to the collector.
    "tls_cert_file": String [CONFIG NO_USER_MODIFY SINCE_2_16];
    /// File with the private key of that certificate.
    "tls_key_file": String [CONFIG NO_USER_MODIFY SINCE_2_16];
}

/// `OTLPMetricsWriter`.
pub(super) static OTLP_METRICS_WRITER: TypeInfo = TypeInfo {
    name: "OTLPMetricsWriter",
    plural: "OTLPMetricsWriters",
    doc: "Writes performance data to an OpenTelemetry collector.",
    since: Some("2.16"),
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, OTLP_METRICS_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};
