//! The rule as its users see it, and against a naive twin on generated texts of many scripts.

use std::fs;

use proptest::prelude::*;

use super::letters::{Class, class, fold};
use super::*;
use crate::rule::{Finding, agrees};

fn rule(list: &str, change: impl FnOnce(&mut config::Words)) -> Words {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.txt");
    fs::write(&file, list).unwrap();
    let mut thresholds = config::Words { file, ..config::Words::default() };
    change(&mut thresholds);
    Words::new(&thresholds).unwrap()
}

fn occurrences(list: &str, text: &str) -> (f64, Option<String>) {
    let rule = rule(list, |_| {});
    agrees(&rule, text);
    let measured = rule.measure(&Document::new(text)).remove(0);
    (measured.value, measured.detail.map(|detail| detail.to_string()))
}

fn count(list: &str, text: &str) -> f64 {
    occurrences(list, text).0
}

#[test]
fn whole_words_in_any_script() {
    assert_eq!(count("cat", "A Cat, cats, concat; the cat's CAT_ (cat)"), 3.0);
    assert_eq!(count("кот", "Кот и коты"), 1.0);
    assert_eq!(count("cafe", "cafe\u{301} café cafe"), 1.0);
    assert_eq!(count("서울", "서울 서울에서"), 1.0);
}

#[test]
fn anywhere_where_words_have_no_spaces() {
    assert_eq!(count("猫", "黒猫と白猫"), 2.0);
    assert_eq!(count("アダルト", "新着アダルト動画"), 1.0);
    assert_eq!(count("แมว", "ฉันรักแมวมาก"), 1.0);
    assert_eq!(occurrences("猫カフェ\n猫", "猫カフェの猫"), (2.0, Some("猫カフェ".into())));
}

#[test]
fn phrases_and_signs() {
    assert_eq!(occurrences("New  York\nnew", "in new\n york, New Yorkers"), (2.0, Some("new york".into())));
    assert_eq!(count("new york", "newyork new-york new, york"), 0.0);
    assert_eq!(count("c++", "c c+ C++ c++11"), 2.0);
    assert_eq!(count("tag\n#hash", "#tag #hash"), 1.0);
    assert_eq!(count(".onion\n\u{1f51e}", "x.onion \u{1f51e}\u{1f51e}"), 3.0);
    assert_eq!(count("a a", "a a a a a"), 2.0);
}

#[test]
fn case_counts_only_where_it_is_asked_for() {
    let exact = rule("Polish\nÉire", |words| words.ignore_case = false);
    let value = |text| exact.measure(&Document::new(text))[0].value;
    assert_eq!([value("Polish Éire"), value("polish éire POLISH")], [2.0, 0.0]);
    assert_eq!(count("ΟΔΟΣ\nÉire", "οδος ΟΔΟΣ éire ÉIRE"), 4.0);
    assert_eq!(count("istanbul\nstraße", "İSTANBUL ISTANBUL strasse"), 2.0);
}

#[test]
fn without_a_threshold_one_is_too_many() {
    let verdict = agrees(&rule("bad", |_| {}), "good and Bad");
    let detail = Some("bad".into());
    assert_eq!(
        verdict,
        Some(Finding { reason: "listed_words", value: Some(1.0), threshold: Some(0.0), detail })
    );
    assert_eq!(agrees(&rule("bad", |_| {}), "good"), None);
    assert_eq!(agrees(&rule("bad", |_| {}), ""), None);
}

#[test]
fn the_thresholds_are_inclusive_and_the_count_comes_first() {
    let both = rule("bad word", |words| (words.max_count, words.max_share) = (Some(2), Some(0.5)));
    let reason = |text| agrees(&both, text).map(|finding| (finding.reason, finding.value.unwrap()));
    assert_eq!(reason("one bad word two"), None);
    assert_eq!(reason("one bad word"), Some(("listed_word_share", 2.0 / 3.0)));
    assert_eq!(reason("bad word bad word bad word"), Some(("listed_words", 3.0)));
    let share = rule("bad", |words| words.max_share = Some(0.0));
    assert_eq!(agrees(&share, "bad").map(|finding| finding.reason), Some("listed_word_share"));
}

