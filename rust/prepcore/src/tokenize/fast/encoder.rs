//! The encoder that all families share: pieces are looked up, and merged only when they are new.

use std::sync::{Mutex, PoisonError};

use super::added::{Added, Part, Patterns};
use super::cache::{Cache, MAX_ID, MAX_PIECE, SHORT_IDS};
use super::definition::Definition;
use super::family::{BATCH, Family};
use super::ids::Ids;
use super::key::{Key, MAX_KEY, PADDING};
use super::merge::Merger;
use super::merges::Merges;
use super::whole::WholeTokens;
use crate::tokenize::Encode;

/// Bytes of a normalised text whose room is kept for the next one.
const KEPT: usize = 1 << 20;

/// An encoder for BPE models of one family.
///
/// A piece is looked up in the cache, then among the tokens that a piece may be as a whole, and only then merged from
/// its symbols.
pub(super) struct Fast<F> {
    family: F,
    merges: Merges,
    whole: WholeTokens,
    added: Added,
    vocabulary_size: usize,
    proof: String,
    /// Workers not in use: as many as ever were in use at once, each with the pieces it has met so far.
    idle: Mutex<Vec<Worker>>,
}

/// What one thread needs.
#[derive(Debug)]
struct Worker {
    /// A normalised segment and its padding.
    text: Vec<u8>,
    pieces: Pieces,
}

/// What the pieces of a segment are encoded with.
#[derive(Debug)]
struct Pieces {
    cache: Cache,
    merger: Merger,
    /// Symbols of a piece, then its ids.
    symbols: Vec<u32>,
    ids: Ids,
}

impl<F: Family> Fast<F> {
    /// An encoder that is yet to be proven: see [`Fast::proven`].
    ///
    /// # Errors
    /// Where numbers do not fit.
    pub(super) fn new(
        family: F,
        definition: &Definition<'_>,
        merges: Merges,
        added: Added,
        vocabulary_size: usize,
    ) -> Result<Self, String> {
        if vocabulary_size > MAX_ID as usize {
            return Err(format!("the vocabulary has {vocabulary_size} ids, more than {MAX_ID}"));
        }
        let mut whole = WholeTokens::with_capacity(definition.vocabulary.len());
        let (mut merger, mut symbols) = (Merger::default(), Vec::new());
        for (token, id) in &definition.vocabulary {
            let Some(text) = family.text_of(token).filter(|text| !text.is_empty()) else { continue };
            symbols.clear();
            if !definition.ignore_merges {
                family.symbols(&text, &mut symbols);
                merger.merge(&merges, &mut symbols);
            }
            if definition.ignore_merges || symbols == [merges.symbol(*id)] {
                whole.insert(&text, *id);
            }
        }
        let idle = Mutex::default();
        Ok(Self { family, merges, whole, added, vocabulary_size, proof: String::new(), idle })
    }

    /// Encodes a part of the text that holds no added token that is looked for in the text as it is.
    fn segment(&self, worker: &mut Worker, segment: &str, out: &mut Vec<u32>) {
        let Worker { text, pieces } = worker;
        text.clear();
        self.family.normalise(segment, text);
        let end = text.len();
        text.resize(end + PADDING, 0);
        match &self.added.normalised {
            None => self.pieces(pieces, text, [0, end], out),
            Some(patterns) => patterns.each(&text[..end], |part| match part {
                Part::Text(range) => self.pieces(pieces, text, [range.start, range.end], out),
                Part::Token(id) => out.push(id),
            }),
        }
        text.clear();
        text.shrink_to(KEPT);
    }

    /// Encodes a part of a normalised segment that holds no added token.
    fn pieces(&self, pieces: &mut Pieces, text: &[u8], [mut start, end]: [usize; 2], out: &mut Vec<u32>) {
        let mut ends = [0; BATCH];
        let mut keys = [(Key::default(), 0); BATCH];
        while start < end {
            let count = self.family.split(text, start, end, &mut ends);
            let ends = &ends[..count];
            let mut from = start;
            for (place, to) in keys.iter_mut().zip(ends) {
                let length = to - from;
                if length <= MAX_KEY {
                    let key = Key::read(text, from, length);
                    let hash = key.hash();
                    pieces.cache.prepare(hash);
                    *place = (key, hash);
                }
                from = *to;
            }
            pieces.ids.reserve(BATCH * SHORT_IDS, out);
            for ((key, hash), to) in keys.iter().zip(ends) {
                match (*to - start <= MAX_KEY).then(|| pieces.cache.short(*key, *hash)).flatten() {
                    Some((ids, count)) => pieces.ids.push_first(&ids, count),
                    None => {
                        self.longer(pieces, text, [start, *to], out);
                        pieces.ids.reserve(BATCH * SHORT_IDS, out);
                    }
                }
                start = *to;
            }
        }
        pieces.ids.hand_on(out);
    }

    /// Encodes a piece that is not among the short ones of the cache.
    #[inline(never)]
    fn longer(&self, pieces: &mut Pieces, text: &[u8], piece: [usize; 2], out: &mut Vec<u32>) {
        let Pieces { cache, merger, symbols, ids } = pieces;
        let bytes = &text[piece[0]..piece[1]];
        let is_kept = bytes.len() <= MAX_PIECE;
        if is_kept && cache.longer(text, piece, ids, out) {
            return;
        }
        symbols.clear();
        match self.whole.get(bytes) {
            Some(id) => symbols.push(id),
            None => {
                self.family.symbols(bytes, symbols);
                merger.merge(&self.merges, symbols);
                symbols.iter_mut().for_each(|symbol| *symbol = self.merges.id(*symbol));
            }
        }
        if is_kept {
            cache.keep(text, piece, symbols);
        }
        ids.extend(symbols, out);
        symbols.shrink_to(KEPT);
    }

    fn segments(&self, worker: &mut Worker, text: &str, patterns: &Patterns, out: &mut Vec<u32>) {
        patterns.each(text.as_bytes(), |part| match part {
            // Matches of whole characters end where characters do.
            Part::Text(range) => self.segment(worker, &text[range], out),
            Part::Token(id) => out.push(id),
        });
    }

    /// The same with the reason why its ids can be trusted.
    pub(super) fn proven(self, proof: String) -> Self {
        Self { proof, ..self }
    }
}

impl Default for Worker {
    fn default() -> Self {
        let pieces = Pieces {
            cache: Cache::new(),
            merger: Merger::default(),
            symbols: Vec::new(),
            ids: Ids::default(),
        };
        Self { text: Vec::new(), pieces }
    }
}

impl<F: Family> Encode for Fast<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn proof(&self) -> &str {
        &self.proof
    }

    fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), String> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = idle.unwrap_or_default();
        match &self.added.raw {
            Some(patterns) => self.segments(&mut worker, text, patterns, ids),
            None if text.is_empty() => {}
            None => self.segment(&mut worker, text, ids),
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(())
    }
}
