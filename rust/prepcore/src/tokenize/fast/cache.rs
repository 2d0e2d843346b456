//! The ids of pieces that were met before.
//!
//! Every worker has a cache of its own, so nothing is locked. Three tables, by how much a piece needs: nearly all
//! have at most 15 bytes and 4 ids and fit half a line of the processor's cache. Keys are compared as a whole, so
//! that two pieces with one hash cost time and nothing else.

use xxhash_rust::xxh3::xxh3_64;

use super::ids::Ids;
use super::key::{Key, LongKey, MAX_KEY, long_hash, long_key};
use crate::memory::{huge_pages, prefetch};

/// Pairs of slots for pieces of at most 15 bytes and 4 ids: 4 MiB. Half as many cost a tenth of the speed; twice
/// as many gain less than that, and no longer fit the second cache of most processors.
const PAIRS: usize = 1 << 16;

/// Slots for pieces of at most 24 bytes and 9 ids: 512 KiB.
const LONG_SLOTS: usize = 1 << 13;

/// Slots for all other pieces: 256 KiB.
const STORED_SLOTS: usize = 1 << 14;

/// Numbers in the store of all other pieces, which is emptied when it is full: 4 MiB.
const STORE: usize = 1 << 20;

/// The most bytes of a piece that is kept.
pub(super) const MAX_PIECE: usize = 512;

/// Ids of a short piece.
pub(super) const SHORT_IDS: usize = 4;

/// Ids of a long piece.
const LONG_IDS: usize = 9;

/// Bits of an id. The count of a short piece stands above them, in its first id.
const ID_BITS: u32 = 28;

/// The largest id that fits.
pub(super) const MAX_ID: u32 = (1 << ID_BITS) - 1;

#[derive(Clone, Copy, Debug, Default)]
struct Short {
    key: Key,
    ids: [u32; SHORT_IDS],
}

/// Two slots in one line of the processor's cache, the one used last in front.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Pair([Short; 2]);

/// What a worker's caches may take.
const MAX_BYTES: usize = 16 << 20;

const _: () = assert!(Cache::BYTES <= MAX_BYTES);

/// A longer piece, in a line of its own.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Long {
    key: LongKey,
    length: u16,
    count: u16,
    ids: [u32; LONG_IDS],
}

/// Where in the store a piece and its ids are.
#[derive(Clone, Copy, Debug, Default)]
struct Stored {
    hash: u64,
    start: u32,
    /// Bytes of the piece; 0 in a slot that is free.
    length: u16,
    count: u16,
}

/// The ids of pieces that were met before.
#[derive(Debug)]
pub(super) struct Cache {
    pairs: Vec<Pair>,
    longs: Vec<Long>,
    slots: Vec<Stored>,
    /// Of each piece its bytes, in whole numbers, and its ids.
    store: Vec<u32>,
}

impl Cache {
    /// Bytes that it takes once it is full.
    pub(super) const BYTES: usize = PAIRS * size_of::<Pair>()
        + LONG_SLOTS * size_of::<Long>()
        + STORED_SLOTS * size_of::<Stored>()
        + STORE * size_of::<u32>();

    /// Without pieces.
    pub(super) fn new() -> Self {
        Self {
            pairs: huge_pages::filled(Pair::default(), PAIRS),
            longs: vec![Long::default(); LONG_SLOTS],
            slots: vec![Stored::default(); STORED_SLOTS],
            store: Vec::new(),
        }
    }

    /// Fetches what [`Cache::short`] looks at.
    #[inline]
    pub(super) fn prepare(&self, hash: u64) {
        prefetch(&self.pairs, hash as usize % PAIRS);
    }

    /// The ids of a piece of at most [`MAX_KEY`] bytes, and how many there are.
    #[inline]
    pub(super) fn short(&mut self, key: Key, hash: u64) -> Option<([u32; SHORT_IDS], usize)> {
        let Pair([first, second]) = &mut self.pairs[hash as usize % PAIRS];
        if first.key != key {
            if second.key != key {
                return None;
            }
            std::mem::swap(first, second);
        }
        let mut ids = first.ids;
        let count = ids[0] >> ID_BITS;
        ids[0] &= MAX_ID;
        Some((ids, count as usize))
    }

    /// Puts the ids of any other piece that is kept at the end, and says whether there are any.
    pub(super) fn longer(&self, text: &[u8], piece: [usize; 2], ids: &mut Ids, out: &mut Vec<u32>) -> bool {
        let [start, end] = piece;
        let length = end - start;
        if length <= size_of::<LongKey>() {
            let key = long_key(text, start, length);
            let slot = &self.longs[long_hash(&key, length) as usize % LONG_SLOTS];
            if usize::from(slot.length) == length && slot.key == key {
                ids.reserve(LONG_IDS, out);
                ids.push_first(&slot.ids, usize::from(slot.count));
                return true;
            }
            if length <= MAX_KEY {
                return false;
            }
        }
        let bytes = &text[start..end];
        let hash = xxh3_64(bytes);
        let slot = &self.slots[hash as usize % STORED_SLOTS];
        if slot.hash != hash || usize::from(slot.length) != length {
            return false;
        }
        let (kept, kept_ids) = self.stored(slot);
        if !words(bytes).eq(kept.iter().copied()) {
            return false;
        }
        ids.extend(kept_ids, out);
        true
    }

