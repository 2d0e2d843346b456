//! Ids against the library's: random tokenizers with random merges, and the real ones with what is hard for them.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::super::super::folder::tests::opened;
use super::super::super::{Encode, Reference, TokenizerFolder, encoder};
use super::*;

const POLICIES: [SpecialTokenText; 2] = [SpecialTokenText::Text, SpecialTokenText::Parse];

/// The vocabulary of every tokenizer here begins with these and the 256 bytes.
const SPECIAL: [&str; 3] = ["<unk>", "<s>", "</s>"];

/// A tokenizer of this type with these tokens and merges.
fn definition(tokens: &[String], merges: &[[String; 2]], added: &Value) -> Value {
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let all = SPECIAL.iter().map(ToString::to_string).chain(bytes).chain(tokens.iter().cloned());
    let vocabulary: serde_json::Map<_, _> = all.zip(0..).map(|(token, id)| (token, json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
                  "vocab": vocabulary, "merges": merges}})
}

fn added(id: u64, content: &str, special: bool, normalized: bool) -> Value {
    json!({"id": id, "content": content, "special": special, "normalized": normalized,
           "single_word": false, "lstrip": false, "rstrip": false})
}

/// Three tokens that look special, as files of this type have them.
fn three(normalized: bool) -> Value {
    (0..).zip(SPECIAL).map(|(id, content)| added(id, content, true, normalized)).collect()
}

/// A small tokenizer that is of this type.
fn small() -> Value {
    let tokens = ["▁", "a", "b", "▁a", "ab", "▁ab", "▁▁"].map(String::from);
    let merges =
        [["▁", "a"], ["a", "b"], ["▁a", "b"], ["▁", "ab"], ["▁", "▁"]].map(|pair| pair.map(String::from));
    definition(&tokens, &merges, &three(true))
}

/// Encoders without the probes, which would take much longer than a case.
fn both(json: &Value, special: SpecialTokenText) -> (Fast<SentencePiece>, Reference) {
    let folder = opened(&json.to_string(), None);
    (open(&folder, special).unwrap(), Reference::new(&folder, special).unwrap())
}

fn ids(encoder: &dyn Encode, text: &str) -> Vec<u32> {
    let mut ids = vec![7];
    encoder.encode(text, &mut ids).unwrap();
    ids
}

/// Characters of which the random tokenizers know most.
const CHARACTERS: [char; 10] = ['▁', 'a', 'b', 'c', '1', '.', 'é', '中', '\n', '😀'];

/// What random texts are made of, in characters beside the former: spaces, unknown ones, what is looked for.
const TEXTS: [&str; 24] = [
    " ", " ", "▁", "a", "b", "c", "1", ".", "é", "中", "文", "\n", "\t", "\r", "😀", "<s>", "</s>", "<unk>",
    "|X|", "| |", "<0x0A>", "\0", "ab", " a",
];

prop_compose! {
    /// Random merges in random order of rank: most are of tokens that earlier ones make, some can never be reached.
    fn tokenizer()(
        known in prop::collection::vec(any::<bool>(), CHARACTERS.len()),
        pairs in prop::collection::vec(any::<[Index; 3]>(), 0..60),
        normalized in any::<bool>(),
        properties in any::<[bool; 4]>(),
    ) -> Value {
        let mut tokens: Vec<String> = CHARACTERS
            .iter()
            .zip(known)
            .filter(|(character, known)| **character == '▁' || *known)
            .map(|(character, _)| character.to_string())
            .collect();
        let mut merges: Vec<[String; 2]> = Vec::new();
        for [left, right, rank] in pairs {
            let pair = [left.get(&tokens).clone(), right.get(&tokens).clone()];
            let token = pair.concat();
            if token.chars().count() <= 12 {
                merges.insert(rank.index(merges.len() + 1), pair);
                if !tokens.contains(&token) {
                    tokens.push(token);
                }
            }
        }
        let mut tokens_added = three(normalized);
        let [first_special, first_normalized, second_special, second_normalized] = properties;
        let next = (SPECIAL.len() + 256 + tokens.len()) as u64;
        if let Value::Array(list) = &mut tokens_added {
            list.push(added(next, "|X|", first_special, first_normalized));
            list.push(added(next + 1, "| |", second_special, second_normalized));
        }
        definition(&tokens, &merges, &tokens_added)
    }
}

