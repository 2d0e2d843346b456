//! GPT-2's pattern, which is also that of OLMo, NeoX, Pythia and SmolLM2.

use super::Split;
use super::block::{BLOCK, Block, low_bits};
use super::classes::{Class, Classes};
use super::runs::end_of_letters;

/// The expression of the library's `ByteLevel`, which has it built in.
pub(super) const EXPRESSION: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Splits as [`EXPRESSION`] does; with `DIGITS_ALONE` as `Digits` before it and that do: a digit is then a piece, and
/// what stands before it ends as a text does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gpt2<const DIGITS_ALONE: bool> {
    classes: &'static Classes,
}

impl<const DIGITS_ALONE: bool> Gpt2<DIGITS_ALONE> {
    pub(super) fn new() -> Self {
        Self { classes: if DIGITS_ALONE { Classes::with_digits_alone() } else { Classes::of_patterns() } }
    }
}

impl<const DIGITS_ALONE: bool> Split for Gpt2<DIGITS_ALONE> {
    #[inline]
    fn starts(self, bytes: &[u8; BLOCK]) -> u64 {
        let block = Block::of(bytes);
        let Block { letters, numbers, spaces, blanks, .. } = block;
        let others = block.others();
        // A run of one class; of a run of spaces the first, and the last for what follows. A blank goes with the run
        // after it, so that the run itself does not start.
        let mut starts = letters & (numbers | others) << 1
            | numbers & (letters | others) << 1
            | others & (letters | numbers) << 1
            | !spaces & (spaces & !blanks) << 1
            | spaces & !(spaces << 1);
        if DIGITS_ALONE {
            starts |= numbers | spaces & !(spaces | numbers) >> 1;
        } else {
            starts |= spaces & !spaces >> 1;
        }
        // Whether a space is the last of its run the next byte says.
        let known = low_bits(block.length()) >> 1;
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
        // One space belongs to the run after it.
        let body = start + usize::from(first == b' ' && start + 1 < text.len());
        let (class, length) = self.classes.at(text, body);
        match class {
            Class::Letter => end_of_letters(self.classes, text, body + length),
            Class::Number | Class::Other => self.end_of_run(text, body + length, class),
            Class::Alone if body == start => start + length,
            // A space at the end of what the expression sees.
            Class::Alone => body,
            Class::Space | Class::Newline => self.end_of_spaces(text, start),
        }
    }
}

impl<const DIGITS_ALONE: bool> Gpt2<DIGITS_ALONE> {
    #[inline]
    fn end_of_run(self, text: &[u8], mut position: usize, run: Class) -> usize {
        while position < text.len() {
            let (class, length) = self.classes.at(text, position);
            if class != run {
                break;
            }
            position += length;
        }
        position
    }

    /// `\s+(?!\S)|\s+`: the last character of a run is left to what follows, unless it is the only one.
    fn end_of_spaces(self, text: &[u8], start: usize) -> usize {
        let (mut last, mut position) = (start, start);
        while position < text.len() {
            let (class, length) = self.classes.at(text, position);
            if class == Class::Alone {
                return position;
            }
            if !class.is_space() {
                return if last == start { position } else { last };
            }
            last = position;
            position += length;
        }
        position
    }
}

/// The length of what `'s|'t|'re|'ve|'m|'ll|'d` matches after the apostrophe, or nothing.
#[inline]
fn contraction(rest: &[u8]) -> usize {
    match rest {
        [b's' | b't' | b'm' | b'd', ..] => 1,
        [b'r' | b'v', b'e', ..] | [b'l', b'l', ..] => 2,
        _ => 0,
    }
}
