//! The demo's master: its directory, configuration and process.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey};
use bheka_value::Value;
use tokio::process::{Child, Command};

use crate::client::{Client, at};
use crate::daemon::clock;

/// The master's endpoint.
const NAME: &str = "demo-master";

/// How long it may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// A master in a directory of its own.
#[derive(Debug)]
pub(crate) struct Master {
    folder: PathBuf,
    names: Vec<String>,
    agents: SocketAddr,
    port: u16,
    client: Client,
    child: Option<Child>,
}

/// Which configuration is in force.
#[derive(Clone, Copy, PartialEq)]
enum Chapter {
    /// With the host that leaves.
    First,
    /// With the host that comes.
    Second,
}

/// Steps of a reload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The new host is there, the old one gone.
    InForce,
    /// The new host has been checked.
    Checked,
}

impl Master {
    /// Writes certificates and configuration; nothing is started.
    pub(crate) fn prepare(
        folder: &Path,
        authority: &CertificateAuthority,
        names: Vec<String>,
        agents: SocketAddr,
    ) -> anyhow::Result<Self> {
        let certs = folder.join("data/certs");
        for path in [&certs, &folder.join("etc"), &folder.join("log")] {
            std::fs::create_dir_all(path)
                .with_context(|| format!("cannot create '{}'", path.display()))?;
        }
        let key = PrivateKey::generate(KeyKind::EcP256).context("cannot make a key")?;
        let certificate = authority
            .issue(NAME, &key, clock::now())
            .context("cannot make a certificate")?;
        key.write(&certs.join(format!("{NAME}.key")))?;
        certificate.write(&certs.join(format!("{NAME}.crt")))?;
        authority.certificate().write(&certs.join("ca.crt"))?;
        let port = free_port()?;
        let password = uuid::Uuid::new_v4().to_string();
        let client = Client::new("127.0.0.1", port, "demo", &password)?;
        let master = Self {
            folder: folder.to_owned(),
            names,
            agents,
            port,
            client,
            child: None,
        };
        std::fs::write(folder.join("etc/users.conf"), users(&password))
            .context("cannot write the configuration")?;
        master.configure(Chapter::First)?;
        Ok(master)
    }

    fn configure(&self, chapter: Chapter) -> anyhow::Result<()> {
        std::fs::write(
            self.folder.join("etc/bheka.conf"),
            self.configuration(chapter),
        )
        .context("cannot write the configuration")
    }

    fn configuration(&self, chapter: Chapter) -> String {
        let mut names = String::new();
        for name in &self.names {
            let _ = write!(names, "\"{name}\", ");
        }
        let extra = match chapter {
            Chapter::First => "leaver",
            Chapter::Second => "newcomer",
        };
        format!(
            r#"// The configuration of a demonstration.
include <itl>
include "users.conf"

object IcingaApplication "app" {{ }}
object CheckerComponent "checker" {{ }}
object FileLogger "main-log" {{ path = LogDir + "/bheka.log" }}
object ApiListener "api" {{
  bind_host = "127.0.0.1"
  bind_port = {port}
}}

object Endpoint NodeName {{ }}
object Zone NodeName {{ endpoints = [ NodeName ] }}

// What the agents run; they know it by this name.
object CheckCommand "agent-check" {{
  command = [ "/bin/true" ]
}}

var names = [ {names}]
for (name in names) {{
  object Endpoint name {{
    host = "{host}"
    port = {agents_port}
    log_duration = 0
  }}
  object Zone name {{
    endpoints = [ name ]
    parent = NodeName
  }}
  object Host name {{
    zone = NodeName
    check_command = "agent-check"
    command_endpoint = name
    check_interval = 10s
    retry_interval = 5s
    vars.is_agent = true
  }}
}}

apply Service for (what in [ "disk", "load" ]) {{
  zone = NodeName
  check_command = "agent-check"
  command_endpoint = host.name
  check_interval = 10s
  retry_interval = 5s
  assign where host.vars.is_agent
}}

object Host "steady" {{
  check_command = "dummy"
  check_interval = 1h
}}
object Host "{extra}" {{
  check_command = "dummy"
  check_interval = 10s
}}
"#,
            port = self.port,
            host = self.agents.ip(),
            agents_port = self.agents.port(),
        )
    }

