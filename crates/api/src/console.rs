//! `POST /v1/console/execute-script` and `…/auto-complete-script`: scripts in the running
//! configuration. (Manual, chapter 12, "Debug Console".)
//!
//! A script reads what is published, as every request does, so that it holds up neither the writer
//! nor other requests; it has a budget of steps, and its answer one of size. What it changes in live
//! objects are commands, applied in order when it has ended, before the answer is sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bheka_lang::{Console, Globals, LangDiagnostic, LogLine, Runtime, Sandbox};
use bheka_model::{CheckResult, CheckableName, Command, ConfigObject};
use bheka_value::schema::Flags;
use bheka_value::{CallError, Location, MAX_NESTING, ObjectView, Str, Timestamp, Value};

use crate::backend::Backend;
use crate::params::{Params, to_number};
use crate::permission;
use crate::response::{Handled, Response, ResultsWriter};
use crate::view::Snapshot;

/// A session that nobody uses for so long ends (manual: 30 minutes).
const IDLE_MAX_S: f64 = 30.0 * 60.0;

/// Sessions at once; the one that was not used for longest makes room.
const SESSIONS_MAX: usize = 100;

/// Steps that a script may take: a second or some. They bound the memory it takes, too.
const STEPS_MAX: u64 = 10_000_000;

/// Roughly how many bytes of memory a result may take.
const RESULT_BYTES_MAX: usize = 128 << 20;

/// Commands that one script may make.
const COMMANDS_MAX: usize = 10_000;

/// What the console answers, or `None` where Icinga 2 finds no such path: the permission lacks, or
/// `sandboxed` is no number.
pub(crate) fn handle(
    sessions: &Sessions,
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    method: &str,
    params: &Params,
) -> Option<Handled> {
    if !permission::has(user, "console") {
        return None;
    }
    let sandboxed = params.flag("sandboxed").ok()?;
    let request = Request {
        session: params.last_text("session"),
        command: params.last_text("command"),
        sandboxed,
        diagnostics: params.last("diagnostics").is_true(),
    };
    let globals = snapshot.backend.globals();
    let Some(globals) = globals else {
        return Some(Response::error(
            503,
            params,
            "No configuration is loaded.",
            None,
        ));
    };
    let session = sessions.get(snapshot, &globals, user, &request.session);
    Some(match method {
        "execute-script" => execute(&session, snapshot, &request, params),
        "auto-complete-script" => complete(&session, &request, params),
        other => {
            let text = format!("Invalid method specified: {other}");
            Response::error(400, params, &text, None)
        }
    })
}

struct Request {
    session: Str,
    command: Str,
    sandboxed: bool,
    /// Whether the client wants to know of an error what Icinga 2 does not tell.
    diagnostics: bool,
}

fn execute(
    session: &Session,
    snapshot: &Arc<Snapshot>,
    request: &Request,
    params: &Params,
) -> Handled {
    let mut console = session.lock();
    let sandbox = if request.sandboxed {
        Sandbox::On
    } else {
        Sandbox::Off
    };
    let outcome = console.eval_in(&request.command, sandbox);
    let entry = match outcome {
        Ok(value) => match plain(snapshot, &value) {
            Ok(value) => Value::dictionary([
                ("code", Value::Number(200.0)),
                ("result", value),
                ("status", Value::string("Executed successfully.")),
            ]),
            Err(TooLarge) => Value::dictionary([
                ("code", Value::Number(500.0)),
                ("incomplete_expression", Value::Boolean(false)),
                ("status", Value::string(TooLarge::TEXT)),
            ]),
        },
        Err(error) => complaint(&console, request, &error),
    };
    drop(console);
    let mut writer = ResultsWriter::new(params)?;
    writer.value(&entry);
    Ok(Response {
        commands: session.scene.take_commands(),
        ..Response::json_text(200, writer.finish())
    })
}

fn complete(session: &Session, request: &Request, params: &Params) -> Handled {
    let sandbox = if request.sandboxed {
        Sandbox::On
    } else {
        Sandbox::Looking
    };
    let suggestions = session.lock().complete(&request.command, sandbox);
    let suggestions = suggestions.into_iter().map(Value::from);
    let mut writer = ResultsWriter::new(params)?;
    writer.value(&Value::dictionary([
        ("code", Value::Number(200.0)),
        ("status", Value::string("Auto-completed successfully.")),
        ("suggestions", Value::array(suggestions)),
    ]));
    Ok(Response::json_text(200, writer.finish()))
}

