//! The system log (RFC 3164 over the local socket).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::Record;
use super::sinks::Sink;

/// Sends records to syslog, in the form in which Icinga 2's reach it: the text without its
/// facility.
pub(super) struct SyslogSink {
    facility: u8,
    path: PathBuf,
    socket: UnixDatagram,
}

impl SyslogSink {
    /// A sink; the log daemon need not run yet.
    pub(super) fn new(facility: u8) -> io::Result<Self> {
        Self::at(Path::new("/dev/log"), facility)
    }

    fn at(path: &Path, facility: u8) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A log daemon that hangs must not stop ours.
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self {
            facility,
            path: path.to_owned(),
            socket,
        })
    }
}

impl Sink for SyslogSink {
    fn write(&mut self, record: &Record) {
        let datagram = datagram(self.facility, record);
        let _ = self.socket.send_to(datagram.as_bytes(), &self.path);
    }
}

fn datagram(facility: u8, record: &Record) -> String {
    let priority = u16::from(facility) * 8 + u16::from(record.severity.syslog_level());
    let time = record.time.strftime("%b %e %H:%M:%S");
    format!(
        "<{priority}>{time} {}: {}",
        crate::version::PROGRAM,
        record.text
    )
}

/// The number of a facility: of `LOG_DAEMON` (the value of the constant `FacilityDaemon`), of the
/// constant's own name, or of a number.
pub(crate) fn facility_code(name: &str) -> Option<u8> {
    let upper = name.to_ascii_uppercase();
    let short = upper
        .strip_prefix("LOG_")
        .or_else(|| upper.strip_prefix("FACILITY"));
    if let Some(code) = FACILITIES.iter().find(|(known, _)| Some(*known) == short) {
        return Some(code.1);
    }
    // Numbers are those of <syslog.h>, where the lowest three bits belong to the level.
    let number: u16 = name.parse().ok()?;
    u8::try_from(number / 8).ok().filter(|code| *code < 24)
}

const SEND_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

const FACILITIES: &[(&str, u8)] = &[
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn datagrams_are_as_syslog_expects_them() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        let server = UnixDatagram::bind(&path).expect("socket");
        let mut sink = SyslogSink::at(&path, 1).expect("sink");
        let mut record = Record::now(Severity::Notice, "cli", "text");
        record.time = "2026-11-03T06:00:43+00:00[UTC]".parse().expect("time");
        sink.write(&record);
        let mut buffer = [0; 100];
        let count = server.recv(&mut buffer).expect("datagram");
        assert_eq!(&buffer[..count], b"<13>Nov  3 06:00:43 bheka: text");
    }

    #[test]
    fn facilities_have_several_spellings() {
        assert_eq!(facility_code("LOG_LOCAL3"), Some(19));
        assert_eq!(facility_code("FacilityAuthPriv"), Some(10));
        assert_eq!(facility_code("24"), Some(3));
        assert_eq!(facility_code("nonsense"), None);
        assert_eq!(facility_code("9999"), None);
    }
}
