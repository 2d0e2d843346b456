//! The road of `clean` that writes: parts of row groups, and their ledger.

use arrow_array::BooleanArray;

use super::Progress;
use super::encoding::Encoded;
use super::folder::CleanFolder;
use super::grouping::{Grouping, Job};
use super::judge::{Decide, Decided, Judged};
use super::part_writer::{Done, PartWriter};
use super::pool::{Event, Reservation, Road, Step};
use crate::Result;
use crate::ledger::{self, Fate, KeyRecord};
use crate::manifest::RowsBySource;
use crate::source::{Documents, Part, PartFacts, Position, Remaining, Unit, UnreadableLine};

/// The road over the parts that remain.
pub(crate) struct Emit<'a> {
    pub(crate) folder: &'a CleanFolder<'a>,
    pub(crate) remaining: &'a Remaining<'a>,
}

/// What the ordered stage remembers.
pub(crate) struct InOrder<'a> {
    decide: Decide<'a>,
    grouping: Grouping<Decided>,
    /// The part that deciding has begun.
    part: Option<usize>,
    /// The segment whose units come, by its number among those that remain.
    segment: usize,
    /// The keys took more memory than they may: the open part is given up.
    spent: bool,
}

impl<'a> InOrder<'a> {
    pub(crate) fn new(decide: Decide<'a>, first: Part) -> Self {
        Self { decide, grouping: Grouping::new(first), part: None, segment: 0, spent: false }
    }

    /// Whether the run ended because the keys took more memory than they may.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }

    fn unit(
        &mut self,
        remaining: &Remaining<'_>,
        judged: Judged,
        held: Reservation,
    ) -> Result<Step<Job<Decided>>> {
        let mut step = Step::default();
        let part = self.grouping.part();
        if self.part != Some(part) {
            self.decide.begin_part(part, remaining.start(part))?;
            self.part = Some(part);
        }
        let segment = remaining.segment(self.segment).unwrap_or_default();
        let offset = judged.documents.lines.map_or(0, |lines| lines.offset);
        let decided = self.decide.decide(judged)?;
        self.grouping.unit(remaining.plan, (decided, held), Position { segment, offset }, &mut step.jobs);
        self.spent = self.decide.is_over_budget();
        step.stop = self.decide.is_full() || self.spent;
        Ok(step)
    }
}

impl<'a> Road for Emit<'a> {
    type Source = Remaining<'a>;
    type Mapped = Judged;
    type Job = Job<Decided>;
    type Done = Done;
    type Order = InOrder<'a>;
    type Writer = PartWriter<'a>;

    fn source(&self) -> &Remaining<'a> {
        self.remaining
    }

    fn map(&self, unit: Unit) -> Result<Judged> {
        self.folder.judged(unit)
    }

    fn order(&self, order: &mut InOrder<'a>, event: Event<Judged>) -> Result<Step<Job<Decided>>> {
        let mut step = Step::default();
        match event {
            Event::Unit(judged, held) => return order.unit(self.remaining, judged, held),
            Event::SegmentEnd(number) => {
                order.segment = number + 1;
                order.grouping.segment_end(self.remaining, number, &mut step.jobs);
            }
            Event::End if order.spent => {}
            Event::End => order.grouping.end(self.remaining, &mut step.jobs),
        }
        Ok(step)
    }

    fn finish(&self, mut job: Job<Decided>) -> Result<Done> {
        let folder = self.folder;
        let mut counts = folder.judge.counts();
        let (mut rows, mut facts) = (RowsBySource::default(), PartFacts::default());
        let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
        let mut dropped = Vec::with_capacity(job.units.len());
        for (decided, _) in &mut job.units {
            folder.judge.judge_kept(decided);
            let documents = &decided.documents;
            counts.add(&decided.counts(&folder.judge));
            rows.count(documents);
            facts.documents += documents.rows();
            if let Some(lines) = documents.lines {
                facts.add_lines(lines.source, lines.count);
            }
            let fates = documents.addresses.iter().zip(&decided.keys).zip(&decided.fates);
            for ((address, key), fate) in fates.filter(|((_, key), fate)| fate.came_first(**key)) {
                keys.extend(KeyRecord { key: *key, address: *address, kept: *fate == Fate::Kept }.encode());
            }
            for row in &documents.unreadable {
                unreadable.extend(UnreadableLine::encode(row, &folder.plan.files)?);
            }
            let names = folder.against.names();
            dropped.push(ledger::dropped_batch(&folder.dropped_schema, documents, &decided.fates, names)?);
            decided.add_scores(&folder.scores)?;
        }
        let kept: Vec<_> =
            job.units.iter().map(|(decided, _)| (&decided.documents, decided.keep())).collect();
        let documents = folder.documents.as_ref().map(|sink| sink.encode(&kept)).transpose()?;
        let encoded = folder.tokens.as_ref().map(|tokens| {
            let mut encoded = Encoded::default();
            let mut units = kept.iter();
            let stopping = self.remaining.stopping();
            let encode = |(documents, keep): &(&Documents, BooleanArray)| {
                tokens.encoding.encode(documents, |row| keep.value(row), stopping, &mut encoded)
            };
            units.try_for_each(encode).map(|()| encoded)
        });
        let encoded = encoded.transpose()?;
        drop(kept);
        let dropped = folder.dropped.encode(&dropped)?;
        Progress::add(&folder.progress.kept, counts.kept);
        let _held = job.units.into_iter().map(|(_, held)| held).collect();
        let (part, close) = (job.part, job.close);
        Ok(Done { part, close, documents, encoded, dropped, keys, unreadable, counts, rows, facts, _held })
    }

    fn write(&self, writer: &mut PartWriter<'a>, done: Done) -> Result<()> {
        writer.write(done)
    }
}
