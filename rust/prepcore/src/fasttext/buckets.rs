//! From the hash of an n-gram to its row of the input matrix.

use crate::memory::prefetch;

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

    /// Of a model in which only these buckets, in ascending order, have rows; these follow those of the words.
    pub(super) fn pruned(count: u32, words: u32, kept: &[u32]) -> Self {
        Self { divisor: Divisor::new(count), rows: Rows::Pruned(Pruned::new(count, words, kept)) }
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

    /// A table of bits in which that of [`sieved`] is set for every bucket that has a row, and for few others.
    #[inline]
    pub(super) fn sieve(&self) -> Option<&Sieve> {
        match &self.rows {
            Rows::All { .. } => None,
            Rows::Pruned(pruned) => Some(&pruned.sieve),
        }
    }

    /// Fetches what [`Buckets::row`] looks at.
    #[inline]
    pub(super) fn prepare(&self, bucket: u32) {
        if let Rows::Pruned(pruned) = &self.rows {
            prefetch(&pruned.blocks, bucket as usize / 32);
        }
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

/// Bits that say of most buckets without a row that they have none. They stay in the processor's nearest caches.
#[derive(Debug)]
pub(super) struct Sieve(Box<[u32; SIEVE]>);

/// 32 KiB.
const SIEVE: usize = 1 << 13;

impl Sieve {
    /// Whether a bucket may have a row.
    #[inline(always)]
    pub(super) fn passes(&self, bucket: u32) -> bool {
        self.0[bucket as usize / 32 % SIEVE] >> (bucket % 32) & 1 == 1
    }
}

/// Which buckets have rows. A row is the rank of its bucket among them, behind those of the words.
#[derive(Debug)]
struct Pruned {
    sieve: Sieve,
    /// For 32 buckets a bit each, and above these the row of the first bit that is set.
    blocks: Vec<u64>,
}

impl Pruned {
    fn new(count: u32, words: u32, kept: &[u32]) -> Self {
        let mut sieve = Sieve(Box::new([0; SIEVE]));
        let mut blocks = vec![0_u64; (count as usize).div_ceil(32)];
        for bucket in kept {
            blocks[*bucket as usize / 32] |= 1 << (bucket % 32);
            sieve.0[*bucket as usize / 32 % SIEVE] |= 1 << (bucket % 32);
        }
        let mut row = words;
        for block in &mut blocks {
            let here = block.count_ones();
            *block |= u64::from(row) << 32;
            row += here;
        }
        Self { sieve, blocks }
    }

    #[inline(always)]
    fn row(&self, bucket: u32) -> Option<u32> {
        let block = self.blocks[bucket as usize / 32];
        let (bits, row) = (block as u32, (block >> 32) as u32);
        let bit = 1 << (bucket % 32);
        (bits & bit != 0).then(|| row + (bits & (bit - 1)).count_ones())
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
        fn pruned_rows_are_ranks(
            kept in prop::collection::btree_set(0_u32..500, 0..100),
        ) {
            let sorted: Vec<u32> = kept.iter().copied().collect();
            let buckets = Buckets::pruned(500, 7, &sorted);
            for bucket in 0..500 {
                let rank = sorted.iter().position(|kept| *kept == bucket);
                prop_assert_eq!(buckets.row(bucket), rank.map(|rank| 7 + rank as u32));
                prop_assert!(rank.is_none() || buckets.sieve().is_some_and(|sieve| sieve.passes(bucket)));
            }
        }
    }
}
