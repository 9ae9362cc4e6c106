//! Requests for certificates on their way.

use std::collections::BTreeMap;

use bheka_value::{Str, Timestamp, Value};

use crate::api::{Effect, LinkId, Logged, Severity};
use crate::cluster::Cluster;
use crate::message::Message;
use crate::pki::{
    self, CertificateRequest, Decision, PkiAnswer, PkiOrder, RequestFacts, RequestId,
};
use crate::receive::Outcome;

/// Requests that the edge works on.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: u64,
    open: BTreeMap<RequestId, Open>,
}

#[derive(Debug)]
struct Open {
    link: LinkId,
    reply_to: Option<Value>,
    request: CertificateRequest,
    facts: Option<Box<RequestFacts>>,
    since: Timestamp,
}

impl Requests {
    pub(crate) fn forget_link(&mut self, link: LinkId) {
        self.open.retain(|_, open| open.link != link);
    }

    /// Drops what was never answered.
    pub(crate) fn forget_stale(&mut self, now: Timestamp) {
        self.open.retain(|_, open| now - open.since < STALE_S);
    }

    fn count_of(&self, link: LinkId) -> usize {
        self.open.values().filter(|open| open.link == link).count()
    }
}

impl Cluster {
    /// The request for the own certificate.
    pub(crate) fn ticket_request(&self) -> Message {
        let params = Value::dictionary([("ticket", Value::String(self.pki.ticket.clone()))]);
        Message::call("pki::RequestCertificate", params)
    }

    /// Daily: asks above for a new certificate, and for the answers to requests that were pending
    /// when the links were made; who signs renews by itself.
    pub(crate) fn request_renewal(&mut self) {
        if self.pki.is_signer {
            return;
        }
        let own = Value::dictionary([("ticket", Value::String(self.pki.ticket.clone()))]);
        let pending: Vec<Value> = self.pki.pending.values().cloned().collect();
        for params in std::iter::once(own).chain(pending) {
            self.relay_own(None, "pki::RequestCertificate", params, Logged::No);
        }
    }

    pub(crate) fn certificate_requested(&mut self, link: LinkId, message: &Message) -> Outcome {
        let Some(of) = self.links.get(&link) else {
            return Outcome::Done;
        };
        let explicit = message.text_param("cert_request");
        let of_handshake = explicit.is_none();
        let Some(certificate) = explicit.or_else(|| of.certificate.clone()) else {
            let result = pki::failed("Cannot find certificate request: no certificate was sent.");
            self.reply(link, message.id.clone(), result);
            return Outcome::Later;
        };
        if self.requests.count_of(link) >= OPEN_MAX {
            return Outcome::Failed("too many certificate requests at once".into());
        }
        let request = CertificateRequest {
            certificate,
            ticket: message.text_param("ticket").unwrap_or_default(),
            requestor_ca: message.text_param("requestor_ca"),
            of_handshake,
        };
        self.requests.last += 1;
        let id = RequestId(self.requests.last);
        let reply_to = message.id.clone();
        let open = Open {
            link,
            reply_to,
            request: request.clone(),
            facts: None,
            since: self.now,
        };
        self.requests.open.insert(id, open);
        self.effects
            .push(Effect::Pki(PkiOrder::Inspect { id, request }));
        Outcome::Later
    }

    pub(crate) fn pki_answer(&mut self, answer: PkiAnswer) {
        match answer {
            PkiAnswer::Inspected { id, facts } => {
                let Some(open) = self.requests.open.remove(&id) else {
                    return;
                };
                match facts {
                    Ok(facts) => self.decide(id, open, facts),
                    Err(error) => {
                        let text = format!("Cannot read certificate request: {error}");
                        self.complain(open.link, &text);
                        self.reply(open.link, open.reply_to, pki::failed(text));
                    }
                }
            }
            PkiAnswer::Signed { id, certificate } => {
                let Some(open) = self.requests.open.remove(&id) else {
                    return;
                };
                let Some(facts) = &open.facts else { return };
                match certificate {
                    Ok(certificate) => self.grant(&open, facts, &certificate),
                    Err(error) => {
                        let text = format!("Cannot sign certificate request: {error}");
                        self.log(Severity::Critical, "JsonRpcConnection", text.clone());
                        self.reply(open.link, open.reply_to, pki::failed(text));
                    }
                }
            }
        }
    }