/// What is wrong with a script: the text with a mark below it, and the place apart.
fn complaint(console: &Console, request: &Request, error: &LangDiagnostic) -> Value {
    let command = request.command.as_str();
    let incomplete = error.is_syntax && Console::lacks_an_end(command);
    let mut entries = vec![
        ("code", Value::Number(500.0)),
        ("incomplete_expression", Value::Boolean(incomplete)),
    ];
    let mut status = format!("{}\n", error.message);
    if let Some(place) = &error.location {
        let text = console
            .text(&place.path)
            .or(error.is_syntax.then_some(command))
            .unwrap_or_default();
        let columns = Columns::of(place, text);
        status = format!("{}\n{status}", marked(&columns, &place.path, text));
        entries.push(("debug_info", debug_info(place, &columns)));
    }
    entries.push(("status", Value::from(status)));
    if request.diagnostics {
        entries.push(("diagnostic", diagnostic(error)));
    }
    Value::dictionary(entries)
}

/// What helps to mend an error, under the names of the findings of `daemon -C`.
fn diagnostic(error: &LangDiagnostic) -> Value {
    let texts = |texts: &[String]| Value::array(texts.iter().map(|it| Value::string(it.as_str())));
    let excerpt = error.excerpt.as_deref().map(Value::string);
    Value::dictionary([
        ("code", Value::string(error.advice.code)),
        ("excerpt", excerpt.unwrap_or_default()),
        ("notes", texts(&error.advice.notes)),
        ("suggestions", texts(&error.advice.suggestions)),
    ])
}

/// The whole text behind its name, and carets below its last line: columns count from there.
fn marked(place: &Columns, path: &str, text: &str) -> String {
    let before = path.len() + 2 + place.first as usize;
    let count = (place.last + 1).saturating_sub(place.first) as usize;
    format!(
        "{path}: {text}\n{}{}",
        " ".repeat(before),
        "^".repeat(count)
    )
}

/// The columns of a place as Icinga 2 counts them: from 0 in the first line, from 1 in others. The
/// end of the text behind a line end is column 0.
struct Columns {
    first: u32,
    last: u32,
}

impl Columns {
    fn of(place: &Location, text: &str) -> Self {
        let end = text.split('\n').count();
        let column = |line: u32, column: u32| {
            let is_end = line as usize == end && text.ends_with('\n');
            if line <= 1 || is_end {
                column.max(1) - 1
            } else {
                column
            }
        };
        Self {
            first: column(place.first_line, place.first_column),
            last: column(place.last_line, place.last_column),
        }
    }
}

fn debug_info(place: &Location, columns: &Columns) -> Value {
    let number = |number: u32| Value::Number(f64::from(number));
    Value::dictionary([
        ("path", Value::string(&*place.path)),
        ("first_line", number(place.first_line)),
        ("first_column", number(columns.first)),
        ("last_line", number(place.last_line)),
        ("last_column", number(columns.last)),
    ])
}

/// All sessions, by user and name.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<(Str, Str), Arc<Session>>>,
}

impl Sessions {
    /// The session of that name, a new one when there is none; one for this request alone when it
    /// has no name.
    fn get(
        &self,
        snapshot: &Arc<Snapshot>,
        globals: &Globals,
        user: &ConfigObject,
        name: &Str,
    ) -> Arc<Session> {
        let now = snapshot.now;
        if name.is_empty() {
            return Session::new(snapshot, globals);
        }
        self.sweep(now, Some(globals));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (user.name.clone(), name.clone());
        if let Some(session) = open.get(&key) {
            session.touch(now);
            return Arc::clone(session);
        }
        let mut dropped = None;
        if open.len() >= SESSIONS_MAX {
            let oldest = open.iter().min_by(|left, right| {
                let (left, right) = (left.1.used().seconds(), right.1.used().seconds());
                left.total_cmp(&right)
            });
            let oldest = oldest.map(|(key, _)| key.clone());
            dropped = oldest.and_then(|key| open.remove(&key));
        }
        let session = Session::new(snapshot, globals);
        open.insert(key, Arc::clone(&session));
        drop(open);
        drop(dropped);
        session
    }

    /// Ends sessions that nobody uses any more, and those of a configuration that is no longer in
    /// force: after a reload their functions have nothing to work on.
    pub(crate) fn sweep(&self, now: Timestamp, globals: Option<&Globals>) {
        let mut ended = Vec::new();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| {
            let is_idle = now.seconds() - session.used().seconds() > IDLE_MAX_S;
            let stays = !is_idle && globals.is_some_and(|globals| session.is_within(globals));
            if !stays {
                ended.push(Arc::clone(session));
            }
            stays
        });
        drop(open);
        // Values may be large: they come free without the lock.
        drop(ended);
    }

    /// Whether there is nothing to sweep.
    pub(crate) fn is_empty(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.is_empty()
    }
}

/// Variables of a client.
struct Session {
    console: Mutex<Console>,
    scene: Arc<Scene>,
    globals: Globals,
    used: Mutex<Timestamp>,
}

