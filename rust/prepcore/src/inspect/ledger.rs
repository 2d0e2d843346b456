//! The ledger of dropped documents, read back in bounded pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::file::statistics::Statistics;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{manifest, spread};
use crate::guard::decoded;
use crate::manifest::{FileRecord, PartRecord};
use crate::source::Address;
use crate::{Error, Result};

/// The columns that are read: all but the documents of `--keep-dropped`.
const COLUMNS: [&str; 8] =
    ["source", "row", "reason", "value", "threshold", "detail", "twin_source", "twin_row"];
/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8192;
/// Different details of one reason that are counted apart.
const MOST_DETAILS: usize = 1000;

/// How much of the ledger is read, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// Parts at the most, spread evenly; and for each reason one that holds it.
    pub parts: usize,
    /// Rows at the most, shared evenly by those parts; each gives whole row groups that are spread evenly in it.
    pub rows: u64,
    /// Values at the most of each reason, spread evenly over the rows that are read.
    pub values: usize,
    /// Examples at the most of each reason.
    pub examples: usize,
    /// The seed by which examples are drawn evenly from the rows that are read; none for the first ones.
    pub seed: Option<u64>,
    /// The only reason that is looked for; none for all.
    pub reason: Option<String>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { parts: 32, rows: 1 << 20, values: 4096, examples: 3, seed: None, reason: None }
    }
}

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

/// What was read of one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfReason {
    /// Rows that were read.
    pub rows: u64,
    /// Values among them.
    pub values: Vec<f64>,
    /// How often each detail occurs among the rows that were read.
    pub details: BTreeMap<String, u64>,
    /// Some of the documents.
    pub examples: Vec<Dropped>,
    #[serde(skip)]
    stride: Stride,
    #[serde(skip)]
    drawn: Vec<(u64, Dropped)>,
}

/// Thins a list out evenly while it grows: every second one goes whenever there are too many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Stride {
    seen: u64,
    doublings: u32,
}

/// What was read of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// Parts that dropped documents.
    pub parts: usize,
    /// Parts that were read.
    pub parts_read: usize,
    /// Rows of the whole ledger.
    pub rows: u64,
    /// Rows that were read.
    pub rows_read: u64,
    /// By reason, only those that were met.
    pub reasons: BTreeMap<String, OfReason>,
}

/// Reads some of a folder's ledger.
///
/// # Errors
/// [`Error::Input`] for a folder that is not a finished one, [`Error::Corrupt`] and [`Error::Io`] for a ledger that
/// cannot be read.
pub fn ledger(folder: &Path, reading: &Reading) -> Result<Ledger> {
    let manifest = manifest(folder)?;
    let holds = |part: &&PartRecord| match &reading.reason {
        Some(reason) => part.counts.dropped.get(reason).is_some_and(|count| *count > 0),
        None => part.dropped.rows > 0,
    };
    let parts: Vec<&PartRecord> = manifest.parts.iter().filter(holds).collect();
    let mut chosen: BTreeSet<usize> = spread(parts.len(), reading.parts).collect();
    for reason in manifest.counts.dropped.keys().filter(|_| reading.reason.is_none()) {
        let holds = |place: &usize| parts[*place].counts.dropped.get(reason).is_some_and(|count| *count > 0);
        if !chosen.iter().any(holds) {
            chosen.extend((0..parts.len()).find(|place| holds(place)));
        }
    }
    let mut read = Ledger {
        parts: parts.len(),
        parts_read: chosen.len(),
        rows: parts.iter().map(|part| part.dropped.rows).sum(),
        rows_read: 0,
        reasons: BTreeMap::new(),
    };
    let share = reading.rows / chosen.len().max(1) as u64;
    for place in chosen {
        read_part(&folder.join(&parts[place].dropped.path), share, reading, &mut read)?;
    }
    for of_reason in read.reasons.values_mut() {
        let mut drawn = std::mem::take(&mut of_reason.drawn);
        if reading.seed.is_some() {
            draw_fewest(&mut drawn, reading.examples);
            drawn.sort_by_key(|(_, dropped)| (dropped.source, dropped.row));
        }
        of_reason.examples = drawn.into_iter().map(|(_, dropped)| dropped).collect();
    }
    Ok(read)
}

