//! Databases and the interfaces of Icinga 1.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, DB_CONNECTION_FIELDS};
use super::fields;
use super::words::{CIPHERS, ROTATIONS, TLS_VERSIONS};

fields! { ICINGA_DB_FIELDS:
    /// Host of the Redis server.
    "host": String [CONFIG FIXED] = Text("127.0.0.1");
    /// Unix socket of the Redis server, used in place of host and port.
    "path": String [CONFIG FIXED];
    /// Password for logging in.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// File with the certificate to show to the server.
    "cert_path": String [CONFIG FIXED];
    /// File with the private key of that certificate.
    "key_path": String [CONFIG FIXED];
    /// File with the certificates of the authorities to trust.
    "ca_path": String [CONFIG FIXED];
    /// File with a list of revoked certificates.
    "crl_path": String [CONFIG FIXED];
    /// Cipher suites allowed for TLS 1.2, in the notation of OpenSSL.
    "cipher_list": String [CONFIG FIXED] = Text(CIPHERS);
    /// Lowest version of TLS that is spoken.
    "tls_protocolmin": String [CONFIG FIXED] = Text("TLSv1.2")
        where OneOf(TLS_VERSIONS, "Unknown TLS protocol version '{}'");
    /// Identifier under which the data of this installation stand.
    "environment_id": String [COMPUTED];
    /// Seconds that the last full dump took.
    "lastdump_took": Number [STATE];
    /// Time at which the last full dump ended.
    "lastdump_end": Number [STATE];
    /// Time at which the full dump that runs began.
    "ongoing_dump_start": Number [COMPUTED];
    /// Seconds until a connection must stand, its handshake included.
    "connect_timeout": Duration [CONFIG FIXED] = Num(15.0)
        where Positive("Value must be greater than 0.");
    /// Number of the logical database.
    "db_index": Number [CONFIG FIXED WHOLE];
    /// Port of the Redis server.
    "port": Number [CONFIG FIXED WHOLE] = Num(6380.0);
    /// Whether the connection is encrypted.
    "enable_tls": Boolean [CONFIG FIXED];
    /// Whether the certificate of the server is accepted unseen.
    "insecure_noverify": Boolean [CONFIG FIXED];
    /// User name for logging in.
    "username": String [CONFIG NO_USER_MODIFY SINCE_2_15];
}

/// `IcingaDB`.
pub(super) static ICINGA_DB: TypeInfo = TypeInfo {
    name: "IcingaDB",
    plural: "IcingaDBs",
    doc: "Passes configuration and state on to Icinga DB by way of Redis.",
    since: None,
    until: None,
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
    /// Host of the MySQL server.
    "host": String [CONFIG] = Text("localhost");
    /// Unix socket of the server, used in place of host and port.
    "socket_path": String [CONFIG];
    /// User name for the database.
    "user": String [CONFIG] = Text("icinga");
    /// Password for the database.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW] = Text("icinga");
    /// Name of the database.
    "database": String [CONFIG] = Text("icinga");
    /// File with the private key.
    "ssl_key": String [CONFIG];
    /// File with the certificate to show to the server.
    "ssl_cert": String [CONFIG];
    /// File with the certificates of the authorities to trust.
    "ssl_ca": String [CONFIG];
    /// Directory with the certificates of the authorities to trust.
    "ssl_capath": String [CONFIG];
    /// Cipher suites allowed.
    "ssl_cipher": String [CONFIG];
    /// Name under which this instance stands in the database.
    "instance_name": String [CONFIG] = Text("default");
    /// Description under which this instance stands in the database.
    "instance_description": String [CONFIG];
    /// Port of the MySQL server.
    "port": Number [CONFIG WHOLE] = Num(3306.0);
    /// Whether the connection is encrypted.
    "enable_ssl": Boolean [CONFIG];
}

