//! Tokens that a piece may be as a whole.

use xxhash_rust::xxh3::xxh3_64;

use super::merges::NONE;

/// Texts of tokens and their ids, to be looked up when a piece is met for the first time.
#[derive(Debug)]
pub(super) struct WholeTokens {
    /// An open table that is at most half full.
    slots: Vec<Slot>,
    /// The texts, one after another.
    texts: Vec<u8>,
    longest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Half of the text's hash, so that most other texts need not be read.
    hash: u32,
    id: u32,
    start: u32,
    length: u32,
}

const EMPTY: Slot = Slot { hash: 0, id: NONE, start: 0, length: 0 };

impl WholeTokens {
    /// Without tokens, and with room for so many.
    pub(super) fn with_capacity(tokens: usize) -> Self {
        let slots = (2 * tokens).next_power_of_two().max(2);
        Self { slots: vec![EMPTY; slots], texts: Vec::new(), longest: 0 }
    }

    /// Adds a token; not more than there is room for.
    pub(super) fn insert(&mut self, text: &[u8], id: u32) {
        let hash = xxh3_64(text);
        let mut at = hash as usize & (self.slots.len() - 1);
        while self.slots[at].id != NONE {
            at = (at + 1) & (self.slots.len() - 1);
        }
        let (start, length) = (self.texts.len() as u32, text.len() as u32);
        self.slots[at] = Slot { hash: (hash >> 32) as u32, id, start, length };
        self.texts.extend_from_slice(text);
        self.longest = self.longest.max(text.len());
    }

    /// The id of the token that a piece is.
    #[inline]
    pub(super) fn get(&self, piece: &[u8]) -> Option<u32> {
        if piece.len() > self.longest {
            return None;
        }
        let hash = xxh3_64(piece);
        let mut at = hash as usize & (self.slots.len() - 1);
        loop {
            let Slot { hash: half, id, start, length } = self.slots[at];
            if id == NONE {
                return None;
            }
            let text = start as usize..start as usize + length as usize;
            if half == (hash >> 32) as u32 && self.texts[text] == *piece {
                return Some(id);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_and_nothing_else() {
        let text = |number: u32| format!("token {number}").into_bytes();
        let mut tokens = WholeTokens::with_capacity(1000);
        (0..1000).for_each(|number| tokens.insert(&text(number), number));
        assert!((0..1000).all(|number| tokens.get(&text(number)) == Some(number)));
        assert!((1000..3000).all(|number| tokens.get(&text(number)).is_none()));
        assert_eq!(WholeTokens::with_capacity(0).get(b""), None);
    }
}
