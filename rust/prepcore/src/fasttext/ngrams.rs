//! The rows of a word's character n-grams, eight starts at a time.
//!
//! The loops over arrays of eight are written so that the compiler makes vector instructions of them; the whole is
//! compiled once for any processor and once for those with AVX2.
#![allow(unsafe_code)] // a function compiled for AVX2 is called where there is AVX2

use super::arguments::Arguments;
use super::buckets::Buckets;
use super::hash::Fnv;
use super::rows::Rows;

/// Starts of n-grams that are hashed together.
const LANES: usize = 8;

/// The most characters of n-grams that are hashed together.
const LENGTHS: usize = 8;

/// Turns words into rows; keeps room for that.
#[derive(Debug, Default)]
pub(super) struct Ngrams {
    /// The characters of `<word>`, the bytes of each from the lowest on; then zeros.
    characters: Vec<u32>,
}

impl Ngrams {
    /// Adds the rows of a word's n-grams in the library's order: by start, then by length.
    pub(super) fn append(&mut self, word: &[u8], arguments: &Arguments, buckets: &Buckets, rows: &mut Rows) {
        if arguments.max_characters > LENGTHS {
            self.unpack(word);
            return append_one_by_one(&self.characters, arguments, buckets, rows);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { self.append_with_avx2(word, arguments, buckets, rows) };
        }
        self.append_in_lanes(word, arguments, buckets, rows);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn append_with_avx2(&mut self, word: &[u8], arguments: &Arguments, buckets: &Buckets, rows: &mut Rows) {
        self.append_in_lanes(word, arguments, buckets, rows);
    }

    #[inline(always)]
    fn append_in_lanes(&mut self, word: &[u8], arguments: &Arguments, buckets: &Buckets, rows: &mut Rows) {
        let (count, bytes) = self.unpack(word);
        match bytes {
            1 => append::<1>(&self.characters, count, arguments, buckets, rows),
            2 => append::<2>(&self.characters, count, arguments, buckets, rows),
            3 => append::<3>(&self.characters, count, arguments, buckets, rows),
            _ => append::<4>(&self.characters, count, arguments, buckets, rows),
        }
    }

    /// Sets `characters`; gives their number and the most bytes that one of them has.
    #[inline(always)]
    fn unpack(&mut self, word: &[u8]) -> (usize, usize) {
        self.characters.clear();
        self.characters.push(u32::from(b'<'));
        let bytes = if word.is_ascii() {
            self.characters.extend(word.iter().map(|byte| u32::from(*byte)));
            1
        } else {
            self.unpack_utf8(word)
        };
        self.characters.push(u32::from(b'>'));
        let count = self.characters.len();
        self.characters.resize(count + LANES + LENGTHS, 0);
        (count, bytes)
    }

    fn unpack_utf8(&mut self, word: &[u8]) -> usize {
        let mut most = 1;
        let mut rest = word;
        while let [first, after @ ..] = rest {
            let more = after.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
            let mut character = u32::from(*first);
            for (place, byte) in after[..more].iter().enumerate() {
                character |= u32::from(*byte) << (8 * (place + 1));
            }
            self.characters.push(character);
            most = most.max(more + 1);
            rest = &after[more..];
        }
        most
    }
}

/// The hash of some bytes and a character of at most `BYTES` bytes, of which those that are 0 are not there.
#[inline(always)]
fn with_character<const BYTES: usize>(mut hash: u32, character: u32) -> u32 {
    for place in 0..BYTES {
        let byte = (character >> (8 * place)) as u8;
        let next = Fnv(hash).with(byte).0;
        hash = if place == 0 || byte != 0 { next } else { hash };
    }
    hash
}

/// Adds the rows of `count` characters, with zeros behind them.
#[inline(always)]
fn append<const BYTES: usize>(
    characters: &[u32],
    count: usize,
    arguments: &Arguments,
    buckets: &Buckets,
    rows: &mut Rows,
) {
    let (fewest, most) = (arguments.min_characters.max(1), arguments.max_characters);
    let divisor = buckets.divisor();
    for first in (0..count).step_by(LANES) {
        let mut hashes = [Fnv::START.0; LANES];
        let mut found = [[0_u32; LANES]; LENGTHS];
        // A bit for each start and length: the lowest eight are those of the first start.
        let mut kept = 0_u64;
        for length in 1..=most.min(count - first) {
            let Some(next) = characters[first + length - 1..].first_chunk::<LANES>() else { break };
            for lane in 0..LANES {
                hashes[lane] = with_character::<BYTES>(hashes[lane], next[lane]);
            }
            if length < fewest {
                continue;
            }
            let found = &mut found[length - 1];
            for lane in 0..LANES {
                found[lane] = divisor.remainder(hashes[lane]);
            }
            let mut starts = 0;
            for (lane, bucket) in found.iter().enumerate() {
                starts |= u64::from(buckets.has_row(*bucket)) << (8 * lane);
            }
            // What begins later would reach beyond the end; the marks of start and end are nothing by themselves.
            let inside = (count - first + 1 - length).min(LANES);
            starts &= u64::MAX >> (8 * (LANES - inside));
            if length == 1 {
                starts &= !u64::from(first == 0);
                starts &= !1_u64.checked_shl(8 * (count - 1 - first) as u32).unwrap_or(0);
            }
            kept |= starts << (length - 1);
        }
        while kept != 0 {
            let place = kept.trailing_zeros() as usize;
            kept &= kept - 1;
            if let Some(row) = buckets.row(found[place % LENGTHS][place / LENGTHS]) {
                rows.push(row);
            }
        }
    }
}

/// The same for n-grams of any length.
fn append_one_by_one(characters: &[u32], arguments: &Arguments, buckets: &Buckets, rows: &mut Rows) {
    let count = characters.len() - LANES - LENGTHS;
    for first in 0..count {
        let mut hash = Fnv::START.0;
        for (length, character) in (1..=arguments.max_characters).zip(&characters[first..count]) {
            hash = with_character::<4>(hash, *character);
            let alone_at_an_end = length == 1 && (first == 0 || first + 1 == count);
            if length >= arguments.min_characters && !alone_at_an_end {
                if let Some(row) = buckets.row(buckets.divisor().remainder(hash)) {
                    rows.push(row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arguments::Loss;
    use super::*;

    /// The three ways, and all n-grams as they are defined.
    fn compare(word: &str, fewest: usize, most: usize, buckets: &Buckets) {
        let arguments = Arguments {
            dimension: 1,
            word_ngrams: 1,
            loss: Loss::Softmax,
            bucket: buckets.count(),
            min_characters: fewest,
            max_characters: most,
        };
        let (mut ngrams, mut rows) = (Ngrams::default(), <[Rows; 3]>::default());
        ngrams.append(word.as_bytes(), &arguments, buckets, &mut rows[0]);
        ngrams.append_in_lanes(word.as_bytes(), &arguments, buckets, &mut rows[1]);
        append_one_by_one(&ngrams.characters, &arguments, buckets, &mut rows[2]);

        let characters: Vec<char> = format!("<{word}>").chars().collect();
        let mut wanted = Vec::new();
        for first in 0..characters.len() {
            for end in first + 1..=characters.len() {
                let length = end - first;
                let marks = length == 1 && (first == 0 || end == characters.len());
                if (fewest..=most).contains(&length) && !marks {
                    let ngram: String = characters[first..end].iter().collect();
                    wanted.extend(buckets.row(Fnv::of(ngram.as_bytes()) % buckets.count()));
                }
            }
        }
        for rows in rows {
            assert_eq!(rows.as_slice(), wanted);
        }
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_definition(
            word in "[a-z]{0,20}|[a-zé가😀\u{a0}]{0,20}",
            fewest in 0_usize..5,
            most in 1_usize..=LENGTHS,
            count in 1_u32..2_000,
            every in 1_u32..5,
        ) {
            compare(&word, fewest, most, &Buckets::all(count, 7));
            let kept: Vec<(u32, u32)> = (0..count).step_by(every as usize).zip(3..).collect();
            compare(&word, fewest, most, &Buckets::pruned(count, &kept));
        }
    }
}
