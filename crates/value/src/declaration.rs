//! What the evaluator hands to the model: one object as the configuration declared it.

use std::fmt;
use std::sync::Arc;

use crate::schema::TypeInfo;
use crate::{Map, Str};

/// A range in a configuration file. Lines and columns count from 1, both ends inclusive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Location {
    /// Path of the file as it was opened.
    pub path: Arc<str>,
    /// First line.
    pub first_line: u32,
    /// First column, in bytes.
    pub first_column: u32,
    /// Last line.
    pub last_line: u32,
    /// Last column, in bytes.
    pub last_column: u32,
}

/// `in PATH: 3:1-3:10`, as Icinga 2 writes it.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in {}: {}:{}-{}:{}",
            self.path, self.first_line, self.first_column, self.last_line, self.last_column
        )
    }
}

/// One place that set or changed an attribute, for `object list`.
#[derive(Clone, Debug)]
pub struct Modification {
    /// The attribute and, for nested ones, its path (`["vars", "os"]`).
    pub path: Vec<Str>,
    /// The operator as written (`=`, `+=`, …).
    pub operator: &'static str,
    /// Where.
    pub location: Location,
}

/// An object as declared, after its body and templates were evaluated and before the model
/// checked it.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// Its type.
    pub type_info: &'static TypeInfo,
    /// Full name (`host!service`).
    pub name: Str,
    /// The name as written (`service`).
    pub short_name: Str,
    /// The zone it belongs to, from the directory or the `zone` attribute.
    pub zone: Option<Str>,
    /// The configuration package it came from (`_etc`, `_api`, …).
    pub package: Str,
    /// The attributes that were set, frozen.
    pub attributes: Map,
    /// Names of the templates imported, its own name first as `object list` shows them.
    pub templates: Vec<Str>,
    /// The head of the declaration.
    pub location: Location,
    /// Whether an error in it drops the object instead of the whole load.
    pub ignore_on_error: bool,
    /// Which lines set what; empty unless asked for.
    pub modifications: Vec<Modification>,
}
