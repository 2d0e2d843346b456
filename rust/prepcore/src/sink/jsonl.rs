//! JSONL: raw lines, or batches as JSON objects, compressed piece by piece.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use flate2::write::GzEncoder;

use crate::{Error, Result};

/// How JSONL is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextCompression {
    None,
    Gzip,
    Zstd(i32),
}

/// Encodes lines. Every piece is a gzip member or a Zstandard frame of its own, so pieces are compressed on any
/// thread and simply follow each other in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonlSink {
    pub(crate) compression: TextCompression,
}

impl JsonlSink {
    /// The file name's ending.
    pub(crate) fn suffix(self) -> &'static str {
        match self.compression {
            TextCompression::None => "jsonl",
            TextCompression::Gzip => "jsonl.gz",
            TextCompression::Zstd(_) => "jsonl.zst",
        }
    }

    /// Compresses lines; an empty member or frame where there are none.
    pub(crate) fn encode(self, lines: Vec<u8>) -> Result<Vec<u8>> {
        let encoded = match self.compression {
            TextCompression::None => Ok(lines),
            TextCompression::Zstd(level) => zstd::bulk::compress(&lines, level),
            TextCompression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&lines).and_then(|()| encoder.finish())
            }
        };
        encoded.map_err(|error| Error::Internal(format!("cannot compress lines: {error}")))
    }

    /// A batch's rows as JSON objects, a line each; nulls are written as such.
    pub(crate) fn lines(lines: &mut Vec<u8>, batch: &RecordBatch) -> Result<()> {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(lines);
        writer.write(batch).and_then(|()| writer.finish()).map_err(|error| {
            Error::config("--format", format!("these columns cannot be written as JSON: {error}"))
        })
    }
}
