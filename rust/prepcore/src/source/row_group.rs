//! A Parquet row group, batch by batch: fast while it can be decoded, and exactly where it cannot.
//!
//! Decoding fails a batch at a time, and one row whose text is not UTF-8 is enough for that. The rows behind those
//! that were given out are then read once more, value by value, so that the bad row alone is lost.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, RowSelection, RowSelector,
};
use parquet::arrow::parquet_to_arrow_field_levels;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;

use super::pages::Group;
use super::regroup::{Lost, Rows};
use super::strings::StringChecks;
use crate::guard::decoded;
use crate::{Error, Result};

/// Rows that are read at once, at the most, where each text is looked at alone. Rows before a damaged page are lost
/// with it when they are read together with its first.
const EXACT_ROWS: usize = 64;

/// A row group and how it is to be read.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) metadata: ArrowReaderMetadata,
    pub(crate) group: usize,
    /// Rows of it by the footer.
    pub(crate) rows: u64,
    pub(crate) batch_rows: usize,
    /// The kept columns' numbers in the file.
    pub(crate) columns: Vec<usize>,
    /// The kept columns as they are handed on.
    pub(crate) wanted: SchemaRef,
    /// The name of the text column.
    pub(crate) text: String,
    /// Whether rows that cannot be read are counted; else they end the run.
    pub(crate) skip_corrupt: bool,
}

/// The batches of a row group.
pub(crate) struct RowGroup {
    source: Source,
    strings: StringChecks,
    /// Rows given out so far.
    given: u64,
    state: State,
}

enum State {
    Fast(Box<ParquetRecordBatchReader>),
    /// The fast reader failed; the exact one says what is wrong, if anything is.
    Unknown,
    Exact(Box<Exact>),
    End,
}

impl RowGroup {
    /// Opens a row group.
    pub(crate) fn open(source: Source) -> Self {
        let strings = StringChecks::new(source.metadata.parquet_schema());
        let mut opened = Self { source, strings, given: 0, state: State::End };
        let source = &opened.source;
        opened.state = match decoded(|| source.batches(None, source.batch_rows, 0)) {
            Ok(reader) => State::Fast(Box::new(reader)),
            Err(_) => State::Unknown,
        };
        opened
    }

    /// The next rows; `None` at the end.
    fn read(&mut self) -> std::result::Result<Option<Rows>, String> {
        let source = &self.source;
        if let State::Fast(reader) = &mut self.state {
            let next = || reader.next().map(|batch| in_order(&batch?, &source.wanted)).transpose();
            let batch = decoded(next).and_then(|batch| match batch {
                Some(batch) => self.strings.check(&batch).map(|()| Some(batch)),
                None => Ok(None),
            });
            match batch {
                Ok(batch) => return Ok(batch.map(Rows::from)),
                Err(_) => self.state = State::Unknown,
            }
        }
        if let State::Unknown = self.state {
            self.state = State::Exact(Box::new(Exact::open(source, self.given)?));
        }
        match &mut self.state {
            State::Exact(exact) => exact.read(source, &self.strings),
            State::Fast(_) | State::Unknown | State::End => Ok(None),
        }
    }
}

impl Iterator for RowGroup {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::End) {
            return None;
        }
        let expected = self.source.rows;
        let error = match self.read() {
            Ok(Some(rows)) if self.given + rows.batch.num_rows() as u64 <= expected => {
                self.given += rows.batch.num_rows() as u64;
                return Some(Ok(rows));
            }
            Ok(Some(_)) => format!("it holds more than the {expected} rows that the footer says"),
            Ok(None) if self.given == expected => {
                self.state = State::End;
                return None;
            }
            Ok(None) => format!("it ends after {} of the {expected} rows that the footer says", self.given),
            Err(error) => error,
        };
        self.state = State::End;
        if !self.source.skip_corrupt {
            return Some(Err(self.source.corrupt(&error)));
        }
        let error = format!("row group {}: {error}", self.source.group);
        let lost = Lost { rows: expected - self.given, error };
        let batch = RecordBatch::new_empty(Arc::clone(&self.source.wanted));
        (lost.rows > 0).then(|| Ok(Rows { batch, faults: Vec::new(), lost: Some(lost) }))
    }
}

impl Source {
    fn corrupt(&self, error: &str) -> Error {
        Error::corrupt(&self.path, format!("row group {}", self.group), error)
    }

    fn pages(&self) -> std::result::Result<Group, ParquetError> {
        let file = File::open(&self.path).map_err(|error| ParquetError::External(Box::new(error)))?;
        let metadata = Arc::clone(self.metadata.metadata());
        Ok(Group { file: Arc::new(file), metadata, number: self.group })
    }

