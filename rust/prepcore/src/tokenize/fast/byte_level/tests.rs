//! Pieces beside the library's, for every pattern.

use proptest::prelude::*;
use tokenizers::{
    NormalizedString, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

use super::*;

fn wrapper(json: &str) -> PreTokenizerWrapper {
    serde_json::from_str(json).unwrap()
}

fn split(expression: &str, behavior: &str, invert: bool, prefix: bool, regex: bool) -> PreTokenizerWrapper {
    let expression = serde_json::to_string(expression).unwrap();
    wrapper(&format!(
        r#"{{"type": "Sequence", "pretokenizers": [
            {{"type": "Split", "pattern": {{"Regex": {expression}}}, "behavior": "{behavior}", "invert": {invert}}},
            {{"type": "ByteLevel", "add_prefix_space": {prefix}, "trim_offsets": true, "use_regex": {regex}}}]}}"#
    ))
}

fn gpt2(prefix: bool) -> PreTokenizerWrapper {
    wrapper(&format!(r#"{{"type": "ByteLevel", "add_prefix_space": {prefix}, "trim_offsets": true}}"#))
}

fn digits(individual: bool, prefix: bool) -> PreTokenizerWrapper {
    wrapper(&format!(
        r#"{{"type": "Sequence", "pretokenizers": [
            {{"type": "Digits", "individual_digits": {individual}}},
            {{"type": "ByteLevel", "add_prefix_space": {prefix}, "trim_offsets": true, "use_regex": true}}]}}"#
    ))
}

/// A pre-tokenizer of every kind, with what is made of it.
struct Known(Vec<(PreTokenizerWrapper, ByteLevelSplitter)>);

/// Those of them that cut in a way of their own come first.
const DISTINCT: usize = 4;

impl Known {
    fn all() -> Self {
        let all = [
            gpt2(false),
            digits(true, false),
            split(llama3::EXPRESSION, "Isolated", false, false, false),
            split(llama3::QWEN2, "Isolated", false, false, false),
            gpt2(true),
            split(llama3::EXPRESSION, "Removed", true, false, false),
            split(gpt2::EXPRESSION, "Isolated", true, false, false),
        ];
        let known = |wrapper: PreTokenizerWrapper| {
            let splitter = ByteLevelSplitter::recognised(&wrapper).unwrap();
            (wrapper, splitter)
        };
        Self(all.into_iter().map(known).collect())
    }

    fn compare(&self, text: &str) {
        for (library, splitter) in &self.0 {
            let text = match splitter.add_prefix_space && !text.is_empty() && !text.starts_with(' ') {
                true => format!(" {text}"),
                false => text.to_owned(),
            };
            let wanted = by_the_library(library, &text);
            let found = match splitter.pattern {
                Pattern::Gpt2(pattern) => pieces(pattern, &text),
                Pattern::DigitsGpt2(pattern) => pieces(pattern, &text),
                Pattern::Llama3(pattern) => pieces(pattern, &text),
                Pattern::Qwen2(pattern) => pieces(pattern, &text),
            };
            if found != wanted {
                let place = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
                let place = place.unwrap_or(found.len().min(wanted.len()));
                let shown =
                    |pieces: &[&str]| format!("{:?}", pieces.iter().skip(place).take(4).collect::<Vec<_>>());
                panic!("{splitter:?}: piece {place}: {} and not {}", shown(&found), shown(&wanted));
            }
        }
    }
}

/// By blocks and by single pieces, which have to agree.
fn pieces(pattern: impl Split, text: &str) -> Vec<&str> {
    let (mut by_blocks, mut one_by_one) = (Vec::new(), Vec::new());
    let mut start = 0;
    while start < text.len() {
        // A few at a time, so that blocks begin everywhere.
        let mut ends = [0; 7];
        let count = next_ends(pattern, text.as_bytes(), start, &mut ends);
        by_blocks.extend_from_slice(&ends[..count]);
        start = ends[count - 1];
    }
    start = 0;
    while start < text.len() {
        start = pattern.end(text.as_bytes(), start);
        one_by_one.push(start);
    }
    assert_eq!(by_blocks, one_by_one, "{text:?}");
    let starts = std::iter::once(0).chain(one_by_one.iter().copied());
    starts.zip(&one_by_one).map(|(start, end)| &text[start..*end]).collect()
}

