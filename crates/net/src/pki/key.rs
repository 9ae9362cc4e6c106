//! Private keys: generation, reading, writing, signing.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};

use super::der;
use super::files::{self, Mode};
use super::{PkiError, pem_text};

/// What kind of key to generate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyKind {
    /// RSA with 4096 bits and exponent 65537, as Icinga 2 makes them. About two seconds of work.
    #[default]
    Rsa4096,
    /// ECDSA on P-256: every Icinga 2 accepts it, handshakes cost a tenth, generation is instant.
    EcP256,
}

impl KeyKind {
    /// The word for it on command lines: `rsa4096` or `p256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa4096 => "rsa4096",
            Self::EcP256 => "p256",
        }
    }
}

impl FromStr for KeyKind {
    type Err = PkiError;

    fn from_str(word: &str) -> Result<Self, PkiError> {
        [Self::Rsa4096, Self::EcP256]
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| {
                PkiError::Refused(format!(
                    "unknown kind of key '{}', use 'rsa4096' or 'p256'",
                    word.escape_debug()
                ))
            })
    }
}

/// A private key.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    pair: Pair,
    /// The form in which it is written: PKCS#1 for RSA, PKCS#8 for elliptic curves.
    der: PrivateKeyDer<'static>,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ec {
        pair: EcdsaKeyPair,
        curve: &'static Curve,
    },
}

struct Curve {
    algorithm: &'static EcdsaSigningAlgorithm,
    /// Content of the curve's object identifier.
    oid: &'static [u8],
    /// Content of the object identifier of the signature.
    signature_oid: &'static [u8],
}

static CURVES: [Curve; 3] = [
    Curve {
        algorithm: &ECDSA_P256_SHA256_ASN1_SIGNING,
        oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        signature_oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
    },
    Curve {
        algorithm: &ECDSA_P384_SHA384_ASN1_SIGNING,
        oid: &[0x2b, 0x81, 0x04, 0x00, 0x22],
        signature_oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
    },
    Curve {
        algorithm: &ECDSA_P521_SHA512_ASN1_SIGNING,
        oid: &[0x2b, 0x81, 0x04, 0x00, 0x23],
        signature_oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
    },
];

/// Object identifiers `rsaEncryption` and `sha256WithRSAEncryption`.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
/// Object identifier `id-ecPublicKey`.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

impl PrivateKey {
    /// A new key. Blocks for the time that the kind needs; call it off the async threads.
    ///
    /// # Errors
    /// When the cryptographic library fails, which means that the system gives no randomness.
    pub fn generate(kind: KeyKind) -> Result<Self, PkiError> {
        match kind {
            KeyKind::Rsa4096 => {
                let pair = rsa::KeyPair::generate(KeySize::Rsa4096)
                    .map_err(|_| PkiError::Crypto("cannot generate an RSA key".into()))?;
                let pkcs8 = pair
                    .as_der()
                    .map_err(|_| PkiError::Crypto("cannot encode the RSA key".into()))?;
                let pkcs1 = rsa_from_pkcs8(pkcs8.as_ref())
                    .ok_or_else(|| PkiError::Crypto("cannot encode the RSA key".into()))?;
                Ok(Self::new(
                    Pair::Rsa(pair),
                    PrivatePkcs1KeyDer::from(pkcs1.to_vec()).into(),
                ))
            }
            KeyKind::EcP256 => {
                let curve = &CURVES[0];
                let pair = EcdsaKeyPair::generate(curve.algorithm)
                    .map_err(|_| PkiError::Crypto("cannot generate an EC key".into()))?;
                let der = pair
                    .to_pkcs8v1()
                    .map_err(|_| PkiError::Crypto("cannot encode the EC key".into()))?;
                let der = PrivatePkcs8KeyDer::from(der.as_ref().to_vec()).into();
                Ok(Self::new(Pair::Ec { pair, curve }, der))
            }
        }
    }

