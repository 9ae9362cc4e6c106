//! The verdict about a peer's certificate, in OpenSSL's words and codes, which operators know.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use bheka_value::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::KeyUsage;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::certificate::signature_holds;
use super::{Certificate, PkiError, files};

/// What a certificate is to be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The peer accepted the connection.
    Server,
    /// The peer dialled.
    Client,
    /// Not in a connection: `pki verify`, renewal.
    Any,
}

/// Why a certificate is not trusted: OpenSSL's code and text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Untrusted {
    /// OpenSSL's `X509_V_ERR_*` number; 1 when it has none that fits.
    pub code: u32,
    /// The text that belongs to it.
    pub text: String,
}

impl Untrusted {
    fn new(code: u32, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The name in the certificate is not that of the peer.
    #[must_use]
    pub fn host_mismatch() -> Self {
        Self::new(62, "hostname mismatch")
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text, self.code)
    }
}

impl std::error::Error for Untrusted {}

/// The certificates of a `ca.crt`. A chain must end at a root among them: certificates there that
/// others issued only help to build it, as in OpenSSL.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    certificates: Vec<Certificate>,
    /// Those that issued themselves, in the same order.
    roots: Vec<Certificate>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl TrustAnchors {
    /// Trusts these certificates.
    ///
    /// # Errors
    /// When one of them can't be an anchor.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, PkiError> {
        let mut anchors = Vec::new();
        let roots: Vec<_> = certificates
            .iter()
            .filter(|one| one.is_self_issued())
            .cloned()
            .collect();
        for certificate in &roots {
            let anchor = webpki::anchor_from_trusted_cert(certificate.der()).map_err(|error| {
                PkiError::Malformed(format!(
                    "certificate '{}' cannot be a trust anchor: {error}",
                    certificate.subject()
                ))
            })?;
            anchors.push(anchor.to_owned());
        }
        Ok(Self {
            certificates,
            roots,
            anchors,
        })
    }

    /// Reads a `ca.crt`.
    ///
    /// # Errors
    /// When the file can't be read, or holds no certificate.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        Self::new(Certificate::read_all(path)?).map_err(|error| error.about(path))
    }

    /// The trusted certificates in the order of the file.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Judges a certificate with what its owner sent along.
    ///
    /// # Errors
    /// The reason why it is not trusted.
    pub fn verify(
        &self,
        leaf: &Certificate,
        sent_along: &[CertificateDer<'_>],
        purpose: Purpose,
        crl: Option<&Crl>,
        now: Timestamp,
    ) -> Result<(), Untrusted> {
        let usages: &[KeyUsage] = match purpose {
            Purpose::Server => &[KeyUsage::server_auth()],
            Purpose::Client => &[KeyUsage::client_auth()],
            Purpose::Any => &[KeyUsage::client_auth(), KeyUsage::server_auth()],
        };
        let mut result = Err(webpki::Error::UnknownIssuer);
        for usage in usages {
            result = self.chain(leaf, sent_along, *usage, now);
            if result.is_ok() {
                break;
            }
        }
        within_validity(leaf, now)?;
        // A certificate that is trusted by itself need not be an authority.
        if !self.roots.contains(leaf) {
            let root = match result {
                Ok(root) => root,
                Err(error) => Some(
                    self.issued_directly(leaf, purpose, &error)
                        .ok_or_else(|| self.reason(leaf, sent_along, &error))?,
                ),
            };
            if let Some(root) = root {
                // Before version 3 there was no way to say so.
                if !root.is_ca() && root.version() >= 3 {
                    return Err(Untrusted::new(79, "invalid CA certificate"));
                }
                within_validity(root, now)?;
            }
        }
        crl.map_or(Ok(()), |crl| {
            self.check_revocation(leaf, sent_along, crl, now)
        })
    }

    /// Builds the chain; yields the root at its end.
    fn chain(
        &self,
        leaf: &Certificate,
        sent_along: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: Timestamp,
    ) -> Result<Option<&Certificate>, webpki::Error> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs_f64(now.seconds().max(0.0)));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let end = webpki::EndEntityCert::try_from(leaf.der())?;
        let known = self.certificates.iter().filter(|one| !one.is_self_issued());
        let between: Vec<CertificateDer<'_>> = sent_along
            .iter()
            .map(|der| CertificateDer::from(der.as_ref()))
            .chain(known.map(|one| CertificateDer::from(one.der().as_ref())))
            .collect();
        let path = end.verify_for_usage(
            provider.signature_verification_algorithms.all,
            &self.anchors,
            &between,
            time,
            usage,
            None,
            None,
        )?;
        let public_key = path.anchor().subject_public_key_info.as_ref();
        let position = self
            .anchors
            .iter()
            .position(|anchor| anchor.subject_public_key_info.as_ref() == public_key);
        Ok(position.and_then(|index| self.roots.get(index)))
    }

    /// What webpki refuses and OpenSSL takes: a certificate of version 1 (`openssl x509 -req`
    /// without extensions makes those), and one with CA:TRUE used by a node. Only directly below
    /// an anchor; a certificate of version 1 can never be an authority.
    fn issued_directly(
        &self,
        leaf: &Certificate,
        purpose: Purpose,
        error: &webpki::Error,
    ) -> Option<&Certificate> {
        let lenient = match error {
            webpki::Error::UnsupportedCertVersion | webpki::Error::CaUsedAsEndEntity => {
                !leaf.has_extended_usage()
            }
            webpki::Error::RequiredEkuNotFoundContext(_) => purpose == Purpose::Any,
            _ => false,
        };
        if !lenient {
            return None;
        }
        self.roots.iter().find(|root| leaf.is_signed_by(root))
    }

    /// OpenSSL's code and text for an error of webpki.
    fn reason(
        &self,
        leaf: &Certificate,
        sent_along: &[CertificateDer<'_>],
        error: &webpki::Error,
    ) -> Untrusted {
        use webpki::Error as E;
        match error {
            E::CertExpired { .. } => Untrusted::new(10, "certificate has expired"),
            E::CertNotValidYet { .. } => Untrusted::new(9, "certificate is not yet valid"),
            E::RequiredEkuNotFoundContext(_) => {
                Untrusted::new(26, "unsuitable certificate purpose")
            }
            E::InvalidSignatureForPublicKey => Untrusted::new(7, "certificate signature failure"),
            E::PathLenConstraintViolated => Untrusted::new(25, "path length constraint exceeded"),
            E::NameConstraintViolation => Untrusted::new(47, "permitted subtree violation"),
            E::UnsupportedCriticalExtension => Untrusted::new(34, "unhandled critical extension"),
            E::EndEntityUsedAsCa => Untrusted::new(79, "invalid CA certificate"),
            E::UnknownIssuer
            | E::UnsupportedCertVersion
            | E::CaUsedAsEndEntity
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                self.unknown_issuer(leaf, sent_along)
            }
            other => Untrusted::new(
                1,
                format!("unspecified certificate verification error: {other}"),
            ),
        }
    }

    fn unknown_issuer(&self, leaf: &Certificate, sent_along: &[CertificateDer<'_>]) -> Untrusted {
        if leaf.is_self_issued() {
            return Untrusted::new(18, "self-signed certificate");
        }
        let mut issuers = self
            .certificates
            .iter()
            .filter(|one| one.subject_der() == leaf.issuer_der());
        // OpenSSL takes an authority for the issuer by its name and the kind of its key.
        if issuers
            .clone()
            .any(|issuer| leaf.signature_fits_key_of(issuer))
        {
            return if issuers.any(|issuer| leaf.is_signed_by(issuer)) {
                Untrusted::new(2, "unable to get issuer certificate")
            } else {
                Untrusted::new(7, "certificate signature failure")
            };
        }
        let root_came_along = sent_along
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .any(|certificate| certificate.is_self_issued());
        if root_came_along {
            Untrusted::new(19, "self-signed certificate in certificate chain")
        } else {
            Untrusted::new(20, "unable to get local issuer certificate")
        }
    }

    fn check_revocation(
        &self,
        leaf: &Certificate,
        sent_along: &[CertificateDer<'_>],
        crl: &Crl,
        now: Timestamp,
    ) -> Result<(), Untrusted> {
        let mut lists = crl
            .lists
            .iter()
            .filter(|list| list.issuer == leaf.issuer_der())
            .peekable();
        if lists.peek().is_none() {
            return Err(Untrusted::new(3, "unable to get certificate CRL"));
        }
        let sent: Vec<Certificate> = sent_along
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect();
        let signer = self
            .certificates
            .iter()
            .chain(&sent)
            .find(|issuer| leaf.is_signed_by(issuer));
        let Some(signer) = signer else {
            return Err(Untrusted::new(33, "unable to get CRL issuer certificate"));
        };
        for list in lists {
            list.check(leaf, signer, now)?;
        }
        Ok(())
    }
}

fn within_validity(certificate: &Certificate, now: Timestamp) -> Result<(), Untrusted> {
    if now < certificate.not_before() {
        return Err(Untrusted::new(9, "certificate is not yet valid"));
    }
    if now > certificate.not_after() {
        return Err(Untrusted::new(10, "certificate has expired"));
    }
    Ok(())
}

/// The revocation lists of a `crl_path` file. Only the leaf is looked up, as in Icinga 2.
#[derive(Clone, Debug)]
pub struct Crl {
    lists: Vec<RevocationList>,
}

#[derive(Clone, Debug)]
struct RevocationList {
    der: Vec<u8>,
    issuer: Vec<u8>,
    this_update: i64,
    next_update: Option<i64>,
    /// Serial numbers without leading zeros.
    revoked: HashSet<Vec<u8>>,
}

impl Crl {
    /// Reads all revocation lists of a PEM text, of version 1 or 2.
    ///
    /// # Errors
    /// When there is none or one is malformed.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        let mut lists = Vec::new();
        for der in CertificateRevocationListDer::pem_slice_iter(text) {
            let der =
                der.map_err(|error| PkiError::Malformed(format!("malformed PEM: {error}")))?;
            let (_, parsed) = CertificateRevocationList::from_der(&der).map_err(|error| {
                PkiError::Malformed(format!("not a valid certificate revocation list: {error}"))
            })?;
            let revoked = parsed
                .iter_revoked_certificates()
                .map(|entry| {
                    let serial = entry.raw_serial();
                    let start = serial
                        .iter()
                        .position(|byte| *byte != 0)
                        .unwrap_or(serial.len());
                    serial[start..].to_vec()
                })
                .collect();
            lists.push(RevocationList {
                issuer: parsed.issuer().as_raw().to_vec(),
                this_update: parsed.last_update().timestamp(),
                next_update: parsed.next_update().map(|time| time.timestamp()),
                revoked,
                der: der.to_vec(),
            });
        }
        if lists.is_empty() {
            return Err(PkiError::Malformed(
                "no PEM certificate revocation list found".into(),
            ));
        }
        Ok(Self { lists })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::from_pem`], and when the file can't be read.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        let text = files::read(path, "certificate revocation list")?;
        Self::from_pem(&text).map_err(|error| error.about(path))
    }
}

impl RevocationList {
    fn check(
        &self,
        leaf: &Certificate,
        signer: &Certificate,
        now: Timestamp,
    ) -> Result<(), Untrusted> {
        if !signature_holds(&self.der, signer.public_key_der()) {
            return Err(Untrusted::new(8, "CRL signature failure"));
        }
        if now.seconds() < self.this_update as f64 {
            return Err(Untrusted::new(11, "CRL is not yet valid"));
        }
        if self
            .next_update
            .is_some_and(|next| now.seconds() > next as f64)
        {
            return Err(Untrusted::new(12, "CRL has expired"));
        }
        if self.revoked.contains(leaf.serial()) {
            return Err(Untrusted::new(23, "certificate revoked"));
        }
        Ok(())
    }
}

/// Whether the certificate is one of the host: the DNS names of the subject alternative name,
/// and the common name only when there is none of them. `*` stands for one whole first label.
#[must_use]
pub fn host_matches(certificate: &Certificate, host: &str) -> bool {
    let names = certificate.dns_names();
    if names.is_empty() {
        return certificate.cn().is_some_and(|cn| name_matches(cn, host));
    }
    names.iter().any(|name| name_matches(name, host))
}

fn name_matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(suffix), Some((label, rest))) = (pattern.strip_prefix("*."), host.split_once('.'))
    else {
        return false;
    };
    // As in OpenSSL, `*.com` stands for nothing.
    !label.is_empty() && suffix.contains('.') && suffix.eq_ignore_ascii_case(rest)
}
