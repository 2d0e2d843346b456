//! Cutting a text into pieces: words, and characters that stand alone.

use super::letters::{Class, class};

/// A word, or a character that stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where it ends, in bytes.
    pub(super) end: usize,
    /// Whether it counts as a word: it is no symbol.
    pub(super) is_word: bool,
    /// Whether white space stands before it.
    pub(super) spaced: bool,
    /// Whether it may have another lower case that ASCII rules do not give.
    pub(super) folds: bool,
}

/// The pieces of a text, in order.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Pieces<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// The end of the word of which all before `at` is part, and whether anything from there on is not ASCII.
    fn word_end(&self, mut at: usize) -> (usize, bool) {
        let mut folds = false;
        loop {
            at = ascii_word_end(self.text.as_bytes(), at);
            match self.text.as_bytes().get(at) {
                Some(0x80..) => {}
                _ => return (at, folds),
            }
            let Some(character) = self.text[at..].chars().next() else { return (at, folds) };
            if !matches!(class(character), Class::Letter | Class::Extends) {
                return (at, folds);
            }
            folds = true;
            at += character.len_utf8();
        }
    }

    #[inline(never)]
    fn next_of_any_kind(&mut self) -> Option<Piece> {
        let bytes = self.text.as_bytes();
        let mut spaced = false;
        loop {
            let start = self.at;
            let byte = *bytes.get(start)?;
            if byte == b' ' {
                spaced = true;
                self.at += 1;
                continue;
            }
            let character = if byte < 0x80 { char::from(byte) } else { self.text[start..].chars().next()? };
            let after = start + character.len_utf8();
            match class(character) {
                Class::Space => {
                    spaced = true;
                    self.at = after;
                }
                Class::Letter => {
                    let (end, folds) = self.word_end(after);
                    self.at = end;
                    return Some(Piece { start, end, is_word: true, spaced, folds: folds || byte >= 0x80 });
                }
                class => {
                    self.at = after;
                    let is_word = class == Class::Alone;
                    return Some(Piece { start, end: after, is_word, spaced, folds: false });
                }
            }
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    // A call would hand pieces over through memory, which made the rule 7 % slower.
    #[inline(always)]
    fn next(&mut self) -> Option<Piece> {
        // An ASCII word or sign after at most one space, as most are: a shorter way to the same.
        let bytes = self.text.as_bytes();
        let start = self.at + usize::from(bytes.get(self.at) == Some(&b' '));
        let spaced = start > self.at;
        let end = ascii_word_end(bytes, start);
        if end == start {
            if matches!(bytes.get(start), Some(0x21..=0x7f)) {
                self.at = start + 1;
                return Some(Piece { start, end: self.at, is_word: false, spaced, folds: false });
            }
        } else if bytes.get(end).is_none_or(u8::is_ascii) {
            self.at = end;
            return Some(Piece { start, end, is_word: true, spaced, folds: false });
        }
        self.next_of_any_kind()
    }
}

/// Where the ASCII letters, digits and `_` end that begin at `at`; eight bytes at once.
#[inline(always)]
fn ascii_word_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let others = !ascii_words(u64::from_le_bytes(*eight)) & each(0x80);
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        at += 1;
    }
    at
}

/// The same byte eight times.
pub(super) const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte that is an ASCII letter, a digit or `_`.
fn ascii_words(bytes: u64) -> u64 {
    let low = bytes & each(0x7f);
    // Adding so much that a byte reaches 128 exactly where it is at least `least`; no carry leaves a byte.
    let at_least = |bytes: u64, least: u8| bytes + each(0x80 - least);
    let lower = low | each(0x20);
    let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    let digits = at_least(low, b'0') & !at_least(low, b'9' + 1);
    let underscores = !at_least(low ^ each(b'_'), 1);
    (letters | digits | underscores) & !bytes & each(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        Pieces::new(text).map(|piece| &text[piece.start..piece.end]).collect()
    }

    #[test]
    fn words_of_every_script_and_everything_else_alone() {
        assert_eq!(
            cut("Don't  stop_it, naïve 42nd-street"),
            ["Don", "'", "t", "stop_it", ",", "naïve", "42nd", "-", "street"]
        );
        assert_eq!(cut("猫ですmeow"), ["猫", "で", "す", "meow"]);
        assert_eq!(cut("cafe\u{301}s \u{301}x हिन्दी"), ["cafe\u{301}s", "\u{301}", "x", "हिन्दी"]);
        assert_eq!(cut("a\u{1f600}b\u{a0}… c"), ["a", "\u{1f600}", "b", "…", "c"]);
        assert_eq!(cut(" \n\u{3000}"), [""; 0]);
    }

    #[test]
    fn eight_bytes_at_once_are_as_one_at_a_time() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = *b"a9_Zz0Aq";
                bytes[at] = byte;
                let is_word = byte.is_ascii_alphanumeric() || byte == b'_';
                let expected = if is_word { each(0x80) } else { each(0x80) & !(0x80 << (8 * at)) };
                assert_eq!(ascii_words(u64::from_le_bytes(bytes)), expected, "{byte:#x} at {at}");
            }
        }
    }
}
