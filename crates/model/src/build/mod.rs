//! From declarations to a generation: attributes get their types, defaults that depend on the
//! installation are filled in, every reference and range is checked, group membership is made
//! complete. All faults are collected, each with its place.
//!
//! The texts are those of Icinga 2 2.13, observed, so that tools which read them keep working.

mod advice;
mod coerce;
mod command;
mod cycles;
mod defaults;
mod filters;
mod groups;
mod macros;
mod rules;
mod shapes;
mod time_ranges;
mod zones;

pub use filters::{state_bits, type_bits};

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_value::{Advice, Declaration, Doubts, Location, Map, Str, Value};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::types::plan::Plan;
use crate::{ConfigObject, Generation};
use advice::{Collector, Wanted};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing when looking for something.
    Notice,
    /// Should be changed.
    Warning,
    /// The configuration is not valid.
    Error,
}

/// One finding about the configuration.
#[derive(Clone, Debug)]
pub struct ModelDiagnostic {
    /// How grave.
    pub severity: Severity,
    /// The facility under which Icinga 2 logs it (`config`, `Zone`, …).
    pub facility: &'static str,
    /// What; for errors without the leading `Error: `.
    pub message: String,
    /// Where, when known.
    pub location: Option<Location>,
    /// Type and name of the object.
    pub object: Option<(&'static str, Str)>,
    /// How to mend it.
    pub advice: Advice,
}

/// What [`build`] made.
#[derive(Debug)]
pub struct Built {
    /// The generation. With errors it holds what could be built, for display only.
    pub generation: Generation,
    /// Findings in the order of the declarations.
    pub diagnostics: Vec<ModelDiagnostic>,
    /// Errors that are not among them: they follow from errors that the evaluation found.
    pub held: usize,
    /// Errors that are not among them: there are too many, or they repeat one of a template.
    pub more: usize,
}

impl Built {
    /// Whether the configuration must be refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}

/// Checks and completes declarations. `globals` are the constants and variables of the
/// configuration; `NodeName`, `LogDir` and the like are read from it.
#[must_use]
pub fn build(number: u64, declarations: Vec<Declaration>, globals: BTreeMap<Str, Value>) -> Built {
    build_beside(
        number,
        declarations,
        Vec::new(),
        &Doubts::default(),
        globals,
    )
}

/// As [`build`], where the evaluation has found errors already: `failed` are the objects of which
/// some statements failed, and `doubts` says what else may be missing. What is wrong only because
/// of that is counted, but not reported. What comes of it must not be used.
#[must_use]
pub fn build_beside(
    number: u64,
    declarations: Vec<Declaration>,
    failed: Vec<Declaration>,
    doubts: &Doubts,
    globals: BTreeMap<Str, Value>,
) -> Built {
    let complete = declarations.len();
    let mut drafts: Vec<Draft> = declarations
        .into_par_iter()
        .chain(failed)
        .map(|declaration| Draft::new(declaration, &globals))
        .collect();
    let mut diagnostics = Vec::new();
    for draft in &mut drafts {
        diagnostics.append(&mut draft.diagnostics);
    }
    for draft in drafts.iter_mut().skip(complete) {
        draft.incomplete = true;
    }
    let (mut held, mut more);
    loop {
        let (findings, dropped);
        (findings, dropped, held, more) = examine(&drafts, doubts, &globals);
        if dropped.is_empty() {
            diagnostics.extend(findings);
            break;
        }
        // Whatever needs a dropped object fails in the next round, and is dropped or reported.
        diagnostics.extend(
            findings
                .into_iter()
                .filter(|f| f.severity == Severity::Notice),
        );
        let mut position = 0;
        drafts.retain(|_| {
            position += 1;
            dropped.binary_search(&(position - 1)).is_err()
        });
    }
    groups::complete(&mut drafts, &mut diagnostics);
    let objects: Vec<_> = drafts
        .into_par_iter()
        .map(|draft| Arc::new(draft.into_object()))
        .collect();
    Built {
        generation: Generation::new(number, globals, objects),
        diagnostics,
        held,
        more,
    }
}

/// Everything that is wrong with the drafts, and the positions (ascending) of those to be dropped
/// because of it; and how many errors are not told, consequences and others.
fn examine(
    drafts: &[Draft],
    doubts: &Doubts,
    globals: &BTreeMap<Str, Value>,
) -> (Vec<ModelDiagnostic>, Vec<usize>, usize, usize) {
    let index = Index::of(drafts);
    let mut faults: Vec<Vec<Fault>> = drafts
        .par_iter()
        .map(|draft| {
            let mut faults = draft.faults.clone();
            rules::check(draft, &index, &mut faults);
            faults
        })
        .collect();
    let sound = |faults: &[Vec<Fault>], at: usize| faults[at].is_empty();
    for (at, fault) in zones::check(drafts, &index, globals) {
        if sound(&faults, at) || matches!(fault.place, Place::Global) {
            faults[at].push(fault);
        }
    }
    for (at, fault) in cycles::check(drafts, &index) {
        faults[at].push(fault);
    }
    let mut collector = Collector::new(drafts, &index, doubts);
    let mut dropped = Vec::new();
    for (at, (draft, faults)) in drafts.iter().zip(faults).enumerate() {
        if draft.declaration.ignore_on_error {
            if let Some(fault) = faults.first() {
                dropped.push(at);
                collector.remark(draft.ignored(fault));
            }
        } else {
            for fault in &faults {
                collector.add(draft, fault);
            }
        }
    }
    for warning in zones::warnings(drafts) {
        collector.remark(warning);
    }
    let (findings, held, more) = collector.finish();
    (findings, dropped, held, more)
}

/// What is wrong with one object.
#[derive(Clone, Debug)]
struct Fault {
    place: Place,
    text: String,
    /// What was named and is not there.
    wanted: Option<Wanted>,
}

/// What a fault is about.
#[derive(Clone, Debug)]
enum Place {
    /// An attribute, or something in it: its path.
    Attribute(Vec<Str>),
    /// An attribute, but Icinga 2 names the head of the declaration as the place.
    Head(Vec<Str>),
    /// A value that an attribute cannot take.
    Assignment(Str),
    /// The object as a whole, as a failed validation.
    Whole,
    /// The object as a whole; the text says it all.
    Plain,
    /// As `Plain`, and Icinga 2 names no place.
    Global,
}

impl Fault {
    fn new(place: Place, text: impl Into<String>) -> Self {
        Self {
            place,
            text: text.into(),
            wanted: None,
        }
    }

