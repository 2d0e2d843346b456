//! The classes of 64 bytes at once, a bit for each.
#![allow(unsafe_code)] // a function for a processor's feature is called

/// Bytes in a block.
pub(super) const BLOCK: usize = 64;

/// Which bytes of a block are what; the first byte is the lowest bit. Bytes beyond ASCII are nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// `\p{L}`
    pub(super) letters: u64,
    /// `\p{N}`
    pub(super) numbers: u64,
    /// `\s`
    pub(super) spaces: u64,
    /// `[\r\n]`
    pub(super) newlines: u64,
    /// The space itself.
    pub(super) blanks: u64,
    /// The apostrophe.
    pub(super) apostrophes: u64,
    /// Bytes of other characters than ASCII's.
    beyond: u64,
}

impl Block {
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn of(bytes: &[u8; BLOCK]) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { by_sse2(bytes) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    pub(super) fn of(bytes: &[u8; BLOCK]) -> Self {
        plain(bytes)
    }

    /// The number of bytes before the first that is not ASCII.
    #[inline]
    pub(super) fn length(&self) -> u32 {
        self.beyond.trailing_zeros()
    }

    /// Neither letters nor numbers nor spaces.
    #[inline]
    pub(super) fn others(&self) -> u64 {
        !(self.letters | self.numbers | self.spaces | self.beyond)
    }

    /// Corrects where pieces start for contractions, such as `'s`; `length` gives that of what follows an apostrophe.
    ///
    /// `starts` holds all starts within the `known` bits, the first byte's too; comes back without what is not known,
    /// which begins with the first apostrophe whose letters may lie beyond.
    #[inline]
    pub(super) fn contracted(
        &self,
        bytes: &[u8; BLOCK],
        mut starts: u64,
        known: u64,
        length: impl Fn(&[u8]) -> usize,
    ) -> u64 {
        let mut apostrophes = self.apostrophes & starts & known;
        let known_bytes = known.trailing_ones() as usize;
        while apostrophes != 0 {
            let place = apostrophes.trailing_zeros() as usize;
            apostrophes &= apostrophes - 1;
            // Two letters at most, and the character after them.
            if place + 3 >= known_bytes {
                return starts & (u64::MAX >> (63 - place));
            }
            let letters = length(&bytes[place + 1..]);
            if letters > 0 {
                starts &= !(0b11 << (place + 1));
                starts |= 1 << (place + 1 + letters);
            }
        }
        starts & known
    }
}

/// So many low bits.
#[inline]
pub(super) fn low_bits(count: u32) -> u64 {
    u64::MAX.checked_shr(64 - count).unwrap_or(0)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn by_sse2(bytes: &[u8; BLOCK]) -> Block {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set_epi64x, _mm_set1_epi8,
    };
    // The range becomes the least signed bytes, so that one comparison knows it.
    let within = |chunk: __m128i, first: u8, count: i8| {
        let moved = _mm_add_epi8(chunk, _mm_set1_epi8(0x80_u8.wrapping_sub(first) as i8));
        _mm_cmplt_epi8(moved, _mm_set1_epi8(i8::MIN + count))
    };
    let is = |chunk: __m128i, byte: u8| _mm_cmpeq_epi8(chunk, _mm_set1_epi8(byte as i8));
    let mut block = Block::default();
    for (chunk, number) in bytes.as_chunks::<16>().0.iter().zip(0..) {
        let halves = chunk.as_chunks::<8>().0;
        let chunk = _mm_set_epi64x(i64::from_le_bytes(halves[1]), i64::from_le_bytes(halves[0]));
        let lower = _mm_or_si128(chunk, _mm_set1_epi8(0x20));
        let blanks = is(chunk, b' ');
        let bits = |found: __m128i| u64::from(_mm_movemask_epi8(found) as u16) << (16 * number);
        block.letters |= bits(within(lower, b'a', 26));
        block.numbers |= bits(within(chunk, b'0', 10));
        block.spaces |= bits(_mm_or_si128(within(chunk, b'\t', 5), blanks));
        block.newlines |= bits(_mm_or_si128(is(chunk, b'\n'), is(chunk, b'\r')));
        block.blanks |= bits(blanks);
        block.apostrophes |= bits(is(chunk, b'\''));
        block.beyond |= bits(chunk);
    }
    block
}

/// The same, a byte at a time.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain(bytes: &[u8; BLOCK]) -> Block {
    let mut block = Block::default();
    for (number, byte) in bytes.iter().enumerate() {
        let bit = |is: bool| u64::from(is) << number;
        block.letters |= bit(byte.is_ascii_alphabetic());
        block.numbers |= bit(byte.is_ascii_digit());
        block.spaces |= bit(matches!(byte, b'\t'..=b'\r' | b' '));
        block.newlines |= bit(matches!(byte, b'\r' | b'\n'));
        block.blanks |= bit(*byte == b' ');
        block.apostrophes |= bit(*byte == b'\'');
        block.beyond |= bit(!byte.is_ascii());
    }
    block
}

#[cfg(test)]
mod tests {
    use super::super::classes::{Class, Classes};
    use super::*;

    #[test]
    fn every_byte_in_every_place() {
        for first in 0..=u8::MAX {
            let bytes = std::array::from_fn(|place| first.wrapping_add(place as u8));
            assert_eq!(Block::of(&bytes), plain(&bytes));
        }
    }

    #[test]
    fn classes_are_those_of_the_table() {
        for byte in 0..0x80_u8 {
            let block = plain(&[byte; BLOCK]);
            let class = match block {
                Block { newlines: u64::MAX, .. } => Class::Newline,
                Block { spaces: u64::MAX, .. } => Class::Space,
                Block { letters: u64::MAX, .. } => Class::Letter,
                Block { numbers: u64::MAX, .. } => Class::Number,
                _ => Class::Other,
            };
            assert_eq!(Classes::of_patterns().of(u32::from(byte)), class);
            assert_eq!(block.others() == u64::MAX, class == Class::Other);
        }
    }
}
