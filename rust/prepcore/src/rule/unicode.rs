//! `unicode`: normalization of Unicode, and control characters.
//!
//! **What it does.** With `form` nfc or nfkc a text gets that normalization form, as Unicode 18 has it; the forms of
//! characters that older versions know are the same in all. With `control` remove, characters of the general category
//! Cc other than tab, line feed and carriage return go; those of them that are white space (U+000B, U+000C, U+001C to
//! U+001F, U+0085) become a space, so that no two words grow together. What is invisible but no control character
//! stays: U+FEFF, U+200B, joiners and marks of direction. Counted are the documents that normalization changed
//! (`normalized`) and the control characters that went (`control_characters`).
//!
//! **Why.** The same word in two encodings is two words to deduplication, to a tokenizer and to a model, and control
//! characters are left over from printers, terminals and wrong decoding.
//!
//! **Default and its source.** Off; when on, nfc, which changes no character's meaning (Unicode Standard Annex 15), and
//! remove. Nfkc, which also makes ligatures, full-width forms and superscripts plain, is what SentencePiece (Kudo and
//! Richardson, arXiv 1808.06226) does by default, and costs formulas and code their distinctions.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use super::Rewrite;
use crate::config::{self, ControlCharacters, NormalizationForm};
use crate::document::is_whitespace;

/// The rule and what it needs to pass over texts that are as they should be.
pub struct Unicode {
    form: NormalizationForm,
    removes: bool,
    inert: Inert,
}

impl Unicode {
    /// The rule with these options.
    #[must_use]
    pub fn new(options: &config::Unicode) -> Self {
        let removes = options.control == ControlCharacters::Remove;
        Self { form: options.form, removes, inert: Inert::new(options.form) }
    }

    /// The text in its form; `None` where it has that already.
    ///
    /// No inert character goes together with what stands before it, so that a text may be cut there, and only what
    /// is between is looked at closely.
    fn normalize(&self, text: &str) -> Option<String> {
        let mut normal = String::new();
        let (mut done, mut last, mut at) = (0, 0, 0);
        while let Some(next) = self.inert.first_other(&text[at..]).map(|offset| at + offset) {
            // What is not inert may go together with the character before it.
            last = text[last..next].char_indices().next_back().map_or(last, |(offset, _)| last + offset);
            let mut others = text[next..].char_indices();
            let end =
                others.find(|(_, one)| self.inert.holds(*one)).map_or(text.len(), |(size, _)| next + size);
            normal.push_str(&text[done..last]);
            match self.form {
                NormalizationForm::Keep => normal.push_str(&text[last..end]),
                NormalizationForm::Nfc => normal.extend(text[last..end].nfc()),
                NormalizationForm::Nfkc => normal.extend(text[last..end].nfkc()),
            }
            (done, last, at) = (end, end, end);
        }
        if done == 0 {
            return None;
        }
        normal.push_str(&text[done..]);
        (normal != text).then_some(normal)
    }
}

impl Rewrite for Unicode {
    fn name(&self) -> &'static str {
        "unicode"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["normalized", "control_characters"]
    }

    fn rewrite(&self, text: &str, counts: &mut [u64]) -> Option<String> {
        let removed = if self.removes { without_controls(text) } else { None };
        if let Some((_, characters)) = &removed {
            counts[1] += characters;
        }
        // Second, because a letter and its accent may have stood on both sides of what went.
        let rest = removed.map(|(rest, _)| rest);
        let normalized = self.normalize(rest.as_deref().unwrap_or(text));
        counts[0] += u64::from(normalized.is_some());
        normalized.or(rest)
    }
}

/// The text without control characters and how many there were; `None` where there are none.
fn without_controls(text: &str) -> Option<(String, u64)> {
    if !has_controls(text.as_bytes()) {
        return None;
    }
    let mut rest = String::with_capacity(text.len());
    let mut characters = 0;
    for character in text.chars() {
        if !is_removed(character) {
            rest.push(character);
            continue;
        }
        characters += 1;
        if is_whitespace(character) {
            rest.push(' ');
        }
    }
    Some((rest, characters))
}

fn is_removed(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}

/// Whether there are control characters to remove; at the speed of memory, since nearly no text has any.
fn has_controls(text: &[u8]) -> bool {
    let low = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    // Whole blocks without a way out in between, which the compiler makes vector instructions of.
    let blocks = text.chunks(256);
    blocks.into_iter().any(|block| block.iter().fold(false, |found, byte| found | low(*byte)))
        // U+0080 to U+009F: two bytes, the first of which begins nothing but U+0080 to U+00BF.
        || memchr::memchr_iter(0xc2, text).any(|at| text.get(at + 1).is_some_and(|byte| *byte < 0xa0))
}

/// Characters of the Basic Multilingual Plane that normalization leaves alone, whatever stands before them.
///
/// A text of these alone is in its form already, which one look at a small table a character shows.
struct Inert {
    bits: Vec<u64>,
}

const BASIC_PLANE: u32 = 0x1_0000;

