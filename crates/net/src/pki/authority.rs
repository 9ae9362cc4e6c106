//! Issuing: the authority, self-signed certificates, signing requests.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bheka_value::Timestamp;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use super::certificate::signature_holds;
use super::{Certificate, KeyKind, PkiError, PrivateKey, der, files, pem_text};

/// Common name of a new authority.
pub const CA_CN: &str = "Icinga CA";
/// Life time of an authority's certificate.
pub const CA_DAYS: u32 = 15 * 365;
/// Life time of a node's certificate.
pub const LEAF_DAYS: u32 = 397;

/// Object identifiers of the extensions and attributes that are written.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
/// Context tags: version and extensions of a certificate, attributes of a request, DNS name.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const DER_TRUE: &[u8] = &[0x01, 0x01, 0xff];

/// A certificate authority: certificate and key.
#[derive(Clone, Debug)]
pub struct CertificateAuthority {
    certificate: Certificate,
    key: PrivateKey,
}

impl CertificateAuthority {
    /// A new authority "Icinga CA", valid for 15 years from now.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate(kind: KeyKind, now: Timestamp) -> Result<Self, PkiError> {
        let key = PrivateKey::generate(kind)?;
        let name = name_of(CA_CN);
        let certificate = issue(&Issue {
            subject: &name,
            public_key: &key.public_key_der(),
            issuer: &name,
            signer: &key,
            days: CA_DAYS,
            profile: Profile::Authority,
            now,
        })?;
        Ok(Self { certificate, key })
    }

    /// Makes the authority of a directory (`DataDir/ca`): `ca.key` and `ca.crt`.
    ///
    /// # Errors
    /// When there is one already, or the files can't be written.
    pub fn create(directory: &Path, kind: KeyKind, now: Timestamp) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = Self::paths(directory);
        if certificate_path.exists() || key_path.exists() {
            return Err(PkiError::Refused(format!(
                "CA files '{}' and '{}' already exist.",
                certificate_path.display(),
                key_path.display()
            )));
        }
        files::create_private_dir(directory)?;
        let authority = Self::generate(kind, now)?;
        authority.key.write(&key_path)?;
        authority.certificate.write(&certificate_path)?;
        Ok(authority)
    }

    /// Loads the authority of a directory.
    ///
    /// # Errors
    /// When a file is missing or malformed, or key and certificate don't belong together.
    pub fn load(directory: &Path) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = Self::paths(directory);
        let certificate = Certificate::read(&certificate_path)?;
        let key = PrivateKey::read(&key_path)?;
        if certificate.public_key_der() != key.public_key_der() {
            return Err(PkiError::Malformed(format!(
                "CA key '{}' does not belong to certificate '{}'",
                key_path.display(),
                certificate_path.display()
            )));
        }
        Ok(Self { certificate, key })
    }

    /// Whether the directory holds the key of an authority: Icinga 2's test for "I sign".
    #[must_use]
    pub fn exists(directory: &Path) -> bool {
        Self::paths(directory).1.exists()
    }

    /// The files of an authority: certificate, key.
    #[must_use]
    pub fn paths(directory: &Path) -> (PathBuf, PathBuf) {
        (directory.join("ca.crt"), directory.join("ca.key"))
    }

    /// Puts an authority together from its parts.
    ///
    /// # Errors
    /// When key and certificate don't belong together.
    pub fn from_parts(certificate: Certificate, key: PrivateKey) -> Result<Self, PkiError> {
        if certificate.public_key_der() != key.public_key_der() {
            return Err(PkiError::Malformed(
                "CA key does not belong to the certificate".into(),
            ));
        }
        Ok(Self { certificate, key })
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The authority's key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The authority's certificate again, with the same key and subject, for another 15 years.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn renewed(&self, now: Timestamp) -> Result<Self, PkiError> {
        let certificate = issue(&Issue {
            subject: self.certificate.subject_der(),
            public_key: self.certificate.public_key_der(),
            issuer: self.certificate.subject_der(),
            signer: &self.key,
            days: CA_DAYS,
            profile: Profile::Authority,
            now,
        })?;
        Ok(Self {
            certificate,
            key: self.key.clone(),
        })
    }

    /// A leaf for a new key.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn issue(
        &self,
        cn: &str,
        key: &PrivateKey,
        now: Timestamp,
    ) -> Result<Certificate, PkiError> {
        self.sign(&name_of(cn), &key.public_key_der(), cn, now)
    }

    /// Signs a certificate signing request: subject and public key are copied, its extensions are
    /// ignored.
    ///
    /// # Errors
    /// When its subject has no common name, or the cryptographic library fails.
    pub fn sign_csr(
        &self,
        request: &SigningRequest,
        now: Timestamp,
    ) -> Result<Certificate, PkiError> {
        self.sign(&request.subject, &request.public_key, &request.cn, now)
    }

    /// Signs a "request certificate", the form in which nodes ask for a signature: subject and
    /// public key are copied, its extensions are ignored.
    ///
    /// # Errors
    /// When its subject has no common name, or the cryptographic library fails.
    pub fn sign_request(
        &self,
        request: &Certificate,
        now: Timestamp,
    ) -> Result<Certificate, PkiError> {
        let cn = request.cn().ok_or_else(no_cn)?;
        self.sign(request.subject_der(), request.public_key_der(), cn, now)
    }

    /// A certificate of this node again, for another key: subject and alternative names are those
    /// of the one in use.
    ///
    /// # Errors
    /// When its subject has no common name, or the cryptographic library fails.
    pub fn reissue(
        &self,
        own: &Certificate,
        key: &PrivateKey,
        now: Timestamp,
    ) -> Result<Certificate, PkiError> {
        issue(&Issue {
            subject: own.subject_der(),
            public_key: &key.public_key_der(),
            issuer: self.certificate.subject_der(),
            signer: &self.key,
            days: LEAF_DAYS,
            profile: Profile::leaf_like(own)?,
            now,
        })
    }

    fn sign(
        &self,
        subject: &[u8],
        public_key: &[u8],
        cn: &str,
        now: Timestamp,
    ) -> Result<Certificate, PkiError> {
        issue(&Issue {
            subject,
            public_key,
            issuer: self.certificate.subject_der(),
            signer: &self.key,
            days: LEAF_DAYS,
            profile: Profile::leaf_of(cn),
            now,
        })
    }
}

