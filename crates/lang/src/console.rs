//! Expressions one by one, with what they leave behind.

use std::sync::Arc;

use bheka_value::schema::Catalogue;
use bheka_value::{Dictionary, Timestamp, Value};

use crate::diag::{LangDiagnostic, LogLine};
use crate::env::{Env, Settings};
use crate::eval::{Frame, eval_block};
use crate::load::{Globals, Report, load_system, parse_all, time_zone};
use crate::run::Run;
use crate::source::Origin;
use crate::{Sources, stack};

/// An interactive session: variables live from one input to the next.
pub struct Console {
    env: Arc<Env>,
    sources: Arc<dyn Sources>,
    locals: Arc<Dictionary>,
    inputs: u32,
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
            locals: Arc::default(),
            inputs: 0,
        }
    }

    /// Evaluates an input; `<1>`, `<2>`, … are the names of the inputs in messages.
    ///
    /// # Errors
    /// When the text does not parse ([`LangDiagnostic::is_syntax`]), or its evaluation fails.
    pub fn eval(&mut self, source: &str) -> Result<Value, LangDiagnostic> {
        self.inputs += 1;
        let path = format!("<{}>", self.inputs);
        self.eval_as(&path, source)
    }

    /// Evaluates a text under the name of a file.
    ///
    /// # Errors
    /// Like [`Console::eval`].
    pub fn eval_as(&mut self, path: &str, source: &str) -> Result<Value, LangDiagnostic> {
        let (env, sources, locals) = (&self.env, &self.sources, &self.locals);
        stack::with_large_stack(|| {
            let (source, diagnostics) = parse_all(env, path, source, Origin::default());
            if let Some(error) = diagnostics.into_iter().find(LangDiagnostic::is_error) {
                return Err(error);
            }
            let run = Run::new(env, Some(&**sources));
            let mut frame = Frame::new(&run, &source);
            frame.locals = Arc::clone(locals);
            frame.this = Value::Dictionary(Arc::clone(locals));
            eval_block(&mut frame, &source.block)
                .map_err(|stop| LangDiagnostic::error(env, stop.into_fault()))
        })
    }

    /// What was logged since the last call.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.env.take_log()
    }

    /// The globals of the session.
    #[must_use]
    pub fn globals(&self) -> Globals {
        Globals {
            env: Arc::clone(&self.env),
        }
    }
}

/// A closed session leaves no cycles behind.
impl Drop for Console {
    fn drop(&mut self) {
        self.globals().retire();
    }
}
