//! The state of one thread of evaluation: limits, and access to what the edge handed in.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bheka_value::{Timestamp, Value};

use crate::Sources;
use crate::doubt::Keeper;
use crate::env::{Env, Runtime};
use crate::fault::{Fault, Outcome};
use crate::filter::Guard;
use crate::namespace::{Namespace, namespace_value};

/// How deep expressions may nest while they are evaluated; Icinga 2's limit.
pub(crate) const DEPTH_MAX: u32 = 300;
/// Steps that one statement of a file, one object, or one input of the console may take.
pub(crate) const STEPS_MAX: u64 = 500_000_000;
/// Bytes of new values after which the memory of the whole process is looked at.
const BYTES_A_LOOK: u64 = 8 << 20;
/// Bytes that the values may take which one of those makes.
const BYTES_MAX: u64 = 2 << 30;
/// Steps that one call from outside may take: a function in an attribute, while the daemon waits.
const CALL_STEPS_MAX: u64 = 10_000_000;
/// Bytes that the values may take which a call from outside makes.
const CALL_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a string that an operation may produce.
pub(crate) const SIZE_MAX: usize = 64 << 20;
/// Items of an array, or entries of a dictionary, that an operation may produce.
const ITEMS_MAX: usize = 4 << 20;

/// The global variable that nobody may read in a sandbox: whoever knows it can sign tickets.
const SECRET_VARIABLE: &str = "TicketSalt";

/// The global variables that every filter may read: library and constants.
const ALWAYS_SEEN: [&str; 3] = ["System", "Types", "Icinga"];

/// Bytes for each step where only the steps are given.
const BYTES_A_STEP: u64 = 64;

/// What [`limit_evaluation`] set.
static STEPS_LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
static BYTES_LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// From now on no evaluation in this process may take more steps, or make more bytes of values,
/// than so many, whatever its own limit says. For tools that evaluate strange texts by the
/// thousand, such as fuzzers.
pub fn limit_evaluation(steps: u64, bytes: u64) {
    STEPS_LIMIT.store(steps, Ordering::Relaxed);
    BYTES_LIMIT.store(bytes, Ordering::Relaxed);
}

fn steps_max(wanted: u64) -> u64 {
    wanted.min(STEPS_LIMIT.load(Ordering::Relaxed))
}

fn bytes_max(wanted: u64) -> u64 {
    wanted.min(BYTES_LIMIT.load(Ordering::Relaxed))
}

