//! Zones, endpoints and the API.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::CONFIG_OBJECT_FIELDS;
use super::fields;
use super::words::{CIPHERS, TLS_VERSIONS};

fields! { ZONE_FIELDS:
    /// Zone above, whose endpoints may control this one.
    "parent": Name("Zone") [CONFIG NAVIGATION FIXED];
    /// Endpoints that are in the zone; two at most work well.
    "endpoints": NameArray("Endpoint") [CONFIG];
    /// Zones above, the nearest first.
    "all_parents": NameArray [NO_USER_MODIFY COMPUTED] = EmptyArray;
    /// Whether the configuration of the zone goes to all endpoints of the cluster.
    "global": Boolean [CONFIG];
}

/// `Zone`.
pub(super) static ZONE: TypeInfo = TypeInfo {
    name: "Zone",
    plural: "Zones",
    doc: "Endpoints that do the same work together, and their place in the tree of the cluster.",
    since: None,
    until: None,
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
    /// Address to connect to; when unset the endpoint is waited for.
    "host": String [CONFIG];
    /// Port to connect to.
    "port": String [CONFIG REQUIRED] = Text("5665");
    /// Seconds for which messages are kept for a replay; 0 keeps none.
    "log_duration": Duration [CONFIG] = Num(86400.0);
    /// Messages sent in a second, over the last minute.
    "messages_sent_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Messages received in a second, over the last minute.
    "messages_received_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Bytes sent in a second, over the last minute.
    "bytes_sent_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Bytes received in a second, over the last minute.
    "bytes_received_per_second": Number [NO_USER_MODIFY COMPUTED];
    /// Time up to which its messages are here.
    "local_log_position": Timestamp [STATE];
    /// Time up to which it has the messages from here.
    "remote_log_position": Timestamp [STATE];
    /// Time at which the last message was sent.
    "last_message_sent": Timestamp [COMPUTED];
    /// Time at which the last message was received.
    "last_message_received": Timestamp [COMPUTED];
    /// Whether a connection is being made.
    "connecting": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether messages are being replayed.
    "syncing": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether the connection stands.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// What the endpoint can do, as bits.
    "capabilities": Number [STATE];
    /// Version of the endpoint as a number.
    "icinga_version": Number [STATE];
    /// Number of messages received, by method.
    "messages_received_per_type": Dictionary [COMPUTED NO_USER_MODIFY SINCE_2_15];
    /// Seconds spent on received messages.
    "seconds_processing_messages": Number [COMPUTED NO_USER_MODIFY SINCE_2_15];
    /// How it came to be connected, or why it is not.
    "connection": Dictionary [COMPUTED NO_USER_MODIFY OWN];
}

/// `Endpoint`.
pub(super) static ENDPOINT: TypeInfo = TypeInfo {
    name: "Endpoint",
    plural: "Endpoints",
    doc: "A node of the cluster.",
    since: None,
    until: None,
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
    /// No effect since certificates have their fixed place.
    "key_path": String [CONFIG DEPRECATED];
    /// Name of this node, from its certificate.
    "identity": String [NO_USER_MODIFY COMPUTED];
    /// No effect.
    "access_control_allow_methods": String [CONFIG DEPRECATED];
    /// No effect.
    "access_control_allow_headers": String [CONFIG DEPRECATED];
    /// Secret from which tickets for certificates are made.
    "ticket_salt": String [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// Port to listen on.
    "bind_port": String [CONFIG] = Text("5665");
    /// Address to listen on; all addresses when unset.
    "bind_host": String [CONFIG];
    /// Lowest version of TLS that is spoken.
    "tls_protocolmin": String [CONFIG] = Text("TLSv1.2")
        where OneOf(TLS_VERSIONS, "Unknown TLS protocol version '{}'");
    /// Cipher suites allowed for TLS 1.2, in the notation of OpenSSL.
    "cipher_list": String [CONFIG] = Text(CIPHERS);
    /// File with a list of revoked certificates.
    "crl_path": String [CONFIG];
    /// No effect since certificates have their fixed place.
    "ca_path": String [CONFIG DEPRECATED];
    /// No effect since certificates have their fixed place.
    "cert_path": String [CONFIG DEPRECATED];
    /// Seconds until a handshake must be done; replaced by `connect_timeout`.
    "tls_handshake_timeout": Duration [CONFIG DEPRECATED] = Num(10.0)
        where Positive("Value must be greater than 0.");
    /// Seconds until a connection must stand, its handshake included.
    "connect_timeout": Duration [CONFIG] = Num(15.0);
    /// Web origins whose pages may call the API.
    "access_control_allow_origin": Array [CONFIG];
    /// Log of the last configuration of a parent that was refused.
    "last_failed_zones_stage_validation": Dictionary [STATE NO_USER_MODIFY];
    /// Most connections of clients without a known endpoint; -1 for no limit.
    "max_anonymous_clients": Number [CONFIG WHOLE] = Num(-1.0);
    /// Time of the newest message in the replay log.
    "log_message_timestamp": Timestamp [STATE NO_USER_MODIFY];
    /// Whether configuration of parents is taken.
    "accept_config": Boolean [CONFIG];
    /// Whether commands of parents are executed.
    "accept_commands": Boolean [CONFIG];
    /// No effect.
    "access_control_allow_credentials": Boolean [CONFIG DEPRECATED];
    /// Further headers of every HTTP response.
    "http_response_headers": Dictionary [CONFIG SINCE_2_16];
    /// Whether filter expressions need the permission `filter-expression`.
    "enforce_filter_expression_permission": Boolean [CONFIG NO_USER_MODIFY SINCE_2_14];
    /// Run-time objects deleted here, by type, so that a peer does not bring them back.
    "deleted_runtime_objects": Dictionary [STATE NO_USER_MODIFY SINCE_2_16] = EmptyDictionary;
}

/// `ApiListener`.
pub(super) static API_LISTENER: TypeInfo = TypeInfo {
    name: "ApiListener",
    plural: "ApiListeners",
    doc: "Listens for other nodes and for clients of the API, and connects to other nodes.",
    since: None,
    until: None,
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
    /// Password for logging in; none means that it cannot be used.
    "password": String [CONFIG NO_USER_VIEW];
    /// No effect.
    "password_hash": String [CONFIG NO_USER_VIEW DEPRECATED];
    /// Common name of the client certificate that logs in without a password.
    "client_cn": String [CONFIG];
    /// Permissions: names with wildcards, or dictionaries of `permission` and `filter`.
    "permissions": NameArray [CONFIG];
}

/// `ApiUser`.
pub(super) static API_USER: TypeInfo = TypeInfo {
    name: "ApiUser",
    plural: "ApiUsers",
    doc: "Somebody who may use the API.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, API_USER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};