/// A prefix space is in the text already, so that ranges fit.
fn by_the_library<'text>(pre_tokenizer: &PreTokenizerWrapper, text: &'text str) -> Vec<&'text str> {
    let mut split = PreTokenizedString::from(NormalizedString::from(text));
    pre_tokenizer.pre_tokenize(&mut split).unwrap();
    let splits = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
    splits.iter().map(|(_, (start, end), _)| &text[*start..*end]).collect()
}

#[test]
fn anything_else_is_left_to_the_reference() {
    let another = llama3::EXPRESSION.replace("{1,3}", "{1,2}");
    for other in [
        digits(false, false),
        digits(true, true),
        split(&another, "Isolated", false, false, false),
        split(llama3::EXPRESSION, "Isolated", false, true, false),
        split(llama3::EXPRESSION, "Isolated", false, false, true),
        split(llama3::EXPRESSION, "Removed", false, false, false),
        split(llama3::EXPRESSION, "MergedWithNext", false, false, false),
        wrapper(
            r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}"#,
        ),
        wrapper(r#"{"type": "Sequence", "pretokenizers": []}"#),
        wrapper(r#"{"type": "Whitespace"}"#),
    ] {
        assert!(ByteLevelSplitter::recognised(&other).is_none(), "{other:?}");
    }
}

#[test]
fn every_character_in_many_contexts() {
    let mut known = Known::all();
    known.0.truncate(DISTINCT);
    let contexts: [&dyn Fn(char) -> String; 3] = [
        &|c| format!("'{c} x'{c}{c}e 1{c}2 {c}a{c} 9{c}"),
        &|c| format!("\n{c}\r\n \t{c} {c}  {c}{c}\n "),
        &|c| format!("-{c}!\n{c}\u{a0}{c}\u{e9}{c}"),
    ];
    // The planes with scripts and emoji: in the others all characters are of one class.
    for block in 0..=0x1_ffff / 1024 {
        let characters = || (block * 1024..(block + 1) * 1024).filter_map(char::from_u32);
        for context in contexts {
            known.compare(&characters().map(context).collect::<String>());
        }
    }
}

#[test]
fn runs_of_every_length() {
    let known = Known::all();
    for unit in [
        " ", "\t", "\n", "\r\n", "\n ", "\u{a0}", "\u{3000}", "7", "\u{663}", "-", "a", "é", "語", "'", "'s",
        "\u{85}",
    ] {
        for length in 1..70 {
            let run = unit.repeat(length);
            for (before, after) in [("", ""), ("a", "b"), (" ", "1"), ("\n", "!"), ("9", " x"), ("'", "'")] {
                known.compare(&format!("{before}{run}{after}"));
            }
        }
    }
}

#[test]
fn contractions() {
    let known = Known::all();
    let tails = ["s", "t", "re", "ve", "m", "ll", "d", "r", "v", "l", "\u{17f}", "x", ""];
    for head in ["", "a", " ", "\n", "1", "'", "\u{a0}"] {
        for tail in tails {
            for after in ["", "s", " ", "'", "1", "\n", "é", "!"] {
                known.compare(&format!("{head}'{tail}{after}"));
                known.compare(&format!("{head}'{}{after}", tail.to_uppercase()));
            }
        }
    }
}

/// Characters that patterns treat in some way of their own.
fn nasty() -> impl Strategy<Value = String> {
    let characters: Vec<char> =
        "    \n\r\t\u{b}\u{c}\u{85}\u{a0}\u{2028}\u{3000}\u{200b}\u{200d}''stremvldSTRE\u{17f}aZé語한0179²½٣Ⅷ五\u{301}-!?.,_<|>\0\u{7f}\u{fffd}😀🏽"
            .chars()
            .collect();
    let one = prop_oneof![8 => prop::sample::select(characters), 1 => any::<char>()];
    prop::collection::vec(one, 0..200).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_soup(text in nasty()) {
        Known::all().compare(&text);
    }
}
