//! See the body, which ordinary tests run, too.
#![no_main]

#[path = "../bodies/netstring.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: (u16, u16, &[u8])| body::check(input));