impl Session {
    fn new(snapshot: &Snapshot, globals: &Globals) -> Arc<Self> {
        let scene = Arc::new(Scene {
            backend: Arc::clone(&snapshot.backend),
            commands: Arc::default(),
        });
        let runtime: Arc<dyn Runtime> = Arc::<Scene>::clone(&scene);
        let sources = snapshot.backend.sources();
        Arc::new(Self {
            console: Mutex::new(Console::within(globals, sources, runtime, STEPS_MAX)),
            scene,
            globals: globals.clone(),
            used: Mutex::new(snapshot.now),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Console> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_within(&self, globals: &Globals) -> bool {
        self.globals.is_same(globals)
    }

    fn touch(&self, now: Timestamp) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn used(&self) -> Timestamp {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What scripts see of the running daemon.
struct Scene {
    backend: Arc<dyn Backend>,
    commands: Arc<Mutex<Vec<Command>>>,
}

impl Scene {
    fn take_commands(&self) -> Vec<Command> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *commands)
    }

    fn view(&self, object: &Arc<ConfigObject>) -> Value {
        Value::Object(Arc::new(ScriptObject {
            backend: Arc::clone(&self.backend),
            commands: Arc::clone(&self.commands),
            object: Arc::clone(object),
        }))
    }
}

impl Runtime for Scene {
    fn now(&self) -> Timestamp {
        self.backend.now()
    }

    fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        let generation = self.backend.board().generation();
        generation.get(type_name, name).map(|it| self.view(it))
    }

    fn objects(&self, type_name: &str) -> Vec<Value> {
        let generation = self.backend.board().generation();
        let objects = generation.of_type(type_name);
        objects.map(|object| self.view(object)).collect()
    }

    /// Scripts log where the configuration does.
    fn log(&self, _line: LogLine) {}
}

/// An object as scripts see it: all attributes, also those that queries hide.
struct ScriptObject {
    backend: Arc<dyn Backend>,
    commands: Arc<Mutex<Vec<Command>>>,
    object: Arc<ConfigObject>,
}

impl std::fmt::Debug for ScriptObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} '{}'", self.object.type_info.name, self.object.name)
    }
}

impl ScriptObject {
    fn is_checkable(&self) -> bool {
        matches!(self.object.type_info.name, "Host" | "Service")
    }

    /// Names of all attributes but `type` and the object that `host` leads to.
    fn names(&self) -> Vec<&'static str> {
        let object = &self.object;
        let is_shown = |flags: Flags, name: &str| {
            let is_known = !flags.has(Flags::NEWER) || object.attributes.contains_key(name);
            is_known && !self.leads_to_host(name)
        };
        let fields = object.type_info.fields();
        fields
            .filter(|field| is_shown(field.flags, field.name))
            .map(|field| field.name)
            .collect()
    }

    fn leads_to_host(&self, name: &str) -> bool {
        name == "host" && self.object.type_info.name == "Service"
    }

    fn host(&self, snapshot: &Snapshot) -> Option<Value> {
        let name = self.object.string("host_name");
        let host = snapshot.generation.get("Host", &name)?;
        Some(Value::Object(Arc::new(Self {
            backend: Arc::clone(&self.backend),
            commands: Arc::clone(&self.commands),
            object: Arc::clone(host),
        })))
    }

    fn submit(&self, command: Command) -> Result<(), CallError> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if commands.len() >= COMMANDS_MAX {
            return Err(CallError::new(format!(
                "A script may change at most {COMMANDS_MAX} things."
            )));
        }
        commands.push(command);
        Ok(())
    }

    /// What a result says that does not say all: it was found here and now.
    fn completed(&self, value: &Value) -> Option<CheckResult> {
        let fields = match value {
            Value::Object(object) if object.type_name() == "CheckResult" => {
                let names = object.attribute_names().into_iter();
                let mut fields: Vec<(Str, Value)> = names
                    .filter_map(|name| object.attribute(&name).map(|value| (name, value)))
                    .collect();
                fields.push(("type".into(), Value::string("CheckResult")));
                Value::dictionary(fields)
            }
            other => other.clone(),
        };
        let mut result = CheckResult::from_value(&fields)?;
        let now = self.backend.now();
        for time in [
            &mut result.schedule_start,
            &mut result.schedule_end,
            &mut result.execution_start,
            &mut result.execution_end,
        ] {
            if time.seconds() == 0.0 {
                *time = now;
            }
        }
        let node = self.backend.application().node_name;
        for source in [&mut result.check_source, &mut result.scheduling_source] {
            if source.is_empty() {
                *source = node.clone();
            }
        }
        Some(result)
    }
}

impl ObjectView for ScriptObject {
    fn type_name(&self) -> &str {
        self.object.type_info.name
    }

