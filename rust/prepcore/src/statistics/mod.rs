//! What lies in a token folder, in numbers: which ids, how long the documents are, where they came from.
//!
//! Everything is counted from the finished files, read in blocks; memory is a few tables by id and by length for
//! each thread, and a number for each source file, at any size of the folder.

mod ids;
mod lengths;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use self::ids::IdCounts;
use self::lengths::LengthCounts;
pub use self::lengths::{DocumentLengths, LengthBin};
pub use self::sources::{OtherSources, SourceTokens};
use crate::pack::{Packed, SplitRecord, TokenFile};
use crate::pipeline::{Progress, Watcher, each};
use crate::tokenize::TokenizerFolder;
use crate::{Error, Result};

/// Tokens that are named with their counts: what a screen shows.
const TOP: usize = 20;

/// Ids of a file that a thread counts at a time.
const PIECE: usize = 1 << 24;

/// The numbers of both sides of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// The training documents.
    pub train: TokenStatistics,
    /// The documents held out.
    pub validation: Option<TokenStatistics>,
}

/// The numbers of one side of the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenStatistics {
    /// Tokens.
    pub tokens: u64,
    /// Documents.
    pub documents: u64,
    /// Tokens for each byte of text, special tokens included; none where the text's size is not known.
    pub tokens_per_byte: Option<f64>,
    /// Ids that occur.
    pub distinct_tokens: u64,
    /// Tokens that stand for what the vocabulary lacks; none where it has no such token.
    pub unknown_tokens: Option<u64>,
    /// Tokens that are one byte of a character that the vocabulary lacks (`<0xE2>`); none where the tokenizer does
    /// not fall back to bytes. Line feeds and tabs are among them where the vocabulary has none.
    pub byte_fallback_tokens: Option<u64>,
    /// The tokens that occur most, the most frequent first.
    pub top_tokens: Vec<TokenCount>,
    /// How long the documents are, in tokens; none where no document ends.
    pub document_lengths: Option<DocumentLengths>,
    /// Tokens by file of the input, the largest first.
    pub sources: Vec<SourceTokens>,
    /// The files of the input that `sources` does not name.
    pub other_sources: Option<OtherSources>,
}

/// How often a token occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Its id.
    pub id: u32,
    /// How the vocabulary writes it; none for an id that it lacks.
    pub token: Option<String>,
    /// How often it occurs.
    pub count: u64,
}

/// The token files to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The token folder.
    pub folder: PathBuf,
    /// Its tokenizer, relative to it; without one no token is named.
    pub tokenizer: Option<PathBuf>,
    /// `uint16` or `uint32`.
    pub dtype: String,
    /// Ids lie below this number.
    pub vocabulary_size: u64,
    /// The training documents.
    pub train: SplitFiles,
    /// The documents held out.
    pub validation: Option<SplitFiles>,
    /// Threads that read.
    pub threads: usize,
}

/// The files of one side of the split.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFiles {
    /// Token files in order, relative to the folder; the ends of documents lie beside each.
    pub files: Vec<PathBuf>,
    /// Bytes of text, 0 where they are not known.
    pub bytes: u64,
}

impl SplitFiles {
    /// The files that a manifest states; none of rows in Parquet.
    #[must_use]
    pub fn of(record: &SplitRecord) -> Option<Self> {
        let path = |file: &TokenFile| file.documents.map(|_| PathBuf::from(&file.path));
        let files = record.files.iter().map(path).collect::<Option<_>>()?;
        Some(Self { files, bytes: record.ledger.bytes })
    }
}

/// Counts what lies in a token folder.
///
/// # Errors
/// [`Error::Io`] and [`Error::Corrupt`] for files that cannot be read or hold ids beyond the vocabulary, and what the
/// watcher returns.
pub fn statistics(reading: &Reading, watcher: Watcher<'_>) -> Result<Statistics> {
    let tokenizer = reading.tokenizer.as_ref().map(|path| TokenizerFolder::open(&reading.folder.join(path)));
    of_files(reading, tokenizer.transpose()?.as_ref(), watcher)
}

fn of_files(
    reading: &Reading,
    tokenizer: Option<&TokenizerFolder>,
    watcher: Watcher<'_>,
) -> Result<Statistics> {
    let train = of_split(reading, &reading.train, "train", tokenizer, &mut *watcher)?;
    let validation = reading
        .validation
        .as_ref()
        .map(|split| of_split(reading, split, "validation", tokenizer, watcher))
        .transpose()?;
    Ok(Statistics { train, validation })
}

