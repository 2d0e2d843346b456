//! `--order shuffled`: the documents of the training side in an order drawn from the seed, whatever their size.
//!
//! Documents that fit a share of the memory are sorted there. More are first dealt to [`FAN`] temporary files by the
//! range that their places fall in, and each file is then treated in the same way. As the order is that of the places
//! alone, the same bytes come out however often documents were dealt.

mod record;
mod sources;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use record::{BUFFER, FolderRecords, Record, RecordSource};
use sources::SourceRows;

use super::Lookout;
use crate::pack::{DrawnOrder, Ledger, SplitRecord};
use crate::sink::{EncodedTokens, Scratch, Split, TokenWidth, WrittenScratch};
use crate::{Error, Result};

/// Temporary files that documents are dealt to at a time.
const FAN: usize = 1 << FAN_BITS;
const FAN_BITS: u32 = 6;
/// The share of the memory that documents may take while they are sorted, as a divisor. What is dealt takes a quarter
/// of that.
const SHARE: u64 = 4;
/// Bytes that a document takes in memory beside its own: its place, its number, and where it lies.
const ENTRY: u64 = 32;
/// Bytes of what a document carries along, about: numbers, lengths and the name of its source.
const ORIGIN: u64 = 64;
/// Bytes that wait in memory for each temporary file, at least.
const LEAST_BUFFER: u64 = 1 << 12;

/// What is shuffled and where it goes.
pub(crate) struct Shuffle<'a> {
    /// The folder of the token files, which the names in `split` are relative to; shuffled ones go there too.
    pub(crate) root: &'a Path,
    /// The training side in input order.
    pub(crate) split: &'a SplitRecord,
    /// Where its documents came from: a file with the columns `split`, `source` and `row`.
    pub(crate) sources: &'a Path,
    pub(crate) width: TokenWidth,
    pub(crate) seed: u64,
    /// Bytes.
    pub(crate) memory: u64,
}

impl Shuffle<'_> {
    /// Writes the shuffled token files, tells `sources` the side, source and row of every document in the new order,
    /// then of those held out in the order they had, and gives the new record of the training side.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for files that do not fit together, what the disk or the watcher refuses, and
    /// [`Error::Internal`] where a document or a token went missing.
    pub(crate) fn run(
        &self,
        mut sources: impl FnMut(Split, Arc<str>, u64) -> Result<()>,
        lookout: &mut Lookout<'_>,
    ) -> Result<SplitRecord> {
        let Self { root, split, width, .. } = *self;
        let mut tokens = EncodedTokens::new(root, width);
        let mut emit = |record: &Record| {
            tokens.append(&record.ids)?;
            sources(Split::Training, name(&record.source)?, record.row)
        };
        let rows = SourceRows::open(self.sources, Split::Training)?;
        let mut records = FolderRecords::new(root, split, rows, width.bytes());
        let Ledger { tokens: ids, documents, .. } = split.ledger;
        let amount = Amount { bytes: ids * width.bytes() + documents * ORIGIN, documents };
        let limit = self.memory / SHARE;
        let mut sorter = Sorter { root, order: DrawnOrder::new(self.seed), limit, emit: &mut emit, lookout };
        sorter.sort(&mut records, amount, 0)?;
        let files = tokens.finish()?;
        let mut held_out = SourceRows::open(self.sources, Split::Validation)?;
        let mut record = Record::default();
        while held_out.find(&mut record)? {
            sources(Split::Validation, name(&record.source)?, record.row)?;
        }
        let shuffled = SplitRecord { files, ..split.clone() };
        self.check(&shuffled)?;
        Ok(shuffled)
    }

    fn check(&self, shuffled: &SplitRecord) -> Result<()> {
        let tokens: u64 = shuffled.files.iter().map(|file| file.tokens).sum();
        let documents: u64 = shuffled.files.iter().filter_map(|file| file.documents).sum();
        let ledger = &self.split.ledger;
        if (documents, tokens) == (ledger.documents, ledger.tokens) {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "{documents} documents of {tokens} tokens were shuffled, of {} of {}",
            ledger.documents, ledger.tokens
        )))
    }
}

