//! Rows of tokens as Parquet: a column `input_ids` with a list of ids a row, as `datasets` reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::{AtomicFile, ParquetFile, ParquetSink};
use crate::pack::{Concatenate, Ledger, TokenBatch, TokenFile};
use crate::source::Part;
use crate::{Error, Result};

/// Ids in a row group: 16 MiB of them before encoding.
const ROW_GROUP_IDS: usize = 1 << 22;
/// The Zstandard level: ids compress little, so more effort gains nothing.
const LEVEL: i32 = 3;

/// Writes one side of the split: a Parquet file a part in which rows were completed.
pub(crate) struct RowFolder {
    root: PathBuf,
    prefix: &'static str,
    length: usize,
    sink: ParquetSink,
    item: FieldRef,
    schema: SchemaRef,
    packer: Concatenate,
    /// Whole rows that wait for their row group.
    waiting: Vec<u32>,
    open: Option<(Part, String, ParquetFile)>,
    files: Vec<TokenFile>,
}

impl RowFolder {
    /// Ids are written as `int32`: what Arrow libraries and PyTorch take without a copy, and wide enough.
    pub(crate) fn new(root: &Path, prefix: &'static str, sequence_length: usize) -> Result<Self> {
        let item = Arc::new(Field::new("element", DataType::Int32, false));
        let list = Field::new("input_ids", DataType::List(Arc::clone(&item)), false);
        let schema = Arc::new(Schema::new(vec![list]));
        Ok(Self {
            root: root.to_path_buf(),
            prefix,
            length: sequence_length,
            sink: ParquetSink::new(&schema, &schema, &[&["input_ids", "list", "element"]], LEVEL)?,
            item,
            schema,
            packer: Concatenate::new(sequence_length),
            waiting: Vec::new(),
            open: None,
            files: Vec::new(),
        })
    }

    /// Appends documents of a part. Parts come in order; the one before is committed.
    pub(crate) fn append(&mut self, part: Part, batch: &TokenBatch) -> Result<()> {
        if self.open.as_ref().is_some_and(|(open, ..)| *open != part) {
            self.close()?;
        }
        let mut rows = Vec::new();
        self.packer.push(batch, |ids| {
            rows.extend_from_slice(ids);
            Ok::<_, Error>(())
        })?;
        if rows.is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            let name = format!("{}{}.parquet", self.prefix, part.stem("part"));
            let path = self.root.join(&name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
            }
            self.open = Some((part, name, self.sink.start(AtomicFile::create(path)?)?));
        }
        self.waiting.append(&mut rows);
        let group = (ROW_GROUP_IDS / self.length).max(1) * self.length;
        while self.waiting.len() >= group {
            let rest = self.waiting.split_off(group);
            let ids = std::mem::replace(&mut self.waiting, rest);
            self.write(ids)?;
        }
        Ok(())
    }

    /// Commits the last file; gives the account and all files.
    pub(crate) fn finish(mut self) -> Result<(Ledger, Vec<TokenFile>)> {
        self.close()?;
        let (ledger, written) =
            (self.packer.ledger(), self.files.iter().filter_map(|file| file.rows).sum::<u64>());
        if written != ledger.rows {
            return Err(Error::Internal(format!("{} rows were cut, {written} written", ledger.rows)));
        }
        Ok((ledger, self.files))
    }

    fn write(&mut self, ids: Vec<u32>) -> Result<()> {
        let Some((.., file)) = &mut self.open else { return Ok(()) };
        let failed = |error| Error::Internal(format!("cannot write rows of tokens: {error}"));
        let rows = ids.len() / self.length;
        let ids: Int32Array = ids.into_iter().map(u32::cast_signed).collect::<Vec<_>>().into();
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(self.length, rows));
        let list =
            ListArray::try_new(Arc::clone(&self.item), offsets, Arc::new(ids), None).map_err(failed)?;
        let column: ArrayRef = Arc::new(list);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![column]).map_err(failed)?;
        file.append(self.sink.encode(&[batch])?)
    }

    fn close(&mut self) -> Result<()> {
        let ids = std::mem::take(&mut self.waiting);
        self.write(ids)?;
        let Some((_, path, file)) = self.open.take() else { return Ok(()) };
        let rows = file.rows();
        let written = file.commit()?;
        self.files.push(TokenFile {
            path,
            tokens: rows * self.length as u64,
            documents: None,
            rows: Some(rows),
            bytes: written.bytes,
            checksum: written.checksum,
        });
        Ok(())
    }
}
