//! An agent or satellite: a certificate signed by a parent, zones with the parent above.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bheka_net::pki::{Certificate, KeyKind, Mode, create_private_dir, write_atomic};
use bheka_net::request::CertificateRequest;

use super::zones::{Endpoint, Parent, write_listener, write_zones};
use super::{RESTART, Wishes, files, host_and_port, info, skeleton, warn_of_other_name};
use crate::cli::{Invocation, feature, pki, say};
use crate::log::Severity;
use crate::settings::Settings;
use crate::version::PROGRAM;

/// Sets up an agent.
pub(super) fn set_up(
    wishes: &Wishes,
    invocation: &Invocation,
    settings: &Settings,
) -> anyhow::Result<ExitCode> {
    let endpoints: Vec<Endpoint> = invocation
        .values("endpoint")
        .iter()
        .map(|text| Endpoint::parse(text))
        .collect();
    if endpoints.is_empty() {
        bail!("You need to specify at least one endpoint (--endpoint).");
    }
    let Some(zone) = &wishes.zone else {
        bail!("You need to specify the local zone (--zone).");
    };
    let ticket = invocation.nonempty("ticket");
    match &ticket {
        Some(ticket) => info(&format!("Requesting certificate with ticket '{ticket}'.")),
        None => info("Requesting certificate without a ticket."),
    }
    let parent = invocation
        .nonempty("parent_host")
        .map(|text| host_and_port(&text))
        .transpose()?;
    tell_parent(parent.as_ref());
    skeleton::ensure(settings)?;
    let trusted = invocation.nonempty("trustedcert").map(PathBuf::from);
    get_certificate(
        wishes,
        parent.as_ref(),
        trusted.as_deref(),
        ticket.as_deref(),
        settings,
    )?;
    if let Some(ticket) = &ticket {
        // Without a line break: the content is sent as it is.
        let path = settings.paths.certs_dir().join("ticket");
        write_atomic(&path, ticket.as_bytes(), Mode::Secret)?;
    }
    info("Disabling the Notification feature.");
    feature::disable_features(settings, &["notification".to_owned()])?;
    info("Updating the ApiListener feature.");
    feature::enable_features(settings, &["api".to_owned()])?;
    write_listener(wishes, false, settings)?;
    let above = Parent {
        zone: invocation
            .nonempty("parent_zone")
            .unwrap_or_else(|| "master".into()),
        endpoints,
    };
    write_zones(wishes, zone, Some(&above), settings)?;
    warn_of_other_name(&wishes.cn);
    files::set_constant(settings, "NodeName", &wishes.cn)?;
    files::set_constant(settings, "ZoneName", zone)?;
    if parent.is_none() {
        say(Severity::Warning, "cli", &without_connection(settings));
    }
    if wishes.disable_confd {
        files::disable_confd(settings, None)?;
        info("Disabled conf.d inclusion");
    }
    info(RESTART);
    Ok(ExitCode::SUCCESS)
}

/// A satellite connects to many, and each connection costs it a signature. Agents keep the kind
/// that Icinga 2 makes. The zone of an agent has the agent's name.
fn key_kind(wishes: &Wishes) -> KeyKind {
    let is_agent = wishes.zone.as_ref().is_none_or(|zone| *zone == wishes.cn);
    let default = if is_agent {
        KeyKind::Rsa4096
    } else {
        KeyKind::EcP256
    };
    wishes.key_kind.unwrap_or(default)
}

/// The address of an endpoint is for the daemon; only `--parent_host` makes a connection now.
fn tell_parent(parent: Option<&(String, u16)>) {
    if let Some((host, port)) = parent {
        info(&format!(
            "Verifying parent host connection information: host '{host}', port '{port}'."
        ));
    } else {
        say(
            Severity::Warning,
            "cli",
            "Node to master/satellite connection setup skipped. Please configure your parent node \
             to\nconnect to this node by setting the 'host' attribute for the node Endpoint \
             object.",
        );
    }
}

fn without_connection(settings: &Settings) -> String {
    format!(
        "No connection to the parent node was specified.\n\nPlease copy the public CA certificate \
         from your master/satellite\ninto '{}' before starting the daemon.",
        settings.paths.certs_dir().join("ca.crt").display()
    )
}

/// A key and a self-signed certificate, and a signed one in its place when the parent answers.
fn get_certificate(
    wishes: &Wishes,
    parent: Option<&(String, u16)>,
    trusted: Option<&Path>,
    ticket: Option<&str>,
    settings: &Settings,
) -> anyhow::Result<()> {
    let cn = &wishes.cn;
    let dir = settings.paths.certs_dir();
    info(&format!(
        "Using the following CN (defaults to FQDN): '{cn}'."
    ));
    // Before anything is overwritten, what is given must be usable.
    let trusted = match (parent, trusted) {
        (Some(_), None) => bail!(
            "Please pass the trusted cert retrieved from the parent node (master or satellite)\n\
             (Hint: '{PROGRAM} pki save-cert --host <parenthost> --port <5665> --trustedcert \
             trusted-parent.crt')."
        ),
        (Some(_), Some(path)) => {
            info(&format!(
                "Verifying trusted certificate file '{}'.",
                path.display()
            ));
            Some(Certificate::read(path)?)
        }
        (None, _) => None,
    };
    create_private_dir(&dir)?;
    let (key_path, cert_path) = (dir.join(format!("{cn}.key")), dir.join(format!("{cn}.crt")));
    files::back_up(&key_path)?;
    files::back_up(&cert_path)?;
    let key = pki::new_key(&key_path, key_kind(wishes))?;
    let certificate = pki::write_self_signed(cn, &key, &cert_path)?;
    let (Some((host, port)), Some(trusted)) = (parent, trusted) else {
        let text = format!("\n{}", without_connection(settings));
        say(Severity::Warning, "cli", &text);
        return Ok(());
    };
    info("Requesting a signed certificate from the parent node.");
    let request = CertificateRequest {
        host: host.clone(),
        port: *port,
        certificate,
        key,
        trusted,
        ticket: ticket.map(str::to_owned),
    };
    pki::send_request(&request, &cert_path, &dir.join("ca.crt"))
        .map(drop)
        .with_context(|| {
            format!(
                "Failed to fetch signed certificate from parent node '{host}, {port}'. Please try \
             again"
            )
        })
}