proptest! {
    #[test]
    fn random_tokenizers_give_the_ids_of_the_library(
        tokenizer in tokenizer(),
        texts in prop::collection::vec(prop::collection::vec(prop::sample::select(&TEXTS[..]), 0..120), 1..6),
    ) {
        for special in POLICIES {
            let (fast, reference) = both(&tokenizer, special);
            for text in &texts {
                let text = text.concat();
                // Twice, so that what is remembered is seen too.
                for _ in 0..2 {
                    prop_assert_eq!(ids(&fast, &text), ids(&reference, &text), "{:?} {}", text, tokenizer);
                }
            }
        }
    }
}

#[test]
fn the_choice_and_its_reason_are_said() {
    for special in POLICIES {
        let chosen = encoder(&opened(&small().to_string(), None), special).unwrap();
        assert_eq!(chosen.name(), "sentencepiece-bpe");
        assert!(chosen.proof().ends_with("probe texts have the ids of the reference"), "{}", chosen.proof());
    }
    let cases: [(&str, Value, &str); 7] = [
        ("/normalizer", json!({"type": "NFC"}), "its normalizer is not"),
        ("/normalizer", Value::Null, "neither a pre-tokenizer nor a normalizer"),
        ("/model/byte_fallback", json!(false), "no byte_fallback"),
        ("/model/ignore_merges", json!(true), "ignore_merges"),
        ("/added_tokens/0/lstrip", json!(true), "the added token \"<unk>\" has the property lstrip"),
        ("/added_tokens/1/single_word", json!(true), "the added token \"<s>\" has the property single_word"),
        ("/model/end_of_word_suffix", json!("</w>"), "the end_of_word_suffix"),
    ];
    for (pointer, value, said) in cases {
        let mut json = small();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[name] = value;
        let chosen = encoder(&opened(&json.to_string(), None), SpecialTokenText::Text).unwrap();
        assert_eq!(chosen.name(), "reference", "{pointer}");
        assert!(chosen.proof().contains(said), "{}", chosen.proof());
    }
}

#[test]
fn tokens_of_bytes_are_all_there_and_never_merged() {
    let mut lacking = small();
    let vocabulary = lacking.pointer_mut("/model/vocab").unwrap().as_object_mut().unwrap();
    let id = vocabulary.shift_remove("<0x0A>").unwrap();
    vocabulary.insert("c".into(), id);
    let merged = ["▁", "a", "<0x0A>a"].map(String::from);
    let merged = definition(&merged, &[["<0x0A>".into(), "a".into()]], &three(true));
    for (json, said) in [(lacking, "lacks <0x0A>"), (merged, "which stands for a byte")] {
        let said_of = open(&opened(&json.to_string(), None), SpecialTokenText::Text).err().unwrap();
        assert!(said_of.contains(said), "{said_of}");
    }
}

#[test]
fn a_wrong_encoder_is_found_out() {
    // The same tokens with other merges: what a defect of ours would look like.
    let mut other = small();
    other["model"]["merges"] = json!([["a", "b"], ["▁", "ab"], ["▁", "▁"]]);
    let folder = opened(&small().to_string(), None);
    let fast = open(&opened(&other.to_string(), None), SpecialTokenText::Text).unwrap();
    let reference = Reference::new(&folder, SpecialTokenText::Text).unwrap();
    let said = super::super::proof::proven(fast, &folder, &reference).err().unwrap();
    assert!(said.starts_with("the fast encoder sentencepiece-bpe differs: id "), "{said}");
}

/// A tokenizer among the reference data, or nothing where there is none.
fn real(name: &str) -> Option<TokenizerFolder> {
    let shared =
        env::var_os("PREPCORE_SHARED").map_or_else(|| PathBuf::from("../../../shared"), PathBuf::from);
    TokenizerFolder::open(&shared.join("data/tokenizers").join(name)).ok()
}

