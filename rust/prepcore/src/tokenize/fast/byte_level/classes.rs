//! Classes of characters, exactly those that the `tokenizers` library's regular expressions have.
//!
//! `classes.txt` holds what Oniguruma answers for `\p{L}`, `\p{N}` and `\s` (Unicode 16). Other tables differ: Rust's
//! `is_alphabetic` is the property *Alphabetic*, and its Unicode version moves with the compiler. A test asks the library
//! about every character, so that a renewed Oniguruma cannot move ids unseen.

use std::sync::LazyLock;

/// What a pattern sees in a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// `\p{L}`.
    Letter,
    /// `\p{N}`.
    Number,
    /// `\s` but for carriage return and line feed.
    Space,
    /// Carriage return and line feed.
    Newline,
    /// None of these.
    Other,
    /// A piece of its own, whatever stands around it: a digit where the tokenizer takes digits one by one.
    Alone,
}

impl Class {
    /// Whether this is `\s`.
    #[inline]
    pub(super) fn is_space(self) -> bool {
        matches!(self, Self::Space | Self::Newline)
    }
}

/// Characters in a page.
const PAGE: usize = 256;
const PAGES: usize = (char::MAX as usize + 1) / PAGE;

/// A class for each character: 4,352 numbers of pages, and the pages that differ.
#[derive(Debug)]
pub(super) struct Classes {
    pages: Vec<[Class; PAGE]>,
    page_of: Vec<u8>,
}

impl Classes {
    /// The regular expressions' own classes.
    pub(super) fn of_patterns() -> &'static Self {
        static CLASSES: LazyLock<Classes> = LazyLock::new(|| Classes::paged(&listed()));
        &CLASSES
    }

    /// The same after the pre-tokenizer `Digits`, which takes out, before any expression sees them, the characters that
    /// Rust calls numeric.
    pub(super) fn with_digits_alone() -> &'static Self {
        static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
            let mut classes = listed();
            for (number, class) in (0..).zip(&mut classes) {
                if char::from_u32(number).is_some_and(char::is_numeric) {
                    *class = Class::Alone;
                }
            }
            Classes::paged(&classes)
        });
        &CLASSES
    }

    fn paged(classes: &[Class]) -> Self {
        let mut pages: Vec<[Class; PAGE]> = Vec::new();
        let mut page_of = Vec::with_capacity(PAGES);
        for (page, _) in classes.as_chunks::<PAGE>().0.iter().zip(0..PAGES) {
            let known = pages.iter().rposition(|known| known == page);
            let number = known.unwrap_or_else(|| {
                pages.push(*page);
                pages.len() - 1
            });
            // There are 160 that differ; a test would see more than 256.
            page_of.push(number as u8);
        }
        Self { pages, page_of }
    }

    /// The class of a character.
    #[inline]
    pub(super) fn of(&self, character: u32) -> Class {
        let page = self.page_of[character as usize / PAGE];
        self.pages[usize::from(page)][character as usize % PAGE]
    }

    /// The class and the length of the character of a UTF-8 text that begins at a position, which has to be one where a
    /// character begins.
    #[inline]
    pub(super) fn at(&self, text: &[u8], position: usize) -> (Class, usize) {
        let first = text[position];
        if first < 0x80 {
            return (self.pages[0][usize::from(first)], 1);
        }
        self.beyond_ascii(text, position, first)
    }

    #[inline]
    fn beyond_ascii(&self, text: &[u8], position: usize, first: u8) -> (Class, usize) {
        let low = |place: usize| u32::from(text[position + place] & 0x3f);
        if first < 0xe0 {
            (self.of(u32::from(first & 0x1f) << 6 | low(1)), 2)
        } else if first < 0xf0 {
            (self.of(u32::from(first & 0x0f) << 12 | low(1) << 6 | low(2)), 3)
        } else {
            (self.of(u32::from(first & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3)), 4)
        }
    }
}

