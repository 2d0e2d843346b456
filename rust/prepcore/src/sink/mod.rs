//! Writing: an output is whole or absent.

mod atomic;
mod documents;
mod jsonl;
mod parquet;

pub(crate) use atomic::{AtomicFile, Written, check_folder, prepare_folder, write_json};
pub(crate) use documents::{DocumentFile, DocumentSink, Piece, resolve_format};
pub(crate) use jsonl::{JsonlSink, TextCompression};
pub(crate) use parquet::{Chunks, ParquetFile, ParquetSink};
