//! A certificate and what is asked about it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use bheka_value::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use super::files::{self, Mode};
use super::ticket::hex;
use super::{PkiError, der, pem_text};

/// A parsed X.509 certificate. Cloning is cheap.
#[derive(Clone)]
pub struct Certificate(Arc<Facts>);

struct Facts {
    der: CertificateDer<'static>,
    version: u32,
    serial: Vec<u8>,
    subject: Vec<u8>,
    subject_text: String,
    issuer: Vec<u8>,
    issuer_text: String,
    cn: Option<String>,
    public_key: Vec<u8>,
    not_before: i64,
    not_after: i64,
    is_ca: bool,
    has_extended_usage: bool,
    dns_names: Vec<String>,
    shown_names: Vec<String>,
    signature_name: String,
}

/// Longest common name that counts as an identity, in bytes; Icinga 2's limit.
const CN_BYTES_MAX: usize = 255;
/// 2017-01-01 00:00 UTC: leaves from before are renewed whatever their end, because certificates
/// of very old versions had no subject alternative name.
const RENEWED_BEFORE: f64 = 1_483_228_800.0;
const DAY_SECONDS: f64 = 86_400.0;

impl Certificate {
    /// Parses DER.
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|error| PkiError::Malformed(format!("not a valid certificate: {error}")))?;
        if !rest.is_empty() {
            return Err(PkiError::Malformed(
                "not a valid certificate: trailing data".into(),
            ));
        }
        Ok(Self(Arc::new(facts(der, &parsed))))
    }

    /// Parses the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is malformed.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        let der = CertificateDer::from_pem_slice(text)
            .map_err(|_| PkiError::Malformed("no PEM certificate found".into()))?;
        Self::from_der(&der)
    }

    /// Parses all certificates of a PEM text.
    ///
    /// # Errors
    /// When there is none, or one is malformed.
    pub fn all_from_pem(text: &[u8]) -> Result<Vec<Self>, PkiError> {
        let mut all = Vec::new();
        for der in CertificateDer::pem_slice_iter(text) {
            let der =
                der.map_err(|error| PkiError::Malformed(format!("malformed PEM: {error}")))?;
            all.push(Self::from_der(&der)?);
        }
        if all.is_empty() {
            return Err(PkiError::Malformed("no PEM certificate found".into()));
        }
        Ok(all)
    }

    /// Reads the first certificate of a file.
    ///
    /// # Errors
    /// When the file can't be read or holds none.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        Self::from_pem(&files::read(path, "certificate")?).map_err(|error| error.about(path))
    }

    /// Reads all certificates of a file.
    ///
    /// # Errors
    /// When the file can't be read or holds none.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, PkiError> {
        Self::all_from_pem(&files::read(path, "certificate")?).map_err(|error| error.about(path))
    }

    /// Writes a file with mode 0644, atomically.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), PkiError> {
        files::write_atomic(path, self.to_pem().as_bytes(), Mode::Public)
    }

    /// PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem_text("CERTIFICATE", &self.0.der)
    }

    /// DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }

    /// The first common name of the subject; none when it is missing, longer than 255 bytes, not
    /// text, or contains a NUL (which C programs would read as its end).
    #[must_use]
    pub fn cn(&self) -> Option<&str> {
        self.0.cn.as_deref()
    }

    /// The subject as OpenSSL prints it on one line: `CN = c1`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject_text
    }

    /// The issuer as OpenSSL prints it on one line.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer_text
    }

    /// DER of the subject.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject
    }

    /// DER of the issuer.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer
    }

    /// DER of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.0.public_key
    }

    /// The first moment of validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        Timestamp(self.0.not_before as f64)
    }

    /// The last moment of validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        Timestamp(self.0.not_after as f64)
    }

    /// [`Self::not_before`] as OpenSSL prints it: `Nov 23 02:40:06 2026 GMT`.
    #[must_use]
    pub fn not_before_text(&self) -> String {
        der::Civil::from_epoch(self.0.not_before).openssl_text()
    }

    /// [`Self::not_after`] as OpenSSL prints it.
    #[must_use]
    pub fn not_after_text(&self) -> String {
        der::Civil::from_epoch(self.0.not_after).openssl_text()
    }

    /// Serial number without leading zeros.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// X.509 version: 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// Whether the basic constraints say that it is an authority.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.0.is_ca
    }

    /// Whether the extended key usage extension is there.
    pub(crate) fn has_extended_usage(&self) -> bool {
        self.0.has_extended_usage
    }

    /// Whether subject and issuer are the same name.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// The DNS names of the subject alternative name extension.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns_names
    }

    /// SHA-256 of the DER in lower-case hex: the name of a request in `certificate-requests`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(self.fingerprint_bytes().as_ref())
    }

    /// Whether a leaf needs no renewal: valid for 30 more days, and not from before 2017.
    #[must_use]
    pub fn is_up_to_date(&self, now: Timestamp) -> bool {
        self.not_after() >= now + 30.0 * DAY_SECONDS && self.not_before().0 >= RENEWED_BEFORE
    }

    /// Whether an authority needs no renewal: valid for a leaf's life time, 397 days.
    #[must_use]
    pub fn is_ca_up_to_date(&self, now: Timestamp) -> bool {
        self.not_after() >= now + f64::from(super::LEAF_DAYS) * DAY_SECONDS
    }

    /// Whether this certificate's signature was made by the other one's key.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.0.issuer == issuer.0.subject && signature_holds(&self.0.der, &issuer.0.public_key)
    }

    /// Whether the other one's key is of the kind that made this certificate's signature.
    pub(crate) fn signature_fits_key_of(&self, issuer: &Self) -> bool {
        let rsa = self.0.signature_name.contains("RSA");
        rsa == is_rsa(&issuer.0.public_key)
    }

    /// Subject and public key are those of the other certificate: it can replace it.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        self.0.subject == other.0.subject && self.0.public_key == other.0.public_key
    }

    /// The names for which it is valid, as the content of the extension `subjectAltName`.
    pub(crate) fn alternative_names_der(&self) -> Option<Vec<u8>> {
        let (_, parsed) = X509Certificate::from_der(&self.0.der).ok()?;
        let mut extensions = parsed.extensions().iter();
        let names = extensions.find(|it| it.oid == OID_X509_EXT_SUBJECT_ALT_NAME)?;
        Some(names.value.to_vec())
    }

    /// The table that `icinga2 pki verify` and `pki save-cert` print, from the line of the version
    /// to that of the fingerprint, with the blank that ends it.
    #[must_use]
    pub fn info_text(&self) -> String {
        let serial: Vec<String> = if self.0.serial.is_empty() {
            vec!["00".to_owned()]
        } else {
            self.0
                .serial
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        let fingerprint: String = self
            .fingerprint_bytes()
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X} "))
            .collect();
        let names = self.0.shown_names.join(" ");
        format!(
            " Version:             {}\n Subject:             {}\n Issuer:              {}\n \
             Valid From:          {}\n Valid Until:         {}\n Serial:              {}\n\n \
             Signature Algorithm: {}\n Subject Alt Names:   {names}\n Fingerprint:         \
             {fingerprint}\n",
            self.0.version,
            self.subject(),
            self.issuer(),
            self.not_before_text(),
            self.not_after_text(),
            serial.join(":"),
            self.0.signature_name,
        )
    }

    fn fingerprint_bytes(&self) -> digest::Digest {
        digest::digest(&digest::SHA256, &self.0.der)
    }
}

