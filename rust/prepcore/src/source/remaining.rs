//! What a run still has to read: some of a plan's parts, each from its start or from where a piece of it ended.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::{Part, Plan, Segment};

/// What reading a part, or pieces of it, came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartFacts {
    /// Rows, readable or not.
    pub(crate) documents: u64,
    /// Lines of each JSONL file, blank ones included.
    pub(crate) lines: Vec<(u32, u64)>,
}

impl PartFacts {
    /// Adds what was read after it.
    pub(crate) fn add(&mut self, next: &Self) {
        self.documents += next.documents;
        for (source, lines) in &next.lines {
            self.add_lines(*source, *lines);
        }
    }

    /// Adds lines of a file; files come in their order.
    pub(crate) fn add_lines(&mut self, source: u32, lines: u64) {
        match self.lines.last_mut() {
            Some((last, sum)) if *last == source => *sum += lines,
            _ => self.lines.push((source, lines)),
        }
    }

    fn last_lines(&self) -> Option<(u32, u64)> {
        self.lines.last().copied()
    }
}

/// A place between two units of a compressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) segment: usize,
    /// Bytes of the decompressed file before it.
    pub(crate) offset: u64,
}

/// Where reading a part begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The part, and the piece that is written first.
    pub(crate) part: Part,
    /// Where in the part; its first segment's start where it is read whole.
    pub(crate) position: Position,
    /// The file whose lines go on, and how many of them lie before.
    pub(crate) lines: (u32, u64),
    /// Rows of the whole input before; what is left of `--limit` follows.
    pub(crate) documents: u64,
}

/// Adds up what lies before each part.
#[derive(Debug, Default)]
pub(crate) struct Before {
    documents: u64,
    lines: (u32, u64),
}

impl Before {
    /// Rows so far.
    pub(crate) fn documents(&self) -> u64 {
        self.documents
    }

    /// Where a part begins of which `read` is done already: its finished pieces, and where they end.
    pub(crate) fn start(
        &self,
        plan: &Plan,
        number: usize,
        read: Option<(usize, Position, &PartFacts)>,
    ) -> Start {
        match read {
            None => {
                let segment = plan.parts[number].start;
                let lines = if plan.begins_within(number) { self.lines } else { (0, 0) };
                let position = Position { segment, offset: 0 };
                Start { part: Part { number, piece: 0 }, position, lines, documents: self.documents }
            }
            Some((piece, position, facts)) => {
                let lines = if position.offset > 0 { facts.last_lines().unwrap_or_default() } else { (0, 0) };
                let documents = self.documents + facts.documents;
                Start { part: Part { number, piece }, position, lines, documents }
            }
        }
    }

    /// Goes past a part.
    pub(crate) fn pass(&mut self, facts: &PartFacts) {
        self.documents += facts.documents;
        for (source, lines) in &facts.lines {
            let before = if self.lines.0 == *source { self.lines.1 } else { 0 };
            self.lines = (*source, before + lines);
        }
    }
}

/// The segments of some parts, in order.
pub(crate) struct Remaining<'a> {
    pub(crate) plan: &'a Plan,
    starts: BTreeMap<usize, Start>,
    segments: Vec<usize>,
    first: Part,
    stopping: AtomicBool,
}

impl<'a> Remaining<'a> {
    /// The parts of these numbers; `starts` says where they begin, for those where reading the part before does
    /// not tell, and is needed for the first.
    pub(crate) fn new(plan: &'a Plan, numbers: impl IntoIterator<Item = usize>, starts: &[Start]) -> Self {
        let starts: BTreeMap<usize, Start> = starts.iter().map(|start| (start.part.number, *start)).collect();
        let numbers: Vec<usize> = numbers.into_iter().collect();
        let segments = numbers.iter().flat_map(|number| {
            let part = plan.parts[*number].clone();
            starts.get(number).map_or(part.start, |start| start.position.segment)..part.end
        });
        let segments = segments.collect();
        let first = numbers.first().map_or(Part::default(), |number| {
            starts.get(number).map_or(Part { number: *number, piece: 0 }, |start| start.part)
        });
        Self { plan, starts, segments, first, stopping: AtomicBool::new(false) }
    }

    /// The plan's number of a segment, by its number here.
    pub(crate) fn segment(&self, number: usize) -> Option<usize> {
        self.segments.get(number).copied()
    }

    /// How many segments there are.
    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// The first part, or piece of one.
    pub(crate) fn first(&self) -> Part {
        self.first
    }

    /// Set once the run is ending: what takes long gives up.
    pub(crate) fn stopping(&self) -> &AtomicBool {
        &self.stopping
    }

    /// Where a part begins, where that was told.
    pub(crate) fn start(&self, number: usize) -> Option<&Start> {
        self.starts.get(&number)
    }

    /// Bytes of a segment's decompressed file that are passed over.
    pub(crate) fn offset(&self, segment: usize) -> u64 {
        let start = self.starts.get(&self.plan.part_of(segment));
        start.filter(|start| start.position.segment == segment).map_or(0, |start| start.position.offset)
    }
}

impl Plan {
    /// The number of the part that holds a segment.
    pub(crate) fn part_of(&self, segment: usize) -> usize {
        self.parts.partition_point(|part| part.end <= segment)
    }

    /// The files that a part is read from.
    pub(crate) fn sources_of(&self, part: usize) -> Range<u32> {
        let segments = &self.segments[self.parts[part].clone()];
        let sources = segments.iter().map(Segment::sources);
        sources.reduce(|first, last| first.start..last.end).unwrap_or(0..0)
    }

    /// Whether a part begins within a file of lines, whose earlier lines only reading tells.
    fn begins_within(&self, part: usize) -> bool {
        let range = &self.parts[part];
        matches!(self.segments.get(range.start), Some(Segment::Lines { range: (start, _), .. }) if *start > 0)
    }

    /// The file within which a part begins.
    pub(crate) fn source_within(&self, part: usize) -> Option<u32> {
        match self.segments.get(self.parts[part].start) {
            Some(Segment::Lines { source, range: (start, _) }) if *start > 0 => Some(*source),
            _ => None,
        }
    }
}
