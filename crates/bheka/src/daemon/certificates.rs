//! Carries out the orders of the cluster about certificates: reading, signing, storing. Each runs
//! on a thread that may block, because a signature with RSA-4096 takes milliseconds and files may
//! be slow.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bheka_cluster::pki::{
    CertificateRequest, PkiAnswer, PkiOrder, PkiState, RequestFacts, StoredRequest, TicketVerdict,
};
use bheka_net::pki::{
    Certificate, CertificateAuthority, Mode, NextPair, PkiError, Purpose, RequestStore,
    TrustAnchors, ticket_is_valid, write_atomic,
};
use bheka_net::{Identity, IdentityFiles};
use bheka_value::{Str, Value};

use super::clock;
use super::job::{Job, Jobs};
use crate::paths::Paths;

/// The node's certificates and the requests of others.
#[derive(Clone)]
pub(crate) struct Certificates(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    runtime: tokio::runtime::Handle,
    identity: Arc<Identity>,
    files: IdentityFiles,
    ca_dir: PathBuf,
    ticket_file: PathBuf,
    store: RequestStore,
    /// `ticket_salt` of the ApiListener; a reload may change it.
    salt: ArcSwap<String>,
}

impl Certificates {
    /// For a node whose identity is loaded.
    pub(crate) fn new(
        paths: &Paths,
        files: IdentityFiles,
        identity: Arc<Identity>,
        jobs: Jobs,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self(Arc::new(Inner {
            jobs,
            runtime,
            identity,
            files,
            ca_dir: paths.ca_dir(),
            ticket_file: paths.certs_dir().join("ticket"),
            store: RequestStore::new(paths.requests_dir()),
            salt: ArcSwap::from_pointee(String::new()),
        }))
    }

    /// The salt by which tickets are checked.
    pub(crate) fn set_salt(&self, salt: &str) {
        self.0.salt.store(Arc::new(salt.to_owned()));
    }

    /// What the cluster must know of own certificates and requests.
    pub(crate) fn state(&self) -> PkiState {
        let inner = &self.0;
        let ticket = std::fs::read_to_string(&inner.ticket_file).unwrap_or_default();
        let pending = match inner.store.pending() {
            Ok(requests) => requests
                .into_iter()
                .map(|request| (request.fingerprint.into(), request.fields))
                .collect(),
            Err(error) => {
                tracing::warn!(target: "JsonRpcConnection", "cannot read requests: {error}");
                BTreeMap::new()
            }
        };
        PkiState {
            // `pki ticket > file` adds a line break, which would make the ticket wrong.
            ticket: ticket.trim_end_matches(['\r', '\n']).into(),
            pending,
            is_signer: CertificateAuthority::exists(&inner.ca_dir),
        }
    }

    /// Deletes requests that nobody answered for a week, and changes the keys of session tickets
    /// when it is time. To be called every hour.
    pub(crate) fn clean_up(&self) {
        if let Err(error) = self.0.identity.rotate_ticket_keys(clock::now()) {
            tracing::warn!(target: "ApiListener", "cannot change the keys of session tickets: \
                {error}");
        }
        if let Err(error) = self.0.store.clean_up(clock::now()) {
            tracing::warn!(target: "ApiListener", "cannot clean up requests: {error}");
        }
        self.ask_for_next_key();
    }

    /// While a new key waits for its certificate (`pki rekey`), asks the parents for that.
    pub(crate) fn ask_for_next_key(&self) {
        use bheka_cluster::Input;
        if !NextPair::of(&self.0.files).key_path().exists() {
            return;
        }
        let this = self.clone();
        self.0.runtime.spawn_blocking(move || {
            let jobs = &this.0.jobs;
            jobs.send_blocking(Job::Cluster(Input::PkiState(this.state())));
            jobs.send_blocking(Job::Cluster(Input::RequestCertificates));
        });
    }

