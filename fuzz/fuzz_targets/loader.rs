//! See the body, which ordinary tests run, too.
#![no_main]

#[path = "../bodies/loader.rs"]
mod body;
#[path = "../bodies/grammar.rs"]
mod grammar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::check(bytes));
