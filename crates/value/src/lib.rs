//! The vocabulary that every other crate speaks.
//!
//! A [`Value`] is what an expression of the configuration language yields, what an attribute of an
//! object holds and what travels as JSON between nodes. This crate knows nothing of files, of
//! concrete object types (Host, Service, …) or of time zones.
//!
//! *Sharing.* Arrays and dictionaries have reference semantics in the language
//! (`var a = [ 1 ]; var b = a; b.add(2)` changes `a`), so they are `Arc`s around locked
//! collections. [`Value::freeze`] makes a value immutable for good; everything that a generation
//! of the configuration holds is frozen, and can be shared between threads and generations.
//!
//! *Two traits break cycles.* [`Callable`] lets the monitor call a lambda without seeing the
//! evaluator; [`ObjectView`] lets the evaluator read an object without seeing the model.

mod advice;
mod callable;
mod collections;
mod declaration;
mod json;
mod map;
pub mod schema;
mod text;
mod time;
mod value;

pub use advice::{Advice, Doubts, Suggester, question};
pub use callable::{CallError, Callable, FunctionInfo, NativeFunction, ObjectView};
pub use collections::{Array, Dictionary, Frozen, MAX_NESTING, drop_flat};
pub use declaration::{Declaration, Location, Modification};
pub use json::{
    JSON_DEPTH_MAX, JsonError, from_json, from_json_with_depth, to_json, to_json_pretty,
    write_json, write_json_string,
};
pub use map::{IntoIter as MapIntoIter, Iter as MapIter, Map};
pub use text::{Str, format_number};
pub use time::Timestamp;
pub use value::{Kind, Value};
