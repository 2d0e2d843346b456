//! The configuration of `tokenizer`, which trains one.

use serde::{Deserialize, Serialize};

use super::{ByteSize, validate_running};
use crate::{Error, Result};

/// What a user may set for `tokenizer`. The input and output paths are arguments of the run, not settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokenizer {
    /// The column, or the JSON member, that holds a document's text.
    pub text_column: String,
    /// Entries of the vocabulary: the special tokens, the 256 bytes, and what is learned.
    pub vocabulary_size: u64,
    /// The first begins a document, the second ends it (a single one does both), further ones are reserved.
    pub special_tokens: Vec<String>,
    /// How much text to learn from.
    pub sample: ByteSize,
    /// Read only so many documents.
    pub limit: Option<u64>,
    /// Worker threads; all cores when not given.
    pub threads: Option<usize>,
    /// The memory to stay within.
    pub memory: ByteSize,
    /// The largest share of unreadable rows that still counts as success.
    pub max_unreadable: f64,
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self {
            text_column: "text".into(),
            vocabulary_size: 32_000,
            special_tokens: vec!["<s>".into(), "</s>".into()],
            sample: ByteSize::from_bytes(1 << 30),
            limit: None,
            threads: None,
            memory: ByteSize::from_bytes(1 << 30),
            max_unreadable: 0.001,
        }
    }
}

/// Every byte is a token of its own, so that any text has ids.
pub(crate) const BYTES: u64 = 256;

/// Far above every vocabulary in use (the largest have about 262,000 entries).
const LARGEST_VOCABULARY: u64 = 1 << 24;

impl Tokenizer {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// [`Error::Config`] names the option, the value and the range.
    pub fn validate(&self) -> Result<()> {
        if self.text_column.is_empty() {
            return Err(Error::config("--text-column", "got an empty name, expected the name of a column"));
        }
        for (position, token) in self.special_tokens.iter().enumerate() {
            if token.trim().is_empty() {
                return Err(Error::config(
                    "--special-tokens",
                    "got an empty token, expected such as '<s>,</s>'",
                ));
            }
            if self.special_tokens[..position].contains(token) {
                return Err(Error::config("--special-tokens", format!("{token:?} stands there twice")));
            }
        }
        let smallest = BYTES + self.special_tokens.len() as u64;
        if !(smallest..=LARGEST_VOCABULARY).contains(&self.vocabulary_size) {
            return Err(Error::config(
                "--vocabulary-size",
                format!(
                    "got {}, expected {smallest} (256 bytes and {} special tokens) to {LARGEST_VOCABULARY}",
                    self.vocabulary_size,
                    self.special_tokens.len()
                ),
            ));
        }
        if self.sample.bytes() == 0 {
            return Err(Error::config("--sample", "got 0 bytes, expected a size such as 1GiB"));
        }
        validate_running(self.threads, self.memory, self.max_unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    #[test]
    fn a_default_survives_json() {
        let json = serde_json::to_string(&Tokenizer::default()).unwrap();
        assert_eq!(from_json::<Tokenizer>(&json).unwrap(), Tokenizer::default());
    }

    #[test]
    fn values_out_of_range_are_named() {
        let small = Tokenizer { vocabulary_size: 257, ..Tokenizer::default() };
        let error = small.validate().unwrap_err();
        assert!(
            error.to_string().starts_with("--vocabulary-size: got 257, expected 258 (256 bytes and 2 "),
            "{error}"
        );
        let twice = Tokenizer { special_tokens: vec!["<s>".into(), "<s>".into()], ..Tokenizer::default() };
        assert_eq!(twice.validate().unwrap_err().to_string(), "--special-tokens: \"<s>\" stands there twice");
    }
}
