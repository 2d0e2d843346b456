//! The normaliser NFC, as the library does it: with the tables of Unicode 9 of the crate that the library uses.

use std::borrow::Cow;

use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The text in composed form. Most texts are, and the quick check of Unicode's annex 15 shows it without composing.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    // No character before U+0300 changes or composes with one before it; their first bytes are below 0xCC.
    let Some(first) = text.bytes().position(|byte| byte >= 0xcc) else { return Cow::Borrowed(text) };
    match is_nfc_quick(text[first..].chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => {
            Cow::Owned(text.nfc().map(|(character, _)| character).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::normalizers::NFC;
    use tokenizers::{NormalizedString, Normalizer};

    use super::*;

    fn by_the_library(text: &str) -> String {
        let mut normalized = NormalizedString::from(text);
        NFC.normalize(&mut normalized).unwrap();
        normalized.get().to_owned()
    }

    #[test]
    fn every_character_by_itself_and_after_others() {
        for before in ["", "e", "\u{1100}", "\u{ac00}", "a\u{323}"] {
            // A space keeps one character from composing with the next.
            for block in 0..=char::MAX as u32 / 4096 {
                let characters = (block * 4096..(block + 1) * 4096).filter_map(char::from_u32);
                let text: String = characters.flat_map(|c| before.chars().chain([c, ' '])).collect();
                assert_eq!(composed(&text), by_the_library(&text));
            }
        }
    }

    #[test]
    fn composed_text_is_not_copied() {
        for text in ["", "plain", "é ñ ß", "русский", "日本語", "한국어", "emoji 😀", "עברית"]
        {
            assert!(matches!(composed(text), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(composed("e\u{301}"), "é");
    }

    proptest! {
        #[test]
        fn any_text(text in prop::collection::vec(
            prop_oneof![
                any::<char>(),
                prop::char::range('a', 'z'),
                prop::char::range('\u{300}', '\u{345}'),
                prop::char::range('\u{1100}', '\u{11ff}'),
                prop::char::range('\u{900}', '\u{dff}'),
            ],
            0..40,
        )) {
            let text: String = text.into_iter().collect();
            prop_assert_eq!(composed(&text), by_the_library(&text));
        }
    }
}
