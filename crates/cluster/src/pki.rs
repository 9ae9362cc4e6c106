//! Who gets a certificate: decisions over facts that the edge found out.
//!
//! Reading certificates, checking tickets, signing and files are the edge's. A request takes up to
//! three turns: [`PkiOrder::Inspect`] is answered by [`PkiAnswer::Inspected`]; the decision may ask
//! for [`PkiOrder::Sign`], answered by [`PkiAnswer::Signed`]; then the reply goes out.

use std::collections::BTreeMap;

use bheka_value::{Str, Value};

/// Names a request while it is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What the edge knows of own certificates and requests; handed in at start and when it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PkiState {
    /// Content of `certs/ticket`, without the line break that editors add; empty for none.
    pub ticket: Str,
    /// Parameters of the unsigned requests in `certificate-requests`, by fingerprint.
    pub pending: BTreeMap<Str, Value>,
    /// Whether this node holds the key of the CA.
    pub is_signer: bool,
}

/// A request for a certificate as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// PEM of the certificate to be signed: `cert_request`, else the one of the handshake.
    pub certificate: Str,
    /// The ticket; may be empty.
    pub ticket: Str,
    /// PEM of the requester's root, when it sent one.
    pub requestor_ca: Option<Str>,
    /// Whether the certificate is the one of the handshake.
    pub of_handshake: bool,
}

/// What the edge shall do about certificates.
#[derive(Clone, Debug, PartialEq)]
pub enum PkiOrder {
    /// Find out the [`RequestFacts`].
    Inspect {
        /// The request.
        id: RequestId,
        /// What came.
        request: CertificateRequest,
    },
    /// Sign subject and public key of the request's certificate.
    Sign {
        /// The request.
        id: RequestId,
        /// What came.
        request: CertificateRequest,
    },
    /// Write `certificate-requests/<fingerprint>.json`.
    SavePending {
        /// Lower-case hexadecimal SHA-256 of the requesting certificate.
        fingerprint: Str,
        /// Content: `cert_request`, `ticket`, and `requestor_ca` when there is one.
        params: Value,
    },
    /// `pki::UpdateCertificate` from a parent. When subject and public key are those of the own
    /// certificate, or of a key that waits for one: replace it and the CA, delete the ticket, and
    /// hand in [`crate::Input::DropLinks`] if peers did not trust the certificate of before. Else
    /// add it to the pending request of that fingerprint.
    Install {
        /// PEM of the signed certificate.
        certificate: Str,
        /// PEM of the CA.
        ca: Str,
        /// The request it answers; hexadecimal digits only.
        fingerprint: Str,
        /// All parameters as they came, to be stored as `cert_response`.
        params: Value,
    },
}

/// What the edge found out.
#[derive(Clone, Debug)]
pub enum PkiAnswer {
    /// About a request; an error when its certificate cannot be read.
    Inspected {
        /// The request.
        id: RequestId,
        /// The facts.
        facts: Result<Box<RequestFacts>, Str>,
    },
    /// A certificate was signed, or not.
    Signed {
        /// The request.
        id: RequestId,
        /// PEM, or why not.
        certificate: Result<Str, Str>,
    },
}

/// Facts about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// Lower-case hexadecimal SHA-256 of the requesting certificate.
    pub fingerprint: Str,
    /// Its common name.
    pub common_name: Str,
    /// PEM of the own `certs/ca.crt`.
    pub ca: Str,
    /// Whether it verifies against that.
    pub is_signed_by_us: bool,
    /// Whether it stays valid for 30 more days and is not from before 2017.
    pub is_up_to_date: bool,
    /// Whether the requester's root expires within 397 days and ours lasts a day longer.
    pub needs_new_root: bool,
    /// What `certificate-requests` holds of it.
    pub stored: StoredRequest,
    /// What the ticket is worth.
    pub ticket: TicketVerdict,
}

/// What `certificate-requests` holds of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredRequest {
    /// Nothing, or a request that nobody decided on.
    Undecided,
    /// It was signed: PEM.
    Signed(Str),
    /// The administrator declined it.
    Removed,
}

/// What a ticket is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketVerdict {
    /// There is none, or no salt to check it with.
    Missing,
    /// It is not the one for that name.
    Wrong,
    /// It is right.
    Right,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is good for longer; status 1.
    UpToDate,
    /// Here is what was signed before; status 0.
    Stored(Str),
    /// The administrator declined it; status 1.
    Declined,
    /// The ticket is wrong; status 1, and nothing is saved.
    WrongTicket,
    /// Sign it; status 0.
    Sign,
    /// Save it and ask further up; status 2.
    Pending,
}

