//! Records of the files in the cache directory: netstrings of JSON, one per object or variable.

use std::fs;
use std::io;
use std::path::Path;

use bheka_value::{Value, from_json_with_depth};

/// How deep a record may nest. The program wrote it itself, so only the reader's stack counts.
const DEPTH_MAX: usize = 600;

/// Reads all records of a file.
///
/// # Errors
/// When the file cannot be read, or was cut off or changed.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Value>> {
    let bytes = fs::read(path)?;
    records(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed record"))
}

fn records(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let colon = bytes.iter().take(20).position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
        let rest = &bytes[colon + 1..];
        let record = rest.get(..length)?;
        if rest.get(length) != Some(&b',') {
            return None;
        }
        // One record that nests too deep must not hide the others.
        records.extend(from_json_with_depth(record, DEPTH_MAX));
        bytes = &rest[length + 1..];
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_follow_one_another() {
        let read = records(br#"9:{"a":"b"},1:5,"#).expect("good");
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].as_number(), Some(5.0));
        let deep = format!("{}{}", "[".repeat(700), "]".repeat(700));
        assert_eq!(
            records(format!("1400:{deep},1:5,").as_bytes()).map(|read| read.len()),
            Some(1)
        );
        for bad in [
            "9:{\"a\":\"b\"",
            "1:5;",
            ":5,",
            "99999999999999999999999:5,",
            "2:[],x",
        ] {
            assert!(records(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
