//! Short texts as numbers, to be compared and hashed without a loop.

/// The longest text that has a [`Key`].
pub(crate) const KEY_BYTES: usize = 24;

/// A short text, followed by zeros. Where texts may hold zeros, the length is kept beside it.
pub(crate) type Key = [u64; 3];

/// The key of the text of `length` bytes, at most [`KEY_BYTES`], at the start of `window`.
#[inline]
pub(crate) fn key(window: &[u8; KEY_BYTES], length: usize) -> Key {
    let (words, _) = window.as_chunks();
    let mut key = [0; 3];
    for index in 0..3 {
        let inside = length.saturating_sub(8 * index).min(8) as u32;
        // All bits of eight bytes, none of no byte.
        let mask = u64::MAX.checked_shr(64 - 8 * inside).unwrap_or(0);
        key[index] = u64::from_le_bytes(words[index]) & mask;
    }
    key
}

/// Both halves of a product of 128 bits, as wyhash and others mix.
#[inline]
pub(crate) fn folded(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_text_and_zeros() {
        let window: [u8; KEY_BYTES] = std::array::from_fn(|index| index as u8 + 1);
        for length in 0..=KEY_BYTES {
            let bytes: Vec<u8> = key(&window, length).iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(bytes[..length], window[..length]);
            assert!(bytes[length..].iter().all(|byte| *byte == 0));
        }
    }
}
