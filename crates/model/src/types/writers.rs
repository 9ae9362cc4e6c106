//! Writers of performance data.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, INFLUXDB_COMMON_WRITER_FIELDS};
use super::fields;

fields! { PERFDATA_WRITER_FIELDS:
    /// File for hosts.
    "host_perfdata_path": String [CONFIG];
    /// File for services.
    "service_perfdata_path": String [CONFIG];
    /// Temporary file for hosts.
    "host_temp_path": String [CONFIG];
    /// Temporary file for services.
    "service_temp_path": String [CONFIG];
    /// Line for a host.
    "host_format_template": String [CONFIG] = Text("DATATYPE::HOSTPERFDATA\tTIMET::$host.last_check$\tHOSTNAME::$host.name$\tHOSTPERFDATA::$host.perfdata$\tHOSTCHECKCOMMAND::$host.check_command$\tHOSTSTATE::$host.state$\tHOSTSTATETYPE::$host.state_type$");
    /// Line for a service.
    "service_format_template": String [CONFIG] = Text("DATATYPE::SERVICEPERFDATA\tTIMET::$service.last_check$\tHOSTNAME::$host.name$\tSERVICEDESC::$service.name$\tSERVICEPERFDATA::$service.perfdata$\tSERVICECHECKCOMMAND::$service.check_command$\tHOSTSTATE::$host.state$\tHOSTSTATETYPE::$host.state_type$\tSERVICESTATE::$service.state$\tSERVICESTATETYPE::$service.state_type$");
    /// Seconds between files.
    "rotation_interval": Duration [CONFIG] = Num(30.0);
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG];
}

/// `PerfdataWriter`.
pub(super) static PERFDATA_WRITER: TypeInfo = TypeInfo {
    name: "PerfdataWriter",
    plural: "PerfdataWriters",
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
    /// The host object.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Port.
    "port": String [CONFIG] = Text("2003");
    /// Prefix of metrics of a host.
    "host_name_template": String [CONFIG] = Text("icinga2.$host.name$.host.$host.check_command$");
    /// Prefix of metrics of a service.
    "service_name_template": String [CONFIG] = Text("icinga2.$host.name$.services.$service.name$.$service.check_command$");
    /// Whether thresholds are sent too.
    "enable_send_thresholds": Boolean [CONFIG];
    /// Whether data about the check are sent too.
    "enable_send_metadata": Boolean [CONFIG];
    /// Whether it is connected.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether it tries to connect.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG];
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
}

/// `GraphiteWriter`.
pub(super) static GRAPHITE_WRITER: TypeInfo = TypeInfo {
    name: "GraphiteWriter",
    plural: "GraphiteWriters",
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
    /// Database.
    "database": String [CONFIG REQUIRED] = Text("icinga2");
    /// User name.
    "username": String [CONFIG];
    /// Password.
    "password": String [CONFIG NO_USER_VIEW];
    /// User name and password for HTTP.
    "basic_auth": Dictionary [CONFIG NO_USER_VIEW];
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
}

/// `InfluxdbWriter`.
pub(super) static INFLUXDB_WRITER: TypeInfo = TypeInfo {
    name: "InfluxdbWriter",
    plural: "InfluxdbWriters",
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
    /// Organization.
    "organization": String [CONFIG REQUIRED];
    /// Bucket.
    "bucket": String [CONFIG REQUIRED];
    /// Token.
    "auth_token": String [CONFIG REQUIRED NO_USER_VIEW];
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
}

/// `Influxdb2Writer`.
pub(super) static INFLUXDB2_WRITER: TypeInfo = TypeInfo {
    name: "Influxdb2Writer",
    plural: "Influxdb2Writers",
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
    /// The host object.
    "host": String [CONFIG REQUIRED] = Text("127.0.0.1");
    /// Port.
    "port": String [CONFIG REQUIRED] = Text("9200");
    /// Prefix of the index.
    "index": String [CONFIG REQUIRED] = Text("icinga2");
    /// User name.
    "username": String [CONFIG];
    /// Password.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// CA certificate file.
    "ca_path": String [CONFIG];
    /// Certificate file.
    "cert_path": String [CONFIG];
    /// Private key file.
    "key_path": String [CONFIG];
    /// Seconds to collect before sending.
    "flush_interval": Duration [CONFIG] = Num(10.0);
    /// Amount to collect before sending.
    "flush_threshold": Number [CONFIG] = Num(1024.0);
    /// Whether performance data are sent too.
    "enable_send_perfdata": Boolean [CONFIG];
    /// Whether to use TLS.
    "enable_tls": Boolean [CONFIG];
    /// Whether to skip the check of the peer.
    "insecure_noverify": Boolean [CONFIG];
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG];
    /// Extra tags for hosts.
    "host_tags_template": Dictionary [CONFIG NEWER];
    /// Extra tags for services.
    "service_tags_template": Dictionary [CONFIG NEWER];
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
}