impl RequestFacts {
    /// The decision, in the order of Icinga 2's handler.
    #[must_use]
    pub fn decide(&self, is_signer: bool) -> Decision {
        if self.is_signed_by_us && self.is_up_to_date && !self.needs_new_root {
            return Decision::UpToDate;
        }
        match &self.stored {
            StoredRequest::Signed(certificate) => return Decision::Stored(certificate.clone()),
            StoredRequest::Removed => return Decision::Declined,
            StoredRequest::Undecided => {}
        }
        if !is_signer {
            return Decision::Pending;
        }
        match self.ticket {
            _ if self.is_signed_by_us => Decision::Sign,
            TicketVerdict::Right => Decision::Sign,
            TicketVerdict::Missing => Decision::Pending,
            TicketVerdict::Wrong => Decision::WrongTicket,
        }
    }

    /// The result of a request that gets a certificate.
    #[must_use]
    pub fn granted(&self, certificate: &Str) -> Value {
        Value::dictionary([
            ("ca", Value::String(self.ca.clone())),
            ("cert", Value::String(certificate.clone())),
            (
                "fingerprint_request",
                Value::String(self.fingerprint.clone()),
            ),
            ("status_code", Value::Number(STATUS_GRANTED)),
        ])
    }

    /// The result of a request that gets none (yet).
    #[must_use]
    pub fn refused(&self, status: f64, error: String) -> Value {
        Value::dictionary([
            ("ca", Value::String(self.ca.clone())),
            ("error", Value::string(error)),
            (
                "fingerprint_request",
                Value::String(self.fingerprint.clone()),
            ),
            ("status_code", Value::Number(status)),
        ])
    }
}

/// The certificate is included.
pub const STATUS_GRANTED: f64 = 0.0;

/// There will be none.
pub const STATUS_REFUSED: f64 = 1.0;

/// Ask again later.
pub const STATUS_PENDING: f64 = 2.0;

/// The result of a request that failed before anything was known of it.
#[must_use]
pub fn failed(error: impl Into<Str>) -> Value {
    Value::dictionary([
        ("error", Value::String(error.into())),
        ("status_code", Value::Number(STATUS_REFUSED)),
    ])
}

/// Whether a text may be used as the name of a request file.
#[must_use]
pub fn is_fingerprint(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> RequestFacts {
        RequestFacts {
            fingerprint: "b9d4".into(),
            common_name: "c1".into(),
            ca: "<PEM>".into(),
            is_signed_by_us: false,
            is_up_to_date: false,
            needs_new_root: false,
            stored: StoredRequest::Undecided,
            ticket: TicketVerdict::Missing,
        }
    }

    #[test]
    fn decisions_follow_the_order_of_the_handler() {
        let ours = RequestFacts {
            is_signed_by_us: true,
            ..facts()
        };
        let current = RequestFacts {
            is_up_to_date: true,
            ..ours.clone()
        };
        let signed = StoredRequest::Signed("cert".into());
        assert_eq!(current.decide(true), Decision::UpToDate);
        let old_root = RequestFacts {
            needs_new_root: true,
            ..current.clone()
        };
        assert_eq!(old_root.decide(true), Decision::Sign);
        assert_eq!(
            RequestFacts {
                stored: signed.clone(),
                ..current
            }
            .decide(true),
            Decision::UpToDate
        );
        assert_eq!(
            RequestFacts {
                stored: signed,
                ..facts()
            }
            .decide(false),
            Decision::Stored("cert".into())
        );
        let removed = RequestFacts {
            stored: StoredRequest::Removed,
            ticket: TicketVerdict::Right,
            ..facts()
        };
        assert_eq!(removed.decide(true), Decision::Declined);
        assert_eq!(
            ours.decide(true),
            Decision::Sign,
            "a renewal needs no ticket"
        );
        assert_eq!(ours.decide(false), Decision::Pending);
        assert_eq!(facts().decide(true), Decision::Pending);
        let with = |ticket| RequestFacts { ticket, ..facts() };
        assert_eq!(with(TicketVerdict::Right).decide(true), Decision::Sign);
        assert_eq!(with(TicketVerdict::Right).decide(false), Decision::Pending);
        assert_eq!(
            with(TicketVerdict::Wrong).decide(true),
            Decision::WrongTicket
        );
    }

    #[test]
    fn fingerprints_cannot_be_paths() {
        assert!(is_fingerprint("b9d4c6"));
        for bad in ["", "../x", "B9", "b9/", "g"] {
            assert!(!is_fingerprint(bad), "{bad}");
        }
    }
}
