//! Signatures: the keys of a part's documents that passed the rules, in runs sorted by key.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sections::{Sections, SectionsReader, SectionsWriter};
use super::{Key, PARTITIONS, Twin, partition_of};
use crate::Result;
use crate::ledger::{KEY_RECORD, KeyRecord};
use crate::source::{Address, PartFacts};

/// Keys in input order that will become a sorted run.
#[derive(Debug, Default)]
pub(crate) struct Run(Vec<(Key, Address)>);

impl Run {
    pub(crate) fn push(&mut self, key: Key, address: Address) {
        self.0.push((key, address));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The run's records sorted by key, equal keys in input order; and how many lie in each partition.
    pub(crate) fn sort(mut self) -> SortedRun {
        self.0.sort_by_key(|(key, _)| *key);
        let mut records = Vec::with_capacity(self.0.len() * KEY_RECORD);
        let mut counts = vec![0; PARTITIONS];
        for (key, address) in self.0 {
            records.extend(KeyRecord { key: Some(key), address, kept: true }.encode());
            counts[partition_of(key)] += 1;
        }
        SortedRun { records, counts }
    }
}

/// A sorted run, encoded.
#[derive(Debug)]
pub(crate) struct SortedRun {
    records: Vec<u8>,
    counts: Vec<u64>,
}

/// What a signature file says beside its keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    /// What was read to make it.
    pub(crate) facts: PartFacts,
    /// A file whose rows are counted from the part's start, because the part begins within it.
    pub(crate) relative: Option<u32>,
}

/// Writes the signatures of a part.
pub(crate) struct SignatureWriter(SectionsWriter);

impl SignatureWriter {
    pub(crate) fn create(target: PathBuf) -> Result<Self> {
        SectionsWriter::create(target, KEY_RECORD, PARTITIONS).map(Self)
    }

    pub(crate) fn append(&mut self, run: &SortedRun) -> Result<()> {
        self.0.section(&run.records, &run.counts)
    }

    /// Commits the file; `relative` is the file whose rows are counted from the part's start.
    pub(crate) fn commit(self, facts: PartFacts, relative: Option<u32>) -> Result<()> {
        self.0.commit(&Note { facts, relative })
    }
}

/// The signatures of a part, or of a key file of an earlier corpus.
#[derive(Debug)]
pub(crate) struct Signatures {
    /// The part's number; none for what comes from a folder of `--against`.
    part: Option<usize>,
    sections: Sections,
    /// A file, and what is added to its rows.
    shift: (u32, u64),
}

impl Signatures {
    /// Opens a signature file, and says what was read to make it.
    pub(crate) fn open(path: &Path, part: Option<usize>) -> Result<(Self, Note)> {
        let sections = Sections::open(path, KEY_RECORD)?;
        let note: Note = sections.note()?;
        Ok((Self { part, sections, shift: (0, 0) }, note))
    }

    /// Counts the rows of a file on from the lines before this part.
    pub(crate) fn shift(&mut self, source: u32, lines: u64) {
        self.shift = (source, lines);
    }

    /// The part's number.
    pub(crate) fn part(&self) -> Option<usize> {
        self.part
    }

    /// The number of runs.
    pub(crate) fn runs(&self) -> usize {
        self.sections.sections()
    }

    pub(crate) fn reader(&self) -> Result<SectionsReader<'_>> {
        self.sections.reader()
    }

    /// A record's key and document, whichever corpus it is of.
    pub(crate) fn decode(&self, record: &[u8; KEY_RECORD]) -> (Key, Address) {
        let KeyRecord { key, mut address, .. } = KeyRecord::decode(record);
        if self.part.is_none() {
            address = Twin::Against(address).pack();
        } else if address.source == self.shift.0 {
            address.row += self.shift.1;
        }
        (key.unwrap_or_default(), address)
    }
}
