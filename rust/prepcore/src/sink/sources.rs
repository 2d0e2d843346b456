//! `sources.parquet` of a token folder: where each document came from. What each part knows of it is written with the
//! part; documents are numbered when all parts are there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{AtomicFile, ParquetFile, ParquetSink, Written};
use crate::{Error, Result};

/// Rows in a row group.
const ROW_GROUP: usize = 1 << 18;
/// Rows that are read at once, between two looks at signals.
const READ_ROWS: usize = 1 << 16;
/// The Zstandard level: addresses compress well at any.
const LEVEL: i32 = 3;

/// Which side of the split a document is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Training,
    Validation,
}

impl Split {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Training => "train",
            Self::Validation => "validation",
        }
    }
}

/// What is known of a document within its part: which side it is on, the source file, the row there.
fn columns_of_parts() -> Vec<Field> {
    vec![
        Field::new("split", DataType::Utf8, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("row", DataType::UInt64, false),
    ]
}

/// Writes what a part knows: a row a document.
pub(crate) struct SourceWriter {
    sink: ParquetSink,
    schema: SchemaRef,
    file: ParquetFile,
    waiting: Vec<(Split, Arc<str>, u64)>,
}

impl SourceWriter {
    pub(crate) fn create(target: PathBuf) -> Result<Self> {
        let schema = Arc::new(Schema::new(columns_of_parts()));
        let sink = ParquetSink::new(&schema, &schema, &[&["row"]], LEVEL)?;
        let file = sink.start(AtomicFile::create(target)?)?;
        Ok(Self { sink, schema, file, waiting: Vec::new() })
    }

    /// Adds the next document in input order.
    pub(crate) fn append(&mut self, split: Split, source: Arc<str>, row: u64) -> Result<()> {
        self.waiting.push((split, source, row));
        if self.waiting.len() == ROW_GROUP { self.write() } else { Ok(()) }
    }

    /// Commits the file; also gives the number of documents in it.
    pub(crate) fn commit(mut self) -> Result<(Written, u64)> {
        self.write()?;
        let rows = self.file.rows();
        Ok((self.file.commit()?, rows))
    }

    fn write(&mut self) -> Result<()> {
        let splits: StringArray = self.waiting.iter().map(|(split, ..)| Some(split.name())).collect();
        let sources: StringArray = self.waiting.iter().map(|(_, source, _)| Some(&**source)).collect();
        let rows: UInt64Array = self.waiting.iter().map(|(.., row)| *row).collect::<Vec<_>>().into();
        self.waiting.clear();
        let columns: Vec<ArrayRef> = vec![Arc::new(splits), Arc::new(sources), Arc::new(rows)];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)?;
        self.file.append(self.sink.encode(&[batch])?)
    }
}

/// Joins what the parts know and numbers the documents of each side. Row groups are cut by rows alone: how the input
/// was cut into parts does not show.
pub(crate) struct Sources {
    sink: ParquetSink,
    schema: SchemaRef,
    file: ParquetFile,
    waiting: Vec<RecordBatch>,
    rows: usize,
    /// Documents so far, by side.
    training: u64,
    validation: u64,
}

impl Sources {
    pub(crate) fn create(root: &Path) -> Result<Self> {
        let mut fields = vec![Field::new("document", DataType::UInt64, false)];
        fields.extend(columns_of_parts());
        let schema = Arc::new(Schema::new(fields));
        let sink = ParquetSink::new(&schema, &schema, &[&["document"], &["row"]], LEVEL)?;
        let file = sink.start(AtomicFile::create(root.join("sources.parquet"))?)?;
        Ok(Self { sink, schema, file, waiting: Vec::new(), rows: 0, training: 0, validation: 0 })
    }

