//! Expressions of strangers: no side effects, and a budget.

use std::sync::{Arc, OnceLock};

use bheka_value::schema::{Catalogue, TypeInfo};
use bheka_value::{CallError, Map, Str, Timestamp, Value};

use crate::diag::LangDiagnostic;
use crate::env::{Env, Settings};
use crate::eval::{Frame, eval_block};
use crate::load::Globals;
use crate::run::Run;
use crate::source::{Origin, Source};

/// Steps that one evaluation of a filter may take.
pub const FILTER_STEPS_MAX: u64 = 1_000_000;

/// Bytes that the values may take which one evaluation of a filter makes.
const FILTER_BYTES_MAX: u64 = 16 << 20;

/// A compiled expression, as the filters of the API are.
#[derive(Debug, Clone)]
pub struct Filter {
    source: Arc<Source>,
}

impl Filter {
    /// Parses an expression.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn compile(source: &str) -> Result<Self, LangDiagnostic> {
        let parsed = bheka_syntax::parse(source);
        let compiled = Source::new("<API query>", source, parsed.block, Origin::default());
        let error = parsed
            .diagnostics
            .into_iter()
            .find(|diagnostic| diagnostic.severity == bheka_syntax::Severity::Error);
        match error {
            None => Ok(Self {
                source: Arc::new(compiled),
            }),
            Some(error) => {
                let mut error = LangDiagnostic::of_text(&compiled, error);
                error.is_syntax = true;
                Err(error)
            }
        }
    }

    /// Evaluates it with these variables, the library and nothing of a configuration.
    ///
    /// # Errors
    /// When evaluation fails, would have a side effect, or exceeds [`FILTER_STEPS_MAX`].
    pub fn eval(&self, scope: &[(&str, Value)]) -> Result<Value, CallError> {
        static BARE: OnceLock<Arc<Env>> = OnceLock::new();
        let env = BARE.get_or_init(|| {
            Env::new(Settings {
                catalogue: &NoTypes,
                constants: Vec::new(),
                include_dirs: Vec::new(),
                now: Timestamp::NEVER,
                zone: jiff::tz::TimeZone::UTC,
                tracking: false,
                threads: 1,
            })
        });
        self.run(env, scope)
    }

    /// Evaluates it with these variables and the globals of a configuration: constants,
    /// functions, `get_host()`.
    ///
    /// # Errors
    /// Like [`Filter::eval`].
    pub fn eval_in(&self, globals: &Globals, scope: &[(&str, Value)]) -> Result<Value, CallError> {
        self.run(&globals.env, scope)
    }

    fn run(&self, env: &Arc<Env>, scope: &[(&str, Value)]) -> Result<Value, CallError> {
        let run = Run::sandbox(env, FILTER_STEPS_MAX, FILTER_BYTES_MAX);
        let locals: Map = scope
            .iter()
            .map(|(name, value)| (Str::from(*name), value.clone()))
            .collect();
        let this = Value::dictionary::<&str>([]);
        let mut frame = Frame::with(&run, &self.source, locals, this);
        eval_block(&mut frame, &self.source.block).map_err(|stop| stop.into_fault().into())
    }
}

struct NoTypes;

impl Catalogue for NoTypes {
    fn type_info(&self, _name: &str) -> Option<&'static TypeInfo> {
        None
    }

    fn types(&self) -> &'static [&'static TypeInfo] {
        &[]
    }
}
