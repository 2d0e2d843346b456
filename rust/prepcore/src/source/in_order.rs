//! What only the order of the input can tell: line numbers, where `--limit` falls, and which part a unit is of.

use super::{Documents, PART_BYTES, Plan, Segment};

/// A part: its number in the plan, and which piece of it where a long compressed file fills several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) number: usize,
    pub(crate) piece: usize,
}

impl Part {
    /// `PREFIX-00003`, then `PREFIX-00003_00001`: names sort in this order.
    pub(crate) fn stem(self, prefix: &str) -> String {
        match self.piece {
            0 => format!("{prefix}-{:05}", self.number),
            piece => format!("{prefix}-{:05}_{piece:05}", self.number),
        }
    }
}

/// Numbers lines and counts `--limit` down, unit by unit.
#[derive(Debug)]
pub(crate) struct Numbering {
    /// The file whose lines are being counted, and the lines before the next unit.
    lines: (u32, u64),
    remaining: Option<u64>,
}

impl Numbering {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { lines: (0, 0), remaining: limit }
    }

    /// Goes on from elsewhere: so many lines of a file lie before, and so many rows are still wanted.
    pub(crate) fn restart(&mut self, lines: (u32, u64), remaining: Option<u64>) {
        *self = Self { lines, remaining };
    }

    /// Whether `--limit` is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.remaining == Some(0)
    }

    /// Numbers a unit's lines and cuts it where the limit falls.
    pub(crate) fn number(&mut self, documents: &mut Documents) {
        if let Some(lines) = documents.lines {
            documents.number_from(self.lines_before(lines.source, lines.count));
        }
        if let Some(remaining) = &mut self.remaining {
            documents.truncate(*remaining);
            *remaining -= documents.rows();
        }
    }

    /// The lines of a file before a unit that has so many of them.
    pub(crate) fn lines_before(&mut self, source: u32, count: u64) -> u64 {
        if self.lines.0 != source {
            self.lines = (source, 0);
        }
        self.lines.1 += count;
        self.lines.1 - count
    }
}

/// Follows the plan's parts.
#[derive(Debug, Default)]
pub(crate) struct PartCursor {
    part: Part,
    /// Bytes of text that the part's open piece holds.
    filled: u64,
}

impl PartCursor {
    /// A cursor that stands at the start of a part, or of a piece of one.
    pub(crate) fn at(part: Part) -> Self {
        Self { part, filled: 0 }
    }

    /// The part of a unit with so many bytes of text.
    pub(crate) fn unit(&mut self, plan: &Plan, bytes: u64) -> Part {
        if self.filled > 0 && self.filled + bytes > PART_BYTES && cut_while_reading(plan, self.part) {
            self.part.piece += 1;
            self.filled = 0;
        }
        self.filled += bytes;
        self.part
    }

    /// The part that is open, or the next.
    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// All units of a segment have come; `next` is the segment that is read after it.
    pub(crate) fn segment_end(&mut self, plan: &Plan, segment: usize, next: Option<usize>) {
        let (ended, begun) = (plan.part_of(segment), next.map(|next| plan.part_of(next)));
        if begun != Some(ended) {
            *self = Self::at(Part { number: begun.unwrap_or(ended + 1), piece: 0 });
        }
    }
}

/// Whether a part is cut as it is read, because no metadata tell the size of its segments.
fn cut_while_reading(plan: &Plan, part: Part) -> bool {
    if plan.has_named_parts() {
        return false;
    }
    let mut segments = plan.segments[plan.parts[part.number].clone()].iter();
    segments.all(|segment| matches!(segment, Segment::Compressed { .. } | Segment::Stream))
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn names_sort_as_the_parts_do() {
        let parts = [(0, 0), (0, 1), (0, 2), (1, 0), (12, 0)];
        let stems = parts.map(|(number, piece)| Part { number, piece }.stem("tokens"));
        assert_eq!(stems[..2], ["tokens-00000", "tokens-00000_00001"]);
        // With what follows a stem, too: `.` sorts before `_`.
        assert!(stems.map(|stem| format!("{stem}.ds")).is_sorted());
    }
}
