//! One invocation: a file, a function, the body of an object.

use std::cell::RefCell;
use std::sync::Arc;

use bheka_syntax::ast::Span;
use bheka_value::{Dictionary, Location, Map, Modification, Str, Value};

use crate::run::Run;
use crate::source::Source;

/// The scopes that an expression sees.
pub(crate) struct Frame<'r> {
    pub(crate) run: &'r Run<'r>,
    /// The text that is being evaluated.
    pub(crate) source: Arc<Source>,
    /// Local variables.
    pub(crate) locals: Arc<Dictionary>,
    pub(crate) this: Value,
    /// Where to note what set which attribute of `this`.
    pub(crate) hints: Option<&'r RefCell<Vec<Modification>>>,
}

impl<'r> Frame<'r> {
    /// With no locals, and the globals as `this`.
    pub(crate) fn new(run: &'r Run<'r>, source: &Arc<Source>) -> Self {
        Self::with(run, source, Map::new(), run.env.globals_value.clone())
    }

    pub(crate) fn with(run: &'r Run<'r>, source: &Arc<Source>, locals: Map, this: Value) -> Self {
        Self {
            run,
            source: Arc::clone(source),
            locals: Arc::new(Dictionary::new(locals)),
            this,
            hints: None,
        }
    }

    pub(crate) fn location(&self, span: Span) -> Location {
        self.source.location(span)
    }

    /// Sets a local variable.
    pub(crate) fn set_local(&self, name: impl Into<Str>, value: Value) {
        // Locals are frozen only when a script does it; then they stay as they are.
        let _ = self.locals.set(name, value);
    }

    /// Whether `this` is the dictionary of locals, as at the console.
    pub(crate) fn locals_value(&self) -> Value {
        Value::Dictionary(Arc::clone(&self.locals))
    }
}
