//! Llama-3's pattern, which is also that of GPT-4 and OLMo-2, and Qwen-2's, which takes numbers one by one.

use super::Split;
use super::block::{BLOCK, Block, low_bits};
use super::classes::{Class, Classes};
use super::runs::end_of_letters;

/// The expression of Llama-3.
pub(super) const EXPRESSION: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The expression of Qwen-2, 2.5 and 3.
pub(super) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Splits as [`EXPRESSION`] does, with so many numbers in a piece at most: three, or one for [`QWEN2`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Llama3<const NUMBERS: usize> {
    classes: &'static Classes,
}

impl<const NUMBERS: usize> Llama3<NUMBERS> {
    pub(super) fn new() -> Self {
        Self { classes: Classes::of_patterns() }
    }
}

impl<const NUMBERS: usize> Split for Llama3<NUMBERS> {
    #[inline]
    fn starts(self, bytes: &[u8; BLOCK]) -> u64 {
        let block = Block::of(bytes);
        let Block { letters, numbers, spaces, newlines, blanks, .. } = block;
        let others = block.others();
        // Line ends right after others belong to them: the sum carries through each run that one of them begins.
        let first = newlines & others << 1;
        let taken = (newlines.wrapping_add(first) ^ newlines) & newlines;
        let runs = spaces & !taken;
        let tails = spaces & !newlines;
        // One other character belongs to the letters after it, but not where a blank or another other comes before it.
        let mut starts = letters & (numbers | newlines | others & (others | blanks) << 1) << 1
            | others & !((others | blanks) << 1)
            | runs & !(runs << 1)
            | tails & !spaces >> 1
            | groups::<NUMBERS>(numbers);
        // What follows the last line end of a run is for itself.
        let mut candidates = tails & (newlines & runs) << 1;
        while candidates != 0 {
            let place = candidates.trailing_zeros();
            candidates &= candidates - 1;
            let behind = place + (tails >> place).trailing_ones();
            if newlines.checked_shr(behind).is_some_and(|rest| rest & 1 == 0) {
                starts |= 1 << place;
            }
        }
        // A run of spaces that reaches the end of what is seen may go on; its first place is known all the same.
        let length = block.length();
        let open = (spaces << (64 - length.max(1))).leading_ones().min(length);
        let known = low_bits((length - open + 1).min(length));
        block.contracted(bytes, starts | 1, known, contraction) & !1
    }

    #[inline]
    fn end(self, text: &[u8], start: usize) -> usize {
        let first = text[start];
        if first == b'\'' {
            let contraction = contraction(&text[start + 1..]);
            if contraction > 0 {
                return start + 1 + contraction;
            }
        }
        let (class, length) = self.classes.at(text, start);
        let second = start + length;
        match class {
            Class::Letter => return end_of_letters(self.classes, text, second),
            Class::Number => return self.end_of_numbers(text, second),
            Class::Newline => return self.end_of_spaces(text, start),
            Class::Space | Class::Other | Class::Alone => {}
        }
        if second < text.len() {
            let (following, length) = self.classes.at(text, second);
            // Whatever it is, one character belongs to the letters after it, and a space to others too.
            if following == Class::Letter {
                return end_of_letters(self.classes, text, second + length);
            }
            if following == Class::Other && first == b' ' {
                return self.end_of_others(text, second + length);
            }
        }
        if class == Class::Space { self.end_of_spaces(text, start) } else { self.end_of_others(text, second) }
    }
}

/// The starts of groups of so many numbers.
#[inline]
fn groups<const NUMBERS: usize>(numbers: u64) -> u64 {
    if NUMBERS == 1 {
        return numbers;
    }
    // Three numbers after a group's start, and the third is the next one's.
    let third = numbers & numbers << 1 & numbers << 2;
    let mut found = numbers & !(numbers << 1);
    let mut groups = 0;
    while found != 0 {
        groups |= found;
        found = found << 3 & third;
    }
    groups
}

impl<const NUMBERS: usize> Llama3<NUMBERS> {
    #[inline]
    fn end_of_numbers(self, text: &[u8], mut position: usize) -> usize {
        for _ in 1..NUMBERS {
            if position == text.len() {
                break;
            }
            let (class, length) = self.classes.at(text, position);
            if class != Class::Number {
                break;
            }
            position += length;
        }
        position
    }

    /// `[^\s\p{L}\p{N}]*[\r\n]*`
    #[inline]
    fn end_of_others(self, text: &[u8], mut position: usize) -> usize {
        while position < text.len() {
            let (class, length) = self.classes.at(text, position);
            if class != Class::Other {
                break;
            }
            position += length;
        }
        while text.get(position).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            position += 1;
        }
        position
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: a run with line ends reaches to the last of them; of another the last character is
    /// left to what follows, unless it is the only one.
    fn end_of_spaces(self, text: &[u8], start: usize) -> usize {
        let (mut last, mut position) = (start, start);
        let mut after_newline = None;
        while position < text.len() {
            let (class, length) = self.classes.at(text, position);
            match class {
                Class::Newline => after_newline = Some(position + length),
                Class::Space => {}
                _ => return after_newline.unwrap_or(if last == start { position } else { last }),
            }
            last = position;
            position += length;
        }
        after_newline.unwrap_or(position)
    }
}

/// The length of what `(?i:'s|'t|'re|'ve|'m|'ll|'d)` matches after the apostrophe, or nothing. The long s (U+017F) is an
/// s to an expression that ignores case; no other letter of these has such a twin.
#[inline]
fn contraction(rest: &[u8]) -> usize {
    match rest {
        [b's' | b't' | b'm' | b'd' | b'S' | b'T' | b'M' | b'D', ..] => 1,
        [b'r' | b'v' | b'R' | b'V', b'e' | b'E', ..] | [b'l' | b'L', b'l' | b'L', ..] => 2,
        [0xc5, 0xbf, ..] => 2,
        _ => 0,
    }
}
