//! Units become row groups, and row groups parts.

use super::pool::Reservation;
use crate::source::{Documents, Part, PartCursor, Plan, Position, Remaining, UNIT_BYTES, UNIT_ROWS};

/// Bytes of text in a row group of several units: half a unit more than one, so that what is left over of an input's
/// row group a little larger than a unit makes no row group of its own.
const ROW_GROUP_BYTES: u64 = UNIT_BYTES + UNIT_BYTES / 2;

/// A unit that others may share a row group with.
pub(crate) trait Grouped {
    /// Its documents.
    fn documents(&self) -> &Documents;
}

impl Grouped for Documents {
    fn documents(&self) -> &Documents {
        self
    }
}

/// A row group to encode.
pub(crate) struct Job<Unit> {
    pub(crate) part: Part,
    pub(crate) units: Vec<(Unit, Reservation)>,
    /// Set where the part, or a piece of it, ends with this row group.
    pub(crate) close: Option<Close>,
}

/// The end of a part, or of a piece of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Close {
    /// Where the next piece of the part begins; none where the part ends.
    pub(crate) next: Option<Position>,
}

/// Consecutive units of one part that become one row group: small ones share it, up to [`ROW_GROUP_BYTES`].
pub(crate) struct Grouping<Unit> {
    cursor: PartCursor,
    part: Part,
    units: Vec<(Unit, Reservation)>,
    bytes: u64,
    rows: usize,
    /// Whether the part has been handed on, at least in part.
    begun: bool,
}

impl<Unit: Grouped> Grouping<Unit> {
    /// A grouping that begins with a part, or a piece of one.
    pub(crate) fn new(part: Part) -> Self {
        let cursor = PartCursor::at(part);
        Self { cursor, part, units: Vec::new(), bytes: 0, rows: 0, begun: false }
    }

    /// The number of the part that is open.
    pub(crate) fn part(&self) -> usize {
        self.cursor.part().number
    }

    /// Takes the next unit, which stands at `position`; gives the row groups that it ends.
    pub(crate) fn unit(
        &mut self,
        plan: &Plan,
        (unit, held): (Unit, Reservation),
        position: Position,
        jobs: &mut Vec<Job<Unit>>,
    ) {
        let bytes = unit.documents().bytes;
        let part = self.cursor.unit(plan, bytes);
        self.go_to(part, Some(position), jobs);
        let rows = unit.documents().len();
        if !self.units.is_empty() && (self.bytes + bytes > ROW_GROUP_BYTES || self.rows + rows > UNIT_ROWS) {
            jobs.push(self.flush(None));
        }
        self.bytes += bytes;
        self.rows += rows;
        self.units.push((unit, held));
    }

    /// All units of a segment have come.
    pub(crate) fn segment_end(
        &mut self,
        remaining: &Remaining<'_>,
        number: usize,
        jobs: &mut Vec<Job<Unit>>,
    ) {
        let (segment, next) = (remaining.segment(number), remaining.segment(number + 1));
        if let Some(segment) = segment {
            self.cursor.segment_end(remaining.plan, segment, next);
            self.go_to(self.cursor.part(), None, jobs);
        }
    }

    /// Nothing follows. An input without segments, or one that `--limit` cut short, still ends its part.
    pub(crate) fn end(&mut self, remaining: &Remaining<'_>, jobs: &mut Vec<Job<Unit>>) {
        if self.begun || !self.units.is_empty() || remaining.len() == 0 {
            jobs.push(self.flush(Some(Close { next: None })));
        }
    }

    /// Ends the part where another begins, or a piece of it where the next one does: at `next`.
    fn go_to(&mut self, part: Part, next: Option<Position>, jobs: &mut Vec<Job<Unit>>) {
        if part != self.part {
            jobs.push(self.flush(Some(Close { next })));
            self.part = part;
        }
    }

    fn flush(&mut self, close: Option<Close>) -> Job<Unit> {
        self.begun = close.is_none();
        self.bytes = 0;
        self.rows = 0;
        Job { part: self.part, units: std::mem::take(&mut self.units), close }
    }
}