fn name(source: &[u8]) -> Result<Arc<str>> {
    let text = std::str::from_utf8(source);
    text.map(Arc::from).map_err(|error| Error::Internal(format!("the name of a source: {error}")))
}

/// How much there is to sort.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    bytes: u64,
    documents: u64,
}

impl Amount {
    fn in_memory(self) -> u64 {
        self.bytes + self.documents * ENTRY
    }
}

/// Sorts documents by their places and hands each on.
struct Sorter<'a, 'w> {
    /// Whose disk the temporary files are on.
    root: &'a Path,
    order: DrawnOrder,
    /// Bytes that may be sorted in memory.
    limit: u64,
    emit: &'a mut dyn FnMut(&Record) -> Result<()>,
    lookout: &'a mut Lookout<'w>,
}

impl Sorter<'_, '_> {
    /// `level` is how often these documents were dealt before. A single document is never dealt, however large; nor
    /// are those whose places are the same in all bits.
    fn sort(&mut self, records: &mut dyn RecordSource, amount: Amount, level: u32) -> Result<()> {
        let dealt_out = (level + 1) * FAN_BITS > u128::BITS;
        if amount.in_memory() <= self.limit || amount.documents <= 1 || dealt_out {
            return self.sort_in_memory(records, amount);
        }
        for dealt in self.deal(records, level)? {
            if let Some((scratch, documents)) = dealt {
                let amount = Amount { bytes: scratch.bytes(), documents };
                self.sort(&mut ScratchRecords::new(scratch, self.root), amount, level + 1)?;
            }
        }
        Ok(())
    }

    fn sort_in_memory(&mut self, records: &mut dyn RecordSource, amount: Amount) -> Result<()> {
        let mut bytes = Vec::with_capacity(amount.bytes as usize);
        let mut entries = Vec::with_capacity(amount.documents as usize);
        let mut record = Record::default();
        while records.next(&mut record)? {
            entries.push((self.order.place(record.document), record.document, bytes.len()));
            record.encode(&mut bytes);
            self.lookout.look()?;
        }
        entries.sort_unstable();
        for (_, document, at) in entries {
            let decoded = record.decode(&mut &bytes[at..]);
            if !decoded.is_ok_and(|decoded| decoded && record.document == document) {
                return Err(Error::Internal(format!("document {document} was lost while it was sorted")));
            }
            (self.emit)(&record)?;
            self.lookout.look()?;
        }
        Ok(())
    }

    /// Deals documents to temporary files by the next bits of their places.
    fn deal(
        &mut self,
        records: &mut dyn RecordSource,
        level: u32,
    ) -> Result<Vec<Option<(WrittenScratch, u64)>>> {
        let buffer = (self.limit / SHARE / FAN as u64).max(LEAST_BUFFER) as usize;
        let mut hands: Vec<Option<(Scratch, u64)>> = (0..FAN).map(|_| None).collect();
        let shift = u128::BITS - (level + 1) * FAN_BITS;
        let (mut record, mut bytes) = (Record::default(), Vec::new());
        while records.next(&mut record)? {
            let range = (self.order.place(record.document) >> shift) as usize % FAN;
            bytes.clear();
            record.encode(&mut bytes);
            let hand = match &mut hands[range] {
                Some(hand) => hand,
                empty => empty.insert((Scratch::create(self.root, buffer)?, 0)),
            };
            hand.0.append(&bytes)?;
            hand.1 += 1;
            self.lookout.look()?;
        }
        let finished = |hand: Option<(Scratch, u64)>| {
            hand.map(|(scratch, documents)| Ok((scratch.finish()?, documents))).transpose()
        };
        hands.into_iter().map(finished).collect()
    }
}

/// The documents of a temporary file.
struct ScratchRecords<'a> {
    reader: std::io::BufReader<std::fs::File>,
    root: &'a Path,
}

impl<'a> ScratchRecords<'a> {
    fn new(scratch: WrittenScratch, root: &'a Path) -> Self {
        Self { reader: scratch.read(BUFFER), root }
    }
}

impl RecordSource for ScratchRecords<'_> {
    fn next(&mut self, record: &mut Record) -> Result<bool> {
        let decoded = record.decode(&mut self.reader);
        decoded.map_err(|source| Error::io(self.root, "read a temporary file in", source))
    }
}
