//! Facts of one document that rules share.

/// A document's text and the pieces that rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The whole text, not stripped.
    pub text: &'a str,
}

impl<'a> Document<'a> {
    /// A document of this text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The text split on `\n`; a `\r` stays part of its line, and an empty text is one empty line.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> {
        let text = self.text;
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let start = next?;
            let end = memchr::memchr(b'\n', &text.as_bytes()[start..]).map(|offset| start + offset);
            next = end.map(|end| end + 1);
            Some(&text[start..end.unwrap_or(text.len())])
        })
    }

    /// The stripped text split on runs of two or more `\n`; an empty text is one empty paragraph.
    pub fn paragraphs(&self) -> impl Iterator<Item = &'a str> {
        let text = strip(self.text);
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let start = next?;
            let bytes = text.as_bytes();
            let Some(end) = memchr::memmem::find(&bytes[start..], b"\n\n").map(|offset| start + offset)
            else {
                next = None;
                return Some(&text[start..]);
            };
            let blank = bytes[end..].iter().take_while(|byte| **byte == b'\n').count();
            next = Some(end + blank);
            Some(&text[start..end])
        })
    }
}

/// Whether Python's `str.strip()`, `str.split()` and `\s` take a character for white space.
///
/// They count U+001C to U+001F, which [`char::is_whitespace`] does not; all else is the same.
#[must_use]
pub fn is_whitespace(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// The text without white space at its ends, as Python's `str.strip()` does it.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_whitespace)
}

/// The number of words: what stands between white space, Python's `len(str.split())`.
#[must_use]
pub fn words(text: &str) -> u64 {
    text.split(is_whitespace).filter(|word| !word.is_empty()).count() as u64
}

/// The number of Unicode code points, Python's `len(str)`.
#[must_use]
pub fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_carriage_returns_and_empty_ends() {
        let lines = |text| Document::new(text).lines().collect::<Vec<_>>();
        assert_eq!(lines(""), [""]);
        assert_eq!(lines("a\r\nb\n"), ["a\r", "b", ""]);
        assert_eq!(lines("\n\n"), ["", "", ""]);
        assert_eq!(lines("a\u{85}b\u{2028}c"), ["a\u{85}b\u{2028}c"]);
    }

    #[test]
    fn paragraphs_split_on_two_or_more_newlines_of_the_stripped_text() {
        let paragraphs = |text| Document::new(text).paragraphs().collect::<Vec<_>>();
        assert_eq!(paragraphs(""), [""]);
        assert_eq!(paragraphs("\n\n\n"), [""]);
        assert_eq!(paragraphs("\u{1c}\na\n\n\n\nb\nc\n\n\u{1f}"), ["a", "b\nc"]);
        assert_eq!(paragraphs("a\n \nb"), ["a\n \nb"]);
    }

    #[test]
    fn strips_as_python_does() {
        assert_eq!(strip("\u{1c}\u{1d}\u{1e}\u{1f}\u{85}\u{a0}\u{3000} x \u{200b}\t"), "x \u{200b}");
    }
}