    fn decide(&mut self, id: RequestId, mut open: Open, facts: Box<RequestFacts>) {
        let name = facts.common_name.clone();
        let signed = if facts.is_signed_by_us {
            "signed by our CA"
        } else {
            "not signed by our CA"
        };
        let text = format!("Received certificate request for CN '{name}' ({signed}).");
        self.log(Severity::Information, "JsonRpcConnection", text);
        let refuse = |status: f64, text: String| facts.refused(status, text);
        match facts.decide(self.pki.is_signer) {
            Decision::UpToDate => {
                let text = format!(
                    "The certificate for CN '{name}' is valid and uptodate. Skipping automated \
                     renewal."
                );
                self.log(Severity::Information, "JsonRpcConnection", text.clone());
                self.reply(open.link, open.reply_to, pki::failed(text));
            }
            Decision::Stored(certificate) => self.grant(&open, &facts, &certificate),
            Decision::Declined => {
                let text = format!(
                    "The certificate request for CN '{name}' was declined by an administrator."
                );
                self.log(Severity::Information, "JsonRpcConnection", text.clone());
                self.reply(open.link, open.reply_to, refuse(pki::STATUS_REFUSED, text));
            }
            Decision::WrongTicket => {
                let text = format!("Invalid ticket for CN '{name}'.");
                self.log(Severity::Warning, "JsonRpcConnection", text.clone());
                self.reply(open.link, open.reply_to, refuse(pki::STATUS_REFUSED, text));
            }
            Decision::Sign => {
                let request = open.request.clone();
                open.facts = Some(facts);
                self.requests.open.insert(id, open);
                self.effects
                    .push(Effect::Pki(PkiOrder::Sign { id, request }));
            }
            Decision::Pending => {
                let text = format!(
                    "Certificate request for CN '{name}' is pending. Waiting for approval."
                );
                self.log(Severity::Information, "JsonRpcConnection", text.clone());
                let result = refuse(pki::STATUS_PENDING, text);
                self.save_pending(&open, &facts);
                self.reply(open.link, open.reply_to, result);
            }
        }
    }

    /// Keeps a request that somebody above, or the administrator, has to decide on.
    fn save_pending(&mut self, open: &Open, facts: &RequestFacts) {
        let mut fields = vec![
            (
                "cert_request",
                Value::String(open.request.certificate.clone()),
            ),
            ("ticket", Value::String(open.request.ticket.clone())),
        ];
        if let Some(root) = &open.request.requestor_ca {
            fields.push(("requestor_ca", Value::String(root.clone())));
        }
        let params = Value::dictionary(fields);
        let fingerprint = facts.fingerprint.clone();
        if self.pki.pending.len() < PENDING_MAX {
            self.pki.pending.insert(fingerprint.clone(), params.clone());
        }
        let order = PkiOrder::SavePending {
            fingerprint,
            params: params.clone(),
        };
        self.effects.push(Effect::Pki(order));
        self.relay_own(None, "pki::RequestCertificate", params, Logged::No);
    }

    /// Hands out a certificate: as a reply to who asked with an `id`, and as a message, which is
    /// what nodes take.
    fn grant(&mut self, open: &Open, facts: &RequestFacts, certificate: &Str) {
        let text = format!(
            "Sending certificate response for CN '{}'.",
            facts.common_name
        );
        self.log(Severity::Information, "JsonRpcConnection", text);
        self.pki.pending.remove(&*facts.fingerprint);
        let result = facts.granted(certificate);
        self.reply(open.link, open.reply_to.clone(), result.clone());
        if self.links.contains_key(&open.link) {
            self.send(open.link, &Message::call("pki::UpdateCertificate", result));
        }
    }

    pub(crate) fn certificate_received(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        const METHOD: &str = "pki::UpdateCertificate";
        let Some(origin) = self.origin(endpoint, message) else {
            return Outcome::Done;
        };
        if !origin
            .zone
            .as_deref()
            .is_none_or(|from| self.is_within_reach(from))
        {
            self.discard(METHOD, endpoint, "unauthorized access");
            return Outcome::Done;
        }
        let (Some(certificate), Some(ca)) = (message.text_param("cert"), message.text_param("ca"))
        else {
            return Outcome::Failed("parameters 'cert' and 'ca' must be texts".into());
        };
        let fingerprint = message
            .text_param("fingerprint_request")
            .unwrap_or_default();
        if !pki::is_fingerprint(&fingerprint) {
            return Outcome::Failed(
                "parameter 'fingerprint_request' must be hexadecimal digits".into(),
            );
        }
        self.pki.pending.remove(&*fingerprint);
        let params = message.params.clone();
        let order = PkiOrder::Install {
            certificate,
            ca,
            fingerprint,
            params,
        };
        self.effects.push(Effect::Pki(order));
        Outcome::Done
    }

    fn reply(&mut self, link: LinkId, id: Option<Value>, result: Value) {
        if let Some(id) = id.filter(|_| self.links.contains_key(&link)) {
            self.send(link, &Message::reply(id, result));
        }
    }
}

/// Requests of one connection that are worked on at the same time. A node that relays the
/// requests of its children may have many.
const OPEN_MAX: usize = 1_000;
/// Pending requests that are passed on at each connect; more are only on disk.
const PENDING_MAX: usize = 10_000;
/// After that long an answer will not come any more.
const STALE_S: f64 = 3_600.0;
