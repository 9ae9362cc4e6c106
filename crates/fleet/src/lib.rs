//! A fleet of simulated agents with real TLS and real messages
