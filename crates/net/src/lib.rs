//! Sockets, TLS, certificates and the detection of JSON-RPC or HTTP on one port
