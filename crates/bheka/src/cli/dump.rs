//! Records of the files in the cache directory: netstrings of JSON, one per object or variable.

use std::fs;
use std::io;
use std::path::Path;

use bheka_value::{Value, from_json_with_depth};

use crate::cli::explain;
use crate::version::PROGRAM;

/// How deep a record may nest. The program wrote it itself, so only the reader's stack counts.
const DEPTH_MAX: usize = 600;

/// Reads all records of a file.
///
/// # Errors
/// When the file cannot be read, or was cut off or changed.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Value>> {
    let bytes = fs::read(path)?;
    records(&bytes).map_err(|at| {
        let text = format!("there is no whole record at byte {at} of {}", bytes.len());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Why a file of records is of no use, and what to do.
pub(crate) fn trouble(what: &str, path: &Path, error: &io::Error) -> (String, String) {
    let path = path.display();
    let again =
        format!("Run '{PROGRAM} daemon -C' to validate config and generate the cache file.");
    match error.kind() {
        io::ErrorKind::NotFound => (format!("Cannot open {what} file '{path}'."), again),
        io::ErrorKind::InvalidData => (
            format!("The {what} file '{path}' is damaged: {error}."),
            again,
        ),
        _ => {
            let cause = explain(&anyhow::Error::msg(error.to_string()));
            let text = format!("Cannot read {what} file '{path}': {cause}.");
            let remedy = "Run this as root, or as the user whose daemon wrote it.".to_owned();
            (text, remedy)
        }
    }
}

/// # Errors
/// Where the first record begins that is none.
fn records(all: &[u8]) -> Result<Vec<Value>, usize> {
    let mut records = Vec::new();
    let mut bytes = all;
    while !bytes.is_empty() {
        let Some((record, rest)) = first(bytes) else {
            return Err(all.len() - bytes.len());
        };
        // One record that nests too deep must not hide the others.
        records.extend(from_json_with_depth(record, DEPTH_MAX));
        bytes = rest;
    }
    Ok(records)
}

/// The first record, and what follows it.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().take(20).position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(bytes.get(..colon)?)
        .ok()?
        .parse()
        .ok()?;
    let rest = bytes.get(colon + 1..)?;
    let record = rest.get(..length)?;
    let rest = rest.get(length..)?.strip_prefix(b",")?;
    Some((record, rest))
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
            Ok(1)
        );
        assert_eq!(records(b"1:5,1:5"), Err(4));
        for bad in [
            "9:{\"a\":\"b\"",
            "1:5;",
            ":5,",
            "99999999999999999999999:5,",
            "2:[],x",
        ] {
            assert!(records(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
