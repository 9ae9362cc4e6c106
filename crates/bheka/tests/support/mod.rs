//! Nodes for the tests of interoperability: Bheka and the real Icinga 2, started the same way on
//! the same configuration text, each in a temporary directory and on a free port of loopback.
//!
//! Everything waits for conditions with a generous limit; nothing asserts how long it took.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub mod https;

/// How long to wait for a condition on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Which program a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Bheka,
    Icinga2,
}

impl Program {
    pub fn path(self) -> PathBuf {
        match self {
            Self::Bheka => PathBuf::from(env!("CARGO_BIN_EXE_bheka")),
            Self::Icinga2 => PathBuf::from("/usr/sbin/icinga2"),
        }
    }
}

/// Whether the real Icinga 2 is here; says what is skipped when it is not.
pub fn has_icinga2(test: &str) -> bool {
    let there = Program::Icinga2.path().exists() && Path::new("/usr/bin/openssl").exists();
    if !there {
        eprintln!("skipped: {test} needs the packages icinga2-bin and openssl");
    }
    there
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until `condition` yields something.
///
/// # Panics
/// After [`PATIENCE`], with `what` and whatever `explain` says.
pub fn wait_for<T>(
    what: &str,
    explain: impl Fn() -> String,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < end,
            "gave up waiting for: {what}\n{}",
            explain()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A directory tree of one node, and the process when it runs.
pub struct Node {
    pub program: Program,
    pub name: String,
    pub port: u16,
    pub dir: PathBuf,
    /// The newest version of TLS that Icinga 2 may speak, in OpenSSL's words.
    pub tls_max: Option<&'static str>,
    child: Option<Child>,
    /// Kept so that the directory lives as long as the node.
    _temporary: tempfile::TempDir,
}

impl Node {
    /// Makes the directories of a node; nothing is started.
    pub fn new(program: Program, name: &str) -> Self {
        let temporary = tempfile::Builder::new()
            .prefix("bheka-it-")
            .tempdir()
            .unwrap();
        let dir = temporary.path().to_owned();
        for folder in [
            "etc/zones.d",
            "data/certs",
            "data/api/log",
            "log",
            "cache",
            "spool",
            "run",
        ] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let port = free_port();
        Self {
            program,
            name: name.to_owned(),
            port,
            dir,
            tls_max: None,
            child: None,
            _temporary: temporary,
        }
    }

    /// Runs a command of the program with this node's directories.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program.path());
        command
            .args(arguments)
            .args(self.defines())
            .current_dir(&self.dir);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command of the program and expects success.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{:?} {arguments:?} failed with {}:\n{}{}",
            self.program,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// The `-D` options for this node's directories, in words that both programs know.
    pub fn defines(&self) -> Vec<String> {
        let dir = self.dir.display();
        let (user, group) = (id("-un"), id("-gn"));
        [
            format!("ConfigDir={dir}/etc"),
            format!("ZonesDir={dir}/etc/zones.d"),
            format!("DataDir={dir}/data"),
            format!("LogDir={dir}/log"),
            format!("CacheDir={dir}/cache"),
            format!("SpoolDir={dir}/spool"),
            format!("InitRunDir={dir}/run"),
            format!("RunAsUser={user}"),
            format!("RunAsGroup={group}"),
            format!("NodeName={}", self.name),
            format!("ZoneName={}", self.name),
        ]
        .into_iter()
        .flat_map(|define| ["-D".to_owned(), define])
        .collect()
    }

    /// Writes the main configuration: the given text behind an API listener on this node's port,
    /// a debug log, the template library, and an API user `root` with password `secret`.
    pub fn configure(&self, listener_attributes: &str, text: &str) {
        let dir = self.dir.display();
        let port = self.port;
        let main = format!(
            r#"include <itl>
object IcingaApplication "app" {{}}
object CheckerComponent "checker" {{}}
object FileLogger "debug-log" {{ severity = "debug"; path = "{dir}/log/debug.log" }}
object ApiListener "api" {{
  bind_host = "127.0.0.1"
  bind_port = {port}
  {listener_attributes}
}}
object ApiUser "root" {{ password = "secret"; permissions = [ "*" ] }}
object CheckCommand "echo-state" {{
  command = [ "/bin/sh", "-c", "echo \"$text$ on $$WHO|'a b'=1.5ms;2;3;0;10 c=7%\"; exit $rc$" ]
  env.WHO = "{name}"
  vars.text = "checked"
  vars.rc = 0
}}
{text}
"#,
            name = self.name
        );
        std::fs::write(self.dir.join("etc/main.conf"), main).unwrap();
    }

    /// Takes certificate, key and CA from a CA of the tests.
    pub fn certify(&self, authority: &Authority) {
        authority.issue(&self.name, &self.dir.join("data/certs"), &self.name);
    }

    /// Takes a certificate from a CA of the tests for a P-256 key that this program makes.
    pub fn certify_p256(&self, authority: &Authority) {
        self.certify(authority);
        let certs = self.dir.join("data/certs");
        let file = |ending: &str| certs.join(format!("{}.{ending}", self.name));
        let text = |ending: &str| file(ending).display().to_string();
        self.run(&[
            "pki",
            "new-cert",
            "--key-type",
            "p256",
            "--cn",
            &self.name,
            "--key",
            &text("key"),
            "--csr",
            &text("csr"),
        ]);
        authority.sign(&text("csr"), &self.name, &file("crt"));
    }

    /// What OpenSSL says of the key in a certificate: its algorithm, and the bits of an RSA key.
    pub fn key_of(&self, certificate: &str) -> String {
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-text", "-in"])
            .arg(self.dir.join(certificate))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| line.starts_with("Public-Key:") || line.contains("bit)"));
        let curve = text.contains("NIST CURVE: P-256");
        format!(
            "{} {}",
            line.unwrap_or_default(),
            if curve { "P-256" } else { "RSA" }
        )
    }

    /// Starts the daemon; wait for what you need afterwards.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("log/console.log"))
            .unwrap();
        let config = self.dir.join("etc/main.conf");
        let mut command = self.command(&["daemon", "-c", &config.display().to_string()]);
        command.stdout(output.try_clone().unwrap()).stderr(output);
        if let Some(version) = self.tls_max {
            let text = format!(
                "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = it\n\
                 [it]\nMaxProtocol = {version}\n"
            );
            let path = self.dir.join("openssl.cnf");
            std::fs::write(&path, text).unwrap();
            command.env("OPENSSL_CONF", path);
        }
        // A group of its own, so that `kill` reaches Icinga 2's worker process as well.
        command.process_group(0);
        self.child = Some(command.spawn().unwrap());
    }

    /// Starts the daemon and waits until its API answers.
    pub fn start_and_wait(&mut self) {
        self.start();
        self.wait_until_up();
    }

    pub fn wait_until_up(&self) {
        wait_for(
            &format!("the API of {} to answer", self.name),
            || self.logs(),
            || {
                assert!(
                    !self.has_ended(),
                    "{} has ended\n{}",
                    self.name,
                    self.logs()
                );
                self.get("/v1/status/IcingaApplication")
                    .filter(|(status, _)| *status == 200)
            },
        );
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node runs").id()
    }

    /// Sends a signal to the daemon's first process.
    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(self.pid().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// Kills the daemon and all its processes at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
        }
    }

    /// Ends the daemon in good order and returns whether its exit status was 0.
    pub fn stop(&mut self) -> bool {
        self.signal("TERM");
        let mut child = self.child.take().expect("the node runs");
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.success();
            }
            if Instant::now() > end {
                self.child = Some(child);
                self.kill();
                panic!("{} did not end after SIGTERM\n{}", self.name, self.logs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the daemon's process has ended (and waits to be collected).
    fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        stat.map_or(true, |stat| {
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.starts_with(" Z"))
        })
    }

    /// Whether the daemon's process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// `GET` as user `root`: status and JSON body.
    pub fn get(&self, path: &str) -> Option<(u16, Value)> {
        https::request(self.port, "GET", path, Some("root:secret"), None)
    }

    /// `POST` as user `root`.
    pub fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        https::request(self.port, "POST", path, Some("root:secret"), Some(body))
    }

    /// The attributes of an object, when it is there.
    pub fn object(&self, plural: &str, name: &str) -> Option<Value> {
        let name = name.replace('!', "%21");
        let (status, body) = self.get(&format!("/v1/objects/{plural}/{name}"))?;
        (status == 200).then(|| body["results"][0]["attrs"].clone())
    }

    /// Waits until an attribute object fulfils a condition, and returns its attributes.
    pub fn wait_object(
        &self,
        plural: &str,
        name: &str,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_for(
            &format!("{plural} {name} on {}: {what}", self.name),
            || {
                format!(
                    "last seen: {:#?}\n{}",
                    self.object(plural, name),
                    self.logs()
                )
            },
            || self.object(plural, name).filter(|attrs| condition(attrs)),
        )
    }

    /// Waits until a line of the debug log holds all the words.
    pub fn wait_log(&self, words: &[&str]) -> String {
        wait_for(
            &format!("a log line of {} with {words:?}", self.name),
            || self.logs(),
            || self.log_line(words),
        )
    }

    /// The first line of the logs with all the words.
    pub fn log_line(&self, words: &[&str]) -> Option<String> {
        let logs = self.read_log("debug.log") + &self.read_log("console.log");
        logs.lines()
            .find(|line| words.iter().all(|word| line.contains(word)))
            .map(str::to_owned)
    }

    pub fn read_log(&self, name: &str) -> String {
        let bytes = std::fs::read(self.dir.join("log").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of the logs, for failures.
    pub fn logs(&self) -> String {
        let tail = |text: String| {
            // What the test itself asks, again and again, hides the rest.
            let asked =
                |line: &&str| !line.contains("HttpServerConnection") && !line.ends_with(" is done");
            let lines: Vec<&str> = text.lines().filter(asked).collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        format!(
            "--- console of {0}:\n{1}\n--- debug log of {0}:\n{2}",
            self.name,
            tail(self.read_log("console.log")),
            tail(self.read_log("debug.log"))
        )
    }

    /// The established TCP connections of this node's processes: local and remote address.
    pub fn connections(&self) -> Vec<String> {
        let output = Command::new("ss")
            .args(["-Htnp", "state", "established"])
            .output()
            .unwrap();
        let needle = format!("pid={},", self.pid());
        let mut found: Vec<String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| line.contains(&needle))
            .map(|line| {
                line.split_whitespace()
                    .skip(2)
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        found.sort();
        found
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `id` says of this user.
fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A CA for the tests, made with OpenSSL so that neither program under test judges its own work.
pub struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("bheka-ca-")
            .tempdir()
            .unwrap();
        let authority = Self { dir };
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=Icinga CA",
            "-days",
            "3650",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]);
        authority
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Writes a revocation list that holds the certificates issued last under these names.
    pub fn revoke(&self, files: &[&str], list: &Path) {
        let dir = self.dir.path();
        let config = "[ca]\ndefault_ca = it\n[it]\ndatabase = index.txt\ndefault_md = sha256\n\
                      default_crl_days = 30\n";
        std::fs::write(dir.join("ca.cnf"), config).unwrap();
        std::fs::write(dir.join("index.txt"), "").unwrap();
        let ca = [
            "ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key",
        ];
        for file in files {
            let certificate = format!("{file}.crt");
            self.openssl(&[&ca[..], &["-revoke", &certificate]].concat());
        }
        let list = list.display().to_string();
        self.openssl(&[&ca[..], &["-gencrl", "-out", &list]].concat());
    }

    /// Makes a node the one that signs: puts `ca.crt` and `ca.key` into its `DataDir/ca`.
    pub fn move_to(&self, node: &Node) {
        let into = node.dir.join("data/ca");
        std::fs::create_dir_all(&into).unwrap();
        for name in ["ca.crt", "ca.key"] {
            std::fs::copy(self.dir.path().join(name), into.join(name)).unwrap();
        }
    }

    /// Puts `<file>.crt`, `<file>.key` and `ca.crt` into a directory, with this common name.
    pub fn issue(&self, file: &str, into: &Path, common_name: &str) {
        let request = format!("{file}.csr");
        let (key, certificate) = (format!("{file}.key"), format!("{file}.crt"));
        let subject = format!("/CN={common_name}");
        self.openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj",
            &subject,
        ]);
        std::fs::create_dir_all(into).unwrap();
        std::fs::copy(self.dir.path().join(&key), into.join(&key)).unwrap();
        self.sign(&request, common_name, &into.join(certificate));
        std::fs::copy(self.dir.path().join("ca.crt"), into.join("ca.crt")).unwrap();
    }

    /// Signs a request (a path, or the name of a file here) for this common name. The certificate
    /// is kept here, too, so that it can be revoked.
    pub fn sign(&self, request: &str, common_name: &str, certificate: &Path) {
        let dir = self.dir.path();
        std::fs::write(
            dir.join("extensions"),
            format!("basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:{common_name}\n"),
        )
        .unwrap();
        let kept = certificate.file_name().unwrap().to_str().unwrap();
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "397",
            "-sha256",
            "-extfile",
            "extensions",
            "-out",
            kept,
        ]);
        std::fs::copy(dir.join(kept), certificate).unwrap();
    }
}
