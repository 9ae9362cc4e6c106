//! Offsets to lines and columns.

use crate::ast::Span;

/// A place in the numbers of [`LineIndex::range`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Range {
    pub first_line: u32,
    pub first_column: u32,
    pub last_line: u32,
    pub last_column: u32,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            first_line,
            first_column,
            last_line,
            last_column,
        } = self;
        write!(f, "{first_line}:{first_column}-{last_line}:{last_column}")
    }
}

/// Where the lines of a source begin.
#[derive(Clone, Debug)]
pub struct LineIndex {
    /// Offset of the first byte of each line; the first is 0.
    starts: Vec<u32>,
    length: u32,
}

impl LineIndex {
    /// Indexes `source`. Bytes behind 4 GiB count to the last line.
    pub fn new(source: &str) -> Self {
        let length = u32::try_from(source.len()).unwrap_or(u32::MAX);
        let mut starts = vec![0u32];
        let newlines = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        starts.extend(newlines.map_while(|(at, _)| u32::try_from(at + 1).ok()));
        Self { starts, length }
    }

    /// Line and column of a byte offset, both counted from 1, the column in bytes. An offset
    /// behind the end is taken for the end.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let offset = offset.min(self.length);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        (u32::try_from(line).unwrap_or(u32::MAX), offset - start + 1)
    }

    /// The byte offset of a line and column as [`LineIndex::line_column`] counts them.
    pub fn offset(&self, line: u32, column: u32) -> u32 {
        let line = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.starts.last().copied().unwrap_or(0);
        let start = self.starts.get(line).copied().unwrap_or(last);
        start.saturating_add(column.saturating_sub(1))
    }

    /// The first and last line and column of a span as Icinga 2 counts them in messages and object
    /// dumps (`lines 3:1-3:28`): both ends belong to it; columns are bytes from 1, but from 0 in
    /// the first line; an empty span at the start of a line (an unexpected new-line) has column 0.
    pub fn range(&self, span: Span) -> Range {
        let last_byte = if span.end > span.start {
            span.end - 1
        } else {
            span.start
        };
        let (first_line, first_column) = self.line_column(span.start);
        let (last_line, last_column) = self.line_column(last_byte);
        let empty = u32::from(span.end <= span.start);
        let counted =
            |line: u32, column: u32| column.saturating_sub(if line == 1 { 1 } else { empty });
        Range {
            first_line,
            first_column: counted(first_line, first_column),
            last_line,
            last_column: counted(last_line, last_column),
        }
    }

    /// The text of a line (from 1) without its line end; empty for a line that does not exist.
    pub fn line_text<'s>(&self, source: &'s str, line: u32) -> &'s str {
        let Some(index) = (line as usize).checked_sub(1) else {
            return "";
        };
        let Some(start) = self.starts.get(index).map(|start| *start as usize) else {
            return "";
        };
        let end = self
            .starts
            .get(index + 1)
            .map_or(source.len(), |next| *next as usize - 1);
        let text = source.get(start..end).unwrap_or("");
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// The number of lines; a final new-line opens one more (empty) line.
    pub fn line_count(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }
}
