//! See the body, which ordinary tests run, too.
#![no_main]

#[path = "../bodies/jsonrpc.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|payloads: Vec<&[u8]>| body::check(&payloads));
