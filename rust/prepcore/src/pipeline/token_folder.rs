//! The road of `pack` into a folder: documents are read, numbered, encoded on any thread, and joined in order, part by
//! part.

use super::Progress;
use super::encoding::{Encoded, Encoding};
use super::grouping::{Close, Grouping, Job};
use super::pool::{Event, Reservation, Road, Step};
use super::token_part::{OpenTokens, Rests, TokenSink};
use crate::manifest::RowsBySource;
use crate::pack::Provenance;
use crate::resume::{Finished, RunFolder};
use crate::source::{Documents, Numbering, Part, PartFacts, Plan, Position, Remaining, Unit};
use crate::{Error, Result};

/// What all tasks of a run share.
pub(crate) struct PackFolder<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) encoding: Encoding<'a>,
    pub(crate) sink: TokenSink,
    pub(crate) progress: &'a Progress,
}

/// The road over the parts that remain.
pub(crate) struct PackRoad<'a> {
    pub(crate) folder: &'a PackFolder<'a>,
    pub(crate) remaining: &'a Remaining<'a>,
}

/// What is decided in input order: line numbers, where `--limit` falls, and each unit's part.
pub(crate) struct PackOrder {
    numbering: Numbering,
    grouping: Grouping<Documents>,
    /// The segment whose units come, by its number among those that remain.
    segment: usize,
}

impl PackOrder {
    /// What comes behind the finished parts; `limit` is of the whole input.
    pub(crate) fn new(remaining: &Remaining<'_>, limit: Option<u64>) -> Self {
        let first = remaining.first();
        let mut numbering = Numbering::new(limit);
        if let Some(start) = remaining.start(first.number) {
            numbering.restart(start.lines, limit.map(|limit| limit.saturating_sub(start.documents)));
        }
        Self { numbering, grouping: Grouping::new(first), segment: 0 }
    }
}

/// Encoded units.
pub(crate) struct Done {
    part: Part,
    close: Option<Close>,
    encoded: Encoded,
    rows: RowsBySource,
    facts: PartFacts,
    /// Given back once it is written.
    _held: Vec<Reservation>,
}

impl<'a> Road for PackRoad<'a> {
    type Source = Remaining<'a>;
    type Mapped = Documents;
    type Job = Job<Documents>;
    type Done = Done;
    type Order = PackOrder;
    type Writer = PackWriter<'a>;

    fn source(&self) -> &Remaining<'a> {
        self.remaining
    }

    fn map(&self, unit: Unit) -> Result<Documents> {
        let documents = self.folder.plan.documents(unit)?;
        Progress::add(&self.folder.progress.bytes, documents.bytes);
        Ok(documents)
    }

    fn order(&self, order: &mut PackOrder, event: Event<Documents>) -> Result<Step<Job<Documents>>> {
        let mut step = Step::default();
        match event {
            Event::Unit(mut documents, held) => {
                let segment = self.remaining.segment(order.segment).unwrap_or_default();
                let offset = documents.lines.map_or(0, |lines| lines.offset);
                order.numbering.number(&mut documents);
                let position = Position { segment, offset };
                order.grouping.unit(self.folder.plan, (documents, held), position, &mut step.jobs);
                step.stop = order.numbering.is_full();
            }
            Event::SegmentEnd(number) => {
                order.segment = number + 1;
                order.grouping.segment_end(self.remaining, number, &mut step.jobs);
            }
            Event::End => order.grouping.end(self.remaining, &mut step.jobs),
        }
        Ok(step)
    }

    /// Encodes. A document that cannot be encoded is counted with those that cannot be read.
    fn finish(&self, job: Job<Documents>) -> Result<Done> {
        let Job { part, units, close } = job;
        let (mut rows, mut facts) = (RowsBySource::default(), PartFacts::default());
        let mut encoded = Encoded::default();
        let mut held = Vec::with_capacity(units.len());
        for (documents, reservation) in units {
            rows.count(&documents);
            facts.documents += documents.rows();
            if let Some(lines) = documents.lines {
                facts.add_lines(lines.source, lines.count);
            }
            self.folder.encoding.encode(&documents, |_| true, self.remaining.stopping(), &mut encoded)?;
            encoded.unreadable.extend(documents.unreadable);
            held.push(reservation);
        }
        encoded.unreadable.sort_by_key(|row| row.address);
        let progress = self.folder.progress;
        Progress::add(&progress.documents, facts.documents);
        Progress::add(&progress.kept, encoded.places.len() as u64);
        Progress::add(&progress.unreadable, encoded.unreadable.iter().map(|row| row.rows).sum());
        Ok(Done { part, close, encoded, rows, facts, _held: held })
    }

    fn write(&self, writer: &mut PackWriter<'a>, done: Done) -> Result<()> {
        writer.write(done)
    }
}