/// Two certificates are equal when their bytes are.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.fingerprint())
    }
}

fn facts(der: &[u8], parsed: &X509Certificate<'_>) -> Facts {
    let tbs = &parsed.tbs_certificate;
    let (mut dns_names, mut shown_names) = (Vec::new(), Vec::new());
    if let Ok(Some(names)) = tbs.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(name) => {
                    dns_names.push((*name).to_owned());
                    shown_names.push((*name).to_owned());
                }
                GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                    shown_names.push((*name).to_owned());
                }
                _ => {}
            }
        }
    }
    let serial = tbs.raw_serial();
    let start = serial
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(serial.len());
    Facts {
        der: CertificateDer::from(der.to_vec()),
        version: tbs.version.0.saturating_add(1),
        serial: serial[start..].to_vec(),
        subject: tbs.subject.as_raw().to_vec(),
        subject_text: name_text(&tbs.subject),
        issuer: tbs.issuer.as_raw().to_vec(),
        issuer_text: name_text(&tbs.issuer),
        cn: common_name(&tbs.subject),
        public_key: tbs.subject_pki.raw.to_vec(),
        not_before: tbs.validity.not_before.timestamp(),
        not_after: tbs.validity.not_after.timestamp(),
        is_ca: matches!(tbs.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca),
        has_extended_usage: matches!(tbs.extended_key_usage(), Ok(Some(_)) | Err(_)),
        dns_names,
        shown_names,
        signature_name: signature_name(&parsed.signature_algorithm.algorithm.to_id_string()),
    }
}

