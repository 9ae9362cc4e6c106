//! What the command line says.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bheka_fleet::{Addresses, ApiTarget, Listen, Parting, Roles};

use crate::api_url::ApiUrl;
use crate::cli::Invocation;

/// Most agents of one storm: about what one machine has memory and descriptors for.
const AGENTS_MAX: usize = 100_000;

/// The longest time that any option takes, in seconds: 30 days.
const SECONDS_MAX: f64 = 2_592_000.0;

/// What storm to make.
#[derive(Clone, Debug)]
pub(crate) struct StormOptions {
    /// How many agents.
    pub(crate) agents: usize,
    /// Their names are this and a number.
    pub(crate) prefix: String,
    /// How many of a hundred have RSA keys.
    pub(crate) rsa_percent: u8,
    /// How many different keys of a kind they share.
    pub(crate) keys_max: usize,
    /// The directory of the authority that signs their certificates.
    pub(crate) ca: Option<PathBuf>,
    /// Where everything is kept.
    pub(crate) directory: Option<PathBuf>,
    /// Where they wait; none when only they dial.
    pub(crate) listen: Option<Listen>,
    /// Whether they dial.
    pub(crate) dials: bool,
    /// The host and port that they dial.
    pub(crate) dial: Option<(String, u16)>,
    /// When they try again.
    pub(crate) retry: Duration,
    /// Within which time they begin to dial.
    pub(crate) spread: Duration,
    /// The name of the master's endpoint.
    pub(crate) master: String,
    /// Its zone.
    pub(crate) zone: String,
    /// Where to write what the master has to know.
    pub(crate) config: Option<PathBuf>,
    /// Seconds between two checks.
    pub(crate) check_interval_s: Option<u32>,
    /// The program to run as a master.
    pub(crate) start: Option<PathBuf>,
    /// The API to ask.
    pub(crate) api: Option<ApiTarget>,
    /// How often.
    pub(crate) api_interval: Duration,
    /// The master's process.
    pub(crate) pid: Option<u32>,
    /// How long a check runs.
    pub(crate) delay: Duration,
    /// How long agents hesitate before a handshake.
    pub(crate) handshake_delay: Duration,
    /// Who misbehaves.
    pub(crate) roles: Roles,
    /// How long slow readers pause.
    pub(crate) slow_pause: Duration,
    /// How many waves.
    pub(crate) waves: u32,
    /// Percent of the agents in each wave.
    pub(crate) wave_percent: u8,
    /// How they leave.
    pub(crate) parting: Parting,
    /// How long to cut the network.
    pub(crate) cut: Option<Duration>,
    /// How often to reload the master.
    pub(crate) reloads: u32,
    /// How long to watch in the end.
    pub(crate) hold: Duration,
    /// How long to wait until all are connected.
    pub(crate) patience: Duration,
    /// Where to write the report; `-` is standard output.
    pub(crate) json: Option<PathBuf>,
}

