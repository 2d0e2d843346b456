//! The road of `pack` into a folder: documents are read, numbered, encoded on any thread, and joined in order.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::pool::{Event, Reservation, Road, Step};
use super::rows::VALIDATION;
use super::tokenization::Tokenization;
use super::{Progress, Watcher};
use crate::config::{Pack, TokenFormat};
use crate::manifest::RowsBySource;
use crate::pack::{Holdout, Provenance, SplitRecord, TokenBatch};
use crate::sink::{self, AtomicFile, RowFolder, Sources, Split, TokenFolder, TokenWidth};
use crate::source::{
    Address, Documents, Numbering, Part, PartCursor, Plan, Unit, Unreadable, UnreadableLine,
};
use crate::{Error, Result};

/// The road and what all its tasks share.
pub(crate) struct PackFolder<'a> {
    plan: &'a Plan,
    tokenization: &'a Tokenization,
    holdout: Holdout,
    format: TokenFormat,
    sequence_length: u64,
    out: PathBuf,
    progress: &'a Progress,
    /// Set when the run is to stop: a unit takes seconds to encode, a caller waits less than one.
    stop: AtomicBool,
}

/// What is decided in input order: line numbers, where `--limit` falls, and each unit's part.
pub(crate) struct PackOrder {
    numbering: Numbering,
    parts: PartCursor,
}

impl PackOrder {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { numbering: Numbering::new(limit), parts: PartCursor::default() }
    }
}

/// A unit to encode.
pub(crate) struct Job {
    part: Part,
    documents: Documents,
    held: Reservation,
}

/// An encoded unit.
pub(crate) struct Done {
    part: Part,
    training: TokenBatch,
    validation: TokenBatch,
    /// Which side each encoded document is on, and where it stood.
    places: Vec<(Split, Address)>,
    unreadable: Vec<Unreadable>,
    rows: RowsBySource,
    _held: Reservation,
}

impl<'a> PackFolder<'a> {
    pub(crate) fn new(
        configuration: &Pack,
        plan: &'a Plan,
        tokenization: &'a Tokenization,
        out: &Path,
        progress: &'a Progress,
    ) -> Self {
        Self {
            plan,
            tokenization,
            holdout: Holdout::new(configuration.validation),
            format: configuration.format,
            sequence_length: configuration.sequence_length,
            out: out.to_path_buf(),
            progress,
            stop: AtomicBool::new(false),
        }
    }

    /// After a failure: removes the folders that hold nothing, so that the same command can be given again.
    pub(crate) fn remove_empty(&self) {
        sink::remove_empty([self.out.join(VALIDATION), self.out.clone()]);
    }

    /// A watcher that also stops the unit that is being encoded.
    pub(crate) fn stopping(&self, watcher: Watcher<'_>) -> impl FnMut(&Progress) -> Result<()> {
        |progress| watcher(progress).inspect_err(|_| self.stop.store(true, Ordering::Relaxed))
    }

    /// Encodes a unit's documents. One that cannot be encoded is counted with those that cannot be read.
    fn encode(&self, job: Job) -> Result<Done> {
        let Job { part, documents, held } = job;
        let mut rows = RowsBySource::default();
        rows.count(&documents);
        let mut done = Done {
            part,
            training: TokenBatch::default(),
            validation: TokenBatch::default(),
            places: Vec::with_capacity(documents.len()),
            unreadable: documents.unreadable,
            rows,
            _held: held,
        };
        let Tokenization { encoder, special, .. } = self.tokenization;
        for (row, address) in documents.addresses.into_iter().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            // Texts were checked for nulls when the unit was read.
            let text = documents.text.get(row).unwrap_or_default();
            let (split, batch) = match self.holdout.takes(text) {
                false => (Split::Training, &mut done.training),
                true => (Split::Validation, &mut done.validation),
            };
            match batch.encode(&**encoder, special, text) {
                Ok(()) => done.places.push((split, address)),
                Err(error) => done.unreadable.push(Unreadable::row(address, None, error)),
            }
        }
        done.unreadable.sort_by_key(|row| row.address);
        Ok(done)
    }
}