    /// The rows from `offset` on, of all kept columns or of all but one.
    fn batches(
        &self,
        without: Option<usize>,
        rows: usize,
        offset: u64,
    ) -> std::result::Result<ParquetRecordBatchReader, ParquetError> {
        let columns = self.columns.iter().copied().filter(|column| Some(*column) != without);
        let schema = self.metadata.parquet_schema();
        let mask = ProjectionMask::roots(schema, columns);
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(self.metadata.schema().fields()))?;
        let (skipped, left) = (offset as usize, self.rows.saturating_sub(offset) as usize);
        let from_offset = || RowSelection::from(vec![RowSelector::skip(skipped), RowSelector::select(left)]);
        let selection = (offset > 0).then(from_offset);
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &self.pages()?, rows, selection)
    }

    /// The values of the text column, and how deep they are defined; and the column's number in the file.
    fn texts(&self) -> std::result::Result<(ColumnReaderImpl<ByteArrayType>, i16, usize), ParquetError> {
        let schema = self.metadata.parquet_schema();
        let is_text =
            |leaf: usize| matches!(schema.column(leaf).path().parts(), [name] if *name == self.text);
        let missing = || ParquetError::General(format!("there is no column {:?} of bytes", self.text));
        let leaf = (0..schema.num_columns()).find(|leaf| is_text(*leaf)).ok_or_else(missing)?;
        let pages = self.pages()?.pages(leaf)?;
        let column = schema.column(leaf);
        let depth = column.max_def_level();
        match get_column_reader(column, Box::new(pages)) {
            ColumnReader::ByteArrayColumnReader(reader) => {
                Ok((reader, depth, schema.get_column_root_idx(leaf)))
            }
            _ => Err(missing()),
        }
    }
}

/// Reads each text alone, and the other columns beside them.
struct Exact {
    texts: ColumnReaderImpl<ByteArrayType>,
    /// The definition level of a text that is not null.
    depth: i16,
    others: Option<ParquetRecordBatchReader>,
    /// Rows that are read at once.
    rows: usize,
}

impl Exact {
    fn open(source: &Source, offset: u64) -> std::result::Result<Self, String> {
        decoded(|| {
            let (mut texts, depth, column) = source.texts()?;
            texts.skip_records(offset as usize)?;
            let rows = EXACT_ROWS.min(source.batch_rows);
            let others = match source.columns.len() {
                1 => None,
                _ => Some(source.batches(Some(column), rows, offset)?),
            };
            Ok::<_, ParquetError>(Self { texts, depth, others, rows })
        })
    }

    fn read(&mut self, source: &Source, strings: &StringChecks) -> std::result::Result<Option<Rows>, String> {
        let (text, faults, rows) = decoded(|| self.read_texts())?;
        let others = match &mut self.others {
            Some(others) => decoded(|| others.next().transpose())?,
            None => None,
        };
        let beside = others.as_ref().map_or(0, RecordBatch::num_rows);
        if self.others.is_some() && beside != rows {
            return Err("its columns do not hold the same number of rows".to_owned());
        }
        if rows == 0 {
            return Ok(None);
        }
        if let Some(others) = &others {
            strings.check(others)?;
        }
        let columns = source.wanted.fields().iter().map(|field| match &others {
            Some(others) if *field.name() != source.text => {
                others.schema_ref().index_of(field.name()).map(|at| Arc::clone(others.column(at)))
            }
            _ => Ok(Arc::clone(&text)),
        });
        let columns = columns.collect::<std::result::Result<_, _>>().map_err(|error| error.to_string())?;
        let batch =
            RecordBatch::try_new(Arc::clone(&source.wanted), columns).map_err(|error| error.to_string())?;
        Ok(Some(Rows { batch, faults, lost: None }))
    }

    /// The next texts, those that are none as empty ones; and why they are none.
    #[allow(
        clippy::type_complexity,
        reason = "three results that belong together and are taken apart at once"
    )]
    fn read_texts(&mut self) -> std::result::Result<(ArrayRef, Vec<(usize, String)>, usize), ParquetError> {
        let (mut values, mut levels): (Vec<ByteArray>, Vec<i16>) = (Vec::new(), Vec::new());
        let (rows, ..) = self.texts.read_records(self.rows, Some(&mut levels), None, &mut values)?;
        let mut texts = StringViewBuilder::with_capacity(rows);
        let mut faults = Vec::new();
        let mut values = values.iter();
        for row in 0..rows {
            let is_null = self.depth > 0 && levels.get(row) != Some(&self.depth);
            let value = if is_null { None } else { values.next() };
            match value.map(|value| simdutf8::compat::from_utf8(value.data())) {
                None => texts.append_null(),
                Some(Ok(text)) => texts.append_value(text),
                Some(Err(error)) => {
                    faults.push((row, format!("the text is not valid UTF-8 (byte {})", error.valid_up_to())));
                    texts.append_value("");
                }
            }
        }
        Ok((Arc::new(texts.finish()), faults, rows))
    }
}

/// A batch's columns in the order of `wanted`.
fn in_order(batch: &RecordBatch, wanted: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = wanted
        .fields()
        .iter()
        .map(|field| batch.schema_ref().index_of(field.name()).map(|index| Arc::clone(batch.column(index))))
        .collect::<std::result::Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(wanted), columns)
}

#[cfg(test)]
mod tests;
