//! Prediction as it is defined, one step after another: the referee of the fast way.

use super::dictionary::{END, Known};
use super::hash::Fnv;
use super::model::Model;
use super::output::Scratch;
use super::predictor::{Newline, Prediction};

/// What [`super::Predictor::best`] gives.
#[must_use]
pub fn best(model: &Model, text: &str, newline: Newline) -> Option<Prediction> {
    let hidden = hidden(model, text, newline)?;
    let (label, score) = model.output.best(&hidden, &mut Scratch::default())?;
    Some(Prediction { label, score })
}

/// What [`super::Predictor::scores_of`] gives.
#[must_use]
pub fn scores_of(
    model: &Model,
    text: &str,
    labels: &[usize],
    threshold: f32,
    newline: Newline,
) -> Vec<Option<f32>> {
    match hidden(model, text, newline) {
        Some(hidden) => model.output.scores(&hidden, labels, threshold, &mut Scratch::default()),
        None => vec![None; labels.len()],
    }
}

/// The mean of the text's rows; `None` of none.
fn hidden(model: &Model, text: &str, newline: Newline) -> Option<Vec<f32>> {
    let rows = rows(model, text, newline);
    let mut sum = vec![0.0; model.input.columns()];
    for row in &rows {
        model.input.add_rows(&[*row], &mut sum);
    }
    model.mean(rows.len(), &mut sum);
    (!rows.is_empty()).then_some(sum)
}

/// The rows of a text in the library's order: those of its words, then those of its word n-grams.
#[must_use]
pub(super) fn rows(model: &Model, text: &str, newline: Newline) -> Vec<u32> {
    let text = match newline {
        Newline::Delete => text.replace('\n', ""),
        Newline::Space => text.replace('\n', " "),
    };
    let text = text.as_bytes();
    let separator = |byte: &u8| matches!(byte, b' ' | b'\r' | b'\t' | 0x0b | 0x0c | 0);
    let words = text.split(separator).filter(|word| !word.is_empty()).chain([END]);
    let (mut rows, mut hashes) = (Vec::new(), Vec::new());
    for word in words {
        let known = model.dictionary.look_up(word);
        if known != Known::Label {
            add_word(model, word, known, &mut rows);
            // Hashes are signed where they are combined.
            hashes.push(i64::from(Fnv::of(word) as i32) as u64);
        }
        if word == END {
            break;
        }
    }
    let count = model.dictionary.buckets().count();
    for first in 0..hashes.len() {
        let mut hash = hashes[first];
        for next in hashes.iter().skip(first + 1).take(model.arguments.word_ngrams.saturating_sub(1)) {
            hash = hash.wrapping_mul(116_049_371).wrapping_add(*next);
            rows.extend(model.dictionary.buckets().row((hash % u64::from(count)) as u32));
        }
    }
    rows
}

fn add_word(model: &Model, word: &[u8], known: Known, rows: &mut Vec<u32>) {
    if let Known::Word(row) = known {
        rows.push(row);
    }
    let arguments = &model.arguments;
    if word == END || arguments.max_characters == 0 {
        return;
    }
    let word = [b"<", word, b">"].concat();
    let starts: Vec<usize> = (0..word.len()).filter(|at| word[*at] & 0xc0 != 0x80).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([word.len()]).collect();
    let last = starts.len() - 1;
    for first in 0..starts.len() {
        for length in 1..=arguments.max_characters.min(starts.len() - first) {
            let alone_at_an_end = length == 1 && (first == 0 || first == last);
            if length >= arguments.min_characters && !alone_at_an_end {
                let ngram = &word[starts[first]..ends[first + length - 1]];
                let bucket = Fnv::of(ngram) % model.dictionary.buckets().count();
                rows.extend(model.dictionary.buckets().row(bucket));
            }
        }
    }
}
