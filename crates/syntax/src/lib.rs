//! Text → tokens → tree, with diagnostics. Parsing never fails: [`parse`] always yields a tree,
//! and beside it what was wrong.
//!
//! This crate knows no values, does no input or output, and does not know that objects exist.

pub mod ast;
