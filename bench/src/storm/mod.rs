//! Storms of agents over Icinga 2 and over Bheka, in turns, on the same machine, with the same
//! agents; and over a client that does nothing but the handshakes.

pub(crate) mod bare;
mod plot;
mod stage;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use bheka_fleet::{Addresses, Clock, Fleet, Listen, Options as FleetOptions};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey};
use bheka_value::Timestamp;
use clap::ValueEnum;
use serde::Serialize;

use self::bare::Bare;
use self::stage::{Part, Stage};

/// What to measure, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Agents; each number is measured
    #[arg(long, value_delimiter = ',', default_values_t = [2000])]
    agents: Vec<usize>,
    /// Keys of the agents; each kind is measured
    #[arg(long, value_delimiter = ',', default_values = ["p256"])]
    key: Vec<Key>,
    /// Keys of the masters; each kind is measured
    #[arg(long, value_delimiter = ',', default_values = ["rsa4096"])]
    master_key: Vec<Key>,
    /// Which masters
    #[arg(long, default_value = "both")]
    master: Masters,
    /// What happens, in the order of this list
    #[arg(long, value_delimiter = ',', default_values = ["start", "reload", "cut", "kill"])]
    scenario: Vec<Scenario>,
    /// Rounds; medians are shown
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Where table, plots and figures are written
    #[arg(long, default_value = "target/bench/storm")]
    out: PathBuf,
    /// The Icinga 2 to compare with
    #[arg(long, default_value = "icinga2")]
    icinga2: PathBuf,
    /// The Bheka to measure: build it with `cargo build --release -p bheka`
    #[arg(long, default_value = "target/release/bheka")]
    bheka: PathBuf,
    /// Addresses of the agents: one, or a loopback network of which each has its own
    #[arg(long, default_value = "127.1.0.0/16")]
    listen: Addresses,
    /// How many different keys of a kind the agents share
    #[arg(long, default_value_t = 8)]
    keys: usize,
    /// Let each agent run a check this often, in seconds
    #[arg(long)]
    checks: Option<u32>,
    /// Reloads in a row in the scenario `reload`
    #[arg(long, default_value_t = 1)]
    reloads: u32,
    /// Minutes of the scenario `steady`
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Seconds without network in the scenario `cut`; a silent peer is given up after 60 to 90
    #[arg(long, default_value_t = 100.0)]
    cut_seconds: f64,
    /// Seconds between two requests to the API
    #[arg(long, default_value_t = 0.2)]
    api_interval: f64,
    /// Seconds to wait until all agents are connected
    #[arg(long, default_value_t = 900.0)]
    patience: f64,
}

/// The kind of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Key {
    /// ECDSA on P-256
    P256,
    /// RSA with 4096 bits, as Icinga 2 makes them
    Rsa4096,
}

impl Key {
    fn kind(self) -> KeyKind {
        match self {
            Self::P256 => KeyKind::EcP256,
            Self::Rsa4096 => KeyKind::Rsa4096,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::Rsa4096 => "RSA-4096",
        }
    }
}

/// Which masters to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Masters {
    /// Icinga 2 alone
    Icinga2,
    /// Bheka alone
    Bheka,
    /// Both, in turns
    Both,
}

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// The master is started; also measures the bare client
    Start,
    /// All stay connected for some minutes
    Steady,
    /// The master reloads
    Reload,
    /// The network is cut for a while
    Cut,
    /// The master is killed and started again
    Kill,
    /// As start, while another process takes all of one core; also measures the bare client so
    Busy,
    /// As start, with 10 % of the agents blackholed and 5 % refusing
    Blackhole,
    /// All agents dial the master at once
    DialIn,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Steady => "steady",
            Self::Reload => "reload",
            Self::Cut => "cut",
            Self::Kill => "kill",
            Self::Busy => "busy",
            Self::Blackhole => "blackhole",
            Self::DialIn => "dial-in",
        }
    }

    /// What it is, for the heading of a table or plot.
    fn title(self) -> &'static str {
        match self {
            Self::Start => "Start of the master",
            Self::Steady => "All connected",
            Self::Reload => "Reload",
            Self::Cut => "Network cut",
            Self::Kill => "Master killed and started again",
            Self::Busy => "Start with one core kept busy",
            Self::Blackhole => "Start with 10 % of the agents blackholed and 5 % refusing",
            Self::DialIn => "All agents dial in at once",
        }
    }

    /// Whether it goes on with a master that is up and has all its agents.
    fn continues(self) -> bool {
        matches!(self, Self::Steady | Self::Reload | Self::Cut | Self::Kill)
    }
}

