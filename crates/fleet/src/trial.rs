//! A master of one's own for a trial: a directory with configuration and certificates, and the
//! process of a program that reads them, Bheka or Icinga 2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use bheka_net::pki::{CertificateAuthority, PrivateKey};
use bheka_value::Timestamp;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;
use tokio::time::timeout;

use crate::{AgentEndpoint, ApiTarget, FleetError, MasterConfig, Usage};

/// The ApiUser of a trial master.
const API_USER: &str = "storm";
/// How long a master may take to end in good order.
const END_PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a log that a complaint shows.
const LOG_LINES_SHOWN: usize = 15;

/// What master to prepare.
#[derive(Clone, Debug)]
pub struct TrialOptions {
    /// Where everything is kept.
    pub folder: PathBuf,
    /// The name of its endpoint and zone.
    pub name: String,
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The password of its API.
    pub password: String,
    /// Its key.
    pub key: PrivateKey,
    /// Seconds between two checks of each agent; no checks when missing.
    pub check_interval_s: Option<u32>,
}

/// A master in a directory of its own. When it is dropped, its processes are killed.
#[derive(Debug)]
pub struct TrialMaster {
    options: TrialOptions,
    program: PathBuf,
    /// Counts the changes of its configuration.
    generation: u32,
    child: Option<Child>,
}

impl TrialMaster {
    /// Writes certificates and configuration; nothing is started. The program is `bheka` or
    /// `icinga2`.
    ///
    /// # Errors
    /// When a certificate can't be made or a file can't be written.
    pub fn prepare(
        options: TrialOptions,
        program: &Path,
        authority: &CertificateAuthority,
        agents: &[AgentEndpoint],
        now: Timestamp,
    ) -> Result<Self, FleetError> {
        let certs = options.folder.join("data/certs");
        for name in ["data/certs", "etc/zones.d", "log", "cache", "spool", "run"] {
            let path = options.folder.join(name);
            fs::create_dir_all(&path).map_err(|cause| file_error("create", &path, cause))?;
        }
        let certificate = authority.issue(&options.name, &options.key, now)?;
        let name = &options.name;
        options.key.write(&certs.join(format!("{name}.key")))?;
        certificate.write(&certs.join(format!("{name}.crt")))?;
        authority.certificate().write(&certs.join("ca.crt"))?;
        let master = Self {
            options,
            program: program.to_owned(),
            generation: 0,
            child: None,
        };
        master.write("etc/master.conf", &master.main_file())?;
        master.write("etc/generation.conf", "")?;
        let agents_conf = MasterConfig {
            parent_zone: master.options.name.clone(),
            check_interval_s: master.options.check_interval_s,
        };
        master.write("etc/agents.conf", &agents_conf.objects(agents))?;
        Ok(master)
    }

    fn main_file(&self) -> String {
        let TrialOptions {
            name,
            host,
            port,
            password,
            ..
        } = &self.options;
        format!(
            "// The configuration of a trial.\nobject ApiListener \"api\" {{\n  bind_host = \
             \"{host}\"\n  bind_port = {port}\n}}\nobject ApiUser \"{API_USER}\" {{\n  password = \
             \"{password}\"\n  permissions = [ \"status/query\", \"objects/query/*\" ]\n}}\nobject \
             CheckerComponent \"checker\" {{ }}\nobject CheckCommand \"storm-nothing\" {{\n  \
             command = [ \"/bin/true\" ]\n}}\nobject Endpoint \"{name}\" {{ }}\nobject Zone \
             \"{name}\" {{\n  endpoints = [ \"{name}\" ]\n}}\ninclude \"agents.conf\"\ninclude \
             \"generation.conf\"\n"
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<(), FleetError> {
        let path = self.options.folder.join(name);
        fs::write(&path, text).map_err(|cause| file_error("write", &path, cause))
    }

    /// The way to its API.
    #[must_use]
    pub fn api(&self) -> ApiTarget {
        ApiTarget {
            host: self.options.host.clone(),
            port: self.options.port,
            user: API_USER.to_owned(),
            password: self.options.password.clone(),
        }
    }

    /// The words with which it can be started by hand.
    #[must_use]
    pub fn command_line(&self) -> Vec<String> {
        let folder = self.options.folder.display();
        let id = |flag: &str| {
            let output = Command::new("id").arg(flag).output();
            let text = output.map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&text).trim().to_owned()
        };
        let mut words = vec![
            self.program.display().to_string(),
            "daemon".to_owned(),
            "-c".to_owned(),
            format!("{folder}/etc/master.conf"),
        ];
        let name = &self.options.name;
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        for define in [
            format!("NodeName={name}"),
            format!("ConfigDir={folder}/etc"),
            format!("ZonesDir={folder}/etc/zones.d"),
            format!("DataDir={folder}/data"),
            format!("LogDir={folder}/log"),
            format!("CacheDir={folder}/cache"),
            format!("SpoolDir={folder}/spool"),
            format!("InitRunDir={folder}/run"),
            format!("PidPath={folder}/run/master.pid"),
            format!("RunAsUser={}", id("-un")),
            format!("RunAsGroup={}", id("-gn")),
            // Icinga 2 lowers its limit to 16,384 open files otherwise.
            format!(
                "Configuration.RLimitFiles={}",
                descriptors.unwrap_or(65_536)
            ),
        ] {
            words.extend(["-D".to_owned(), define]);
        }
        words
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn start(&mut self) -> Result<(), FleetError> {
        let log = self.log();
        let output = fs::File::create(&log).map_err(|cause| file_error("write", &log, cause))?;
        let errors = output
            .try_clone()
            .map_err(|cause| file_error("write", &log, cause))?;
        let words = self.command_line();
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(words.get(1..).unwrap_or_default())
            .current_dir(&self.options.folder)
            .env_remove("BHEKA_ICINGA2")
            .env_remove("NOTIFY_SOCKET")
            // Ctrl-C is for the trial, which ends the master itself.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let child = command.spawn().map_err(|cause| FleetError::Master {
            program: self.program.clone(),
            cause: format!("cannot be started: {cause}"),
        })?;
        self.child = Some(child);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.options.folder.join("log/console.log")
    }

