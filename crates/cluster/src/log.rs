//! The replay log: what absent endpoints get when they come back.
//!
//! One log for all peers: files of netstrings, `current` and rotated ones named by the integer
//! second after their last record. The edge keeps the files; this module knows their form and
//! decides which are read and which deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use bheka_value::{JsonError, Str, Timestamp, Value, from_json, to_json};

use crate::api::SecurityObject;
use crate::message::Message;
use crate::netstring::{Decoder, FramingError, TRUSTED_BYTES_MAX};

/// Records in a page.
pub const PAGE_RECORDS_MAX: usize = 500;

/// Bytes in a page, unless its only record is larger.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Records in a file before it is rotated.
pub const FILE_RECORDS_MAX: usize = 50_000;

/// One logged message.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// The `ts` it carries.
    pub timestamp: Timestamp,
    /// Who may see it; `None` for everybody.
    pub object: Option<SecurityObject>,
    /// The whole message as it is sent.
    pub message: Arc<str>,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON.
    #[error("invalid JSON in replay log: {0}")]
    Json(#[from] JsonError),
    /// A field is missing or of a wrong type.
    #[error("record of the replay log lacks '{0}'")]
    Field(&'static str),
    /// Not a netstring.
    #[error("broken record in replay log: {0}")]
    Framing(#[from] FramingError),
}

impl LogRecord {
    /// The record as it stands in the file, framing included.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let mut fields = vec![
            ("message", Value::string(&*self.message)),
            ("timestamp", Value::Number(self.timestamp.seconds())),
        ];
        if let Some(object) = &self.object {
            let object = Value::dictionary([
                ("name", Value::String(object.name.clone())),
                ("type", Value::String(object.type_name.clone())),
            ]);
            fields.push(("secobj", object));
        }
        crate::netstring::encode(to_json(&Value::dictionary(fields)).as_bytes())
    }

    /// Whether the message was passed on for that zone (its `originZone`).
    #[must_use]
    pub fn came_from(&self, zone: &str) -> bool {
        // Nearly all messages are told apart without being parsed.
        let marker = format!("\"originZone\":{}", to_json(&Value::string(zone)));
        self.message.contains(&marker)
            && Message::from_bytes(self.message.as_bytes())
                .is_ok_and(|message| message.origin_zone.as_deref() == Some(zone))
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// When it is not JSON or lacks message or time.
    pub fn from_payload(payload: &[u8]) -> Result<Self, RecordError> {
        let value = from_json(payload)?;
        let Some(fields) = value.as_dictionary() else {
            return Err(RecordError::Field("message"));
        };
        let Some(Value::String(message)) = fields.get("message") else {
            return Err(RecordError::Field("message"));
        };
        let Some(Value::Number(timestamp)) = fields.get("timestamp") else {
            return Err(RecordError::Field("timestamp"));
        };
        let object = match fields.get("secobj") {
            Some(Value::Dictionary(object)) => {
                let (Some(Value::String(type_name)), Some(Value::String(name))) =
                    (object.get("type"), object.get("name"))
                else {
                    return Err(RecordError::Field("secobj"));
                };
                Some(SecurityObject { type_name, name })
            }
            _ => None,
        };
        let message = Arc::from(message.as_str());
        Ok(Self {
            timestamp: Timestamp(timestamp),
            object,
            message,
        })
    }
}

/// A file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFile {
    /// A rotated one.
    Rotated(u64),
    /// The one that is written.
    Current,
}

/// What was read of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    /// The records in their order.
    pub records: Vec<LogRecord>,
    /// Where to read on.
    pub next_offset: u64,
    /// Whether the file ends there, for good or because the rest is damaged.
    pub end: bool,
    /// What is damaged; the rest of the file is given up.
    pub damage: Option<Str>,
}

impl LogPage {
    /// A page out of the bytes of a file from `offset` on. `bytes` may reach beyond the page;
    /// `to_end` says whether it reaches to the end of the file. When there is not even one whole
    /// record and no end, the edge reads more and tries again.
    #[must_use]
    pub fn read(bytes: &[u8], offset: u64, to_end: bool) -> Self {
        let mut decoder = Decoder::new(TRUSTED_BYTES_MAX);
        decoder.push(bytes);
        let mut page = Self {
            next_offset: offset,
            ..Self::default()
        };
        let mut page_bytes = 0;
        loop {
            if page.records.len() == PAGE_RECORDS_MAX || page_bytes >= PAGE_BYTES_MAX {
                page.end = to_end && decoder.buffered() == 0;
                return page;
            }
            let before = decoder.buffered();
            let record = match decoder.next() {
                Ok(Some(payload)) => LogRecord::from_payload(&payload),
                Ok(None) => {
                    page.end = to_end;
                    if to_end && before > 0 {
                        page.damage = Some("the last record is incomplete".into());
                    }
                    return page;
                }
                Err(error) => Err(error.into()),
            };
            match record {
                Ok(record) => {
                    let length = before - decoder.buffered();
                    page_bytes += length;
                    page.next_offset += length as u64;
                    page.records.push(record);
                }
                Err(error) => {
                    page.end = true;
                    page.damage = Some(error.to_string().into());
                    return page;
                }
            }
        }
    }
}

