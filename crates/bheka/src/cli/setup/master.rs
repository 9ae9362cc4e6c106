//! A master: an authority, a certificate signed by it, a user of the API, zones.

use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;
use bheka_net::pki::{
    CertificateAuthority, KeyKind, Mode, SigningRequest, create_private_dir, write_atomic,
};

use super::zones::{write_listener, write_zones};
use super::{RESTART, Wishes, files, info, skeleton, warn_of_other_name};
use crate::cli::{feature, pki, say};
use crate::daemon::clock::now;
use crate::log::Severity;
use crate::settings::Settings;

/// Sets up a master. What exists of certificates, users and salt stays.
pub(super) fn set_up(wishes: &Wishes, settings: &Settings) -> anyhow::Result<ExitCode> {
    skeleton::ensure(settings)?;
    let cn = &wishes.cn;
    info(&format!(
        "Checking in existing certificates for common name '{cn}'..."
    ));
    let certificate = settings.paths.certs_dir().join(format!("{cn}.crt"));
    if certificate.exists() {
        let text = format!(
            "Certificate '{}' for CN '{cn}' already exists. Not generating new certificate.",
            certificate.display()
        );
        say(Severity::Warning, "cli", &text);
    } else {
        info("Certificates not yet generated. Running 'api setup' now.");
        // Every connection of a fleet costs its master a signature; this kind makes it cheap.
        let kind = wishes.key_kind.unwrap_or(KeyKind::EcP256);
        certificates(cn, kind, settings)?;
    }
    info("Generating master configuration.");
    api_user(settings)?;
    if settings
        .paths
        .config_dir
        .join("features-enabled/api.conf")
        .exists()
    {
        info("'api' feature already enabled.");
    } else {
        info("Enabling the 'api' feature.");
        feature::enable_features(settings, &["api".to_owned()])?;
    }
    let zone = wishes.zone.as_deref().unwrap_or("master");
    write_zones(wishes, zone, None, settings)?;
    info("Updating the ApiListener feature.");
    write_listener(wishes, true, settings)?;
    warn_of_other_name(cn);
    files::set_constant(settings, "NodeName", cn)?;
    files::set_constant(settings, "ZoneName", zone)?;
    set_salt(settings)?;
    if wishes.disable_confd {
        files::disable_confd(settings, Some("conf.d/api-users.conf"))?;
        info("Disabled conf.d inclusion");
    }
    info(RESTART);
    Ok(ExitCode::SUCCESS)
}

/// Makes the authority and this node's certificate, as far as they do not exist.
pub(super) fn certificates(cn: &str, kind: KeyKind, settings: &Settings) -> anyhow::Result<()> {
    let paths = &settings.paths;
    let (ca_dir, certs_dir) = (paths.ca_dir(), paths.certs_dir());
    info("Generating new CA.");
    let authority = if CertificateAuthority::exists(&ca_dir) {
        say(
            Severity::Warning,
            "cli",
            "Found CA, skipping and using the existing one.",
        );
        CertificateAuthority::load(&ca_dir)?
    } else {
        pki::create_ca(&ca_dir)?
    };
    create_private_dir(&certs_dir)?;
    let file = |ending: &str| certs_dir.join(format!("{cn}.{ending}"));
    if file("key").exists() {
        info(&format!(
            "Private key file '{}' already exists, not generating new certificate.",
            file("key").display()
        ));
        return Ok(());
    }
    info(&format!(
        "Generating new CSR in '{}'.",
        file("csr").display()
    ));
    let key = pki::new_key(&file("key"), kind)?;
    let csr = pki::write_csr(cn, &key, &file("csr"))?;
    info(&format!(
        "Signing CSR with CA and writing certificate to '{}'.",
        file("crt").display()
    ));
    let request = SigningRequest::from_pem(csr.as_bytes())?;
    pki::write_signed(&authority.sign_csr(&request, now())?, &file("crt"))?;
    let ca = certs_dir.join("ca.crt");
    info(&format!("Copying CA certificate to '{}'.", ca.display()));
    files::back_up(&ca)?;
    authority.certificate().write(&ca)?;
    Ok(())
}

/// Makes a user of the API with all permissions and a random password, unless there is one.
pub(super) fn api_user(settings: &Settings) -> anyhow::Result<()> {
    let dir = settings.paths.config_dir.join("conf.d");
    let path = dir.join("api-users.conf");
    if path.exists() {
        info(&format!(
            "API user config file '{}' already exists, not creating config file.",
            path.display()
        ));
        return Ok(());
    }
    info(&format!(
        "Adding new ApiUser 'root' in '{}'.",
        path.display()
    ));
    fs::create_dir_all(&dir)
        .with_context(|| format!("cannot create directory '{}'", dir.display()))?;
    let text = format!(
        "/*\n * Who may use the REST API, and for what.\n */\nobject ApiUser \"root\" {{\n  \
         password = \"{}\"\n  // client_cn = \"\"\n\n  permissions = [ \"*\" ]\n}}\n",
        secret()
    );
    // The password is for the daemon and its administrator only.
    Ok(write_atomic(&path, text.as_bytes(), Mode::Secret)?)
}

/// Sets `TicketSalt`, unless it is set: a new one would void all tickets that were given out.
fn set_salt(settings: &Settings) -> anyhow::Result<()> {
    let path = settings.paths.config_dir.join("constants.conf");
    let text = fs::read_to_string(path).unwrap_or_default();
    let is_set = text.lines().any(|line| {
        let value = line.trim_start().strip_prefix("const TicketSalt");
        value.is_some_and(|rest| {
            let value = rest.trim_start().trim_start_matches('=').trim();
            !value.is_empty() && value != "\"\""
        })
    });
    if is_set {
        info("Constant 'TicketSalt' is already set, keeping it.");
        return Ok(());
    }
    files::set_constant(settings, "TicketSalt", &secret())
}

/// 32 hexadecimal digits that nobody can guess.
fn secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
