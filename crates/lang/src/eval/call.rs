//! Functions: making them and calling them.

use std::fmt;
use std::sync::{Arc, Weak};

use bheka_syntax::ast::{Expr, FunctionExpr};
use bheka_value::{CallError, Callable, FunctionInfo, Location, Map, Str, Value};

use super::{Frame, access, assign, eval, eval_block};
use crate::convert::not_an;
use crate::cost::{Cost, HEAD_BYTES};
use crate::draft::{Draft, State, draft_value};
use crate::env::Env;
use crate::fault::{Eval, Fault, Outcome, Stop};
use crate::namespace::{Namespace, namespace_value};
use crate::run::Run;
use crate::source::Source;
use crate::stack;
use crate::types::{TypeEntry, as_type};

/// A function of the language with what it captured.
pub(crate) struct Closure {
    info: FunctionInfo,
    function: Arc<FunctionExpr>,
    source: Arc<Source>,
    captured: Map,
    env: Arc<Env>,
}

/// A function of the library.
pub(crate) struct Builtin {
    info: FunctionInfo,
    arity: Arity,
    cost: Cost,
    body: Body,
    env: Weak<Env>,
}

/// How many arguments a library function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    /// Exactly so many.
    Exact(usize),
    /// Any number; the function looks itself.
    Any,
}

/// What a library function gets.
pub(crate) struct Call<'c> {
    pub(crate) run: &'c Run<'c>,
    pub(crate) this: &'c Value,
    pub(crate) arguments: &'c [Value],
}

impl Call<'_> {
    /// An argument; `null` when it is not given.
    pub(crate) fn argument(&self, index: usize) -> &Value {
        const NONE: &Value = &Value::Empty;
        self.arguments.get(index).unwrap_or(NONE)
    }
}