fn read_part(path: &Path, most_rows: u64, reading: &Reading, read: &mut Ledger) -> Result<()> {
    let builder = open(path)?;
    let groups = builder.metadata().row_groups();
    let total: u64 = groups.iter().map(|group| group.num_rows().unsigned_abs()).sum();
    let most = (groups.len() as u64 * most_rows).checked_div(total).unwrap_or(0).max(1);
    let chosen: Vec<usize> = spread(groups.len(), usize::try_from(most).unwrap_or(usize::MAX)).collect();
    let mut left = most_rows.max(BATCH_ROWS as u64);
    let corrupt = |error: String| Error::corrupt(path, "rows", error);
    let mut batches = decoded(|| builder.with_row_groups(chosen).build()).map_err(corrupt)?;
    while left > 0
        && let Some(batch) = decoded(|| batches.next().transpose()).map_err(corrupt)?
    {
        left = left.saturating_sub(batch.num_rows() as u64);
        read.rows_read += batch.num_rows() as u64;
        let rows = Rows::new(path, &batch)?;
        for row in 0..batch.num_rows() {
            let reason = rows.reason(row);
            if reading.reason.as_deref().is_none_or(|wanted| wanted == reason) {
                if !read.reasons.contains_key(reason) {
                    read.reasons.insert(reason.to_owned(), OfReason::default());
                }
                if let Some(of_reason) = read.reasons.get_mut(reason) {
                    of_reason.take(&rows, row, reading);
                }
            }
        }
    }
    Ok(())
}

impl OfReason {
    fn take(&mut self, rows: &Rows<'_>, row: usize, reading: &Reading) {
        self.rows += 1;
        if let Some(value) = rows.value(row) {
            self.stride.push(&mut self.values, value, reading.values);
        }
        if let Some(detail) = rows.detail(row) {
            if let Some(count) = self.details.get_mut(detail) {
                *count += 1;
            } else if self.details.len() < MOST_DETAILS {
                self.details.insert(detail.to_owned(), 1);
            }
        }
        let Some(seed) = reading.seed else {
            if self.drawn.len() < reading.examples {
                self.drawn.push((0, rows.dropped(row)));
            }
            return;
        };
        let Address { source, row: at } = rows.address(row);
        let hash = xxh3_64_with_seed(&[u64::from(source).to_le_bytes(), at.to_le_bytes()].concat(), seed);
        self.drawn.push((hash, rows.dropped(row)));
        if self.drawn.len() >= 2 * reading.examples.max(512) {
            draw_fewest(&mut self.drawn, reading.examples);
        }
    }
}

/// Keeps the rows with the smallest hashes: a sample in which each row is as likely as any other.
fn draw_fewest(drawn: &mut Vec<(u64, Dropped)>, count: usize) {
    drawn.sort_by_key(|(hash, dropped)| (*hash, dropped.source, dropped.row));
    drawn.truncate(count);
}

impl Stride {
    fn push(&mut self, values: &mut Vec<f64>, value: f64, most: usize) {
        if self.seen.is_multiple_of(1 << self.doublings) {
            values.push(value);
        }
        self.seen += 1;
        if values.len() > most.max(1) {
            let mut place = 0;
            values.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.doublings += 1;
        }
    }
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

pub(super) type Addresses<'b> =
    (&'b arrow_array::PrimitiveArray<UInt32Type>, &'b arrow_array::PrimitiveArray<UInt64Type>);

pub(super) fn addresses<'b>(path: &Path, batch: &'b RecordBatch) -> Result<Addresses<'b>> {
    let column = |name: &str| batch.column_by_name(name);
    let found = column("source").and_then(|column| column.as_primitive_opt());
    found.zip(column("row").and_then(|column| column.as_primitive_opt())).ok_or_else(|| other_columns(path))
}

fn other_columns(path: &Path) -> Error {
    Error::corrupt(path, "columns", format!("expected those of a ledger: {}", COLUMNS.join(", ")))
}

/// The columns of a batch of the ledger.
struct Rows<'b> {
    sources: &'b arrow_array::PrimitiveArray<UInt32Type>,
    rows: &'b arrow_array::PrimitiveArray<UInt64Type>,
    reasons: &'b arrow_array::StringArray,
    values: &'b arrow_array::PrimitiveArray<Float64Type>,
    thresholds: &'b arrow_array::PrimitiveArray<Float64Type>,
    details: &'b arrow_array::StringArray,
    twin_sources: &'b arrow_array::PrimitiveArray<UInt32Type>,
    twin_rows: &'b arrow_array::PrimitiveArray<UInt64Type>,
}

impl<'b> Rows<'b> {
    fn new(path: &Path, batch: &'b RecordBatch) -> Result<Self> {
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

    fn address(&self, row: usize) -> Address {
        Address { source: self.sources.value(row), row: self.rows.value(row) }
    }

    fn reason(&self, row: usize) -> &'b str {
        self.reasons.value(row)
    }

    fn value(&self, row: usize) -> Option<f64> {
        self.values.is_valid(row).then(|| self.values.value(row))
    }

    fn detail(&self, row: usize) -> Option<&'b str> {
        self.details.is_valid(row).then(|| self.details.value(row))
    }

    fn dropped(&self, row: usize) -> Dropped {
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