/// The class of every number that a character can have, as `classes.txt` lists them.
fn listed() -> Vec<Class> {
    let mut classes = vec![Class::Other; PAGES * PAGE];
    let ranges = include_str!("classes.txt").lines().filter(|line| !line.starts_with('#'));
    let mut class = Class::Other;
    for word in ranges.flat_map(str::split_ascii_whitespace) {
        match word {
            "letters" => class = Class::Letter,
            "numbers" => class = Class::Number,
            "spaces" => class = Class::Space,
            range => {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                // The file is a part of the program, and a test reads it.
                let number = |digits| usize::from_str_radix(digits, 16).unwrap_or_default();
                classes[number(first)..=number(last)].fill(class);
            }
        }
    }
    for newline in [b'\r', b'\n'] {
        classes[usize::from(newline)] = Class::Newline;
    }
    classes
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
    use tokenizers::tokenizer::SplitDelimiterBehavior;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;

    /// The characters that the library's expression matches.
    fn matched(expression: &str) -> Vec<u32> {
        let split = Split::new(
            SplitPattern::Regex(expression.into()),
            SplitDelimiterBehavior::Removed,
            // What is left are the matches.
            true,
        )
        .unwrap();
        let all: Vec<char> = (0..=char::MAX as u32).filter_map(char::from_u32).collect();
        let mut found = Vec::new();
        for some in all.chunks(4096) {
            let mut text = PreTokenizedString::from(some.iter().collect::<String>());
            split.pre_tokenize(&mut text).unwrap();
            let pieces = text.get_splits(OffsetReferential::Original, OffsetType::Byte);
            found.extend(pieces.iter().flat_map(|(piece, ..)| piece.chars()).map(u32::from));
        }
        found
    }

    #[test]
    fn classes_are_the_library_s() {
        let (letters, numbers, spaces) = (matched(r"\p{L}"), matched(r"\p{N}"), matched(r"\s"));
        assert!(letters.len() > 140_000 && numbers.len() > 1_900 && spaces.len() == 25);
        let mut wanted = vec![Class::Other; PAGES * PAGE];
        for (class, characters) in
            [(Class::Letter, letters), (Class::Number, numbers), (Class::Space, spaces)]
        {
            for character in characters {
                assert_eq!(wanted[character as usize], Class::Other, "{character:x} has two classes");
                wanted[character as usize] = class;
            }
        }
        wanted[usize::from(b'\r')] = Class::Newline;
        wanted[usize::from(b'\n')] = Class::Newline;
        let differ: Vec<_> = (0..wanted.len())
            .filter(|&number| Classes::of_patterns().of(number as u32) != wanted[number])
            .map(|number| format!("{number:x}"))
            .collect();
        assert!(
            differ.is_empty(),
            "renew classes.txt, see its first line; these moved: {}",
            differ.join(" ")
        );
    }

    #[test]
    fn every_character_is_read_from_its_bytes() {
        assert!(Classes::with_digits_alone().pages.len() < 256);
        let mut bytes = [0; 4];
        for character in (0..=char::MAX as u32).filter_map(char::from_u32) {
            let text = character.encode_utf8(&mut bytes);
            let patterns = Classes::of_patterns();
            let class = patterns.of(u32::from(character));
            assert_eq!(patterns.at(text.as_bytes(), 0), (class, text.len()));
            let digits = if character.is_numeric() { Class::Alone } else { class };
            assert_eq!(Classes::with_digits_alone().at(text.as_bytes(), 0).0, digits);
        }
    }

    /// Prints `classes.txt` as the library has it.
    #[test]
    #[ignore = "renews a file: cargo test -p prepcore --release classes_text -- --ignored --nocapture"]
    fn classes_text() {
        let head = include_str!("classes.txt").lines().next().unwrap();
        let mut text = format!("{head}\n");
        for (name, expression) in [("letters", r"\p{L}"), ("numbers", r"\p{N}"), ("spaces", r"\s")] {
            let characters = matched(expression);
            let mut line = name.to_owned();
            for run in characters.chunk_by(|before, after| before + 1 == *after) {
                let (first, last) = (run[0], run[run.len() - 1]);
                let range = if first == last { format!("{first:x}") } else { format!("{first:x}-{last:x}") };
                if line.len() + range.len() >= 118 {
                    writeln!(text, "{line}").unwrap();
                    line.clear();
                }
                let gap = if line.is_empty() { "" } else { " " };
                write!(line, "{gap}{range}").unwrap();
            }
            writeln!(text, "{line}").unwrap();
        }
        std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).unwrap();
    }
}