    /// The signing master renews its own certificate in time, as nobody else does it (at the start
    /// and then from time to time); other nodes ask their parents. An end that is near and that
    /// nobody can put off is told.
    pub(crate) fn renew_own(&self) {
        let inner = &self.0;
        let now = clock::now();
        let Ok(own) = Certificate::read(&inner.files.certificate) else {
            return;
        };
        if own.is_up_to_date(now) {
            return;
        }
        if !CertificateAuthority::exists(&inner.ca_dir) {
            tracing::warn!(target: "ApiListener", "The certificate '{}' of this node ends on {}; \
                a parent renews it when this node connects to it",
                inner.files.certificate.display(), own.not_after_text());
            return;
        }
        let renewed = CertificateAuthority::load(&inner.ca_dir)
            .and_then(|authority| authority.sign_request(&own, now))
            .and_then(|new| {
                write_atomic(
                    &inner.files.certificate,
                    new.to_pem().as_bytes(),
                    Mode::Public,
                )
            })
            .map_err(|error| error.to_string())
            .and_then(|()| {
                inner
                    .identity
                    .reload(&inner.files)
                    .map_err(|it| it.to_string())
            });
        match renewed {
            Ok(()) => tracing::info!(target: "ApiListener",
                "Renewed the certificate of this node, which was to end on {}",
                own.not_after_text()),
            Err(error) => tracing::error!(target: "ApiListener",
                "cannot renew the certificate of this node: {error}"),
        }
    }

    /// Begins to carry out an order; answers come as jobs.
    pub(crate) fn carry_out(&self, order: PkiOrder) {
        let this = self.clone();
        self.0
            .runtime
            .spawn_blocking(move || this.carry_out_now(order));
    }

    fn carry_out_now(&self, order: PkiOrder) {
        use bheka_cluster::Input;
        let jobs = &self.0.jobs;
        match order {
            PkiOrder::Inspect { id, request } => {
                let facts = self.0.inspect(&request).map(Box::new).map_err(text);
                let answer = PkiAnswer::Inspected { id, facts };
                jobs.send_blocking(Job::Cluster(Input::Pki(answer)));
            }
            PkiOrder::Sign { id, request } => {
                let certificate = self.0.sign(&request).map(Str::from).map_err(text);
                let answer = PkiAnswer::Signed { id, certificate };
                jobs.send_blocking(Job::Cluster(Input::Pki(answer)));
            }
            PkiOrder::SavePending {
                fingerprint,
                params,
            } => {
                if let Err(error) = self.0.save_pending(&params) {
                    tracing::error!(target: "JsonRpcConnection",
                        "cannot save certificate request '{fingerprint}': {error}");
                }
                jobs.send_blocking(Job::Cluster(Input::PkiState(self.state())));
            }
            PkiOrder::Install {
                certificate,
                ca,
                fingerprint,
                params: _,
            } => match self.0.install(&certificate, &ca, &fingerprint) {
                Ok(Installed::Own { was_trusted }) => {
                    tracing::info!(target: "JsonRpcConnection",
                        "Saved and updated the certificate of this node; new connections use it");
                    jobs.send_blocking(Job::Cluster(Input::PkiState(self.state())));
                    // Peers know this node already, unless it had no certificate of the CA before.
                    if !was_trusted {
                        let reason = "this node has a new certificate".into();
                        jobs.send_blocking(Job::Cluster(Input::DropLinks { reason }));
                    }
                }
                Ok(Installed::Stored) => {
                    jobs.send_blocking(Job::Cluster(Input::PkiState(self.state())));
                }
                Ok(Installed::Nothing) => {}
                Err(error) => tracing::error!(target: "JsonRpcConnection",
                        "cannot install the certificate that a parent sent: {error}"),
            },
        }
    }
}

fn text(error: PkiError) -> Str {
    error.to_string().into()
}

/// What became of a certificate from a parent.
enum Installed {
    /// It is this node's own.
    Own {
        /// Whether peers trusted the one before.
        was_trusted: bool,
    },
    /// It answers a stored request.
    Stored,
    /// Neither.
    Nothing,
}

impl Inner {
    fn inspect(&self, request: &CertificateRequest) -> Result<RequestFacts, PkiError> {
        let now = clock::now();
        let certificate = Certificate::from_pem(request.certificate.as_bytes())?;
        let anchors = TrustAnchors::read(&self.files.ca)?;
        let verdict = anchors.verify(&certificate, &[], Purpose::Any, None, now);
        let fingerprint = certificate.fingerprint();
        let stored = if self.store.is_removed(&fingerprint) {
            StoredRequest::Removed
        } else {
            match self
                .store
                .get(&fingerprint)?
                .and_then(|stored| stored.response)
            {
                Some(response) => StoredRequest::Signed(response.into()),
                None => StoredRequest::Undecided,
            }
        };
        let common_name = certificate.cn().unwrap_or_default();
        let salt = self.salt.load();
        let ticket = if request.ticket.is_empty() || salt.is_empty() {
            TicketVerdict::Missing
        } else if ticket_is_valid(&request.ticket, common_name, &salt) {
            TicketVerdict::Right
        } else {
            TicketVerdict::Wrong
        };
        let ca = anchors.certificates().first();
        let root = request
            .requestor_ca
            .as_ref()
            .map(|pem| Certificate::from_pem(pem.as_bytes()));
        let needs_new_root = match (root, ca) {
            (Some(Ok(root)), Some(ca)) => {
                const DAY_S: f64 = 86_400.0;
                !root.is_ca_up_to_date(now) && ca.not_after() >= root.not_after() + DAY_S
            }
            _ => false,
        };
        Ok(RequestFacts {
            fingerprint: fingerprint.into(),
            common_name: common_name.into(),
            ca: ca.map(Certificate::to_pem).unwrap_or_default().into(),
            is_signed_by_us: verdict.is_ok(),
            is_up_to_date: certificate.is_up_to_date(now),
            needs_new_root,
            stored,
            ticket,
        })
    }

