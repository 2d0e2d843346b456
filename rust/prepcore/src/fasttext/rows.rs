//! A list of row numbers that is written eight at a time.

/// Row numbers in order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The rows, then room.
    values: Vec<u32>,
    filled: usize,
}

impl Rows {
    /// Makes room for so many, so that what follows need not.
    #[inline]
    pub(super) fn reserve(&mut self, more: usize) {
        if self.values.len() - self.filled < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.values.resize(2 * (self.filled + more), 0);
    }

    /// Adds one.
    #[inline]
    pub(super) fn push(&mut self, row: u32) {
        self.reserve(1);
        self.values[self.filled] = row;
        self.filled += 1;
    }

    /// Adds the first few of some: all are written, which costs less than a look at how many are wanted.
    #[inline]
    pub(super) fn push_first<const MOST: usize>(&mut self, rows: &[u32; MOST], count: usize) {
        self.reserve(MOST);
        if let Some(place) = self.values[self.filled..].first_chunk_mut() {
            *place = *rows;
        }
        self.filled += count.min(MOST);
    }

    /// All of them.
    #[inline]
    pub(super) fn as_slice(&self) -> &[u32] {
        &self.values[..self.filled]
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }
}
