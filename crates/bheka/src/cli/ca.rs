//! `ca list|sign|remove|restore`: requests that wait for the administrator.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use bheka_net::pki::{CertificateAuthority, RequestStore, StoredRequest, is_fingerprint};
use bheka_value::{Value, to_json};

use crate::cli::{Invocation, print, say};
use crate::daemon::clock::now;
use crate::log::Severity;
use crate::settings::Settings;
use crate::version::PROGRAM;

/// `ca list`
pub(super) fn list(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let removed = invocation.flag("removed");
    let (mut requests, broken) = store(settings).list(removed)?;
    for error in broken {
        say(Severity::Warning, "cli", &error.to_string());
    }
    if !removed && !invocation.flag("all") {
        requests.retain(|request| request.response.is_none());
    }
    if invocation.flag("json") {
        let entries = requests
            .iter()
            .map(|it| (it.fingerprint.as_str(), it.to_value()));
        print(&to_json(&Value::dictionary(entries)));
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = format!(
        "{:64} | {:24} | Signed | Subject\n",
        "Fingerprint", "Timestamp"
    );
    let _ = writeln!(
        out,
        "{}|{}|--------|--------",
        "-".repeat(65),
        "-".repeat(26)
    );
    for request in requests {
        let _ = writeln!(
            out,
            "{} | {} | {:6} | {}",
            request.fingerprint,
            request.request.not_before_text(),
            if request.response.is_some() { "*" } else { "" },
            request.request.subject()
        );
    }
    print(&out);
    Ok(ExitCode::SUCCESS)
}

/// `ca sign`
pub(super) fn sign(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let found = pending(invocation, settings)?;
    let authority = CertificateAuthority::load(&settings.paths.ca_dir())?;
    store(settings).sign(&found.fingerprint, &authority, now())?;
    let text = format!("Signed certificate for '{}'.", found.request.subject());
    say(Severity::Information, "cli", &text);
    Ok(ExitCode::SUCCESS)
}

/// `ca remove`
pub(super) fn remove(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let found = pending(invocation, settings)?;
    let cn = found.request.cn().unwrap_or_default();
    if found.response.is_some() {
        bail!("Certificate request for CN '{cn}' already signed, removal is not possible.");
    }
    store(settings).remove(&found.fingerprint)?;
    say(
        Severity::Information,
        "cli",
        &format!("Certificate request for CN {cn} removed."),
    );
    Ok(ExitCode::SUCCESS)
}

/// `ca restore`
pub(super) fn restore(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let fingerprint = fingerprint(invocation);
    if !is_fingerprint(&fingerprint) || !store(settings).is_removed(&fingerprint) {
        bail!("Cannot find removed fingerprint '{fingerprint}', bailing out.");
    }
    let restored = store(settings).restore(&fingerprint)?;
    let cn = restored.request.cn().unwrap_or_default();
    say(
        Severity::Information,
        "cli",
        &format!(
            "Restored certificate request for CN '{cn}', sign it with:\n\"{PROGRAM} ca sign \
             {fingerprint}\""
        ),
    );
    Ok(ExitCode::SUCCESS)
}

fn pending(invocation: &Invocation, settings: &Settings) -> anyhow::Result<StoredRequest> {
    let fingerprint = fingerprint(invocation);
    let found = match is_fingerprint(&fingerprint) {
        true => store(settings).get(&fingerprint)?,
        false => None,
    };
    match found {
        Some(found) => Ok(found),
        None => bail!("No request exists for fingerprint '{fingerprint}'."),
    }
}

fn fingerprint(invocation: &Invocation) -> String {
    invocation.operands().into_iter().next().unwrap_or_default()
}

fn store(settings: &Settings) -> RequestStore {
    RequestStore::new(settings.paths.requests_dir())
}
