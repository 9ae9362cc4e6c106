//! See the body, which ordinary tests run, too.
#![no_main]

#[path = "../bodies/evaluator.rs"]
mod body;
#[path = "../bodies/grammar.rs"]
mod grammar;

libfuzzer_sys::fuzz_target!(
    init: {
        // The main thread has 8 MiB: making others takes longer than most inputs.
        bheka_lang::use_this_stack();
    },
    |bytes: &[u8]| body::check(bytes)
);
