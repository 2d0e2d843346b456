//! Two hashes of words: the library's, which numbers n-grams, and a fast one of our own for our own tables.

use crate::memory::{KEY_BYTES, Key, folded, key};

/// The library's hash: FNV-1a of 32 bits, in which bytes from 128 on are taken as negative numbers.
#[derive(Clone, Copy)]
pub(super) struct Fnv(pub(super) u32);

impl Fnv {
    /// Of nothing.
    pub(super) const START: Self = Self(2_166_136_261);

    /// With one byte more.
    #[inline(always)]
    pub(super) fn with(self, byte: u8) -> Self {
        Self((self.0 ^ (byte as i8 as u32)).wrapping_mul(16_777_619))
    }

    /// Of some bytes.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> u32 {
        bytes.iter().fold(Self::START, |hash, byte| hash.with(*byte)).0
    }
}

/// A hash of words for tables of ours. It decides where something lies, never what it is, so it differs from model
/// to model: no text can be made that is slow with all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher {
    seed: u64,
}

impl Hasher {
    /// A hash that no other process has.
    pub(super) fn random() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self { seed: RandomState::new().hash_one(0) }
    }

    /// Of a key.
    #[inline]
    pub(super) fn of_key(self, key: Key) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let first = folded(key[0] ^ self.seed, key[1] ^ ODD);
        folded(first ^ self.seed, key[2] ^ ODD.rotate_left(32))
    }

    /// Of a word of any length.
    pub(super) fn of(self, word: &[u8]) -> u64 {
        let mut hash = 0;
        let mut rest = word;
        loop {
            let part = &rest[..rest.len().min(KEY_BYTES)];
            let mut window = [0; KEY_BYTES];
            window[..part.len()].copy_from_slice(part);
            hash ^= self.of_key(key(&window, part.len()));
            rest = &rest[part.len()..];
            if rest.is_empty() {
                return hash;
            }
            hash = folded(hash ^ self.seed, 0xd6e8_feb8_6659_fd93);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_from_128_on_are_negative() {
        assert_eq!(Fnv::of(b""), 2_166_136_261);
        assert_eq!(Fnv::of(b"a"), 0xe40c_292c);
        assert_eq!(Fnv::of(&[0xe9]), (2_166_136_261_u32 ^ 0xffff_ffe9).wrapping_mul(16_777_619));
    }

    #[test]
    fn a_word_and_its_key_have_one_hash() {
        let window: [u8; KEY_BYTES] = std::array::from_fn(|index| index as u8 + 1);
        for length in 0..=KEY_BYTES {
            let hasher = Hasher { seed: 7 };
            assert_eq!(hasher.of(&window[..length]), hasher.of_key(key(&window, length)));
        }
    }
}
