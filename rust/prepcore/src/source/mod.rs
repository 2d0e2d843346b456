//! Reading: inputs become files, files segments, segments units, units documents.
//!
//! A *segment* is a Parquet row group, a 32 MiB byte range of plain JSONL moved to line ends, a compressed
//! file, or a run of small text files. A *unit* is about 8 MiB of text within a segment, cut at documents. Both
//! depend on the input's bytes alone, so everything that is numbered by them is the same at any thread count.

mod cleaned_parts;
mod columns;
mod compression;
mod delta;
mod discover;
mod documents;
mod file;
mod fingerprint;
mod in_order;
mod json;
mod jsonl;
mod lines;
mod lookup;
mod page_header;
mod pages;
mod parquet;
mod plan;
mod read;
mod regroup;
mod remaining;
mod row_group;
mod segments;
mod stream;
mod strings;
mod text_files;

use arrow_array::RecordBatch;
use serde::Serialize;

use crate::text::TextColumn;
use crate::{Error, Result};

pub use compression::Compression;
pub(crate) use discover::open_as;
pub use file::{Identity, Kind, SourceFile};
pub(crate) use fingerprint::fingerprint;
pub(crate) use in_order::{Numbering, Part, PartCursor};
pub(crate) use json::{with_members, with_text};
pub use lookup::{Lookup, Row};
pub(crate) use plan::Units;
pub use plan::{Options, Plan};
pub(crate) use remaining::{Before, PartFacts, Position, Remaining, Start};
pub use segments::Segment;
pub use stream::StreamInput;

/// Unit tests of this crate work with units, segments and parts so many times smaller.
const SMALLER: u64 = if cfg!(test) { 256 } else { 1 };
/// Bytes of text in a unit.
pub const UNIT_BYTES: u64 = (8 << 20) / SMALLER;
/// Bytes that are held of a document beside its text: address, verdict, key, fate.
const DOCUMENT_WEIGHT: u64 = 128;
/// Rows in a unit at the most, for texts that are empty or nearly so.
pub const UNIT_ROWS: usize = 1 << 20;
/// Bytes of plain JSONL in a segment.
pub const SEGMENT_BYTES: u64 = (32 << 20) / SMALLER;
/// Bytes of input in a part, by the sizes that metadata give.
pub const PART_BYTES: u64 = (256 << 20) / SMALLER;

/// Where a document stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The file's number in the order of the input.
    pub source: u32,
    /// The row within the file, from 0: a Parquet row, or a line of JSONL (blank lines count).
    pub row: u64,
}

/// A row that could not be read, or a run of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where the first stands.
    pub address: Address,
    /// How many there are.
    pub rows: u64,
    /// Byte offset of the row in its (decompressed) file, where rows have one.
    pub offset: Option<u64>,
    /// What was wrong.
    pub error: String,
}

impl Unreadable {
    /// One row.
    pub(crate) fn row(address: Address, offset: Option<u64>, error: impl Into<String>) -> Self {
        Self { address, rows: 1, offset, error: error.into() }
    }
}

/// What is said of a document that the memory budget does not allow.
pub(crate) fn too_large(bytes: u64, allowed: u64) -> String {
    format!("a document of {bytes} bytes; the memory budget allows {allowed} (--memory divided by 8)")
}

/// A line of `unreadable.jsonl`.
#[derive(Debug, Serialize)]
pub(crate) struct UnreadableLine<'a> {
    pub(crate) source: u32,
    pub(crate) file: &'a str,
    pub(crate) row: u64,
    pub(crate) rows: u64,
    pub(crate) offset: Option<u64>,
    pub(crate) error: &'a str,
}

impl UnreadableLine<'_> {
    /// The line of a row or a run of rows, with its line feed.
    pub(crate) fn encode(row: &Unreadable, files: &[SourceFile]) -> Result<Vec<u8>> {
        let source = row.address.source;
        let file = files.get(source as usize).map_or("", |file| file.name.as_str());
        let Unreadable { address, rows, offset, error } = row;
        let line = UnreadableLine { source, file, row: address.row, rows: *rows, offset: *offset, error };
        let mut line = serde_json::to_vec(&line)
            .map_err(|error| Error::Internal(format!("cannot write unreadable.jsonl: {error}")))?;
        line.push(b'\n');
        Ok(line)
    }
}

/// A piece of the input as it was read; decoding the rest of it is work for any thread.
pub struct Unit {
    pub(crate) body: Body,
    /// Bytes that this unit holds in memory, about.
    pub(crate) weight: u64,
}

impl Unit {
    /// A request for so many bytes before the next unit is read.
    pub(crate) fn ask(bytes: u64) -> Self {
        Self { body: Body::Ask, weight: bytes }
    }

    /// Whether it is no unit but such a request.
    pub(crate) fn asks(&self) -> bool {
        matches!(self.body, Body::Ask)
    }
}

