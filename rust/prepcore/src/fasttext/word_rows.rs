//! The rows of words: looked up, or made from the dictionary and the word's n-grams.

use std::ops::ControlFlow;

use super::cache::{Cache, Entry, MAX_ROWS, Place};
use super::dictionary::{END, Known};
use super::hash::Fnv;
use super::model::Model;
use super::ngrams::Ngrams;
use super::rows::Rows;
use super::tokens::Batch;
use crate::memory::{KEY_BYTES, Key, key};

/// Words whose look-ups wait for memory together.
const TOGETHER: usize = 64;

/// Bytes beside the cache: a batch of words, the rows of one text.
const BESIDE: u64 = 1 << 20;

/// What words of a text add to its rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rows in order.
    pub(super) rows: Rows,
    /// The library's hash of each word that is no label, where the model has word n-grams.
    pub(super) hashes: Vec<u32>,
}

/// Finds rows, and remembers them.
#[derive(Debug)]
pub(super) struct WordRows {
    /// Only where words have few rows: a model with all n-grams has more for a word than are worth keeping, and one
    /// without any has none that the dictionary would not find as fast.
    cache: Option<Cache>,
    ngrams: Ngrams,
}

/// A word to be looked up in the cache.
#[derive(Clone, Copy, Default)]
struct Sought {
    key: Key,
    hash: u64,
    place: Place,
}

impl WordRows {
    /// For a model.
    pub(super) fn new(model: &Model) -> Self {
        Self { cache: is_worth_a_cache(model).then(Cache::new), ngrams: Ngrams::default() }
    }

    /// Bytes that one takes, about.
    pub(super) fn bytes(model: &Model) -> u64 {
        BESIDE + if is_worth_a_cache(model) { Cache::BYTES } else { 0 }
    }

    /// Adds what words add. Breaks at a word that ends the text, which is left out.
    pub(super) fn append(&mut self, model: &Model, batch: &Batch<'_>, found: &mut Found) -> ControlFlow<()> {
        let Self { cache, ngrams } = self;
        match cache {
            Some(cache) => batch
                .words
                .chunks(TOGETHER)
                .try_for_each(|words| append_cached(cache, ngrams, model, batch.buffer, words, found)),
            None => batch.words.iter().try_for_each(|[start, end]| {
                let word = &batch.buffer[*start..*end];
                append_known(ngrams, model, word, model.dictionary.look_up(word), found)
            }),
        }
    }
}

fn is_worth_a_cache(model: &Model) -> bool {
    model.dictionary.buckets().is_pruned() && model.arguments.has_characters()
}

/// Adds what a few words add, through the cache.
fn append_cached(
    cache: &mut Cache,
    ngrams: &mut Ngrams,
    model: &Model,
    buffer: &[u8],
    words: &[[usize; 2]],
    found: &mut Found,
) -> ControlFlow<()> {
    let hasher = model.dictionary.hasher();
    let mut sought = [Sought::default(); TOGETHER];
    // Indices and no iterators over two slices: those are not always compiled into the loop.
    for place in 0..words.len() {
        let [start, end] = &words[place];
        if let (true, Some(window)) = (end - start <= KEY_BYTES, buffer[*start..].first_chunk()) {
            let key = key(window, end - start);
            let hash = hasher.of_key(key);
            cache.prepare(hash);
            sought[place] = Sought { key, hash, ..Sought::default() };
        }
    }
    for sought in &mut sought[..words.len()] {
        sought.place = cache.place(sought.hash);
    }
    found.rows.reserve(TOGETHER * MAX_ROWS);
    for place in 0..words.len() {
        let Sought { key, hash, place: slot } = &sought[place];
        let [start, end] = &words[place];
        let word = &buffer[*start..*end];
        if word.len() > KEY_BYTES {
            append_known(ngrams, model, word, model.dictionary.look_up(word), found)?;
            continue;
        }
        if let Some(entry) = cache.get(*slot, key, *hash) {
            found.rows.push_first(&entry.rows, usize::from(entry.count));
            if model.arguments.word_ngrams > 1 && !entry.is_label {
                found.hashes.push(entry.hash);
            }
            continue;
        }
        let first = found.rows.as_slice().len();
        let known = model.dictionary.look_up_hashed(word, *hash);
        append_known(ngrams, model, word, known, found)?;
        let rows = &found.rows.as_slice()[first..];
        if rows.len() <= MAX_ROWS {
            let is_label = known == Known::Label;
            let word_hash = found.hashes.last().copied().filter(|_| !is_label).unwrap_or_default();
            let mut entry =
                Entry { key: *key, hash: word_hash, count: rows.len() as u8, is_label, ..Entry::EMPTY };
            entry.rows[..rows.len()].copy_from_slice(rows);
            cache.insert(*slot, *hash, entry);
        }
    }
    ControlFlow::Continue(())
}

/// Adds what a word adds. Breaks at one that ends the text, which is left out.
fn append_known(
    ngrams: &mut Ngrams,
    model: &Model,
    word: &[u8],
    known: Known,
    found: &mut Found,
) -> ControlFlow<()> {
    if word == END {
        return ControlFlow::Break(());
    }
    match known {
        Known::Label => return ControlFlow::Continue(()),
        Known::Word(row) => found.rows.push(row),
        Known::Unknown => {}
    }
    if model.arguments.word_ngrams > 1 {
        found.hashes.push(Fnv::of(word));
    }
    if model.arguments.has_characters() {
        ngrams.append(word, &model.arguments, model.dictionary.buckets(), &mut found.rows);
    }
    ControlFlow::Continue(())
}
