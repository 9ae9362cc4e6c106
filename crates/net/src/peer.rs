//! What is known about the other side of a connection once the handshake is done.

use rustls_pki_types::CertificateDer;

use crate::pki::{Certificate, Untrusted};

/// The certificate of a peer and the verdict about it.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    /// The common name of its certificate: the claimed name of its endpoint, true only when
    /// [`Self::verified`] says so.
    pub cn: Option<String>,
    /// Whether the certificate is one of a trusted authority (and, of a dialled peer, whether it
    /// is that of the endpoint).
    pub verified: Result<(), Untrusted>,
    /// The certificate.
    pub certificate: Option<Certificate>,
    /// The last self-signed certificate that came along: the root that the peer trusts.
    pub root: Option<Certificate>,
}

impl PeerIdentity {
    pub(crate) fn new(
        leaf: Certificate,
        sent_along: &[CertificateDer<'_>],
        known: &[Certificate],
        verified: Result<(), Untrusted>,
    ) -> Self {
        // Most peers send a root that is known here: thousands of them share one copy.
        let known_or_parsed = |der: &CertificateDer<'_>| {
            let known = known
                .iter()
                .find(|certificate| certificate.der() == der)
                .cloned();
            known.or_else(|| Certificate::from_der(der).ok())
        };
        let root = sent_along
            .iter()
            .rev()
            .filter_map(known_or_parsed)
            .find(Certificate::is_self_issued);
        Self {
            cn: leaf.cn().map(str::to_owned),
            verified,
            certificate: Some(leaf),
            root,
        }
    }

    pub(crate) fn without_certificate() -> Self {
        // OpenSSL calls a connection without a certificate fine; nobody may take it for that.
        Self::unreadable("no client certificate")
    }

    pub(crate) fn unreadable(reason: &str) -> Self {
        Self {
            cn: None,
            verified: Err(Untrusted {
                code: 1,
                text: reason.to_owned(),
            }),
            certificate: None,
            root: None,
        }
    }

    /// The name of the peer when its certificate is trusted.
    #[must_use]
    pub fn verified_cn(&self) -> Option<&str> {
        self.verified.as_ref().ok().and(self.cn.as_deref())
    }

    /// PEM of the certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<String> {
        self.certificate.as_ref().map(Certificate::to_pem)
    }

    /// Lower-case hex SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.certificate.as_ref().map(Certificate::fingerprint)
    }

    /// What Icinga 2 writes in parentheses behind a new connection; empty for a trusted peer.
    #[must_use]
    pub fn remark(&self) -> String {
        match (&self.verified, &self.certificate) {
            (Ok(()), _) => String::new(),
            (Err(_), None) => "no client certificate".to_owned(),
            (Err(reason), Some(_)) => format!(
                "certificate validation failed: code {}: {}",
                reason.code, reason.text
            ),
        }
    }
}