    /// The process that was started: the one to signal, and the root of all its processes.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// What its processes use.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        Usage::of(self.id()?)
    }

    /// Complains with the end of its log when it has ended.
    ///
    /// # Errors
    /// When it does not run.
    pub fn expect_alive(&mut self) -> Result<(), FleetError> {
        let status: Option<ExitStatus> = match &mut self.child {
            Some(child) => child.try_wait().unwrap_or_default(),
            None => return Err(self.complaint("was not started")),
        };
        match status {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
                Err(self.complaint(&format!("ended with {status}:\n{tail}")))
            }
        }
    }

    fn complaint(&self, cause: &str) -> FleetError {
        FleetError::Master {
            program: self.program.clone(),
            cause: cause.to_owned(),
        }
    }

    /// Adds a host to its configuration and removes the one that was added before, then lets it
    /// reload. Yields the path of the API at which the new host is found once it is in force.
    ///
    /// # Errors
    /// When the file can't be written or the master does not run.
    pub fn reload(&mut self) -> Result<String, FleetError> {
        self.generation += 1;
        let host = format!("storm-generation-{}", self.generation);
        self.write(
            "etc/generation.conf",
            &format!(
                "object Host \"{host}\" {{\n  check_command = \"storm-nothing\"\n  \
                 enable_active_checks = false\n}}\n"
            ),
        )?;
        self.signal(Signal::HUP)?;
        Ok(format!("/v1/objects/hosts/{host}?attrs=name"))
    }

    fn signal(&self, signal: Signal) -> Result<(), FleetError> {
        let pid = self.id().and_then(pid);
        let pid = pid.ok_or_else(|| self.complaint("does not run"))?;
        kill_process(pid, signal)
            .map_err(|error| self.complaint(&format!("takes no signal: {error}")))
    }

    /// Kills all its processes at once, as the kernel does when memory is short.
    pub async fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        kill_family(&child);
        let _ = child.wait().await;
    }

    /// Ends it in good order, or else by force.
    pub async fn stop(&mut self) {
        let sent = self.signal(Signal::TERM);
        let Some(mut child) = self.child.take() else {
            return;
        };
        if sent.is_err() || timeout(END_PATIENCE, child.wait()).await.is_err() {
            kill_family(&child);
            let _ = child.wait().await;
        }
    }
}

impl Drop for TrialMaster {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            kill_family(child);
        }
    }
}

/// Icinga 2 is three processes, and killing the first would leave two.
fn kill_family(child: &Child) {
    let Some(id) = child.id() else {
        // It was waited for: its number may be another's by now.
        return;
    };
    let family = Usage::family(id);
    if let Some(group) = pid(id) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    for member in family.into_iter().filter_map(pid) {
        let _ = kill_process(member, Signal::KILL);
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

fn file_error(action: &'static str, path: &Path, cause: io::Error) -> FleetError {
    FleetError::File {
        action,
        path: path.to_owned(),
        cause,
    }
}

/// A port of an address that is free now.
///
/// # Errors
/// When the address is not one of this machine.
pub fn free_port(host: &str) -> Result<u16, FleetError> {
    let port = std::net::TcpListener::bind((host, 0)).and_then(|socket| socket.local_addr());
    let address = port.map_err(|cause| FleetError::Listen {
        address: host.to_owned(),
        cause,
    })?;
    Ok(address.port())
}

#[cfg(test)]
mod tests {
    use bheka_net::pki::KeyKind;

    use super::*;
    use crate::Role;

    #[tokio::test]
    async fn its_files_and_a_program_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp(1_795_416_106.0);
        let authority = CertificateAuthority::generate(KeyKind::EcP256, now).unwrap();
        let options = TrialOptions {
            folder: folder.path().to_owned(),
            name: "storm-master".into(),
            host: "127.0.0.1".into(),
            port: free_port("127.0.0.1").unwrap(),
            password: "secret".into(),
            key: PrivateKey::generate(KeyKind::EcP256).unwrap(),
            check_interval_s: Some(30),
        };
        let agents = [AgentEndpoint {
            name: "agent-0001".into(),
            address: Some("127.0.0.1:1".parse().unwrap()),
            role: Role::Healthy,
        }];
        // It ends at once, and not in the way a master does.
        let program = Path::new("false");
        let mut master = TrialMaster::prepare(options, program, &authority, &agents, now).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("etc/master.conf").contains("include \"agents.conf\""));
        assert!(read("etc/agents.conf").contains("object Host \"agent-0001\""));
        assert!(folder.path().join("data/certs/storm-master.key").exists());
        assert!(master.reload().is_err() && master.usage().is_none());
        assert!(read("etc/generation.conf").contains("storm-generation-1"));
        master.start().unwrap();
        let complaint = loop {
            match master.expect_alive() {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            complaint.contains("ended with exit status: 1"),
            "{complaint}"
        );
        master.stop().await;
    }
}