impl Road for PackFolder<'_> {
    type Source = Plan;
    type Mapped = Documents;
    type Job = Job;
    type Done = Done;
    type Order = PackOrder;
    type Writer = PackWriter;

    fn source(&self) -> &Plan {
        self.plan
    }

    fn map(&self, unit: Unit) -> Result<Documents> {
        self.plan.documents(unit)
    }

    fn order(&self, order: &mut PackOrder, event: Event<Documents>) -> Result<Step<Job>> {
        let mut step = Step::default();
        match event {
            Event::Unit(mut documents, held) => {
                order.numbering.number(&mut documents);
                let part = order.parts.unit(self.plan, documents.bytes);
                step.jobs.push(Job { part, documents, held });
                step.stop = order.numbering.is_full();
            }
            Event::SegmentEnd(segment) => {
                let next = (segment + 1 < self.plan.segments.len()).then_some(segment + 1);
                order.parts.segment_end(self.plan, segment, next);
            }
            Event::End => {}
        }
        Ok(step)
    }

    fn finish(&self, job: Job) -> Result<Done> {
        let (read, bytes) = (job.documents.rows(), job.documents.bytes);
        let done = self.encode(job)?;
        Progress::add(&self.progress.documents, read);
        Progress::add(&self.progress.kept, done.places.len() as u64);
        Progress::add(&self.progress.unreadable, done.unreadable.len() as u64);
        Progress::add(&self.progress.bytes, bytes);
        Ok(done)
    }

    fn write(&self, writer: &mut PackWriter, done: Done) -> Result<()> {
        writer.write(self, done)
    }
}

/// What a run came to.
pub(crate) struct Totals {
    pub(crate) training: SplitRecord,
    pub(crate) validation: SplitRecord,
    pub(crate) unreadable: u64,
    pub(crate) rows: RowsBySource,
}

/// Joins encoded units in order.
pub(crate) struct PackWriter {
    training: SplitWriter,
    validation: SplitWriter,
    provenance: Provenance,
    sources: Sources,
    unreadable: AtomicFile,
    unreadable_rows: u64,
    rows: RowsBySource,
}

impl PackWriter {
    pub(crate) fn create(folder: &PackFolder<'_>) -> Result<Self> {
        Ok(Self {
            training: SplitWriter::new(folder, "")?,
            validation: SplitWriter::new(folder, VALIDATION)?,
            provenance: Provenance::new(&folder.plan.files)?,
            sources: Sources::create(&folder.out)?,
            unreadable: AtomicFile::create(folder.out.join("unreadable.jsonl"))?,
            unreadable_rows: 0,
            rows: RowsBySource::default(),
        })
    }

    fn write(&mut self, folder: &PackFolder<'_>, done: Done) -> Result<()> {
        self.training.append(done.part, &done.training)?;
        self.validation.append(done.part, &done.validation)?;
        for (split, address) in done.places {
            let (source, row) = self.provenance.trace(address)?;
            self.sources.append(split, source, row)?;
        }
        for row in &done.unreadable {
            self.unreadable.append(&UnreadableLine::encode(row, &folder.plan.files)?)?;
        }
        self.unreadable_rows += done.unreadable.len() as u64;
        self.rows.add_all(&done.rows);
        Ok(())
    }

    /// Commits everything that is open.
    pub(crate) fn finish(self) -> Result<Totals> {
        let (training, validation) = (self.training.finish()?, self.validation.finish()?);
        self.sources.finish()?;
        self.unreadable.commit()?;
        Ok(Totals { training, validation, unreadable: self.unreadable_rows, rows: self.rows })
    }
}

/// One side of the split, in whichever format was asked for.
enum SplitWriter {
    Tokens(Box<TokenFolder>),
    Rows(Box<RowFolder>),
}

impl SplitWriter {
    fn new(folder: &PackFolder<'_>, prefix: &'static str) -> Result<Self> {
        let length = folder.sequence_length;
        Ok(match folder.format {
            TokenFormat::Tokens => {
                let width = TokenWidth::of_vocabulary(folder.tokenization.encoder.vocabulary_size());
                Self::Tokens(Box::new(TokenFolder::new(&folder.out, prefix, width, length)))
            }
            TokenFormat::Parquet => {
                Self::Rows(Box::new(RowFolder::new(&folder.out, prefix, length as usize)?))
            }
        })
    }

    fn append(&mut self, part: Part, batch: &TokenBatch) -> Result<()> {
        match self {
            Self::Tokens(folder) => folder.append(part, batch),
            Self::Rows(folder) => folder.append(part, batch),
        }
    }

    fn finish(self) -> Result<SplitRecord> {
        let (ledger, files) = match self {
            Self::Tokens(folder) => folder.finish()?,
            Self::Rows(folder) => folder.finish()?,
        };
        Ok(SplitRecord { ledger, files, row_indexes: Vec::new() })
    }
}
