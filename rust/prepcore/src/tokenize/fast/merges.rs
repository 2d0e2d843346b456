//! Which pairs of tokens are merged, how early, and into what.
//!
//! What decides is a merge's rank, its place in the file. Llama-2 has several merges for one token and numbers
//! tokens in another order, so ids say nothing about it.

use super::definition::Definition;

/// No merge; no token.
pub(super) const NONE: u32 = u32::MAX;

/// Bits of a symbol within an entry.
const SYMBOL_BITS: u32 = 18;

/// Bits of a rank within an entry: what two symbols leave of 64.
const RANK_BITS: u32 = 64 - 2 * SYMBOL_BITS;

/// The most tokens a vocabulary may have; one number is never given, so that an empty entry equals no pair.
pub(super) const MAX_SYMBOLS: usize = (1 << SYMBOL_BITS) - 1;

/// Symbols whose pairs have a table of their own.
pub(super) const DENSE: usize = 256;

const EMPTY: u64 = u64::MAX;

/// Two tokens that become a third, by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    /// The left token.
    pub(super) left: u32,
    /// The right token.
    pub(super) right: u32,
    /// What they become.
    pub(super) result: u32,
}

/// All merges of a model, to be looked up by their two tokens.
///
/// Tokens are numbered anew here, as *symbols*: ids may have gaps, and the symbols that texts consist of should
/// be the smallest, because their pairs are looked up for every piece and have a dense table.
#[derive(Debug)]
pub(super) struct Merges {
    /// Ranks of the pairs of the first [`DENSE`] symbols.
    dense: Vec<u32>,
    /// Two symbols and a rank in 8 bytes each, in an open table that is at most half full.
    entries: Vec<u64>,
    shift: u32,
    /// The symbol that a merge makes, by rank.
    results: Vec<u32>,
    /// The id of each symbol.
    ids: Vec<u32>,
    /// The symbol of each id, [`NONE`] where there is none.
    symbols: Vec<u32>,
}

impl Merges {
    /// The merges of a model. `first` are the ids of the symbols that texts consist of, most frequent first; those
    /// after the first [`DENSE`] are only slower.
    ///
    /// # Errors
    /// Where numbers do not fit: ids far beyond the number of tokens, or more than 2^28 merges.
    pub(super) fn new(definition: &Definition<'_>, first: &[u32]) -> Result<Self, String> {
        let largest = definition.vocabulary.values().max().map_or(0, |largest| *largest as usize);
        if largest > 16 * MAX_SYMBOLS || definition.merges.len() >= 1 << RANK_BITS {
            let merges = definition.merges.len();
            return Err(format!("ids up to {largest} and {merges} merges do not fit the tables"));
        }
        let mut symbols = vec![NONE; largest + 1];
        let mut ids = Vec::with_capacity(definition.vocabulary.len());
        let merged = definition.merges.iter().flat_map(|merge| [merge.left, merge.right, merge.result]);
        for id in first.iter().copied().chain(merged).chain(definition.vocabulary.values().copied()) {
            if symbols[id as usize] == NONE {
                symbols[id as usize] = ids.len() as u32;
                ids.push(id);
            }
        }
        let slots = (2 * definition.merges.len()).next_power_of_two().max(2);
        let mut table = Self {
            dense: vec![NONE; DENSE * DENSE],
            entries: vec![EMPTY; slots],
            shift: u64::BITS - slots.trailing_zeros(),
            results: Vec::with_capacity(definition.merges.len()),
            ids,
            symbols,
        };
        for (rank, merge) in definition.merges.iter().enumerate() {
            let symbol = |id: u32| table.symbols[id as usize];
            let (left, right, result) = (symbol(merge.left), symbol(merge.right), symbol(merge.result));
            table.results.push(result);
            table.insert(left, right, rank as u32);
        }
        Ok(table)
    }

    /// Of a pair that occurs twice the library keeps the later rank.
    fn insert(&mut self, left: u32, right: u32, rank: u32) {
        if (left | right) < DENSE as u32 {
            self.dense[left as usize * DENSE + right as usize] = rank;
        }
        let pair = pair(left, right);
        let mut slot = self.slot(pair);
        while self.entries[slot] != EMPTY && self.entries[slot] >> RANK_BITS != pair {
            slot = (slot + 1) & (self.entries.len() - 1);
        }
        self.entries[slot] = pair << RANK_BITS | u64::from(rank);
    }

    /// The rank of the merge of two symbols, [`NONE`] where there is none.
    #[inline]
    pub(super) fn rank(&self, left: u32, right: u32) -> u32 {
        if (left | right) < DENSE as u32 {
            return self.dense[left as usize * DENSE + right as usize];
        }
        let pair = pair(left, right);
        let mut slot = self.slot(pair);
        loop {
            let entry = self.entries[slot];
            if entry >> RANK_BITS == pair {
                return (entry & ((1 << RANK_BITS) - 1)) as u32;
            }
            if entry == EMPTY {
                return NONE;
            }
            slot = (slot + 1) & (self.entries.len() - 1);
        }
    }

    /// The symbol that the merge of a rank makes.
    #[inline]
    pub(super) fn result(&self, rank: u32) -> u32 {
        self.results[rank as usize]
    }

    /// The id of a symbol.
    #[inline]
    pub(super) fn id(&self, symbol: u32) -> u32 {
        self.ids[symbol as usize]
    }

    /// The symbol of a token of the vocabulary, given its id.
    pub(super) fn symbol(&self, id: u32) -> u32 {
        self.symbols[id as usize]
    }

    #[inline]
    fn slot(&self, pair: u64) -> usize {
        // Fibonacci hashing (Knuth, The Art of Computer Programming, vol. 3, 6.4).
        (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }
}

#[inline]
fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << SYMBOL_BITS | u64::from(right)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Tokens 0 to `tokens - 1` with these merges.
    pub(in super::super) fn merges(tokens: u32, merges: &[(u32, u32, u32)], first: &[u32]) -> Merges {
        let names: Vec<String> = (0..tokens).map(|id| format!("{id}")).collect();
        let vocabulary = names.iter().enumerate().map(|(id, name)| (name.as_str(), id as u32)).collect();
        let merges = merges.iter().map(|&(left, right, result)| Merge { left, right, result }).collect();
        let definition = Definition { vocabulary, merges, ignore_merges: false, byte_fallback: false };
        Merges::new(&definition, first).unwrap()
    }

    #[test]
    fn every_pair_is_found_and_no_other() {
        let pairs: Vec<_> = (0..1000).map(|rank| (rank * 7 % 1000, rank * 13 % 997, rank)).collect();
        let merges = merges(1000, &pairs, &[999, 3]);
        assert_eq!((merges.symbol(999), merges.symbol(3), merges.id(0)), (0, 1, 999));
        let mut found = 0;
        for left in 0..1000 {
            for right in 0..1000 {
                let expected = pairs.iter().position(|pair| (pair.0, pair.1) == (left, right));
                let rank = merges.rank(merges.symbol(left), merges.symbol(right));
                assert_eq!((rank != NONE).then_some(rank as usize), expected);
                found += usize::from(rank != NONE);
            }
        }
        assert_eq!(found, 1000);
    }

    #[test]
    fn of_a_pair_that_occurs_twice_the_later_rank_counts() {
        for first in [&[][..], &[0, 1]] {
            let merges = merges(300, &[(0, 1, 2), (1, 2, 3), (0, 1, 2)], first);
            assert_eq!(merges.rank(merges.symbol(0), merges.symbol(1)), 2);
            assert_eq!(merges.id(merges.result(2)), 2);
        }
    }
}
