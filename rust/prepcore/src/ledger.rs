//! What became of every document: the files `keys/part-*.keys` and `dropped/part-*.parquet`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;

use xxhash_rust::xxh3::Xxh3;

use crate::checksum::checksum;
use crate::dedup::Key;
use crate::manifest::FileRecord;
use crate::rule::Finding;
use crate::source::{Address, Documents};
use crate::{Error, Result};

/// First bytes of a key file: magic, version, bytes a record.
pub(crate) const KEYS_HEADER: [u8; 16] = *b"PREPKEYS\x01\0\0\0\x20\0\0\0";
/// Bytes of a record of a key file.
pub(crate) const KEY_RECORD: usize = 32;
/// Records of a key file that are read at once.
const READ_RECORDS: u64 = 1 << 13;
const FLAG_KEPT: u8 = 1;
const FLAG_WITHOUT_KEY: u8 = 2;

/// The reason that duplicates are counted under.
pub(crate) const DUPLICATE: &str = "duplicate";
/// The reason that documents are counted under which a folder of `--against` holds.
pub(crate) const AGAINST: &str = "against";
/// The reason that documents are counted under which do not meet `--where`.
pub(crate) const WHERE: &str = "where";

/// What becomes of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Kept,
    /// A rule drops it.
    Judged(Finding),
    /// An earlier document has the same key.
    Duplicate(Address),
    /// A document of a folder of `--against` has the same key: the folder's file by its number among the files of
    /// all these folders, and the row.
    Against(Address),
}

impl Fate {
    /// Whether a document with this key, or without, came first of it: it stays, or went for what was looked at
    /// later, as documents that go before have no key.
    pub(crate) fn came_first(&self, key: Option<Key>) -> bool {
        matches!(self, Self::Kept) || (matches!(self, Self::Judged(_)) && key.is_some())
    }

    /// Why it goes; `None` where it stays.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Kept => None,
            Self::Judged(finding) => Some(finding.reason),
            Self::Duplicate(_) => Some(DUPLICATE),
            Self::Against(_) => Some(AGAINST),
        }
    }
}

/// A document that came first of its key, or that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// None where it can never be a duplicate.
    pub(crate) key: Option<Key>,
    pub(crate) address: Address,
    /// Whether later rules kept it.
    pub(crate) kept: bool,
}

impl KeyRecord {
    /// The key big-endian (all zero where it has none), the file's number, flags (1 kept, 2 without key), three
    /// bytes of zero, the row; numbers little-endian.
    pub(crate) fn encode(&self) -> [u8; KEY_RECORD] {
        let mut record = [0; KEY_RECORD];
        record[..16].copy_from_slice(&self.key.unwrap_or(0).to_be_bytes());
        record[16..20].copy_from_slice(&self.address.source.to_le_bytes());
        record[20] = u8::from(self.kept) * FLAG_KEPT + u8::from(self.key.is_none()) * FLAG_WITHOUT_KEY;
        record[24..].copy_from_slice(&self.address.row.to_le_bytes());
        record
    }

    pub(crate) fn decode(record: &[u8; KEY_RECORD]) -> Self {
        let (key, rest) = record.split_at(16);
        let key = Key::from_be_bytes(key.try_into().unwrap_or_default());
        let source = u32::from_le_bytes(rest[..4].try_into().unwrap_or_default());
        let row = u64::from_le_bytes(rest[8..].try_into().unwrap_or_default());
        let (flags, address) = (rest[4], Address { source, row });
        Self { key: (flags & FLAG_WITHOUT_KEY == 0).then_some(key), address, kept: flags & FLAG_KEPT != 0 }
    }
}

/// Reads a key file record by record; behind the last one its checksum must be right.
pub(crate) struct KeyFile {
    path: PathBuf,
    file: File,
    left: u64,
    /// Whole records; those before `at` are given out.
    buffer: Vec<u8>,
    at: usize,
    hash: Box<Xxh3>,
    checksum: String,
}

impl KeyFile {
    /// Opens a key file of which a manifest or a journal says so much.
    pub(crate) fn open(folder: &Path, record: &FileRecord) -> Result<Self> {
        let path = folder.join(&record.path);
        let failed = |source| Error::io(&path, "read", source);
        let mut file = File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut header = [0; KEYS_HEADER.len()];
        let known = file.read_exact(&mut header).is_ok() && header == KEYS_HEADER;
        if !known {
            return Err(Error::corrupt(path, "first bytes", "not a key file of version 1"));
        }
        let records = record.rows;
        let expected = (KEYS_HEADER.len() as u64).saturating_add(records.saturating_mul(KEY_RECORD as u64));
        if size != expected {
            let message = format!("{size} bytes, expected {expected} for {records} records");
            return Err(Error::corrupt(path, "size", message));
        }
        let mut hash = Box::new(Xxh3::new());
        hash.update(&header);
        let checksum = record.checksum.clone();
        Ok(Self { path, file, left: records, buffer: Vec::new(), at: 0, hash, checksum })
    }

    /// The documents that have a key, whether later rules kept them or not.
    pub(crate) fn keys(self) -> impl Iterator<Item = Result<(Key, Address)>> {
        self.filter_map(|record| record.map(|record| Some((record.key?, record.address))).transpose())
    }

    /// Reads more records; none are left to give out.
    fn fill(&mut self) -> Result<()> {
        let records = self.left.min(READ_RECORDS);
        self.left -= records;
        self.buffer.resize(records as usize * KEY_RECORD, 0);
        self.at = 0;
        let read = self.file.read_exact(&mut self.buffer);
        read.map_err(|source| Error::io(&self.path, "read", source))?;
        self.hash.update(&self.buffer);
        if self.left == 0 {
            let found = checksum(self.hash.digest128());
            if found != self.checksum {
                let message = format!("its checksum is {found}, but {} was written", self.checksum);
                return Err(Error::corrupt(&self.path, "content", message));
            }
        }
        Ok(())
    }
}

