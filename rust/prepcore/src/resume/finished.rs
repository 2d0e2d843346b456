//! The parts that are finished, and what a run that goes on must know of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::{FileRecord, PartRecord};
use crate::pack::TokenPart;
use crate::source::{Before, Part, PartFacts, Plan, Position, Start};
use crate::{Error, Result};

/// A part, or a piece of one, that was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) part: usize,
    pub(crate) piece: usize,
    /// Where the next piece of the part begins; none for the last.
    pub(crate) next: Option<Position>,
    /// What cleaning made of it; none where nothing was cleaned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<PartRecord>,
    /// What packing made of it; none where nothing was packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<TokenPart>,
    /// The rows that could not be read, where there are any.
    pub(crate) unreadable: Option<FileRecord>,
    /// Rows read of each file.
    pub(crate) rows: Vec<(u32, u64)>,
    pub(crate) facts: PartFacts,
}

impl Finished {
    /// Whether its files are there, with the sizes that they had: those of cleaning in the folder of the ledger.
    pub(crate) fn is_there(&self, out: &Path, ledger: &Path) -> bool {
        let are_there = |folder: &Path, mut files: Box<dyn Iterator<Item = (&str, u64)> + '_>| {
            files.all(|(path, bytes)| folder.join(path).metadata().is_ok_and(|found| found.len() == bytes))
        };
        let cleaned = self.record.iter().flat_map(PartRecord::files).map(FileRecord::path_and_bytes);
        let unreadable = self.unreadable.iter().map(FileRecord::path_and_bytes);
        let packed = self.tokens.iter().flat_map(TokenPart::files);
        are_there(ledger, Box::new(cleaned)) && are_there(out, Box::new(packed.chain(unreadable)))
    }

    /// What cleaning made of it.
    ///
    /// # Errors
    /// [`Error::Internal`] where nothing was cleaned.
    pub(crate) fn cleaned(&self) -> Result<&PartRecord> {
        self.record.as_ref().ok_or_else(|| Error::Internal(format!("part {} was not cleaned", self.part)))
    }

    /// What packing made of it.
    ///
    /// # Errors
    /// [`Error::Internal`] where nothing was packed.
    pub(crate) fn packed(&self) -> Result<&TokenPart> {
        self.tokens.as_ref().ok_or_else(|| Error::Internal(format!("part {} was not packed", self.part)))
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

    /// Forgets what was finished behind a gap: it is made again.
    pub(crate) fn before(mut self, start: &Start) -> Self {
        self.0.split_off(&start.part);
        self
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<&Finished> {
        self.0.last_key_value().map(|(_, finished)| finished)
    }

    /// Where a run over parts in order goes on: behind those that are finished from the first on. None where
    /// others are finished behind a gap.
    pub(crate) fn sequel(&self, plan: &Plan) -> Option<Start> {
        let start = self.first_left(plan);
        self.0.range(start.part..).next().is_none().then_some(start)
    }

    /// Where the first part begins, or goes on, that is not all finished.
    pub(crate) fn first_left(&self, plan: &Plan) -> Start {
        let mut before = Before::default();
        let first = (0..plan.parts.len()).find(|part| !self.holds(*part)).unwrap_or(plan.parts.len());
        (0..first).for_each(|part| before.pass(&self.facts(part)));
        let position = Position { segment: plan.segments.len(), offset: 0 };
        if first == plan.parts.len() {
            let part = Part { number: first, piece: 0 };
            Start { part, position, lines: (0, 0), documents: before.documents() }
        } else {
            self.start(&before, plan, first)
        }
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finished> {
        self.0.values()
    }
}
