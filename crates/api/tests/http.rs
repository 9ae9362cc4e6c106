//! HTTP on a stream: keep-alive, limits, refusals, slow clients, and commands before answers.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bheka_api::{
    Api, ApplicationStatus, Backend, CheckStatistics, CheckerStatus, EndpointStatus,
    ListenerStatus, PeerInfo, ProcessOrder, ReloadStatus, Submission, SubmitError, Template, serve,
};
use bheka_model::{Board, Command, ConfigObject, Generation};
use bheka_value::{Location, Map, Timestamp, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

#[derive(Default)]
struct Fake {
    board: Arc<Board>,
    submitted: Mutex<Vec<Command>>,
    busy: AtomicBool,
    orders: Mutex<Vec<(ProcessOrder, String)>>,
}

impl Backend for Fake {
    fn board(&self) -> &Arc<Board> {
        &self.board
    }
    fn globals(&self) -> Option<bheka_lang::Globals> {
        None
    }
    fn now(&self) -> Timestamp {
        Timestamp(1000.0)
    }
    fn version(&self) -> String {
        "r2.13.6-1".into()
    }
    fn application(&self) -> ApplicationStatus {
        ApplicationStatus {
            node_name: "here".into(),
            ..ApplicationStatus::default()
        }
    }
    fn api_listener(&self) -> Option<ListenerStatus> {
        Some(ListenerStatus::default())
    }
    fn reloads(&self) -> Option<ReloadStatus> {
        let reloads = self.orders.lock().unwrap().len();
        Some(ReloadStatus {
            succeeded: reloads as u64,
            ..ReloadStatus::default()
        })
    }
    fn process(&self, order: ProcessOrder, user: &str) {
        self.orders.lock().unwrap().push((order, user.to_owned()));
    }
    fn check_statistics(&self) -> CheckStatistics {
        CheckStatistics::default()
    }
    fn checker(&self) -> Option<CheckerStatus> {
        None
    }
    fn endpoint(&self, _name: &str) -> Option<EndpointStatus> {
        None
    }
    fn templates(&self, _type_name: &str) -> Vec<Template> {
        Vec::new()
    }
    fn submit(&self, commands: Vec<Command>) -> Submission {
        let busy = self.busy.load(Ordering::Relaxed);
        if !busy {
            self.submitted.lock().unwrap().extend(commands);
        }
        Box::pin(async move { if busy { Err(SubmitError::Busy) } else { Ok(()) } })
    }
}

fn object(type_name: &str, name: &str, attributes: &[(&str, Value)]) -> Arc<ConfigObject> {
    let mut attributes: Map = attributes
        .iter()
        .map(|(key, value)| (*key, value.clone()))
        .collect();
    attributes.insert("name".into(), Value::string(name));
    attributes.insert("__name".into(), Value::string(name));
    Arc::new(ConfigObject {
        type_info: bheka_model::catalogue().type_info(type_name).unwrap(),
        name: name.into(),
        short_name: name.into(),
        zone: None,
        package: "_etc".into(),
        templates: vec![name.into()],
        location: Location::default(),
        modifications: Vec::new(),
        attributes,
    })
}

fn user(name: &str, password: &str, permissions: &[&str]) -> Arc<ConfigObject> {
    let permissions = Value::array(permissions.iter().map(|it| Value::string(*it)));
    object(
        "ApiUser",
        name,
        &[
            ("password", Value::string(password)),
            ("permissions", permissions),
        ],
    )
}

fn api() -> (Arc<Api>, Arc<Fake>) {
    api_with(&[])
}

/// With a listener of these attributes.
fn api_with(listener: &[(&str, Value)]) -> (Arc<Api>, Arc<Fake>) {
    let passive = [("enable_passive_checks", Value::Boolean(true))];
    let cn = [
        ("client_cn", Value::string("agent")),
        ("permissions", Value::array([Value::string("status/query")])),
    ];
    let generation = Generation::new(
        1,
        BTreeMap::new(),
        [
            user("root", "secret", &["*"]),
            user("reader", "secret", &["objects/query/*"]),
            user("empty", "", &["*"]),
            user("actor", "secret", &["actions/*"]),
            user("asker", "secret", &["*/query/*", "Filter-*"]),
            object("ApiListener", "api", listener),
            object("ApiUser", "cert", &cn),
            object("Host", "h1", &passive),
        ],
    );
    let fake = Arc::new(Fake::default());
    fake.board.set_generation(Arc::new(generation));
    (
        Arc::new(Api::new(Arc::clone(&fake) as Arc<dyn Backend>)),
        fake,
    )
}

const ROOT: &str = "Authorization: Basic cm9vdDpzZWNyZXQ=\r\n";
const READER: &str = "Authorization: Basic cmVhZGVyOnNlY3JldA==\r\n";

fn connect(api: &Arc<Api>) -> DuplexStream {
    connect_as(api, PeerInfo::default())
}

fn connect_as(api: &Arc<Api>, peer: PeerInfo) -> DuplexStream {
    let (client, server) = duplex(1 << 16);
    tokio::spawn(serve(server, peer, Arc::clone(api)));
    client
}

/// Sends bytes and yields all that comes back until the server ends the connection.
async fn exchange(api: &Arc<Api>, bytes: &[u8]) -> String {
    let mut client = connect(api);
    let _ = client.write_all(bytes).await;
    let mut text = Vec::new();
    client.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

fn get(path: &str, extra: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nAccept: application/json\r\n{extra}\r\n")
}

#[tokio::test(start_paused = true)]
async fn requests_follow_one_another() {
    let (api, _) = api();
    let one = get("/v1/objects/hosts?attrs=name", ROOT);
    let text = exchange(&api, one.repeat(3).as_bytes()).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(
        text.matches(r#"{"results":[{"attrs":{"name":"h1"},"joins":{},"meta":{},"#)
            .count(),
        3
    );
    assert!(text.contains("Server: Icinga/r2.13.6-1\r\n"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(api.clients(), 0);
}

/// Only who has the permission may send filters, where the listener wants it so.
#[tokio::test(start_paused = true)]
async fn filters_need_a_permission_where_it_is_enforced() {
    let filtered = "/v1/objects/hosts?attrs=name&filter=true";
    let enforce = |it| [("enforce_filter_expression_permission", Value::Boolean(it))];
    let (api, _) = api_with(&enforce(false));
    let text = exchange(&api, get(filtered, READER).as_bytes()).await;
    assert!(text.contains(r#"{"name":"h1"}"#), "{text}");

    let (api, _) = api_with(&enforce(true));
    let refusal = r#"{"error":403,"status":"Missing permission: filter-expression"}"#;
    for path in [
        filtered,
        "/v1/objects/hosts?host=h1&filter=",
        "/v1/objects/hosts/h1?filter=true",
    ] {
        let text = exchange(&api, get(path, READER).as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{text}");
        assert!(text.ends_with(refusal), "{text}");
    }
    // In the body of a request too, and also where a filter could change something.
    let body = r#"{"type":"Host","filter":"true"}"#;
    let post = format!(
        "POST /v1/actions/reschedule-check HTTP/1.1\r\nAccept: application/json\r\n\
         Authorization: Basic YWN0b3I6c2VjcmV0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let text = exchange(&api, post.as_bytes()).await;
    assert!(text.ends_with(refusal), "{text}");
    // Without a filter, with the permission, and with all permissions.
    let asker = "Authorization: Basic YXNrZXI6c2VjcmV0\r\n";
    for (path, who) in [
        ("/v1/objects/hosts?attrs=name&host=h1", READER),
        ("/v1/objects/hosts?attrs=name", READER),
        (filtered, asker),
        (filtered, ROOT),
    ] {
        let text = exchange(&api, get(path, who).as_bytes()).await;
        assert!(text.contains(r#"{"name":"h1"}"#), "{text}");
    }
    // What may not be asked at all is answered as before.
    let text = exchange(&api, get("/v1/variables?filter=true", READER).as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
}

/// They replace the name of the server and nothing that the answer needs.
#[tokio::test(start_paused = true)]
async fn configured_headers_stand_on_every_answer() {
    let headers = [
        ("Strict-Transport-Security", "max-age=31536000"),
        ("server", "none"),
        ("content-type", "text/plain"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
    ];
    let headers = headers.map(|(name, value)| (name, Value::string(value)));
    let headers = Value::dictionary(headers);
    let (api, fake) = api_with(&[("http_response_headers", headers)]);
    fake.busy.store(true, Ordering::Relaxed);
    let busy = "POST /v1/actions/reschedule-check?host=h1 HTTP/1.1\r\nAccept: application/json\r\n";
    let endless = format!(
        "POST /v1 HTTP/1.1\r\nAccept: application/json\r\nContent-Length: 99999999999\r\n{READER}\r\n"
    );
    for (request, status) in [
        (get("/v1/objects/hosts", ROOT), "200 OK"),
        (get("/v1/nothing", ROOT), "404 Not Found"),
        (get("/v1?pretty=x", ROOT), "500 Internal Server Error"),
        (get("/v1", ""), "401 Unauthorized"),
        ("NONSENSE\r\n\r\n".to_owned(), "400 Bad Request"),
        (endless, "400 Bad Request"),
        (format!("{busy}{ROOT}\r\n"), "503 Service Unavailable"),
    ] {
        let text = exchange(&api, request.as_bytes()).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{text}"
        );
        let hsts = "\r\nStrict-Transport-Security: max-age=31536000";
        assert_eq!(head.matches(hsts).count(), 1, "{text}");
        assert!(
            head.contains("\r\nserver: none") && !head.contains("Icinga/"),
            "{text}"
        );
        assert!(
            !head.contains("text/plain") && !head.contains("chunked"),
            "{text}"
        );
        let length = format!("\r\nContent-Length: {}", body.len());
        assert_eq!(head.matches(&length).count(), 1, "{text}");
        assert_eq!(head.matches("ontent-").count(), 2, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn close_ends_the_connection() {
    let (api, _) = api();
    let one = get("/v1", &format!("Connection: close\r\n{ROOT}"));
    let text = exchange(&api, one.repeat(2).as_bytes()).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1);
    let old = "GET /v1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".replacen(
        "\r\n",
        &format!("\r\n{ROOT}"),
        1,
    );
    assert_eq!(
        exchange(&api, old.repeat(2).as_bytes())
            .await
            .matches("HTTP/1.1 200 OK")
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn malformed_heads_are_named() {
    let (api, _) = api();
    let text = exchange(&api, b"NONSENSE\r\n\r\n").await;
    assert!(
        text.starts_with("HTTP/1.1 400 Bad Request\r\nServer: Icinga/"),
        "{text}"
    );
    assert!(
        text.ends_with("\r\n\r\n<h1>Bad Request</h1><p><pre>bad method</pre></p>"),
        "{text}"
    );
    assert!(text.contains("Connection: close\r\n"));
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_in_without_a_name() {
    let (api, _) = api();
    let text = exchange(&api, get("/v1", "").as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{text}");
    assert!(text.contains("WWW-Authenticate: Basic realm=\"Icinga 2\"\r\nConnection: close\r\n"));
    assert!(text.ends_with(
        r#"{"error":401,"status":"Unauthorized. Please check your user credentials."}"#
    ));
    // "empty:" has no password, so it opens nothing.
    let text = exchange(
        &api,
        get("/v1", "Authorization: Basic ZW1wdHk6\r\n").as_bytes(),
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    let text = exchange(&api, get("/v1", "Authorization: Basic !!!!\r\n").as_bytes()).await;
    assert_eq!(text, "");
    let text = exchange(&api, b"POST /v1 HTTP/1.1\r\n\r\n").await;
    assert!(text.ends_with("<h1>Accept header is missing or not set to 'application/json'.</h1>"));
}

#[tokio::test(start_paused = true)]
async fn a_verified_certificate_is_a_name() {
    let (api, _) = api();
    let peer = PeerInfo {
        verified_cn: Some("agent".into()),
        remote: "x".into(),
    };
    let mut client = connect_as(&api, peer);
    client.write_all(get("/v1", ROOT).as_bytes()).await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.contains(r#""user":"cert""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn bodies_have_limits() {
    let (api, _) = api();
    let post = |user: &str, length: usize| {
        format!(
            "POST /v1/objects/hosts HTTP/1.1\r\nAccept: application/json\r\n\
             X-HTTP-Method-Override: GET\r\nContent-Length: {length}\r\n{user}\r\n"
        )
    };
    let text = exchange(&api, post(READER, (1 << 20) + 1).as_bytes()).await;
    assert!(
        text.ends_with(r#"{"error":400,"status":"Bad Request: body limit exceeded"}"#),
        "{text}"
    );
    let mut large = post(ROOT, 2 << 20).into_bytes();
    large.extend(b"{\"attrs\":[\"name\"],\"x\":\"");
    large.resize(large.len() + (2 << 20) - 25, b'a');
    large.extend(b"\"}");
    assert!(exchange(&api, &large).await.contains(r#""name":"h1""#));
    let chunked = post(READER, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let text = exchange(&api, format!("{chunked}zz\r\n{{}}\r\n").as_bytes()).await;
    assert!(
        text.ends_with(r#"{"error":400,"status":"Bad Request: bad chunk"}"#),
        "{text}"
    );
    assert!(text.contains("Connection: close\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_permission_to_send_gets_it() {
    let (api, _) = api();
    let head = format!(
        "POST /v1/types/Boolean HTTP/1.1\r\nAccept: application/json\r\nExpect: 100-continue\r\n\
         X-HTTP-Method-Override: GET\r\nContent-Length: 2\r\n{ROOT}\r\n"
    );
    let mut client = connect(&api);
    client.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"{}").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_after_ten_seconds() {
    let (api, _) = api();
    for begun in [
        "",
        "GET /v1 HT",
        &format!(
            "POST / HTTP/1.1\r\nAccept: application/json\r\nContent-Length: 9\r\n{ROOT}\r\n{{"
        ),
    ] {
        let mut client = connect(&api);
        client.write_all(begun.as_bytes()).await.unwrap();
        let started = tokio::time::Instant::now();
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.unwrap();
        let waited = started.elapsed();
        assert!(text.is_empty());
        assert!(
            waited >= Duration::from_secs(10) && waited < Duration::from_secs(11),
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_dropped_and_costs_nobody_anything() {
    let (api, _) = api();
    let (mut client, server) = duplex(64);
    let served = tokio::spawn(serve(server, PeerInfo::default(), Arc::clone(&api)));
    let request = get("/v1/types", ROOT);
    client.write_all(request.as_bytes()).await.unwrap();
    let other = exchange(&api, request.as_bytes()).await;
    assert!(other.starts_with("HTTP/1.1 200 OK"));
    tokio::time::timeout(Duration::from_secs(60), served)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(api.clients(), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_to_actions_wait_for_the_writer() {
    let (api, fake) = api();
    let body = r#"{"exit_status":1,"plugin_output":"x"}"#;
    let action = |name: &str, body: &str| {
        format!(
            "POST /v1/actions/{name}?host=h1 HTTP/1.1\r\nAccept: application/json\r\n\
             Content-Length: {}\r\n{ROOT}\r\n{body}",
            body.len()
        )
    };
    let text = exchange(&api, action("process-check-result", body).as_bytes()).await;
    assert!(
        text.contains("Successfully processed check result for object 'h1'."),
        "{text}"
    );
    let submitted = std::mem::take(&mut *fake.submitted.lock().unwrap());
    let [Command::ProcessResult { checkable, result }] = &submitted[..] else {
        panic!("{submitted:?}");
    };
    assert_eq!(
        (&*checkable.host, result.state, result.active),
        ("h1", 2, false)
    );
    assert_eq!(result.execution_end, Timestamp(1000.0));

    let text = exchange(
        &api,
        action("reschedule-check", r#"{"force":true}"#).as_bytes(),
    )
    .await;
    assert!(
        text.contains("Successfully rescheduled check for object 'h1'."),
        "{text}"
    );
    let submitted = std::mem::take(&mut *fake.submitted.lock().unwrap());
    assert!(matches!(
        &submitted[..],
        [
            Command::SetForceNextCheck { forced: true, .. },
            Command::SetNextCheck {
                at: Timestamp(1000.0),
                ..
            }
        ]
    ));

    fake.busy.store(true, Ordering::Relaxed);
    let text = exchange(&api, action("process-check-result", body).as_bytes()).await;
    assert!(
        text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{text}"
    );
    assert!(!text.contains("Successfully"));
}

#[tokio::test(start_paused = true)]
async fn orders_for_the_process_are_passed_on_behind_their_answer() {
    let (api, fake) = api();
    let post = |name: &str, user: &str| {
        format!(
            "POST /v1/actions/{name} HTTP/1.1\r\nAccept: application/json\r\n{user}\
             Content-Length: 29\r\n\r\n{{\"type\":\"Host\",\"filter\":\"1\"}} "
        )
    };
    let status = get("/v1/status/IcingaApplication", ROOT);
    assert!(!exchange(&api, status.as_bytes()).await.contains("reload"));
    let requests = [
        post("restart-process", ROOT),
        post("restart-process", READER),
        post("shutdown-process?pretty=1", ROOT),
        status,
    ];
    let text = exchange(&api, requests.concat().as_bytes()).await;
    let restarting = r#"{"results":[{"code":200,"status":"Restarting Icinga 2."}]}"#;
    assert_eq!(text.matches(restarting).count(), 1, "{text}");
    let unknown = "The requested path 'v1/actions/restart-process' could not be found or the \
                   request method is not valid for this path.";
    assert_eq!(text.matches(unknown).count(), 1, "{text}");
    assert!(text.contains("\"status\": \"Shutting down Icinga 2.\""));
    assert!(text.contains(r#""succeeded":2"#), "{text}");
    let orders = fake.orders.lock().unwrap();
    let root = || "root".to_owned();
    assert_eq!(
        *orders,
        [
            (ProcessOrder::Reload, root()),
            (ProcessOrder::ShutDown, root())
        ]
    );
}
