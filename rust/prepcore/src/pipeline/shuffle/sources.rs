//! Where the documents of one side of the split came from, as `sources.parquet` tells it.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, RecordBatch, StringArray, UInt64Array};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::record::Record;
use crate::sink::Split;
use crate::{Error, Result};

/// Rows that are read at once.
const ROWS: usize = 1 << 14;

/// Reads the source and the row of each document of one side, in their order.
pub(super) struct SourceRows {
    path: PathBuf,
    split: Split,
    reader: ParquetRecordBatchReader,
    batch: Option<Columns>,
    at: usize,
}

struct Columns {
    splits: StringArray,
    sources: StringArray,
    rows: UInt64Array,
}

impl SourceRows {
    /// Opens a file of sources.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Corrupt`] where it cannot be read.
    pub(super) fn open(path: &Path, split: Split) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::io(path, "open", source))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(ROWS).build())
            .map_err(|error| damaged(path, &error))?;
        Ok(Self { path: path.to_path_buf(), split, reader, batch: None, at: 0 })
    }

    /// Enters the source and the row of the next document.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where there is none: the file has fewer documents than the token files.
    pub(super) fn next(&mut self, record: &mut Record) -> Result<()> {
        if !self.find(record)? {
            let message = format!("{} documents of {}, expected more", record.document, self.split.name());
            return Err(damaged(&self.path, &message));
        }
        Ok(())
    }

    /// The same, where there may be none left.
    pub(super) fn find(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            let Some(columns) = &self.batch else {
                let Some(batch) = self.reader.next() else { return Ok(false) };
                let batch = batch.map_err(|error| damaged(&self.path, &error))?;
                self.batch = Some(
                    Columns::of(&batch)
                        .ok_or_else(|| damaged(&self.path, &"expected the columns split, source and row"))?,
                );
                self.at = 0;
                continue;
            };
            if self.at == columns.splits.len() {
                self.batch = None;
                continue;
            }
            self.at += 1;
            if columns.splits.value(self.at - 1) == self.split.name() {
                record.source.clear();
                record.source.extend_from_slice(columns.sources.value(self.at - 1).as_bytes());
                record.row = columns.rows.value(self.at - 1);
                return Ok(true);
            }
        }
    }
}

impl Columns {
    fn of(batch: &RecordBatch) -> Option<Self> {
        Some(Self {
            splits: batch.column_by_name("split")?.as_string_opt::<i32>()?.clone(),
            sources: batch.column_by_name("source")?.as_string_opt::<i32>()?.clone(),
            rows: batch.column_by_name("row")?.as_primitive_opt::<UInt64Type>()?.clone(),
        })
    }
}

fn damaged(path: &Path, message: &dyn fmt::Display) -> Error {
    Error::corrupt(path, "content", message)
}
