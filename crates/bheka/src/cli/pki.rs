//! `pki …`: keys, requests and certificates in files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bheka_net::Deadlines;
use bheka_net::pki::{
    self, Certificate, CertificateAuthority, Crl, KeyKind, Mode, PrivateKey, Purpose,
    SigningRequest, TrustAnchors,
};
use bheka_net::request::{
    AnswerStatus, CertificateRequest, RequestError, request_certificate, save_cert,
};

use crate::cli::{Invocation, print, say, variable};
use crate::daemon::clock::now;
use crate::log::Severity;
use crate::settings::Settings;

/// The exit code of a failed verification: that of a critical plugin.
const VERDICT_BAD: u8 = 2;

/// `pki new-ca`
pub(super) fn new_ca(settings: &Settings) -> anyhow::Result<ExitCode> {
    let dir = settings.paths.ca_dir();
    let (certificate, key) = CertificateAuthority::paths(&dir);
    if certificate.exists() && key.exists() {
        let text = format!(
            "CA files '{}' and '{}' already exist.",
            certificate.display(),
            key.display()
        );
        say(Severity::Warning, "cli", &text);
        return Ok(ExitCode::FAILURE);
    }
    create_ca(&dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes an authority, saying so.
pub(super) fn create_ca(dir: &Path) -> anyhow::Result<CertificateAuthority> {
    let (certificate, key) = CertificateAuthority::paths(dir);
    say_writing("private key", &key);
    say_writing("X509 certificate", &certificate);
    Ok(CertificateAuthority::create(dir, KeyKind::Rsa4096, now())?)
}

/// `pki new-cert`
pub(super) fn new_cert(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let Some(cn) = invocation.nonempty("cn") else {
        bail!("Common name (--cn) must be specified.");
    };
    let Some(key_path) = path(invocation, "key") else {
        bail!("Key file path (--key) must be specified.");
    };
    let kind = key_kind(invocation)?.unwrap_or(KeyKind::Rsa4096);
    let key = new_key(&key_path, kind)?;
    if let Some(csr_path) = path(invocation, "csr") {
        write_csr(&cn, &key, &csr_path)?;
    }
    if let Some(cert_path) = path(invocation, "cert") {
        write_self_signed(&cn, &key, &cert_path)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The kind of key that `--key-type` asks for.
pub(super) fn key_kind(invocation: &Invocation) -> anyhow::Result<Option<KeyKind>> {
    invocation
        .nonempty("key-type")
        .map(|word| word.parse().context("--key-type"))
        .transpose()
}

/// Makes a key and writes it, saying so.
pub(super) fn new_key(path: &Path, kind: KeyKind) -> anyhow::Result<PrivateKey> {
    say_writing("private key", path);
    let key = PrivateKey::generate(kind)?;
    key.write(path)?;
    Ok(key)
}

/// Writes a signing request, saying so.
pub(super) fn write_csr(cn: &str, key: &PrivateKey, path: &Path) -> anyhow::Result<String> {
    say_writing("certificate signing request", path);
    let csr = pki::new_csr(cn, key)?;
    pki::write_atomic(path, csr.as_bytes(), Mode::Public)?;
    Ok(csr)
}

/// Writes a self-signed certificate, saying so.
pub(super) fn write_self_signed(
    cn: &str,
    key: &PrivateKey,
    path: &Path,
) -> anyhow::Result<Certificate> {
    say_writing("X509 certificate", path);
    let certificate = pki::self_signed(cn, key, now())?;
    certificate.write(path)?;
    Ok(certificate)
}

fn say_writing(what: &str, path: &Path) {
    say(
        Severity::Information,
        "base",
        &format!("Writing {what} to '{}'.", path.display()),
    );
}

/// `pki sign-csr`
pub(super) fn sign_csr(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let Some(csr_path) = path(invocation, "csr") else {
        bail!("Certificate signing request file path (--csr) must be specified.");
    };
    let Some(cert_path) = path(invocation, "cert") else {
        bail!("Certificate file path (--cert) must be specified.");
    };
    let request = SigningRequest::read(&csr_path)?;
    let authority = CertificateAuthority::load(&settings.paths.ca_dir())?;
    write_signed(&authority.sign_csr(&request, now())?, &cert_path)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a signed certificate, saying so.
pub(super) fn write_signed(certificate: &Certificate, path: &Path) -> anyhow::Result<()> {
    let text = format!("Writing certificate to file '{}'.", path.display());
    say(Severity::Information, "pki", &text);
    Ok(certificate.write(path)?)
}

/// `pki ticket`
pub(super) fn ticket(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let Some(cn) = invocation.nonempty("cn") else {
        bail!("Common name (--cn) must be specified.");
    };
    // On the master itself the salt is among the variables that its last validation wrote; as in
    // Icinga 2, a constant given to this command is not one of them.
    let dumped = || variable::text(&settings.paths.vars_path, "TicketSalt");
    let Some(salt) = invocation.nonempty("salt").or_else(dumped) else {
        bail!("Ticket salt (--salt) must be specified.");
    };
    print(&format!("{}\n", pki::ticket(&cn, &salt)));
    Ok(ExitCode::SUCCESS)
}

/// `pki save-cert`
pub(super) fn save(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let Some(host) = invocation.nonempty("host") else {
        bail!("Icinga 2 host (--host) must be specified.");
    };
    let Some(trusted_path) = path(invocation, "trustedcert") else {
        bail!("Trusted certificate output file path (--trustedcert) must be specified.");
    };
    let port = port(invocation)?;
    let text = format!("Retrieving TLS certificate for '{host}:{port}'.");
    say(Severity::Information, "cli", &text);
    let certificate = match block_on(save_cert(&host, port, &Deadlines::default(), now()))? {
        Ok(certificate) => certificate,
        Err(error) => {
            say(Severity::Critical, "pki", &error.to_string());
            bail!("Failed to fetch certificate from host.");
        }
    };
    print(&format!("\n{}\n", certificate.info_text()));
    print(
        "***\n*** You have to ensure that this certificate actually matches the parent\n\
         *** instance's certificate in order to avoid man-in-the-middle attacks.\n***\n\n",
    );
    say_writing_certificate(&trusted_path);
    certificate.write(&trusted_path)?;
    Ok(ExitCode::SUCCESS)
}

fn told(error: RequestError, host: &str, port: u16) -> String {
    match error {
        RequestError::Dial(cause) => {
            format!("Cannot connect to host '{host}' on port '{port}': {cause}")
        }
        other => other.to_string(),
    }
}

fn say_writing_certificate(path: &Path) {
    let text = format!("Writing certificate to file '{}'.", path.display());
    say(Severity::Information, "pki", &text);
}

/// `pki request`
pub(super) fn request(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let Some(host) = invocation.nonempty("host") else {
        bail!("Icinga 2 host (--host) must be specified.");
    };
    let required = |option: &str, what: &str| {
        path(invocation, option).with_context(|| format!("{what} (--{option}) must be specified."))
    };
    let key = required("key", "Key input file path")?;
    let cert = required("cert", "Certificate output file path")?;
    let ca = required("ca", "CA certificate output file path")?;
    let trusted = required("trustedcert", "Trusted certificate input file path")?;
    let certificate_request = CertificateRequest {
        host,
        port: port(invocation)?,
        certificate: Certificate::read(&cert)?,
        key: PrivateKey::read(&key)?,
        trusted: Certificate::read(&trusted)?,
        ticket: invocation.nonempty("ticket"),
    };
    send_request(&certificate_request, &cert, &ca)
}

/// Sends a request and writes what comes back.
pub(super) fn send_request(
    request: &CertificateRequest,
    cert: &Path,
    ca: &Path,
) -> anyhow::Result<ExitCode> {
    let answer = block_on(request_certificate(request, &Deadlines::default(), now()))?
        .map_err(|error| anyhow::anyhow!(told(error, &request.host, request.port)))?;
    if let Some(text) = &answer.ca {
        let authority = Certificate::from_pem(text.as_bytes())?;
        let words = format!("Writing CA certificate to file '{}'.", ca.display());
        say(Severity::Information, "cli", &words);
        authority.write(ca)?;
    }
    let words = answer.error.unwrap_or_default();
    match answer.status {
        AnswerStatus::Failed => bail!("!!! {words}"),
        AnswerStatus::Pending => {
            for line in ["!!!!!!", &format!("!!! {words}"), "!!!!!!"] {
                say(Severity::Information, "cli", line);
            }
        }
        AnswerStatus::Signed => {
            let pem = answer.certificate.unwrap_or_default();
            let certificate = Certificate::from_pem(pem.as_bytes())?;
            let words = format!("Writing signed certificate to file '{}'.", cert.display());
            say(Severity::Information, "cli", &words);
            certificate.write(cert)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `pki verify`
pub(super) fn verify(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let (cn, cert) = (invocation.nonempty("cn"), path(invocation, "cert"));
    let (cacert, crl) = (path(invocation, "cacert"), path(invocation, "crl"));
    match (cn, cert, cacert) {
        (Some(cn), Some(cert), _) => verify_name(&cn, &cert),
        (Some(_), None, _) => Ok(bad("The '--cn' parameter requires the '--cert' parameter.")),
        (None, Some(cert), Some(cacert)) => verify_chain(&cert, &cacert, crl.as_deref()),
        (None, None, Some(cacert)) => verify_authority(&cacert),
        (None, Some(cert), None) => {
            let text = format!("Printing certificate '{}'", cert.display());
            match shown(&text, &cert) {
                Ok(_) => Ok(ExitCode::SUCCESS),
                Err(code) => Ok(code),
            }
        }
        (None, None, None) => {
            let text = "Please add the '--help' parameter to see all available options.";
            say(Severity::Information, "cli", text);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify_name(cn: &str, cert: &Path) -> anyhow::Result<ExitCode> {
    let text = format!(
        "Verifying common name (CN) '{cn} in certificate '{}'.",
        cert.display()
    );
    let certificate = match shown(&text, cert) {
        Ok(certificate) => certificate,
        Err(code) => return Ok(code),
    };
    let actual = certificate.cn().unwrap_or_default();
    if actual == cn {
        say(
            Severity::Information,
            "cli",
            &format!("OK: CN '{cn}' matches certificate CN '{actual}'."),
        );
        return Ok(ExitCode::SUCCESS);
    }
    Ok(bad(&format!(
        "CRITICAL: CN '{cn}' does NOT match certificate CN '{actual}'."
    )))
}

fn verify_authority(cacert: &Path) -> anyhow::Result<ExitCode> {
    let path = cacert.display();
    let text = format!("Checking whether certificate '{path}' is a valid CA certificate.");
    let certificate = match shown(&text, cacert) {
        Ok(certificate) => certificate,
        Err(code) => return Ok(code),
    };
    if certificate.is_ca() {
        say(
            Severity::Information,
            "cli",
            &format!("OK: CA certificate file '{path}' was verified successfully."),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let text = format!("CRITICAL: The file '{path}' does not seem to be a CA certificate file.");
    Ok(bad(&text))
}

fn verify_chain(cert: &Path, cacert: &Path, crl: Option<&Path>) -> anyhow::Result<ExitCode> {
    let certificate = match shown(&format!("Verifying certificate '{}'", cert.display()), cert) {
        Ok(certificate) => certificate,
        Err(code) => return Ok(code),
    };
    let text = format!(" with CA certificate '{}'.", cacert.display());
    if let Err(code) = shown(&text, cacert) {
        return Ok(code);
    }
    let crl = crl.map(Crl::read).transpose()?;
    let anchors = TrustAnchors::read(cacert)?;
    let cn = certificate.cn().unwrap_or_default();
    match anchors.verify(&certificate, &[], Purpose::Any, crl.as_ref(), now()) {
        Ok(()) => {
            let text = format!("OK: Certificate with CN '{cn}' is signed by CA.");
            say(Severity::Information, "cli", &text);
            Ok(ExitCode::SUCCESS)
        }
        Err(untrusted) => Ok(bad(&format!(
            "CRITICAL: Certificate with CN '{cn}' is NOT signed by CA: {} (code {})",
            untrusted.text, untrusted.code
        ))),
    }
}

/// Announces and prints a certificate.
fn shown(text: &str, path: &Path) -> Result<Certificate, ExitCode> {
    match Certificate::read(path) {
        Ok(certificate) => {
            say(Severity::Information, "cli", text);
            print(&format!("\n{}\n", certificate.info_text()));
            Ok(certificate)
        }
        Err(error) => {
            say(Severity::Critical, "SSL", &error.to_string());
            Err(bad(&format!(
                "Cannot read certificate file '{}'. Please ensure that it exists and is readable.",
                path.display()
            )))
        }
    }
}

fn bad(text: &str) -> ExitCode {
    say(Severity::Critical, "cli", text);
    ExitCode::from(VERDICT_BAD)
}

fn path(invocation: &Invocation, option: &str) -> Option<PathBuf> {
    invocation.nonempty(option).map(PathBuf::from)
}

fn port(invocation: &Invocation) -> anyhow::Result<u16> {
    let port = invocation.nonempty("port").unwrap_or_else(|| "5665".into());
    port.parse()
        .with_context(|| format!("Port '{port}' is not a number from 1 to 65535."))
}

/// Runs one thing on the network to its end.
pub(super) fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network runtime")?;
    Ok(runtime.block_on(future))
}