pub(crate) type Body = Box<dyn Fn(&Call<'_>) -> Outcome + Send + Sync>;

impl Builtin {
    pub(crate) fn new(env: &Weak<Env>, info: FunctionInfo, arity: Arity, body: Body) -> Self {
        Self {
            cost: Cost::of(&info.name),
            info,
            arity,
            body,
            env: env.clone(),
        }
    }

    fn invoke(&self, run: &Run<'_>, this: &Value, arguments: &[Value]) -> Outcome {
        if run.sandboxed && !self.info.side_effect_free {
            // Look-ups (`get_host()`, `get_objects()`, …) change nothing, marked as safe or not.
            let name = self.info.name.as_str();
            let looks = ["Icinga#get_", "System#get_object", "System#get_template"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            if !(run.may_look && looks) {
                return Err(unsafe_call());
            }
        }
        if let Arity::Exact(wanted) = self.arity
            && wanted > 0
        {
            if arguments.len() < wanted {
                return Err(Fault::new("Too few arguments for function.")
                    .code("invalid-arguments")
                    .note(signature(&self.info, arguments.len())));
            }
            if arguments.len() > wanted {
                return Err(Fault::new("Too many arguments for function.")
                    .code("invalid-arguments")
                    .note(signature(&self.info, arguments.len())));
            }
        }
        self.cost.before(run, this, arguments)?;
        let result = (self.body)(&Call {
            run,
            this,
            arguments,
        })?;
        self.cost.after(run, &result)?;
        Ok(result)
    }
}

impl Callable for Builtin {
    fn info(&self) -> &FunctionInfo {
        &self.info
    }

    fn call(&self, this: Option<&Value>, arguments: &[Value]) -> Result<Value, CallError> {
        let env = self.env.upgrade().ok_or_else(gone)?;
        let run = Run::call(&env);
        let this = this.unwrap_or(&env.globals_value);
        self.invoke(&run, this, arguments).map_err(CallError::from)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

/// Whether a function is the library's of that name.
pub(crate) fn is_builtin(function: &Arc<dyn Callable>, name: &str) -> bool {
    let builtin = function.as_any().is_some_and(|any| any.is::<Builtin>());
    builtin && function.info().name.rsplit('#').next() == Some(name)
}

fn gone() -> CallError {
    CallError::new("the configuration that this function belongs to is no longer loaded")
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Builtin({})", self.info.name)
    }
}

impl Closure {
    fn invoke(&self, run: &Run<'_>, this: Value, arguments: &[Value]) -> Outcome {
        let parameters = &self.function.parameters;
        if arguments.len() < parameters.len() {
            return Err(Fault::new("Too few arguments for function")
                .code("invalid-arguments")
                .note(signature(&self.info, arguments.len())));
        }
        let mut locals = self.captured.clone();
        for (name, value) in parameters.iter().zip(arguments) {
            locals.insert(name.into(), value.clone());
        }
        let mut frame = Frame::with(run, &self.source, locals, this);
        match eval_block(&mut frame, &self.function.body) {
            Ok(value) | Err(Stop::Return(value)) => Ok(value),
            Err(stop) => Err(stop.into_fault()),
        }
    }

    /// Where it was written, for comparisons between generations.
    fn place(&self) -> Option<Location> {
        self.function
            .body
            .first()
            .map(|first| self.source.location(first.span))
    }
}

impl Callable for Closure {
    fn info(&self) -> &FunctionInfo {
        &self.info
    }

    fn call(&self, this: Option<&Value>, arguments: &[Value]) -> Result<Value, CallError> {
        let run = Run::call(&self.env);
        let this = this.unwrap_or(&self.env.globals_value).clone();
        self.invoke(&run, this, arguments).map_err(CallError::from)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

/// Closures that hold closures are dropped one after the other, however many there are.
impl Drop for Closure {
    fn drop(&mut self) {
        bheka_value::drop_flat(std::mem::take(&mut self.captured).into_values());
    }
}

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.info.name)?;
        self.place().map_or(Ok(()), |place| write!(f, " {place}"))
    }
}

/// `function …`, `(…) => …`, `{{ … }}`
pub(super) fn eval_function(frame: &mut Frame<'_>, function: &Arc<FunctionExpr>) -> Eval {
    let captured = capture(frame, &function.captures)?;
    let info = FunctionInfo {
        name: function
            .name
            .as_ref()
            .map_or_else(|| "<anonymous>".into(), Str::from),
        arguments: function.parameters.iter().map(Str::from).collect(),
        side_effect_free: false,
        deprecated: false,
    };
    let closure = Closure {
        info,
        function: Arc::clone(function),
        source: Arc::clone(&frame.source),
        captured,
        env: Arc::clone(frame.run.env),
    };
    let value = Value::Function(Arc::new(closure));
    frame.run.bytes(4 * HEAD_BYTES)?;
    let Some(name) = &function.name else {
        return Ok(value);
    };
    frame.run.forbid_in_sandbox("Assignments are")?;
    access::set_field(&frame.this, &Value::String(name.into()), value)?;
    Ok(Value::Empty)
}

/// The values of `use (a, b = c)`.
pub(crate) fn capture(frame: &mut Frame<'_>, captures: &[(Arc<str>, Option<Expr>)]) -> Eval<Map> {
    let mut captured = Map::new();
    for (name, value) in captures {
        let value = match value {
            Some(value) => eval(frame, value)?,
            None => captured_variable(frame, name)?,
        };
        captured.insert(name.into(), value);
    }
    Ok(captured)
}

fn captured_variable(frame: &mut Frame<'_>, name: &Arc<str>) -> Eval {
    if let Some(value) = frame.locals.get(name) {
        return Ok(value);
    }
    let expr = Expr {
        kind: bheka_syntax::ast::ExprKind::Variable(Arc::clone(name)),
        span: bheka_syntax::ast::Span {
            start: u32::MAX,
            end: u32::MAX,
        },
    };
    access::variable(frame, name, &expr)
}

/// `f(a, b)`: the object that the function is a field of becomes `this`.
pub(super) fn eval_call(frame: &mut Frame<'_>, function: &Expr, arguments: &[Expr]) -> Eval {
    let (this, callee) = match assign::resolve(frame, function, false, false)? {
        Some(place) => {
            let callee = access::get_field(frame.run, &place.parent, &place.index)
                .map_err(|fault| no_such_function(fault, frame, function))?;
            (Some(place.parent), callee)
        }
        None => (None, eval(frame, function)?),
    };
    if let Some(entry) = as_type(&callee) {
        let arguments = eval_arguments(frame, arguments)?;
        for argument in &arguments {
            frame.run.weigh(argument)?;
        }
        let made = construct(frame.run, &entry, &arguments)?;
        frame.run.made(&made)?;
        return Ok(made);
    }
    let Value::Function(callable) = &callee else {
        return Err(not_callable(frame, function, this.as_ref(), &callee).into());
    };
    let arguments = eval_arguments(frame, arguments)?;
    Ok(call(frame.run, callable, this.as_ref(), &arguments)?)
}

/// A bare name that nobody knows is looked for in `this` at last, so that an object complains about
/// a field; what was meant is a function.
fn no_such_function(fault: Fault, frame: &Frame<'_>, function: &Expr) -> Fault {
    let bheka_syntax::ast::ExprKind::Variable(name) = &function.kind else {
        return fault;
    };
    if !fault.lacks_field(name) {
        return fault;
    }
    let unknown = access::unknown_variable(frame, name).called();
    fault.unknown("unknown-function", unknown)
}

/// What is called is no function: nothing of that name, or another value.
fn not_callable(frame: &Frame<'_>, function: &Expr, this: Option<&Value>, callee: &Value) -> Fault {
    use bheka_syntax::ast::ExprKind;
    let fault = Fault::script("Argument is not a callable object.");
    if !callee.is_empty() {
        let kind = crate::convert::kind_name(callee);
        return fault
            .code("not-callable")
            .note(format!("it is a value of type '{kind}', not a function"));
    }
    let unknown = match (&function.kind, this) {
        (ExprKind::Variable(name), _) => access::unknown_variable(frame, name).called(),
        (ExprKind::Index { base, index }, Some(this)) => match (&base.kind, &index.kind) {
            // `Jsn.encode()`: what stands before the dot is not there.
            (ExprKind::Variable(owner), ExprKind::String(_)) if this.is_empty() => {
                access::unknown_variable(frame, owner).owner()
            }
            (_, ExprKind::String(name)) => access::unknown_field(this, name),
            _ => return fault.code("not-callable"),
        },
        _ => return fault.code("not-callable"),
    };
    fault.unknown("unknown-function", unknown)
}

/// `match() takes 2 or more…`: how a function wants to be called.
fn signature(info: &FunctionInfo, given: usize) -> String {
    let name = info.name.rsplit('#').next().unwrap_or_default();
    let arguments: Vec<&str> = info.arguments.iter().map(Str::as_str).collect();
    format!(
        "'{name}({})' takes {}, {given} given",
        arguments.join(", "),
        match arguments.len() {
            0 => "no arguments".to_owned(),
            1 => "1 argument".to_owned(),
            count => format!("{count} arguments"),
        }
    )
}

fn eval_arguments(frame: &mut Frame<'_>, arguments: &[Expr]) -> Eval<Vec<Value>> {
    arguments
        .iter()
        .map(|argument| eval(frame, argument))
        .collect()
}

/// Calls any function from within the evaluator.
pub(crate) fn call(
    run: &Run<'_>,
    callable: &Arc<dyn Callable>,
    this: Option<&Value>,
    arguments: &[Value],
) -> Outcome {
    run.env.check_interrupted()?;
    let any = callable.as_any();
    if let Some(builtin) = any.and_then(|any| any.downcast_ref::<Builtin>()) {
        let globals = this.is_none().then(|| run.globals());
        let this = this.or(globals.as_ref()).unwrap_or(&Value::Empty);
        return builtin.invoke(run, this, arguments);
    }
    if run.sandboxed && !callable.info().side_effect_free {
        return Err(unsafe_call());
    }
    if let Some(closure) = any.and_then(|any| any.downcast_ref::<Closure>()) {
        let this = this.unwrap_or(&run.env.globals_value).clone();
        return closure.invoke(run, this, arguments);
    }
    stack::leaving(run.depth(), || callable.call(this, arguments)).map_err(Fault::from)
}

fn unsafe_call() -> Fault {
    Fault::script("Function is not marked as safe for sandbox mode.")
}

/// Calls an argument of a library function.
pub(crate) fn call_value(run: &Run<'_>, function: &Value, arguments: &[Value]) -> Outcome {
    match function {
        Value::Function(callable) => call(run, callable, None, arguments),
        other => Err(not_an("Function", "function", other)),
    }
}

/// `T(…)`
fn construct(run: &Run<'_>, entry: &Arc<TypeEntry>, arguments: &[Value]) -> Outcome {
    use crate::convert::{to_number, to_text};
    let first = arguments.first();
    match entry.name.as_str() {
        "String" | "Number" | "Boolean" if arguments.len() > 1 => {
            return Err(Fault::new("Too many arguments for constructor."));
        }
        "String" => return Ok(Value::String(first.map(to_text).unwrap_or_default())),
        "Number" => return Ok(Value::Number(first.map_or(Ok(0.0), to_number)?)),
        // Without an argument it makes a number, as Icinga 2 does.
        "Boolean" => {
            return Ok(first.map_or(Value::Number(0.0), |value| Value::Boolean(value.is_true())));
        }
        "DateTime" if first.is_none_or(|only| only.type_name() != "DateTime") => {
            return crate::builtins::datetime::construct(run, arguments);
        }
        "DateTime" if arguments.len() > 1 => {
            return crate::builtins::datetime::construct(run, arguments);
        }
        _ => {}
    }
    if let [only] = arguments
        && run
            .env
            .type_of(only)
            .is_some_and(|of| of.inherits(&entry.name))
        && !only.is_empty()
    {
        return Ok(only.clone());
    }
    if !entry.instantiable {
        return Err(Fault::new("Type does not have a factory function."));
    }
    if !arguments.is_empty() {
        return Err(Fault::new("Constructor does not take any arguments."));
    }
    Ok(match entry.name.as_str() {
        "Array" => Value::array([]),
        "Dictionary" => Value::dictionary::<&str>([]),
        "Namespace" => namespace_value(&Arc::new(Namespace::default())),
        _ => draft_value(&Draft::new(entry, Location::default(), State::default())),
    })
}