    fn sign(&self, request: &CertificateRequest) -> Result<String, PkiError> {
        let now = clock::now();
        let authority = CertificateAuthority::load(&self.ca_dir)?;
        let certificate = Certificate::from_pem(request.certificate.as_bytes())?;
        let signed = authority.sign_request(&certificate, now)?;
        // Two different CAs on one node would hand out certificates that nobody accepts.
        let anchors = TrustAnchors::read(&self.files.ca)?;
        if let Err(reason) = anchors.verify(&signed, &[], Purpose::Any, None, now) {
            return Err(PkiError::Refused(format!(
                "the CA in '{}' is not the one in '{}': {reason}",
                self.ca_dir.display(),
                self.files.ca.display()
            )));
        }
        Ok(signed.to_pem())
    }

    fn save_pending(&self, params: &Value) -> Result<(), PkiError> {
        let field = |name: &str| params.as_dictionary().and_then(|params| params.get(name));
        let pem = field("cert_request");
        let pem = pem.as_ref().and_then(Value::as_str).unwrap_or_default();
        let certificate = Certificate::from_pem(pem.as_bytes())?;
        let ticket = field("ticket");
        let root = field("requestor_ca");
        self.store.save(
            &certificate,
            ticket.as_ref().and_then(Value::as_str).unwrap_or_default(),
            root.as_ref().and_then(Value::as_str),
        )
    }

    fn install(
        &self,
        certificate: &str,
        ca: &str,
        fingerprint: &str,
    ) -> Result<Installed, PkiError> {
        let now = clock::now();
        let new = Certificate::from_pem(certificate.as_bytes())?;
        let own = Certificate::read(&self.files.certificate)?;
        let next = NextPair::of(&self.files);
        let is_for_next_key = next.awaits(&new).unwrap_or_else(|error| {
            tracing::warn!(target: "JsonRpcConnection", "cannot use the new key: {error}");
            false
        });
        if !new.replaces(&own) && !is_for_next_key {
            let stored = self.store.respond(fingerprint, certificate)?;
            return Ok(if stored {
                Installed::Stored
            } else {
                Installed::Nothing
            });
        }
        // The CA first is checked, so that a broken message cannot cut this node off.
        let root = Certificate::from_pem(ca.as_bytes())?;
        let anchors = TrustAnchors::read(&self.files.ca).ok();
        let was_trusted = anchors
            .as_ref()
            .is_some_and(|anchors| anchors.verify(&own, &[], Purpose::Any, None, now).is_ok());
        if is_for_next_key {
            let roots = TrustAnchors::new(vec![root.clone()])?;
            if let Err(reason) = roots.verify(&new, &[], Purpose::Any, None, now) {
                return Err(PkiError::Refused(format!(
                    "the certificate for the new key is not of the CA that came with it: {reason}"
                )));
            }
        } else {
            // A parent looks at the certificate with which the link was made. That may be long
            // ago, and what the parent then offers was installed the day before.
            let knows_root = anchors.is_some_and(|it| it.certificates().contains(&root));
            if was_trusted && knows_root && own.is_up_to_date(now) {
                return Ok(Installed::Nothing);
            }
        }
        write_atomic(&self.files.ca, root.to_pem().as_bytes(), Mode::Public)?;
        if is_for_next_key {
            next.install(&new)?;
            self.store.respond(fingerprint, certificate)?;
        } else {
            write_atomic(
                &self.files.certificate,
                new.to_pem().as_bytes(),
                Mode::Public,
            )?;
        }
        let _ = std::fs::remove_file(&self.ticket_file);
        self.identity.reload(&self.files).map_err(|error| {
            PkiError::Refused(format!("cannot load what was installed: {error}"))
        })?;
        Ok(Installed::Own { was_trusted })
    }
}
