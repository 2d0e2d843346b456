//! Duplicates: the documents of each part that are not the first of their key, each with its twin.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::path::PathBuf;

use super::sections::{Sections, SectionsWriter};
use super::{PARTITIONS, Twin};
use crate::Result;
use crate::source::Address;

/// Bytes of a record: row and twin's row (u64), file and twin's file (u32).
const RECORD: usize = 24;
/// Records of one section that are read at once.
const READ: u64 = 512;

/// A document that repeats an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duplicate {
    pub(crate) address: Address,
    /// [`Twin::pack`]ed.
    twin: Address,
}

impl Duplicate {
    pub(crate) fn new(address: Address, twin: Address) -> Self {
        Self { address, twin }
    }

    pub(crate) fn twin(&self) -> Twin {
        Twin::unpack(self.twin)
    }

    fn encode(&self) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&self.address.row.to_le_bytes());
        record[8..16].copy_from_slice(&self.twin.row.to_le_bytes());
        record[16..20].copy_from_slice(&self.address.source.to_le_bytes());
        record[20..].copy_from_slice(&self.twin.source.to_le_bytes());
        record
    }

    fn decode(record: &[u8]) -> Self {
        let long = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().unwrap_or_default());
        let short = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap_or_default());
        let address = Address { source: short(16), row: long(0) };
        Self { address, twin: Address { source: short(20), row: long(8) } }
    }
}

/// Duplicates of one key range, in order.
pub(crate) struct Section {
    records: Vec<u8>,
    /// How many lie in each part.
    counts: Vec<u64>,
}

impl Section {
    /// A section of duplicates, each with the number of its part, in any order.
    pub(crate) fn new(mut duplicates: Vec<(usize, Duplicate)>, parts: usize) -> Self {
        duplicates.sort_unstable();
        let mut counts = vec![0; parts];
        let mut records = Vec::with_capacity(duplicates.len() * RECORD);
        for (part, duplicate) in duplicates {
            counts[part] += 1;
            records.extend(duplicate.encode());
        }
        Self { records, counts }
    }

    /// The number of duplicates.
    pub(crate) fn len(&self) -> u64 {
        (self.records.len() / RECORD) as u64
    }
}

/// Writes the duplicates of some key ranges, in sections of any order.
pub(crate) struct DuplicatesWriter(SectionsWriter);

impl DuplicatesWriter {
    /// A file for the duplicates of a run of so many parts.
    pub(crate) fn create(target: PathBuf, parts: usize) -> Result<Self> {
        SectionsWriter::create(target, RECORD, parts).map(Self)
    }

    pub(crate) fn append(&mut self, section: &Section) -> Result<()> {
        self.0.section(&section.records, &section.counts)
    }

    /// Commits the file, which holds these key ranges.
    pub(crate) fn commit(self, partitions: &[usize]) -> Result<()> {
        self.0.commit(&partitions)
    }
}

/// The duplicates of the key ranges that were resolved.
#[derive(Debug)]
pub(crate) struct Duplicates(Vec<Sections>);

impl Duplicates {
    pub(crate) fn open(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        paths.into_iter().map(|path| Sections::open(&path, RECORD)).collect::<Result<_>>().map(Self)
    }

    /// The key ranges that no file holds.
    pub(crate) fn missing(&self) -> Result<Vec<usize>> {
        let mut held = [false; PARTITIONS];
        for sections in &self.0 {
            let partitions: Vec<usize> = sections.note()?;
            partitions.into_iter().filter(|partition| *partition < PARTITIONS).for_each(|at| held[at] = true);
        }
        Ok((0..PARTITIONS).filter(|partition| !held[*partition]).collect())
    }

    /// The duplicates of a part, in the order of its documents.
    pub(crate) fn of_part(&self, part: usize) -> Result<PartDuplicates<'_>> {
        let mut merged = PartDuplicates { cursors: Vec::new(), heads: BinaryHeap::new() };
        for sections in &self.0 {
            let reader = sections.reader()?;
            for section in 0..sections.sections() {
                let left = reader.bucket(section, part)?;
                merged.cursors.push(Cursor { sections, left, buffer: Vec::new(), at: 0 });
            }
        }
        for cursor in 0..merged.cursors.len() {
            merged.advance(cursor)?;
        }
        Ok(merged)
    }
}

/// The duplicates of a part, merged from the key ranges.
pub(crate) struct PartDuplicates<'a> {
    cursors: Vec<Cursor<'a>>,
    heads: BinaryHeap<Reverse<(Duplicate, usize)>>,
}

struct Cursor<'a> {
    sections: &'a Sections,
    left: Range<u64>,
    buffer: Vec<u8>,
    at: usize,
}

impl PartDuplicates<'_> {
    /// The twin of a document where it is a duplicate. Documents must be asked for in their order.
    pub(crate) fn twin(&mut self, address: Address) -> Result<Option<Twin>> {
        while let Some(Reverse((duplicate, cursor))) = self.heads.peek().copied() {
            if duplicate.address > address {
                return Ok(None);
            }
            self.heads.pop();
            self.advance(cursor)?;
            // Those before are of documents that a continued run has written already.
            if duplicate.address == address {
                return Ok(Some(duplicate.twin()));
            }
        }
        Ok(None)
    }

    fn advance(&mut self, number: usize) -> Result<()> {
        let cursor = &mut self.cursors[number];
        if cursor.at == cursor.buffer.len() {
            let end = cursor.left.end.min(cursor.left.start + READ);
            cursor.buffer.clear();
            cursor.at = 0;
            if cursor.left.start < end {
                cursor.sections.reader()?.read(cursor.left.start..end, &mut cursor.buffer)?;
            }
            cursor.left.start = end;
        }
        if let Some(record) = cursor.buffer.get(cursor.at..cursor.at + RECORD) {
            self.heads.push(Reverse((Duplicate::decode(record), number)));
            cursor.at += RECORD;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_ranges_are_merged_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |source, row| Address { source, row };
        let paths: Vec<_> = (0..3).map(|range| folder.path().join(range.to_string())).collect();
        for (range, path) in (0..).zip(&paths) {
            let mut writer = DuplicatesWriter::create(path.clone(), 2).unwrap();
            for section in 0..2 {
                let duplicates = (0..1000).filter(|row| row % 6 == 2 * range + section);
                let of_part = |row| (usize::from(row >= 700), Duplicate::new(at(0, row), at(1, row * row)));
                writer.append(&Section::new(duplicates.map(of_part).collect(), 2)).unwrap();
            }
            writer.commit(&[range as usize]).unwrap();
        }
        let duplicates = Duplicates::open(paths).unwrap();
        assert_eq!(duplicates.missing().unwrap(), (3..PARTITIONS).collect::<Vec<_>>());
        let mut first = duplicates.of_part(0).unwrap();
        for row in 5..700 {
            let twin = first.twin(at(0, row)).unwrap();
            assert_eq!(twin, Some(Twin::Input(at(1, row * row))), "{row}");
        }
        assert_eq!(first.twin(at(0, 700)).unwrap(), None);
        let mut second = duplicates.of_part(1).unwrap();
        assert_eq!(second.twin(at(0, 699)).unwrap(), None);
        assert!(second.twin(at(0, 999)).unwrap().is_some());
    }
}
