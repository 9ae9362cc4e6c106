//! Tree to declarations: evaluation, scopes, closures, built-ins, includes, apply.
//!
//! [`load()`] evaluates a configuration the way Icinga 2 does: all files; then the objects, type by
//! type in the order in which they need each other; for each type the groups' `assign where` and
//! the apply rules, and what those make. The result is a list of
//! [`Declaration`](bheka_value::Declaration)s for the model, and the [`Globals`] that functions
//! of the configuration need as long as they may be called.
//!
//! [`Console`] evaluates inputs one by one. [`Filter`] evaluates expressions of strangers, without
//! side effects and with a budget.
//!
//! This crate knows no concrete type: the table of types is handed in as a
//! [`Catalogue`](bheka_value::schema::Catalogue). It does no input or output and has no clock:
//! files come from [`Sources`], the time is an argument, and what runs later comes from a
//! [`Runtime`].
//!
//! *Limits.* Expressions nest at most 300 deep while they are evaluated, as in Icinga 2; a file or
//! an object may take so many steps, values may grow so large; the error names the limit.

mod builtins;
mod check;
mod complete;
mod console;
mod convert;
mod cost;
mod diag;
mod doubt;
mod draft;
mod env;
mod eval;
mod fault;
mod files;
mod filter;
mod itl;
mod load;
mod namespace;
mod registry;
mod run;
mod source;
mod sources;
mod stack;
mod suggest;
mod types;

pub use check::check_text;
pub use complete::{Unfinished, is_incomplete, word_start};
pub use console::{Console, ConsoleSettings, Interrupter, Sandbox};
pub use diag::{LangDiagnostic, LogLine, Severity};
pub use env::Runtime;
pub use filter::{FILTER_STEPS_MAX, Filter, Guard};
pub use load::{Globals, Load, Loaded, ZoneDir, load};
pub use run::limit_evaluation;
pub use sources::{DirEntry, Memory, MemorySources, SourceError, Sources};
pub use stack::use_this_stack;

/// A value as the language turns it into text: `string(value)`.
#[must_use]
pub fn to_text(value: &bheka_value::Value) -> bheka_value::Str {
    convert::to_text(value)
}
