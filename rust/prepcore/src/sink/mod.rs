//! Writing: an output is whole or absent.

mod atomic;
mod documents;
pub(crate) mod fault;
mod jsonl;
mod parquet;
mod rows_parquet;
mod sources;
mod tokens;

pub(crate) use atomic::{
    AtomicFile, Written, check_apart, check_empty, prepare_folder, remove_empty, write_json,
};
pub(crate) use documents::{DocumentFile, DocumentSink, Piece, resolve_format};
pub(crate) use jsonl::{JsonlSink, TextCompression};
pub(crate) use parquet::{Chunks, ParquetFile, ParquetSink};
pub(crate) use rows_parquet::{RowSink, RowWriter};
pub(crate) use sources::{SourceWriter, Sources, Split};
pub(crate) use tokens::{TokenWidth, TokenWriter};