/// Joins encoded units in order, and commits a part when it ends.
pub(crate) struct PackWriter<'a> {
    folder: &'a PackFolder<'a>,
    run: &'a mut RunFolder,
    provenance: Provenance,
    rests: Rests,
    open: Option<OpenPart>,
    /// Parts committed so far.
    written: u64,
}

struct OpenPart {
    part: Part,
    tokens: OpenTokens,
    rows: RowsBySource,
    facts: PartFacts,
}

impl<'a> PackWriter<'a> {
    /// A writer that goes on behind the finished part that left `rests`.
    pub(crate) fn new(folder: &'a PackFolder<'a>, run: &'a mut RunFolder, rests: Rests) -> Result<Self> {
        let provenance = Provenance::new(&folder.plan.files)?;
        Ok(Self { folder, run, provenance, rests, open: None, written: 0 })
    }

    /// Parts committed by this writer.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    fn write(&mut self, done: Done) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create(done.part)?,
        };
        let close = done.close;
        open.append(self.folder.plan, &mut self.provenance, done)?;
        match close {
            None => self.open = Some(open),
            Some(close) => {
                let (finished, rests) = open.commit(self.folder.plan, self.run, close)?;
                self.run.journal().finished(finished)?;
                self.rests = rests;
                self.written += 1;
            }
        }
        Ok(())
    }

    fn create(&mut self, part: Part) -> Result<OpenPart> {
        let plan = self.folder.plan;
        let stem = |prefix: &str| plan.stem(part, prefix);
        let rests = std::mem::take(&mut self.rests);
        Ok(OpenPart {
            part,
            tokens: OpenTokens::create(&self.folder.sink, self.run, stem, rests)?,
            rows: RowsBySource::default(),
            facts: PartFacts::default(),
        })
    }
}

impl OpenPart {
    fn append(&mut self, plan: &Plan, provenance: &mut Provenance, done: Done) -> Result<()> {
        self.tokens.append(&done.encoded, &plan.files, |address| provenance.trace(address))?;
        self.rows.add_all(&done.rows);
        self.facts.add(&done.facts);
        Ok(())
    }

    fn commit(self, plan: &Plan, run: &RunFolder, close: Close) -> Result<(Finished, Rests)> {
        let Self { part, tokens, rows, facts } = self;
        // What was read must be what was planned: its fingerprint will be looked at when the run goes on.
        plan.check_unchanged(plan.sources_of(part.number))?;
        let (tokens, rests) = tokens.commit(run)?;
        let (packed, unreadable) = (tokens.documents(), tokens.unreadable);
        if facts.documents != packed + unreadable {
            return Err(Error::Internal(format!(
                "{}: {} documents read, but {packed} packed + {unreadable} unreadable",
                part.stem("part"),
                facts.documents
            )));
        }
        let finished = Finished {
            part: part.number,
            piece: part.piece,
            next: close.next,
            record: None,
            tokens: Some(tokens),
            unreadable: None,
            rows: rows.into_list(),
            facts,
        };
        Ok((finished, rests))
    }
}
