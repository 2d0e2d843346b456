//! The byte-level family as the shared encoder wants it.

use tokenizers::{ModelWrapper, NormalizerWrapper};

use super::{ByteLevelSplitter, Pattern, Split, composed, next_ends};
use crate::config::SpecialTokenText;
use crate::tokenize::fast::added::Added;
use crate::tokenize::fast::definition::Definition;
use crate::tokenize::fast::encoder::Fast;
use crate::tokenize::fast::family::{BATCH, Family};
use crate::tokenize::fast::merges::{Merges, NONE};
use crate::tokenize::fast::proof::proven;
use crate::tokenize::{Encode, Reference, TokenizerFolder};

/// Pieces by a pattern, symbols by bytes.
struct ByteLevel<S> {
    split: S,
    add_prefix_space: bool,
    /// Whether texts are composed (NFC) first.
    composes: bool,
    /// The symbol of each byte, [`NONE`] where the vocabulary has none: the library drops such bytes.
    symbols: [u32; 256],
    /// The byte that a character of a token stands for.
    bytes: [Option<u8>; ALPHABET],
}

/// Characters of tokens are below this: 188 stand for themselves, the others for what 256 and on are given to.
const ALPHABET: usize = 256 + 68;

/// The proven encoder of a tokenizer of this family.
///
/// # Errors
/// What keeps the tokenizer from being one of them:
/// - another pre-tokenizer than those of [`ByteLevelSplitter::recognised`], another normaliser than none or NFC;
/// - bytes that the vocabulary lacks and that become something (an unknown token, byte fallback) instead of nothing;
/// - a space put before each text and added tokens that are only found once a text is normalised;
/// - added tokens with properties that are not known.
pub(in crate::tokenize::fast) fn open(
    folder: &TokenizerFolder,
    special: SpecialTokenText,
    reference: &Reference,
) -> Result<Box<dyn Encode>, String> {
    let pre_tokenizer = folder.tokenizer.get_pre_tokenizer().ok_or("it has no pre-tokenizer")?;
    let ByteLevelSplitter { pattern, add_prefix_space } = ByteLevelSplitter::recognised(pre_tokenizer)
        .ok_or("its pre-tokenizer is none that a fast encoder knows")?;
    let composes = match folder.tokenizer.get_normalizer() {
        None => false,
        Some(NormalizerWrapper::NFC(_)) => true,
        Some(_) => return Err("its normalizer is neither none nor NFC".into()),
    };
    let mut added = Added::read(folder, special, |token| match composes {
        true => composed(token).into_owned().into_bytes(),
        false => token.as_bytes().to_vec(),
    })?;
    // Without a normaliser both kinds are found in the same text.
    if !composes && added.raw.is_none() {
        added.raw = added.normalised.take();
    }
    if add_prefix_space && added.normalised.is_some() {
        return Err(
            "it puts a space before each text, and has added tokens that are found in normalised text".into(),
        );
    }
    let definition = Definition::read(folder)?;
    let bytes = bytes_of_characters();
    let (merges, symbols) = symbols(folder, &definition, &bytes)?;
    macro_rules! encoder {
        ($split:expr) => {{
            let family = ByteLevel { split: $split, add_prefix_space, composes, symbols, bytes };
            let fast = Fast::new(family, &definition, merges, added, folder.vocabulary_size())?;
            proven(fast, folder, reference)
        }};
    }
    match pattern {
        Pattern::Gpt2(split) => encoder!(split),
        Pattern::DigitsGpt2(split) => encoder!(split),
        Pattern::Llama3(split) => encoder!(split),
        Pattern::Qwen2(split) => encoder!(split),
    }
}

/// The merges, and the symbol of each byte.
fn symbols(
    folder: &TokenizerFolder,
    definition: &Definition<'_>,
    bytes: &[Option<u8>; ALPHABET],
) -> Result<(Merges, [u32; 256]), String> {
    let mut ids = [None; 256];
    for (character, byte) in
        (0..).zip(bytes).filter_map(|(number, byte)| Some((char::from_u32(number)?, (*byte)?)))
    {
        let token = character.encode_utf8(&mut [0; 4]).to_owned();
        ids[usize::from(byte)] = definition.vocabulary.get(token.as_str()).copied();
    }
    if let Some(lacking) = ids.iter().position(Option::is_none) {
        let unknown = match folder.tokenizer.get_model() {
            ModelWrapper::BPE(model) => model.unk_token.is_some(),
            _ => true,
        };
        if unknown || definition.byte_fallback {
            return Err(format!(
                "the vocabulary lacks the byte 0x{lacking:02X}, which becomes another token"
            ));
        }
    }
    let first: Vec<u32> = ids.iter().copied().flatten().collect();
    let merges = Merges::new(definition, &first)?;
    let symbols = ids.map(|id| id.map_or(NONE, |id| merges.symbol(id)));
    Ok((merges, symbols))
}

/// The bytes that characters of tokens stand for. Visible characters of Latin-1 stand for themselves; for the other
/// bytes, in their order, stand the characters from U+0100 on (`bytes_to_unicode` of GPT-2's `encoder.py`).
fn bytes_of_characters() -> [Option<u8>; ALPHABET] {
    let mut bytes = [None; ALPHABET];
    let mut next = 256;
    for byte in 0..=u8::MAX {
        if matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) {
            bytes[usize::from(byte)] = Some(byte);
        } else {
            bytes[next] = Some(byte);
            next += 1;
        }
    }
    bytes
}

impl<S: Split + Send + Sync> Family for ByteLevel<S> {
    const NAME: &'static str = "byte-level-bpe";

    fn text_of(&self, token: &str) -> Option<Vec<u8>> {
        token.chars().map(|character| self.bytes.get(character as usize).copied().flatten()).collect()
    }

    fn normalise(&self, segment: &str, text: &mut Vec<u8>) {
        if self.composes {
            self.put(&composed(segment), text);
        } else {
            self.put(segment, text);
        }
    }

    #[inline]
    fn split(&self, text: &[u8], start: usize, end: usize, ends: &mut [usize; BATCH]) -> usize {
        next_ends(self.split, &text[..end], start, ends)
    }

    fn symbols(&self, piece: &[u8], symbols: &mut Vec<u32>) {
        let all = piece.iter().map(|byte| self.symbols[usize::from(*byte)]);
        symbols.extend(all.filter(|symbol| *symbol != NONE));
    }
}

impl<S> ByteLevel<S> {
    fn put(&self, segment: &str, text: &mut Vec<u8>) {
        text.reserve(segment.len() + 1);
        if self.add_prefix_space && !segment.starts_with(' ') {
            text.push(b' ');
        }
        text.extend_from_slice(segment.as_bytes());
    }
}
