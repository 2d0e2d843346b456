//! How fast `words` and `unicode` look at real text. Not run with the other tests, and fails on no clock; Linux only, whose
//! scheduler says how long a thread worked:
//!
//! ```text
//! PREPCORE_SHARED=… cargo test --release -p prepcore --lib -- --ignored --nocapture of_real_text
//! ```
//!
//! It needs `data/corpus/mix-60k.parquet`, or the file that `TEXTS` names: Parquet with a column `text`.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::{env, fs};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::pieces::Pieces;
use super::*;
use crate::config::{ControlCharacters, NormalizationForm};
use crate::rule::{Rewrite, Unicode};
use crate::text::TextColumn;

const REPEATS: usize = 3;

fn texts() -> Vec<String> {
    let shared =
        env::var_os("PREPCORE_SHARED").map_or_else(|| PathBuf::from("../../../shared"), PathBuf::from);
    let path = env::var_os("TEXTS").map_or_else(|| shared.join("data/corpus/mix-60k.parquet"), PathBuf::from);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let columns =
        reader.map(|batch| TextColumn::new(batch.unwrap().column_by_name("text").unwrap()).unwrap());
    let texts = columns.flat_map(|column| {
        (0..column.len()).filter_map(|row| column.get(row).map(str::to_owned)).collect::<Vec<_>>()
    });
    texts.collect()
}

/// Words of the texts, most frequent first, and of equally frequent ones in their own order.
fn by_frequency(texts: &[String]) -> Vec<String> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for text in texts {
        for piece in Pieces::new(text).filter(|piece| piece.is_word) {
            let word = text[piece.start..piece.end].to_lowercase();
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    words.into_iter().map(|(word, _)| word).collect()
}

fn rule(folder: &Path, list: &[String]) -> Words {
    let file = folder.join("list.txt");
    fs::write(&file, list.join("\n")).unwrap();
    Words::new(&config::Words { file, max_count: Some(u64::MAX), ..config::Words::default() }).unwrap()
}

/// Seconds that this thread has worked: other people's work on the machine costs it less than it costs a clock.
fn worked() -> f64 {
    let scheduled = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    scheduled.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The best of some runs over all texts, in MB of text a second of work.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn measure(what: &str, texts: &[String], mut look: impl FnMut(&str) -> u64) {
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut best = f64::INFINITY;
    let mut found = 0;
    for _ in 0..REPEATS {
        let before = worked();
        found = texts.iter().map(|text| look(text)).sum();
        best = best.min(worked() - before);
    }
    println!("{what}: {:.0} MB/s, found {found}", bytes as f64 / best / 1e6);
}

/// Texts by how much of them is ASCII, which is what costs differ by.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn kinds() -> Vec<(&'static str, Vec<String>)> {
    let all = texts();
    let (ascii, others): (Vec<String>, Vec<String>) = all.iter().cloned().partition(|text| text.is_ascii());
    let hardly = |text: &&String| 2 * text.chars().count() < text.len();
    let hardly: Vec<String> = others.iter().filter(hardly).cloned().collect();
    let kinds = vec![("all", all), ("ASCII", ascii), ("not ASCII", others), ("hardly ASCII", hardly)];
    for (kind, texts) in &kinds {
        let bytes: usize = texts.iter().map(String::len).sum();
        println!("{kind}: {} texts, {:.1} MB", texts.len(), bytes as f64 / 1e6);
    }
    measure("for comparison, words between white space", &kinds[0].1, crate::document::words);
    kinds
}

#[test]
#[ignore = "a measurement: needs real text"]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn words_of_real_text() {
    let kinds = kinds();
    let words = by_frequency(&kinds[0].1);
    let folder = tempfile::tempdir().unwrap();
    // Words that are rare, as those of such lists are; and the worst that can be asked for.
    let lists = [
        ("1,000 rare words", words[20_000.min(words.len())..].iter().take(1000).cloned().collect::<Vec<_>>()),
        ("the 1,000 most frequent words", words.iter().take(1000).cloned().collect()),
        ("every word of the texts, at most 1,000,000", words.iter().take(1_000_000).cloned().collect()),
    ];
    for (name, list) in &lists {
        let before = worked();
        let rule = rule(folder.path(), list);
        println!("{name}: {} entries read in {:.3} s", list.len(), worked() - before);
        for (kind, texts) in &kinds {
            measure(&format!("  words, {kind}"), texts, |text| rule.count(text).occurrences);
        }
    }
}

#[test]
#[ignore = "a measurement: needs real text"]
fn unicode_of_real_text() {
    let kinds = kinds();
    for form in [NormalizationForm::Keep, NormalizationForm::Nfc, NormalizationForm::Nfkc] {
        let rule = Unicode::new(&config::Unicode { form, control: ControlCharacters::Remove });
        for (kind, texts) in &kinds {
            let rewritten = |text: &str| u64::from(rule.rewrite(text, &mut [0, 0]).is_some());
            measure(&format!("unicode {form:?}, {kind}"), texts, rewritten);
        }
    }
}
