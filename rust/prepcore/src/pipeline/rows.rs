//! From documents to rows, over token files that are written: only the ends of the documents are read.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::Lookout;
use crate::config::{Pack, Packing};
use crate::pack::{BestFit, DocumentLengths, LeftOver, Piece, RowIndexRecord, SplitRecord};
use crate::sink::RowIndexFile;
use crate::{Error, Result};

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) sequence_length: u64,
    pub(crate) packing: Packing,
}

impl Shape {
    pub(crate) fn of(configuration: &Pack) -> Self {
        Self { sequence_length: configuration.sequence_length, packing: configuration.packing }
    }

    /// Makes rows of this shape the default of one side of the split, whose files have `prefix`: its account, and,
    /// where rows do not simply follow each other in the files, a row index beside them. Row indexes of other lengths
    /// stay listed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for ends that do not fit their files, what the disk or the watcher refuses, and
    /// [`Error::Internal`] where the rows do not account for every token.
    pub(crate) fn lay(
        self,
        root: &Path,
        prefix: &str,
        split: &mut SplitRecord,
        lookout: &mut Lookout<'_>,
    ) -> Result<()> {
        let (length, ledger) = (self.sequence_length, &mut split.ledger);
        match self.packing {
            Packing::Concatenate => {
                ledger.rows = ledger.tokens / length;
                ledger.left_over = LeftOver { tail: ledger.tokens % length };
                ledger.padding = 0;
            }
            Packing::BestFit => {
                let record = self.write_index(root, prefix, split, lookout)?;
                let ledger = &mut split.ledger;
                ledger.rows = record.rows;
                ledger.left_over = LeftOver { tail: 0 };
                ledger.padding = record.padding;
                split.row_indexes.retain(|other| other.path != record.path);
                split.row_indexes.push(record);
                split.row_indexes.sort_by_key(|record| record.sequence_length);
            }
        }
        split.ledger.check(length)
    }

    fn write_index(
        self,
        root: &Path,
        prefix: &str,
        split: &SplitRecord,
        lookout: &mut Lookout<'_>,
    ) -> Result<RowIndexRecord> {
        let length = self.sequence_length;
        let path = format!("{prefix}rows-{length}.idx");
        let target = root.join(&path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
        }
        let mut index = RowIndexFile::create(target)?;
        let rows = u32::try_from(length).map_err(|_| Error::Internal(format!("a row of {length} tokens")))?;
        let mut packer = BestFit::new(rows);
        let mut append = |row: &[Piece]| index.append(row);
        for file in &split.files {
            for tokens in DocumentLengths::open(root, file)? {
                packer.push(tokens?, &mut append)?;
                lookout.look()?;
            }
        }
        let fitted = packer.finish(&mut append)?;
        fitted.check(length)?;
        let ledger = &split.ledger;
        if (fitted.documents, fitted.tokens) != (ledger.documents, ledger.tokens) {
            return Err(Error::Internal(format!(
                "{} documents of {} tokens were laid in rows, of {} of {}",
                fitted.documents, fitted.tokens, ledger.documents, ledger.tokens
            )));
        }
        let written = index.commit()?;
        Ok(RowIndexRecord {
            sequence_length: length,
            packing: json!(self.packing).as_str().unwrap_or_default().to_owned(),
            path,
            rows: fitted.rows,
            pieces: fitted.pieces,
            padding: fitted.padding,
            documents_cut: fitted.documents_cut,
            bytes: written.bytes,
            checksum: written.checksum,
        })
    }
}
