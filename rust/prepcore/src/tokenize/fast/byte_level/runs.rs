//! How far a run of letters reaches.
#![allow(unsafe_code)] // a function for a processor's feature is called

use super::classes::{Class, Classes};

/// Where the run of letters ends that goes on at a position.
#[inline]
pub(super) fn end_of_letters(classes: &Classes, text: &[u8], mut position: usize) -> usize {
    loop {
        position = end_of_ascii_letters(text, position);
        while text.get(position).is_some_and(|byte| !byte.is_ascii()) {
            let (class, length) = classes.at(text, position);
            if class != Class::Letter {
                return position;
            }
            position += length;
        }
        if text.get(position).is_none_or(|byte| !byte.is_ascii_alphabetic()) {
            return position;
        }
    }
}

/// Where the run of ASCII letters ends that begins at a position.
///
/// Sixteen bytes at a time: a word of English text ends within the first sixteen in 99 of 100 cases, so that the branch
/// which ends the loop is foreseen. SSE2 is part of x86-64; elsewhere eight bytes of an integer do the same.
#[inline]
fn end_of_ascii_letters(text: &[u8], mut position: usize) -> usize {
    while let Some(chunk) = text.get(position..).and_then(|rest| rest.first_chunk::<WIDTH>()) {
        let run = leading_letters(chunk);
        position += run;
        if run < WIDTH {
            return position;
        }
    }
    plain(text, position)
}

/// The same, a byte at a time.
#[inline]
fn plain(text: &[u8], mut position: usize) -> usize {
    while text.get(position).is_some_and(u8::is_ascii_alphabetic) {
        position += 1;
    }
    position
}

#[cfg(target_arch = "x86_64")]
const WIDTH: usize = 16;

/// The letters that a chunk begins with.
#[cfg(target_arch = "x86_64")]
#[inline]
fn leading_letters(chunk: &[u8; WIDTH]) -> usize {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { leading_letters_by_sse2(chunk) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn leading_letters_by_sse2(chunk: &[u8; WIDTH]) -> usize {
    use std::arch::x86_64::{
        _mm_add_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let halves = chunk.as_chunks::<8>().0;
    let [low, high] = [i64::from_le_bytes(halves[0]), i64::from_le_bytes(halves[1])];
    let lower = _mm_or_si128(_mm_set_epi64x(high, low), _mm_set1_epi8(0x20));
    // `a` becomes the least signed byte, so that one comparison knows the 26 from all others.
    let moved = _mm_add_epi8(lower, _mm_set1_epi8((0x80 - b'a') as i8));
    let letters = _mm_movemask_epi8(_mm_cmplt_epi8(moved, _mm_set1_epi8(i8::MIN + 26)));
    letters.trailing_ones() as usize
}

#[cfg(not(target_arch = "x86_64"))]
const WIDTH: usize = 8;

/// The letters that a chunk begins with.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn leading_letters(chunk: &[u8; WIDTH]) -> usize {
    const EACH: u64 = u64::MAX / 255;
    let bytes = u64::from_le_bytes(*chunk);
    let lower = (bytes | EACH * 0x20) & EACH * 0x7f;
    // The high bit of each byte: at least `a`, and more than `z`; no byte carries into the next.
    let from_a = lower + EACH * u64::from(0x80 - b'a');
    let beyond_z = lower + EACH * u64::from(0x7f - b'z');
    let others = (!from_a | beyond_z | bytes) & (EACH * 0x80);
    others.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_find_what_single_bytes_find(
            text in prop::collection::vec(prop_oneof![9 => b'a'..=b'z', 9 => b'A'..=b'Z', 1 => any::<u8>()], 0..70),
        ) {
            for position in 0..=text.len() {
                prop_assert_eq!(end_of_ascii_letters(&text, position), plain(&text, position));
            }
        }
    }

    #[test]
    fn every_byte_ends_a_run_or_does_not() {
        for byte in 0..=u8::MAX {
            let text = [b'x', byte, b'y', b' '].repeat(8);
            assert_eq!(end_of_ascii_letters(&text, 0), plain(&text, 0), "{byte:x}");
        }
    }
}
