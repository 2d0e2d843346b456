//! The order of documents that is drawn from a seed.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Where documents stand in the order of a seed: they are sorted by [`DrawnOrder::place`], and by their numbers where
/// two places are equal, which among 10^11 documents is not expected to happen. A document's place depends on nothing
/// else, so the order can be made in pieces, by ranges of places.
#[derive(Clone, Copy, Debug)]
pub struct DrawnOrder {
    key: u64,
}

impl DrawnOrder {
    /// The order of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Short inputs and the hash's seed are joined by additions and exclusive ors alone: were small seeds used as
        // they are, two orders would differ by an exchange of neighbouring numbers.
        Self { key: xxh3_64(&seed.to_le_bytes()) }
    }

    /// The place of a document by its number.
    #[must_use]
    pub fn place(self, document: u64) -> u128 {
        xxh3_128_with_seed(&document.to_le_bytes(), self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64) -> Vec<u64> {
        let drawn = DrawnOrder::new(seed);
        let mut documents: Vec<u64> = (0..4_096).collect();
        documents.sort_by_key(|document| (drawn.place(*document), *document));
        documents
    }

    #[test]
    fn orders_of_two_seeds_have_nothing_in_common() {
        let orders: Vec<_> = (0..8).map(order).collect();
        for (number, first) in orders.iter().enumerate() {
            for second in orders.iter().skip(number + 1) {
                // Expected once for each pair; and were one an exchange of neighbours of the other, 4,096 times.
                let distance = |(one, other): (&u64, &u64)| (one ^ other) < 16;
                let near = first.iter().zip(second).filter(|pair| distance(*pair)).count();
                assert!(near < 64, "{near}");
            }
        }
    }

    #[test]
    fn every_range_of_places_gets_its_share() {
        let drawn = DrawnOrder::new(7);
        let mut counts = [0; 64];
        for document in 0..64_000 {
            counts[(drawn.place(document) >> 122) as usize] += 1;
        }
        // The standard deviation is 31.
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
