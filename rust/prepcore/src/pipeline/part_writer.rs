//! Parts on disk: what belongs together is committed together, and then entered in the journal.

use std::path::PathBuf;

use super::encoding::Encoded;
use super::folder::{CleanFolder, TokenOutput};
use super::grouping::Close;
use super::pool::Reservation;
use super::token_part::{OpenTokens, Rests};
use crate::ledger::KEYS_HEADER;
use crate::manifest::{Counts, FileRecord, PartRecord, RowsBySource};
use crate::resume::{Finished, RunFolder};
use crate::sink::{AtomicFile, Chunks, DocumentFile, DocumentSink, ParquetFile, Piece, Written};
use crate::source::{Part, PartFacts};
use crate::{Error, Result};

/// An encoded row group, and what the ledger says of its documents.
pub(crate) struct Done {
    pub(crate) part: Part,
    pub(crate) close: Option<Close>,
    /// None where documents are not written.
    pub(crate) documents: Option<Piece>,
    /// None where they are not packed.
    pub(crate) encoded: Option<Encoded>,
    pub(crate) dropped: Option<Chunks>,
    pub(crate) keys: Vec<u8>,
    pub(crate) unreadable: Vec<u8>,
    pub(crate) counts: Counts,
    pub(crate) rows: RowsBySource,
    pub(crate) facts: PartFacts,
    /// Given back once it is written.
    pub(crate) _held: Vec<Reservation>,
}

/// Appends to the open part and commits it when it ends.
pub(crate) struct PartWriter<'a> {
    folder: &'a CleanFolder<'a>,
    run: &'a mut RunFolder,
    open: Option<OpenPart>,
    /// Parts committed so far.
    written: u64,
}

struct OpenPart {
    part: Part,
    documents: Option<(String, DocumentFile)>,
    tokens: Option<OpenTokens>,
    keys: AtomicFile,
    key_records: u64,
    dropped: ParquetFile,
    /// Made when the first unreadable row comes; most parts have none.
    unreadable: Option<AtomicFile>,
    unreadable_path: PathBuf,
    counts: Counts,
    rows: RowsBySource,
    facts: PartFacts,
}

impl<'a> PartWriter<'a> {
    pub(crate) fn new(folder: &'a CleanFolder<'a>, run: &'a mut RunFolder) -> Self {
        Self { folder, run, open: None, written: 0 }
    }

    /// Parts committed by this writer.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn write(&mut self, done: Done) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenPart::create(self.folder, self.run, done.part)?,
        };
        let close = done.close;
        open.append(self.folder, done)?;
        match close {
            None => self.open = Some(open),
            Some(close) => {
                let finished = open.commit(self.folder, self.run, close)?;
                self.run.journal().finished(finished)?;
                self.written += 1;
            }
        }
        Ok(())
    }
}

impl OpenPart {
    fn create(folder: &CleanFolder<'_>, run: &RunFolder, part: Part) -> Result<Self> {
        let (out, stem) = (run.ledger(), part.stem("part"));
        let mut keys = AtomicFile::create(out.join(format!("keys/{stem}.keys")))?;
        keys.append(&KEYS_HEADER)?;
        let dropped = AtomicFile::create(out.join(format!("dropped/{stem}.parquet")))?;
        let start = |sink: &DocumentSink| {
            let name = format!("{stem}.{}", sink.suffix());
            Ok::<_, Error>((name.clone(), sink.start(&out.join(name))?))
        };
        let documents = folder.documents.as_ref().map(start).transpose()?;
        let begin = |output: &TokenOutput<'_>| {
            OpenTokens::create(&output.sink, run, |prefix| part.stem(prefix), Rests::default())
        };
        let tokens = folder.tokens.as_ref().map(begin).transpose()?;
        Ok(Self {
            part,
            documents,
            tokens,
            keys,
            key_records: 0,
            dropped: folder.dropped.start(dropped)?,
            unreadable: None,
            unreadable_path: run.path(&format!("unreadable/{stem}.jsonl")),
            counts: folder.judge.counts(),
            rows: RowsBySource::default(),
            facts: PartFacts::default(),
        })
    }

    fn append(&mut self, folder: &CleanFolder<'_>, done: Done) -> Result<()> {
        if let (Some((_, file)), Some(documents)) = (&mut self.documents, done.documents) {
            file.append(documents)?;
        }
        if let (Some(tokens), Some(encoded)) = (&mut self.tokens, done.encoded) {
            tokens.append(&encoded, &folder.plan.files, folder.names())?;
        }
        self.dropped.append(done.dropped)?;
        self.key_records += (done.keys.len() / crate::ledger::KEY_RECORD) as u64;
        self.keys.append(&done.keys)?;
        if !done.unreadable.is_empty() {
            let file = match self.unreadable.take() {
                Some(file) => file,
                None => AtomicFile::create(self.unreadable_path.clone())?,
            };
            self.unreadable.insert(file).append(&done.unreadable)?;
        }
        self.counts.add(&done.counts);
        self.rows.add_all(&done.rows);
        self.facts.add(&done.facts);
        Ok(())
    }

    fn commit(self, folder: &CleanFolder<'_>, run: &RunFolder, close: Close) -> Result<Finished> {
        let Self { part, documents, tokens, keys, key_records, dropped, counts, .. } = self;
        counts.check()?;
        // What was read must be what was planned: its fingerprint will be looked at when the run goes on.
        folder.plan.check_unchanged(folder.plan.sources_of(part.number))?;
        let stem = part.stem("part");
        let dropped_rows = dropped.rows();
        let record =
            |path: String, rows, Written { bytes, checksum }| FileRecord { path, rows, bytes, checksum };
        let dropped = record(format!("dropped/{stem}.parquet"), dropped_rows, dropped.commit()?);
        let keys = record(format!("keys/{stem}.keys"), key_records, keys.commit()?);
        let unreadable = match self.unreadable {
            None => None,
            Some(file) => {
                Some(record(run.relative(&self.unreadable_path), counts.unreadable, file.commit()?))
            }
        };
        let commit = |(name, file): (String, DocumentFile)| {
            let (written, rows) = file.commit()?;
            Ok::<_, Error>(record(name, rows, written))
        };
        let kept = documents.map(commit).transpose()?;
        let tokens = tokens.map(|tokens| tokens.commit(run)).transpose()?.map(|(tokens, _)| tokens);
        let written = kept.as_ref().map_or(counts.kept, |kept| kept.rows);
        let packed = tokens.as_ref().map_or(counts.kept, |part| part.documents() + part.unreadable);
        if (written, packed, dropped.rows) != (counts.kept, counts.kept, counts.dropped_total()) {
            return Err(Error::Internal(format!(
                "{stem}: {written} documents and {} ledger rows were written and {packed} documents packed, but {} \
                 were kept and {} dropped",
                dropped.rows,
                counts.kept,
                counts.dropped_total()
            )));
        }
        Ok(Finished {
            part: part.number,
            piece: part.piece,
            next: close.next,
            record: Some(PartRecord { kept, keys, dropped, counts }),
            tokens,
            unreadable,
            rows: self.rows.into_list(),
            facts: self.facts,
        })
    }
}
