//! Rows of tokens as Parquet: a column `input_ids` with a list of ids a row, as `datasets` reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::{AtomicFile, Chunks, ParquetFile, ParquetSink};
use crate::pack::{Concatenate, Side, TokenBatch, TokenFile};
use crate::{Error, Result};

/// Ids in a row group: 16 MiB of them before encoding.
const ROW_GROUP_IDS: usize = 1 << 22;
/// The Zstandard level: ids compress little, so more effort gains nothing.
const LEVEL: i32 = 3;

/// Encodes rows of one length.
pub(crate) struct RowSink {
    length: usize,
    sink: ParquetSink,
    item: FieldRef,
    schema: SchemaRef,
}

impl RowSink {
    /// Ids are written as `int32`: what Arrow libraries and PyTorch take without a copy, and wide enough.
    pub(crate) fn new(sequence_length: usize) -> Result<Self> {
        let item = Arc::new(Field::new("element", DataType::Int32, false));
        let list = Field::new("input_ids", DataType::List(Arc::clone(&item)), false);
        let schema = Arc::new(Schema::new(vec![list]));
        let sink = ParquetSink::new(&schema, &schema, &[&["input_ids", "list", "element"]], LEVEL)?;
        Ok(Self { length: sequence_length, sink, item, schema })
    }

    /// Encodes whole rows as one row group.
    fn encode(&self, ids: Vec<u32>) -> Result<Option<Chunks>> {
        let failed = |error| Error::Internal(format!("cannot write rows of tokens: {error}"));
        let rows = ids.len() / self.length;
        let ids: Int32Array = ids.into_iter().map(u32::cast_signed).collect::<Vec<_>>().into();
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(self.length, rows));
        let list =
            ListArray::try_new(Arc::clone(&self.item), offsets, Arc::new(ids), None).map_err(failed)?;
        let column: ArrayRef = Arc::new(list);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![column]).map_err(failed)?;
        self.sink.encode(&[batch])
    }
}

/// Writes one side of the split of a part: a Parquet file, where rows are completed in it.
pub(crate) struct RowWriter {
    sink: Arc<RowSink>,
    root: PathBuf,
    /// Relative to the root.
    name: String,
    side: Side,
    packer: Concatenate,
    /// Whole rows that wait for their row group.
    waiting: Vec<u32>,
    open: Option<ParquetFile>,
}

impl RowWriter {
    /// A file of this name, relative to a folder; it is made with its first row, which begins with `rest`.
    pub(crate) fn new(sink: &Arc<RowSink>, root: &Path, name: String, rest: Vec<u32>) -> Self {
        let packer = Concatenate::after(sink.length, rest);
        let (sink, root, side) = (Arc::clone(sink), root.to_path_buf(), Side::default());
        Self { sink, root, name, side, packer, waiting: Vec::new(), open: None }
    }

    /// Appends documents.
    pub(crate) fn append(&mut self, batch: &TokenBatch) -> Result<()> {
        self.side.add(batch);
        self.packer.push(batch, |ids| {
            self.waiting.extend_from_slice(ids);
            Ok::<_, Error>(())
        })?;
        let group = (ROW_GROUP_IDS / self.sink.length).max(1) * self.sink.length;
        while self.waiting.len() >= group {
            let rest = self.waiting.split_off(group);
            let ids = std::mem::replace(&mut self.waiting, rest);
            self.write(ids)?;
        }
        Ok(())
    }

    /// Commits the file; gives the tokens that no row came of.
    pub(crate) fn commit(mut self) -> Result<(Side, Vec<u32>)> {
        let ids = std::mem::take(&mut self.waiting);
        if !ids.is_empty() {
            self.write(ids)?;
        }
        let cut = self.packer.ledger().rows;
        let rows = self.open.as_ref().map_or(0, ParquetFile::rows);
        if rows != cut {
            return Err(Error::Internal(format!("{}: {cut} rows were cut, {rows} written", self.name)));
        }
        if let Some(file) = self.open {
            let written = file.commit()?;
            self.side.file = Some(TokenFile {
                path: self.name,
                tokens: rows * self.sink.length as u64,
                documents: None,
                rows: Some(rows),
                bytes: written.bytes,
                checksum: written.checksum,
            });
        }
        Ok((self.side, self.packer.into_rest()))
    }

    fn write(&mut self, ids: Vec<u32>) -> Result<()> {
        let file = match self.open.take() {
            Some(file) => file,
            None => {
                let path = self.root.join(&self.name);
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
                }
                self.sink.sink.start(AtomicFile::create(path)?)?
            }
        };
        self.open.insert(file).append(self.sink.encode(ids)?)
    }
}
