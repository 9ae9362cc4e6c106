//! REST requests to queries and commands; permissions; filters
