//! What was found out about short words, kept for the next time.
//!
//! A slot holds the word itself, so that nothing is taken for something else, and the list of its rows, so that
//! sums keep the library's order. It fills one line of the processor's cache.

use super::hash::Key;
use crate::memory::huge_pages;
use crate::memory::prefetch;

/// The most rows of a word that is kept.
pub(super) const MAX_ROWS: usize = 8;

/// Slots in which a word may lie.
const WAYS: usize = 8;

/// Sets of slots. With 64 bytes a slot and one a tag, all of it takes 16.25 MiB; it is touched as it fills.
const SETS: usize = 1 << 15;

/// A short word and what it adds to a text.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Entry {
    /// The word.
    pub(super) key: Key,
    /// The library's hash of the word, where the model has word n-grams.
    pub(super) hash: u32,
    /// Rows in use.
    pub(super) count: u8,
    /// Whether the word is a label or looks like one.
    pub(super) is_label: bool,
    /// Rows in order.
    pub(super) rows: [u32; MAX_ROWS],
}

impl Entry {
    /// Of no word: no word of UTF-8 has such bytes.
    pub(super) const EMPTY: Self =
        Self { key: [u64::MAX; 3], hash: 0, count: 0, is_label: false, rows: [0; MAX_ROWS] };
}

/// Entries of words by their hash; in a full set the ways are reused in turn.
#[derive(Debug)]
pub(super) struct Cache {
    /// A byte of the hash for each way, never 0 where the way is in use.
    tags: Vec<u64>,
    entries: Vec<Entry>,
    turn: usize,
}

impl Cache {
    /// Bytes that it takes once it is full.
    pub(super) const BYTES: u64 = (SETS * (size_of::<u64>() + WAYS * size_of::<Entry>())) as u64;

    /// Without entries.
    pub(super) fn new() -> Self {
        Self { tags: vec![0; SETS], entries: huge_pages::filled(Entry::EMPTY, SETS * WAYS), turn: 0 }
    }

    /// Fetches what [`Cache::candidate`] looks at.
    #[inline]
    pub(super) fn prepare(&self, hash: u64) {
        prefetch(&self.tags, set(hash));
    }

    /// The first slot in which a word of this hash may lie. It is fetched for [`Cache::get`].
    #[inline]
    pub(super) fn candidate(&self, hash: u64) -> Option<usize> {
        let set = set(hash);
        let matches = equal_bytes(self.tags[set], tag(hash));
        let candidate = WAYS * set + matches.trailing_zeros() as usize / 8;
        if matches == 0 {
            // The word will be put here.
            prefetch(&self.entries, WAYS * set + self.turn % WAYS);
            return None;
        }
        prefetch(&self.entries, candidate);
        Some(candidate)
    }

    /// The entry of a word, given the candidate for its hash. The slot may have been reused since.
    #[inline]
    pub(super) fn get(&self, candidate: Option<usize>, key: &Key, hash: u64) -> Option<&Entry> {
        let entry = &self.entries[candidate?];
        if entry.key == *key { Some(entry) } else { self.get_any(key, hash) }
    }

    /// Looks at every slot whose tag fits.
    #[cold]
    fn get_any(&self, key: &Key, hash: u64) -> Option<&Entry> {
        let set = set(hash);
        let mut matches = equal_bytes(self.tags[set], tag(hash));
        while matches != 0 {
            let entry = &self.entries[WAYS * set + matches.trailing_zeros() as usize / 8];
            if entry.key == *key {
                return Some(entry);
            }
            matches &= matches - 1;
        }
        None
    }

    /// Keeps an entry in place of another.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) {
        let set = set(hash);
        let free = equal_bytes(self.tags[set], 0);
        let way = if free == 0 { self.turn % WAYS } else { free.trailing_zeros() as usize / 8 };
        self.turn = self.turn.wrapping_add(1);
        let shift = 8 * way;
        self.tags[set] = self.tags[set] & !(0xff << shift) | u64::from(tag(hash)) << shift;
        self.entries[WAYS * set + way] = entry;
    }
}

#[inline]
fn set(hash: u64) -> usize {
    hash as usize % SETS
}

#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8 | 1
}

/// The highest bit of each byte that equals `byte`. A byte above an equal one may be taken for equal too.
#[inline]
fn equal_bytes(bytes: u64, byte: u8) -> u64 {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    let different = bytes ^ (LOWEST * u64::from(byte));
    different.wrapping_sub(LOWEST) & !different & (LOWEST << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_fills_a_line() {
        assert_eq!(size_of::<Entry>(), 64);
    }

    #[test]
    fn a_free_slot_is_no_word() {
        let mut cache = Cache::new();
        cache.insert(0, Entry { key: [1, 0, 0], ..Entry::EMPTY });
        // The free slot above has a tag that looks like this one.
        assert_ne!(equal_bytes(cache.tags[0], tag(0)) & !0xff, 0);
        assert!(cache.get(cache.candidate(0), &[0; 3], 0).is_none());
    }

    #[test]
    fn entries_of_one_set_are_found_by_their_words() {
        let mut cache = Cache::new();
        // All of one set and one tag; twice as many as there are ways.
        for number in 1..=16_u32 {
            let entry = Entry { key: [u64::from(number), 0, 0], hash: number, ..Entry::EMPTY };
            cache.insert(5, entry);
            let candidate = cache.candidate(5);
            assert_eq!(cache.get(candidate, &entry.key, 5).map(|found| found.hash), Some(number));
        }
        let found = |number: u64| cache.get(cache.candidate(5), &[number, 0, 0], 5).is_some();
        assert_eq!((1..=16).filter(|number| found(*number)).count(), 8);
        assert!(!found(17) && cache.candidate(6).is_none());
    }
}
