//! What was found out about short words, kept for the next time.
//!
//! A slot holds the word itself, so that nothing is taken for something else, and the list of its rows, so that
//! sums keep the library's order. It fills one line of the processor's cache.

use crate::memory::{Key, huge_pages, prefetch};

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

/// Entries of words by their hash.
///
/// In a full set a new word takes the place of one that was not met again since it came or since the others were last
/// all forgotten: most words of a text never come again, and leave those alone that do.
#[derive(Debug)]
pub(super) struct Cache {
    sets: Vec<Set>,
    entries: Vec<Entry>,
}

/// A byte for each way: seven bits of the hash, 0 where the way is free, and in the lowest bit whether the word was met
/// again.
#[derive(Clone, Copy, Debug, Default)]
struct Set(u64);

/// The lowest bit of each byte.
const MET: u64 = 0x0101_0101_0101_0101;

/// Where a word may lie, or will.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    slot: u32,
    /// Whether the tag fits.
    is_likely: bool,
}

impl Cache {
    /// Bytes that it takes once it is full.
    pub(super) const BYTES: u64 = (SETS * (size_of::<Set>() + WAYS * size_of::<Entry>())) as u64;

    /// Without entries.
    pub(super) fn new() -> Self {
        Self { sets: vec![Set::default(); SETS], entries: huge_pages::filled(Entry::EMPTY, SETS * WAYS) }
    }

    /// Fetches what [`Cache::place`] looks at.
    #[inline]
    pub(super) fn prepare(&self, hash: u64) {
        prefetch(&self.sets, set(hash));
    }

    /// The first slot in which a word of this hash may lie, or else the one that it is to be put into. It is fetched.
    #[inline]
    pub(super) fn place(&mut self, hash: u64) -> Place {
        let number = set(hash);
        let set = &mut self.sets[number];
        let matches = set.matches(tag(hash));
        let is_likely = matches != 0;
        let way = if is_likely { matches.trailing_zeros() / 8 } else { set.victim() };
        let slot = WAYS * number + way as usize;
        prefetch(&self.entries, slot);
        Place { slot: slot as u32, is_likely }
    }

    /// The entry of a word, given the place for its hash. The slot may have been reused since.
    #[inline]
    pub(super) fn get(&mut self, place: Place, key: &Key, hash: u64) -> Option<&Entry> {
        if !place.is_likely {
            return None;
        }
        let slot = place.slot as usize;
        if self.entries[slot].key == *key {
            self.sets[slot / WAYS].0 |= 1 << (8 * (slot % WAYS));
            return Some(&self.entries[slot]);
        }
        self.get_any(key, hash)
    }

    /// Looks at every slot whose tag fits.
    #[cold]
    fn get_any(&mut self, key: &Key, hash: u64) -> Option<&Entry> {
        let set = set(hash);
        let mut matches = self.sets[set].matches(tag(hash));
        while matches != 0 {
            let entry = &self.entries[WAYS * set + matches.trailing_zeros() as usize / 8];
            if entry.key == *key {
                self.sets[set].0 |= (matches & matches.wrapping_neg()) >> 7;
                return Some(entry);
            }
            matches &= matches - 1;
        }
        None
    }

    /// Keeps an entry in place of another.
    pub(super) fn insert(&mut self, place: Place, hash: u64, entry: Entry) {
        let set = &mut self.sets[set(hash)];
        // Where another word of the same tag was taken for this one, it is not the one to go.
        let way = if place.is_likely { set.victim() as usize } else { place.slot as usize % WAYS };
        let shift = 8 * way;
        set.0 = set.0 & !(0xff << shift) | u64::from(tag(hash)) << shift;
        self.entries[WAYS * self::set(hash) + way] = entry;
    }
}

impl Set {
    /// The highest bit of each byte whose tag is this one.
    #[inline]
    fn matches(self, tag: u8) -> u64 {
        equal_bytes(self.0 & !MET, tag)
    }

    /// The way to be reused: a free one, or the first that was not met again.
    #[inline]
    fn victim(&mut self) -> u32 {
        let free = equal_bytes(self.0, 0);
        if free != 0 {
            return free.trailing_zeros() / 8;
        }
        if self.0 & MET == MET {
            self.0 &= !MET;
        }
        (!self.0 & MET).trailing_zeros() / 8
    }
}

#[inline]
fn set(hash: u64) -> usize {
    hash as usize % SETS
}

#[inline]
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8 & !1).max(2)
}

/// The highest bit of each byte that equals `byte`, where none differs from it in the lowest bit alone.
#[inline]
fn equal_bytes(bytes: u64, byte: u8) -> u64 {
    let different = bytes ^ (MET * u64::from(byte));
    different.wrapping_sub(MET) & !different & (MET << 7)
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
        let place = cache.place(0);
        cache.insert(place, 0, Entry { key: [1, 0, 0], ..Entry::EMPTY });
        let place = cache.place(0);
        assert!(cache.get(place, &[0; 3], 0).is_none());
    }

    fn found(cache: &mut Cache, number: u64, hash: u64) -> Option<u32> {
        let place = cache.place(hash);
        cache.get(place, &[number, 0, 0], hash).map(|entry| entry.hash)
    }

    fn insert(cache: &mut Cache, number: u32, hash: u64) {
        let place = cache.place(hash);
        let key = [u64::from(number), 0, 0];
        assert!(cache.get(place, &key, hash).is_none());
        cache.insert(place, hash, Entry { key, hash: number, ..Entry::EMPTY });
    }

    #[test]
    fn entries_of_one_set_are_found_by_their_words() {
        let mut cache = Cache::new();
        // All of one set and one tag; twice as many as there are ways.
        for number in 1..=16 {
            insert(&mut cache, number, 5);
            assert_eq!(found(&mut cache, u64::from(number), 5), Some(number));
        }
        assert_eq!((1..=16).filter(|number| found(&mut cache, *number, 5).is_some()).count(), 8);
        assert_eq!((found(&mut cache, 17, 5), found(&mut cache, 1, 6)), (None, None));
    }

    #[test]
    fn words_that_come_again_stay() {
        let mut cache = Cache::new();
        for number in 1..=8 {
            insert(&mut cache, number, u64::from(number) << 56);
        }
        for number in 1..=5 {
            assert!(found(&mut cache, number, number << 56).is_some());
        }
        for number in 9..100 {
            insert(&mut cache, number, u64::from(number) << 56);
        }
        assert!((1..=5).all(|number| found(&mut cache, number, number << 56).is_some()));
    }
}
