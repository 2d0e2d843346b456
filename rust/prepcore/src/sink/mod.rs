//! Writing: an output is whole or absent.

mod atomic;
mod documents;
mod encoded_tokens;
pub(crate) mod fault;
mod jsonl;
mod links;
mod parquet;
mod row_index;
mod rows_parquet;
mod scratch;
mod sources;
mod tokens;

pub(crate) use atomic::{
    AtomicFile, Written, check_apart, check_empty, is_empty, prepare_folder, remove_empty, write_json,
};
pub(crate) use documents::{DocumentFile, DocumentSink, Piece, resolve_format};
pub(crate) use encoded_tokens::EncodedTokens;
pub(crate) use jsonl::{JsonlSink, TextCompression};
pub(crate) use links::link;
pub(crate) use parquet::{Chunks, ParquetFile, ParquetSink};
pub(crate) use row_index::RowIndexFile;
pub(crate) use rows_parquet::{RowSink, RowWriter};
pub(crate) use scratch::{Scratch, WrittenScratch};
pub(crate) use sources::{SourceWriter, Sources, Split};
pub(crate) use tokens::{TokenWidth, TokenWriter};
