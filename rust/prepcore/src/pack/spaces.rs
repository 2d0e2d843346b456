//! The rows that are being filled, found by the space left in them.

/// No row.
const NONE: u32 = u32::MAX;

/// Rows by the space left in them: finds one with the least space that suffices.
///
/// Spaces that occur are a bitmap, and every 64 words of it a bit of the bitmap above, so a look-up takes a step for
/// every factor of 64 in the row's length: two for 4,096 tokens. Rows of equal space lie on a stack, linked through
/// the rows themselves.
#[derive(Debug)]
pub(crate) struct Spaces {
    /// The lowest level has a bit a space; in those above a bit says that a word below is not zero.
    levels: Vec<Vec<u64>>,
    /// The row on top of each space's stack.
    top: Vec<u32>,
    /// The row below each row on its stack.
    below: Vec<u32>,
}

impl Spaces {
    /// Room for spaces from 0 to `largest`.
    pub(crate) fn new(largest: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = largest + 1;
        while levels.is_empty() || bits > 1 {
            bits = bits.div_ceil(64);
            levels.push(vec![0; bits]);
        }
        Self { levels, top: vec![NONE; largest + 1], below: Vec::new() }
    }

    /// Adds a row with so much space. Rows are numbered from 0; one that was taken may be put again.
    pub(crate) fn put(&mut self, space: usize, row: u32) {
        if self.below.len() <= row as usize {
            self.below.resize(row as usize + 1, NONE);
        }
        self.below[row as usize] = std::mem::replace(&mut self.top[space], row);
        let mut bit = space;
        for words in &mut self.levels {
            let word = &mut words[bit / 64];
            let known = *word != 0;
            *word |= 1 << (bit % 64);
            if known {
                break;
            }
            bit /= 64;
        }
    }

    /// Takes the row that was put last among those with the least space that is at least `wanted`; gives that space.
    pub(crate) fn take(&mut self, wanted: usize) -> Option<(usize, u32)> {
        let space = self.at_least(wanted)?;
        let row = self.top[space];
        self.top[space] = self.below[row as usize];
        if self.top[space] == NONE {
            self.unmark(space);
        }
        Some((space, row))
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        while let Some(space) = self.at_least(0) {
            self.top[space] = NONE;
            self.unmark(space);
        }
        self.below.clear();
    }

    fn unmark(&mut self, space: usize) {
        let mut bit = space;
        for words in &mut self.levels {
            words[bit / 64] &= !(1 << (bit % 64));
            if words[bit / 64] != 0 {
                break;
            }
            bit /= 64;
        }
    }

    fn at_least(&self, wanted: usize) -> Option<usize> {
        let mut bit = wanted;
        for (height, words) in self.levels.iter().enumerate() {
            let found = words.get(bit / 64)? & (u64::MAX << (bit % 64));
            if found != 0 {
                let first = bit / 64 * 64 + found.trailing_zeros() as usize;
                let down = self.levels[..height].iter().rev();
                return Some(down.fold(first, |at, words| at * 64 + words[at].trailing_zeros() as usize));
            }
            bit = bit / 64 + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list that is searched from end to end.
        #[test]
        fn finds_what_a_search_finds(
            largest in prop_oneof![1_usize..70, 4_000_usize..4_200, Just(300_000)],
            steps in vec((any::<bool>(), 0.0..1.0), 0..200),
        ) {
            let mut spaces = Spaces::new(largest);
            let mut list: Vec<(usize, u32)> = Vec::new();
            for (number, (put, share)) in steps.into_iter().enumerate() {
                let value = (share * (largest + 1) as f64) as usize;
                if put {
                    spaces.put(value, number as u32);
                    list.push((value, number as u32));
                } else {
                    let fits = list.iter().enumerate().filter(|(_, (space, _))| *space >= value);
                    let best = fits.min_by_key(|(at, (space, _))| (*space, usize::MAX - at)).map(|(at, _)| at);
                    prop_assert_eq!(spaces.take(value), best.map(|at| list.remove(at)));
                }
            }
            spaces.clear();
            prop_assert_eq!(spaces.take(0), None);
        }
    }
}
