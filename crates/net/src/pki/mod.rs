//! Certificates, keys, tickets and certificate requests in Icinga 2's layout.
//!
//! What is written here, stock Icinga 2 reads, and the other way round: key and certificate
//! profile, file names and modes, tickets and the files of pending requests (manual, "Distributed
//! Monitoring"). Nothing here reads a clock: the time is an argument.

mod authority;
mod certificate;
mod der;
mod files;
mod key;
mod rekey;
mod requests;
mod ticket;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;

pub use authority::{
    CA_CN, CA_DAYS, CertificateAuthority, LEAF_DAYS, SigningRequest, new_csr, self_signed,
    self_signed_like,
};
pub use certificate::Certificate;
pub use files::{Mode, create_private_dir, write_atomic};
pub use key::{KeyKind, PrivateKey};
pub use rekey::NextPair;
pub use requests::{REQUEST_SECONDS_MAX, RequestStore, StoredRequest, is_fingerprint};
pub use ticket::{constant_time_equal, sha256_hex, ticket, ticket_is_valid};
pub use verify::{Crl, Purpose, TrustAnchors, Untrusted, host_matches};

pub(crate) use certificate::{public_key_of, public_key_parts};

/// What can go wrong with certificates and their files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The environment failed: a file can't be read or written.
    #[error("cannot {action} '{}': {cause}", path.display())]
    Io {
        /// What was tried: `read`, `write`, ….
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The material is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// It was asked for something that is not allowed or does not exist.
    #[error("{0}")]
    Refused(String),
    /// The cryptographic library failed.
    #[error("{0}")]
    Crypto(String),
}

impl PkiError {
    /// Adds the file's name to an error about its content.
    #[must_use]
    pub(crate) fn about(self, path: &Path) -> Self {
        match self {
            Self::Malformed(text) => Self::Malformed(format!("'{}': {text}", path.display())),
            other => other,
        }
    }
}

/// PEM with lines of 64 characters, as OpenSSL writes it.
pub(crate) fn pem_text(label: &str, der: &[u8]) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        // Base64 is ASCII, so every chunk is text.
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
