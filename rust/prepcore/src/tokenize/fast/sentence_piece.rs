//! BPE of the SentencePiece type: Llama-2, Mistral-v1, TinyLlama, SOLAR.
//!
//! The library merges the symbols of a whole text, without words. A text may be split between two characters all the
//! same, where no merge's result holds the last of one side followed by the first of the other: then no merge reaches
//! across, and the order of merges within each side, rank before place, is the same as alone. So the merges of the
//! file itself say where it may be split, and no list of characters is needed: in Mistral-v1 and Llama-2 there is no
//! merge of a letter with punctuation, or of two digits.
//!
//! That holds as long as all ids come from merges: see [`open`] for what is asked of a file.

use hashbrown::HashMap;
use memchr::memmem;
use serde_json::{Value, json};

use super::added::Added;
use super::definition::Definition;
use super::encoder::Fast;
use super::family::{BATCH, Family};
use super::merges::{DENSE, Merges};
use crate::config::SpecialTokenText;
use crate::tokenize::TokenizerFolder;

/// What stands for a space in tokens.
const SPACE: &str = "\u{2581}";

/// Splits by the merges of a file.
///
/// In normalised texts a space stands for itself here. The library's normaliser makes each a [`SPACE`], so the two
/// are one character, and a space has one byte instead of three.
pub(super) struct SentencePiece {
    /// Of each byte that ends a character, the bytes that may start the next one without a split.
    joined: Joined,
    /// Symbols of ASCII characters, or of the byte of those that the vocabulary lacks.
    ascii: [u32; 128],
    /// Symbols of other characters.
    characters: HashMap<char, u32>,
    /// Symbols of the bytes of characters that the vocabulary lacks.
    bytes: [u32; 256],
}

/// A bit for every pair of bytes: 8 KiB, which stay in the first cache.
struct Joined(Box<[[u64; 4]; 256]>);

impl Joined {
    fn join(&mut self, left: u8, right: u8) {
        self.0[usize::from(left)][usize::from(right >> 6)] |= 1 << (right & 63);
    }

    #[inline]
    fn are(&self, left: u8, right: u8) -> bool {
        self.0[usize::from(left)][usize::from(right >> 6)] >> (right & 63) & 1 != 0
    }
}

/// The encoder of a tokenizer of this type.
///
/// # Errors
/// What keeps the tokenizer from being one of them:
/// - another normaliser than `▁` before the text and for every space;
/// - `ignore_merges`, for which the whole text would be looked up first;
/// - no byte fallback, or not all of its 256 tokens: unknown characters side by side would become one token;
/// - a merge of such tokens: they stand for bytes, and the bigram rule is about characters;
/// - added tokens with properties that are not known, or that a normalised text could not hold.
pub(super) fn open(
    folder: &TokenizerFolder,
    special: SpecialTokenText,
) -> Result<Fast<SentencePiece>, String> {
    let definition = Definition::read(folder)?;
    check_normalizer(folder)?;
    if definition.ignore_merges {
        return Err("the model has ignore_merges, but no pre-tokenizer".into());
    }
    if !definition.byte_fallback {
        return Err("the model has no byte_fallback".into());
    }
    if !definition.vocabulary.contains_key(SPACE) {
        return Err(format!("the vocabulary lacks {SPACE:?}"));
    }
    let bytes = byte_tokens(&definition)?;
    let mut ids: Vec<u32> =
        (32..128_u8).map(char::from).filter_map(|character| id_of(&definition, character)).collect();
    ids.truncate(DENSE);
    let merges = Merges::new(&definition, &ids)?;
    let symbol = |character: char| id_of(&definition, character).map(|id| merges.symbol(id));
    let bytes = bytes.map(|id| merges.symbol(id));
    let mut ascii = [0; 128];
    for (byte, place) in (0_u8..).zip(&mut ascii) {
        *place = symbol(char::from(byte)).unwrap_or(bytes[usize::from(byte)]);
    }
    let single = definition.vocabulary.iter().filter_map(|(token, id)| {
        let mut characters = token.chars();
        let character = characters.next().filter(|character| !character.is_ascii())?;
        characters.next().is_none().then_some((character, merges.symbol(*id)))
    });
    let family = SentencePiece { joined: joined(&definition), ascii, characters: single.collect(), bytes };
    // The library normalises a token like a text: it is found at the start and after a space alone, which it swallows.
    let added = Added::read(folder, special, |token| normalised(&format!(" {token}")))?;
    Fast::new(family, &definition, merges, added, folder.vocabulary_size())
}