    /// Starts the daemon as a process of its own.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let console = std::fs::File::create(self.folder.join("log/console.log"))
            .context("cannot write the master's log")?;
        let errors = console
            .try_clone()
            .context("cannot write the master's log")?;
        let mut command = Command::new(program);
        command
            .arg("daemon")
            .arg("-c")
            .arg(self.folder.join("etc/bheka.conf"));
        for (name, value) in [
            ("NodeName", NAME.to_owned()),
            ("RunAsUser", String::new()),
            ("ConfigDir", self.path("etc")),
            ("DataDir", self.path("data")),
            ("LogDir", self.path("log")),
            ("CacheDir", self.path("cache")),
            ("SpoolDir", self.path("spool")),
            ("InitRunDir", self.path("run")),
        ] {
            command.arg("-D").arg(format!("{name}={value}"));
        }
        command
            .env_remove("BHEKA_ICINGA2")
            .env_remove("NOTIFY_SOCKET");
        // Ctrl-C is for the demo, which ends the master in good order.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(console).stderr(errors);
        self.child = Some(command.spawn().context("cannot start the master")?);
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The way to its API.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Complains with the end of its log when it has ended.
    pub(crate) fn expect_alive(&mut self) -> anyhow::Result<()> {
        let Some(child) = &mut self.child else {
            bail!("the master was not started")
        };
        if let Some(status) = child.try_wait().context("cannot look after the master")? {
            let log = std::fs::read_to_string(self.folder.join("log/console.log"));
            let log = log.unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(15)..].join("\n");
            bail!("the master ended with {status}:\n{tail}");
        }
        Ok(())
    }

    /// Writes the second configuration and sends SIGHUP.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        self.configure(Chapter::Second)?;
        self.signal(rustix::process::Signal::HUP)
    }

    /// How far the reload is, as the API shows it.
    pub(crate) async fn has_reached(&self, step: Step) -> bool {
        let Ok(newcomer) = self.client.get("/v1/objects/hosts/newcomer").await else {
            return false;
        };
        match step {
            Step::InForce => self.client.get("/v1/objects/hosts/leaver").await.is_err(),
            Step::Checked => at(&newcomer, "results.0.attrs.last_check_result")
                .is_some_and(|result| result.is_true()),
        }
    }

    /// When the host that no chapter changes is checked next.
    pub(crate) async fn next_check_of_the_steady_host(&self) -> anyhow::Result<Option<f64>> {
        let answer = self
            .client
            .get("/v1/objects/hosts/steady?attrs=next_check")
            .await?;
        Ok(at(&answer, "results.0.attrs.next_check")
            .as_ref()
            .and_then(Value::as_number))
    }

    /// Ends it in good order, or else by force.
    pub(crate) async fn stop(&mut self) {
        let sent = self.signal(rustix::process::Signal::TERM);
        let Some(mut child) = self.child.take() else {
            return;
        };
        let ended = tokio::time::timeout(STOP_PATIENCE, child.wait()).await;
        if sent.is_err() || ended.is_err() {
            let _ = child.kill().await;
        }
    }

    fn signal(&self, signal: rustix::process::Signal) -> anyhow::Result<()> {
        let id = self.child.as_ref().and_then(Child::id);
        let id = id.and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.context("the master does not run")?;
        rustix::process::kill_process(id, signal).context("cannot signal the master")
    }
}

fn users(password: &str) -> String {
    format!(
        "object ApiUser \"demo\" {{\n  password = \"{password}\"\n  permissions = [ \
         \"objects/query/*\", \"status/query\" ]\n}}\n"
    )
}

/// A port that is free now.
fn free_port() -> anyhow::Result<u16> {
    let socket = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(socket
        .local_addr()
        .context("no free port on 127.0.0.1")?
        .port())
}