/// `IdoMysqlConnection`.
pub(super) static IDO_MYSQL_CONNECTION: TypeInfo = TypeInfo {
    name: "IdoMysqlConnection",
    plural: "IdoMysqlConnections",
    doc: "Writes configuration, state and history to a MySQL database.",
    since: None,
    until: None,
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
    /// Host of the PostgreSQL server.
    "host": String [CONFIG] = Text("localhost");
    /// Port of the PostgreSQL server.
    "port": String [CONFIG] = Text("5432");
    /// User name for the database.
    "user": String [CONFIG] = Text("icinga");
    /// Password for the database.
    "password": String [CONFIG NO_USER_MODIFY NO_USER_VIEW] = Text("icinga");
    /// Name of the database.
    "database": String [CONFIG] = Text("icinga");
    /// Name under which this instance stands in the database.
    "instance_name": String [CONFIG] = Text("default");
    /// Description under which this instance stands in the database.
    "instance_description": String [CONFIG];
    /// How strictly TLS is demanded and the server verified, in the words of libpq.
    "ssl_mode": String [CONFIG];
    /// File with the private key.
    "ssl_key": String [CONFIG];
    /// File with the certificate to show to the server.
    "ssl_cert": String [CONFIG];
    /// File with the certificates of the authorities to trust.
    "ssl_ca": String [CONFIG];
}

/// `IdoPgsqlConnection`.
pub(super) static IDO_PGSQL_CONNECTION: TypeInfo = TypeInfo {
    name: "IdoPgsqlConnection",
    plural: "IdoPgsqlConnections",
    doc: "Writes configuration, state and history to a PostgreSQL database.",
    since: None,
    until: None,
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
    /// Kind of socket to listen on.
    "socket_type": String [CONFIG] = Text("unix")
        where OneOf(&["unix", "tcp"], "Socket type '{}' is invalid.");
    /// Unix socket to listen on.
    "socket_path": String [CONFIG] = Path("InitRunDir", "/cmd/livestatus");
    /// Address to listen on.
    "bind_host": String [CONFIG] = Text("127.0.0.1");
    /// Port to listen on.
    "bind_port": String [CONFIG] = Text("6558");
    /// Directory of the log files that history is read from.
    "compat_log_path": String [CONFIG] = Path("LogDir", "/compat");
}

/// `LivestatusListener`.
pub(super) static LIVESTATUS_LISTENER: TypeInfo = TypeInfo {
    name: "LivestatusListener",
    plural: "LivestatusListeners",
    doc: "Answers queries in the language of MK Livestatus.",
    since: None,
    until: None,
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
    /// File for the state.
    "status_path": String [CONFIG] = Path("CacheDir", "/status.dat");
    /// File for the configuration.
    "objects_path": String [CONFIG] = Path("CacheDir", "/objects.cache");
    /// Seconds between updates.
    "update_interval": Duration [CONFIG] = Num(15.0);
}

/// `StatusDataWriter`.
pub(super) static STATUS_DATA_WRITER: TypeInfo = TypeInfo {
    name: "StatusDataWriter",
    plural: "StatusDataWriters",
    doc: "Writes configuration and state to files in the format of Icinga 1.",
    since: None,
    until: Some("2.13"),
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
    /// Directory of the log files.
    "log_dir": String [CONFIG] = Path("LogDir", "/compat");
    /// How often a new file is begun.
    "rotation_method": String [CONFIG] = Text("HOURLY")
        where OneOf(ROTATIONS, "Rotation method '{}' is invalid.");
}

/// `CompatLogger`.
pub(super) static COMPAT_LOGGER: TypeInfo = TypeInfo {
    name: "CompatLogger",
    plural: "CompatLoggers",
    doc: "Writes a log in the format of Icinga 1.",
    since: None,
    until: None,
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
    /// Pipe that commands are read from.
    "command_path": String [CONFIG] = Path("InitRunDir", "/cmd/icinga2.cmd");
}

/// `ExternalCommandListener`.
pub(super) static EXTERNAL_COMMAND_LISTENER: TypeInfo = TypeInfo {
    name: "ExternalCommandListener",
    plural: "ExternalCommandListeners",
    doc: "Reads commands in the format of Icinga 1 from a pipe.",
    since: None,
    until: None,
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
    /// Directory that check results are read from.
    "spool_dir": String [CONFIG] = Path("DataDir", "/spool/checkresults/");
}

/// `CheckResultReader`.
pub(super) static CHECK_RESULT_READER: TypeInfo = TypeInfo {
    name: "CheckResultReader",
    plural: "CheckResultReaders",
    doc: "Reads check results from files of Icinga 1.",
    since: None,
    until: Some("2.13"),
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, CHECK_RESULT_READER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 100,
};
