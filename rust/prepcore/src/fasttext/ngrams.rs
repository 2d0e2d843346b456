//! The rows of a word's character n-grams, sixteen starts at a time.
//!
//! The loops over arrays of sixteen are written so that the compiler makes vector instructions of them; they are
//! compiled once for any processor and once for those with AVX2.
#![allow(unsafe_code)] // a function compiled for AVX2 is called where there is AVX2

use super::arguments::Arguments;
use super::buckets::{Buckets, Divisor};
use super::hash::Fnv;
use super::rows::Rows;

/// Starts of n-grams that are hashed together.
const LANES: usize = 16;

/// The most lengths of n-grams, and the most characters, that are hashed together. Others come one by one.
const LENGTHS: usize = 4;
const CHARACTERS: usize = 8;

/// Characters that are looked at for all n-grams from [`LANES`] starts.
type Window = [u32; LANES + CHARACTERS];

/// The buckets of n-grams by length, from the shortest, and start.
type Found = [[u32; LANES]; LENGTHS];

/// Turns words into rows; keeps room for that.
#[derive(Debug, Default)]
pub(super) struct Ngrams {
    /// The characters of `<word>`, the bytes of each from the lowest on; then zeros.
    characters: Vec<u32>,
}

impl Ngrams {
    /// Adds the rows of a word's n-grams in the library's order: by start, then by length.
    pub(super) fn append(&mut self, word: &[u8], arguments: &Arguments, buckets: &Buckets, rows: &mut Rows) {
        let (fewest, most) = (arguments.min_characters.max(1), arguments.max_characters);
        if most > CHARACTERS || most + 1 - fewest > LENGTHS {
            let (count, _) = self.unpack(word);
            return append_one_by_one(&self.characters, count, arguments, buckets, rows);
        }
        let (count, bytes) = self.unpack(word);
        appender(bytes)(&self.characters, count, fewest..most + 1, buckets, rows);
    }

    /// Sets `characters`; gives their number and the most bytes that one of them has. What follows them is of no use,
    /// but there.
    fn unpack(&mut self, word: &[u8]) -> (usize, usize) {
        let room = word.len() + 2 + size_of::<Window>() / 4;
        if self.characters.len() < room {
            self.characters.resize(room, 0);
        }
        self.characters[0] = u32::from(b'<');
        if word.is_ascii() {
            let characters = &mut self.characters[1..=word.len()];
            for place in 0..characters.len() {
                characters[place] = u32::from(word[place]);
            }
            self.characters[word.len() + 1] = u32::from(b'>');
            return (word.len() + 2, 1);
        }
        let (mut count, mut most) = (0, 1);
        let mut at = 0;
        while at < word.len() {
            let mut character = u32::from(word[at]);
            let mut bytes = 1;
            at += 1;
            while at < word.len() && word[at] & 0xc0 == 0x80 {
                character |= u32::from(word[at]) << (8 * bytes);
                bytes += 1;
                at += 1;
            }
            most = most.max(bytes);
            count += 1;
            self.characters[count] = character;
        }
        self.characters[count + 1] = u32::from(b'>');
        (count + 2, most)
    }
}

/// Adds the rows of a word's n-grams of these lengths, given its characters and their number.
type Append = fn(&[u32], usize, std::ops::Range<usize>, &Buckets, &mut Rows);

/// What does that for characters of at most so many bytes.
fn appender(bytes: usize) -> Append {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        return match bytes {
            1 => append_with_avx2::<1>,
            2 => append_with_avx2::<2>,
            3 => append_with_avx2::<3>,
            _ => append_with_avx2::<4>,
        };
    }
    match bytes {
        1 => append_in_lanes::<1>,
        2 => append_in_lanes::<2>,
        3 => append_in_lanes::<3>,
        _ => append_in_lanes::<4>,
    }
}

/// To be called where there are AVX2 and POPCNT, as `appender` does.
#[cfg(target_arch = "x86_64")]
fn append_with_avx2<const BYTES: usize>(
    characters: &[u32],
    count: usize,
    lengths: std::ops::Range<usize>,
    buckets: &Buckets,
    rows: &mut Rows,
) {
    #[target_feature(enable = "avx2,popcnt")]
    fn compiled<const BYTES: usize>(
        characters: &[u32],
        count: usize,
        lengths: std::ops::Range<usize>,
        buckets: &Buckets,
        rows: &mut Rows,
    ) {
        append_in_lanes::<BYTES>(characters, count, lengths, buckets, rows);
    }
    // SAFETY: the processor has AVX2 and POPCNT.
    unsafe { compiled::<BYTES>(characters, count, lengths, buckets, rows) }
}

#[inline(always)]
fn append_in_lanes<const BYTES: usize>(
    characters: &[u32],
    count: usize,
    lengths: std::ops::Range<usize>,
    buckets: &Buckets,
    rows: &mut Rows,
) {
    let mut found = [[0; LANES]; LENGTHS];
    for first in (0..count).step_by(LANES) {
        if let Some(window) = characters[first..].first_chunk() {
            in_lanes::<BYTES>(window, lengths.clone(), buckets.divisor(), &mut found);
            append_found(&found, first, count, lengths.clone(), buckets, rows);
        }
    }
}

