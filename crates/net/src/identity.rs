//! Who this node is: certificate, key, trusted authorities, revocation list, TLS settings.
//!
//! One identity serves inbound and outbound connections. It can be replaced while connections
//! live: those that exist stay, new ones use the new certificate.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use bheka_value::Timestamp;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::CertificateDer;

use crate::ciphers::{self, Ciphers};
use crate::dial::server_name;
use crate::peer::PeerIdentity;
use crate::pki::Untrusted;
use crate::pki::{
    Certificate, Crl, NextPair, PkiError, PrivateKey, Purpose, TrustAnchors, host_matches,
};
use crate::sessions::SessionStore;
use crate::tickets::{TicketKeys, Ticketer};
use crate::verifier::{PROVIDER, SignaturesOnly};

/// Of how many dialled peers to keep sessions when nobody says.
const SERVERS_MAX: usize = 256;

/// Why an identity can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file is missing or malformed.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The key is not that of the certificate.
    #[error("private key does not belong to certificate '{0}'; make both anew or restore the pair")]
    KeyMismatch(String),
    /// `cipher_list` or `tls_protocolmin` make no sense.
    #[error("{0}")]
    Settings(String),
    /// The TLS library refuses the material.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// The files of an identity.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// `certs/<NodeName>.crt`.
    pub certificate: PathBuf,
    /// `certs/<NodeName>.key`.
    pub key: PathBuf,
    /// `certs/ca.crt`.
    pub ca: PathBuf,
}

impl IdentityFiles {
    /// The places where Icinga 2 keeps them below `DataDir/certs`.
    #[must_use]
    pub fn in_directory(certs: &Path, node_name: &str) -> Self {
        Self {
            certificate: certs.join(format!("{node_name}.crt")),
            key: certs.join(format!("{node_name}.key")),
            ca: certs.join("ca.crt"),
        }
    }
}

/// TLS settings of the ApiListener. They stay in force when certificate and key are loaded anew.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsSettings {
    /// `crl_path`: revocation lists, read anew when the file changes. It is a setting rather than
    /// one of the [`IdentityFiles`], so that nobody who loads a new certificate can forget it and
    /// let revoked peers in.
    pub crl: Option<PathBuf>,
    /// `cipher_list`, an OpenSSL cipher string for TLS 1.2; all supported suites when missing.
    pub cipher_list: Option<String>,
    /// `tls_protocolmin`: `TLSv1.2` (default) or `TLSv1.3`.
    pub protocol_min: Option<String>,
    /// Of how many dialled peers to keep sessions, until [`Identity::keep_sessions_of`] says of
    /// which ones; 256 when missing, 0 for none ever. It holds from the start on.
    pub client_sessions_max: Option<usize>,
}

/// What an identity consists of.
#[derive(Clone, Debug)]
pub struct IdentityParts {
    /// The own certificate and key; none for a client that shows no certificate (`pki save-cert`).
    pub own: Option<(Certificate, PrivateKey)>,
    /// Whom to trust; none when nobody can be verified.
    pub anchors: Option<TrustAnchors>,
}

impl IdentityParts {
    /// Reads the files. When a change of the key was interrupted and has left its certificate
    /// beside, that one counts, see [`NextPair`].
    ///
    /// # Errors
    /// When one of them is missing or malformed.
    pub fn read(files: &IdentityFiles) -> Result<Self, IdentityError> {
        let mut certificate = Certificate::read(&files.certificate)?;
        let key = PrivateKey::read(&files.key)?;
        if certificate.public_key_der() != key.public_key_der() {
            certificate = NextPair::of(files).left_behind(&key).unwrap_or(certificate);
        }
        Ok(Self {
            own: Some((certificate, key)),
            anchors: Some(TrustAnchors::read(&files.ca)?),
        })
    }
}

/// Certificate, key and trust, shared by all connections of a node.
pub struct Identity {
    current: ArcSwap<Material>,
    /// Held while the material is replaced: a new certificate and new settings may come at once,
    /// and neither may undo the other.
    replacing: Mutex<()>,
    /// Behind the tickets for peers that dial us.
    ticket_keys: OnceLock<Arc<TicketKeys>>,
    /// Sessions with peers that are dialled; they outlive what is replaced.
    sessions: OnceLock<Arc<SessionStore>>,
}

struct Material {
    parts: IdentityParts,
    settings: TlsSettings,
    key: Option<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
    ciphers: Ciphers,
    crl: ArcSwapOption<LoadedCrl>,
    as_client: AsClient,
    server: OnceLock<Arc<ServerConfig>>,
    client: OnceLock<Arc<ClientConfig>>,
}

/// What sessions with dialled peers are tied to: the TLS library resumes none under another
/// verifier or certificate than the same objects in memory.
#[derive(Clone)]
struct AsClient {
    verifier: Arc<SignaturesOnly>,
    certificate: Arc<OwnCertificate>,
}