    fn stored(&self, slot: &Stored) -> (&[u32], &[u32]) {
        let words = usize::from(slot.length).div_ceil(4);
        self.store[slot.start as usize..][..words + usize::from(slot.count)].split_at(words)
    }

    /// Keeps the ids of a piece that is not kept yet and has at most [`MAX_PIECE`] bytes. One of at most [`MAX_KEY`] bytes
    /// with more than 9 ids is not kept: few are, and all that are new would be looked for in one more table.
    pub(super) fn keep(&mut self, text: &[u8], piece: [usize; 2], ids: &[u32]) {
        let [start, end] = piece;
        let length = end - start;
        debug_assert!(ids.iter().all(|id| *id <= MAX_ID));
        if length <= MAX_KEY && ids.len() <= SHORT_IDS {
            let mut slot = Short { key: Key::read(text, start, length), ids: [0; SHORT_IDS] };
            slot.ids[..ids.len()].copy_from_slice(ids);
            slot.ids[0] |= (ids.len() as u32) << ID_BITS;
            let Pair([first, second]) = &mut self.pairs[slot.key.hash() as usize % PAIRS];
            *second = *first;
            *first = slot;
        } else if length <= size_of::<LongKey>() && ids.len() <= LONG_IDS {
            let key = long_key(text, start, length);
            let mut slot = Long { key, length: length as u16, count: ids.len() as u16, ids: [0; LONG_IDS] };
            slot.ids[..ids.len()].copy_from_slice(ids);
            self.longs[long_hash(&key, length) as usize % LONG_SLOTS] = slot;
        } else if length > MAX_KEY {
            let bytes = &text[start..end];
            if self.store.len() + length.div_ceil(4) + ids.len() > STORE {
                self.store.clear();
                self.slots.fill(Stored::default());
            }
            // All at once: growing step by step would take twice the room for a while.
            self.store.reserve_exact(STORE - self.store.len());
            let hash = xxh3_64(bytes);
            self.slots[hash as usize % STORED_SLOTS] = Stored {
                hash,
                start: self.store.len() as u32,
                length: length as u16,
                count: ids.len() as u16,
            };
            self.store.extend(words(bytes));
            self.store.extend_from_slice(ids);
        }
    }
}

/// Bytes as numbers; zeros follow the last.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::key::PADDING;
    use super::*;

    fn padded(piece: &[u8]) -> Vec<u8> {
        [piece, &[b'?'; PADDING]].concat()
    }

    fn look_up(cache: &mut Cache, piece: &[u8]) -> Option<Vec<u32>> {
        let text = padded(piece);
        if piece.len() <= MAX_KEY {
            let key = Key::read(&text, 0, piece.len());
            if let Some((ids, count)) = cache.short(key, key.hash()) {
                return Some(ids[..count].to_vec());
            }
        }
        let (mut ids, mut out) = (Ids::default(), Vec::new());
        let found = cache.longer(&text, [0, piece.len()], &mut ids, &mut out);
        ids.hand_on(&mut out);
        found.then_some(out)
    }

    #[test]
    fn a_line_holds_what_is_looked_at_together() {
        assert_eq!((size_of::<Pair>(), size_of::<Long>(), size_of::<Stored>()), (64, 64, 16));
    }

    #[test]
    fn pieces_of_every_length_come_back_with_their_ids() {
        let text: Vec<u8> = (0..MAX_PIECE).map(|at| b'a' + (at % 23) as u8).collect();
        for count in [0, 1, 4, 5, 9, 10, 512] {
            let mut cache = Cache::new();
            for length in (1..30).chain([100, MAX_PIECE - 1, MAX_PIECE]) {
                let ids: Vec<u32> = (0..count).map(|id| MAX_ID - id).collect();
                assert_eq!(look_up(&mut cache, &text[..length]), None);
                cache.keep(&padded(&text[..length]), [0, length], &ids);
                let kept = (length > MAX_KEY || count as usize <= LONG_IDS).then_some(ids);
                assert_eq!(look_up(&mut cache, &text[..length]), kept, "{length} bytes, {count} ids");
            }
        }
    }

    #[test]
    fn whatever_is_found_is_right_and_the_bound_holds() {
        let mut cache = Cache::new();
        let mut found = 0;
        for number in 0..400_000_u32 {
            let piece = format!("{:x}", number.wrapping_mul(0x9E37_79B9)).repeat(1 + number as usize % 9);
            let ids = [number; 12];
            let ids = &ids[..1 + number as usize % 12];
            cache.keep(&padded(piece.as_bytes()), [0, piece.len()], ids);
            let earlier = number / 3 * 2;
            let piece = format!("{:x}", earlier.wrapping_mul(0x9E37_79B9)).repeat(1 + earlier as usize % 9);
            if let Some(ids) = look_up(&mut cache, piece.as_bytes()) {
                assert_eq!(ids, vec![earlier; 1 + earlier as usize % 12]);
                found += 1;
            }
            assert!(cache.store.capacity() <= STORE);
        }
        assert!(found > 1000, "{found}");
    }
}
