//! Expressions one by one, with what they leave behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bheka_value::schema::Catalogue;
use bheka_value::{Dictionary, Timestamp, Value};

use crate::complete::{complete, is_incomplete_there};
use crate::cost::check_finite;
use crate::diag::{LangDiagnostic, LogLine};
use crate::env::{Env, Runtime, Settings};
use crate::eval::{Frame, eval_block};
use crate::fault::Fault;
use crate::load::{Globals, Report, load_system, time_zone};
use crate::run::{Run, STEPS_MAX};
use crate::source::{Origin, Source};
use crate::{Sources, stack};

/// An interactive session: variables live from one input to the next.
pub struct Console {
    env: Arc<Env>,
    sources: Arc<dyn Sources>,
    runtime: Option<Arc<dyn Runtime>>,
    locals: Arc<Dictionary>,
    steps_max: u64,
    inputs: u32,
    /// The inputs, for the excerpts of errors in functions that they defined.
    texts: VecDeque<Arc<Source>>,
    /// Whether the environment is the session's own, and ends with it.
    owns: bool,
}

/// Ends the evaluation that a console is busy with.
#[derive(Clone, Debug)]
pub struct Interrupter(Arc<AtomicBool>);

impl Interrupter {
    /// Ends the evaluation, with an error. Nothing happens where there is none.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a console starts from.
pub struct ConsoleSettings {
    /// The table of types.
    pub catalogue: &'static dyn Catalogue,
    /// Files and environment variables.
    pub sources: Arc<dyn Sources>,
    /// Where `include <…>` looks.
    pub include_dirs: Vec<String>,
    /// Globals; see [`crate::Load::constants`].
    pub constants: Vec<(String, Value)>,
    /// The time, for `get_time()`.
    pub now: Timestamp,
}

/// What an input may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// Everything.
    Off,
    /// Nothing that has side effects, and only functions marked as safe.
    On,
    /// Nothing that has side effects; `get_host()` and the like may look, though Icinga 2 does not
    /// mark them as safe.
    Looking,
}

/// Inputs whose text is kept.
const TEXTS_MAX: usize = 100;

/// Bytes of text that are kept.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Steps that the base of a completion may take.
const COMPLETION_STEPS_MAX: u64 = 1_000_000;

impl Console {
    /// A session with the system's templates and nothing else.
    #[must_use]
    pub fn new(settings: ConsoleSettings) -> Self {
        let env = Env::new(Settings {
            catalogue: settings.catalogue,
            constants: settings.constants,
            include_dirs: settings.include_dirs,
            now: settings.now,
            zone: time_zone(&*settings.sources),
            tracking: false,
            threads: 1,
        });
        let sources = settings.sources;
        stack::with_large_stack(|| {
            let run = Run::new(&env, Some(&*sources));
            env.registry.open();
            load_system(&run, &mut Report::default());
            env.registry.close();
        });
        Self {
            env,
            sources,
            runtime: None,
            locals: Arc::default(),
            steps_max: STEPS_MAX,
            inputs: 0,
            texts: VecDeque::new(),
            owns: true,
        }
    }

    /// A session within a loaded configuration: its globals are the session's, and what is logged
    /// goes where its log goes. Objects and the time come from `runtime`. An input may take
    /// `steps_max` steps. Its value may be large, deep, or contain itself: see to that before it is
    /// written down.
    #[must_use]
    pub fn within(
        globals: &Globals,
        sources: Arc<dyn Sources>,
        runtime: Arc<dyn Runtime>,
        steps_max: u64,
    ) -> Self {
        Self {
            env: Arc::clone(&globals.env),
            sources,
            runtime: Some(runtime),
            locals: Arc::default(),
            steps_max,
            inputs: 0,
            texts: VecDeque::new(),
            owns: false,
        }
    }

    /// Evaluates an input; `<1>`, `<2>`, … are the names of the inputs in messages.
    ///
    /// # Errors
    /// When the text does not parse ([`LangDiagnostic::is_syntax`]), or its evaluation fails.
    pub fn eval(&mut self, source: &str) -> Result<Value, LangDiagnostic> {
        self.eval_in(source, Sandbox::Off)
    }

    /// [`Console::eval`], with less rights.
    ///
    /// # Errors
    /// Like [`Console::eval`], and when the sandbox forbids something.
    pub fn eval_in(&mut self, source: &str, sandbox: Sandbox) -> Result<Value, LangDiagnostic> {
        self.inputs = self.inputs.wrapping_add(1);
        let path = format!("<{}>", self.inputs);
        self.evaluate(&path, source, sandbox)
    }

    /// Evaluates a text under the name of a file.
    ///
    /// # Errors
    /// Like [`Console::eval`].
    pub fn eval_as(&mut self, path: &str, source: &str) -> Result<Value, LangDiagnostic> {
        self.evaluate(path, source, Sandbox::Off)
    }

    /// Evaluates a text under the name of a file, with the rights that `sandbox` leaves.
    ///
    /// # Errors
    /// Like [`Console::eval_in`].
    pub fn evaluate(
        &mut self,
        path: &str,
        text: &str,
        sandbox: Sandbox,
    ) -> Result<Value, LangDiagnostic> {
        let source = self.parse(path, text)?;
        self.keep(&source);
        if self.owns {
            // An interruption ends what was evaluated when it came, and nothing later.
            self.env.interrupted.store(false, Ordering::Relaxed);
        }
        let session = &*self;
        stack::with_large_stack(|| {
            let outcome = session.run_source(&source, sandbox, session.steps_max);
            let outcome = outcome.and_then(|value| {
                // Who brings a runtime has objects that are dear to look through, and looks itself.
                if session.runtime.is_none() {
                    check_finite(&value)?;
                }
                Ok(value)
            });
            outcome.map_err(|fault| session.diagnostic(fault))
        })
    }