struct LoadedCrl {
    /// None when the file exists but could not be used; then nobody passes.
    crl: Option<Crl>,
    /// Change time and length of the file that was read.
    stamp: (i64, i64, u64),
}

impl Identity {
    /// Loads the files.
    ///
    /// # Errors
    /// When a file is missing or malformed, key and certificate don't belong together, or the
    /// settings make no sense.
    pub fn load(files: &IdentityFiles, settings: TlsSettings) -> Result<Self, IdentityError> {
        Self::new(IdentityParts::read(files)?, settings)
    }

    /// Puts an identity together from its parts.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn new(parts: IdentityParts, settings: TlsSettings) -> Result<Self, IdentityError> {
        Ok(Self {
            current: ArcSwap::from_pointee(Material::new(parts, settings, None)?),
            replacing: Mutex::default(),
            ticket_keys: OnceLock::new(),
            sessions: OnceLock::new(),
        })
    }

    /// Makes tickets for peers that dial us with these keys. Without, their keys end with the
    /// identity.
    #[must_use]
    pub fn with_ticket_keys(mut self, keys: Arc<TicketKeys>) -> Self {
        self.ticket_keys = OnceLock::from(keys);
        self
    }

    /// Takes new keys for tickets into use when it is time, see [`TicketKeys::rotate`].
    ///
    /// # Errors
    /// As there.
    pub fn rotate_ticket_keys(&self, now: Timestamp) -> Result<bool, PkiError> {
        self.ticket_keys
            .get()
            .map_or(Ok(false), |keys| keys.rotate(now))
    }

    /// Keeps room for the sessions of all these dialled endpoints, and forgets those of others.
    pub fn keep_sessions_of<'a>(&self, endpoints: impl IntoIterator<Item = &'a str>) {
        if self.current.load().settings.client_sessions_max != Some(0) {
            let names = endpoints.into_iter().map(server_name).collect();
            self.sessions().keep(&names);
        }
    }

    fn sessions(&self) -> &Arc<SessionStore> {
        self.sessions.get_or_init(|| {
            let servers_max = self.current.load().settings.client_sessions_max;
            Arc::new(SessionStore::new(servers_max.unwrap_or(SERVERS_MAX)))
        })
    }

    /// A client that shows no certificate and trusts nobody: what `pki save-cert` connects with.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub fn anonymous() -> Result<Self, IdentityError> {
        Self::new(
            IdentityParts {
                own: None,
                anchors: None,
            },
            TlsSettings::default(),
        )
    }

    /// What to tell the operator about `cipher_list`.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.current.load().ciphers.warnings.clone()
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> TlsSettings {
        self.current.load().settings.clone()
    }

    /// Loads the files anew, after a renewal; the settings stay. Connections that exist stay as
    /// they are; on an error nothing changes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn reload(&self, files: &IdentityFiles) -> Result<(), IdentityError> {
        self.replace(IdentityParts::read(files)?)
    }

    /// Replaces certificate, key, trust and settings at once. Connections that exist stay as they
    /// are, new handshakes go by what is new; on an error nothing changes.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn reconfigure(
        &self,
        parts: IdentityParts,
        settings: TlsSettings,
    ) -> Result<(), IdentityError> {
        self.swap(parts, Some(settings))
    }

    /// Replaces certificate, key and trust; the settings stay, the revocation list with them.
    /// When the own certificate is another one, sessions of before are not resumed, so that each
    /// peer sees it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn replace(&self, parts: IdentityParts) -> Result<(), IdentityError> {
        self.swap(parts, None)
    }

    fn swap(
        &self,
        parts: IdentityParts,
        settings: Option<TlsSettings>,
    ) -> Result<(), IdentityError> {
        let _one_at_a_time = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let settings = settings.unwrap_or_else(|| before.settings.clone());
        let material = Material::new(parts, settings, Some(&before))?;
        let sessions_end = !Arc::ptr_eq(
            &material.as_client.certificate,
            &before.as_client.certificate,
        );
        self.current.store(Arc::new(material));
        if sessions_end && let Some(sessions) = self.sessions.get() {
            sessions.clear();
        }
        Ok(())
    }

    /// The own certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        self.current
            .load()
            .parts
            .own
            .as_ref()
            .map(|own| own.0.clone())
    }

    /// The own key.
    #[must_use]
    pub fn key(&self) -> Option<PrivateKey> {
        self.current
            .load()
            .parts
            .own
            .as_ref()
            .map(|own| own.1.clone())
    }

    /// The common name of the own certificate: the name of the own endpoint.
    #[must_use]
    pub fn cn(&self) -> Option<String> {
        self.certificate()?.cn().map(str::to_owned)
    }

    /// Whom this node trusts.
    #[must_use]
    pub fn anchors(&self) -> Option<TrustAnchors> {
        self.current.load().parts.anchors.clone()
    }

    /// Reads the revocation list again when its file changed since; done on each connection.
    /// Yields whether it did. A list that can't be used any more refuses everybody, with the
    /// reason in the error, once.
    ///
    /// # Errors
    /// When the file can't be read or is malformed.
    pub fn refresh_crl(&self) -> Result<bool, PkiError> {
        self.current.load().refresh_crl()
    }

    /// The verdict about the certificates that a peer showed. `endpoint` is the name that was
    /// dialled; the peer must be the host of that name. It is judged on every connection, resumed
    /// or not.
    #[must_use]
    pub fn judge(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
        endpoint: Option<&str>,
        now: Timestamp,
    ) -> PeerIdentity {
        let material = self.current.load();
        let Some((leaf, sent_along)) = chain.and_then(<[_]>::split_first) else {
            return PeerIdentity::without_certificate();
        };
        let leaf = match Certificate::from_der(leaf) {
            Ok(leaf) => leaf,
            Err(error) => return PeerIdentity::unreadable(&error.to_string()),
        };
        let purpose = if endpoint.is_some() {
            Purpose::Server
        } else {
            Purpose::Client
        };
        let verified =
            material
                .verify(&leaf, sent_along, purpose, now)
                .and_then(|()| match endpoint {
                    Some(name) if !host_matches(&leaf, name) => Err(Untrusted::host_mismatch()),
                    _ => Ok(()),
                });
        let known = material
            .parts
            .anchors
            .as_ref()
            .map(TrustAnchors::certificates);
        PeerIdentity::new(leaf, sent_along, known.unwrap_or_default(), verified)
    }

    pub(crate) fn server_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let keys = match self.ticket_keys.get() {
            Some(keys) => Arc::clone(keys),
            None => {
                let keys = Arc::new(TicketKeys::in_memory()?);
                Arc::clone(self.ticket_keys.get_or_init(|| keys))
            }
        };
        self.current.load().server_config(keys)
    }

    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, IdentityError> {
        self.current.load().client_config(|| self.sessions())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Identity({})",
            self.cn().as_deref().unwrap_or("anonymous")
        )
    }
}

