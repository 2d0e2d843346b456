//! Short pieces as numbers, to be compared and hashed without a loop.

use crate::memory::{self, KEY_BYTES, folded};

/// Bytes that must follow a text, so that a key can be read in one go wherever a piece starts.
pub(super) const PADDING: usize = 32;

/// The most bytes of a piece that has a key.
pub(super) const MAX_KEY: usize = 15;

/// The bytes of a piece of at most [`MAX_KEY`] bytes, zeros, and the length in the last byte: so pieces have
/// the same key only where they are the same. No piece has the key of zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(pub(super) [u64; 2]);

impl Key {
    /// The key of `text[start..start + length]`, where the text goes on for [`PADDING`] bytes.
    #[inline]
    pub(super) fn read(text: &[u8], start: usize, length: usize) -> Self {
        debug_assert!(length <= MAX_KEY);
        let bytes = text[start..].first_chunk::<16>().copied().unwrap_or_default();
        let masked = u128::from_le_bytes(bytes) & !(u128::MAX << (8 * length));
        Self([masked as u64, (masked >> 64) as u64 | (length as u64) << 56])
    }

    /// A hash whose high and low bits are both good.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        folded(self.0[0] ^ FIRST, self.0[1] ^ SECOND)
    }
}

/// Odd numbers with no pattern in their bits: the first digits of pi's fraction.
const FIRST: u64 = 0x243F_6A88_85A3_08D3;
const SECOND: u64 = 0x1319_8A2E_0370_7345;

/// The bytes of a piece of at most [`KEY_BYTES`] bytes and zeros. The length is kept beside it.
pub(super) type LongKey = memory::Key;

/// The key of `text[start..start + length]`, where the text goes on for [`PADDING`] bytes.
#[inline]
pub(super) fn long_key(text: &[u8], start: usize, length: usize) -> LongKey {
    debug_assert!(length <= KEY_BYTES);
    memory::key(text[start..].first_chunk().unwrap_or(&[0; KEY_BYTES]), length)
}

/// A hash of a long key and its length.
#[inline]
pub(super) fn long_hash(key: &LongKey, length: usize) -> u64 {
    folded(folded(key[0] ^ FIRST, key[1] ^ SECOND) ^ key[2], SECOND ^ length as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_the_piece_and_nothing_of_what_follows() {
        let mut text = b"abcdefghijklmnopqrstuvwxyz".to_vec();
        text.resize(26 + PADDING, b'!');
        for length in 1..=MAX_KEY {
            let mut bytes = [0; 16];
            bytes[..length].copy_from_slice(&text[3..3 + length]);
            bytes[15] = length as u8;
            assert_eq!(Key::read(&text, 3, length).0.map(u64::to_le_bytes).concat(), bytes);
        }
        for length in 1..=24 {
            let mut bytes = [0; 24];
            bytes[..length].copy_from_slice(&text[2..2 + length]);
            assert_eq!(long_key(&text, 2, length).map(u64::to_le_bytes).concat(), bytes);
        }
    }
}
