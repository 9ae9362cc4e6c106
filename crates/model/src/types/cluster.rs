//! Zones, endpoints and the API.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::CIPHERS;
use super::base::CONFIG_OBJECT_FIELDS;
use super::fields;

fields! { ZONE_FIELDS:
    /// The one above.
    "parent": Name("Zone") [CONFIG NAVIGATION];
    /// Members of the zone.
    "endpoints": NameArray("Endpoint") [CONFIG];
    /// Zones above, nearest first.
    "all_parents": NameArray [NO_USER_MODIFY COMPUTED] = EmptyArray;
    /// Whether its configuration goes to all zones.
    "global": Boolean [CONFIG];
}

/// `Zone`.
pub(super) static ZONE: TypeInfo = TypeInfo {
    name: "Zone",
    plural: "Zones",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, ZONE_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { ENDPOINT_FIELDS:
    /// The host object.
    "host": String [CONFIG];
    /// Port.
    "port": String [CONFIG REQUIRED] = Text("5665");
    /// Seconds for which messages are kept for replay.
    "log_duration": Duration [CONFIG] = Num(86400.0);
    /// Messages sent, average of a minute.
    "messages_sent_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Messages received, average of a minute.
    "messages_received_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Bytes sent, average of a minute.
    "bytes_sent_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Bytes received, average of a minute.
    "bytes_received_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Up to when we have its messages.
    "local_log_position": Timestamp [STATE];
    /// Up to when it has ours.
    "remote_log_position": Timestamp [STATE];
    /// When we last sent.
    "last_message_sent": Timestamp [COMPUTED];
    /// When we last received.
    "last_message_received": Timestamp [COMPUTED];
    /// Whether a connection is being made.
    "connecting": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether messages are being replayed.
    "syncing": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether it is connected.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// What the peer can do, as bits.
    "capabilities": Number [STATE];
    /// Version of the peer as a number.
    "icinga_version": Number [STATE];
    /// Messages received by method.
    "messages_received_per_type": Dictionary [COMPUTED NO_USER_MODIFY NEWER];
}

/// `Endpoint`.
pub(super) static ENDPOINT: TypeInfo = TypeInfo {
    name: "Endpoint",
    plural: "Endpoints",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, ENDPOINT_FIELDS],
    load_after: &["Zone"],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { API_LISTENER_FIELDS:
    /// Private key file.
    "key_path": String [CONFIG DEPRECATED];
    /// Own name, from the certificate.
    "identity": String [NO_USER_MODIFY COMPUTED];
    /// No effect.
    "access_control_allow_methods": String [CONFIG DEPRECATED];
    /// No effect.
    "access_control_allow_headers": String [CONFIG DEPRECATED];
    /// Secret from which tickets are made.
    "ticket_salt": String [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// Port to listen on.
    "bind_port": String [CONFIG] = Text("5665");
    /// Address to listen on; all when unset.
    "bind_host": String [CONFIG];
    /// Lowest TLS version.
    "tls_protocolmin": String [CONFIG] = Text("TLSv1.2");
    /// Allowed cipher suites.
    "cipher_list": String [CONFIG] = Text(CIPHERS);
    /// Revocation list file.
    "crl_path": String [CONFIG];
    /// CA certificate file.
    "ca_path": String [CONFIG DEPRECATED];
    /// Certificate file.
    "cert_path": String [CONFIG DEPRECATED];
    /// Replaced by connect_timeout, no effect.
    "tls_handshake_timeout": Duration [CONFIG DEPRECATED] = Num(10.0);
    /// Seconds until a connection must be established.
    "connect_timeout": Duration [CONFIG] = Num(15.0);
    /// Web origins that may call the API.
    "access_control_allow_origin": Array [CONFIG];
    /// The last refused configuration of a parent.
    "last_failed_zones_stage_validation": Dictionary [STATE NO_USER_MODIFY];
    /// Most connections without a known endpoint; -1 for no limit.
    "max_anonymous_clients": Number [CONFIG] = Num(-1.0);
    /// Newest timestamp written to the replay log.
    "log_message_timestamp": Timestamp [STATE NO_USER_MODIFY];
    /// Whether parents may send configuration.
    "accept_config": Boolean [CONFIG];
    /// Whether parents may have commands executed.
    "accept_commands": Boolean [CONFIG];
    /// No effect.
    "access_control_allow_credentials": Boolean [CONFIG DEPRECATED];
    /// Extra headers of every HTTP response.
    "http_response_headers": Dictionary [CONFIG NEWER];
    /// Whether filters need the permission filter-expression.
    "enforce_filter_expression_permission": Boolean [CONFIG NO_USER_MODIFY NEWER];
}

/// `ApiListener`.
pub(super) static API_LISTENER: TypeInfo = TypeInfo {
    name: "ApiListener",
    plural: "ApiListeners",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, API_LISTENER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 50,
};

fields! { API_USER_FIELDS:
    /// Password.
    "password": String [CONFIG NO_USER_VIEW];
    /// Hash of a password, no effect.
    "password_hash": String [CONFIG NO_USER_VIEW DEPRECATED];
    /// Common name of a client certificate that logs in.
    "client_cn": String [CONFIG];
    /// What it may do.
    "permissions": NameArray [CONFIG];
}

/// `ApiUser`.
pub(super) static API_USER: TypeInfo = TypeInfo {
    name: "ApiUser",
    plural: "ApiUsers",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, API_USER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};
