//! `sources.parquet` of a token folder: where each document came from.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{AtomicFile, ParquetFile, ParquetSink};
use crate::{Error, Result};

/// Rows in a row group.
const ROW_GROUP: usize = 1 << 18;
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

/// Writes a row a document: its number within its side of the split, which side, the source file, the row there.
pub(crate) struct Sources {
    sink: ParquetSink,
    schema: SchemaRef,
    file: ParquetFile,
    waiting: Vec<(Split, Arc<str>, u64)>,
    /// Documents so far, by side.
    training: u64,
    validation: u64,
}

impl Sources {
    pub(crate) fn create(root: &Path) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("document", DataType::UInt64, false),
            Field::new("split", DataType::Utf8, false),
            Field::new("source", DataType::Utf8, false),
            Field::new("row", DataType::UInt64, false),
        ]));
        let sink = ParquetSink::new(&schema, &schema, &[&["document"], &["row"]], LEVEL)?;
        let file = sink.start(AtomicFile::create(root.join("sources.parquet"))?)?;
        Ok(Self { sink, schema, file, waiting: Vec::new(), training: 0, validation: 0 })
    }

    /// Adds the next document in input order.
    pub(crate) fn append(&mut self, split: Split, source: Arc<str>, row: u64) -> Result<()> {
        self.waiting.push((split, source, row));
        if self.waiting.len() == ROW_GROUP { self.write() } else { Ok(()) }
    }

    /// Commits the file.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.write()?;
        self.file.commit().map(|_| ())
    }

    fn write(&mut self) -> Result<()> {
        let documents: UInt64Array = self
            .waiting
            .iter()
            .map(|(split, ..)| {
                let next = match split {
                    Split::Training => &mut self.training,
                    Split::Validation => &mut self.validation,
                };
                *next += 1;
                *next - 1
            })
            .collect::<Vec<_>>()
            .into();
        let splits: StringArray = self.waiting.iter().map(|(split, ..)| Some(split.name())).collect();
        let sources: StringArray = self.waiting.iter().map(|(_, source, _)| Some(&**source)).collect();
        let rows: UInt64Array = self.waiting.iter().map(|(.., row)| *row).collect::<Vec<_>>().into();
        self.waiting.clear();
        let columns: Vec<ArrayRef> =
            vec![Arc::new(documents), Arc::new(splits), Arc::new(sources), Arc::new(rows)];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::Internal(format!("cannot write sources.parquet: {error}")))?;
        self.file.append(self.sink.encode(&[batch])?)
    }
}