/// A character that counts, and how the text has it: in lower case, and one space for white space.
type Folded = Vec<(char, Class)>;

fn folded(text: &str) -> Folded {
    let mut characters: Folded = Vec::new();
    for character in text.chars() {
        match class(character) {
            Class::Space if matches!(characters.last(), Some((' ', _)) | None) => {}
            Class::Space => characters.push((' ', Class::Space)),
            class => characters.push((fold(character), class)),
        }
    }
    if matches!(characters.last(), Some((' ', _))) {
        characters.pop();
    }
    characters
}

/// Whether a word goes on at each place, from before the first character to behind the last.
fn goes_on(text: &Folded) -> Vec<bool> {
    let mut within = false;
    let mut places = Vec::new();
    for (_, class) in text {
        let extends = within && matches!(class, Class::Letter | Class::Extends);
        places.push(extends);
        within = extends || *class == Class::Letter;
    }
    places.push(false);
    places
}

/// Tries every entry at every place.
fn naive(list: &[String], text: &str) -> Counts {
    let text = folded(text);
    let goes_on = goes_on(&text);
    let entries: Vec<_> = list.iter().map(|entry| folded(entry)).filter(|entry| !entry.is_empty()).collect();
    let is_word = |at: &usize| matches!(text[*at].1, Class::Letter | Class::Alone) && !goes_on[*at];
    let mut counts = Counts { words: (0..text.len()).filter(is_word).count() as u64, ..Counts::default() };
    let mut at = 0;
    while at < text.len() {
        let letters = |part: &[(char, Class)]| part.iter().map(|(letter, _)| *letter).collect::<Vec<_>>();
        let occurs = |entry: &&Folded| {
            let end = at + entry.len();
            !goes_on[at] && end <= text.len() && !goes_on[end] && letters(&text[at..end]) == letters(entry)
        };
        match entries.iter().filter(occurs).map(Vec::len).max() {
            Some(length) => {
                counts.occurrences += 1;
                counts.listed += (at..at + length).filter(is_word).count() as u64;
                at += length;
            }
            None => at += 1,
        }
    }
    counts
}

fn texts(most: usize) -> impl Strategy<Value = String> {
    // Few different pieces, so that entries occur, overlap and nearly occur.
    let piece = prop::sample::select(vec![
        "a",
        "B",
        "ab",
        "abcdefg",
        "ABCDEFGH",
        "abcdefghi_9",
        " ",
        " ",
        " ",
        "\n",
        "\u{3000}",
        "\u{1c}",
        "é",
        "É",
        "e",
        "\u{301}",
        "σ",
        "Σ",
        "ς",
        "ж",
        "Ж",
        "猫",
        "カ",
        "แ",
        "ม",
        "\u{e47}",
        "가",
        "İ",
        "i",
        "ß",
        "ẞ",
        "-",
        ".",
        "'",
        "\u{1f600}",
        "\u{200d}",
        "\u{200b}",
        "K",
        "k",
        "हि",
        "\u{20000}",
    ]);
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn finds_what_the_naive_twin_finds(entries in prop::collection::vec(texts(5), 0..8), text in texts(60)) {
        // One that makes sure that the list has an entry; the mark of a comment comes in no text.
        let list = format!("zz\n{}", entries.iter().map(|entry| entry.replace('\n', " ")).collect::<Vec<_>>().join("\n"));
        let rule = rule(&list, |_| {});
        let mut found = rule.count(&text);
        let first = rule.first(&found);
        prop_assert_eq!(first.is_some(), found.occurrences > 0);
        found.first = None;
        prop_assert_eq!(found, naive(&entries, &text), "{:?} in {:?}", entries, text);
    }

    #[test]
    fn judging_agrees_with_measuring(text in texts(40), most in 0_u64..3, share in 0.0..1.0) {
        let thresholds = |words: &mut config::Words| (words.max_count, words.max_share) = (Some(most), Some(share));
        agrees(&rule("a\nab b\n猫\nж", thresholds), &text);
    }
}