    /// Reads the first private key of a PEM text: PKCS#1, PKCS#8 or SEC1, RSA or NIST curves.
    ///
    /// # Errors
    /// When there is no key, it is encrypted, or of an unsupported kind.
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        if contains(text, b"ENCRYPTED PRIVATE KEY") || contains(text, b"Proc-Type: 4,ENCRYPTED") {
            return Err(PkiError::Malformed(
                "the private key is encrypted; remove the passphrase (openssl rsa -in … -out …)"
                    .into(),
            ));
        }
        let der = PrivateKeyDer::from_pem_slice(text).map_err(|_| {
            PkiError::Malformed("no PEM private key found (BEGIN … PRIVATE KEY)".into())
        })?;
        Self::from_der(&der)
    }

    /// Takes a key in any of its DER forms.
    ///
    /// # Errors
    /// When it is of an unsupported kind or inconsistent.
    pub fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, PkiError> {
        let pkcs1 = match der {
            PrivateKeyDer::Pkcs1(pkcs1) => Some(pkcs1.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(pkcs8) => rsa_from_pkcs8(pkcs8.secret_pkcs8_der()),
            _ => None,
        };
        if let Some(pkcs1) = pkcs1 {
            let pair = rsa::KeyPair::from_der(pkcs1).map_err(|error| {
                PkiError::Malformed(format!(
                    "unusable RSA private key ({error}); keys need 2048 to 8192 bits"
                ))
            })?;
            return Ok(Self::new(
                Pair::Rsa(pair),
                PrivatePkcs1KeyDer::from(pkcs1.to_vec()).into(),
            ));
        }
        for curve in &CURVES {
            let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve.algorithm, der.secret_der())
            else {
                continue;
            };
            let pkcs8 = pair
                .to_pkcs8v1()
                .map_err(|_| PkiError::Crypto("cannot encode the EC key".into()))?;
            let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec()).into();
            return Ok(Self::new(Pair::Ec { pair, curve }, pkcs8));
        }
        Err(PkiError::Malformed(
            "unsupported private key; use RSA or ECDSA on P-256, P-384 or P-521".into(),
        ))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When the file can't be read or holds no usable key.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        Self::from_pem(&files::read(path, "private key")?).map_err(|error| error.about(path))
    }

    /// Writes a key file with mode 0600, atomically.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, path: &Path) -> Result<(), PkiError> {
        files::write_atomic(path, self.to_pem().as_bytes(), Mode::Secret)
    }

    /// PEM text: `BEGIN RSA PRIVATE KEY` for RSA, as Icinga 2 writes it, else `BEGIN PRIVATE KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let label = match &self.0.der {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem_text(label, self.0.der.secret_der())
    }

    /// The key as rustls takes it.
    #[must_use]
    pub fn to_rustls(&self) -> PrivateKeyDer<'static> {
        self.0.der.clone_key()
    }

    /// Its kind, when it is one of those that are made here.
    #[must_use]
    pub fn kind(&self) -> Option<KeyKind> {
        match &self.0.pair {
            Pair::Rsa(pair) if pair.public_modulus_len() == 512 => Some(KeyKind::Rsa4096),
            Pair::Ec { curve, .. } if curve.oid == CURVES[0].oid => Some(KeyKind::EcP256),
            _ => None,
        }
    }

    /// Whether it is an RSA key of any length.
    #[must_use]
    pub fn is_rsa(&self) -> bool {
        matches!(self.0.pair, Pair::Rsa(_))
    }

    /// DER of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> Vec<u8> {
        match &self.0.pair {
            Pair::Rsa(pair) => {
                let algorithm = rsa_algorithm(RSA_ENCRYPTION);
                der::sequence(&[&algorithm, &der::bit_string(pair.public_key().as_ref())])
            }
            Pair::Ec { pair, curve } => {
                let algorithm = der::sequence(&[
                    &der::element(der::OBJECT_ID, EC_PUBLIC_KEY),
                    &der::element(der::OBJECT_ID, curve.oid),
                ]);
                der::sequence(&[&algorithm, &der::bit_string(pair.public_key().as_ref())])
            }
        }
    }

    /// DER of the `AlgorithmIdentifier` of the signatures that [`Self::sign`] makes.
    pub(crate) fn signature_algorithm(&self) -> Vec<u8> {
        match &self.0.pair {
            Pair::Rsa(_) => rsa_algorithm(SHA256_WITH_RSA),
            Pair::Ec { curve, .. } => {
                der::sequence(&[&der::element(der::OBJECT_ID, curve.signature_oid)])
            }
        }
    }

    /// Signs with SHA-256 and RSA (PKCS#1 v1.5), or with ECDSA.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PkiError> {
        let random = SystemRandom::new();
        let failed = |_| PkiError::Crypto("cannot sign".into());
        match &self.0.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Pair::Ec { pair, .. } => Ok(pair
                .sign(&random, message)
                .map_err(failed)?
                .as_ref()
                .to_vec()),
        }
    }

    fn new(pair: Pair, der: PrivateKeyDer<'static>) -> Self {
        Self(Arc::new(Inner { pair, der }))
    }
}

/// Shows the kind only, never the key.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0.pair {
            Pair::Rsa(_) => "PrivateKey(RSA)",
            Pair::Ec { .. } => "PrivateKey(EC)",
        })
    }
}

fn rsa_algorithm(oid: &[u8]) -> Vec<u8> {
    der::sequence(&[
        &der::element(der::OBJECT_ID, oid),
        &der::element(der::NULL, &[]),
    ])
}

/// The PKCS#1 key inside a PKCS#8 one, when it is RSA.
fn rsa_from_pkcs8(pkcs8: &[u8]) -> Option<&[u8]> {
    let (content, _) = der::expect(pkcs8, der::SEQUENCE)?;
    let (_version, rest) = der::expect(content, der::INTEGER)?;
    let (algorithm, rest) = der::expect(rest, der::SEQUENCE)?;
    let (oid, _) = der::expect(algorithm, der::OBJECT_ID)?;
    (oid == RSA_ENCRYPTION)
        .then(|| der::expect(rest, der::OCTET_STRING))
        .flatten()
        .map(|key| key.0)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
