//! A document on its way to its place: its number, its ids, and where it came from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::slice;

use super::sources::SourceRows;
use crate::pack::{DocumentLengths, SplitRecord, TokenFile};
use crate::{Error, Result};

/// Bytes before the name and the ids: document, row, and the lengths of both.
const HEADER: usize = 8 + 8 + 4 + 8;
/// Bytes of a token file that are read at once.
pub(super) const BUFFER: usize = 1 << 20;

/// A document: what a [`RecordSource`] fills, again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Its number in input order.
    pub(super) document: u64,
    /// Its row in its source.
    pub(super) row: u64,
    /// The name of its source.
    pub(super) source: Vec<u8>,
    /// Its ids as they stand in a file.
    pub(super) ids: Vec<u8>,
}

/// Documents, one after the other.
pub(super) trait RecordSource {
    /// Fills a record with the next document; false where there is none.
    fn next(&mut self, record: &mut Record) -> Result<bool>;
}

impl Record {
    /// Bytes that [`Record::encode`] appends.
    pub(super) fn encoded_bytes(&self) -> usize {
        HEADER + self.source.len() + self.ids.len()
    }

    /// Appends the document as [`Record::decode`] reads it.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.document.to_le_bytes());
        bytes.extend(self.row.to_le_bytes());
        bytes.extend((self.source.len() as u32).to_le_bytes());
        bytes.extend((self.ids.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.source);
        bytes.extend_from_slice(&self.ids);
    }

    /// Reads a document that [`Record::encode`] wrote; false at the end.
    pub(super) fn decode(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        if reader.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.document = number(reader)?;
        self.row = number(reader)?;
        let mut length = [0; 4];
        reader.read_exact(&mut length)?;
        let source = u32::from_le_bytes(length) as usize;
        let ids = number(reader)? as usize;
        fill(reader, &mut self.source, source)?;
        fill(reader, &mut self.ids, ids)?;
        Ok(true)
    }
}

fn number(reader: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn fill(reader: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    bytes.clear();
    bytes.resize(length, 0);
    reader.read_exact(bytes)
}

/// The documents of a token folder, in the order of its files.
pub(super) struct FolderRecords<'a> {
    root: &'a Path,
    files: slice::Iter<'a, TokenFile>,
    open: Option<(PathBuf, BufReader<File>, DocumentLengths)>,
    sources: SourceRows,
    id_bytes: u64,
    document: u64,
}

impl<'a> FolderRecords<'a> {
    /// The documents of one side of the split, whose ids take so many bytes each.
    pub(super) fn new(root: &'a Path, split: &'a SplitRecord, sources: SourceRows, id_bytes: u64) -> Self {
        Self { root, files: split.files.iter(), open: None, sources, id_bytes, document: 0 }
    }
}

impl RecordSource for FolderRecords<'_> {
    fn next(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            if let Some((path, reader, lengths)) = &mut self.open
                && let Some(tokens) = lengths.next()
            {
                let bytes = tokens? * self.id_bytes;
                fill(reader, &mut record.ids, bytes as usize)
                    .map_err(|source| Error::io(&*path, "read", source))?;
                record.document = self.document;
                self.document += 1;
                self.sources.next(record)?;
                return Ok(true);
            }
            let Some(file) = self.files.next() else { return Ok(false) };
            let path = self.root.join(&file.path);
            let opened = File::open(&path).map_err(|source| Error::io(&path, "open", source))?;
            let lengths = DocumentLengths::open(self.root, file)?;
            self.open = Some((path, BufReader::with_capacity(BUFFER, opened), lengths));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let records = [
            Record { document: 7, row: 1 << 40, source: b"a.jsonl".to_vec(), ids: vec![1, 2, 3, 4] },
            Record::default(),
            Record { document: u64::MAX, row: 0, source: "日本".into(), ids: Vec::new() },
        ];
        let mut bytes = Vec::new();
        for record in &records {
            let before = bytes.len();
            record.encode(&mut bytes);
            assert_eq!(bytes.len() - before, record.encoded_bytes());
        }
        let (mut reader, mut record) = (bytes.as_slice(), Record::default());
        for wanted in &records {
            assert!(record.decode(&mut reader).unwrap());
            assert_eq!(record, *wanted);
        }
        assert!(!record.decode(&mut reader).unwrap());
        assert!(record.decode(&mut &bytes[..HEADER + 3]).is_err());
    }
}
