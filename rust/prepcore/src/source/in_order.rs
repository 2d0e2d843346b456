//! What only the order of the input can tell: line numbers, where `--limit` falls, and which part a unit is of.

use super::{Documents, PART_BYTES, Plan, Segment};

/// A part: its number in the plan, and which piece of it where a long compressed file fills several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    number: usize,
    piece: usize,
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

    /// Whether `--limit` is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.remaining == Some(0)
    }

    /// Numbers a unit's lines and cuts it where the limit falls.
    pub(crate) fn number(&mut self, documents: &mut Documents) {
        if let Some((source, lines)) = documents.lines {
            if self.lines.0 != source {
                self.lines = (source, 0);
            }
            documents.number_from(self.lines.1);
            self.lines.1 += lines;
        }
        if let Some(remaining) = &mut self.remaining {
            documents.truncate(*remaining);
            *remaining -= documents.rows();
        }
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

    /// All units of a segment have come.
    pub(crate) fn segment_end(&mut self, plan: &Plan, segment: usize) {
        if segment + 1 == plan.parts[self.part.number].end {
            *self = Self { part: Part { number: self.part.number + 1, piece: 0 }, filled: 0 };
        }
    }
}

/// Whether a part is cut as it is read, because no metadata tell the size of its segments.
fn cut_while_reading(plan: &Plan, part: Part) -> bool {
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