impl Material {
    /// What `before` has in common with it is carried over.
    fn new(
        parts: IdentityParts,
        settings: TlsSettings,
        before: Option<&Self>,
    ) -> Result<Self, IdentityError> {
        let mut ciphers = ciphers::read(
            settings.cipher_list.as_deref(),
            settings.protocol_min.as_deref(),
        )
        .map_err(IdentityError::Settings)?;
        if let Some((_, key)) = &parts.own {
            ciphers.warn_unless_for(key.is_rsa());
        }
        let provider = if settings.cipher_list.is_none() {
            PROVIDER.clone()
        } else {
            Arc::new(CryptoProvider {
                cipher_suites: ciphers.suites.clone(),
                ..(**PROVIDER).clone()
            })
        };
        let key = parts
            .own
            .as_ref()
            .map(|(certificate, key)| certified_key(certificate, key, parts.anchors.as_ref()))
            .transpose()?
            .map(Arc::new);
        let is_same_client = |before: &&Self| {
            let chain = |key: &Option<Arc<CertifiedKey>>| key.as_ref().map(|key| key.cert.clone());
            chain(&before.key) == chain(&key)
                && before.settings.cipher_list == settings.cipher_list
                && before.settings.protocol_min == settings.protocol_min
        };
        let as_client = match before.filter(is_same_client) {
            Some(before) => before.as_client.clone(),
            None => AsClient {
                verifier: Arc::new(SignaturesOnly {
                    known_authorities: Vec::new(),
                }),
                certificate: Arc::new(OwnCertificate(key.clone())),
            },
        };
        let material = Self {
            parts,
            key,
            provider,
            ciphers,
            crl: ArcSwapOption::empty(),
            as_client,
            server: OnceLock::new(),
            client: OnceLock::new(),
            settings,
        };
        match before.filter(|before| before.settings.crl == material.settings.crl) {
            Some(before) => {
                // What is wrong with a list that is in use already must not keep a new certificate
                // out: a broken one lets nobody pass, whatever the certificate.
                material.crl.store(before.crl.load_full());
                if let Err(error) = material.refresh_crl() {
                    tracing::warn!(target: "ApiListener",
                        "cannot use the revocation list: {error}");
                }
            }
            None => {
                material.refresh_crl()?;
            }
        }
        Ok(material)
    }