/// A self-signed certificate of a node, as `pki new-cert --cert` makes it.
///
/// # Errors
/// When the cryptographic library fails.
pub fn self_signed(cn: &str, key: &PrivateKey, now: Timestamp) -> Result<Certificate, PkiError> {
    let name = name_of(cn);
    issue(&Issue {
        subject: &name,
        public_key: &key.public_key_der(),
        issuer: &name,
        signer: key,
        days: LEAF_DAYS,
        profile: Profile::leaf_of(cn),
        now,
    })
}

/// The request for a certificate of this node with another key: self-signed by that key, with
/// subject and alternative names of the one in use.
///
/// # Errors
/// When its subject has no common name, or the cryptographic library fails.
pub fn self_signed_like(
    own: &Certificate,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<Certificate, PkiError> {
    issue(&Issue {
        subject: own.subject_der(),
        public_key: &key.public_key_der(),
        issuer: own.subject_der(),
        signer: key,
        days: LEAF_DAYS,
        profile: Profile::leaf_like(own)?,
        now,
    })
}

/// PEM of a certificate signing request, as `pki new-cert --csr` makes it: version 1, the common
/// name as subject and as requested subject alternative name.
///
/// # Errors
/// When the cryptographic library fails.
pub fn new_csr(cn: &str, key: &PrivateKey) -> Result<String, PkiError> {
    let extensions = der::sequence(&[&alternative_names(&dns_name(cn))]);
    let attribute = der::sequence(&[
        &der::element(der::OBJECT_ID, EXTENSION_REQUEST),
        &der::element(der::SET, &extensions),
    ]);
    let body = der::sequence(&[
        &der::unsigned(&[0]),
        &name_of(cn),
        &key.public_key_der(),
        &der::element(CONTEXT_0, &attribute),
    ]);
    Ok(pem_text("CERTIFICATE REQUEST", &signed(&body, key)?))
}

/// A certificate signing request whose own signature holds.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    subject: Vec<u8>,
    public_key: Vec<u8>,
    cn: String,
}

