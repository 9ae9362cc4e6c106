//! The client's side of getting certificates: `pki save-cert`, `pki request`, `node setup`.

use std::sync::Arc;
use std::time::Duration;

use bheka_cluster::message::Message;
use bheka_cluster::netstring::TRUSTED_BYTES_MAX;
use bheka_value::{Timestamp, Value};
use tokio::time::timeout;

use crate::dial::dial_host;
use crate::pki::{Certificate, PkiError, PrivateKey};
use crate::{
    Deadlines, DialError, FrameError, Identity, IdentityError, IdentityParts, TlsSettings,
};

/// How long to wait for the answer to a request. Icinga 2 waits for ever.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why no certificate came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The own certificate or key is unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What came back is unusable.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The peer shows another certificate than the trusted one.
    #[error(
        "peer certificate does not match trusted certificate; fetch it anew with 'pki save-cert' and compare its fingerprint"
    )]
    UntrustedPeer {
        /// What the peer showed.
        shown: Box<Option<Certificate>>,
    },
    /// The connection broke.
    #[error("connection to the parent failed: {0}")]
    Frame(#[from] FrameError),
    /// The peer did not answer in time, or ended the connection.
    #[error("{0}")]
    NoAnswer(String),
    /// The peer answered with an error instead of a result.
    #[error("{0}")]
    Refused(String),
}

/// Where to ask for a certificate.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// Host of the parent; also sent as SNI.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The own certificate, self-signed or to be renewed: it is the request.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
    /// What the parent must show.
    pub trusted: Certificate,
    /// The ticket; none to wait for the administrator.
    pub ticket: Option<String>,
}

/// The parent's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateAnswer {
    /// What it says.
    pub status: AnswerStatus,
    /// Its text, for errors and pending requests.
    pub error: Option<String>,
    /// The parent's `ca.crt` as PEM; may come with any status.
    pub ca: Option<String>,
    /// The signed certificate as PEM.
    pub certificate: Option<String>,
    /// The name of the request.
    pub fingerprint: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerStatus {
    /// 0: the certificate is there.
    Signed,
    /// 1: an error; a certificate that needs no renewal is one, too.
    Failed,
    /// 2: it waits for the administrator.
    Pending,
}

/// The certificate that a server shows to an anonymous client; nothing is sent.
///
/// # Errors
/// When the connection fails or the server shows none.
pub async fn save_cert(
    host: &str,
    port: u16,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Result<Certificate, RequestError> {
    let identity = Arc::new(Identity::anonymous()?);
    let connection = dial_host(host, port, &identity, deadlines, now).await?;
    let certificate = connection.peer.certificate.clone();
    connection.close(GOODBYE).await;
    certificate.ok_or_else(|| RequestError::NoAnswer("the server shows no certificate".into()))
}

/// Asks a parent for a certificate.
///
/// # Errors
/// When the connection fails, the peer is not the trusted one, or gives no answer. A refusal that
/// the parent gives by status is no error here, see [`CertificateAnswer::status`].
pub async fn request_certificate(
    request: &CertificateRequest,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Result<CertificateAnswer, RequestError> {
    let parts = IdentityParts {
        own: Some((request.certificate.clone(), request.key.clone())),
        anchors: None,
    };
    let identity = Arc::new(Identity::new(parts, TlsSettings::default())?);
    let connection = dial_host(&request.host, request.port, &identity, deadlines, now).await?;
    if connection.peer.certificate.as_ref() != Some(&request.trusted) {
        let shown = Box::new(connection.peer.certificate.clone());
        connection.close(GOODBYE).await;
        return Err(RequestError::UntrustedPeer { shown });
    }
    let id = uuid::Uuid::new_v4().to_string();
    let params = match &request.ticket {
        Some(ticket) if !ticket.is_empty() => {
            Value::dictionary([("ticket", Value::from(ticket.as_str()))])
        }
        _ => Value::dictionary(Vec::<(&str, Value)>::new()),
    };
    let mut message = Message::call("pki::RequestCertificate", params);
    message.id = Some(Value::from(id.as_str()));
    let (mut reader, mut writer) = connection.split(TRUSTED_BYTES_MAX);
    writer.send(&message.to_bytes()).await?;
    let answer = async {
        while let Some(frame) = reader.next().await? {
            if let Some(answer) = read_answer(&frame, &id)? {
                return Ok(answer);
            }
        }
        Err(RequestError::NoAnswer(
            "the parent closed the connection without an answer".into(),
        ))
    };
    let answer = match timeout(ANSWER_WAIT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(RequestError::NoAnswer(format!(
            "the parent gave no answer within {} s",
            ANSWER_WAIT.as_secs()
        ))),
    };
    writer.close(GOODBYE).await;
    answer
}

/// The answer, when the message is the one with our id; others are news of the cluster.
fn read_answer(frame: &[u8], id: &str) -> Result<Option<CertificateAnswer>, RequestError> {
    let Ok(message) = Message::from_bytes(frame) else {
        return Ok(None);
    };
    if message.id.as_ref().and_then(Value::as_str) != Some(id) {
        return Ok(None);
    }
    if let Some(error) = message.error.filter(Value::is_true) {
        let text = error
            .as_str()
            .map_or_else(|| format!("{error:?}"), str::to_owned);
        return Err(RequestError::Refused(text));
    }
    let result = message.result.unwrap_or_default();
    let field = |name: &str| result.as_dictionary().and_then(|fields| fields.get(name));
    let text = |name: &str| field(name)?.as_str().map(str::to_owned);
    let status = match field("status_code").and_then(|code| code.to_number()) {
        Some(1.0) => AnswerStatus::Failed,
        Some(2.0) => AnswerStatus::Pending,
        Some(0.0) | None if text("cert").is_some() => AnswerStatus::Signed,
        _ => {
            return Err(RequestError::NoAnswer(
                "the parent's answer holds no certificate".into(),
            ));
        }
    };
    Ok(Some(CertificateAnswer {
        status,
        error: text("error"),
        ca: text("ca"),
        certificate: text("cert"),
        fingerprint: text("fingerprint_request"),
    }))
}