    /// What ends an evaluation of this session from another thread. A session within a loaded
    /// configuration has none: it would end whatever else is evaluated there.
    #[must_use]
    pub fn interrupter(&self) -> Option<Interrupter> {
        self.owns
            .then(|| Interrupter(Arc::clone(&self.env.interrupted)))
    }

    /// Whether Icinga 2 would take a text that did not parse for one that only ends too early.
    #[must_use]
    pub fn lacks_an_end(text: &str) -> bool {
        is_incomplete_there(text)
    }

    /// The text of an earlier input, or the latest under that name.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        let mut texts = self.texts.iter().rev();
        texts
            .find(|source| &*source.path == path)
            .map(|source| &*source.text)
    }

    /// All words that begin as `word` does: behind a dot the members of the value before it, else
    /// words of the language, variables and functions. What stands before the dot is evaluated
    /// without side effects, with the rights that `sandbox` leaves.
    #[must_use]
    pub fn complete(&self, word: &str, sandbox: Sandbox) -> Vec<String> {
        let sandbox = match sandbox {
            Sandbox::Off => Sandbox::Looking,
            other => other,
        };
        stack::with_large_stack(|| {
            let Ok(empty) = self.parse("<completion>", "") else {
                return Vec::new();
            };
            let run = self.start(sandbox, COMPLETION_STEPS_MAX);
            let frame = self.frame(&run, &empty);
            complete(&frame, word, |base| {
                let source = self.parse("<completion>", base).ok()?;
                self.run_source(&source, sandbox, COMPLETION_STEPS_MAX).ok()
            })
        })
    }

    /// Forgets the variables of the session; globals stay.
    pub fn forget(&mut self) {
        if let Ok(mut locals) = self.locals.write() {
            let entries = std::mem::take(&mut *locals);
            drop(locals);
            drop(entries);
        }
        self.locals = Arc::default();
    }

    /// What was logged since the last call; nothing where a runtime takes the log.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        if self.owns {
            self.env.take_log()
        } else {
            Vec::new()
        }
    }

    /// The globals of the session.
    #[must_use]
    pub fn globals(&self) -> Globals {
        Globals {
            env: Arc::clone(&self.env),
        }
    }

    fn start(&self, sandbox: Sandbox, steps: u64) -> Run<'_> {
        let mut run = Run::guest(&self.env, Some(&*self.sources), steps, self.runtime.clone());
        run.sandboxed = sandbox != Sandbox::Off;
        run.may_look = sandbox == Sandbox::Looking;
        run
    }

    fn frame<'r>(&self, run: &'r Run<'r>, source: &Arc<Source>) -> Frame<'r> {
        let mut frame = Frame::new(run, source);
        frame.locals = Arc::clone(&self.locals);
        frame.this = Value::Dictionary(Arc::clone(&self.locals));
        frame
    }

    fn run_source(
        &self,
        source: &Arc<Source>,
        sandbox: Sandbox,
        steps: u64,
    ) -> Result<Value, Fault> {
        let run = self.start(sandbox, steps);
        let mut frame = self.frame(&run, source);
        eval_block(&mut frame, &source.block).map_err(crate::fault::Stop::into_fault)
    }

    fn parse(&self, path: &str, text: &str) -> Result<Arc<Source>, LangDiagnostic> {
        let parsed = bheka_syntax::parse(text);
        let source = Source::new(path, text, parsed.block, Origin::default());
        let error = parsed
            .diagnostics
            .into_iter()
            .find(|diagnostic| diagnostic.severity == bheka_syntax::Severity::Error);
        if let Some(error) = error {
            return Err(LangDiagnostic::of_text(&source, error));
        }
        for apply in &parsed.applies {
            if let Err(fault) = crate::eval::declare::apply_types(&self.env, &source, apply) {
                let mut diagnostic = LangDiagnostic::error(&self.env, fault);
                diagnostic.is_syntax = true;
                let location = diagnostic.location.as_ref();
                diagnostic.excerpt = location.map(|location| source.excerpt(location));
                return Err(diagnostic);
            }
        }
        Ok(Arc::new(source))
    }

    /// Keeps an input for later messages, and forgets the oldest ones.
    fn keep(&mut self, source: &Arc<Source>) {
        self.texts.push_back(Arc::clone(source));
        let mut bytes: usize = self.texts.iter().map(|source| source.text.len()).sum();
        while self.texts.len() > 1 && (self.texts.len() > TEXTS_MAX || bytes > TEXT_BYTES_MAX) {
            let oldest = self.texts.pop_front();
            bytes -= oldest.map_or(0, |source| source.text.len());
        }
    }

    fn diagnostic(&self, fault: Fault) -> LangDiagnostic {
        let mut diagnostic = LangDiagnostic::error(&self.env, fault);
        if let Some(location) = &diagnostic.location {
            let mut texts = self.texts.iter().rev();
            if let Some(source) = texts.find(|source| source.path == location.path) {
                diagnostic.excerpt = Some(source.excerpt(location));
            }
        }
        diagnostic
    }
}

/// A closed session leaves no cycles behind.
impl Drop for Console {
    fn drop(&mut self) {
        if let Ok(mut locals) = self.locals.write() {
            let entries = std::mem::take(&mut *locals);
            drop(locals);
            drop(entries);
        }
        if self.owns {
            self.globals().retire();
        }
    }
}
