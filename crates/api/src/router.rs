//! From requests to answers.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bheka_model::{ConfigObject, Generation};
use bheka_value::Value;

use crate::auth::{self, Identity};
use crate::backend::Backend;
use crate::params::Params;
use crate::permission;
use crate::request::{Request, Url};
use crate::response::{Handled, Headers, Response};
use crate::view::Snapshot;
use crate::{actions, console, info, metrics, objects, status, templates, types, variables};

/// The REST API over a daemon.
pub struct Api {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clients: AtomicUsize,
    pub(crate) builders: Arc<tokio::sync::Semaphore>,
    /// Scripts run beside other requests, not in their place: they may take seconds.
    pub(crate) scripts: Arc<tokio::sync::Semaphore>,
    /// Scrapes come at set times and are cheap: large answers must not hold them up.
    pub(crate) scrapes: Arc<tokio::sync::Semaphore>,
    consoles: console::Sessions,
}

/// Bytes of a body that every user may send (manual, chapter 12, "Permissions").
const BODY_LENGTH_MAX: usize = 1 << 20;
/// Scripts of the console that run at once.
const SCRIPTS_AT_ONCE: usize = 2;
/// Small scrapes of metrics that are answered at once.
const SCRAPES_AT_ONCE: usize = 4;
/// Bytes of a body that is searched for a word.
const FILTER_LENGTH_MAX: usize = 64 << 10;
/// Bytes of a body for those who may do everything, or upload configuration.
const BODY_LENGTH_MAX_TRUSTED: usize = 512 << 20;

