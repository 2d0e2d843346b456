//! The part of a text that candidates are judged in: what was replaced already is out of sight.

/// A text and the part of it that may be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'t> {
    bytes: &'t [u8],
    left: usize,
    right: usize,
}

impl<'t> View<'t> {
    pub(super) fn new(text: &'t str, left: usize, right: usize) -> Self {
        Self { bytes: text.as_bytes(), left, right: right.min(text.len()) }
    }

    /// The bytes that may be looked at, and those before them, so that places are places in the text.
    pub(super) fn seen(&self) -> &'t [u8] {
        &self.bytes[..self.right]
    }

    /// The byte at a place, 0 where nothing can be seen.
    pub(super) fn at(&self, place: usize) -> u8 {
        looked(1);
        if place >= self.left && place < self.right { self.bytes[place] } else { 0 }
    }

    /// The byte so many places before, 0 where nothing can be seen.
    pub(super) fn before(&self, place: usize, by: usize) -> u8 {
        place.checked_sub(by).map_or(0, |place| self.at(place))
    }

    /// The first place from `from` on, and at most `most` further, whose byte is not `of` this kind.
    pub(super) fn end_of(&self, from: usize, most: usize, of: impl Fn(u8) -> bool) -> usize {
        let limit = self.right.min(from.saturating_add(most));
        let end = (from..limit).find(|place| !of(self.bytes[*place])).unwrap_or(limit.max(from));
        looked(end - from + 1);
        end
    }

    /// Whether these bytes stand at a place.
    pub(super) fn has(&self, place: usize, bytes: &[u8]) -> bool {
        looked(bytes.len());
        place >= self.left && self.seen().get(place..).is_some_and(|rest| rest.starts_with(bytes))
    }

    /// The bytes between two places.
    pub(super) fn between(&self, start: usize, end: usize) -> &'t [u8] {
        let bytes = self.bytes.get(start.max(self.left)..end.min(self.right)).unwrap_or_default();
        looked(bytes.len());
        bytes
    }

    /// Whether neither side continues a word or a number: no letter, digit or `_` beside it, and no `.` or `-` that
    /// joins it to one. Anything beyond ASCII separates, so that text without spaces does not hide what it holds.
    pub(super) fn apart(&self, start: usize, end: usize) -> bool {
        self.apart_left(start) && self.apart_right(end)
    }

    /// The left half of [`View::apart`].
    pub(super) fn apart_left(&self, start: usize) -> bool {
        let (near, far) = (self.before(start, 1), self.before(start, 2));
        let joined = matches!(near, b'.' | b'-') && word(far);
        !joined && !word(near)
    }

    /// The right half of [`View::apart`]; a sentence may end and the next begin without a space.
    pub(super) fn apart_right(&self, end: usize) -> bool {
        let (near, far) = (self.at(end), self.at(end + 1));
        let joined = matches!(near, b'.' | b'-') && far.is_ascii_digit();
        !joined && !word(near)
    }

    /// Whether one of these words begins within `reach` bytes before a place. Placeholders end the search, so that it
    /// finds after rewriting what it finds before; so does any other `<` or `>`.
    pub(super) fn word_before(&self, place: usize, reach: usize, words: &[&str]) -> bool {
        let window = self.between(place.saturating_sub(reach), place);
        let open = window.iter().rposition(|byte| matches!(byte, b'<' | b'>')).map_or(0, |at| at + 1);
        let window = &window[open..];
        let first = place - window.len();
        (first..place).any(|at| {
            let rest = &window[at - first..];
            !self.before(at, 1).is_ascii_alphabetic()
                && words.iter().any(|word| {
                    let next = rest.get(word.len()).map_or(0, u8::to_ascii_lowercase);
                    // A plural is the same word; text without spaces has no ends of words.
                    starts(rest, word.as_bytes()) && (!next.is_ascii_alphabetic() || next == b's')
                })
        })
    }
}

/// Notes how many bytes were looked at, where tests hold the work against the length of a text.
#[cfg(not(test))]
pub(super) fn looked(_: usize) {}

#[cfg(test)]
pub(super) fn looked(bytes: usize) {
    LOOKED.with(|sum| sum.set(sum.get() + bytes));
}

#[cfg(test)]
std::thread_local! {
    /// Bytes looked at by this thread.
    pub(super) static LOOKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Whether bytes begin with a word in lower case, in whatever case they are.
pub(super) fn starts(bytes: &[u8], word: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| byte.to_ascii_lowercase() == word[0])
        && bytes.len() >= word.len()
        && bytes[..word.len()].eq_ignore_ascii_case(word)
}

/// Whether a byte is a letter or digit of ASCII or `_`.
pub(super) fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
