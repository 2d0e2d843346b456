//! The tokens of a part on disk: both sides of the split, and where the documents came from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::encoding::Encoded;
use crate::config::{DocumentOrder, Pack, TokenFormat};
use crate::manifest::FileRecord;
use crate::pack::{Side, TokenBatch, TokenPart};
use crate::resume::{Finished, RunFolder};
use crate::sink::{AtomicFile, RowSink, RowWriter, SourceWriter, TokenWidth, TokenWriter, Written};
use crate::source::{Address, SourceFile, UnreadableLine};
use crate::{Error, Result};

/// The subfolder of the documents held out.
pub(crate) const VALIDATION: &str = "validation/";

/// Where the training documents wait that are yet to be shuffled.
const INPUT_ORDER: &str = ".unfinished/input-order/";

/// How the tokens of a run are written.
pub(crate) struct TokenSink {
    width: TokenWidth,
    /// The subfolder of the training side.
    training: &'static str,
    /// Cuts rows; none for token files, which readers cut.
    rows: Option<Arc<RowSink>>,
}

impl TokenSink {
    pub(crate) fn new(configuration: &Pack, vocabulary_size: usize) -> Result<Self> {
        let rows = match configuration.format {
            TokenFormat::Tokens => None,
            TokenFormat::Parquet => Some(Arc::new(RowSink::new(configuration.sequence_length as usize)?)),
        };
        let training = match configuration.order {
            DocumentOrder::Input => "",
            DocumentOrder::Shuffled => INPUT_ORDER,
        };
        Ok(Self { width: TokenWidth::of_vocabulary(vocabulary_size), training, rows })
    }
}

/// Tokens of each side that wait for the rest of their row, from part to part; none for token files.
#[derive(Default)]
pub(crate) struct Rests {
    training: Vec<u32>,
    validation: Vec<u32>,
}

impl Rests {
    /// What a finished part has left.
    pub(crate) fn after(finished: Option<&Finished>, out: &Path) -> Result<Self> {
        let Some(finished) = finished else { return Ok(Self::default()) };
        let part = finished.packed()?;
        let (training, validation) = (read_rest(&part.training, out)?, read_rest(&part.validation, out)?);
        Ok(Self { training, validation })
    }
}

fn read_rest(side: &Side, out: &Path) -> Result<Vec<u32>> {
    let Some(rest) = &side.rest else { return Ok(Vec::new()) };
    let path = out.join(&rest.path);
    let bytes = fs::read(&path).map_err(|source| Error::io(&path, "read", source))?;
    Ok(bytes.chunks_exact(4).map(|id| u32::from_le_bytes(id.try_into().unwrap_or_default())).collect())
}

/// The open files of a part.
pub(crate) struct OpenTokens {
    training: SideWriter,
    validation: SideWriter,
    sources: SourceWriter,
    sources_path: PathBuf,
    /// Made when the first document comes that could not be read or encoded; most parts have none.
    unreadable: Option<AtomicFile>,
    unreadable_path: PathBuf,
    unreadable_rows: u64,
    stem: String,
}

impl OpenTokens {
    /// Begins a part whose files have names like `PREFIX-00003`, which `stem` makes of a prefix.
    pub(crate) fn create(
        sink: &TokenSink,
        run: &RunFolder,
        stem: impl Fn(&str) -> String,
        rests: Rests,
    ) -> Result<Self> {
        let out = run.out();
        let sources_path = run.path(&format!("sources/{}.parquet", stem("part")));
        Ok(Self {
            training: SideWriter::new(sink, out, sink.training, &stem, rests.training),
            validation: SideWriter::new(sink, out, VALIDATION, &stem, rests.validation),
            sources: SourceWriter::create(sources_path.clone())?,
            sources_path,
            unreadable: None,
            unreadable_path: run.path(&format!("not-packed/{}.jsonl", stem("part"))),
            unreadable_rows: 0,
            stem: stem("part"),
        })
    }

    /// Appends documents of some of these files; `trace` tells where one came from.
    pub(crate) fn append(
        &mut self,
        encoded: &Encoded,
        files: &[SourceFile],
        mut trace: impl FnMut(Address) -> Result<(Arc<str>, u64)>,
    ) -> Result<()> {
        self.training.append(&encoded.training)?;
        self.validation.append(&encoded.validation)?;
        for (split, address) in &encoded.places {
            let (source, row) = trace(*address)?;
            self.sources.append(*split, source, row)?;
        }
        for row in &encoded.unreadable {
            let file = match self.unreadable.take() {
                Some(file) => file,
                None => AtomicFile::create(self.unreadable_path.clone())?,
            };
            self.unreadable.insert(file).append(&UnreadableLine::encode(row, files)?)?;
            self.unreadable_rows += row.rows;
        }
        Ok(())
    }

    /// Commits all files; gives what the next part's rows begin with.
    pub(crate) fn commit(self, run: &RunFolder) -> Result<(TokenPart, Rests)> {
        let Self { training, validation, sources, unreadable_rows, stem, .. } = self;
        let (training, training_rest) = training.commit(run, &format!("rest/{stem}.training"))?;
        let (validation, validation_rest) = validation.commit(run, &format!("rest/{stem}.validation"))?;
        let (written, rows) = sources.commit()?;
        let sources = record(run, &self.sources_path, rows, written);
        let not_packed = match self.unreadable {
            None => None,
            Some(file) => Some(record(run, &self.unreadable_path, unreadable_rows, file.commit()?)),
        };
        let part = TokenPart { training, validation, sources, unreadable: unreadable_rows, not_packed };
        if part.documents() != rows {
            let documents = part.documents();
            let message = format!("{stem}: {documents} documents were encoded, {rows} have a source");
            return Err(Error::Internal(message));
        }
        Ok((part, Rests { training: training_rest, validation: validation_rest }))
    }
}

/// One side of the split, in whichever format was asked for.
enum SideWriter {
    Tokens(Box<TokenWriter>),
    Rows(Box<RowWriter>),
}

impl SideWriter {
    fn new(
        sink: &TokenSink,
        out: &Path,
        folder: &str,
        stem: impl Fn(&str) -> String,
        rest: Vec<u32>,
    ) -> Self {
        match &sink.rows {
            None => {
                let name = format!("{folder}{}.ds", stem("tokens"));
                Self::Tokens(Box::new(TokenWriter::new(out, name, sink.width)))
            }
            Some(rows) => {
                let name = format!("{folder}{}.parquet", stem("part"));
                Self::Rows(Box::new(RowWriter::new(rows, out, name, rest)))
            }
        }
    }

    fn append(&mut self, batch: &TokenBatch) -> Result<()> {
        match self {
            Self::Tokens(writer) => writer.append(batch),
            Self::Rows(writer) => writer.append(batch),
        }
    }

    fn commit(self, run: &RunFolder, rest_name: &str) -> Result<(Side, Vec<u32>)> {
        match self {
            Self::Tokens(writer) => Ok((writer.commit()?, Vec::new())),
            Self::Rows(writer) => {
                let (mut side, rest) = writer.commit()?;
                let path = run.path(rest_name);
                let mut file = AtomicFile::create(path.clone())?;
                file.append(&rest.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>())?;
                side.rest = Some(record(run, &path, rest.len() as u64, file.commit()?));
                Ok((side, rest))
            }
        }
    }
}

fn record(run: &RunFolder, path: &Path, rows: u64, Written { bytes, checksum }: Written) -> FileRecord {
    FileRecord { path: run.relative(path), rows, bytes, checksum }
}
