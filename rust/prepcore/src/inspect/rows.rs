//! Rows of the ledger: its columns, and where one document stands in them.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, PrimitiveArray, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::file::statistics::Statistics;
use serde::Serialize;

use crate::guard::decoded;
use crate::manifest::FileRecord;
use crate::source::Address;
use crate::{Error, Result};

/// The columns that are read: all but the documents of `--keep-dropped`.
const COLUMNS: [&str; 8] =
    ["source", "row", "reason", "value", "threshold", "detail", "twin_source", "twin_row"];
/// Rows that are decoded at once.
pub(super) const BATCH_ROWS: usize = 8192;
/// A dropped document as the ledger states it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dropped {
    /// The file's number in the manifest.
    pub source: u32,
    /// The row within the file.
    pub row: u64,
    /// Why it went.
    pub reason: String,
    /// What was measured.
    pub value: Option<f64>,
    /// The threshold that the value missed.
    pub threshold: Option<f64>,
    /// What was found, where a number does not tell.
    pub detail: Option<String>,
    /// The file of the document with the same key that came before.
    pub twin_source: Option<u32>,
    /// Its row.
    pub twin_row: Option<u64>,
}

/// What the ledger states of one document, where it was dropped. `record` is a part's file, whose rows are in order.
pub(super) fn find(folder: &Path, record: &FileRecord, address: Address) -> Result<Option<Dropped>> {
    if record.rows == 0 {
        return Ok(None);
    }
    let path = folder.join(&record.path);
    let corrupt = |error: String| Error::corrupt(&path, "rows", error);
    let builder = open(&path)?;
    let may_hold = |group: &usize| {
        let columns = builder.metadata().row_group(*group).columns();
        let holds =
            |column: usize, value: u64| match columns.get(column).and_then(|column| column.statistics()) {
                Some(Statistics::Int32(range)) => {
                    let least = range.min_opt().is_none_or(|least| u64::from(least.cast_unsigned()) <= value);
                    least && range.max_opt().is_none_or(|most| u64::from(most.cast_unsigned()) >= value)
                }
                // Between two files the rows of a group start again, so only the file is sure to be in order.
                _ => true,
            };
        holds(0, u64::from(address.source))
    };
    let groups: Vec<usize> = (0..builder.metadata().num_row_groups()).filter(may_hold).collect();
    let keys = ProjectionMask::columns(builder.parquet_schema(), ["source", "row"]);
    let mut batches =
        decoded(|| builder.with_projection(keys).with_row_groups(groups.clone()).build()).map_err(corrupt)?;
    let mut before = 0;
    while let Some(batch) = decoded(|| batches.next().transpose()).map_err(corrupt)? {
        let (sources, rows) = addresses(&path, &batch)?;
        let place = (0..batch.num_rows())
            .find(|row| (sources.value(*row), rows.value(*row)) == (address.source, address.row));
        let Some(place) = place else {
            before += batch.num_rows();
            continue;
        };
        let only = RowSelection::from(vec![RowSelector::skip(before + place), RowSelector::select(1)]);
        let builder = open(&path)?;
        let mut row =
            decoded(|| builder.with_row_groups(groups).with_row_selection(only).build()).map_err(corrupt)?;
        let row = decoded(|| row.next().transpose()).map_err(corrupt)?;
        return row.map(|batch| Ok(Rows::new(&path, &batch)?.dropped(0))).transpose();
    }
    Ok(None)
}

/// The address of the first row of a part's file, which has rows.
pub(super) fn first(folder: &Path, record: &FileRecord) -> Result<Address> {
    let path = folder.join(&record.path);
    let corrupt = |error: String| Error::corrupt(&path, "first row", error);
    let builder = open(&path)?;
    let keys = ProjectionMask::columns(builder.parquet_schema(), ["source", "row"]);
    let mut rows = decoded(|| builder.with_projection(keys).with_batch_size(1).with_limit(1).build())
        .map_err(corrupt)?;
    let batch = decoded(|| rows.next().transpose()).map_err(corrupt)?;
    let batch = batch.ok_or_else(|| corrupt(format!("none, but the manifest says {}", record.rows)))?;
    let (sources, rows) = addresses(&path, &batch)?;
    Ok(Address { source: sources.value(0), row: rows.value(0) })
}

/// A part's file, all columns but the documents.
pub(super) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|source| Error::io(path, "read", source))?;
    let builder = decoded(|| ParquetRecordBatchReaderBuilder::try_new(file))
        .map_err(|error| Error::corrupt(path, "footer", error))?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    Ok(builder.with_projection(columns).with_batch_size(BATCH_ROWS))
}

pub(super) type Addresses<'b> = (&'b PrimitiveArray<UInt32Type>, &'b PrimitiveArray<UInt64Type>);

pub(super) fn addresses<'b>(path: &Path, batch: &'b RecordBatch) -> Result<Addresses<'b>> {
    let column = |name: &str| batch.column_by_name(name);
    let found = column("source").and_then(|column| column.as_primitive_opt());
    found.zip(column("row").and_then(|column| column.as_primitive_opt())).ok_or_else(|| other_columns(path))
}

fn other_columns(path: &Path) -> Error {
    Error::corrupt(path, "columns", format!("expected those of a ledger: {}", COLUMNS.join(", ")))
}

/// The columns of a batch of the ledger.
pub(super) struct Rows<'b> {
    sources: &'b PrimitiveArray<UInt32Type>,
    rows: &'b PrimitiveArray<UInt64Type>,
    reasons: &'b StringArray,
    values: &'b PrimitiveArray<Float64Type>,
    thresholds: &'b PrimitiveArray<Float64Type>,
    details: &'b StringArray,
    twin_sources: &'b PrimitiveArray<UInt32Type>,
    twin_rows: &'b PrimitiveArray<UInt64Type>,
}

impl<'b> Rows<'b> {
    pub(super) fn new(path: &Path, batch: &'b RecordBatch) -> Result<Self> {
        let (sources, rows) = addresses(path, batch)?;
        let column = |name: &str| batch.column_by_name(name);
        let columns = || {
            Some(Self {
                sources,
                rows,
                reasons: column("reason")?.as_string_opt()?,
                values: column("value")?.as_primitive_opt()?,
                thresholds: column("threshold")?.as_primitive_opt()?,
                details: column("detail")?.as_string_opt()?,
                twin_sources: column("twin_source")?.as_primitive_opt()?,
                twin_rows: column("twin_row")?.as_primitive_opt()?,
            })
        };
        columns().ok_or_else(|| other_columns(path))
    }

    pub(super) fn address(&self, row: usize) -> Address {
        Address { source: self.sources.value(row), row: self.rows.value(row) }
    }

    pub(super) fn reason(&self, row: usize) -> &'b str {
        self.reasons.value(row)
    }

    pub(super) fn value(&self, row: usize) -> Option<f64> {
        self.values.is_valid(row).then(|| self.values.value(row))
    }

    pub(super) fn detail(&self, row: usize) -> Option<&'b str> {
        self.details.is_valid(row).then(|| self.details.value(row))
    }

    pub(super) fn dropped(&self, row: usize) -> Dropped {
        let Address { source, row: at } = self.address(row);
        Dropped {
            source,
            row: at,
            reason: self.reason(row).to_owned(),
            value: self.value(row),
            threshold: self.thresholds.is_valid(row).then(|| self.thresholds.value(row)),
            detail: self.detail(row).map(str::to_owned),
            twin_source: self.twin_sources.is_valid(row).then(|| self.twin_sources.value(row)),
            twin_row: self.twin_rows.is_valid(row).then(|| self.twin_rows.value(row)),
        }
    }
}
