//! What a character is to the rule `words`: part of a word, a word of its own, white space or a symbol.

use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;

use crate::document::is_whitespace;

/// What a character is where words are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// White space, as Python's `str.split()` cuts.
    Space,
    /// Part of a word.
    Letter,
    /// Part of the word before it, and a symbol where there is none.
    Extends,
    /// A word of its own: of a script that is written without spaces.
    Alone,
    /// Anything else.
    Symbol,
}

/// What the characters of the Basic Multilingual Plane are, and their lower case; other characters are looked up.
struct Tables {
    classes: Vec<Class>,
    folded: Vec<char>,
}

const BASIC_PLANE: u32 = 0x1_0000;

/// The standard library searches its tables for each character; these cost a millisecond once and a look each time.
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let characters =
        || (0..BASIC_PLANE).map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
    Tables { classes: characters().map(look_up).collect(), folded: characters().map(lower).collect() }
});

/// What a character is.
pub(super) fn class(character: char) -> Class {
    TABLES.classes.get(character as usize).copied().unwrap_or_else(|| look_up(character))
}

/// The lower case of a character, one for one; both small sigmas are the same.
pub(super) fn fold(character: char) -> char {
    TABLES.folded.get(character as usize).copied().unwrap_or_else(|| lower(character))
}

fn look_up(character: char) -> Class {
    if is_whitespace(character) {
        Class::Space
    } else if is_unspaced(character) && (character.is_alphanumeric() || is_combining_mark(character)) {
        Class::Alone
    } else if character.is_alphanumeric() || character == '_' {
        Class::Letter
    } else if is_combining_mark(character) || matches!(character, '\u{200c}' | '\u{200d}') {
        Class::Extends
    } else {
        Class::Symbol
    }
}

fn lower(character: char) -> char {
    match character {
        'ς' => 'σ',
        // Its full lower case has two characters, of which the first is its simple one.
        _ => character.to_lowercase().next().unwrap_or(character),
    }
}

/// Whether a character is of a script that is written without spaces between words.
///
/// These are the scripts of which Unicode's line breaking (Standard Annex 14) says that a line may end after any
/// character, or that only a dictionary knows where: the classes ID, CJ and SA. Hangul, which has spaces, is not
/// among them.
fn is_unspaced(character: char) -> bool {
    matches!(character as u32,
        0x0e00..=0x0eff            // Thai, Lao
        | 0x1000..=0x109f          // Myanmar
        | 0x1780..=0x17ff          // Khmer
        | 0x1950..=0x19df          // Tai Le, New Tai Lue
        | 0x1a20..=0x1aaf          // Tai Tham
        | 0x2e80..=0x2fdf          // radicals
        | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x3035 | 0x3038..=0x303c // ideographic marks and numbers
        | 0x3041..=0x312f          // Hiragana, Katakana, Bopomofo
        | 0x31a0..=0x31bf | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff // Han
        | 0xa000..=0xa4cf          // Yi
        | 0xa9e0..=0xa9ff | 0xaa60..=0xaadf // Myanmar, Tai Viet
        | 0xf900..=0xfaff
        | 0xff66..=0xff9f          // half-width Katakana
        | 0x1_1700..=0x1_174f      // Ahom
        | 0x1_6fe0..=0x1_8d8f      // Tangut, Khitan
        | 0x1_aff0..=0x1_b2ff      // Kana, Nushu
        | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_has_its_words() {
        for letter in "aZ7_éЖ가ßק語".chars().filter(|letter| *letter != '語') {
            assert_eq!(class(letter), Class::Letter, "{letter}");
        }
        for alone in "語かカไ々\u{e31}ຂក\u{20000}".chars() {
            assert_eq!(class(alone), Class::Alone, "{alone:?}");
        }
        for extends in "\u{301}\u{94d}\u{200d}\u{fe0f}".chars() {
            assert_eq!(class(extends), Class::Extends, "{extends:?}");
        }
        for symbol in ".’-、。฿\u{1f600}\u{200b}\u{0}".chars() {
            assert_eq!(class(symbol), Class::Symbol, "{symbol:?}");
        }
        assert!(" \n\u{1c}\u{85}\u{a0}\u{3000}".chars().all(|space| class(space) == Class::Space));
    }

    #[test]
    fn only_letters_have_two_cases() {
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let folded = fold(character);
            assert!(
                folded == character
                    || class(character) == Class::Letter
                    || class(character) == Class::Extends,
                "{character:?}"
            );
            assert_eq!(fold(folded), folded, "{character:?}");
        }
    }

    #[test]
    fn lower_case_is_one_for_one() {
        let folded = |text: &str| text.chars().map(fold).collect::<String>();
        assert_eq!(folded("ÉЖΣς"), "éжσσ");
        assert_eq!(folded("İIı"), "iiı");
        assert_eq!(folded("ẞß"), "ßß");
    }
}
