//! The least that any master has to do: the same handshakes with the same agents, and nothing
//! else. It runs as a process of its own, so that its CPU time and its descriptors are its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bheka_cluster::message::Message;
use bheka_fleet::{AgentEndpoint, Usage};
use bheka_net::{Connection, Deadlines, DialTarget, Identity, IdentityFiles, TlsSettings, dial};
use bheka_value::Value;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::now;

/// What the process is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A file with an agent a line: name and address
    #[arg(long)]
    targets: PathBuf,
    /// The directory with the client's certificate, key and ca.crt
    #[arg(long)]
    certs: PathBuf,
    /// The client's name
    #[arg(long)]
    name: String,
    /// Handshakes at the same time
    #[arg(long, default_value_t = 64)]
    at_once: usize,
}

/// What it found.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Bare {
    /// Seconds from the first connection's begin to the last one's first message.
    pub(crate) wall_s: f64,
    /// Seconds of CPU of the client alone.
    pub(crate) cpu_s: f64,
    /// Connections that were made.
    pub(crate) made: u64,
    /// Connections that were not.
    pub(crate) failed: u64,
}

/// The client itself; its finding goes to standard output.
pub(crate) fn run(options: &Options) -> Result<()> {
    super::raise_descriptor_limit();
    let text = std::fs::read_to_string(&options.targets)
        .with_context(|| format!("cannot read '{}'", options.targets.display()))?;
    let mut targets = Vec::new();
    for line in text.lines() {
        let (name, address) = line.split_once(' ').context("a line without an address")?;
        let address: std::net::SocketAddr = address.parse().context("not an address")?;
        targets.push(DialTarget {
            endpoint_name: name.to_owned(),
            host: address.ip().to_string(),
            port: address.port(),
            hello: Some(hello()),
        });
    }
    let files = IdentityFiles::in_directory(&options.certs, &options.name);
    let identity = Arc::new(Identity::load(&files, TlsSettings::default())?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let before = cpu();
    let start = Instant::now();
    let (open, failed) = runtime.block_on(connect_all(targets, identity, options.at_once));
    let bare = Bare {
        wall_s: start.elapsed().as_secs_f64(),
        cpu_s: cpu() - before,
        made: open.len() as u64,
        failed,
    };
    println!("{}", serde_json::to_string(&bare)?);
    Ok(())
}

/// All connections stay open until all are made, as those of a master do.
async fn connect_all(
    targets: Vec<DialTarget>,
    identity: Arc<Identity>,
    at_once: usize,
) -> (Vec<Connection>, u64) {
    let permits = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    for target in targets {
        let (identity, permits) = (identity.clone(), permits.clone());
        tasks.spawn(async move {
            let _permit = permits.acquire().await;
            dial(&target, &identity, &Deadlines::default(), now()).await
        });
    }
    let (mut open, mut failed) = (Vec::new(), 0);
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(Ok(connection)) => open.push(connection),
            _ => failed += 1,
        }
    }
    (open, failed)
}

fn hello() -> Vec<u8> {
    let params = [
        ("capabilities", Value::from(1.0)),
        ("version", Value::from(21_306.0)),
    ];
    Message::call("icinga::Hello", Value::dictionary(params)).to_bytes()
}

fn cpu() -> f64 {
    Usage::of(std::process::id()).map_or(0.0, |usage| usage.cpu_s)
}

/// Runs the client as a process, with the certificate of a master that was prepared in `folder`.
pub(crate) async fn measure(folder: &Path, name: &str, agents: &[AgentEndpoint]) -> Result<Bare> {
    let targets = folder.join("targets");
    let lines = agents.iter().filter_map(|agent| {
        let address = agent.address.filter(|_| agent.role.can_connect())?;
        Some(format!("{} {address}\n", agent.name))
    });
    std::fs::write(&targets, lines.collect::<String>())
        .with_context(|| format!("cannot write '{}'", targets.display()))?;
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .arg("bare")
        .arg("--targets")
        .arg(&targets)
        .arg("--certs")
        .arg(folder.join("data/certs"))
        .args(["--name", name])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(1_800), output)
        .await
        .context("the bare client does not end")??;
    if !output.status.success() {
        bail!("the bare client ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the bare client told nothing useful")
}
