//! Prediction as one worker does it: fast, and equal to `plain.rs`.

use std::sync::Arc;

use super::dictionary::{END, Known};
use super::hash::Fnv;
use super::model::Model;
use super::output::Scratch;
use super::rows::Rows;
use super::tokens::Words;
use super::word_rows::{Found, WordRows};

/// Rows that are gathered before they are added, so that they are fetched from memory together.
const GATHERED: usize = 4096;

/// What becomes of line feeds, since the library takes one line at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newline {
    /// They are deleted, which joins the words around them: language identification in its first users' programs.
    Delete,
    /// They become spaces: classifiers.
    Space,
}

/// The library's answer for a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The label's place in [`Model::labels`].
    pub label: usize,
    /// Its score, from 0 to a little above 1.
    pub score: f32,
}

/// What a worker keeps from text to text: at most 17 MiB beside the model, and the longest word.
#[derive(Debug)]
pub struct Predictor {
    model: Arc<Model>,
    newline: Newline,
    words: Words,
    word_rows: WordRows,
    found: Found,
    sum: Vec<f32>,
    scratch: Scratch,
}

impl Predictor {
    pub(super) fn new(model: Arc<Model>, newline: Newline) -> Self {
        Self {
            newline,
            words: Words::default(),
            word_rows: WordRows::new(&model),
            found: Found::default(),
            sum: vec![0.0; model.input.columns()],
            scratch: Scratch::default(),
            model,
        }
    }

    /// The most likely label: what the library's `predict(text, k=1)` gives. Of equal ones it is the later one.
    ///
    /// `None` where the library gives no label: when the model knows no word of the text, not even the end of a line.
    pub fn best(&mut self, text: &str) -> Option<Prediction> {
        self.read(text)?;
        let (label, score) = self.model.output.best(&self.sum, &mut self.scratch)?;
        Some(Prediction { label, score })
    }

    /// The scores that the library's `predict(text, k=-1, threshold)` gives to some labels, by their numbers; `None`
    /// for each label that it leaves out. With a tree (`hs`) it leaves out scores below 0.00001 at any threshold.
    ///
    /// # Panics
    /// When a number is not below that of the labels.
    pub fn scores_of(&mut self, text: &str, labels: &[usize], threshold: f32) -> Vec<Option<f32>> {
        match self.read(text) {
            Some(()) => self.model.output.scores(&self.sum, labels, threshold, &mut self.scratch),
            None => vec![None; labels.len()],
        }
    }

    /// Sets `sum` to the mean of a text's rows; `None` where it has none.
    fn read(&mut self, text: &str) -> Option<()> {
        let Self { model, newline, words, word_rows, found, sum, .. } = self;
        sum.fill(0.0);
        found.rows.clear();
        found.hashes.clear();
        let mut count = 0;
        let mut add = |rows: &mut Rows| {
            model.input.add_rows(rows.as_slice(), sum);
            count += rows.as_slice().len();
            rows.clear();
        };
        words.each(text, *newline, |batch| {
            let flow = word_rows.append(model, batch, found);
            if found.rows.as_slice().len() >= GATHERED {
                add(&mut found.rows);
            }
            flow
        });
        match model.dictionary.look_up(END) {
            Known::Word(row) => found.rows.push(row),
            Known::Label | Known::Unknown => {}
        }
        if model.arguments.word_ngrams > 1 {
            if model.dictionary.look_up(END) != Known::Label {
                found.hashes.push(Fnv::of(END));
            }
            let buckets = model.dictionary.buckets();
            for (first, hash) in found.hashes.iter().enumerate() {
                let mut hash = signed(*hash);
                for next in found.hashes[first + 1..].iter().take(model.arguments.word_ngrams - 1) {
                    hash = hash.wrapping_mul(116_049_371).wrapping_add(signed(*next));
                    if let Some(row) = buckets.row((hash % u64::from(buckets.count())) as u32) {
                        found.rows.push(row);
                    }
                }
                if found.rows.as_slice().len() >= GATHERED {
                    add(&mut found.rows);
                }
            }
        }
        add(&mut found.rows);
        model.mean(count, sum);
        (count > 0).then_some(())
    }
}

/// A word's hash as the library combines it with others: as a negative number when its highest bit is set.
fn signed(hash: u32) -> u64 {
    i64::from(hash as i32) as u64
}