pub(crate) enum Body {
    /// Columns, where their first row stands, and which rows have no text that could be read.
    Batch { batch: RecordBatch, first: Address, unreadable: Vec<Unreadable> },
    /// Nothing yet: what is read next needs so many bytes, the unit's weight.
    Ask,
    /// Raw lines of JSONL.
    Lines(lines::LineBlock),
    /// Texts with their addresses, and the files that could not be read.
    Texts { batch: RecordBatch, addresses: Vec<Address>, unreadable: Vec<Unreadable> },
}

/// The documents of a unit, in order.
#[derive(Debug)]
pub struct Documents {
    /// The columns of [`Plan::schema`], a row a document; a column of strings may come in any layout.
    pub batch: RecordBatch,
    /// The text column of that batch; never null.
    pub text: TextColumn,
    /// Where each document stands.
    pub addresses: Vec<Address>,
    /// The documents' raw JSONL lines, without their line ends; for other inputs empty.
    pub raw: RawLines,
    /// Rows of the unit that could not be read, in order.
    pub unreadable: Vec<Unreadable>,
    /// For JSONL: the unit's lines, from whose start rows are counted until order is known.
    pub lines: Option<UnitLines>,
    /// Bytes of text.
    pub bytes: u64,
}

/// The lines that a unit of JSONL was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitLines {
    /// The file's number.
    pub source: u32,
    /// How many there are.
    pub count: u64,
    /// Where they start in the (decompressed) file.
    pub offset: u64,
}

/// Lines within one buffer.
#[derive(Debug, Default)]
pub struct RawLines {
    pub(crate) buffer: Vec<u8>,
    pub(crate) spans: Vec<(usize, usize)>,
}

impl RawLines {
    /// The bytes of a line, without its line end.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let (start, end) = self.spans[index];
        &self.buffer[start..end]
    }

    /// Whether there are none, as for inputs other than JSONL.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Puts others in the place of the lines for which `other` gives one.
    pub(crate) fn replace(&mut self, mut other: impl FnMut(usize, &[u8]) -> Option<Vec<u8>>) {
        let mut buffer = Vec::with_capacity(self.buffer.len());
        for index in 0..self.spans.len() {
            let start = buffer.len();
            match other(index, self.get(index)) {
                Some(line) => buffer.extend_from_slice(&line),
                None => buffer.extend_from_slice(self.get(index)),
            }
            // The lines behind are still read from the old buffer, by their old places.
            self.spans[index] = (start, buffer.len());
        }
        self.buffer = buffer;
    }
}

impl Documents {
    /// The number of documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Rows that could not be read.
    #[must_use]
    pub fn unreadable_rows(&self) -> u64 {
        self.unreadable.iter().map(|unreadable| unreadable.rows).sum()
    }

    /// Rows of the unit, readable or not.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.len() as u64 + self.unreadable_rows()
    }

    /// Counts line numbers on from the lines before this unit.
    pub(crate) fn number_from(&mut self, base: u64) {
        for address in &mut self.addresses {
            address.row += base;
        }
        for unreadable in &mut self.unreadable {
            unreadable.address.row += base;
        }
    }

    /// Keeps the first `rows` rows, readable or not. For `--limit`.
    pub(crate) fn truncate(&mut self, rows: u64) {
        let mut taken = 0;
        let (mut documents, mut unreadable) = (0, 0);
        while taken < rows && (documents < self.addresses.len() || unreadable < self.unreadable.len()) {
            let next = self.addresses.get(documents);
            let damaged = self.unreadable.get(unreadable).map(|row| &row.address);
            match (next, damaged) {
                (Some(next), Some(damaged)) if next < damaged => documents += 1,
                (Some(_), None) => documents += 1,
                _ => {
                    let run = &mut self.unreadable[unreadable].rows;
                    *run = (*run).min(rows - taken);
                    taken += *run;
                    unreadable += 1;
                    continue;
                }
            }
            taken += 1;
        }
        self.unreadable.truncate(unreadable);
        self.addresses.truncate(documents);
        self.batch = self.batch.slice(0, documents);
        self.text = self.text.slice(0, documents);
        self.bytes = (0..documents).map(|row| self.text.bytes(row)).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_lines_are_replaced_by_longer_and_shorter_ones() {
        let (buffer, spans) = (b"one\n\ntwo\nthree".to_vec(), vec![(0, 3), (5, 8), (9, 14)]);
        let mut lines = RawLines { buffer, spans };
        lines.replace(|index, line| match index {
            0 => Some([line, b" and more"].concat()),
            2 => Some(line[..2].to_vec()),
            _ => None,
        });
        let lines: Vec<_> = (0..3).map(|index| lines.get(index).to_vec()).collect();
        assert_eq!(lines, [&b"one and more"[..], b"two", b"th"]);
    }
}
