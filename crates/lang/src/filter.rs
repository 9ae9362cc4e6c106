//! Expressions of strangers: no side effects, and a budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bheka_syntax::ast::Expr;
use bheka_value::schema::{Catalogue, TypeInfo};
use bheka_value::{CallError, Map, Str, Timestamp, Value};

use crate::diag::LangDiagnostic;
use crate::env::{Env, Settings};
use crate::eval::{Frame, eval_block};
use crate::load::Globals;
use crate::run::Run;
use crate::source::{Origin, Source, each_child};
use crate::stack::with_large_stack;

/// Steps that one evaluation of a filter may take.
pub const FILTER_STEPS_MAX: u64 = 1_000_000;

/// Steps that all evaluations of a filter may take together: one request looks at all objects.
const FILTER_STEPS_TOTAL: u64 = 1_000_000_000;

/// What a filter may see beside its variables: an expression must not tell its author what he has
/// no right to ask for.
pub trait Guard: Sync {
    /// Whether a global variable may be read. Others are as if they were not there.
    fn variable(&self, name: &str) -> bool;

    /// Whether `get_object()` may yield an object. Others are as if they were not there.
    fn object(&self, object: &Value) -> bool;
}

/// Bytes that the values may take which one evaluation of a filter makes.
const FILTER_BYTES_MAX: u64 = 16 << 20;

/// A compiled expression, as the filters of the API are.
#[derive(Debug, Clone)]
pub struct Filter {
    source: Arc<Source>,
    /// Whether its expressions nest so deep that an ordinary stack might be too small.
    is_deep: bool,
    /// Steps that are left to all evaluations together.
    steps_left: Arc<AtomicU64>,
}

impl Filter {
    /// Parses an expression.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn compile(source: &str) -> Result<Self, LangDiagnostic> {
        with_large_stack(|| Self::compile_here(source))
    }

    fn compile_here(source: &str) -> Result<Self, LangDiagnostic> {
        let parsed = bheka_syntax::parse(source);
        let compiled = Source::new("<API query>", source, parsed.block, Origin::default());
        let error = parsed
            .diagnostics
            .into_iter()
            .find(|diagnostic| diagnostic.severity == bheka_syntax::Severity::Error);
        match error {
            None => Ok(Self {
                is_deep: compiled.block.iter().any(|expr| is_higher(expr, DEEP)),
                source: Arc::new(compiled),
                steps_left: Arc::new(AtomicU64::new(FILTER_STEPS_TOTAL)),
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
        self.run(env, scope, None)
    }

    /// Evaluates it with these variables and the globals of a configuration: constants,
    /// functions, `get_host()`.
    ///
    /// # Errors
    /// Like [`Filter::eval`].
    pub fn eval_in(&self, globals: &Globals, scope: &[(&str, Value)]) -> Result<Value, CallError> {
        self.run(&globals.env, scope, None)
    }

    /// As [`Filter::eval_in`], for somebody who may not see all of the configuration.
    ///
    /// # Errors
    /// Like [`Filter::eval`].
    pub fn eval_guarded(
        &self,
        globals: &Globals,
        scope: &[(&str, Value)],
        guard: &dyn Guard,
    ) -> Result<Value, CallError> {
        self.run(&globals.env, scope, Some(guard))
    }

    fn run(
        &self,
        env: &Arc<Env>,
        scope: &[(&str, Value)],
        guard: Option<&dyn Guard>,
    ) -> Result<Value, CallError> {
        if self.is_deep {
            with_large_stack(|| self.run_here(env, scope, guard))
        } else {
            self.run_here(env, scope, guard)
        }
    }

    fn run_here(
        &self,
        env: &Arc<Env>,
        scope: &[(&str, Value)],
        guard: Option<&dyn Guard>,
    ) -> Result<Value, CallError> {
        let before = self.steps_left.load(Ordering::Relaxed);
        if before == 0 {
            return Err(CallError::new(format!(
                "Evaluation takes too long: the limit of {FILTER_STEPS_TOTAL} steps for all objects \
                 together is exceeded."
            )));
        }
        let mut run = Run::sandbox(env, FILTER_STEPS_MAX, FILTER_BYTES_MAX);
        run.guard = guard;
        let allowed = run.steps_left();
        let locals: Map = scope
            .iter()
            .map(|(name, value)| (Str::from(*name), value.clone()))
            .collect();
        let this = Value::dictionary::<&str>([]);
        let mut frame = Frame::with(&run, &self.source, locals, this);
        let outcome = eval_block(&mut frame, &self.source.block);
        let used = allowed.saturating_sub(run.steps_left());
        let left = before.saturating_sub(used);
        self.steps_left.store(left, Ordering::Relaxed);
        outcome.map_err(|stop| stop.into_fault().into())
    }
}

/// Levels of expressions for which any stack has room.
const DEEP: usize = 32;

fn is_higher(expr: &Expr, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else {
        return true;
    };
    let mut found = false;
    each_child(expr, &mut |child| found = found || is_higher(child, levels));
    found
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
