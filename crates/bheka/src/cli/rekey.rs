//! `pki rekey`: another key for a node that has one, and the certificate for it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bheka_net::IdentityFiles;
use bheka_net::pki::{
    Certificate, CertificateAuthority, KeyKind, NextPair, PrivateKey, Purpose, RequestStore,
    StoredRequest, TrustAnchors, self_signed_like,
};

use crate::cli::{Invocation, pki, say, variable};
use crate::daemon::clock::now;
use crate::daemon::pidfile;
use crate::log::Severity;
use crate::settings::Settings;
use crate::version::PROGRAM;

/// `pki rekey`
pub(super) fn rekey(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let kind = pki::key_kind(invocation)?.unwrap_or(KeyKind::EcP256);
    let node = Node::read(invocation, settings)?;
    if node.key.kind() == Some(kind) {
        info(&format!(
            "The key in '{}' is of the kind '{}' already.",
            node.files.key.display(),
            kind.name()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let ca_dir = settings.paths.ca_dir();
    if CertificateAuthority::exists(&ca_dir) {
        node.sign_here(kind, &ca_dir)?;
    } else {
        node.ask_above(kind, invocation.nonempty("ticket").as_deref(), settings)?;
    }
    tell_daemon(settings);
    Ok(ExitCode::SUCCESS)
}

/// What there is.
struct Node {
    files: IdentityFiles,
    next: NextPair,
    certificate: Certificate,
    key: PrivateKey,
    anchors: TrustAnchors,
}

impl Node {
    fn read(invocation: &Invocation, settings: &Settings) -> anyhow::Result<Self> {
        // The name in the configuration is among the variables that its last validation wrote.
        let cn = invocation
            .nonempty("cn")
            .or_else(|| variable::text(&settings.paths.vars_path, "NodeName"))
            .unwrap_or_else(|| settings.node_name());
        let files = IdentityFiles::in_directory(&settings.paths.certs_dir(), &cn);
        let next = NextPair::of(&files);
        if next.finish()? {
            info("Ended an earlier change of the key that was interrupted.");
        }
        let certificate = Certificate::read(&files.certificate).with_context(|| {
            format!(
                "node '{cn}' has no certificate yet; run '{PROGRAM} node setup', or name the node \
                 with --cn"
            )
        })?;
        let key = PrivateKey::read(&files.key)?;
        if certificate.public_key_der() != key.public_key_der() {
            bail!(
                "private key '{}' does not belong to certificate '{}'; restore the pair first",
                files.key.display(),
                files.certificate.display()
            );
        }
        let anchors = TrustAnchors::read(&files.ca)?;
        Ok(Self {
            files,
            next,
            certificate,
            key,
            anchors,
        })
    }

    /// The CA's key is on this node: everything happens at once.
    fn sign_here(&self, kind: KeyKind, ca_dir: &Path) -> anyhow::Result<()> {
        let authority = CertificateAuthority::load(ca_dir)?;
        let key = self.generate(kind)?;
        let certificate = authority.reissue(&self.certificate, &key, now())?;
        self.demand_trusted(&certificate).with_context(|| {
            format!(
                "the CA in '{}' is not the one in '{}'",
                ca_dir.display(),
                self.files.ca.display()
            )
        })?;
        self.next.save_key(&key)?;
        self.install(&certificate)
    }

    /// The CA is elsewhere: the key waits beside the one in use, and the daemon passes the request
    /// on like those of other nodes.
    fn ask_above(
        &self,
        kind: KeyKind,
        ticket: Option<&str>,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        self.demand_trusted(&self.certificate).with_context(|| {
            format!(
                "this node is not enrolled yet; run '{PROGRAM} node setup --key-type {}'",
                kind.name()
            )
        })?;
        let store = RequestStore::new(settings.paths.requests_dir());
        let earlier = self.earlier_request(kind, &store)?;
        if let Some(response) = earlier.as_ref().and_then(|it| it.response.as_ref()) {
            let certificate = Certificate::from_pem(response.as_bytes())?;
            self.demand_trusted(&certificate)?;
            return self.install(&certificate);
        }
        let request = match &earlier {
            Some(earlier) => earlier.request.clone(),
            None => {
                let key = self.generate(kind)?;
                self.next.save_key(&key)?;
                self_signed_like(&self.certificate, &key, now())?
            }
        };
        let ticket = ticket.or_else(|| Some(earlier.as_ref()?.ticket.as_str()));
        store.save(&request, ticket.unwrap_or_default(), None)?;
        info(&format!(
            "The new key waits in '{}' for its certificate; the key in use stays until then.",
            self.next.key_path().display()
        ));
        info(&format!(
            "This node asks its parents for the certificate. Without a valid ticket (--ticket) it \
             has to be approved where the CA's key is:\n\"{PROGRAM} ca sign {}\"",
            request.fingerprint()
        ));
        Ok(())
    }

    /// A request that was made before for a key of this kind, which waits.
    fn earlier_request(
        &self,
        kind: KeyKind,
        store: &RequestStore,
    ) -> anyhow::Result<Option<StoredRequest>> {
        let Some(key) = self.next.key()?.filter(|key| key.kind() == Some(kind)) else {
            return Ok(None);
        };
        let (requests, _) = store.list(false)?;
        Ok(requests
            .into_iter()
            .find(|it| it.request.public_key_der() == key.public_key_der()))
    }

    fn generate(&self, kind: KeyKind) -> anyhow::Result<PrivateKey> {
        info(&format!(
            "Making a key of the kind '{}' for CN '{}'.",
            kind.name(),
            self.certificate.cn().unwrap_or_default()
        ));
        Ok(PrivateKey::generate(kind)?)
    }

    fn demand_trusted(&self, certificate: &Certificate) -> anyhow::Result<()> {
        self.anchors
            .verify(certificate, &[], Purpose::Any, None, now())
            .map_err(|reason| {
                let subject = certificate.subject();
                anyhow::anyhow!("certificate '{subject}' is not trusted: {reason}")
            })
    }

    fn install(&self, certificate: &Certificate) -> anyhow::Result<()> {
        self.next.install(certificate)?;
        info(&format!(
            "Put the new key into '{}' and its certificate into '{}'.",
            self.files.key.display(),
            self.files.certificate.display()
        ));
        let (key, certificate) = self.next.paths_before();
        info(&format!(
            "Those of before are in '{}' and '{}'.",
            key.display(),
            certificate.display()
        ));
        Ok(())
    }
}

/// What changed takes effect at a reload.
fn tell_daemon(settings: &Settings) {
    let Some(process) = pidfile::holder(&settings.paths.pid_path) else {
        info("No daemon is running here; what changed takes effect when it is started.");
        return;
    };
    let number = process.as_raw_nonzero();
    match rustix::process::kill_process(process, rustix::process::Signal::HUP) {
        Ok(()) => info(&format!(
            "Told the daemon (process {number}) to reload; connections that exist stay."
        )),
        Err(error) => say(
            Severity::Warning,
            "cli",
            &format!(
                "Cannot tell the daemon (process {number}) to reload: {error}. What changed takes \
                 effect at the next reload."
            ),
        ),
    }
}

fn info(text: &str) {
    say(Severity::Information, "cli", text);
}