impl StormOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// When one cannot be understood, or they don't go together.
    pub(crate) fn read(invocation: &Invocation) -> anyhow::Result<Self> {
        let text = |name: &str| invocation.nonempty(name);
        let path = |name: &str| text(name).map(PathBuf::from);
        let direction = text("direction").unwrap_or_default();
        let (listens, dials) = match direction.as_str() {
            "master" | "" => (true, false),
            "agents" => (false, true),
            "both" => (true, true),
            other => bail!("--direction takes master, agents or both, not '{other}'"),
        };
        let listen = Listen {
            addresses: number(invocation, "listen", "an address such as 127.0.0.1")?
                .unwrap_or_else(|| Addresses::one(std::net::Ipv4Addr::LOCALHOST.into())),
            port: number(invocation, "port", "a port")?.unwrap_or(0),
        };
        let master = text("master").unwrap_or_else(|| "master".to_owned());
        let options = Self {
            agents: number(invocation, "agents", "a number")?.unwrap_or(200),
            prefix: text("prefix").unwrap_or_default(),
            rsa_percent: match text("key").as_deref() {
                None | Some("p256") => 0,
                Some("rsa4096") => 100,
                Some("mixed") => 50,
                Some(other) => bail!("--key takes p256, rsa4096 or mixed, not '{other}'"),
            },
            keys_max: number(invocation, "keys", "a number")?.unwrap_or(8),
            ca: path("ca"),
            directory: path("directory"),
            listen: listens.then_some(listen),
            dials,
            dial: text("dial").map(|text| host_and_port(&text)).transpose()?,
            retry: seconds(invocation, "retry")?.unwrap_or(Duration::from_secs(10)),
            spread: seconds(invocation, "spread")?.unwrap_or_default(),
            zone: text("zone").unwrap_or_else(|| master.clone()),
            master,
            config: path("config"),
            check_interval_s: number(invocation, "checks", "a whole number of seconds")?,
            start: path("start"),
            api: text("api").map(|url| api(&url)).transpose()?,
            api_interval: seconds(invocation, "api-interval")?
                .unwrap_or(Duration::from_millis(250)),
            pid: text("pid").map(|text| pid(&text)).transpose()?,
            delay: seconds(invocation, "delay")?.unwrap_or_default(),
            handshake_delay: seconds(invocation, "handshake-delay")?.unwrap_or_default(),
            roles: Roles {
                blackhole: percent(invocation, "blackhole")?.unwrap_or(0),
                mute: percent(invocation, "mute")?.unwrap_or(0),
                refuse: percent(invocation, "refuse")?.unwrap_or(0),
                slow: percent(invocation, "slow")?.unwrap_or(0),
            },
            slow_pause: seconds(invocation, "slow-pause")?.unwrap_or(Duration::from_secs(1)),
            waves: number(invocation, "waves", "a number")?.unwrap_or(0),
            wave_percent: percent(invocation, "wave")?.unwrap_or(30),
            parting: match invocation.flag("abrupt") {
                true => Parting::Abrupt,
                false => Parting::Goodbye,
            },
            cut: seconds(invocation, "cut")?,
            reloads: number(invocation, "reloads", "a number")?.unwrap_or(0),
            hold: seconds(invocation, "hold")?.unwrap_or_default(),
            patience: seconds(invocation, "patience")?.unwrap_or(Duration::from_secs(600)),
            json: path("json"),
        };
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.agents == 0 || self.agents > AGENTS_MAX {
            bail!("--agents takes a number from 1 to {AGENTS_MAX}");
        }
        if self.keys_max == 0 {
            bail!("--keys takes a number from 1 on");
        }
        let roles = self.roles;
        let bad = [roles.blackhole, roles.mute, roles.refuse, roles.slow];
        if bad.iter().map(|percent| u32::from(*percent)).sum::<u32>() > 100 {
            bail!("--blackhole, --mute, --refuse and --slow are more than 100 percent together");
        }
        if self.api_interval.is_zero() {
            bail!("--api-interval must be longer than 0 seconds");
        }
        if self.check_interval_s == Some(0) {
            bail!("--checks must be at least one second");
        }
        if self.start.is_some() && (self.pid.is_some() || self.api.is_some()) {
            bail!("--start knows its master's process and API; leave out --pid and --api");
        }
        if self.start.is_some() && self.dial.is_some() {
            bail!("--start knows its master's address; leave out --dial");
        }
        if self.start.is_some() && self.zone != self.master {
            bail!("the zone of the master that --start runs has its name; leave out --zone");
        }
        if self.dials && self.start.is_none() && self.dial.is_none() {
            bail!("agents that dial need to know whom: --dial HOST:PORT, or --start PROGRAM");
        }
        if self.dial.is_some() && !self.dials {
            bail!("--dial goes with --direction agents or both");
        }
        if self.reloads > 0 && self.start.is_none() && self.pid.is_none() {
            bail!("--reloads needs to know the master's process: --start PROGRAM, or --pid");
        }
        if self.start.is_none() && self.ca.is_none() && self.directory.is_none() {
            bail!(
                "the master must trust the agents' certificates: give its authority with --ca \
                 (/var/lib/icinga2/ca), or keep one for both with --directory, or let --start run \
                 a master just for this"
            );
        }
        Ok(())
    }

    /// Whether nothing but the report may be written to standard output.
    pub(crate) fn is_quiet(&self) -> bool {
        self.json
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
    }
}

fn number<T: FromStr>(
    invocation: &Invocation,
    name: &str,
    what: &str,
) -> anyhow::Result<Option<T>> {
    let Some(text) = invocation.nonempty(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => bail!("--{name} takes {what}, not '{text}'"),
    }
}

fn percent(invocation: &Invocation, name: &str) -> anyhow::Result<Option<u8>> {
    match number(invocation, name, "a percentage from 0 to 100")? {
        Some(101..) => bail!("--{name} takes a percentage from 0 to 100"),
        percent => Ok(percent),
    }
}

