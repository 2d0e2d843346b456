//! How long documents are, in tokens.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Lengths below this are counted one by one.
const EXACT: u64 = 1 << 16;
/// Longer ones in so many steps between a power of two and the next: quantiles are at most 1.6 % too low.
const STEPS: u64 = 1 << STEP_BITS;
const STEP_BITS: u32 = 6;
/// Bytes of an end.
const END: usize = 8;
/// Bytes of ends that are read at once.
const BUFFER: usize = 1 << 18;
/// The quantiles that are given, in per cent.
const QUANTILES: [u64; 7] = [1, 10, 25, 50, 75, 90, 99];

/// How long documents are, in tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentLengths {
    /// The shortest.
    pub min: u64,
    /// The mean.
    pub mean: f64,
    /// The longest.
    pub max: u64,
    /// By per cent, the smallest length that so many documents do not exceed; above 65,536 up to 1.6 % too low.
    pub quantiles: BTreeMap<String, u64>,
    /// Documents by length, from a power of two to below the next.
    pub histogram: Vec<LengthBin>,
}

/// Documents of lengths between two bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LengthBin {
    /// The shortest length.
    pub from: u64,
    /// The longest.
    pub to: u64,
    /// Documents.
    pub documents: u64,
}

/// Documents by length.
#[derive(Default)]
pub(super) struct LengthCounts {
    counts: Vec<u64>,
    min: Option<u64>,
    max: u64,
    tokens: u64,
}

impl LengthCounts {
    /// Counts the documents whose ends a file holds; the last must be at `tokens`.
    pub(super) fn add_file(&mut self, path: &Path, tokens: u64) -> Result<()> {
        let opened = File::open(path).map_err(|error| Error::io(path, "open", error))?;
        let bytes = opened.metadata().map_err(|error| Error::io(path, "read", error))?.len();
        let mut reader = BufReader::with_capacity(BUFFER, opened);
        let documents = bytes / END as u64;
        let mut start = 0;
        for document in 0..documents {
            let mut end = [0; END];
            reader.read_exact(&mut end).map_err(|error| Error::io(path, "read", error))?;
            let end = u64::from_le_bytes(end);
            if end < start || end > tokens {
                let seen = format!("it ends at token {end}, after {start}, in a file of {tokens} tokens");
                return Err(Error::corrupt(path, format!("document {document}"), seen));
            }
            self.count(end - start);
            start = end;
        }
        // Rows that came without borders have no ends at all.
        if documents > 0 && start != tokens {
            let seen = format!("the last document ends at token {start} of {tokens}");
            return Err(Error::corrupt(path, "its end", seen));
        }
        Ok(())
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.min = self.min.into_iter().chain(other.min).min();
        self.max = self.max.max(other.max);
        self.tokens += other.tokens;
    }

    /// Documents counted.
    pub(super) fn documents(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted, in a few numbers.
    pub(super) fn describe(&self) -> Option<DocumentLengths> {
        let min = self.min?;
        let documents = self.documents();
        let mut histogram: Vec<LengthBin> = Vec::new();
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let length = length_at(place as u64);
            let (from, to) = match length.checked_ilog2() {
                None => (0, 0),
                Some(power) => (1 << power, (1_u64 << power) + ((1 << power) - 1)),
            };
            match histogram.last_mut().filter(|bin| bin.from == from) {
                Some(bin) => bin.documents += count,
                None => histogram.push(LengthBin { from, to, documents: *count }),
            }
        }
        let quantiles = QUANTILES.iter().map(|share| (share.to_string(), self.quantile(*share, documents)));
        Some(DocumentLengths {
            min,
            mean: self.tokens as f64 / documents as f64,
            max: self.max,
            quantiles: quantiles.collect(),
            histogram,
        })
    }

    fn count(&mut self, length: u64) {
        let place = place_of(length) as usize;
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.min = Some(self.min.map_or(length, |min| min.min(length)));
        self.max = self.max.max(length);
        self.tokens += length;
    }

    fn quantile(&self, per_cent: u64, documents: u64) -> u64 {
        let wanted = (u128::from(documents) * u128::from(per_cent)).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += u128::from(*count);
            seen >= wanted
        };
        self.counts.iter().position(reached).map_or(self.max, |place| length_at(place as u64))
    }
}

/// Where a length is counted.
fn place_of(length: u64) -> u64 {
    if length < EXACT {
        return length;
    }
    let power = length.ilog2();
    let step = (length >> (power - STEP_BITS)) & (STEPS - 1);
    EXACT + u64::from(power - EXACT.ilog2()) * STEPS + step
}

/// The smallest length that is counted at a place.
fn length_at(place: u64) -> u64 {
    let Some(beyond) = place.checked_sub(EXACT) else { return place };
    let power = EXACT.ilog2() + (beyond / STEPS) as u32;
    (STEPS + beyond % STEPS) << (power - STEP_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_holds_lengths_that_are_close(power in 0_u32..63, noise in any::<u64>()) {
            let length = (1_u64 << power) | (noise & ((1 << power) - 1));
            let least = length_at(place_of(length));
            prop_assert!(least <= length);
            prop_assert!((length - least) as f64 <= length as f64 / STEPS as f64);
            prop_assert_eq!(place_of(least), place_of(length));
            prop_assert!(length >= EXACT || least == length);
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_lengths(mut lengths in proptest::collection::vec(0_u64..60_000, 1..200)) {
            let (mut first, mut second) = (LengthCounts::default(), LengthCounts::default());
            for (number, length) in lengths.iter().enumerate() {
                if number % 3 == 0 { first.count(*length) } else { second.count(*length) }
            }
            first.add(&second);
            let described = first.describe().unwrap();
            lengths.sort_unstable();
            prop_assert_eq!((described.min, described.max), (lengths[0], lengths[lengths.len() - 1]));
            for share in QUANTILES {
                let rank = (lengths.len() as u64 * share).div_ceil(100).max(1) as usize;
                prop_assert_eq!(described.quantiles[&share.to_string()], lengths[rank - 1]);
            }
            for bin in &described.histogram {
                let within = lengths.iter().filter(|length| (bin.from..=bin.to).contains(length)).count();
                prop_assert_eq!(bin.documents, within as u64);
            }
            prop_assert_eq!(described.histogram.iter().map(|bin| bin.documents).sum::<u64>(), lengths.len() as u64);
        }
    }
}