    /// The same with what was named and is not there.
    fn wanting(mut self, wanted: Wanted) -> Self {
        self.wanted = Some(wanted);
        self
    }

    fn attribute(name: &str, text: impl Into<String>) -> Self {
        Self::nested(&[name], text)
    }

    fn nested(path: &[&str], text: impl Into<String>) -> Self {
        let path = path.iter().map(|&part| part.into()).collect();
        Self::new(Place::Attribute(path), text)
    }

    fn at_head(name: &str, text: impl Into<String>) -> Self {
        Self::new(Place::Head(vec![name.into()]), text)
    }

    fn global(text: impl Into<String>) -> Self {
        Self::new(Place::Global, text)
    }

    fn whole(text: impl Into<String>) -> Self {
        Self::new(Place::Whole, text)
    }

    fn plain(text: impl Into<String>) -> Self {
        Self::new(Place::Plain, text)
    }
}

/// An object in the making.
struct Draft {
    declaration: Declaration,
    plan: &'static Plan,
    attributes: Map,
    /// Faults found while giving the attributes their types.
    faults: Vec<Fault>,
    /// Warnings found then.
    diagnostics: Vec<ModelDiagnostic>,
    /// Some of its statements failed: attributes may be missing.
    incomplete: bool,
}

impl Draft {
    fn new(mut declaration: Declaration, globals: &BTreeMap<Str, Value>) -> Self {
        let mut attributes = std::mem::take(&mut declaration.attributes);
        let mut draft = Self {
            plan: Plan::of(declaration.type_info),
            declaration,
            attributes: Map::new(),
            faults: Vec::new(),
            diagnostics: Vec::new(),
            incomplete: false,
        };
        let mut refused = Vec::new();
        for (name, value) in attributes.iter_mut() {
            if !draft.assign(name, value) {
                refused.push(name.clone());
            }
        }
        for name in refused {
            attributes.remove(&name);
        }
        draft.attributes = attributes;
        if draft.declaration.zone.is_none() {
            draft.declaration.zone = draft.text("zone").map(Str::new);
        }
        defaults::fill(&mut draft, globals);
        draft
    }

    /// Gives a value the type of its attribute, in place; says whether it can be kept.
    fn assign(&mut self, name: &Str, value: &mut Value) -> bool {
        use bheka_value::schema::Flags;
        let Some(field) = self.plan.field(name) else {
            if name != "type" {
                let text = format!("Attribute '{name}' does not exist.");
                let place = Place::Assignment(name.clone());
                self.faults.push(Fault::new(place, text));
            }
            return false;
        };
        if field.flags.has(Flags::DEPRECATED) && field.flags.has(Flags::CONFIG) {
            let warning = self.deprecated(name);
            self.diagnostics.push(warning);
        }
        match coerce::coerce(field, value) {
            Ok(None) => true,
            Ok(Some(converted)) => {
                *value = converted;
                true
            }
            Err(text) => {
                let place = Place::Assignment(name.clone());
                self.faults.push(Fault::new(place, text));
                false
            }
        }
    }

    fn type_name(&self) -> &'static str {
        self.declaration.type_info.name
    }

    fn name(&self) -> &Str {
        &self.declaration.name
    }

    /// The value that was set.
    fn set(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }

    /// The value that was set, else the default.
    fn get(&self, name: &str) -> Value {
        match self.attributes.get(name) {
            Some(value) => value.clone(),
            None => {
                let field = self.plan.field(name);
                field.map_or(Value::Empty, |field| field.default.to_value())
            }
        }
    }