impl Iterator for KeyFile {
    type Item = Result<KeyRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.buffer.len() {
            if self.left == 0 {
                return None;
            }
            if let Err(error) = self.fill() {
                (self.left, self.at) = (0, self.buffer.len());
                return Some(Err(error));
            }
        }
        let record = self.buffer[self.at..].first_chunk().map(KeyRecord::decode)?;
        self.at += KEY_RECORD;
        Some(Ok(record))
    }
}

/// The columns of `dropped/part-*.parquet`; `documents` adds the documents themselves as a struct.
pub(crate) fn dropped_schema(documents: Option<&SchemaRef>) -> SchemaRef {
    let mut fields = vec![
        Field::new("source", DataType::UInt32, false),
        Field::new("row", DataType::UInt64, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
        Field::new("threshold", DataType::Float64, true),
        Field::new("detail", DataType::Utf8, true),
        Field::new("twin_source", DataType::UInt32, true),
        Field::new("twin_row", DataType::UInt64, true),
    ];
    if let Some(documents) = documents {
        fields.push(Field::new("document", DataType::Struct(documents.fields().clone()), false));
    }
    Arc::new(Schema::new(fields))
}

/// The dropped documents of a unit under `schema`, which [`dropped_schema`] made. `against` names the files of the
/// folders of `--against`.
pub(crate) fn dropped_batch(
    schema: &SchemaRef,
    documents: &Documents,
    fates: &[Fate],
    against: &[String],
) -> Result<RecordBatch> {
    let mut sources = UInt32Builder::new();
    let mut rows = UInt64Builder::new();
    let mut reasons = StringBuilder::new();
    let (mut values, mut thresholds) = (Float64Builder::new(), Float64Builder::new());
    let mut details = StringBuilder::new();
    let (mut twin_sources, mut twin_rows) = (UInt32Builder::new(), UInt64Builder::new());
    for (address, fate) in documents.addresses.iter().zip(fates) {
        let Some(reason) = fate.reason() else { continue };
        let finding = if let Fate::Judged(finding) = fate { Some(finding) } else { None };
        let twin = if let Fate::Duplicate(twin) = fate { Some(twin) } else { None };
        sources.append_value(address.source);
        rows.append_value(address.row);
        reasons.append_value(reason);
        values.append_option(finding.and_then(|finding| finding.value));
        thresholds.append_option(finding.and_then(|finding| finding.threshold));
        let elsewhere = if let Fate::Against(twin) = fate { Some(twin) } else { None };
        let found = finding.and_then(|finding| finding.detail.as_deref());
        let name = elsewhere.and_then(|twin| against.get(twin.source as usize)).map(String::as_str);
        details.append_option(found.or(name));
        twin_sources.append_option(twin.map(|twin| twin.source));
        twin_rows.append_option(twin.or(elsewhere).map(|twin| twin.row));
    }
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(sources.finish()),
        Arc::new(rows.finish()),
        Arc::new(reasons.finish()),
        Arc::new(values.finish()),
        Arc::new(thresholds.finish()),
        Arc::new(details.finish()),
        Arc::new(twin_sources.finish()),
        Arc::new(twin_rows.finish()),
    ];
    let failed = |error| Error::Internal(format!("cannot write the ledger: {error}"));
    if columns.len() < schema.fields().len() {
        let dropped: BooleanArray = fates.iter().map(|fate| Some(fate.reason().is_some())).collect();
        let batch = filter_record_batch(&documents.batch, &dropped).map_err(failed)?;
        columns.push(Arc::new(StructArray::from(batch)));
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_once_and_a_changed_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for rows in [0, 1, READ_RECORDS, READ_RECORDS + 1, 3 * READ_RECORDS - 1] {
            let record = |row: u64| KeyRecord {
                key: Some(crate::dedup::key_of_text(&row.to_string())),
                address: Address { source: 1, row },
                kept: true,
            };
            let mut bytes = KEYS_HEADER.to_vec();
            (0..rows).for_each(|row| bytes.extend(record(row).encode()));
            let checksum = checksum(xxhash_rust::xxh3::xxh3_128(&bytes));
            let of_file = FileRecord { path: "keys".into(), rows, bytes: bytes.len() as u64, checksum };
            let path = folder.path().join("keys");
            std::fs::write(&path, &bytes).unwrap();
            let read: Vec<_> = KeyFile::open(folder.path(), &of_file).unwrap().map(Result::unwrap).collect();
            assert_eq!(read, (0..rows).map(record).collect::<Vec<_>>());
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let failed = KeyFile::open(folder.path(), &of_file)
                .and_then(|mut keys| keys.try_for_each(|key| key.map(drop)));
            assert!(failed.unwrap_err().to_string().contains("keys: "), "{rows}");
            std::fs::write(&path, &bytes[..last]).unwrap();
            assert!(KeyFile::open(folder.path(), &of_file).is_err());
        }
    }

    #[test]
    fn a_key_record_is_as_documented() {
        let record =
            KeyRecord { key: Some(0x0102 << 112), address: Address { source: 3, row: 5 }, kept: true };
        let encoded = record.encode();
        assert_eq!(encoded[..4], [1, 2, 0, 0]);
        assert_eq!(encoded[16..], [3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        let without = KeyRecord { key: None, kept: false, ..record };
        assert_eq!(without.encode()[20], 2);
        assert_eq!((KeyRecord::decode(&encoded), KeyRecord::decode(&without.encode())), (record, without));
        assert_eq!(KEYS_HEADER[12] as usize, KEY_RECORD);
    }
}
