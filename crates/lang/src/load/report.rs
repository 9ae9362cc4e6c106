//! What a load finds on its way, without repetitions and consequences.

use std::sync::Arc;

use bheka_value::{Doubts, Location, Str, Suggester, Value};
use rustc_hash::FxHashMap;

use crate::cost::check_finite;
use crate::diag::LangDiagnostic;
use crate::doubt::Slip;
use crate::draft::Draft;
use crate::env::Env;
use crate::fault::Fault;
use crate::suggest::Unknown;

/// Errors beyond this number are counted only.
const DIAGNOSTICS_MAX: usize = 1000;

/// What a load finds on its way.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) diagnostics: Vec<LangDiagnostic>,
    pub(crate) ignored: Vec<LangDiagnostic>,
    /// Objects of which some statements failed.
    pub(crate) failed: Vec<Arc<Draft>>,
    /// What may be missing because of the errors.
    pub(crate) doubts: Doubts,
    /// Errors that follow from others.
    pub(crate) held: usize,
    /// Errors beyond the limit.
    pub(crate) more: usize,
    /// The errors that are shown, and how often they came again.
    known: FxHashMap<(Option<Location>, String), Shown>,
    /// Whether what fails now is made by rules: then the place does not tell which object it is.
    pub(crate) by_rule: bool,
    suggester: Suggester,
}

/// An error that is shown.
struct Shown {
    /// Its position among the diagnostics.
    at: usize,
    /// How often it came again.
    again: usize,
    /// Whether its object is to be named.
    is_named: bool,
}

fn is_plain(value: &Value) -> bool {
    !matches!(
        value,
        Value::Array(_) | Value::Dictionary(_) | Value::Object(_)
    )
}

/// Whether a value of the object is one that nobody could write down.
pub(super) fn is_endless(draft: &Draft) -> bool {
    // An object may hold itself: it must not be locked while its values are looked through.
    let nested: Vec<Value> = {
        let state = draft.read();
        let values = state.attributes.values();
        values.filter(|value| !is_flat(value)).cloned().collect()
    };
    nested.iter().any(|value| check_finite(value).is_err())
}

/// Whether it surely is no value that nobody could write down: plain, or some plain ones.
fn is_flat(value: &Value) -> bool {
    const ITEMS_MAX: usize = 1000;
    match value {
        Value::Array(items) => {
            let items = items.read();
            items.len() < ITEMS_MAX && items.iter().all(is_short)
        }
        Value::Dictionary(entries) => {
            let entries = entries.read();
            entries.len() < ITEMS_MAX && entries.values().all(is_short)
        }
        other => is_plain(other),
    }
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() < 1024,
        other => is_plain(other),
    }
}

impl Report {
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(LangDiagnostic::is_error)
    }

    /// Adds an error; the same text at the same place counts once.
    pub(crate) fn fault(&mut self, env: &Env, fault: Fault) {
        self.fault_of(env, fault, None);
    }

    /// Adds an error in a condition, which was evaluated for that target.
    pub(crate) fn fault_for(&mut self, env: &Env, fault: Fault, target: &Draft) {
        let by_rule = std::mem::replace(&mut self.by_rule, true);
        self.fault_of(env, fault, Some(target));
        self.by_rule = by_rule;
    }

    /// Adds what came of statements that failed while others went on. Says whether any failed.
    pub(crate) fn slips(&mut self, env: &Env, slips: Vec<Slip>, object: Option<&Draft>) -> bool {
        let mut failed = false;
        for slip in slips {
            failed |= slip.is_error();
            match slip {
                Slip::Statement {
                    mut fault,
                    reads,
                    defines,
                } => {
                    let doubted = |name: &Str| {
                        let root = name.split('.').next().unwrap_or_default();
                        self.doubts.globals.contains(root)
                    };
                    if reads.iter().any(doubted) {
                        fault = fault.follows();
                    }
                    self.fault_of(env, fault, object);
                    if object.is_none() {
                        self.doubts.extend(defines);
                    }
                }
                Slip::Text {
                    diagnostics,
                    defines,
                } => {
                    self.diagnostics.extend(diagnostics);
                    self.doubts.extend(defines);
                }
            }
        }
        failed
    }

    /// Takes away attributes whose values nobody could write down, and says so.
    pub(crate) fn endless(&mut self, env: &Env, draft: &Draft) {
        let nested: Vec<(Str, Value)> = {
            let state = draft.read();
            let values = state.attributes.iter();
            let nested = values.filter(|(_, value)| !is_plain(value));
            nested
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        for (name, value) in nested {
            let Err(mut fault) = check_finite(&value) else {
                continue;
            };
            draft.write().attributes.remove(&name);
            fault.message = format!("Attribute '{name}': {}", fault.message);
            self.fault_of(env, fault.at(draft.location.clone()), Some(draft));
        }
    }

    /// An object, or what a rule makes, is missing.
    pub(crate) fn missing(&mut self, type_name: &Str, name: &Str) {
        self.doubts
            .objects
            .insert((type_name.clone(), name.clone()));
    }

    fn fault_of(&mut self, env: &Env, fault: Fault, object: Option<&Draft>) {
        if self.is_consequence(&fault) {
            self.held += 1;
            return;
        }
        let key = (fault.location.clone(), fault.message.clone());
        if let Some(shown) = self.known.get_mut(&key) {
            shown.again += 1;
            return;
        }
        if self.known.len() >= DIAGNOSTICS_MAX {
            self.more += 1;
            return;
        }
        let shown = Shown {
            at: self.diagnostics.len(),
            again: 0,
            is_named: self.by_rule,
        };
        self.known.insert(key, shown);
        let mut diagnostic = LangDiagnostic::collected(env, fault, &mut self.suggester);
        diagnostic.object =
            object.map(|it| Box::new((it.entry.name.clone(), it.read().name.clone())));
        self.diagnostics.push(diagnostic);
    }

    /// Whether it is there only because something failed before. The first error never is one.
    fn is_consequence(&self, fault: &Fault) -> bool {
        let Some(detail) = &fault.detail else {
            return false;
        };
        detail.follows
            || match &detail.unknown {
                Some(Unknown::Variable { name, .. } | Unknown::Function { name, .. }) => {
                    self.doubts.global(name)
                }
                Some(Unknown::Template { of, name }) => self.doubts.object(of, name),
                _ => false,
            }
    }

    /// Says which objects share an error, once all are known.
    pub(crate) fn close(&mut self) {
        for (_, shown) in self.known.drain() {
            let Some(diagnostic) = self.diagnostics.get_mut(shown.at) else {
                continue;
            };
            let again = shown.again;
            let plural = if again == 1 { "" } else { "s" };
            let note = match diagnostic.object.as_deref() {
                Some((of, name)) if again > 0 => {
                    format!(
                        "{of} '{name}' and {again} more object{plural} failed here in the same way"
                    )
                }
                Some((of, name)) if shown.is_named => format!("it happened for {of} '{name}'"),
                None if again > 0 => format!("it happened {again} more time{plural}"),
                _ => continue,
            };
            diagnostic.advice.notes.push(note);
        }
    }
}