impl Api {
    /// An API over a daemon.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        let threads = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .max(2);
        Self {
            backend,
            clients: AtomicUsize::new(0),
            builders: Arc::new(tokio::sync::Semaphore::new(threads)),
            scripts: Arc::new(tokio::sync::Semaphore::new(SCRIPTS_AT_ONCE)),
            scrapes: Arc::new(tokio::sync::Semaphore::new(SCRAPES_AT_ONCE)),
            consoles: console::Sessions::default(),
        }
    }

    /// How many HTTP connections there are now.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Decides on a request from its head alone, before its body is read: either it is answered
    /// already (nobody known, a preflight, …), or at most so many bytes of body may follow.
    ///
    /// # Errors
    /// The answer, when there is nothing more to read.
    pub fn admit(&self, request: &Request) -> Result<Admission, Box<Response>> {
        let generation = self.backend.board().generation();
        let finish = |response| Box::new(self.with_common_headers(request, &generation, response));
        if let Some(response) = preflight(request, &generation) {
            return Err(finish(response));
        }
        if request.method != "GET" && !request.accepts_json() {
            let text = "<h1>Accept header is missing or not set to 'application/json'.</h1>";
            return Err(finish(Response::page(400, text)));
        }
        match auth::identify(request, &generation) {
            Identity::Garbage => Err(Box::new(Response {
                hang_up: true,
                close: true,
                ..Response::default()
            })),
            Identity::Unknown => Err(finish(unauthorized(request))),
            Identity::User(user) => {
                // `*` covers it too.
                let trusted = permission::has(&user, "config/modify");
                let body_length_max = if trusted {
                    BODY_LENGTH_MAX_TRUSTED
                } else {
                    BODY_LENGTH_MAX
                };
                Ok(Admission {
                    user,
                    body_length_max,
                })
            }
        }
    }

    /// Answers a request as a whole. Nothing is changed: what has to be, stands in
    /// [`Response::commands`], and the answer holds once those are applied.
    #[must_use]
    pub fn respond(&self, request: &Request) -> Response {
        match self.admit(request) {
            Ok(admission) => self.respond_to(&admission, request),
            Err(response) => *response,
        }
    }

    /// Answers a request that was admitted.
    #[must_use]
    pub fn respond_to(&self, admission: &Admission, request: &Request) -> Response {
        let snapshot = Snapshot::take(&self.backend);
        if !self.consoles.is_empty() {
            let globals = self.backend.globals();
            self.consoles.sweep(snapshot.now, globals.as_ref());
        }
        let response = match self.route(&snapshot, &admission.user, request) {
            Ok(response) => self.with_common_headers(request, &snapshot.generation, response),
            Err(crate::response::Unhandled) => {
                self.dress(&snapshot.generation, Response::unhandled())
            }
        };
        Response {
            user: Some(admission.user.name.to_string()),
            ..response
        }
    }

    /// Whether the answer tells of endpoints and zones as they are now: what is known of them has
    /// to be brought up to date before.
    #[must_use]
    pub(crate) fn tells_of_endpoints(request: &Request) -> bool {
        const WORD: &[u8] = b"endpoint";
        let names_them = |text: &[u8]| {
            text.windows(WORD.len())
                .any(|part| part.eq_ignore_ascii_case(WORD))
        };
        let (target, body) = (&request.target, &request.body);
        if target.starts_with("/v1/actions/") {
            // They come by the thousand, and none looks at endpoints.
            return false;
        }
        target.starts_with("/v1/status")
            || names_them(target.as_bytes())
            // A large body is configuration or a script, not a filter.
            || (body.len() <= FILTER_LENGTH_MAX && names_them(body))
    }

    /// The answer to a body that cannot be read or is too long.
    #[must_use]
    pub fn refuse_body(&self, request: &Request, cause: &str) -> Response {
        let text = format!("Bad Request: {cause}");
        let response = Response::error(400, &Params::default(), &text, None);
        let response = response.unwrap_or_else(|_| Response::unhandled());
        let generation = self.backend.board().generation();
        let response = self.with_common_headers(request, &generation, response);
        Response {
            close: true,
            ..response
        }
    }

    /// The answer to bytes that are not HTTP.
    #[must_use]
    pub fn refuse_head(&self, cause: &str) -> Response {
        let html = format!("<h1>Bad Request</h1><p><pre>{cause}</pre></p>");
        self.dressed(Response::page(400, html))
    }

    /// An answer that no handler gave, with what stands on every answer.
    #[must_use]
    pub(crate) fn dressed(&self, response: Response) -> Response {
        self.dress(&self.backend.board().generation(), response)
    }

    fn server(&self) -> String {
        format!("Icinga/{}", self.backend.version())
    }

    fn route(&self, snapshot: &Arc<Snapshot>, user: &ConfigObject, request: &Request) -> Handled {
        let url = Url::parse(&request.target).map_err(|_| crate::response::Unhandled)?;
        let params = match Params::new(&request.body, &url) {
            Ok(params) => params,
            Err(cause) => {
                let text = format!("Invalid request body: Error: {cause}\n");
                return Response::error(400, &Params::default(), &text, None);
            }
        };
        let path: Vec<&str> = url.path.iter().map(String::as_str).collect();
        match (request.effective_method(), &path[..]) {
            ("GET", []) => Ok(Response {
                status: 302,
                headers: vec![("Location".into(), "/v1".to_owned())],
                ..Response::default()
            }),
            ("GET", ["v1"]) => info::handle(request, user, &self.backend.version(), &params),
            ("GET", ["metrics"]) => metrics::handle(snapshot, user, self.clients(), &params),
            ("GET", ["v1", "status", name @ ..]) if name.len() <= 1 => status::handle(
                snapshot,
                user,
                name.first().copied(),
                self.clients(),
                params,
            ),
            ("GET", ["v1", "objects", plural, name @ ..]) if name.len() <= 1 => {
                objects::handle(snapshot, user, plural, name.first().copied(), params)
            }
            ("GET", ["v1", "types", name @ ..]) if name.len() <= 1 => {
                types::handle(snapshot, user, name.first().copied(), params)
            }
            ("GET", ["v1", "templates", plural, name @ ..]) if name.len() <= 1 => {
                templates::handle(snapshot, user, plural, name.first().copied(), params)
            }
            ("GET", ["v1", "variables", name @ ..]) if name.len() <= 1 => {
                variables::handle(snapshot, user, name.first().copied(), params)
            }
            ("POST", ["v1", "actions", name]) => match actions::process_order(name) {
                Some(order) => actions::process(user, name, order, &params)
                    .unwrap_or_else(|| no_such_path(&url, &params)),
                None => actions::handle(snapshot, user, name, &params),
            },
            ("POST", ["v1", "console", method]) => {
                console::handle(&self.consoles, snapshot, user, method, &params)
                    .unwrap_or_else(|| no_such_path(&url, &params))
            }
            _ => no_such_path(&url, &params),
        }
    }

    /// Adds what stands on every answer: the server, and what browsers of other sites may do
    /// (`access_control_*` of the `ApiListener`).
    fn with_common_headers(
        &self,
        request: &Request,
        generation: &Generation,
        mut response: Response,
    ) -> Response {
        let mut headers = Vec::new();
        let origins = allowed_origins(generation);
        if !origins.is_empty() {
            if let Some(origin) = request.header("Origin")
                && origins.iter().any(|allowed| allowed == origin)
            {
                headers.push(("Access-Control-Allow-Origin".into(), origin.to_owned()));
            }
            headers.push(("Access-Control-Allow-Credentials".into(), "true".to_owned()));
        }
        headers.append(&mut response.headers);
        response.headers = headers;
        self.dress(generation, response)
    }

    /// Puts the name of the server and `http_response_headers` of the `ApiListener` in front. The
    /// latter may replace `Server`, and nothing that this answer needs (observed in 2.16).
    fn dress(&self, generation: &Generation, mut response: Response) -> Response {
        let mut headers: Headers = vec![("Server".into(), self.server())];
        let listener = generation.of_type("ApiListener").next();
        if let Some(Value::Dictionary(further)) = listener.map(|it| it.get("http_response_headers"))
        {
            for (name, value) in further.read().iter() {
                // Where an answer ends is not a matter of configuration.
                let is_ours = ["Connection", "Content-Length", "Transfer-Encoding"]
                    .iter()
                    .any(|it| it.eq_ignore_ascii_case(name));
                if let (Value::String(value), false) = (value, is_ours) {
                    set(&mut headers, name.to_string().into(), value.to_string());
                }
            }
        }
        for (name, value) in response.headers.drain(..) {
            set(&mut headers, name, value);
        }
        response.headers = headers;
        response
    }
}