#[inline(always)]
fn in_lanes<const BYTES: usize>(
    window: &Window,
    lengths: std::ops::Range<usize>,
    divisor: Divisor,
    found: &mut Found,
) {
    let mut hashes = [Fnv::START.0; LANES];
    for length in 1..lengths.end {
        let Some(next) = window[length - 1..].first_chunk::<LANES>() else { return };
        for lane in 0..LANES {
            hashes[lane] = with_character::<BYTES>(hashes[lane], next[lane]);
        }
        if length >= lengths.start {
            let found = &mut found[length - lengths.start];
            for lane in 0..LANES {
                found[lane] = divisor.remainder(hashes[lane]);
            }
        }
    }
}

/// The hash of some bytes and a character of at most `BYTES` bytes, of which those that are 0 are not there.
#[inline(always)]
fn with_character<const BYTES: usize>(mut hash: u32, character: u32) -> u32 {
    let mut place = 0;
    while place < BYTES {
        let byte = (character >> (8 * place)) as u8;
        let next = Fnv(hash).with(byte).0;
        hash = if place == 0 || byte != 0 { next } else { hash };
        place += 1;
    }
    hash
}

/// So many bits, from the lowest on.
#[inline(always)]
fn low_bits(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

/// Adds the rows of n-grams that start from `first` on in a word of `count` characters.
#[allow(clippy::needless_range_loop)] // an iterator is not always compiled into the loop
#[inline(always)]
fn append_found(
    found: &Found,
    first: usize,
    count: usize,
    lengths: std::ops::Range<usize>,
    buckets: &Buckets,
    rows: &mut Rows,
) {
    // A bit for each start and length; the lowest four are those of the first start. They are collected before any is
    // looked at because a branch for each n-gram would be guessed wrong too often.
    let mut kept = 0_u64;
    for length in lengths.clone() {
        let place = length - lengths.start;
        // What begins later would reach beyond the end.
        let inside = (count + 1).saturating_sub(first + length).min(LANES);
        match buckets.sieve() {
            Some(sieve) => {
                for lane in 0..inside {
                    kept |= u64::from(sieve.passes(found[place][lane])) << (LENGTHS * lane + place);
                }
            }
            None => kept |= (0x1111_1111_1111_1111 & low_bits(LENGTHS * inside)) << place,
        }
    }
    if lengths.start == 1 {
        // The marks of start and end are nothing by themselves.
        kept &= !u64::from(first == 0);
        let end = count - 1 - first;
        kept &= if end < LANES { !(1 << (LENGTHS * end)) } else { u64::MAX };
    }
    // What is still there lies all over a table, so it is fetched together.
    let mut ahead = kept;
    while ahead != 0 {
        let place = ahead.trailing_zeros() as usize;
        ahead &= ahead - 1;
        buckets.prepare(found[place % LENGTHS][place / LENGTHS]);
    }
    while kept != 0 {
        let place = kept.trailing_zeros() as usize;
        kept &= kept - 1;
        if let Some(row) = buckets.row(found[place % LENGTHS][place / LENGTHS]) {
            rows.push(row);
        }
    }
}

/// The same for n-grams of any length.
fn append_one_by_one(
    characters: &[u32],
    count: usize,
    arguments: &Arguments,
    buckets: &Buckets,
    rows: &mut Rows,
) {
    for first in 0..count {
        let mut hash = Fnv::START.0;
        for end in first + 1..=count.min(first + arguments.max_characters) {
            hash = with_character::<4>(hash, characters[end - 1]);
            let length = end - first;
            let alone_at_an_end = length == 1 && (first == 0 || end == count);
            if length < arguments.min_characters || alone_at_an_end {
                continue;
            }
            if let Some(row) = buckets.row(buckets.divisor().remainder(hash)) {
                rows.push(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arguments::Loss;
    use super::*;

    /// Both ways, and all n-grams as they are defined.
    fn compare(word: &str, fewest: usize, most: usize, buckets: &Buckets) {
        let arguments = Arguments {
            dimension: 1,
            word_ngrams: 1,
            loss: Loss::Softmax,
            bucket: buckets.count(),
            min_characters: fewest,
            max_characters: most,
        };
        let (mut ngrams, mut rows) = (Ngrams::default(), <[Rows; 2]>::default());
        ngrams.append(word.as_bytes(), &arguments, buckets, &mut rows[0]);

        let count = word.chars().count() + 2;
        append_one_by_one(&ngrams.characters, count, &arguments, buckets, &mut rows[1]);

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
            most in 1_usize..10,
            count in 1_u32..2_000,
            every in 1_u32..5,
        ) {
            compare(&word, fewest, most, &Buckets::all(count, 7));
            let kept: Vec<u32> = (0..count).step_by(every as usize).collect();
            compare(&word, fewest, most, &Buckets::pruned(count, 7, &kept));
        }
    }

    proptest! {
        #[test]
        fn lanes_are_alike_on_any_processor(
            characters in prop::collection::vec(any::<u32>(), 2..50),
            fewest in 1_usize..5,
            divisor in 1_u32..1_000_000,
            every in 1_u32..5,
        ) {
            let kept: Vec<u32> = (0..divisor).step_by(every as usize).collect();
            let buckets = Buckets::pruned(divisor, 0, &kept);
            let count = characters.len();
            let characters = [characters, vec![0; LANES + CHARACTERS]].concat();
            let mut rows = <[Rows; 2]>::default();
            appender(4)(&characters, count, fewest..fewest + LENGTHS, &buckets, &mut rows[0]);
            append_in_lanes::<4>(&characters, count, fewest..fewest + LENGTHS, &buckets, &mut rows[1]);
            prop_assert_eq!(rows[0].as_slice(), rows[1].as_slice());
        }
    }
}