/// A setting that is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Setting {
    /// Agents.
    pub(crate) agents: usize,
    /// Their keys.
    pub(crate) key: Key,
    /// The master's key.
    pub(crate) master_key: Key,
}

/// All runs of one setting.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) setting: Setting,
    /// The bare client, for `start` and `busy`.
    pub(crate) bare: Vec<(Scenario, Bare)>,
    /// Each round's parts of each master.
    pub(crate) parts: Vec<Part>,
}

/// The wall clock.
#[allow(
    clippy::disallowed_methods,
    reason = "certificates are judged by the real clock on both sides"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0.0, |since| since.as_secs_f64()))
}

/// Allows this process as many open files as it may have.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it can't be raised, the number of agents is compared with what it is.
    let _ = setrlimit(Resource::Nofile, limit);
}

pub(crate) fn run(options: &Options) -> Result<()> {
    raise_descriptor_limit();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    for agents in &options.agents {
        if *agents == 0 || limit.is_some_and(|limit| (*agents as u64) + 200 > limit) {
            bail!(
                "--agents takes numbers from 1 on, each with an open file; this process may have {}",
                limit.unwrap_or_default()
            );
        }
    }
    let programs = programs(options)?;
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create '{}'", options.out.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut all = Vec::new();
    for &agents in &options.agents {
        for &key in &options.key {
            for &master_key in &options.master_key {
                let setting = Setting {
                    agents,
                    key,
                    master_key,
                };
                all.push(runtime.block_on(measure(options, setting, &programs))?);
                // After each setting, so that what was measured is not lost with the next one.
                write_results(options, &programs, &all)?;
            }
        }
    }
    print!("{}", table::all(&all));
    eprintln!(
        "table, plots and figures are in '{}'",
        options.out.display()
    );
    Ok(())
}

/// A master to measure.
#[derive(Clone, Debug)]
struct Program {
    name: &'static str,
    path: PathBuf,
    version: String,
}

