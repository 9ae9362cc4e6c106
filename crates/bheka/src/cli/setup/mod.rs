//! `node setup` and `api setup`: from an installed program to a node of a cluster.

mod agent;
mod files;
mod master;
mod skeleton;
mod zones;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bheka_net::pki::KeyKind;

use crate::cli::{Invocation, feature, pki, print, say};
use crate::host;
use crate::log::Severity;
use crate::settings::Settings;

/// `node setup`
pub(super) fn node(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let wishes = Wishes::new(invocation)?;
    if invocation.flag("master") {
        master::set_up(&wishes, settings)
    } else {
        agent::set_up(&wishes, invocation, settings)
    }
}

/// `node wizard`
pub(super) fn wizard() -> anyhow::Result<ExitCode> {
    bail!(
        "The wizard is not available; run 'node setup' with options instead, see 'node setup \
         --help'."
    );
}

/// `api setup`
pub(super) fn api(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let cn = invocation
        .nonempty("cn")
        .unwrap_or_else(host::fully_qualified_name);
    let kind = pki::key_kind(invocation)?.unwrap_or(KeyKind::EcP256);
    skeleton::ensure(settings)?;
    master::certificates(&cn, kind, settings)?;
    master::api_user(settings)?;
    info("Enabling the 'api' feature.");
    feature::enable_features(settings, &["api".to_owned()])?;
    files::set_constant(settings, "NodeName", &cn)?;
    files::set_constant(settings, "ZoneName", &cn)?;
    print("Done.\n\nNow restart the daemon to finish the installation!\n\n");
    Ok(ExitCode::SUCCESS)
}

/// What the command line asks for, for masters and agents alike.
struct Wishes {
    cn: String,
    zone: Option<String>,
    listen: Option<(String, u16)>,
    global_zones: Vec<String>,
    disable_confd: bool,
    accept_config: bool,
    accept_commands: bool,
    /// `--key-type`; the default depends on what the node becomes.
    key_kind: Option<KeyKind>,
}

impl Wishes {
    fn new(invocation: &Invocation) -> anyhow::Result<Self> {
        let listen = invocation
            .nonempty("listen")
            .map(|text| host_and_port(&text))
            .transpose()?;
        let mut global_zones: Vec<String> = ["global-templates", "director-global"]
            .map(str::to_owned)
            .to_vec();
        for zone in invocation.values("global_zones") {
            if !zone.is_empty() && !global_zones.contains(&zone) {
                global_zones.push(zone);
            }
        }
        Ok(Self {
            cn: invocation
                .nonempty("cn")
                .unwrap_or_else(host::fully_qualified_name),
            zone: invocation.nonempty("zone"),
            listen,
            global_zones,
            disable_confd: invocation.flag("disable-confd"),
            accept_config: invocation.flag("accept-config"),
            accept_commands: invocation.flag("accept-commands"),
            key_kind: pki::key_kind(invocation)?,
        })
    }
}

/// `host[,port]`
fn host_and_port(text: &str) -> anyhow::Result<(String, u16)> {
    let (host, port) = text.split_once(',').unwrap_or((text, "5665"));
    let port = port.trim();
    let port = port
        .parse()
        .with_context(|| format!("Port '{port}' in '{text}' is not a number from 1 to 65535."))?;
    Ok((host.trim().to_owned(), port))
}

/// Names differ when a certificate is not for this machine's own name.
fn warn_of_other_name(cn: &str) {
    let fqdn = host::fully_qualified_name();
    if cn != fqdn {
        say(
            Severity::Warning,
            "cli",
            &format!(
                "CN/Endpoint name '{cn}' does not match the default FQDN '{fqdn}'. Requires an \
                 update for the NodeName constant in constants.conf!"
            ),
        );
    }
}

fn info(text: &str) {
    say(Severity::Information, "cli", text);
}

const RESTART: &str = "Make sure to restart the daemon.";
