//! Texts cut into words at the library's separators: space, tab, line feed, vertical tab, form feed, carriage return
//! and NUL. No other white space separates.

use std::ops::ControlFlow;

use super::predictor::Newline;

/// Bytes of text that are looked at together; they stay in the first level of the processor's cache.
const BLOCK: usize = 16 << 10;

/// Bytes that can be read from the start of every word, whatever its length.
pub(super) const PADDING: usize = 64;

/// Cuts texts into words. It holds a block at a time and the word that goes on in the next.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Text, then at least [`PADDING`] zeros.
    buffer: Vec<u8>,
    /// Starts and ends of words in turn.
    edges: Vec<usize>,
}

/// Some whole words of a text.
pub(super) struct Batch<'a> {
    /// What words lie in.
    pub(super) buffer: &'a [u8],
    /// Start and end of each word; [`PADDING`] bytes from each start are there.
    pub(super) words: &'a [[usize; 2]],
}

impl Words {
    /// Hands on a text's words in order until `take` has enough.
    pub(super) fn each(
        &mut self,
        text: &str,
        newline: Newline,
        mut take: impl FnMut(&Batch<'_>) -> ControlFlow<()>,
    ) {
        let mut rest = text.as_bytes();
        // Bytes of a word that began in an earlier block; they lie at the start of the buffer.
        let mut begun = 0;
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest.len().min(BLOCK));
            rest = after;
            let end = self.fill(begun, block, newline);
            self.scan(begun, end);
            let open = if rest.is_empty() { end } else { self.take_open(end) };
            let (words, _) = self.edges.as_chunks();
            if take(&Batch { buffer: &self.buffer, words }).is_break() {
                return;
            }
            self.buffer.copy_within(open..end, 0);
            begun = end - open;
        }
    }

    /// Puts a block behind what has begun, and zeros behind the block; gives the end of the text.
    fn fill(&mut self, begun: usize, block: &[u8], newline: Newline) -> usize {
        self.buffer.truncate(begun);
        match newline {
            Newline::Space => self.buffer.extend_from_slice(block),
            Newline::Delete => {
                let mut start = 0;
                for end in memchr::memchr_iter(b'\n', block) {
                    self.buffer.extend_from_slice(&block[start..end]);
                    start = end + 1;
                }
                self.buffer.extend_from_slice(&block[start..]);
            }
        }
        let end = self.buffer.len();
        self.buffer.resize(end + PADDING, 0);
        end
    }

    /// Finds the edges of words. Up to `begun` there is one word, which was looked at before.
    #[allow(clippy::needless_range_loop)] // an iterator is not always compiled into the loop
    fn scan(&mut self, begun: usize, end: usize) {
        self.edges.clear();
        let mut inside = u64::from(begun > 0);
        if begun > 0 {
            self.edges.push(0);
        }
        let (blocks, _) = self.buffer[begun..].as_chunks::<64>();
        for number in 0..(end - begun).div_ceil(64) {
            let words = !separators(&blocks[number]);
            let mut changes = words ^ (words << 1 | inside);
            inside = words >> 63;
            while changes != 0 {
                self.edges.push(begun + 64 * number + changes.trailing_zeros() as usize);
                changes &= changes - 1;
            }
        }
        if self.edges.len() % 2 == 1 {
            self.edges.push(end);
        }
    }

    /// Takes the last word away when it goes up to the end; gives its start.
    fn take_open(&mut self, end: usize) -> usize {
        match self.edges.as_slice() {
            [.., start, last] if *last == end => {
                let start = *start;
                self.edges.truncate(self.edges.len() - 2);
                start
            }
            _ => end,
        }
    }
}

/// One bit for each byte, set for separators; the lowest bit is that of the first byte.
#[allow(clippy::needless_range_loop)] // an iterator is not always compiled into the loop
fn separators(block: &[u8; 64]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let mut bits = 0;
    for index in 0..8 {
        bits |= separators_of_eight(u64::from_le_bytes(words[index])) << (8 * index);
    }
    bits
}

/// The same for eight bytes at once, whose sums carry into the highest bit of each byte and no further.
fn separators_of_eight(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    let low = bytes & !HIGHEST;
    let at_least = |least: u64| low + EACH * (0x80 - least);
    let is_control = at_least(0x09) & !at_least(0x0e);
    let is_space = !((low ^ (EACH * 0x20)) + EACH * 0x7f);
    let is_nul = !at_least(1);
    let found = (is_control | is_space | is_nul) & !bytes & HIGHEST;
    // The product brings bit 7 of each byte to its place in the highest byte.
    (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str, newline: Newline) -> Vec<String> {
        let mut found = Vec::new();
        let mut words = Words::default();
        words.each(text, newline, |batch| {
            for [start, end] in batch.words {
                assert!(start + PADDING <= batch.buffer.len());
                found.push(String::from_utf8(batch.buffer[*start..*end].to_vec()).unwrap());
            }
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn every_byte_is_told_apart() {
        for first in (0..=255_u8).step_by(64) {
            let block: [u8; 64] = std::array::from_fn(|index| first + index as u8);
            let is_separator = |byte: u8| matches!(byte, 0 | 9..=13 | b' ');
            let wanted =
                |index: usize| separators(&block) >> index & 1 == u64::from(is_separator(block[index]));
            assert!((0..64).all(wanted));
        }
        assert_eq!(separators(&[0; 64]), u64::MAX);
        assert_eq!(separators(&[0xa0; 64]), 0);
    }

    #[test]
    fn words_longer_than_blocks() {
        let long = "x".repeat(3 * BLOCK + 5);
        let text = format!("a {long}\n{long} b\n");
        assert_eq!(words(&text, Newline::Delete), ["a", &long.repeat(2), "b"]);
        assert_eq!(words(&text, Newline::Space), ["a", &long, &long, "b"]);
    }

    proptest! {
        #[test]
        fn words_are_those_of_a_split(
            pieces in prop::collection::vec("[a\u{a0}é ]{0,70}|[\\n\\r\\t\\x0b\\x0c\\x00 ]{1,3}", 0..20),
            filler in 0_usize..3 * BLOCK,
        ) {
            let text = format!("{}{}", "y".repeat(filler), pieces.concat());
            let is_separator = |character: char| " \n\r\t\x0b\x0c\0".contains(character);
            let split = |text: &str| -> Vec<String> {
                text.split(is_separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            };
            prop_assert_eq!(words(&text, Newline::Space), split(&text));
            prop_assert_eq!(words(&text, Newline::Delete), split(&text.replace('\n', "")));
        }
    }
}