/// One thread of evaluation.
pub(crate) struct Run<'a> {
    pub(crate) env: &'a Arc<Env>,
    /// Files and environment variables; only while loading and at the console.
    pub(crate) sources: Option<&'a dyn Sources>,
    depth: Cell<u32>,
    steps_left: Cell<u64>,
    steps_max: u64,
    bytes_left: Cell<u64>,
    bytes_max: u64,
    /// Bytes that were made since the memory of the process was looked at.
    unwatched: Cell<u64>,
    /// Errors that do not end the evaluation.
    pub(crate) keeper: Keeper,
    /// No side effects.
    pub(crate) sandboxed: bool,
    /// In a sandbox: functions that only look may be called, marked as safe or not.
    pub(crate) may_look: bool,
    /// In a sandbox: what of the configuration may be seen.
    pub(crate) guard: Option<&'a dyn Guard>,
    /// Bodies and conditions are evaluated: no further objects can be declared.
    pub(crate) committing: bool,
    /// Where objects and the time come from instead of the environment's runtime.
    runtime: Option<Arc<dyn Runtime>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(env: &'a Arc<Env>, sources: Option<&'a dyn Sources>) -> Self {
        Self {
            env,
            sources,
            depth: Cell::new(crate::stack::nesting()),
            steps_left: Cell::new(steps_max(STEPS_MAX)),
            steps_max: steps_max(STEPS_MAX),
            bytes_left: Cell::new(bytes_max(BYTES_MAX)),
            bytes_max: bytes_max(BYTES_MAX),
            unwatched: Cell::new(0),
            keeper: Keeper::default(),
            sandboxed: false,
            may_look: false,
            guard: None,
            committing: false,
            runtime: None,
        }
    }

    /// For the bodies of what was declared.
    pub(crate) fn committing(env: &'a Arc<Env>, sources: Option<&'a dyn Sources>) -> Self {
        let mut run = Self::new(env, sources);
        run.committing = true;
        run
    }

    /// With a budget, and objects and a clock of its own.
    pub(crate) fn guest(
        env: &'a Arc<Env>,
        sources: Option<&'a dyn Sources>,
        steps: u64,
        runtime: Option<Arc<dyn Runtime>>,
    ) -> Self {
        let mut run = Self::new(env, sources);
        run.limit(steps, steps.saturating_mul(BYTES_A_STEP).min(BYTES_MAX));
        run.runtime = runtime;
        run
    }

    /// For a call from outside the evaluator.
    pub(crate) fn call(env: &'a Arc<Env>) -> Self {
        let mut run = Self::new(env, None);
        run.sources = env
            .runtime_sources()
            .map(|sources| -> &dyn Sources { sources });
        run.limit(CALL_STEPS_MAX, CALL_BYTES_MAX);
        run
    }

    /// Whether it is a stranger in the environment, see [`Run::guest`].
    pub(crate) fn is_guest(&self) -> bool {
        self.runtime.is_some()
    }

    /// The current time.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.runtime {
            Some(runtime) => runtime.now(),
            None => self.env.now(),
        }
    }

    /// An object, as it stands.
    pub(crate) fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        match &self.runtime {
            Some(runtime) => runtime.object(type_name, name),
            None => self.env.object(type_name, name),
        }
    }

    /// All objects of a type.
    pub(crate) fn objects(&self, type_name: &str) -> Vec<Value> {
        match &self.runtime {
            Some(runtime) => runtime.objects(type_name),
            None => self.env.objects(type_name),
        }
    }

    /// Without side effects, and with a budget.
    pub(crate) fn sandbox(env: &'a Arc<Env>, steps: u64, bytes: u64) -> Self {
        let mut run = Self::new(env, None);
        run.sandboxed = true;
        run.limit(steps, bytes);
        run
    }

    fn limit(&mut self, steps: u64, bytes: u64) {
        self.steps_max = steps_max(steps);
        self.bytes_max = bytes_max(bytes);
        self.renew();
    }

    /// Starts the budget afresh.
    pub(crate) fn renew(&self) {
        self.steps_left.set(self.steps_max);
        self.bytes_left.set(self.bytes_max);
    }

    /// Steps that are left.
    pub(crate) fn steps_left(&self) -> u64 {
        self.steps_left.get()
    }

    /// One level down; to be followed by [`Run::leave`] when it succeeds.
    pub(crate) fn enter(&self) -> Outcome<()> {
        let depth = self.depth.get();
        if depth >= DEPTH_MAX {
            return Err(too_nested());
        }
        self.step()?;
        self.depth.set(depth + 1);
        Ok(())
    }

    /// How many levels down this is.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.get()
    }

    pub(crate) fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    /// Counts a step.
    pub(crate) fn step(&self) -> Outcome<()> {
        self.steps(1)
    }

    /// Counts many steps at once, for library functions whose work grows with their input.
    pub(crate) fn steps(&self, count: u64) -> Outcome<()> {
        match self.steps_left.get().checked_sub(count) {
            Some(left) => {
                self.steps_left.set(left);
                Ok(())
            }
            None => Err(self.too_long()),
        }
    }

    /// The error of an evaluation that needs more steps than it has.
    pub(crate) fn too_long(&self) -> Fault {
        Fault::script(format!(
            "Evaluation takes too long: the limit of {} steps is exceeded.",
            self.steps_max
        ))
        .note(
            "does a loop never end? Each statement of a file and each object has steps of its own: \
             work on less at once",
        )
    }

    /// Counts bytes of new values.
    pub(crate) fn bytes(&self, count: u64) -> Outcome<()> {
        match self.bytes_left.get().checked_sub(count) {
            Some(left) => self.bytes_left.set(left),
            None => {
                let text = format!(
                    "Evaluation needs too much memory: the limit of {} bytes is exceeded.",
                    self.bytes_max
                );
                return Err(Fault::script(text).note(
                    "does a loop add to a value without end? Each statement of a file and each \
                     object has bytes of its own",
                ));
            }
        }
        let unwatched = self.unwatched.get().saturating_add(count);
        self.unwatched.set(unwatched);
        if unwatched < BYTES_A_LOOK {
            return Ok(());
        }
        self.watch()
    }

    /// Refuses to go on when the process uses more memory than it may.
    fn watch(&self) -> Outcome<()> {
        // Who is over the limit is asked again at the next value.
        match self.sources.and_then(Sources::memory) {
            Some(memory) if memory.used > memory.max => Err(Fault::script(format!(
                "Configuration needs too much memory: the process uses {} MiB, the limit is {} MiB.",
                memory.used >> 20,
                memory.max >> 20
            ))
            .note("the limit is three quarters of the memory of this machine or control group")),
            _ => {
                self.unwatched.set(0);
                Ok(())
            }
        }
    }

    /// Counts bytes as free again.
    pub(crate) fn give_back(&self, count: u64) {
        let left = self.bytes_left.get().saturating_add(count);
        self.bytes_left.set(left.min(self.bytes_max));
    }

    /// A global variable, unless it is hidden.
    pub(crate) fn global(&self, name: &str) -> Option<Value> {
        if self.hides(name) {
            return None;
        }
        self.env.globals.get(name)
    }

    /// All global variables: in a sandbox a copy without those that are hidden.
    pub(crate) fn globals(&self) -> Value {
        if !self.sandboxed {
            return self.env.globals_value.clone();
        }
        let mut shown = self.env.globals.entries();
        shown.retain(|name, _| !self.hides(name));
        let namespace = Namespace::default();
        for (name, value) in shown {
            namespace.define(name, value);
        }
        namespace.close();
        namespace_value(&Arc::new(namespace))
    }

    fn hides(&self, name: &str) -> bool {
        if !self.sandboxed {
            return false;
        }
        let refused = |guard: &dyn Guard| !ALWAYS_SEEN.contains(&name) && !guard.variable(name);
        name == SECRET_VARIABLE || self.guard.is_some_and(refused)
    }

    /// Refuses what has side effects in a sandbox.
    pub(crate) fn forbid_in_sandbox(&self, what: &str) -> Outcome<()> {
        if self.sandboxed {
            return Err(Fault::script(format!(
                "{what} not allowed in sandbox mode."
            )));
        }
        Ok(())
    }
}

/// The error of expressions that nest too deep; the text is Icinga 2's.
pub(crate) fn too_nested() -> Fault {
    Fault::script("Stack overflow while evaluating expression: Recursion level too deep.")
        .note(format!("expressions and calls may nest {DEPTH_MAX} deep"))
}

/// Refuses strings that are too large.
pub(crate) fn check_size(size: usize) -> Outcome<()> {
    if size > SIZE_MAX {
        return Err(Fault::script(format!(
            "Value is too large: {size} bytes, the limit is {SIZE_MAX}."
        )));
    }
    Ok(())
}

/// Refuses arrays and dictionaries that are too large.
pub(crate) fn check_items(count: usize) -> Outcome<()> {
    if count > ITEMS_MAX {
        return Err(Fault::script(format!(
            "Value is too large: {count} items, the limit is {ITEMS_MAX}."
        )));
    }
    Ok(())
}