fn seconds(invocation: &Invocation, name: &str) -> anyhow::Result<Option<Duration>> {
    let what = "a number of seconds";
    let Some(seconds) = number::<f64>(invocation, name, what)? else {
        return Ok(None);
    };
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        bail!("--{name} takes {what} from 0 to {SECONDS_MAX}");
    }
    Ok(Some(Duration::from_secs_f64(seconds)))
}

fn host_and_port(text: &str) -> anyhow::Result<(String, u16)> {
    let wrong = || format!("--dial takes HOST:PORT such as 192.0.2.1:5665, not '{text}'");
    let (host, port) = text.rsplit_once(':').with_context(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        bail!(wrong());
    }
    Ok((host.to_owned(), port.parse().with_context(wrong)?))
}

fn api(url: &str) -> anyhow::Result<ApiTarget> {
    let url = ApiUrl::with_environment(url)?;
    Ok(ApiTarget {
        host: url.host,
        port: url.port,
        user: url.user,
        password: url.password,
    })
}

/// A number, or a file that holds one.
fn pid(text: &str) -> anyhow::Result<u32> {
    if let Ok(pid) = text.parse() {
        return Ok(pid);
    }
    let file = std::fs::read_to_string(text)
        .with_context(|| format!("--pid takes a number or a file, and '{text}' cannot be read"))?;
    let Ok(pid) = file.trim().parse() else {
        bail!("file '{text}' does not hold the number of a process");
    };
    Ok(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> anyhow::Result<StormOptions> {
        let words = format!("storm {words}");
        let words = words.split_whitespace().map(std::ffi::OsString::from);
        StormOptions::read(&Invocation::parse(words).unwrap())
    }

    #[test]
    fn defaults() {
        let options = read("--start icinga2").unwrap();
        assert_eq!((options.agents, options.keys_max), (200, 8));
        assert_eq!(options.prefix, "agent-");
        assert!(options.listen.is_some() && !options.dials && !options.is_quiet());
        assert_eq!(options.roles, Roles::default());
        assert_eq!(
            (options.retry, options.cut),
            (Duration::from_secs(10), None)
        );
        assert_eq!(options.zone, "master");
    }

    #[test]
    fn all_kinds_of_values() {
        let options = read(
            "--directory d --agents 17 --key mixed --listen 127.1.0.0/16 --port 4711 --direction \
             both --dial [::1]:5665 --api https://u:p@h --blackhole 10 --refuse 5 --cut 1.5 --wave \
             20 --waves 2 --abrupt --json -",
        )
        .unwrap();
        assert_eq!((options.agents, options.rsa_percent), (17, 50));
        assert_eq!(options.dial, Some(("::1".to_owned(), 5665)));
        assert_eq!(options.listen.unwrap().port, 4711);
        assert_eq!(options.api.unwrap().port, 5665);
        assert_eq!((options.roles.blackhole, options.roles.refuse), (10, 5));
        assert_eq!(options.cut, Some(Duration::from_millis(1_500)));
        assert_eq!(options.parting, Parting::Abrupt);
        assert_eq!((options.waves, options.wave_percent), (2, 20));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        for (words, part) in [
            ("", "must trust"),
            ("--start x --agents 0", "--agents takes a number from 1"),
            (
                "--start x --agents ten",
                "--agents takes a number, not 'ten'",
            ),
            ("--start x --key dsa", "--key takes"),
            ("--start x --blackhole 101", "from 0 to 100"),
            (
                "--start x --blackhole 60 --mute 50",
                "more than 100 percent",
            ),
            ("--start x --hold -1", "from 0 to"),
            ("--start x --hold NaN", "from 0 to"),
            ("--start x --listen nowhere", "an address"),
            ("--start x --direction up", "--direction takes"),
            ("--start x --pid 1", "leave out"),
            ("--ca d --direction agents", "need to know whom"),
            ("--ca d --direction agents --dial 5665", "HOST:PORT"),
            ("--ca d --dial h:5665", "goes with"),
            ("--ca d --reloads 1", "the master's process"),
            ("--ca d --pid /does/not/exist", "cannot be read"),
            ("--ca d --api nonsense", "Invalid URL"),
        ] {
            let words = words.replace("--hold -1", "--hold=-1");
            let error = format!("{:#}", read(&words).unwrap_err());
            assert!(error.contains(part), "{words}: {error}");
        }
    }
}