    /// Text that is set and not empty.
    fn text(&self, name: &str) -> Option<&str> {
        self.attributes
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The names in a list.
    fn names(&self, name: &str) -> Vec<Str> {
        match self.attributes.get(name) {
            Some(Value::Array(items)) => items
                .read()
                .iter()
                .map(|item| match item {
                    Value::String(text) => text.clone(),
                    other => coerce::text_of(other).into(),
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn is_a(&self, base: &str) -> bool {
        let mut current = Some(self.declaration.type_info);
        while let Some(info) = current {
            if info.name == base {
                return true;
            }
            current = info
                .base
                .and_then(|base| crate::catalogue().type_info(base));
        }
        false
    }

    fn deprecated(&self, name: &str) -> ModelDiagnostic {
        let type_name = self.type_name();
        let object = self.name();
        ModelDiagnostic {
            severity: Severity::Warning,
            facility: if self.is_a("Checkable") {
                "Checkable"
            } else {
                type_name
            },
            message: format!(
                "Attribute '{name}' for object '{object}' of type '{type_name}' is deprecated and \
                 should not be used."
            ),
            location: Some(self.location(&[name.into()])),
            object: Some((type_name, object.clone())),
            advice: Advice {
                attribute: Some(name.to_owned()),
                ..Advice::of("deprecated")
            },
        }
    }

    fn message(&self, fault: &Fault) -> String {
        let subject = || {
            format!(
                "Validation failed for object '{}' of type '{}'",
                self.name(),
                self.type_name()
            )
        };
        match &fault.place {
            Place::Attribute(path) | Place::Head(path) => {
                let path: Vec<&str> = path.iter().map(Str::as_str).collect();
                format!(
                    "{}; Attribute '{}': {}",
                    subject(),
                    path.join("' -> '"),
                    fault.text
                )
            }
            Place::Whole => format!("{}: {}", subject(), fault.text),
            Place::Assignment(_) | Place::Plain | Place::Global => fault.text.clone(),
        }
    }

    fn error(&self, fault: &Fault) -> ModelDiagnostic {
        ModelDiagnostic {
            severity: Severity::Error,
            facility: "config",
            message: self.message(fault),
            location: self.location_of(fault),
            object: Some((self.type_name(), self.name().clone())),
            advice: Advice::default(),
        }
    }

    fn ignored(&self, fault: &Fault) -> ModelDiagnostic {
        let finding = self.error(fault);
        ModelDiagnostic {
            severity: Severity::Notice,
            facility: "ConfigObject",
            message: format!(
                "Ignoring config object '{}' of type '{}' due to errors: {}",
                self.name(),
                self.type_name(),
                finding.message
            ),
            advice: Advice::of("ignored-object"),
            ..finding
        }
    }

    /// Where an attribute was last set: the recorded place with the longest common path, else the
    /// head of the declaration.
    fn location(&self, path: &[Str]) -> Location {
        self.declaration
            .modifications
            .iter()
            .filter(|change| path.starts_with(&change.path) || change.path.starts_with(path))
            .max_by_key(|change| change.path.len().min(path.len()))
            .map_or(&self.declaration.location, |change| &change.location)
            .clone()
    }

    fn into_object(self) -> ConfigObject {
        let Self {
            declaration,
            mut attributes,
            ..
        } = self;
        for attribute in ["name", "__name", "zone", "package", "templates", "type"] {
            attributes.remove(attribute);
        }
        attributes.values().for_each(Value::freeze);
        ConfigObject {
            type_info: declaration.type_info,
            name: declaration.name,
            short_name: declaration.short_name,
            zone: declaration.zone.filter(|zone| !zone.is_empty()),
            package: declaration.package,
            templates: declaration.templates,
            location: declaration.location,
            modifications: declaration.modifications,
            attributes,
        }
    }
}

/// Positions of drafts by type and name.
struct Index<'a> {
    by_type: FxHashMap<&'static str, FxHashMap<&'a str, usize>>,
}

impl<'a> Index<'a> {
    fn of(drafts: &'a [Draft]) -> Self {
        let mut by_type: FxHashMap<&'static str, FxHashMap<&str, usize>> = FxHashMap::default();
        for (at, draft) in drafts.iter().enumerate() {
            by_type
                .entry(draft.type_name())
                .or_default()
                .insert(draft.name(), at);
        }
        Self { by_type }
    }

    fn find(&self, type_name: &str, name: &str) -> Option<usize> {
        self.by_type.get(type_name)?.get(name).copied()
    }

    /// The names of all objects of a type.
    fn names(&self, type_name: &str) -> impl Iterator<Item = &'a str> {
        let of_type = self.by_type.get(type_name).into_iter();
        of_type.flat_map(|names| names.keys().copied())
    }

    fn has(&self, type_name: &str, name: &str) -> bool {
        self.find(type_name, name).is_some()
    }

    /// The position of a host, or of a service on it.
    fn checkable(&self, host: &str, service: Option<&str>) -> Option<usize> {
        match service {
            None => self.find("Host", host),
            Some(service) => self.find("Service", &format!("{host}!{service}")),
        }
    }

    fn of_type(&self, type_name: &str) -> Vec<usize> {
        let mut all: Vec<usize> = self
            .by_type
            .get(type_name)
            .into_iter()
            .flat_map(|map| map.values().copied())
            .collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests;
