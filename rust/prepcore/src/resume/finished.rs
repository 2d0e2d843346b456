//! The parts that are finished, and what a run that goes on must know of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::{FileRecord, PartRecord};
use crate::source::{Before, Part, PartFacts, Plan, Position, Start};

/// A part, or a piece of one, that was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) part: usize,
    pub(crate) piece: usize,
    /// Where the next piece of the part begins; none for the last.
    pub(crate) next: Option<Position>,
    pub(crate) record: PartRecord,
    /// The unreadable rows, where there are any.
    pub(crate) unreadable: Option<FileRecord>,
    /// Rows read of each file.
    pub(crate) rows: Vec<(u32, u64)>,
    pub(crate) facts: PartFacts,
}

impl Finished {
    /// Whether its files are there, with the sizes that they had.
    pub(crate) fn is_there(&self, out: &Path) -> bool {
        let PartRecord { kept, keys, dropped, .. } = &self.record;
        let files = [kept, keys, dropped].into_iter().chain(&self.unreadable);
        files
            .map(|file| out.join(&file.path).metadata().map(|found| found.len() == file.bytes))
            .all(|same| same.unwrap_or(false))
    }
}

/// All that is finished, by part and piece.
#[derive(Debug, Default)]
pub(crate) struct FinishedParts(BTreeMap<Part, Finished>);

impl FinishedParts {
    pub(crate) fn new(finished: impl IntoIterator<Item = Finished>) -> Self {
        let by_part = |finished: Finished| (Part { number: finished.part, piece: finished.piece }, finished);
        Self(finished.into_iter().map(by_part).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pieces of a part that are finished without a gap, from its first.
    pub(crate) fn pieces(&self, part: usize) -> impl Iterator<Item = &Finished> {
        let pieces = self.0.range(Part { number: part, piece: 0 }..Part { number: part + 1, piece: 0 });
        pieces
            .enumerate()
            .take_while(|(piece, (of, _))| of.piece == *piece)
            .map(|(_, (_, finished))| finished)
    }

    /// Whether all of a part is finished.
    pub(crate) fn holds(&self, part: usize) -> bool {
        self.pieces(part).last().is_some_and(|last| last.next.is_none())
    }

    /// Where a part goes on that is not all finished: behind its finished pieces. `before` went past the parts
    /// before it.
    pub(crate) fn start(&self, before: &Before, plan: &Plan, part: usize) -> Start {
        let facts = self.facts(part);
        let last = self.pieces(part).last();
        before.start(plan, part, last.and_then(|last| Some((last.piece + 1, last.next?, &facts))))
    }

    /// What reading the finished pieces of a part came to.
    pub(crate) fn facts(&self, part: usize) -> PartFacts {
        let mut facts = PartFacts::default();
        self.pieces(part).for_each(|piece| facts.add(&piece.facts));
        facts
    }

    /// Where a run over parts in order goes on: behind those that are finished from the first on. None where
    /// others are finished behind a gap.
    pub(crate) fn sequel(&self, plan: &Plan) -> Option<Start> {
        let mut before = Before::default();
        let first = (0..plan.parts.len()).find(|part| !self.holds(*part)).unwrap_or(plan.parts.len());
        (0..first).for_each(|part| before.pass(&self.facts(part)));
        let position = Position { segment: plan.segments.len(), offset: 0 };
        let start = if first == plan.parts.len() {
            let part = Part { number: first, piece: 0 };
            Start { part, position, lines: (0, 0), documents: before.documents() }
        } else {
            self.start(&before, plan, first)
        };
        self.0.range(start.part..).next().is_none().then_some(start)
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finished> {
        self.0.values()
    }
}