    fn object_name(&self) -> Str {
        self.object.name.clone()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let snapshot = Snapshot::take(&self.backend);
        if self.leads_to_host(name) {
            return Some(self.host(&snapshot).unwrap_or_default());
        }
        if name != "type" {
            self.object.type_info.field(name)?;
        }
        Some(snapshot.attribute(&self.object, name))
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.names().into_iter().map(Str::from).collect()
    }

    fn set_attribute(&self, name: &str, value: Value) -> Result<(), CallError> {
        let checkable = || CheckableName::from_full(&self.object.name);
        let number = |value: &Value| to_number(value).map_err(|text| CallError::new(text.trim()));
        if self.is_checkable() {
            match name {
                "process_check_result" => {
                    let result = self
                        .completed(&value)
                        .ok_or_else(|| CallError::new("the argument must be a CheckResult"))?;
                    return self.submit(Command::ProcessResult {
                        checkable: checkable(),
                        result: Box::new(result),
                    });
                }
                "next_check" => {
                    return self.submit(Command::SetNextCheck {
                        checkable: checkable(),
                        at: Timestamp(number(&value)?),
                    });
                }
                "force_next_check" => {
                    return self.submit(Command::SetForceNextCheck {
                        checkable: checkable(),
                        forced: value.is_true(),
                    });
                }
                "force_next_notification" => {
                    return self.submit(Command::SetForceNextNotification {
                        checkable: checkable(),
                        forced: value.is_true(),
                    });
                }
                _ => {}
            }
        }
        let text = match self.object.type_info.field(name) {
            None => format!("Attribute '{name}' does not exist."),
            Some(_) => format!(
                "Attribute '{name}' of a running {} cannot be changed by a script; change the \
                 configuration and reload it.",
                self.object.type_info.name
            ),
        };
        Err(CallError::new(text))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A result takes more than [`RESULT_BYTES_MAX`].
#[derive(Debug)]
struct TooLarge;

impl TooLarge {
    const TEXT: &'static str = "The result is too large to be sent: more than 128 MiB. Ask for \
                                less of it, e.g. with map() or get().\n";
}

/// A value without objects: each became a dictionary of its attributes, all from one moment.
fn plain(snapshot: &Snapshot, value: &Value) -> Result<Value, TooLarge> {
    let mut budget = RESULT_BYTES_MAX;
    flatten(snapshot, value, 0, &mut budget)
}

fn flatten(
    snapshot: &Snapshot,
    value: &Value,
    depth: usize,
    budget: &mut usize,
) -> Result<Value, TooLarge> {
    // What a value costs beside its text.
    const NODE_BYTES: usize = 64;
    let text = value.as_str().map_or(0, str::len);
    *budget = budget.checked_sub(NODE_BYTES + text).ok_or(TooLarge)?;
    if depth > MAX_NESTING {
        return Ok(Value::Empty);
    }
    Ok(match value {
        Value::Array(items) => {
            let items = items.items().into_iter();
            let items: Result<Vec<Value>, TooLarge> = items
                .map(|item| flatten(snapshot, &item, depth + 1, budget))
                .collect();
            Value::array(items?)
        }
        Value::Dictionary(entries) => {
            let entries = entries.entries().into_iter();
            flatten_entries(snapshot, entries, depth, budget)?
        }
        Value::Object(object) => {
            let mut entries: Vec<(Str, Value)> =
                match object.as_any().downcast_ref::<ScriptObject>() {
                    Some(object) => {
                        let all = snapshot.attributes(&object.object, &object.names());
                        let mut all: Vec<(Str, Value)> = all
                            .into_iter()
                            .map(|(name, value)| (Str::new(name), value))
                            .collect();
                        if object.leads_to_host("host") {
                            let host = object.host(snapshot).unwrap_or_default();
                            all.push(("host".into(), host));
                        }
                        all
                    }
                    None => {
                        let names = object.attribute_names().into_iter();
                        names
                            .filter_map(|name| object.attribute(&name).map(|it| (name, it)))
                            .collect()
                    }
                };
            if object.type_name() != "Namespace" {
                entries.push(("type".into(), Value::string(object.type_name())));
            }
            flatten_entries(snapshot, entries.into_iter(), depth, budget)?
        }
        other => other.clone(),
    })
}

fn flatten_entries(
    snapshot: &Snapshot,
    entries: impl Iterator<Item = (Str, Value)>,
    depth: usize,
    budget: &mut usize,
) -> Result<Value, TooLarge> {
    let mut flat = Vec::new();
    for (key, value) in entries {
        *budget = budget.checked_sub(key.len()).ok_or(TooLarge)?;
        flat.push((key, flatten(snapshot, &value, depth + 1, budget)?));
    }
    Ok(Value::dictionary(flat))
}
