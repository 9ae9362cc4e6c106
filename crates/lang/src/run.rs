//! The state of one thread of evaluation: limits, and access to what the edge handed in.

use std::cell::Cell;
use std::sync::Arc;

use crate::Sources;
use crate::doubt::Keeper;
use crate::env::Env;
use crate::fault::{Fault, Outcome};

/// How deep expressions may nest while they are evaluated; Icinga 2's limit.
pub(crate) const DEPTH_MAX: u32 = 300;
/// Steps that one file, or one object, may take.
pub(crate) const STEPS_MAX: u64 = 100_000_000;
/// Items of an array, or bytes of a string, that an operation may produce.
pub(crate) const SIZE_MAX: usize = 64 * 1024 * 1024;

/// One thread of evaluation.
pub(crate) struct Run<'a> {
    pub(crate) env: &'a Arc<Env>,
    /// Files and environment variables; only while loading and at the console.
    pub(crate) sources: Option<&'a dyn Sources>,
    depth: Cell<u32>,
    steps_left: Cell<u64>,
    steps_max: u64,
    /// Errors that do not end the evaluation.
    pub(crate) keeper: Keeper,
    /// No side effects.
    pub(crate) sandboxed: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new(env: &'a Arc<Env>, sources: Option<&'a dyn Sources>) -> Self {
        Self {
            env,
            sources,
            depth: Cell::new(0),
            steps_left: Cell::new(STEPS_MAX),
            steps_max: STEPS_MAX,
            keeper: Keeper::default(),
            sandboxed: false,
        }
    }

    /// Without side effects, and with a budget.
    pub(crate) fn sandbox(env: &'a Arc<Env>, steps: u64) -> Self {
        let mut run = Self::new(env, None);
        run.sandboxed = true;
        run.steps_max = steps;
        run.steps_left.set(steps);
        run
    }

    /// Starts the budget afresh.
    pub(crate) fn renew(&self) {
        self.steps_left.set(self.steps_max);
    }

    /// One level down; to be followed by [`Run::leave`] when it succeeds.
    pub(crate) fn enter(&self) -> Outcome<()> {
        let depth = self.depth.get();
        if depth >= DEPTH_MAX {
            return Err(Fault::script(
                "Stack overflow while evaluating expression: Recursion level too deep.",
            ));
        }
        self.step()?;
        self.depth.set(depth + 1);
        Ok(())
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
            None => Err(Fault::script(format!(
                "Evaluation takes too long: the limit of {} steps is exceeded.",
                self.steps_max
            ))),
        }
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

/// Refuses results that are too large.
pub(crate) fn check_size(size: usize) -> Outcome<()> {
    if size > SIZE_MAX {
        return Err(Fault::script(format!(
            "Value is too large: {size} bytes or items, the limit is {SIZE_MAX}."
        )));
    }
    Ok(())
}