/// Which files there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    /// Rotated files.
    pub(crate) files: BTreeSet<u64>,
    /// Records in the current file.
    pub(crate) current_records: usize,
    /// Records appended since the process began.
    pub(crate) appended: u64,
    /// `ts` of the last record.
    pub(crate) last_timestamp: Timestamp,
}

impl Catalogue {
    /// The file to read first for a peer that has everything up to `position`.
    pub(crate) fn first_file(&self, position: Timestamp) -> LogFile {
        let from = whole_seconds(position);
        self.files
            .range(from..)
            .next()
            .map_or(LogFile::Current, |number| LogFile::Rotated(*number))
    }

    /// The file after a rotated one.
    pub(crate) fn file_after(&self, number: u64) -> LogFile {
        let mut later = self.files.range(number.saturating_add(1)..);
        later
            .next()
            .map_or(LogFile::Current, |number| LogFile::Rotated(*number))
    }

    /// The number for the current file, when it holds anything and the number is free.
    pub(crate) fn rotation(&self) -> Option<u64> {
        let number = whole_seconds(self.last_timestamp).saturating_add(1);
        (self.current_records > 0 && !self.files.contains(&number)).then_some(number)
    }
}

/// Whole seconds of a time, 0 for what is before 1970 or absurd.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn whole_seconds(time: Timestamp) -> u64 {
    let seconds = time.seconds().floor();
    if seconds.is_finite() && seconds > 0.0 {
        seconds as u64
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAPTURED: &str = r#"276:{"message":"{\"jsonrpc\":\"2.0\",\"method\":\"event::SetLastCheckStarted\",\"params\":{\"host\":\"hlocal\",\"last_check_started\":1795401397.732967,\"service\":\"flap\"},\"ts\":1795401397.733055}","secobj":{"name":"hlocal!flap","type":"Service"},"timestamp":1795401397.733055},"#;

    fn record(number: u32) -> LogRecord {
        LogRecord {
            timestamp: Timestamp(f64::from(number)),
            object: number.is_multiple_of(2).then(|| SecurityObject {
                type_name: "Host".into(),
                name: "h".into(),
            }),
            message: format!("{{\"n\":{number}}}").into(),
        }
    }

    #[test]
    fn a_captured_record_round_trips() {
        let page = LogPage::read(CAPTURED.as_bytes(), 0, true);
        assert_eq!(page.records.len(), 1);
        assert!(page.end);
        assert_eq!(page.damage, None);
        let record = &page.records[0];
        assert_eq!(record.object.as_ref().unwrap().name, "hlocal!flap");
        assert_eq!(String::from_utf8(record.to_frame()).unwrap(), CAPTURED);
    }

    #[test]
    fn the_origin_is_that_of_the_envelope() {
        let with = |message: &str| LogRecord {
            message: message.into(),
            ..record(1)
        };
        let passed_on = with(r#"{"method":"m","originZone":"sat","params":{}}"#);
        assert!(passed_on.came_from("sat") && !passed_on.came_from("master"));
        let nested = with(r#"{"method":"m","params":{"originZone":"sat"}}"#);
        assert!(!nested.came_from("sat"));
    }

    #[test]
    fn pages_are_limited_and_continue() {
        let count = PAGE_RECORDS_MAX as u32 + 3;
        let file: Vec<u8> = (0..count)
            .flat_map(|number| record(number).to_frame())
            .collect();
        let first = LogPage::read(&file, 0, true);
        assert_eq!(first.records.len(), PAGE_RECORDS_MAX);
        assert!(!first.end);
        let start = usize::try_from(first.next_offset).unwrap();
        let second = LogPage::read(&file[start..], first.next_offset, true);
        assert_eq!(
            second.records,
            (count - 3..count).map(record).collect::<Vec<_>>()
        );
        assert_eq!(second.next_offset, file.len() as u64);
        assert!(second.end);
    }

    #[test]
    fn damage_ends_the_file() {
        let mut file = record(1).to_frame();
        file.extend_from_slice(b"garbage");
        let page = LogPage::read(&file, 0, true);
        assert_eq!(page.records, [record(1)]);
        assert!(page.end && page.damage.is_some());

        let mut cut = record(1).to_frame();
        cut.extend_from_slice(&record(2).to_frame()[..9]);
        let page = LogPage::read(&cut, 0, true);
        assert_eq!(page.records, [record(1)]);
        assert!(page.end && page.damage.is_some());
        let page = LogPage::read(&cut, 0, false);
        assert!(!page.end && page.damage.is_none());
    }

    #[test]
    fn files_are_chosen_by_number() {
        let catalogue = Catalogue {
            files: [10, 20, 30].into(),
            current_records: 1,
            last_timestamp: Timestamp(30.5),
            ..Catalogue::default()
        };
        assert_eq!(catalogue.first_file(Timestamp(0.0)), LogFile::Rotated(10));
        assert_eq!(catalogue.first_file(Timestamp(10.7)), LogFile::Rotated(10));
        assert_eq!(catalogue.first_file(Timestamp(11.0)), LogFile::Rotated(20));
        assert_eq!(catalogue.first_file(Timestamp(31.0)), LogFile::Current);
        assert_eq!(catalogue.file_after(20), LogFile::Rotated(30));
        assert_eq!(catalogue.file_after(30), LogFile::Current);
        assert_eq!(catalogue.rotation(), Some(31));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let page = LogPage::read(&bytes, 0, true);
            prop_assert!(page.next_offset <= bytes.len() as u64);
        }
    }
}