fn programs(options: &Options) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for (name, path, left_out) in [
        ("Icinga 2", &options.icinga2, Masters::Bheka),
        ("Bheka", &options.bheka, Masters::Icinga2),
    ] {
        if options.master == left_out {
            continue;
        }
        let output = Command::new(path)
            .arg("--version")
            .output()
            .with_context(|| {
                format!(
                    "cannot run '{}': build Bheka with 'cargo build --release -p bheka', install \
                     Icinga 2 with 'apt-get install icinga2-bin', or use --master",
                    path.display()
                )
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        programs.push(Program {
            name,
            // Masters are started in a directory of their own.
            path: match path.components().count() {
                1 => path.clone(),
                _ => std::path::absolute(path)?,
            },
            version: text.lines().next().unwrap_or_default().to_owned(),
        });
    }
    Ok(programs)
}

async fn measure(options: &Options, setting: Setting, programs: &[Program]) -> Result<Measured> {
    eprintln!(
        "{} agents with {} keys, masters with {}: making certificates",
        setting.agents,
        setting.key.name(),
        setting.master_key.name()
    );
    let folder = tempfile::Builder::new()
        .prefix("bheka-bench-storm-")
        .tempdir()
        .context("cannot make a temporary directory")?;
    let authority = CertificateAuthority::generate(KeyKind::Rsa4096, now())?;
    let fleet = Fleet::start(FleetOptions {
        rsa_percent: if setting.key == Key::Rsa4096 { 100 } else { 0 },
        keys_max: Some(options.keys.max(1)),
        listen: Some(Listen {
            addresses: options.listen,
            port: 0,
        }),
        ..FleetOptions::new(setting.agents, authority.clone(), Clock::new(now))
    })
    .await
    .context("cannot start the agents")?;
    let master_key = PrivateKey::generate(setting.master_key.kind())?;
    let mut measured = Measured {
        setting,
        bare: Vec::new(),
        parts: Vec::new(),
    };
    for round in 0..options.rounds.max(1) {
        for (turn, program) in programs.iter().enumerate() {
            let mut stage = Stage {
                options,
                program,
                round,
                fleet: &fleet,
                authority: &authority,
                master_key: &master_key,
                folder: folder.path(),
                master: None,
            };
            for &scenario in &options.scenario {
                let has_bare = matches!(scenario, Scenario::Start | Scenario::Busy);
                if has_bare && turn == 0 {
                    let bare = stage.bare(scenario).await?;
                    eprintln!(
                        "round {}, bare client, {}: {:.2} s",
                        round + 1,
                        scenario.name(),
                        bare.wall_s
                    );
                    measured.bare.push((scenario, bare));
                }
                let part = stage.play(scenario).await?;
                eprintln!(
                    "round {}, {}, {}: {}",
                    round + 1,
                    program.name,
                    scenario.name(),
                    table::in_short(&part)
                );
                measured.parts.push(part);
            }
            stage.stop().await;
        }
    }
    fleet.stop().await;
    Ok(measured)
}

/// The table, a plot for each scenario and setting, and all figures.
fn write_results(options: &Options, programs: &[Program], all: &[Measured]) -> Result<()> {
    let write = |name: &str, text: &str| {
        let path: &Path = &options.out.join(name);
        fs::write(path, text).with_context(|| format!("cannot write '{}'", path.display()))
    };
    let mut head = String::from("# Storms of agents\n\n");
    for program in programs {
        head.push_str(&format!("* {}: {}\n", program.name, program.version));
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    head.push_str(&format!(
        "* {cores} cores, shared by master and simulated agents; medians of {} round(s)\n\n",
        options.rounds.max(1)
    ));
    let mut body = table::all(all);
    body.push('\n');
    for measured in all {
        for (name, svg) in plot::plots(measured) {
            body.push_str(&format!("![{name}]({name}.svg)\n"));
            write(&format!("{name}.svg"), &svg)?;
        }
    }
    write("storm.md", &(head + &body))?;
    write("storm.json", &serde_json::to_string(all)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bheka_fleet::{Observed, Quantiles, Snapshot, Timeline};

    use super::*;

    /// Three rounds of a start.
    pub(super) fn measured() -> Measured {
        let part = |round: usize, seconds: u64| {
            let mut timeline = Timeline::new(100);
            timeline.note(Duration::ZERO, 0);
            timeline.note(Duration::from_secs(seconds), 100);
            let mut agents = Snapshot::default();
            (agents.attempts, agents.connects) = (120, 100);
            Part {
                program: "Icinga 2",
                scenario: Scenario::Start,
                round,
                expected: 100,
                observed: Observed {
                    name: "start".to_owned(),
                    seconds: seconds as f64,
                    in_force_s: None,
                    milestones: timeline.milestones(),
                    agents,
                    handshakes: Quantiles::default(),
                    api: None,
                    master: None,
                    timeline,
                },
                in_force_s: Vec::new(),
                usage: Vec::new(),
                mended_s: None,
            }
        };
        let bare = Bare {
            wall_s: 2.0,
            cpu_s: 0.1,
            made: 100,
            failed: 0,
        };
        Measured {
            setting: Setting {
                agents: 100,
                key: Key::P256,
                master_key: Key::Rsa4096,
            },
            bare: vec![(Scenario::Start, bare)],
            parts: vec![part(0, 3), part(1, 5), part(2, 4)],
        }
    }
}
