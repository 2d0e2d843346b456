//! Merging the symbols of a piece: always the merge of the lowest rank, and of equal ones the leftmost.
//!
//! A piece of a few symbols is scanned for the lowest rank again and again, which is quadratic and, for so few,
//! the fastest. Longer ones use a heap: n log n at worst, so that no text is slow to encode.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::merges::{Merges, NONE};

/// The most symbols that are scanned. Most pieces that miss the cache have about ten.
const FEW: usize = 48;

/// Symbols whose working space is kept from one piece to the next.
const KEPT: usize = 1 << 14;

/// Merges symbols, and keeps its working space.
#[derive(Debug, Default)]
pub(super) struct Merger {
    heap: BinaryHeap<Reverse<u64>>,
    places: Vec<Place>,
}

/// A symbol that stands in a long piece.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The rank of the merge with the next symbol, [`NONE`] where there is none or the symbol is gone. What the
    /// heap holds beside it is out of date.
    rank: u32,
    next: u32,
    previous: u32,
}

impl Merger {
    /// Merges until nothing can be merged.
    #[inline]
    pub(super) fn merge(&mut self, merges: &Merges, symbols: &mut Vec<u32>) {
        match symbols.len() {
            0 | 1 => {}
            2..=FEW => merge_few(merges, symbols),
            _ => self.merge_many(merges, symbols),
        }
    }

    fn merge_many(&mut self, merges: &Merges, symbols: &mut Vec<u32>) {
        let Self { heap, places } = self;
        let last = symbols.len() - 1;
        places.clear();
        places.extend((0..symbols.len()).map(|at| Place {
            rank: if at < last { merges.rank(symbols[at], symbols[at + 1]) } else { NONE },
            next: if at < last { at as u32 + 1 } else { NONE },
            previous: (at as u32).wrapping_sub(1),
        }));
        let mut entries = std::mem::take(heap).into_vec();
        entries.clear();
        entries.extend(
            (0_u32..)
                .zip(places.iter())
                .filter(|(_, place)| place.rank != NONE)
                .map(|(at, place)| entry(place.rank, at)),
        );
        *heap = entries.into();
        while let Some(Reverse(top)) = heap.pop() {
            let (rank, at) = ((top >> 32) as u32, top as u32 as usize);
            if places[at].rank != rank {
                continue;
            }
            let gone = places[at].next as usize;
            symbols[at] = merges.result(rank);
            symbols[gone] = NONE;
            places[gone].rank = NONE;
            let next = places[gone].next;
            places[at].next = next;
            places[at].rank = NONE;
            if let Some(after) = places.get_mut(next as usize) {
                after.previous = at as u32;
                let rank = merges.rank(symbols[at], symbols[next as usize]);
                places[at].rank = rank;
                if rank != NONE {
                    heap.push(entry(rank, at as u32));
                }
            }
            let before = places[at].previous;
            if let Some(place) = places.get_mut(before as usize) {
                place.rank = merges.rank(symbols[before as usize], symbols[at]);
                if place.rank != NONE {
                    heap.push(entry(place.rank, before));
                }
            }
        }
        symbols.retain(|symbol| *symbol != NONE);
        heap.shrink_to(KEPT);
        places.clear();
        places.shrink_to(KEPT);
    }
}

fn entry(rank: u32, at: u32) -> Reverse<u64> {
    Reverse(u64::from(rank) << 32 | u64::from(at))
}

#[inline]
fn candidate(rank: u32, at: usize) -> u64 {
    u64::from(rank) << 32 | at as u64
}

/// Symbols stay where they are, linked to their neighbours, so that nothing is moved.
fn merge_few(merges: &Merges, symbols: &mut Vec<u32>) {
    const END: u8 = FEW as u8;
    let count = symbols.len().min(FEW);
    // The rank and the place of each symbol's merge with the next. Beyond the last one nothing is ever merged.
    let mut candidates = [u64::MAX; FEW + 1];
    let mut next = [END; FEW + 1];
    let mut previous = [END; FEW + 1];
    for at in 0..count - 1 {
        candidates[at] = candidate(merges.rank(symbols[at], symbols[at + 1]), at);
        next[at] = at as u8 + 1;
        previous[at + 1] = at as u8;
    }
    let mut left = count;
    loop {
        let mut lowest = u64::MAX;
        for candidate in &candidates[..count] {
            lowest = lowest.min(*candidate);
        }
        let rank = (lowest >> 32) as u32;
        if rank == NONE {
            break;
        }
        let at = lowest as u8 as usize;
        let gone = next[at] as usize;
        let after = next[gone];
        symbols[at] = merges.result(rank);
        symbols[gone] = NONE;
        candidates[gone] = u64::MAX;
        candidates[at] = u64::MAX;
        next[at] = after;
        left -= 1;
        if after != END {
            previous[after as usize] = at as u8;
            candidates[at] = candidate(merges.rank(symbols[at], symbols[after as usize]), at);
        }
        let before = previous[at] as usize;
        if before != END as usize {
            candidates[before] = candidate(merges.rank(symbols[before], symbols[at]), before);
        }
    }
    if left < count {
        symbols.retain(|symbol| *symbol != NONE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::merges::tests::merges;
    use super::*;

    /// As it is defined: the lowest rank, of equal ones the leftmost, one at a time.
    fn merge_plainly(merges: &Merges, symbols: &mut Vec<u32>) {
        loop {
            let ranks = symbols.windows(2).map(|pair| merges.rank(pair[0], pair[1]));
            let Some((rank, at)) = ranks.zip(0..).min().filter(|(rank, _)| *rank != NONE) else { return };
            symbols[at] = merges.result(rank);
            symbols.remove(at + 1);
        }
    }

    proptest! {
        #[test]
        fn the_lowest_rank_is_merged_first(
            pairs in prop::collection::vec((0..12_u32, 0..12_u32), 0..60),
            symbols in prop::collection::vec(0..4_u32, 0..200),
        ) {
            // A merge's result depends on its pair alone, as concatenation does.
            let pairs: Vec<_> = pairs.iter().map(|&(left, right)| (left, right, 4 + (left * 5 + right * 3) % 8)).collect();
            let merges = merges(12, &pairs, &(0..12).collect::<Vec<_>>());
            let mut expected = symbols.clone();
            merge_plainly(&merges, &mut expected);
            let mut merger = Merger::default();
            for _ in 0..2 {
                let mut merged = symbols.clone();
                merger.merge(&merges, &mut merged);
                prop_assert_eq!(&merged, &expected);
                if symbols.len() > 1 {
                    merged.clone_from(&symbols);
                    merger.merge_many(&merges, &mut merged);
                    prop_assert_eq!(&merged, &expected);
                }
            }
        }
    }

    #[test]
    fn a_long_word_leaves_no_working_space_behind() {
        let merges = merges(4, &[(0, 0, 1), (1, 1, 2), (2, 2, 3)], &[0]);
        let mut merger = Merger::default();
        let mut symbols = vec![0; 1 << 20];
        merger.merge(&merges, &mut symbols);
        assert_eq!(symbols, vec![3; 1 << 17]);
        assert!(merger.places.capacity() <= KEPT && merger.heap.capacity() <= KEPT);
    }
}