/// `ElasticsearchWriter`.
pub(super) static ELASTICSEARCH_WRITER: TypeInfo = TypeInfo {
    name: "ElasticsearchWriter",
    plural: "ElasticsearchWriters",
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
    /// The host object.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Port.
    "port": String [CONFIG] = Text("12201");
    /// Name of the sender.
    "source": String [CONFIG] = Text("icinga2");
    /// CA certificate file.
    "ca_path": String [CONFIG];
    /// Certificate file.
    "cert_path": String [CONFIG];
    /// Private key file.
    "key_path": String [CONFIG];
    /// Whether performance data are sent too.
    "enable_send_perfdata": Boolean [CONFIG];
    /// Whether it is connected.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether it tries to connect.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG];
    /// Whether to use TLS.
    "enable_tls": Boolean [CONFIG];
    /// Whether to skip the check of the peer.
    "insecure_noverify": Boolean [CONFIG];
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
}

/// `GelfWriter`.
pub(super) static GELF_WRITER: TypeInfo = TypeInfo {
    name: "GelfWriter",
    plural: "GelfWriters",
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
    /// The host object.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Port.
    "port": String [CONFIG] = Text("4242");
    /// Measurement and tags of a host.
    "host_template": Dictionary [CONFIG] = EmptyDictionary;
    /// Measurement and tags of a service.
    "service_template": Dictionary [CONFIG] = EmptyDictionary;
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG];
    /// Whether metric names leave out the label.
    "enable_generic_metrics": Boolean [CONFIG];
    /// Whether it is connected.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether it tries to connect.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
}

/// `OpenTsdbWriter`.
pub(super) static OPEN_TSDB_WRITER: TypeInfo = TypeInfo {
    name: "OpenTsdbWriter",
    plural: "OpenTsdbWriters",
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
    /// The host object.
    "host": String [CONFIG REQUIRED NEWER] = Text("127.0.0.1");
    /// Port.
    "port": Number [CONFIG REQUIRED NEWER] = Num(4318.0);
    /// Path of the endpoint.
    "metrics_endpoint": String [CONFIG REQUIRED NEWER] = Text("/v1/metrics");
    /// Namespace of the metrics.
    "service_namespace": String [CONFIG REQUIRED NEWER] = Text("icinga");
    /// User name and password for HTTP.
    "basic_auth": Dictionary [CONFIG NO_USER_VIEW NEWER];
    /// Extra attributes for hosts.
    "host_resource_attributes": Dictionary [CONFIG NEWER];
    /// Extra attributes for services.
    "service_resource_attributes": Dictionary [CONFIG NEWER];
    /// Seconds to collect before sending.
    "flush_interval": Duration [CONFIG NEWER] = Num(15.0);
    /// Amount to collect before sending.
    "flush_threshold": Number [CONFIG NEWER] = Num(16777216.0);
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG NEWER] = Bool(true);
    /// Whether thresholds are sent too.
    "enable_send_thresholds": Boolean [CONFIG NEWER];
    /// Seconds to flush at the end.
    "disconnect_timeout": Duration [CONFIG NEWER] = Num(10.0);
    /// Whether to use TLS.
    "enable_tls": Boolean [CONFIG NEWER];
    /// Whether to skip the check of the peer.
    "tls_insecure_noverify": Boolean [CONFIG NEWER];
    /// CA certificate file.
    "tls_ca_file": String [CONFIG NEWER];
    /// Certificate file.
    "tls_cert_file": String [CONFIG NEWER];
    /// Private key file.
    "tls_key_file": String [CONFIG NEWER];
}

/// `OTLPMetricsWriter`.
pub(super) static OTLP_METRICS_WRITER: TypeInfo = TypeInfo {
    name: "OTLPMetricsWriter",
    plural: "OTLPMetricsWriters",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, OTLP_METRICS_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};