static REAL: LazyLock<Vec<(&str, TokenizerFolder)>> = LazyLock::new(|| {
    ["mistral-v1", "llama2"].into_iter().filter_map(|name| Some((name, real(name)?))).collect()
});

#[allow(clippy::print_stderr)] // the harness knows no tests that are skipped
fn check_real(texts: &[String]) {
    if REAL.is_empty() {
        eprintln!("skipped: no tokenizers; set PREPCORE_SHARED to the folder that holds data/tokenizers");
    }
    for (name, folder) in REAL.iter() {
        for special in POLICIES {
            let chosen = encoder(folder, special).unwrap();
            assert_eq!(chosen.name(), "sentencepiece-bpe", "{name}: {}", chosen.proof());
            let reference = Reference::new(folder, special).unwrap();
            for text in texts {
                let (seen, expected) = (ids(&*chosen, text), ids(&reference, text));
                let shown: String = text.chars().take(60).collect();
                assert!(seen == expected, "{name}, {special:?}, {shown:?}");
            }
        }
    }
}

#[test]
fn special_looks_are_read_as_the_library_reads_them() {
    let Some(folder) = real("mistral-v1") else { return };
    let [text, parse] = POLICIES.map(|special| open(&folder, special).unwrap());
    // Their patterns are normalised, so they match at the start and after a space, which they swallow.
    for (sample, as_text, parsed) in [
        ("</s>", &[1867, 28713, 28767][..], &[2][..]),
        ("x </s>", &[1318, 1867, 28713, 28767], &[1318, 2]),
        ("x</s>", &[1318, 700, 28713, 28767], &[1318, 700, 28713, 28767]),
        ("a <s> b", &[264, 523, 28713, 28767, 287], &[264, 1, 287]),
    ] {
        assert_eq!(ids(&text, sample)[1..], *as_text, "{sample}");
        assert_eq!(ids(&parse, sample)[1..], *parsed, "{sample}");
    }
}

#[test]
fn every_character_and_every_run_has_the_ids_of_the_library() {
    let mut texts = Vec::new();
    for block in (0..=u32::from(char::MAX)).collect::<Vec<_>>().chunks(2048) {
        let characters = || block.iter().filter_map(|code| char::from_u32(*code));
        texts.push(characters().collect());
        if block[0] < 0x3000 {
            texts.push(
                characters()
                    .flat_map(|character| ['\'', character, ' ', character, character, '9'])
                    .collect(),
            );
        }
    }
    for run in [" ", "\t", "\n", "\r\n", "\u{a0}", "-", "7", "▁", "a", "\u{2009}", "😀", "é"] {
        texts.extend((1..70).map(|count| format!("x{}y {}", run.repeat(count), run.repeat(count))));
    }
    texts.push("|||IP_ADDRESS||| x |||EMAIL_ADDRESS||||||IP_ADDRESS|||".into());
    check_real(&texts);
}

#[test]
fn words_of_a_million_bytes_have_the_ids_of_the_library() {
    const BYTES: usize = 1_000_000;
    let mut draw = 1_u64;
    let mut drawn = |alphabet: &[u8]| {
        let mut next = || {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(alphabet[(draw >> 40) as usize % alphabet.len()])
        };
        (0..BYTES).map(|_| next()).collect::<String>()
    };
    let letters: Vec<u8> = (b'a'..=b'z').collect();
    let base64: Vec<u8> = [&letters[..], b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"].concat();
    let repeated = |text: &str| text.repeat(BYTES / text.len());
    check_real(&[
        drawn(&letters),
        drawn(&base64),
        drawn(b"ab"),
        drawn(b" \n\t"),
        repeated("a"),
        repeated("ab"),
        repeated(" "),
        repeated("-"),
        repeated("\n"),
        repeated("中文字符"),
        repeated("e\u{301}"),
        repeated("👨\u{200d}👩\u{200d}👧"),
    ]);
}
