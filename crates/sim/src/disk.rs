//! What survives a crash.

use std::collections::BTreeMap;

use bheka_cluster::PeerPositions;
use bheka_cluster::log::{LogFile, LogPage, LogRecord};
use bheka_model::{CheckableName, CheckableState};
use bheka_value::{Str, Timestamp};

/// The replay log and the last saved state of a node.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) log: BTreeMap<LogFile, Vec<u8>>,
    pub(crate) records: BTreeMap<LogFile, usize>,
    pub(crate) last_timestamp: Timestamp,
    pub(crate) positions: Vec<(Str, PeerPositions)>,
    pub(crate) states: Vec<(CheckableName, CheckableState)>,
}

impl Disk {
    pub(crate) fn append(&mut self, record: &LogRecord) {
        self.log
            .entry(LogFile::Current)
            .or_default()
            .extend(record.to_frame());
        *self.records.entry(LogFile::Current).or_default() += 1;
        self.last_timestamp = record.timestamp;
    }

    pub(crate) fn rotate(&mut self, number: u64) {
        let bytes = self.log.remove(&LogFile::Current).unwrap_or_default();
        let count = self.records.remove(&LogFile::Current).unwrap_or_default();
        self.log.insert(LogFile::Rotated(number), bytes);
        self.records.insert(LogFile::Rotated(number), count);
    }

    pub(crate) fn delete(&mut self, number: u64) {
        self.log.remove(&LogFile::Rotated(number));
        self.records.remove(&LogFile::Rotated(number));
    }

    pub(crate) fn page(&self, file: LogFile, offset: u64) -> LogPage {
        let bytes = self.log.get(&file).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        LogPage::read(&bytes[from..], offset, true)
    }

    /// Records in all files.
    pub(crate) fn record_count(&self) -> usize {
        self.records.values().sum()
    }

    /// Tears off the end of the current file, as a power failure does.
    pub(crate) fn tear(&mut self, bytes: usize) {
        if let Some(current) = self.log.get_mut(&LogFile::Current) {
            let kept = current.len().saturating_sub(bytes);
            // The daemon cuts a torn record off before it appends again.
            let page_end = whole_records(&current[..kept]);
            current.truncate(page_end);
        }
    }
}

fn whole_records(bytes: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let page = LogPage::read(&bytes[end..], end as u64, true);
        let next = usize::try_from(page.next_offset).unwrap_or(end);
        if page.end || next == end {
            return next;
        }
        end = next;
    }
}