/// Sets a header; one of the same name, in whatever case, gives way.
fn set(headers: &mut Headers, name: Cow<'static, str>, value: String) {
    headers.retain(|(it, _)| !it.eq_ignore_ascii_case(&name));
    headers.push((name, value));
}

/// A request whose head is in order.
pub struct Admission {
    user: Arc<ConfigObject>,
    /// Bytes of body that may follow.
    pub body_length_max: usize,
}

fn allowed_origins(generation: &Generation) -> Vec<String> {
    let listener = generation.of_type("ApiListener").next();
    let origins = listener
        .map(|it| it.names("access_control_allow_origin"))
        .unwrap_or_default();
    origins.iter().map(ToString::to_string).collect()
}

/// The answer to a browser that asks what it may ask, which needs no user.
fn preflight(request: &Request, generation: &Generation) -> Option<Response> {
    if request.method != "OPTIONS"
        || request
            .header("Access-Control-Request-Method")
            .is_none_or(str::is_empty)
        || allowed_origins(generation).is_empty()
    {
        return None;
    }
    Some(Response {
        status: 200,
        headers: vec![
            (
                "Access-Control-Allow-Methods".into(),
                "GET, POST, PUT, DELETE".to_owned(),
            ),
            (
                "Access-Control-Allow-Headers".into(),
                "Authorization, Content-Type, X-HTTP-Method-Override".to_owned(),
            ),
        ],
        body: b"Preflight OK".to_vec(),
        close: true,
        ..Response::default()
    })
}

fn unauthorized(request: &Request) -> Response {
    const TEXT: &str = "Unauthorized. Please check your user credentials.";
    let mut response = if request.accepts_json() {
        Response::json_text(401, format!(r#"{{"error":401,"status":"{TEXT}"}}"#))
    } else {
        Response::page(401, format!("<h1>{TEXT}</h1>"))
    };
    response.headers.push((
        "WWW-Authenticate".into(),
        "Basic realm=\"Icinga 2\"".to_owned(),
    ));
    response.close = true;
    response
}

fn no_such_path(url: &Url, params: &Params) -> Handled {
    let text = format!(
        "The requested path '{}' could not be found or the request method is not valid for this \
         path.",
        url.joined_path()
    );
    Response::error(404, params, &text, None)
}
