//! From the hash of an n-gram to its row of the input matrix.

/// The most buckets of a pruned model, of which one bit each is kept: 16 MiB. The library's default is 2 million.
pub(super) const MAX_PRUNED: u32 = 1 << 27;

/// The rows of n-grams.
#[derive(Debug)]
pub(super) struct Buckets {
    divisor: Divisor,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    /// Every bucket has a row: its number plus that of the words.
    All { words: u32 },
    /// Some have.
    Pruned(Pruned),
}

impl Buckets {
    /// Of a model that was not pruned.
    pub(super) fn all(count: u32, words: u32) -> Self {
        Self { divisor: Divisor::new(count), rows: Rows::All { words } }
    }

    /// Of a model in which only these buckets, in ascending order, have rows.
    pub(super) fn pruned(count: u32, kept: &[(u32, u32)]) -> Self {
        Self { divisor: Divisor::new(count), rows: Rows::Pruned(Pruned::new(count, kept)) }
    }

    /// The number of buckets.
    pub(super) fn count(&self) -> u32 {
        self.divisor.divisor
    }

    /// Whether most buckets have no row, so that a word has few.
    pub(super) fn is_pruned(&self) -> bool {
        matches!(self.rows, Rows::Pruned(_))
    }

    /// The row of a 32-bit hash.
    #[inline]
    pub(super) fn row_of(&self, hash: u32) -> Option<u32> {
        self.row(self.divisor.remainder(hash))
    }

    /// The row of a bucket.
    #[inline]
    pub(super) fn row(&self, bucket: u32) -> Option<u32> {
        match &self.rows {
            Rows::All { words } => Some(words + bucket),
            Rows::Pruned(pruned) => pruned.row(bucket),
        }
    }
}

/// A bit for each bucket, and rows by the rank of the bit.
#[derive(Debug)]
struct Pruned {
    words: Vec<Word>,
    rows: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    bits: u64,
    /// Bits set in all words before.
    before: u32,
}

impl Pruned {
    fn new(count: u32, kept: &[(u32, u32)]) -> Self {
        let mut words = vec![Word::default(); (count as usize).div_ceil(64)];
        for (bucket, _) in kept {
            words[*bucket as usize / 64].bits |= 1 << (bucket % 64);
        }
        let mut before = 0;
        for word in &mut words {
            word.before = before;
            before += word.bits.count_ones();
        }
        Self { words, rows: kept.iter().map(|(_, row)| *row).collect() }
    }

    #[inline]
    fn row(&self, bucket: u32) -> Option<u32> {
        let word = self.words[bucket as usize / 64];
        let bit = 1_u64 << (bucket % 64);
        if word.bits & bit == 0 {
            return None;
        }
        let rank = word.before + (word.bits & (bit - 1)).count_ones();
        Some(self.rows[rank as usize])
    }
}

/// Remainders by multiplication: D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct computation" (2019).
#[derive(Debug)]
struct Divisor {
    divisor: u32,
    reciprocal: u64,
}

impl Divisor {
    /// For a divisor that is not 0, or that is never used.
    fn new(divisor: u32) -> Self {
        Self { divisor, reciprocal: (u64::MAX / u64::from(divisor.max(1))).wrapping_add(1) }
    }

    #[inline]
    fn remainder(&self, value: u32) -> u32 {
        let fraction = self.reciprocal.wrapping_mul(u64::from(value));
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn remainders_are_those_of_a_division(value: u32, divisor in 1_u32..) {
            for divisor in [divisor, divisor % 1_000 + 1, 1 << (divisor % 32)] {
                prop_assert_eq!(Divisor::new(divisor).remainder(value), value % divisor);
            }
        }

        #[test]
        fn pruned_rows_are_those_of_a_map(
            kept in prop::collection::btree_map(0_u32..500, any::<u32>(), 0..100),
        ) {
            let sorted: Vec<(u32, u32)> = kept.iter().map(|(bucket, row)| (*bucket, *row)).collect();
            let buckets = Buckets::pruned(500, &sorted);
            for bucket in 0..500 {
                prop_assert_eq!(buckets.row(bucket), kept.get(&bucket).copied());
            }
        }
    }
}
