//! Parquet: row groups encoded on any thread, appended in order.

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::add_encoded_arrow_schema_to_metadata;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescPtr};

use super::{AtomicFile, Written};
use crate::{Error, Result};

/// An encoded row group.
pub(crate) struct Chunks {
    columns: Vec<ArrowColumnChunk>,
    rows: usize,
}

/// Encodes batches of one schema.
pub(crate) struct ParquetSink {
    properties: WriterPropertiesPtr,
    parquet_schema: SchemaDescPtr,
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
}

impl ParquetSink {
    /// A sink for batches of the schema `encoded`; readers see the schema `declared`, which may name another
    /// layout for strings. No dictionary is tried for the columns in `plain`, each
    /// named by its path: long texts do not repeat.
    pub(crate) fn new(
        encoded: &SchemaRef,
        declared: &SchemaRef,
        plain: &[&[&str]],
        level: i32,
    ) -> Result<Self> {
        let failed =
            |error: ParquetError| Error::Internal(format!("cannot write these columns as Parquet: {error}"));
        let level = ZstdLevel::try_new(level).map_err(failed)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_statistics_enabled(EnabledStatistics::Chunk);
        for column in plain {
            let path = ColumnPath::new(column.iter().map(|name| (*name).to_owned()).collect());
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        let mut properties = properties.build();
        add_encoded_arrow_schema_to_metadata(declared, &mut properties);
        let properties = Arc::new(properties);
        let parquet_schema = Arc::new(ArrowSchemaConverter::new().convert(encoded).map_err(failed)?);
        // The factory wants a file; what it makes fits every file of this schema and these properties.
        let nowhere =
            SerializedFileWriter::new(io::sink(), parquet_schema.root_schema_ptr(), Arc::clone(&properties))
                .map_err(failed)?;
        let factory = ArrowRowGroupWriterFactory::new(&nowhere, Arc::clone(encoded));
        Ok(Self { properties, parquet_schema, schema: Arc::clone(encoded), factory })
    }

    /// Encodes batches as one row group; none where there are no rows.
    pub(crate) fn encode(&self, batches: &[RecordBatch]) -> Result<Option<Chunks>> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.encode_columns(batches);
        let columns =
            columns.map_err(|error| Error::Internal(format!("cannot encode a row group: {error}")))?;
        Ok(Some(Chunks { columns, rows }))
    }

    fn encode_columns(
        &self,
        batches: &[RecordBatch],
    ) -> std::result::Result<Vec<ArrowColumnChunk>, ParquetError> {
        let mut writers = self.factory.create_column_writers(0)?;
        for batch in batches {
            let mut leaves = writers.iter_mut();
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                for (leaf, writer) in compute_leaves(field, column)?.iter().zip(&mut leaves) {
                    writer.write(leaf)?;
                }
            }
        }
        writers.into_iter().map(parquet::arrow::arrow_writer::ArrowColumnWriter::close).collect()
    }

    /// Starts a file.
    pub(crate) fn start(&self, file: AtomicFile) -> Result<ParquetFile> {
        let path = file.path().to_path_buf();
        let writer = SerializedFileWriter::new(
            file,
            self.parquet_schema.root_schema_ptr(),
            Arc::clone(&self.properties),
        );
        let writer = writer.map_err(|error| Error::io(path, "write", io::Error::other(error)))?;
        Ok(ParquetFile { writer, rows: 0 })
    }
}

/// A file that row groups are appended to.
pub(crate) struct ParquetFile {
    writer: SerializedFileWriter<AtomicFile>,
    rows: u64,
}

impl ParquetFile {
    /// Appends a row group.
    pub(crate) fn append(&mut self, chunks: Option<Chunks>) -> Result<()> {
        let Some(chunks) = chunks else { return Ok(()) };
        self.rows += chunks.rows as u64;
        let appended = (|| {
            let mut group = self.writer.next_row_group()?;
            for column in chunks.columns {
                column.append_to_row_group(&mut group)?;
            }
            group.close()
        })();
        appended.map(|_| ()).map_err(|error| self.failed(error))
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the footer and commits the file.
    pub(crate) fn commit(mut self) -> Result<Written> {
        if let Err(error) = self.writer.flush() {
            return Err(Error::io(self.writer.inner().path(), "write", error));
        }
        let path = self.writer.inner().path().to_path_buf();
        // `into_inner` writes the footer; `finish` before it would fail as "already finished".
        let file = self.writer.into_inner();
        file.map_err(|error| Error::io(path, "write", unwrap(error)))?.commit()
    }

    fn failed(&self, error: ParquetError) -> Error {
        Error::io(self.writer.inner().path(), "write", unwrap(error))
    }
}

/// The operating system's own error where the crate wraps one.
fn unwrap(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    }
}