/// The text of an attribute: UTF-8, or UTF-16 when it is a `BMPString`, or Latin-1.
fn attribute_text(value: &x509_parser::der_parser::asn1_rs::Any<'_>) -> String {
    const BMP_STRING: u32 = 30;
    if value.header.tag().0 == BMP_STRING {
        let units = value
            .data
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
    }
    match std::str::from_utf8(value.data) {
        Ok(text) => text.to_owned(),
        Err(_) => value.data.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    let text = attribute_text(name.iter_common_name().next()?.attr_value());
    (!text.is_empty() && text.len() <= CN_BYTES_MAX && !text.contains('\0')).then_some(text)
}

/// A name on one line, as OpenSSL's "oneline" form: `C = DE, O = "Foo, Inc", CN = x`.
fn name_text(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    for (set_index, set) in name.iter_rdn().enumerate() {
        for (index, attribute) in set.iter().enumerate() {
            if index > 0 {
                out.push_str(" + ");
            } else if set_index > 0 {
                out.push_str(", ");
            }
            out.push_str(&attribute_name(&attribute.attr_type().to_id_string()));
            out.push_str(" = ");
            out.push_str(&quoted(&attribute_text(attribute.attr_value())));
        }
    }
    out
}

/// OpenSSL's quoting: quotes around text with a special character, control characters in hex.
fn quoted(text: &str) -> String {
    let special = |character: char| matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
    let needs_quotes =
        text.contains(special) || text.starts_with([' ', '#']) || text.ends_with(' ');
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            control if control.is_ascii_control() => {
                out.push_str(&format!("\\{:02X}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    if needs_quotes {
        format!("\"{out}\"")
    } else {
        out
    }
}

fn attribute_name(oid: &str) -> String {
    match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.42" => "GN",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    }
    .to_owned()
}

fn signature_name(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "ED25519",
        other => other,
    }
    .to_owned()
}

/// The three parts of everything that X.509 signs: the bytes that are signed, the content of the
/// algorithm's identifier, the signature.
pub(crate) fn signed_parts(signed: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (content, _) = der::expect(signed, der::SEQUENCE)?;
    let (_, _, after_body) = der::split(content)?;
    let body = &content[..content.len() - after_body.len()];
    let (algorithm, rest) = der::expect(after_body, der::SEQUENCE)?;
    let (signature, _) = der::expect(rest, der::BIT_STRING)?;
    let (unused_bits, signature) = signature.split_first()?;
    (*unused_bits == 0).then_some((body, algorithm, signature))
}

/// Whether the signature of a certificate, request or revocation list was made by this key.
pub(crate) fn signature_holds(signed: &[u8], public_key: &[u8]) -> bool {
    let Some((body, algorithm, signature)) = signed_parts(signed) else {
        return false;
    };
    let Some((key_algorithm, key)) = public_key_parts(public_key) else {
        return false;
    };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .signature_verification_algorithms
        .all
        .iter()
        .any(|candidate| {
            candidate.signature_alg_id().as_ref() == algorithm
                && candidate.public_key_alg_id().as_ref() == key_algorithm
                && candidate.verify_signature(key, body, signature).is_ok()
        })
}

fn is_rsa(public_key: &[u8]) -> bool {
    const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let oid = public_key_parts(public_key)
        .and_then(|(algorithm, _)| der::expect(algorithm, der::OBJECT_ID).map(|(oid, _)| oid));
    oid == Some(RSA_ENCRYPTION)
}

/// Algorithm and key bits of a `SubjectPublicKeyInfo`.
pub(crate) fn public_key_parts(public_key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, _) = der::expect(public_key, der::SEQUENCE)?;
    let (algorithm, rest) = der::expect(content, der::SEQUENCE)?;
    let (bits, _) = der::expect(rest, der::BIT_STRING)?;
    let (unused_bits, key) = bits.split_first()?;
    (*unused_bits == 0).then_some((algorithm, key))
}

/// The `SubjectPublicKeyInfo` of a certificate of any version.
pub(crate) fn public_key_of(certificate: &[u8]) -> Option<&[u8]> {
    const EXPLICIT_VERSION: u8 = 0xa0;
    let (body, _, _) = signed_parts(certificate)?;
    let (mut rest, _) = der::expect(body, der::SEQUENCE)?;
    if let Some((_, after)) = der::expect(rest, EXPLICIT_VERSION) {
        rest = after;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = der::split(rest)?.2;
    }
    let (tag, _, after) = der::split(rest)?;
    (tag == der::SEQUENCE).then(|| &rest[..rest.len() - after.len()])
}