    /// Adds the documents of the next part, which [`SourceWriter`] wrote.
    pub(crate) fn add(&mut self, part: &Path, mut look: impl FnMut() -> Result<()>) -> Result<()> {
        let file = File::open(part).map_err(|source| Error::io(part, "open", source))?;
        let damaged = |error: &dyn std::fmt::Display| Error::corrupt(part, "content", error);
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
        let batches: ParquetRecordBatchReader =
            builder.with_batch_size(READ_ROWS).build().map_err(|error| damaged(&error))?;
        for batch in batches {
            look()?;
            let mut batch = self.numbered(&batch.map_err(|error| damaged(&error))?)?;
            while self.rows + batch.num_rows() >= ROW_GROUP {
                let fitting = ROW_GROUP - self.rows;
                self.waiting.push(batch.slice(0, fitting));
                batch = batch.slice(fitting, batch.num_rows() - fitting);
                self.write()?;
            }
            self.rows += batch.num_rows();
            self.waiting.push(batch);
        }
        Ok(())
    }

    /// Commits the file; gives the number of documents in it.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.write()?;
        let rows = self.file.rows();
        self.file.commit().map(|_| rows)
    }

    fn numbered(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let number = |split: Option<&str>| {
            let held_out = split == Some(Split::Validation.name());
            let next = if held_out { &mut self.validation } else { &mut self.training };
            *next += 1;
            *next - 1
        };
        let splits = batch.column(0).as_string_opt::<i32>();
        let splits = splits.ok_or_else(|| Error::Internal("a side of the split is not text".into()))?;
        let documents: UInt64Array = splits.iter().map(number).collect::<Vec<_>>().into();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(documents)];
        columns.extend(batch.columns().iter().cloned());
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)
    }

    fn write(&mut self) -> Result<()> {
        // One batch: where batches end shows in the pages of a row group.
        let batch = concat_batches(&self.schema, &self.waiting).map_err(failed)?;
        self.waiting.clear();
        self.rows = 0;
        self.file.append(self.sink.encode(&[batch])?)
    }
}

fn failed(error: ArrowError) -> Error {
    Error::Internal(format!("cannot write sources.parquet: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn how_documents_were_cut_into_parts_does_not_show() {
        let folder = tempfile::tempdir().unwrap();
        let total = 2 * ROW_GROUP + 1000;
        let names: [Arc<str>; 2] = ["a".into(), "b".into()];
        let mut written = Vec::new();
        for cuts in [vec![], vec![0, 5, READ_ROWS + 3], vec![ROW_GROUP, ROW_GROUP + 1, total]] {
            let root = folder.path().join(cuts.len().to_string());
            fs::create_dir(&root).unwrap();
            let mut sources = Sources::create(&root).unwrap();
            let starts = std::iter::once(0).chain(cuts.clone());
            for (start, end) in starts.zip(cuts.iter().copied().chain([total])) {
                let path = root.join(start.to_string());
                let mut part = SourceWriter::create(path.clone()).unwrap();
                for row in start..end {
                    let split = if row % 7 == 3 { Split::Validation } else { Split::Training };
                    part.append(split, Arc::clone(&names[row * 2 / total]), row as u64).unwrap();
                }
                assert_eq!(part.commit().unwrap().1, (end - start) as u64);
                sources.add(&path, || Ok(())).unwrap();
            }
            assert_eq!(sources.finish().unwrap(), total as u64);
            written.push(fs::read(root.join("sources.parquet")).unwrap());
        }
        assert!(written.windows(2).all(|pair| pair[0] == pair[1]));
        let path = folder.path().join("0/sources.parquet");
        let reader = ParquetRecordBatchReader::try_new(File::open(path).unwrap(), total).unwrap();
        let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
        let last = batches.last().unwrap();
        let numbers = last.column(0).as_primitive::<arrow_array::types::UInt64Type>();
        let held_out = (0..total as u64).filter(|row| row % 7 == 3).count() as u64;
        let is_held_out = (total - 1) % 7 == 3;
        let wanted = if is_held_out { held_out } else { total as u64 - held_out } - 1;
        assert_eq!(numbers.values().last(), Some(&wanted));
    }
}
