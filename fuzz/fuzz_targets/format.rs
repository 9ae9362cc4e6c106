//! See the body, which ordinary tests run, too.
#![no_main]

#[path = "../bodies/format.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::check(text));