impl SigningRequest {
    /// Reads PEM.
    ///
    /// # Errors
    /// When it is not a request, its signature does not hold, or it has no common name.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        let request = CertificateSigningRequestDer::from_pem_slice(text)
            .map_err(|_| PkiError::Malformed("no PEM certificate signing request found".into()))?;
        let (_, parsed) = X509CertificationRequest::from_der(&request).map_err(|error| {
            PkiError::Malformed(format!("not a valid certificate signing request: {error}"))
        })?;
        let info = &parsed.certification_request_info;
        if !signature_holds(&request, info.subject_pki.raw) {
            return Err(PkiError::Malformed(
                "the signature of the certificate signing request does not hold".into(),
            ));
        }
        let cn = info
            .subject
            .iter_common_name()
            .next()
            .and_then(|attribute| attribute.as_str().ok())
            .ok_or_else(no_cn)?;
        Ok(Self {
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            cn: cn.to_owned(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::from_pem`], and when the file can't be read.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        let text = files::read(path, "certificate signing request")?;
        Self::from_pem(&text).map_err(|error| error.about(path))
    }

    /// The common name.
    #[must_use]
    pub fn cn(&self) -> &str {
        &self.cn
    }
}

struct Issue<'a> {
    subject: &'a [u8],
    public_key: &'a [u8],
    issuer: &'a [u8],
    signer: &'a PrivateKey,
    days: u32,
    profile: Profile,
    now: Timestamp,
}

enum Profile {
    Authority,
    Leaf {
        /// Content of the extension `subjectAltName`.
        names: Vec<u8>,
    },
}

impl Profile {
    fn leaf_of(cn: &str) -> Self {
        Self::Leaf {
            names: dns_name(cn),
        }
    }

    fn leaf_like(own: &Certificate) -> Result<Self, PkiError> {
        let cn = own.cn().ok_or_else(no_cn)?;
        Ok(Self::Leaf {
            names: own.alternative_names_der().unwrap_or_else(|| dns_name(cn)),
        })
    }
}

fn issue(what: &Issue<'_>) -> Result<Certificate, PkiError> {
    let algorithm = what.signer.signature_algorithm();
    let start = what.now.seconds() as i64;
    let end = start + i64::from(what.days) * 86_400;
    let extensions = match &what.profile {
        Profile::Authority => basic_constraints(&der::sequence(&[DER_TRUE])),
        Profile::Leaf { names } => [
            basic_constraints(&der::sequence(&[])),
            alternative_names(names),
        ]
        .concat(),
    };
    let body = der::sequence(&[
        &der::element(CONTEXT_0, &der::unsigned(&[2])),
        &der::unsigned(&serial()),
        &algorithm,
        what.issuer,
        &der::sequence(&[&der::time(start), &der::time(end)]),
        what.subject,
        what.public_key,
        &der::element(CONTEXT_3, &der::element(der::SEQUENCE, &extensions)),
    ]);
    Certificate::from_der(&signed(&body, what.signer)?)
}

fn signed(body: &[u8], signer: &PrivateKey) -> Result<Vec<u8>, PkiError> {
    let signature = signer.sign(body)?;
    Ok(der::sequence(&[
        body,
        &signer.signature_algorithm(),
        &der::bit_string(&signature),
    ]))
}

/// SHA-1 of the text of a random UUID, as Icinga 2 takes it.
fn serial() -> Vec<u8> {
    let text = uuid::Uuid::new_v4().to_string();
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes())
        .as_ref()
        .to_vec()
}

fn name_of(cn: &str) -> Vec<u8> {
    let attribute = der::sequence(&[
        &der::element(der::OBJECT_ID, COMMON_NAME),
        &der::element(der::UTF8_STRING, cn.as_bytes()),
    ]);
    der::sequence(&[&der::element(der::SET, &attribute)])
}

fn basic_constraints(value: &[u8]) -> Vec<u8> {
    der::sequence(&[
        &der::element(der::OBJECT_ID, BASIC_CONSTRAINTS),
        DER_TRUE,
        &der::element(der::OCTET_STRING, value),
    ])
}

fn dns_name(cn: &str) -> Vec<u8> {
    der::sequence(&[&der::element(DNS_NAME, cn.as_bytes())])
}

fn alternative_names(names: &[u8]) -> Vec<u8> {
    der::sequence(&[
        &der::element(der::OBJECT_ID, SUBJECT_ALT_NAME),
        &der::element(der::OCTET_STRING, names),
    ])
}

fn no_cn() -> PkiError {
    PkiError::Refused("the request's subject has no common name".into())
}
