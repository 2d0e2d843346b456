//! The byte-level family: texts cut into the pieces that its regular expressions cut, without the expressions.
//!
//! A piece is merged by itself, so ids are the library's as soon as pieces are. Each pattern here is written by hand for
//! one expression and used for that one alone, compared letter by letter; any other pre-tokenizer is left to the
//! reference. Unlike the library's expressions these never give up: Llama-3's fails there on 12 million spaces.

mod block;
mod classes;
mod family;
mod gpt2;
mod llama3;
mod nfc;
mod runs;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;

use tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split as Expression, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use block::BLOCK;
pub(super) use family::open;
use gpt2::Gpt2;
use llama3::Llama3;
use nfc::composed;

/// Cuts a text into pieces, from its start to its end.
trait Split: Copy {
    /// Where pieces start in a block at whose first byte one starts: a bit for each byte, but none for the first.
    ///
    /// Up to the last bit that is set all starts are there; beyond it nothing is said. The text may go on after the
    /// block in any way, and end with it.
    fn starts(self, bytes: &[u8; BLOCK]) -> u64;

    /// Where the piece ends that begins at a position: a position beyond it.
    ///
    /// `text` has to be UTF-8, and `start` the place of a character in it where the text or a piece begins.
    fn end(self, text: &[u8], start: usize) -> usize;
}

/// Where the next pieces of a text end: fills `ends` from the front and gives their number.
///
/// By blocks, and piece by piece where a block says nothing: at other characters than ASCII's, where a piece is longer than
/// a block, and near the end.
#[inline]
fn next_ends<const COUNT: usize>(
    split: impl Split,
    text: &[u8],
    start: usize,
    ends: &mut [usize; COUNT],
) -> usize {
    let (mut count, mut at) = (0, start);
    while at < text.len() {
        let block = text[at..].first_chunk::<BLOCK>().filter(|_| text[at].is_ascii());
        let mut starts = block.map_or(0, |block| split.starts(block));
        if starts == 0 {
            at = split.end(text, at);
            ends[count] = at;
            count += 1;
            if count == COUNT {
                return COUNT;
            }
            continue;
        }
        let block = at;
        while starts != 0 {
            at = block + starts.trailing_zeros() as usize;
            starts &= starts - 1;
            ends[count] = at;
            count += 1;
            if count == COUNT {
                return COUNT;
            }
        }
    }
    count
}

/// A pre-tokenizer that is known here.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// GPT-2, OLMo, NeoX, Pythia.
    Gpt2(Gpt2<false>),
    /// The same after `Digits`: SmolLM2, StarCoder.
    DigitsGpt2(Gpt2<true>),
    /// Llama-3, GPT-4, OLMo-2.
    Llama3(Llama3<3>),
    /// Qwen-2, 2.5 and 3.
    Qwen2(Llama3<1>),
}

/// A pattern, and whether a space comes before each text that does not begin with one.
#[derive(Clone, Copy, Debug)]
struct ByteLevelSplitter {
    pattern: Pattern,
    add_prefix_space: bool,
}

impl ByteLevelSplitter {
    /// What the library would do, or nothing when it is anything that is not known here.
    fn recognised(pre_tokenizer: &PreTokenizerWrapper) -> Option<Self> {
        let (pattern, add_prefix_space) = match steps(pre_tokenizer) {
            [PreTokenizerWrapper::ByteLevel(bytes @ ByteLevel { use_regex: true, .. })] => {
                (Pattern::Gpt2(Gpt2::new()), bytes.add_prefix_space)
            }
            [
                PreTokenizerWrapper::Digits(digits),
                PreTokenizerWrapper::ByteLevel(ByteLevel {
                    use_regex: true, add_prefix_space: false, ..
                }),
            ] if digits.individual_digits => (Pattern::DigitsGpt2(Gpt2::new()), false),
            [
                PreTokenizerWrapper::Split(split),
                PreTokenizerWrapper::ByteLevel(ByteLevel {
                    use_regex: false, add_prefix_space: false, ..
                }),
            ] => (of_expression(split)?, false),
            _ => return None,
        };
        Some(Self { pattern, add_prefix_space })
    }
}

fn steps(pre_tokenizer: &PreTokenizerWrapper) -> &[PreTokenizerWrapper] {
    match pre_tokenizer {
        PreTokenizerWrapper::Sequence(sequence) => sequence.as_ref(),
        one => std::slice::from_ref(one),
    }
}

fn of_expression(split: &Expression) -> Option<Pattern> {
    // The expressions match every character, so that what they match is kept apart by either; `Isolated` keeps what
    // they do not match as well.
    let all_kept = match split.behavior {
        SplitDelimiterBehavior::Isolated => true,
        SplitDelimiterBehavior::Removed => split.invert,
        _ => false,
    };
    let SplitPattern::Regex(expression) = &split.pattern else { return None };
    match expression.as_str() {
        _ if !all_kept => None,
        llama3::EXPRESSION => Some(Pattern::Llama3(Llama3::new())),
        llama3::QWEN2 => Some(Pattern::Qwen2(Llama3::new())),
        gpt2::EXPRESSION => Some(Pattern::Gpt2(Gpt2::new())),
        _ => None,
    }
}
