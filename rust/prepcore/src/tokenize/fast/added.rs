//! Added tokens: texts that become one id wherever they stand, before anything else is looked at.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::config::SpecialTokenText;
use crate::tokenize::TokenizerFolder;

/// The added tokens of a tokenizer, as the library looks for them: first those that are not *normalized*, in the text
/// as it is; then, in every segment between them, the normalised forms of the others in the normalised segment.
#[derive(Debug)]
pub(super) struct Added {
    /// Looked for in the text.
    pub(super) raw: Option<Patterns>,
    /// Looked for in a normalised segment.
    pub(super) normalised: Option<Patterns>,
}

impl Added {
    /// The added tokens of a tokenizer. `normalise` gives the form in which a *normalized* one is found in a normalised
    /// segment.
    ///
    /// # Errors
    /// Where a token has a property that no fast encoder knows.
    pub(super) fn read(
        folder: &TokenizerFolder,
        special: SpecialTokenText,
        normalise: impl Fn(&str) -> Vec<u8>,
    ) -> Result<Self, String> {
        let (mut raw, mut normalised) = (Vec::new(), Vec::new());
        for (id, token) in folder.tokenizer.get_added_tokens_decoder() {
            let content = &token.content;
            for (set, property) in
                [(token.single_word, "single_word"), (token.lstrip, "lstrip"), (token.rstrip, "rstrip")]
            {
                if set {
                    return Err(format!("the added token {content:?} has the property {property}"));
                }
            }
            let is_text = special == SpecialTokenText::Text
                && folder.tokenizer.get_added_vocabulary().is_special_token(content);
            let matched = (!is_text).then_some(id);
            match token.normalized {
                false => raw.push((content.clone().into_bytes(), matched)),
                true => normalised.push((normalise(content), matched)),
            }
        }
        Ok(Self { raw: Patterns::new(raw)?, normalised: Patterns::new(normalised)? })
    }
}

/// A part of a text: an added token, or what lies between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes without added tokens; never none.
    Text(Range<usize>),
    /// The id of an added token.
    Token(u32),
}

/// Texts that are found all at once: the leftmost first, of those the longest, and none within another.
#[derive(Debug)]
pub(super) struct Patterns {
    automaton: AhoCorasick,
    /// What every text with an id ends in: all of it but a first space, with which a word in two begins. Where none of
    /// these is found, which takes a fraction of the time, there is no text with an id.
    endings: AhoCorasick,
    /// The id of each text. One without is found and stays text, so that nothing else is found within it either.
    ids: Vec<Option<u32>>,
}

impl Patterns {
    /// Nothing where no text has an id.
    fn new(texts: Vec<(Vec<u8>, Option<u32>)>) -> Result<Option<Self>, String> {
        if texts.iter().all(|(_, id)| id.is_none()) {
            return Ok(None);
        }
        let failed = |error| format!("the added tokens cannot be looked for: {error}");
        let ending = |text: &Vec<u8>| match text.split_first() {
            Some((b' ', rest)) if !rest.is_empty() => rest.to_vec(),
            _ => text.clone(),
        };
        let endings = texts.iter().filter(|(_, id)| id.is_some()).map(|(text, _)| ending(text));
        let endings = AhoCorasick::new(endings).map_err(failed)?;
        let (texts, ids): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts);
        Ok(Some(Self { automaton: automaton.map_err(failed)?, endings, ids }))
    }

    /// Visits all parts of a text in order.
    pub(super) fn each(&self, text: &[u8], mut visit: impl FnMut(Part)) {
        let mut start = 0;
        if !self.endings.is_match(text) {
            if !text.is_empty() {
                visit(Part::Text(0..text.len()));
            }
            return;
        }
        for found in self.automaton.find_iter(text) {
            if let Some(id) = self.ids[found.pattern().as_usize()] {
                if start < found.start() {
                    visit(Part::Text(start..found.start()));
                }
                visit(Part::Token(id));
                start = found.end();
            }
        }
        if start < text.len() {
            visit(Part::Text(start..text.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(texts: &[(&str, Option<u32>)], text: &str) -> Vec<Part> {
        let texts = texts.iter().map(|(text, id)| (text.as_bytes().to_vec(), *id)).collect();
        let mut parts = Vec::new();
        Patterns::new(texts).unwrap().unwrap().each(text.as_bytes(), |part| parts.push(part));
        parts
    }

    #[test]
    fn the_longest_of_the_leftmost_is_found() {
        let texts = [("ab", Some(1)), ("abc", Some(2)), ("bcd", Some(3))];
        assert_eq!(parts(&texts, "abcd"), [Part::Token(2), Part::Text(3..4)]);
        assert_eq!(parts(&texts, "xbcdab"), [Part::Text(0..1), Part::Token(3), Part::Token(1)]);
        assert_eq!(parts(&texts, ""), []);
    }

    #[test]
    fn a_first_space_is_part_of_a_text() {
        let texts = [(" <a>", Some(1)), (" ", None), ("<b>", Some(2))];
        assert_eq!(parts(&texts, "x<a> <a>"), [Part::Text(0..4), Part::Token(1)]);
        assert_eq!(parts(&texts, "x<a> <b"), [Part::Text(0..7)]);
        assert_eq!(parts(&[(" ", Some(1))], "a b"), [Part::Text(0..1), Part::Token(1), Part::Text(2..3)]);
    }

    #[test]
    fn within_a_text_that_stays_text_nothing_is_found() {
        let texts = [("<s>", None), ("s", Some(1))];
        assert_eq!(parts(&texts, "s<s>s"), [Part::Token(1), Part::Text(1..4), Part::Token(1)]);
        assert!(Patterns::new(vec![(b"<s>".to_vec(), None)]).unwrap().is_none());
    }
}
