//! The directory `certificate-requests`: who asked for a certificate, and what was decided.
//!
//! `<fingerprint>.json` holds a request, and the answer once it is signed;
//! `<fingerprint>.removed` one that the administrator declined. The fingerprint is the SHA-256 of
//! the certificate that was sent as request. Everything is decided by the files, so the commands
//! (`ca list`, `ca sign`, …) work while the daemon runs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bheka_value::{Timestamp, Value, from_json, to_json};

use super::files::{self, Mode};
use super::{Certificate, CertificateAuthority, PkiError};

/// Requests older than this are deleted: seven days.
pub const REQUEST_SECONDS_MAX: f64 = 7.0 * 86_400.0;

/// The directory of requests. It need not exist; then there are none.
#[derive(Clone, Debug)]
pub struct RequestStore {
    directory: PathBuf,
}

/// One stored request.
#[derive(Clone, Debug)]
pub struct StoredRequest {
    /// The name of its file.
    pub fingerprint: String,
    /// The certificate that was sent as request.
    pub request: Certificate,
    /// The ticket that came along; empty when there was none.
    pub ticket: String,
    /// The root that the requester trusts, when it said so.
    pub requestor_ca: Option<String>,
    /// PEM of the signed certificate, once there is one.
    pub response: Option<String>,
    /// Whether the administrator declined it.
    pub removed: bool,
    /// All fields of the file, also those of newer versions.
    pub fields: Value,
}

impl StoredRequest {
    /// What `ca list --json` shows of it: `cert_request`, `cert_response`, `subject`, `timestamp`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut entries = BTreeMap::from([
            ("cert_request", Value::from(self.request.to_pem())),
            ("subject", Value::from(self.request.subject())),
            ("timestamp", Value::from(self.request.not_before_text())),
        ]);
        if let Some(response) = &self.response {
            entries.insert("cert_response", Value::from(response.as_str()));
        }
        Value::dictionary(entries)
    }
}

impl RequestStore {
    /// The store in a directory (`DataDir/certificate-requests`).
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The request of this fingerprint, when it is pending or signed.
    ///
    /// # Errors
    /// When the fingerprint is not hex digits, or the file can't be read or is malformed.
    pub fn get(&self, fingerprint: &str) -> Result<Option<StoredRequest>, PkiError> {
        self.read(&self.path(fingerprint, "json")?, fingerprint, false)
    }

    /// Whether the administrator declined it.
    #[must_use]
    pub fn is_removed(&self, fingerprint: &str) -> bool {
        self.path(fingerprint, "removed")
            .is_ok_and(|path| path.exists())
    }