/// Counts what lies in a folder that was just packed with this tokenizer; nothing where it holds rows in Parquet.
///
/// # Errors
/// Those of [`statistics()`].
pub(crate) fn of_packed(
    folder: &Path,
    manifest: &Packed,
    tokenizer: &TokenizerFolder,
    threads: usize,
    watcher: Watcher<'_>,
) -> Result<Option<Statistics>> {
    let Some(train) = SplitFiles::of(&manifest.training) else { return Ok(None) };
    let reading = Reading {
        folder: folder.to_path_buf(),
        tokenizer: None,
        dtype: manifest.dtype.clone(),
        vocabulary_size: manifest.tokenizer.vocabulary_size,
        train,
        validation: manifest.validation.as_ref().and_then(SplitFiles::of),
        threads,
    };
    of_files(&reading, Some(tokenizer), watcher).map(Some)
}

fn of_split(
    reading: &Reading,
    split: &SplitFiles,
    name: &str,
    tokenizer: Option<&TokenizerFolder>,
    watcher: Watcher<'_>,
) -> Result<TokenStatistics> {
    let wide = match reading.dtype.as_str() {
        "uint16" => false,
        "uint32" => true,
        other => {
            return Err(Error::input(
                &reading.folder,
                format!("its ids are {other:?}, expected uint16 or uint32"),
            ));
        }
    };
    let size = usize::try_from(reading.vocabulary_size).unwrap_or(usize::MAX);
    let paths: Vec<PathBuf> = split.files.iter().map(|path| reading.folder.join(path)).collect();
    let totals = Mutex::new((IdCounts::new(wide, size), LengthCounts::default()));
    let empty = IdCounts::new(wide, size);
    let tokens_of = |path: &PathBuf| empty.in_file(path);
    let tokens = paths.iter().map(tokens_of).collect::<Result<Vec<u64>>>()?;
    let pieces_of =
        |(file, tokens): (usize, &u64)| (0..(*tokens).max(1)).step_by(PIECE).map(move |at| (file, at));
    let pieces: Vec<(usize, u64)> = tokens.iter().enumerate().flat_map(pieces_of).collect();
    let count = |number: usize, stop: &AtomicBool| {
        let Some(&(file, start)) = pieces.get(number) else { return Ok(()) };
        let mut ids = IdCounts::new(wide, size);
        ids.add_range(&paths[file], start..tokens[file].min(start + PIECE as u64), stop)?;
        let mut lengths = LengthCounts::default();
        if start == 0 {
            lengths.add_file(&ends_of(&paths[file]), tokens[file])?;
        }
        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.0.add(&ids);
        totals.1.add(&lengths);
        Ok(())
    };
    each(reading.threads.max(1), pieces.len(), count, &Progress::default(), &mut *watcher)?;
    let (ids, lengths) = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counts = ids.into_counts();
    let tokens: u64 = counts.iter().sum();
    let of_ids = |ids: Vec<u32>| ids.into_iter().filter_map(|id| counts.get(id as usize)).sum();
    let (sources, other_sources) = sources::by_source(&reading.folder, name, &paths, watcher)?;
    Ok(TokenStatistics {
        tokens,
        documents: lengths.documents(),
        tokens_per_byte: (split.bytes > 0).then(|| tokens as f64 / split.bytes as f64),
        distinct_tokens: counts.iter().filter(|count| **count > 0).count() as u64,
        unknown_tokens: tokenizer.and_then(TokenizerFolder::unknown_id).map(|id| of_ids(vec![id])),
        byte_fallback_tokens: tokenizer.and_then(TokenizerFolder::byte_fallback_ids).map(of_ids),
        top_tokens: top(&counts, tokenizer),
        document_lengths: lengths.describe(),
        sources,
        other_sources,
    })
}

/// Where the ends of the documents of a token file lie.
fn ends_of(tokens: &Path) -> PathBuf {
    let mut path = tokens.as_os_str().to_owned();
    path.push(".index");
    path.into()
}

/// The tokens that occur most; of those that occur equally often the one with the smallest id comes first.
fn top(counts: &[u64], tokenizer: Option<&TokenizerFolder>) -> Vec<TokenCount> {
    let mut ids: Vec<u32> = (0..).take(counts.len()).filter(|id| counts[*id as usize] > 0).collect();
    ids.sort_by_key(|id| (std::cmp::Reverse(counts[*id as usize]), *id));
    ids.truncate(TOP);
    let named = |id: u32| TokenCount {
        id,
        token: tokenizer.and_then(|tokenizer| tokenizer.token(id)),
        count: counts[id as usize],
    };
    ids.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests;
