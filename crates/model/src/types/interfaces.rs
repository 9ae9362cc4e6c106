//! Databases and the interfaces of Icinga 1.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::CIPHERS;
use super::base::{CONFIG_OBJECT_FIELDS, DB_CONNECTION_FIELDS};
use super::fields;

fields! { ICINGA_DB_FIELDS:
    /// The host object.
    "host": String [CONFIG] = Text("127.0.0.1");
    /// Path.
    "path": String [CONFIG];
    /// Password.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// Certificate file.
    "cert_path": String [CONFIG];
    /// Private key file.
    "key_path": String [CONFIG];
    /// CA certificate file.
    "ca_path": String [CONFIG];
    /// Revocation list file.
    "crl_path": String [CONFIG];
    /// Allowed cipher suites.
    "cipher_list": String [CONFIG] = Text(CIPHERS);
    /// Lowest TLS version.
    "tls_protocolmin": String [CONFIG] = Text("TLSv1.2");
    /// Identifier of the environment.
    "environment_id": String [COMPUTED];
    /// Seconds of the last full dump.
    "lastdump_took": Number [STATE];
    /// When the last full dump ended.
    "lastdump_end": Number [STATE];
    /// When the running dump began.
    "ongoing_dump_start": Number [COMPUTED];
    /// Seconds until a connection must be established.
    "connect_timeout": Duration [CONFIG] = Num(15.0);
    /// Number of the logical database.
    "db_index": Number [CONFIG];
    /// Port.
    "port": Number [CONFIG] = Num(6380.0);
    /// Whether to use TLS.
    "enable_tls": Boolean [CONFIG];
    /// Whether to skip the check of the peer.
    "insecure_noverify": Boolean [CONFIG];
    /// User name.
    "username": String [CONFIG NEWER];
}

/// `IcingaDB`.
pub(super) static ICINGA_DB: TypeInfo = TypeInfo {
    name: "IcingaDB",
    plural: "IcingaDBs",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, ICINGA_DB_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { IDO_MYSQL_CONNECTION_FIELDS:
    /// The host object.
    "host": String [CONFIG] = Text("localhost");
    /// The socket.
    "socket_path": String [CONFIG];
    /// User name.
    "user": String [CONFIG] = Text("icinga");
    /// Password.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW] = Text("icinga");
    /// Database.
    "database": String [CONFIG] = Text("icinga");
    /// Private key file.
    "ssl_key": String [CONFIG];
    /// Certificate file.
    "ssl_cert": String [CONFIG];
    /// CA certificate file.
    "ssl_ca": String [CONFIG];
    /// Directory of CA certificates.
    "ssl_capath": String [CONFIG];
    /// Allowed cipher suites.
    "ssl_cipher": String [CONFIG];
    /// Name of this instance.
    "instance_name": String [CONFIG] = Text("default");
    /// Description of this instance.
    "instance_description": String [CONFIG];
    /// Port.
    "port": Number [CONFIG] = Num(3306.0);
    /// Whether to use TLS.
    "enable_ssl": Boolean [CONFIG];
}

/// `IdoMysqlConnection`.
pub(super) static IDO_MYSQL_CONNECTION: TypeInfo = TypeInfo {
    name: "IdoMysqlConnection",
    plural: "IdoMysqlConnections",
    base: Some("DbConnection"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        DB_CONNECTION_FIELDS,
        IDO_MYSQL_CONNECTION_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { IDO_PGSQL_CONNECTION_FIELDS:
    /// The host object.
    "host": String [CONFIG] = Text("localhost");
    /// Port.
    "port": String [CONFIG] = Text("5432");
    /// User name.
    "user": String [CONFIG] = Text("icinga");
    /// Password.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW] = Text("icinga");
    /// Database.
    "database": String [CONFIG] = Text("icinga");
    /// Name of this instance.
    "instance_name": String [CONFIG] = Text("default");
    /// Description of this instance.
    "instance_description": String [CONFIG];
    /// How to verify the server.
    "ssl_mode": String [CONFIG];
    /// Private key file.
    "ssl_key": String [CONFIG];
    /// Certificate file.
    "ssl_cert": String [CONFIG];
    /// CA certificate file.
    "ssl_ca": String [CONFIG];
}

/// `IdoPgsqlConnection`.
pub(super) static IDO_PGSQL_CONNECTION: TypeInfo = TypeInfo {
    name: "IdoPgsqlConnection",
    plural: "IdoPgsqlConnections",
    base: Some("DbConnection"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        DB_CONNECTION_FIELDS,
        IDO_PGSQL_CONNECTION_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { LIVESTATUS_LISTENER_FIELDS:
    /// unix or tcp.
    "socket_type": String [CONFIG] = Text("unix");
    /// The socket.
    "socket_path": String [CONFIG];
    /// Address to listen on; all when unset.
    "bind_host": String [CONFIG] = Text("127.0.0.1");
    /// Port to listen on.
    "bind_port": String [CONFIG] = Text("6558");
    /// Directory of the history.
    "compat_log_path": String [CONFIG];
}

/// `LivestatusListener`.
pub(super) static LIVESTATUS_LISTENER: TypeInfo = TypeInfo {
    name: "LivestatusListener",
    plural: "LivestatusListeners",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, LIVESTATUS_LISTENER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { STATUS_DATA_WRITER_FIELDS:
    /// File of the status.
    "status_path": String [CONFIG];
    /// File of the objects.
    "objects_path": String [CONFIG];
    /// Seconds between updates.
    "update_interval": Duration [CONFIG] = Num(15.0);
}

/// `StatusDataWriter`.
pub(super) static STATUS_DATA_WRITER: TypeInfo = TypeInfo {
    name: "StatusDataWriter",
    plural: "StatusDataWriters",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, STATUS_DATA_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { COMPAT_LOGGER_FIELDS:
    /// Directory to write.
    "log_dir": String [CONFIG];
    /// HOURLY, DAILY, WEEKLY or MONTHLY.
    "rotation_method": String [CONFIG] = Text("HOURLY");
}

/// `CompatLogger`.
pub(super) static COMPAT_LOGGER: TypeInfo = TypeInfo {
    name: "CompatLogger",
    plural: "CompatLoggers",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, COMPAT_LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { EXTERNAL_COMMAND_LISTENER_FIELDS:
    /// The pipe.
    "command_path": String [CONFIG];
}

/// `ExternalCommandListener`.
pub(super) static EXTERNAL_COMMAND_LISTENER: TypeInfo = TypeInfo {
    name: "ExternalCommandListener",
    plural: "ExternalCommandListeners",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, EXTERNAL_COMMAND_LISTENER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};

fields! { CHECK_RESULT_READER_FIELDS:
    /// Directory to read.
    "spool_dir": String [CONFIG];
}

/// `CheckResultReader`.
pub(super) static CHECK_RESULT_READER: TypeInfo = TypeInfo {
    name: "CheckResultReader",
    plural: "CheckResultReaders",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, CHECK_RESULT_READER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};
