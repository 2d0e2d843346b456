//! The rows of words: looked up, or made from the dictionary and the word's n-grams.

use std::ops::ControlFlow;

use super::cache::{Cache, Entry, MAX_ROWS};
use super::dictionary::{END, Known};
use super::hash::{Fnv, KEY_BYTES, Key, key};
use super::model::Model;
use super::prefetch::prefetch;
use super::tokens::Batch;

/// Words whose look-ups wait for memory together.
const TOGETHER: usize = 64;

/// What words of a text add to its rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rows in order.
    pub(super) rows: Vec<u32>,
    /// The library's hash of each word that is no label, where the model has word n-grams.
    pub(super) hashes: Vec<u32>,
}

/// Finds rows, and remembers them.
#[derive(Debug)]
pub(super) struct WordRows {
    /// Only where words have few rows: a model with all n-grams has more for a word than are worth keeping, and one
    /// without any has none that the dictionary would not find as fast.
    cache: Option<Cache>,
    scratch: Vec<u8>,
}

impl WordRows {
    /// For a model.
    pub(super) fn new(model: &Model) -> Self {
        let worth = model.dictionary.buckets().is_pruned() && model.arguments.has_characters();
        Self { cache: worth.then(Cache::new), scratch: Vec::new() }
    }

    /// Adds what words add. Breaks at a word that ends the text, which is left out.
    pub(super) fn append(&mut self, model: &Model, batch: &Batch<'_>, found: &mut Found) -> ControlFlow<()> {
        for words in batch.words.chunks(TOGETHER) {
            self.append_together(model, batch.buffer, words, found)?;
        }
        ControlFlow::Continue(())
    }

    fn append_together(
        &mut self,
        model: &Model,
        buffer: &[u8],
        words: &[[usize; 2]],
        found: &mut Found,
    ) -> ControlFlow<()> {
        let mut ahead = [(Key::default(), 0, None); TOGETHER];
        if let Some(cache) = &self.cache {
            let hasher = model.dictionary.hasher();
            for (ahead, [start, end]) in ahead.iter_mut().zip(words) {
                if let (true, Some(window)) = (end - start <= KEY_BYTES, buffer[*start..].first_chunk()) {
                    let key = key(window, end - start);
                    let hash = hasher.of_key(key);
                    let candidate = cache.candidate(hash);
                    if let Some(candidate) = candidate {
                        prefetch(cache.entries(), candidate);
                    }
                    *ahead = (key, hash, candidate);
                }
            }
        }
        for ((key, hash, candidate), [start, end]) in ahead.iter().zip(words) {
            let word = &buffer[*start..*end];
            if word == END {
                return ControlFlow::Break(());
            }
            let Some(cache) = self.cache.as_mut().filter(|_| word.len() <= KEY_BYTES) else {
                append_word(model, word, model.dictionary.look_up(word), &mut self.scratch, found);
                continue;
            };
            if let Some(entry) = cache.get(*candidate, key, *hash) {
                // All places are copied, which costs less than a look at how many are in use.
                let end = found.rows.len() + usize::from(entry.count);
                found.rows.extend_from_slice(&entry.rows);
                found.rows.truncate(end);
                if model.arguments.word_ngrams > 1 && !entry.is_label {
                    found.hashes.push(entry.hash);
                }
                continue;
            }
            let first = found.rows.len();
            let known = model.dictionary.look_up_hashed(word, *hash);
            append_word(model, word, known, &mut self.scratch, found);
            let rows = &found.rows[first..];
            if rows.len() <= MAX_ROWS {
                let is_label = known == Known::Label;
                let word_hash = found.hashes.last().copied().filter(|_| !is_label).unwrap_or_default();
                let mut entry =
                    Entry { key: *key, hash: word_hash, count: rows.len() as u8, is_label, ..Entry::EMPTY };
                entry.rows[..rows.len()].copy_from_slice(rows);
                cache.insert(*hash, entry);
            }
        }
        ControlFlow::Continue(())
    }
}

/// Adds what a word adds that does not end the text.
fn append_word(model: &Model, word: &[u8], known: Known, scratch: &mut Vec<u8>, found: &mut Found) {
    if known == Known::Label {
        return;
    }
    if let Known::Word(row) = known {
        found.rows.push(row);
    }
    if model.arguments.word_ngrams > 1 {
        found.hashes.push(Fnv::of(word));
    }
    if model.arguments.has_characters() {
        scratch.clear();
        scratch.push(b'<');
        scratch.extend_from_slice(word);
        scratch.push(b'>');
        append_ngrams(model, scratch, &mut found.rows);
    }
}

/// Adds the rows of the n-grams of a word between `<` and `>`.
fn append_ngrams(model: &Model, word: &[u8], rows: &mut Vec<u32>) {
    let arguments = &model.arguments;
    let buckets = model.dictionary.buckets();
    let continues = |at: usize| word.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut start = 0;
    while start < word.len() {
        let (mut hash, mut end) = (Fnv::START, start);
        let mut after = start;
        for characters in 1..=arguments.max_characters {
            if end == word.len() {
                break;
            }
            hash = hash.with(word[end]);
            end += 1;
            while continues(end) {
                hash = hash.with(word[end]);
                end += 1;
            }
            if characters == 1 {
                after = end;
                // The marks of a word's start and end are no n-grams by themselves.
                if start == 0 || end == word.len() {
                    continue;
                }
            }
            if characters >= arguments.min_characters {
                rows.extend(buckets.row_of(hash.0));
            }
        }
        start = after;
    }
}