    fn verify(
        &self,
        leaf: &Certificate,
        sent_along: &[CertificateDer<'_>],
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<(), Untrusted> {
        let unusable = |text: &str| Untrusted {
            code: 3,
            text: text.to_owned(),
        };
        let Some(anchors) = &self.parts.anchors else {
            return Err(Untrusted {
                code: 20,
                text: "unable to get local issuer certificate".to_owned(),
            });
        };
        let crl = self.crl.load();
        match (&self.settings.crl, crl.as_deref()) {
            (None, _) => anchors.verify(leaf, sent_along, purpose, None, now),
            (Some(_), Some(LoadedCrl { crl: Some(crl), .. })) => {
                anchors.verify(leaf, sent_along, purpose, Some(crl), now)
            }
            (Some(_), _) => Err(unusable("unable to get certificate CRL")),
        }
    }

    fn refresh_crl(&self) -> Result<bool, PkiError> {
        let Some(path) = &self.settings.crl else {
            return Ok(false);
        };
        let metadata = std::fs::metadata(path).map_err(|cause| PkiError::Io {
            action: "read",
            path: path.clone(),
            cause,
        })?;
        let stamp = (metadata.ctime(), metadata.ctime_nsec(), metadata.len());
        if self
            .crl
            .load()
            .as_ref()
            .is_some_and(|loaded| loaded.stamp == stamp)
        {
            return Ok(false);
        }
        let result = Crl::read(path);
        let (crl, result) = match result {
            Ok(crl) => (Some(crl), Ok(true)),
            Err(error) => (None, Err(error)),
        };
        self.crl.store(Some(Arc::new(LoadedCrl { crl, stamp })));
        result
    }

    fn server_config(&self, keys: Arc<TicketKeys>) -> Result<Arc<ServerConfig>, IdentityError> {
        if let Some(config) = self.server.get() {
            return Ok(config.clone());
        }
        let key = self
            .key
            .clone()
            .ok_or_else(|| IdentityError::Tls("a listener needs a certificate".into()))?;
        let authorities = self
            .parts
            .anchors
            .as_ref()
            .map(TrustAnchors::certificates)
            .unwrap_or_default();
        let verifier = SignaturesOnly {
            known_authorities: authorities
                .iter()
                .map(|certificate| DistinguishedName::from(certificate.subject_der().to_vec()))
                .collect(),
        };
        let own = self.parts.own.as_ref().map(|own| &own.0);
        let binding = own
            .into_iter()
            .chain(authorities)
            .map(Certificate::fingerprint)
            .collect::<String>();
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.ciphers.versions)
            .map_err(|error| IdentityError::Tls(error.to_string()))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(OwnCertificate(Some(key))));
        config.ignore_client_order = true;
        config.send_tls13_tickets = 1;
        // Sessions live in tickets on the peer's side, so idle peers cost no memory here.
        config.ticketer = Arc::new(Ticketer::new(keys, binding.into_bytes()));
        Ok(self.server.get_or_init(|| Arc::new(config)).clone())
    }

    fn client_config<'a>(
        &self,
        sessions: impl FnOnce() -> &'a Arc<SessionStore>,
    ) -> Result<Arc<ClientConfig>, IdentityError> {
        if let Some(config) = self.client.get() {
            return Ok(config.clone());
        }
        let AsClient {
            verifier,
            certificate,
        } = self.as_client.clone();
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.ciphers.versions)
            .map_err(|error| IdentityError::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(certificate);
        config.resumption = match self.settings.client_sessions_max {
            Some(0) => Resumption::disabled(),
            _ => Resumption::store(sessions().clone()),
        };
        Ok(self.client.get_or_init(|| Arc::new(config)).clone())
    }
}

/// The own chain is the leaf and its issuers up to the root, found in `ca.crt`: peers read the
/// root's expiry from it (renewal of the authority).
fn certified_key(
    certificate: &Certificate,
    key: &PrivateKey,
    anchors: Option<&TrustAnchors>,
) -> Result<CertifiedKey, IdentityError> {
    const CHAIN_LEN_MAX: usize = 8;
    if certificate.public_key_der() != key.public_key_der() {
        return Err(IdentityError::KeyMismatch(certificate.subject().to_owned()));
    }
    let mut chain = vec![certificate.clone()];
    let known = anchors.map(TrustAnchors::certificates).unwrap_or_default();
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let Some(issuer) = known.iter().find(|issuer| last.is_signed_by(issuer)) else {
            break;
        };
        if chain.len() >= CHAIN_LEN_MAX {
            break;
        }
        chain.push(issuer.clone());
    }
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.to_rustls())
        .map_err(|error| IdentityError::Tls(error.to_string()))?;
    Ok(CertifiedKey::new(
        chain.iter().map(|link| link.der().clone()).collect(),
        signer,
    ))
}

/// Shows the own certificate whatever authorities the peer says to know, as OpenSSL does.
#[derive(Debug)]
struct OwnCertificate(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(
        &self,
        _known_authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
