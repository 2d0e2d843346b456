//! What packing made of a part of the input, and all parts together.

use serde::{Deserialize, Serialize};

use super::{Ledger, LeftOver, SplitRecord, TokenBatch, TokenFile};
use crate::manifest::FileRecord;
use crate::{Error, Result};

/// A part that was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenPart {
    pub(crate) training: Side,
    pub(crate) validation: Side,
    /// Where its documents came from, in their order; numbers are given when all parts are there.
    pub(crate) sources: FileRecord,
    /// Documents of it that could not be read or encoded.
    pub(crate) unreadable: u64,
    /// Where these are named, where there are any.
    pub(crate) not_packed: Option<FileRecord>,
}

/// One side of the split of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Side {
    /// Documents, as they were encoded.
    pub(crate) documents: u64,
    /// Tokens, as they were encoded.
    pub(crate) tokens: u64,
    /// Bytes of text.
    pub(crate) bytes: u64,
    /// The file of tokens; none where nothing is in it.
    pub(crate) file: Option<TokenFile>,
    /// What lies beside that file.
    pub(crate) beside: Vec<FileRecord>,
    /// The tokens that wait for the rest of their row, where rows are cut as they are written.
    pub(crate) rest: Option<FileRecord>,
}

impl TokenPart {
    /// All its files, with their sizes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let sides = [&self.training, &self.validation].into_iter().flat_map(Side::files);
        sides.chain([&self.sources].into_iter().chain(&self.not_packed).map(FileRecord::path_and_bytes))
    }

    /// Documents that were encoded.
    pub(crate) fn documents(&self) -> u64 {
        self.training.documents + self.validation.documents
    }
}

impl Side {
    /// Counts documents that were encoded.
    pub(crate) fn add(&mut self, batch: &TokenBatch) {
        self.documents += batch.documents() as u64;
        self.tokens += batch.ids.len() as u64;
        self.bytes += batch.bytes;
    }

    fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let tokens = self.file.iter().map(|file| (file.path.as_str(), file.bytes));
        tokens.chain(self.beside.iter().chain(&self.rest).map(FileRecord::path_and_bytes))
    }
}

impl SplitRecord {
    /// One side of all parts. Tokens and rows are counted from what lies on disk, not from what was meant to be
    /// written; [`Ledger::check`] then holds them against what was encoded.
    ///
    /// # Errors
    /// [`Error::Internal`] where the ends of documents are not as many as the documents.
    pub(crate) fn of_parts<'p>(sides: impl Iterator<Item = &'p Side>, sequence_length: u64) -> Result<Self> {
        let mut split = Self::default();
        let (mut written, mut ends, mut rows, mut rest) = (0, 0, 0, None);
        for side in sides {
            split.ledger.documents += side.documents;
            split.ledger.tokens += side.tokens;
            split.ledger.bytes += side.bytes;
            if let Some(file) = &side.file {
                written += file.tokens;
                ends += file.documents.unwrap_or(0);
                rows += file.rows.unwrap_or(0);
            }
            rest = side.rest.as_ref().map(|rest| rest.rows);
            split.files.extend(side.file.clone());
        }
        // Where rows are cut as they are written, the last part says what no row came of; else readers cut them.
        let tail = rest.unwrap_or(written % sequence_length);
        split.ledger.rows = if rest.is_some() { rows } else { written / sequence_length };
        split.ledger.left_over = LeftOver { tail };
        let Ledger { documents, .. } = split.ledger;
        if rest.is_none() && ends != documents {
            let message = format!("{documents} documents were encoded, the ends of {ends} written");
            return Err(Error::Internal(message));
        }
        Ok(split)
    }
}