    /// Keeps a request for the administrator. One that is stored already is written again (its
    /// ticket may be new), so that it does not age while the node keeps asking.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(
        &self,
        request: &Certificate,
        ticket: &str,
        requestor_ca: Option<&str>,
    ) -> Result<(), PkiError> {
        files::create_private_dir(&self.directory)?;
        let mut fields = BTreeMap::from([
            ("cert_request", Value::from(request.to_pem())),
            ("ticket", Value::from(ticket)),
        ]);
        if let Some(root) = requestor_ca {
            fields.insert("requestor_ca", Value::from(root));
        }
        let path = self.path(&request.fingerprint(), "json")?;
        write(&path, &Value::dictionary(fields), Mode::Secret)
    }

    /// All requests that wait or are signed, or all declined ones, by fingerprint. Files that are
    /// malformed are reported beside, so that one of them does not hide the others.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn list(&self, removed: bool) -> Result<(Vec<StoredRequest>, Vec<PkiError>), PkiError> {
        let suffix = if removed { "removed" } else { "json" };
        let (mut requests, mut errors) = (Vec::new(), Vec::new());
        for (path, fingerprint) in self.paths(suffix)? {
            match self.read(&path, &fingerprint, removed) {
                Ok(request) => requests.extend(request),
                Err(error) => errors.push(error),
            }
        }
        Ok((requests, errors))
    }

    /// Requests without an answer, which are asked for upward on each new connection.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn pending(&self) -> Result<Vec<StoredRequest>, PkiError> {
        let (mut requests, _) = self.list(false)?;
        requests.retain(|request| request.response.is_none());
        Ok(requests)
    }

    /// Signs a request, `ca sign`. One that is signed already stays as it is.
    ///
    /// # Errors
    /// When there is no such request, it has no common name, or the file can't be written.
    pub fn sign(
        &self,
        fingerprint: &str,
        authority: &CertificateAuthority,
        now: Timestamp,
    ) -> Result<StoredRequest, PkiError> {
        let request = self.known(fingerprint)?;
        if request.response.is_some() {
            return Ok(request);
        }
        let certificate = authority.sign_request(&request.request, now)?;
        self.respond(fingerprint, &certificate.to_pem())?;
        self.known(fingerprint)
    }

    /// Adds the signed certificate to a stored request; tells whether there was such a request.
    ///
    /// # Errors
    /// When the fingerprint is not hex digits, or the file can't be read or written.
    pub fn respond(&self, fingerprint: &str, response_pem: &str) -> Result<bool, PkiError> {
        let Some(request) = self.get(fingerprint)? else {
            return Ok(false);
        };
        let mut entries = request
            .fields
            .as_dictionary()
            .map(|fields| fields.entries().into_iter().collect::<BTreeMap<_, _>>())
            .unwrap_or_default();
        entries.insert("cert_response".into(), Value::from(response_pem));
        // The ticket stays in the file, so it stays secret.
        write(
            &self.path(fingerprint, "json")?,
            &Value::dictionary(entries),
            Mode::Secret,
        )?;
        Ok(true)
    }

    /// Declines a request, `ca remove`.
    ///
    /// # Errors
    /// When there is no such request, or it is signed.
    pub fn remove(&self, fingerprint: &str) -> Result<StoredRequest, PkiError> {
        let request = self.known(fingerprint)?;
        if request.response.is_some() {
            return Err(PkiError::Refused(format!(
                "Certificate request for CN '{}' already signed, removal is not possible.",
                request.request.cn().unwrap_or_default()
            )));
        }
        self.rename(fingerprint, "json", "removed")?;
        Ok(request)
    }

    /// Takes back that a request was declined, `ca restore`.
    ///
    /// # Errors
    /// When no such request was declined.
    pub fn restore(&self, fingerprint: &str) -> Result<StoredRequest, PkiError> {
        let path = self.path(fingerprint, "removed")?;
        let request = self.read(&path, fingerprint, true)?.ok_or_else(|| {
            PkiError::Refused(format!(
                "Cannot find removed fingerprint '{fingerprint}', bailing out."
            ))
        })?;
        self.rename(fingerprint, "removed", "json")?;
        Ok(request)
    }

    /// Deletes requests that nobody touched for seven days, pending or signed; declined ones stay.
    /// Yields how many.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn clean_up(&self, now: Timestamp) -> Result<usize, PkiError> {
        let mut deleted = 0;
        for (path, _) in self.paths("json")? {
            let Ok(modified) = fs::metadata(&path).and_then(|metadata| metadata.modified()) else {
                continue;
            };
            let modified = modified
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64();
            if now.seconds() - modified > REQUEST_SECONDS_MAX && fs::remove_file(&path).is_ok() {
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    fn known(&self, fingerprint: &str) -> Result<StoredRequest, PkiError> {
        self.get(fingerprint)?.ok_or_else(|| {
            PkiError::Refused(format!(
                "No request exists for fingerprint '{fingerprint}'."
            ))
        })
    }

    fn rename(&self, fingerprint: &str, from: &str, to: &str) -> Result<(), PkiError> {
        let (from, to) = (self.path(fingerprint, from)?, self.path(fingerprint, to)?);
        fs::rename(&from, to).map_err(|cause| PkiError::Io {
            action: "rename",
            path: from,
            cause,
        })
    }

    /// The fingerprint may come from the network or an operator: only hex digits name a file.
    fn path(&self, fingerprint: &str, suffix: &str) -> Result<PathBuf, PkiError> {
        if !is_fingerprint(fingerprint) {
            return Err(PkiError::Refused(format!(
                "'{}' is not a fingerprint of hex digits",
                fingerprint.escape_debug()
            )));
        }
        Ok(self.directory.join(format!("{fingerprint}.{suffix}")))
    }

    fn paths(&self, suffix: &str) -> Result<Vec<(PathBuf, String)>, PkiError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => {
                return Err(PkiError::Io {
                    action: "list",
                    path: self.directory.clone(),
                    cause,
                });
            }
        };
        let mut paths = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let matches = path
                .extension()
                .is_some_and(|extension| extension == suffix);
            if matches && is_fingerprint(stem) {
                paths.push((path.clone(), stem.to_owned()));
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn read(
        &self,
        path: &Path,
        fingerprint: &str,
        removed: bool,
    ) -> Result<Option<StoredRequest>, PkiError> {
        let text = match files::read(path, "certificate request") {
            Ok(text) => text,
            Err(PkiError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let malformed = |text: String| PkiError::Malformed(text).about(path);
        let fields = from_json(&text).map_err(|error| malformed(error.to_string()))?;
        let field = |name: &str| {
            let value = fields.as_dictionary()?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let request =
            field("cert_request").ok_or_else(|| malformed("has no cert_request".into()))?;
        Ok(Some(StoredRequest {
            fingerprint: fingerprint.to_owned(),
            request: Certificate::from_pem(request.as_bytes())
                .map_err(|error| error.about(path))?,
            ticket: field("ticket").unwrap_or_default(),
            requestor_ca: field("requestor_ca"),
            response: field("cert_response"),
            removed,
            fields: fields.clone(),
        }))
    }
}

/// Whether the text is a name of a request: lower-case hex digits, at most 64 of them.
#[must_use]
pub fn is_fingerprint(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn write(path: &Path, fields: &Value, mode: Mode) -> Result<(), PkiError> {
    files::write_atomic(path, to_json(fields).as_bytes(), mode)
}
