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

    /// What turns a hash into a bucket.
    #[inline]
    pub(super) fn divisor(&self) -> Divisor {
        self.divisor
    }

    /// Whether most buckets have no row, so that a word has few.
    pub(super) fn is_pruned(&self) -> bool {
        matches!(self.rows, Rows::Pruned(_))
    }

    /// Whether a bucket has a row.
    #[inline]
    pub(super) fn has_row(&self, bucket: u32) -> bool {
        match &self.rows {
            Rows::All { .. } => true,
            Rows::Pruned(pruned) => pruned.has(bucket),
        }
    }

    /// The row of a bucket.
    #[inline]
    pub(super) fn row(&self, bucket: u32) -> Option<u32> {
        match &self.rows {
            Rows::All { words } => Some(words + bucket),
            Rows::Pruned(pruned) => pruned.has(bucket).then(|| pruned.row(bucket)),
        }
    }
}

/// A bit for each bucket, and rows by the rank of the bit.
#[derive(Debug)]
struct Pruned {
    bits: Vec<u64>,
    /// Bits set before each word of `bits`.
    before: Vec<u32>,
    rows: Vec<u32>,
}

impl Pruned {
    fn new(count: u32, kept: &[(u32, u32)]) -> Self {
        let mut bits = vec![0; (count as usize).div_ceil(64)];
        for (bucket, _) in kept {
            bits[*bucket as usize / 64] |= 1 << (bucket % 64);
        }
        let ranks = bits.iter().scan(0, |rank, word: &u64| {
            let before = *rank;
            *rank += word.count_ones();
            Some(before)
        });
        Self { before: ranks.collect(), bits, rows: kept.iter().map(|(_, row)| *row).collect() }
    }

    #[inline]
    fn has(&self, bucket: u32) -> bool {
        self.bits[bucket as usize / 64] >> (bucket % 64) & 1 == 1
    }

    /// The row of a bucket that has one.
    #[inline]
    fn row(&self, bucket: u32) -> u32 {
        let word = bucket as usize / 64;
        let lower = self.bits[word] & ((1 << (bucket % 64)) - 1);
        self.rows[(self.before[word] + lower.count_ones()) as usize]
    }
}

/// Remainders by multiplication, in steps that exist for vectors too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisor {
    divisor: u32,
    reciprocal: u32,
}

impl Divisor {
    /// For a divisor below 2³¹, which is not 0 unless it is never used.
    fn new(divisor: u32) -> Self {
        // 2³² by 1 does not fit; one less makes the quotient one too small, as it may be with any divisor.
        let reciprocal = u32::try_from((1_u64 << 32) / u64::from(divisor.max(1))).unwrap_or(u32::MAX);
        Self { divisor, reciprocal }
    }

    /// What is left of a value.
    ///
    /// The reciprocal is rounded down by less than one, so the quotient is the true one or one less, and the
    /// remainder at most one divisor too large. Where it is not, the subtraction wraps to more than it was.
    #[inline(always)]
    pub(super) fn remainder(self, value: u32) -> u32 {
        let quotient = ((u64::from(value) * u64::from(self.reciprocal)) >> 32) as u32;
        let remainder = value.wrapping_sub(quotient.wrapping_mul(self.divisor));
        remainder.min(remainder.wrapping_sub(self.divisor))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn remainders_are_those_of_a_division(value: u32, divisor in 1_u32..1 << 31) {
            for divisor in [divisor, divisor % 1_000 + 1, 1 << (divisor % 31), i32::MAX as u32] {
                for value in [value, u32::MAX, divisor, divisor - 1, value / divisor * divisor] {
                    prop_assert_eq!(Divisor::new(divisor).remainder(value), value % divisor);
                }
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
