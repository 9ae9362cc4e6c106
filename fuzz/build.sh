#!/bin/sh
# Builds the targets as cargo-fuzz does (coverage for libFuzzer, AddressSanitizer, debug assertions),
# without needing cargo-fuzz: a nightly compiler is enough. Arguments go to `cargo build`.
cd "$(dirname "$0")" || exit
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Zsanitizer=address -Cdebug-assertions=yes -Coverflow-checks=yes"
exec cargo +nightly build --release --target x86_64-unknown-linux-gnu "$@"