fn check_normalizer(folder: &TokenizerFolder) -> Result<(), String> {
    let wanted = json!({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": SPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
    ]});
    match folder.json.get("normalizer") {
        Some(normalizer) if *normalizer == wanted => Ok(()),
        Some(Value::Null) | None => Err("it has neither a pre-tokenizer nor a normalizer".into()),
        Some(_) => Err("its normalizer is not \"▁\" before the text and for every space".into()),
    }
}

/// The id of a character of a normalised text.
fn id_of(definition: &Definition<'_>, character: char) -> Option<u32> {
    let mut room = [0; 4];
    let token = if character == ' ' { SPACE } else { character.encode_utf8(&mut room) };
    definition.vocabulary.get(token).copied()
}

/// The ids of the tokens that stand for bytes.
fn byte_tokens(definition: &Definition<'_>) -> Result<[u32; 256], String> {
    let mut ids = [0; 256];
    for (byte, place) in ids.iter_mut().enumerate() {
        let token = format!("<0x{byte:02X}>");
        *place = *definition
            .vocabulary
            .get(token.as_str())
            .ok_or_else(|| format!("the vocabulary lacks {token}"))?;
    }
    let of_bytes = definition
        .merges
        .iter()
        .flat_map(|merge| [merge.left, merge.right, merge.result])
        .find(|id| ids.contains(id));
    match of_bytes {
        Some(id) => Err(format!("a merge has to do with the token {id}, which stands for a byte")),
        None => Ok(ids),
    }
}

/// The pairs of bytes around a place within a merge's result: where a character ends and the next one starts.
fn joined(definition: &Definition<'_>) -> Joined {
    let mut joined = Joined(Box::new([[0; 4]; 256]));
    let tokens: HashMap<u32, &str> = definition.vocabulary.iter().map(|(token, id)| (*id, *token)).collect();
    for merge in &definition.merges {
        let result = normalised(tokens.get(&merge.result).copied().unwrap_or_default());
        for pair in result.windows(2) {
            joined.join(pair[0], pair[1]);
        }
    }
    for left in 0..=u8::MAX {
        // Within a character.
        (0x80..0xC0).for_each(|right| joined.join(left, right));
    }
    // Line ends and tabs are bytes to these models. A run of them is one look-up instead of many.
    joined.join(b'\n', b'\n');
    joined.join(b'\t', b'\t');
    joined
}

/// What a text is once it is normalised, without what is put before it.
fn normalised(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    put_spaces(text, &mut bytes);
    bytes
}

/// Adds a text with a space for every [`SPACE`].
fn put_spaces(text: &str, bytes: &mut Vec<u8>) {
    let mut start = 0;
    for at in memmem::find_iter(text.as_bytes(), SPACE) {
        bytes.extend_from_slice(&text.as_bytes()[start..at]);
        bytes.push(b' ');
        start = at + SPACE.len();
    }
    bytes.extend_from_slice(&text.as_bytes()[start..]);
}

impl Family for SentencePiece {
    const NAME: &'static str = "sentencepiece-bpe";

    fn text_of(&self, token: &str) -> Option<Vec<u8>> {
        // In a normalised text there is no space but what is written so here.
        (!token.contains(' ')).then(|| normalised(token))
    }

    fn normalise(&self, segment: &str, text: &mut Vec<u8>) {
        text.reserve(segment.len() + 1);
        text.push(b' ');
        put_spaces(segment, text);
    }

    #[inline]
    fn split(&self, text: &[u8], start: usize, end: usize, ends: &mut [usize; BATCH]) -> usize {
        let mut count = 0;
        let mut left = text[start];
        for (right, at) in text[start + 1..end].iter().zip(start + 1..) {
            // Written whether or not it is an end, as a branch would often be guessed wrong.
            ends[count % BATCH] = at;
            count += usize::from(!self.joined.are(left, *right));
            if count == BATCH {
                return count;
            }
            left = *right;
        }
        ends[count % BATCH] = end;
        count + 1
    }

    fn symbols(&self, piece: &[u8], symbols: &mut Vec<u32>) {
        for chunk in piece.utf8_chunks() {
            for character in chunk.valid().chars() {
                match self.ascii.get(character as usize) {
                    Some(symbol) => symbols.push(*symbol),
                    None => self.put_character(character, symbols),
                }
            }
        }
    }
}

impl SentencePiece {
    fn put_character(&self, character: char, symbols: &mut Vec<u32>) {
        match self.characters.get(&character) {
            Some(symbol) => symbols.push(*symbol),
            None => {
                let mut room = [0; 4];
                let bytes = character.encode_utf8(&mut room).bytes();
                symbols.extend(bytes.map(|byte| self.bytes[usize::from(byte)]));
            }
        }
    }
}

#[cfg(test)]
mod tests;
