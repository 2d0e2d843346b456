//! What became of every document: the files `keys/part-*.keys` and `dropped/part-*.parquet`.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;

use crate::dedup::Key;
use crate::rule::Finding;
use crate::source::{Address, Documents};
use crate::{Error, Result};

/// First bytes of a key file: magic, version, bytes a record.
pub(crate) const KEYS_HEADER: [u8; 16] = *b"PREPKEYS\x01\0\0\0\x20\0\0\0";
/// Bytes of a record of a key file.
pub(crate) const KEY_RECORD: usize = 32;
const FLAG_KEPT: u8 = 1;
const FLAG_WITHOUT_KEY: u8 = 2;

/// The reason that duplicates are counted under.
pub(crate) const DUPLICATE: &str = "duplicate";

/// What becomes of a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Kept,
    /// A rule drops it.
    Judged(Finding),
    /// An earlier document has the same key.
    Duplicate(Address),
}

impl Fate {
    /// Why it goes; `None` where it stays.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Kept => None,
            Self::Judged(finding) => Some(finding.reason),
            Self::Duplicate(_) => Some(DUPLICATE),
        }
    }
}

/// The record of a document that came first of its key: the key big-endian (all zero where it has none), the
/// file's number, flags (1 kept, 2 without key), three bytes of zero, the row; numbers little-endian.
pub(crate) fn key_record(key: Option<Key>, address: Address, kept: bool) -> [u8; KEY_RECORD] {
    let mut record = [0; KEY_RECORD];
    record[..16].copy_from_slice(&key.unwrap_or(0).to_be_bytes());
    record[16..20].copy_from_slice(&address.source.to_le_bytes());
    record[20] = u8::from(kept) * FLAG_KEPT + u8::from(key.is_none()) * FLAG_WITHOUT_KEY;
    record[24..].copy_from_slice(&address.row.to_le_bytes());
    record
}

/// The address in a record of a kept document; `None` where later rules dropped it.
pub(crate) fn kept_address(record: &[u8]) -> Option<Address> {
    let source = u32::from_le_bytes(record.get(16..20)?.try_into().ok()?);
    let row = u64::from_le_bytes(record.get(24..32)?.try_into().ok()?);
    (record.get(20)? & FLAG_KEPT != 0).then_some(Address { source, row })
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

/// The dropped documents of a unit under `schema`, which [`dropped_schema`] made.
pub(crate) fn dropped_batch(
    schema: &SchemaRef,
    documents: &Documents,
    fates: &[Fate],
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
        values.append_option(finding.map(|finding| finding.value));
        thresholds.append_option(finding.map(|finding| finding.threshold));
        details.append_null();
        twin_sources.append_option(twin.map(|twin| twin.source));
        twin_rows.append_option(twin.map(|twin| twin.row));
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
    fn a_key_record_is_as_documented() {
        let record = key_record(Some(0x0102 << 112), Address { source: 3, row: 5 }, true);
        assert_eq!(record[..4], [1, 2, 0, 0]);
        assert_eq!(record[16..], [3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(key_record(None, Address { source: 0, row: 0 }, true)[20], 3);
        assert_eq!(KEYS_HEADER[12] as usize, KEY_RECORD);
    }
}
