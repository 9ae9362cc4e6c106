//! A log file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use super::sinks::Sink;
use super::{Format, Record};

/// Appends lines to a file, and finds it again after rotation.
pub(super) struct FileSink {
    path: PathBuf,
    format: Format,
    writer: BufWriter<File>,
}

impl FileSink {
    /// Opens the file, creating it when it does not exist.
    pub(super) fn open(path: PathBuf, format: Format) -> io::Result<Self> {
        let writer = BufWriter::new(append(&path)?);
        Ok(Self {
            path,
            format,
            writer,
        })
    }
}

impl Sink for FileSink {
    fn write(&mut self, record: &Record) {
        let _ = self
            .writer
            .write_all(record.line(self.format, false).as_bytes());
    }

    fn flush(&mut self) {
        let _ = self.writer.flush();
    }

    fn reopen(&mut self) {
        let _ = self.writer.flush();
        // When the new file cannot be opened, the old one is better than none.
        if let Ok(file) = append(&self.path) {
            self.writer = BufWriter::new(file);
        }
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{LogSinks, Severity, SinkKind, SinkSpec};
    use super::*;

    fn spec(path: PathBuf, severity: Severity) -> SinkSpec {
        SinkSpec {
            kind: SinkKind::File { path },
            severity,
            format: Format::Json,
        }
    }

    fn messages(path: &std::path::Path) -> Vec<String> {
        let text = fs::read_to_string(path).expect("log");
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|object| object["message"].as_str().expect("text").to_owned())
            .collect()
    }

    #[test]
    fn rotation_loses_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let sinks = LogSinks::new();
        assert!(
            sinks
                .configure(vec![spec(path.clone(), Severity::Debug)])
                .is_empty()
        );
        for number in 0..1000 {
            sinks.write(Severity::Information, "test", number.to_string());
            if number == 300 {
                fs::rename(&path, &moved).expect("move");
                sinks.reopen();
            }
        }
        drop(sinks);
        let mut all = messages(&moved);
        assert!(all.len() <= 301, "the queue is in order");
        all.extend(messages(&path));
        assert_eq!(
            all,
            (0..1000)
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_reload_changes_files_and_severities() {
        let folder = tempfile::tempdir().expect("folder");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let sinks = LogSinks::new();
        assert!(!sinks.wants(Severity::Critical));
        assert!(
            sinks
                .configure(vec![spec(one.clone(), Severity::Warning)])
                .is_empty()
        );
        assert!(!sinks.wants(Severity::Information));
        sinks.write(Severity::Information, "test", "unseen");
        sinks.write(Severity::Warning, "test", "first");
        let failed = sinks.configure(vec![
            spec(two.clone(), Severity::Notice),
            spec(folder.path().join("no/such/folder"), Severity::Debug),
        ]);
        assert_eq!(failed.len(), 1);
        assert!(
            !sinks.wants(Severity::Debug),
            "the one that failed does not count"
        );
        sinks.write(Severity::Notice, "test", "second");
        sinks.flush();
        assert_eq!(messages(&one), ["first"]);
        assert_eq!(messages(&two), ["second"]);
        assert_eq!(sinks.dropped(), 0);
    }
}