impl Inert {
    fn new(form: NormalizationForm) -> Self {
        let inert = |character: char| match form {
            NormalizationForm::Keep => true,
            NormalizationForm::Nfc => is_nfc_quick(std::iter::once(character)) == IsNormalized::Yes,
            NormalizationForm::Nfkc => is_nfkc_quick(std::iter::once(character)) == IsNormalized::Yes,
        };
        let mut bits = vec![0; BASIC_PLANE as usize / 64];
        for character in (0..BASIC_PLANE).filter_map(char::from_u32) {
            // Marks may have to change places.
            if inert(character) && canonical_combining_class(character) == 0 {
                bits[character as usize / 64] |= 1 << (character as usize % 64);
            }
        }
        Self { bits }
    }

    /// Where the first character stands that is not inert.
    fn first_other(&self, text: &str) -> Option<usize> {
        if text.is_ascii() {
            return None;
        }
        text.char_indices().find(|(_, character)| !self.holds(*character)).map(|(at, _)| at)
    }

    fn holds(&self, character: char) -> bool {
        let word = self.bits.get(character as usize / 64);
        word.is_some_and(|word| word >> (character as usize % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORMS: [NormalizationForm; 3] =
        [NormalizationForm::Keep, NormalizationForm::Nfc, NormalizationForm::Nfkc];

    fn rule(form: NormalizationForm, control: ControlCharacters) -> Unicode {
        Unicode::new(&config::Unicode { form, control })
    }

    fn rewrite(rule: &Unicode, text: &str) -> (Option<String>, [u64; 2]) {
        let mut counts = [0; 2];
        let rewritten = rule.rewrite(text, &mut counts);
        (rewritten, counts)
    }

    #[test]
    fn the_version_that_the_documentation_names_is_the_one_in_use() {
        assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
    }

    #[test]
    fn composes_and_makes_plain() {
        let nfc = rule(NormalizationForm::Nfc, ControlCharacters::Keep);
        assert_eq!(rewrite(&nfc, "cafe\u{301} ﬁ"), (Some("café ﬁ".into()), [1, 0]));
        assert_eq!(rewrite(&nfc, "café 한국어 漢字 \u{1f600}\u{0}"), (None, [0, 0]));
        let nfkc = rule(NormalizationForm::Nfkc, ControlCharacters::Keep);
        assert_eq!(rewrite(&nfkc, "ﬁ Ａ x²"), (Some("fi A x2".into()), [1, 0]));
        let keep = rule(NormalizationForm::Keep, ControlCharacters::Remove);
        assert_eq!(rewrite(&keep, "cafe\u{301}"), (None, [0, 0]));
    }

    #[test]
    fn control_characters_go_and_white_space_among_them_becomes_a_space() {
        let nfc = rule(NormalizationForm::Nfc, ControlCharacters::Remove);
        assert_eq!(rewrite(&nfc, "a\u{0}b\u{c}c\u{85}d\u{7f}\u{9f}"), (Some("ab c d".into()), [0, 5]));
        assert_eq!(rewrite(&nfc, "a\tb\r\nc\u{feff}\u{200b}\u{200d}\u{ad}\u{a0}"), (None, [0, 0]));
        // What went stood between a letter and its accent.
        assert_eq!(rewrite(&nfc, "e\u{1}\u{301}"), (Some("é".into()), [1, 1]));
    }

    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            "[a-z \\n]{0,300}",
            "[\\x00-\\x1f\\x7f-\\u{9f}]{1,3}",
            "[a-zA-Z가-힣ᄀ-하-ᅵᆨ-ᇂ]{1,3}[\\u{300}-\\u{330}]{0,3}",
            "[\\u{f900}-\\u{fb4f}\\u{ff01}-\\u{ffee}\\u{1d400}-\\u{1d7ff}]{1,3}",
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn does_what_the_definition_says_and_nothing_more(text in texts(), removes: bool) {
            let control = if removes { ControlCharacters::Remove } else { ControlCharacters::Keep };
            let goes = |character: &char| removes && is_removed(*character);
            let rest: String = text
                .chars()
                .filter_map(|one| if !goes(&one) { Some(one) } else { is_whitespace(one).then_some(' ') })
                .collect();
            for form in FORMS {
                let expected = match form {
                    NormalizationForm::Keep => rest.clone(),
                    NormalizationForm::Nfc => rest.nfc().collect(),
                    NormalizationForm::Nfkc => rest.nfkc().collect(),
                };
                let rule = rule(form, control);
                let (rewritten, counts) = rewrite(&rule, &text);
                prop_assert_eq!(rewritten.is_some(), expected != text);
                prop_assert_eq!(rewritten.as_ref().unwrap_or(&text), &expected);
                let controls = text.chars().filter(goes).count() as u64;
                prop_assert_eq!(counts, [u64::from(expected != rest), controls]);
                prop_assert_eq!(rewrite(&rule, &expected), (None, [0, 0]));
            }
        }
    }
}
