//! The kept documents, in whichever format was asked for.

use std::path::Path;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;

use super::{AtomicFile, Chunks, JsonlSink, ParquetFile, ParquetSink, TextCompression, Written};
use crate::config::{Clean, Columns, OutputFormat};
use crate::pipeline::ScoreColumns;
use crate::source::{Documents, Kind, Plan};
use crate::{Error, Result};

/// Encodes documents.
pub(crate) enum DocumentSink {
    Parquet(ParquetSink),
    /// Lines of JSONL; `verbatim` copies those of the input.
    Jsonl {
        sink: JsonlSink,
        verbatim: bool,
    },
}

/// Encoded documents.
pub(crate) enum Piece {
    Parquet(Option<Chunks>),
    Lines { bytes: Vec<u8>, rows: u64 },
}

/// A file of documents.
pub(crate) enum DocumentFile {
    Parquet(ParquetFile),
    Lines { file: AtomicFile, sink: JsonlSink, rows: u64 },
}

/// What `--format auto` means for an input.
pub(crate) fn resolve_format(format: OutputFormat, kind: Kind) -> OutputFormat {
    match (format, kind) {
        (OutputFormat::Auto, Kind::Jsonl) => OutputFormat::JsonlZstd,
        (OutputFormat::Auto, _) => OutputFormat::Parquet,
        (format, _) => format,
    }
}

impl DocumentSink {
    /// The sink that a configuration asks for.
    pub(crate) fn new(configuration: &Clean, plan: &Plan, scores: &ScoreColumns) -> Result<Self> {
        let level = configuration.compression_level;
        let compression = match resolve_format(configuration.format, plan.kind) {
            OutputFormat::Auto | OutputFormat::Parquet => {
                let text = plan.schema.field(plan.text_index()).name().as_str();
                let (decoded, declared) =
                    (scores.schema(plan.decoded_schema())?, scores.schema(&plan.schema)?);
                let sink = ParquetSink::new(&decoded, &declared, &[&[text]], level)?;
                return Ok(Self::Parquet(sink));
            }
            OutputFormat::Jsonl => TextCompression::None,
            OutputFormat::JsonlGzip => TextCompression::Gzip,
            OutputFormat::JsonlZstd => TextCompression::Zstd(level),
        };
        let verbatim = plan.kind == Kind::Jsonl;
        if verbatim && configuration.columns != Columns::All {
            return Err(Error::config("--columns", "lines of JSONL are copied whole: all members are kept"));
        }
        Ok(Self::Jsonl { sink: JsonlSink { compression }, verbatim })
    }

    /// The file name's ending.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Self::Parquet(_) => "parquet",
            Self::Jsonl { sink, .. } => sink.suffix(),
        }
    }

    /// Encodes the documents that `keep` marks, unit by unit.
    pub(crate) fn encode(&self, units: &[(&Documents, BooleanArray)]) -> Result<Piece> {
        match self {
            Self::Parquet(sink) => Ok(Piece::Parquet(sink.encode(&filtered(units)?)?)),
            Self::Jsonl { sink, verbatim } => {
                let rows = units.iter().map(|(_, keep)| keep.true_count() as u64).sum();
                let lines = if *verbatim {
                    copied_lines(units)
                } else {
                    let mut lines = Vec::new();
                    for batch in filtered(units)? {
                        JsonlSink::lines(&mut lines, &batch)?;
                    }
                    lines
                };
                let bytes = if lines.is_empty() { lines } else { sink.encode(lines)? };
                Ok(Piece::Lines { bytes, rows })
            }
        }
    }

    /// Starts a file.
    pub(crate) fn start(&self, target: &Path) -> Result<DocumentFile> {
        let file = AtomicFile::create(target.to_path_buf())?;
        Ok(match self {
            Self::Parquet(sink) => DocumentFile::Parquet(sink.start(file)?),
            Self::Jsonl { sink, .. } => DocumentFile::Lines { file, sink: *sink, rows: 0 },
        })
    }
}

impl DocumentFile {
    /// Appends encoded documents.
    pub(crate) fn append(&mut self, piece: Piece) -> Result<()> {
        match (self, piece) {
            (Self::Parquet(file), Piece::Parquet(chunks)) => file.append(chunks),
            (Self::Lines { file, rows, .. }, Piece::Lines { bytes, rows: more }) => {
                *rows += more;
                file.append(&bytes)
            }
            _ => Err(Error::Internal("a piece of one format for a file of another".into())),
        }
    }

    /// Commits the file; also gives the number of documents in it.
    pub(crate) fn commit(self) -> Result<(Written, u64)> {
        match self {
            Self::Parquet(file) => {
                let rows = file.rows();
                Ok((file.commit()?, rows))
            }
            Self::Lines { mut file, sink, rows } => {
                if rows == 0 {
                    // A file of no bytes is no gzip and no Zstandard file.
                    file.append(&sink.encode(Vec::new())?)?;
                }
                Ok((file.commit()?, rows))
            }
        }
    }
}

fn filtered(units: &[(&Documents, BooleanArray)]) -> Result<Vec<RecordBatch>> {
    let batches = units.iter().map(|(documents, keep)| filter_record_batch(&documents.batch, keep));
    batches
        .collect::<std::result::Result<_, ArrowError>>()
        .map_err(|error| Error::Internal(format!("cannot filter a batch: {error}")))
}

fn copied_lines(units: &[(&Documents, BooleanArray)]) -> Vec<u8> {
    let kept = |(documents, keep): &(&Documents, BooleanArray)| -> usize {
        keep.values().set_indices().map(|row| documents.raw.get(row).len() + 1).sum()
    };
    let mut lines = Vec::with_capacity(units.iter().map(kept).sum());
    for (documents, keep) in units {
        for row in keep.values().set_indices() {
            lines.extend_from_slice(documents.raw.get(row));
            lines.push(b'\n');
        }
    }
    lines
}
