//! The journal (systemd's native protocol: fields in one datagram).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::Record;
use super::sinks::Sink;

/// Sends records with their fields to the journal.
pub(super) struct JournaldSink {
    facility: Option<u8>,
    identifier: String,
    path: PathBuf,
    socket: UnixDatagram,
}

impl JournaldSink {
    /// A sink; the journal need not run yet.
    pub(super) fn new(facility: Option<u8>, identifier: String) -> io::Result<Self> {
        Self::at(
            Path::new("/run/systemd/journal/socket"),
            facility,
            identifier,
        )
    }

    fn at(path: &Path, facility: Option<u8>, identifier: String) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self {
            facility,
            identifier,
            path: path.to_owned(),
            socket,
        })
    }

    fn datagram(&self, record: &Record, text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 200);
        field(&mut out, "MESSAGE", text);
        field(
            &mut out,
            "PRIORITY",
            &record.severity.syslog_level().to_string(),
        );
        field(&mut out, "SYSLOG_IDENTIFIER", &self.identifier);
        field(&mut out, "ICINGA2_FACILITY", &record.facility);
        if let Some(facility) = self.facility {
            field(&mut out, "SYSLOG_FACILITY", &facility.to_string());
        }
        out
    }
}

impl Sink for JournaldSink {
    fn write(&mut self, record: &Record) {
        // Larger entries would have to go through a sealed memory file; no log line needs that.
        let mut end = record.text.len().min(TEXT_BYTES_MAX);
        while !record.text.is_char_boundary(end) {
            end -= 1;
        }
        let datagram = self.datagram(record, &record.text[..end]);
        let _ = self.socket.send_to(&datagram, &self.path);
    }
}

/// `NAME=value` and a line break, or the form with a length for values of several lines.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

const SEND_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
/// Well below the usual limit of a datagram (about 200 KiB).
const TEXT_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn received(record: &Record) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("socket");
        let server = UnixDatagram::bind(&path).expect("socket");
        let mut sink = JournaldSink::at(&path, Some(3), "mine".into()).expect("sink");
        sink.write(record);
        let mut buffer = vec![0; 1 << 20];
        let count = server.recv(&mut buffer).expect("datagram");
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn fields_are_lines_or_have_a_length() {
        let record = Record::now(Severity::Critical, "cli", "one");
        assert_eq!(
            String::from_utf8(received(&record)).expect("text"),
            "MESSAGE=one\nPRIORITY=2\nSYSLOG_IDENTIFIER=mine\nICINGA2_FACILITY=cli\n\
             SYSLOG_FACILITY=3\n"
        );
        let record = Record::now(Severity::Critical, "cli", "one\ntwo");
        assert!(
            received(&record).starts_with(b"MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\nPRIORITY=2\n")
        );
    }

    #[test]
    fn very_long_texts_are_cut_at_a_character() {
        let record = Record::now(Severity::Critical, "cli", "ä".repeat(TEXT_BYTES_MAX) + "b");
        assert!(received(&record).len() < TEXT_BYTES_MAX + 200);
    }
}
