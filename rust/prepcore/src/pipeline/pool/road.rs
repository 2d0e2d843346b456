//! What a verb puts on the pool: where it reads, and its tasks.

use std::sync::atomic::Ordering;

use super::Reservation;
use crate::source::{Documents, Numbering, Plan, Remaining, Unit, Units};
use crate::{Error, Result};

/// What is read: segments, and units within them.
pub(crate) trait Segments: Sync {
    /// A piece that is worked on alone.
    type Unit: Send;

    /// The number of segments.
    fn segments(&self) -> usize;
    /// Opens a segment: its units, one after the other.
    fn open(&self, segment: usize) -> Result<Box<dyn Iterator<Item = Result<Self::Unit>> + Send + '_>>;
    /// The bytes that a unit holds, and what is made of it.
    fn weight(&self, unit: &Self::Unit) -> u64;
    /// Whether it is no unit: its reader found that the next one is large, and asks that so many bytes, its
    /// weight, be reserved before it reads on.
    fn asks(&self, _unit: &Self::Unit) -> bool {
        false
    }
    /// The run is ending: whatever takes long in [`Segments::open`] gives up.
    fn stop(&self) {}
}

impl Segments for Remaining<'_> {
    type Unit = Unit;

    fn segments(&self) -> usize {
        self.len()
    }

    fn open(&self, number: usize) -> Result<Units<'_>> {
        let segment = self.segment(number);
        let segment = segment.ok_or_else(|| Error::Internal(format!("no segment {number} is left")))?;
        self.plan.open_from(segment, self.offset(segment), self.stopping())
    }

    fn weight(&self, unit: &Unit) -> u64 {
        unit.weight
    }

    fn asks(&self, unit: &Unit) -> bool {
        unit.asks()
    }

    fn stop(&self) {
        self.stopping().store(true, Ordering::Relaxed);
    }
}

impl Segments for Plan {
    type Unit = Unit;

    fn segments(&self) -> usize {
        self.segments.len()
    }

    fn open(&self, segment: usize) -> Result<Units<'_>> {
        Self::open(self, segment)
    }

    fn weight(&self, unit: &Unit) -> u64 {
        unit.weight
    }

    fn asks(&self, unit: &Unit) -> bool {
        unit.asks()
    }
}

pub(super) type UnitOf<R> = <<R as Road>::Source as Segments>::Unit;

/// The tasks of one verb.
pub(crate) trait Road: Sync {
    /// What it reads from.
    type Source: Segments;
    /// What mapping gives.
    type Mapped: Send;
    /// What the ordered stage hands on.
    type Job: Send;
    /// What is written.
    type Done: Send;
    /// What the ordered stage remembers.
    type Order: Send;
    /// What the writing stage remembers.
    type Writer: Send;

    /// What it reads from.
    fn source(&self) -> &Self::Source;
    /// Works on one unit alone.
    fn map(&self, unit: UnitOf<Self>) -> Result<Self::Mapped>;
    /// Takes the next event in input order.
    fn order(&self, order: &mut Self::Order, event: Event<Self::Mapped>) -> Result<Step<Self::Job>>;
    /// Works on one job alone.
    fn finish(&self, job: Self::Job) -> Result<Self::Done>;
    /// Takes the next finished job in order.
    fn write(&self, writer: &mut Self::Writer, done: Self::Done) -> Result<()>;
}

/// What the ordered stage sees, in input order.
pub(crate) enum Event<Mapped> {
    /// A unit, and the bytes it holds until it is written.
    Unit(Mapped, Reservation),
    /// All units of a segment have come.
    SegmentEnd(usize),
    /// Nothing follows.
    End,
}

/// What the ordered stage hands on.
pub(crate) struct Step<Job> {
    /// Jobs, in order.
    pub(crate) jobs: Vec<Job>,
    /// Enough was read: end here.
    pub(crate) stop: bool,
}

impl Step<(Documents, Reservation)> {
    /// Numbers a unit and hands it on as it is: all that a road does whose output has no parts.
    pub(crate) fn numbered(numbering: &mut Numbering, event: Event<Documents>) -> Self {
        let mut step = Self::default();
        if let Event::Unit(mut documents, held) = event {
            numbering.number(&mut documents);
            step.jobs.push((documents, held));
            step.stop = numbering.is_full();
        }
        step
    }
}

impl<Job> Default for Step<Job> {
    fn default() -> Self {
        Self { jobs: Vec::new(), stop: false }
    }
}
