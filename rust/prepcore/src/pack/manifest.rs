//! The manifest of a token folder, which the trainer and other readers rely on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ledger;
use crate::manifest::InputRecord;
use crate::statistics::Statistics;
use crate::tokenize::SpecialTokens;
use crate::{Error, Result};

/// The `format` of a token folder's manifest.
pub const TOKENS_FORMAT: &str = "prepcore.tokens";

/// The manifest of a token folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    /// [`TOKENS_FORMAT`].
    pub format: String,
    /// 1.
    pub format_version: u32,
    /// The program that wrote the folder.
    pub program: String,
    /// The settings that change the output.
    pub configuration: Value,
    /// The input, by file number.
    pub inputs: Vec<InputRecord>,
    /// The tokenizer used.
    pub tokenizer: TokenizerRecord,
    /// What stands before and after each document, and who said so.
    pub special: SpecialTokens,
    /// What became of a special token's text inside a document: `text` or `parse`.
    pub special_tokens: String,
    /// The encoder that ran.
    pub encoder: EncoderRecord,
    /// `uint16` or `uint32`, little-endian.
    pub dtype: String,
    /// Tokens in a row.
    pub sequence_length: u64,
    /// How documents became rows.
    pub packing: String,
    /// What became of all rows of the input.
    pub counts: Counts,
    /// Rows of the input that could not be read or encoded.
    pub unreadable: u64,
    /// Tokens for each byte of text, special tokens included.
    pub tokens_per_byte: f64,
    /// The training documents.
    #[serde(flatten)]
    pub training: SplitRecord,
    /// The documents held out.
    pub validation: Option<SplitRecord>,
    /// What lies in the token files, in numbers; none for Parquet.
    #[serde(default)]
    pub statistics: Option<Statistics>,
}

/// The tokenizer used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenizerRecord {
    /// Its folder, relative to the token folder.
    pub path: String,
    /// XXH3-128 of its `tokenizer.json`.
    pub fingerprint: String,
    /// The largest id plus one: the rows an embedding needs.
    pub vocabulary_size: u64,
}

/// The encoder that ran, and why its ids can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderRecord {
    /// Its name.
    pub name: String,
    /// Why its ids can be trusted.
    pub proof: String,
}

/// What became of the rows of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read, readable or not.
    pub documents: u64,
    /// Documents packed for training.
    pub training: u64,
    /// Documents held out.
    pub validation: u64,
    /// Rows that could not be read or encoded.
    pub unreadable: u64,
}

impl Counts {
    /// Checks that documents read = training + validation + unreadable.
    ///
    /// # Errors
    /// [`Error::Internal`] with the numbers when they differ.
    pub fn check(&self) -> Result<()> {
        let Self { documents, training, validation, unreadable } = self;
        if *documents == training + validation + unreadable {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "{documents} documents read, but {training} for training + {validation} held out + {unreadable} unreadable"
        )))
    }
}

/// One side of the split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// What became of its tokens.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Its files, in order, relative to the token folder.
    pub files: Vec<TokenFile>,
}

/// A file of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFile {
    /// Relative to the token folder.
    pub path: String,
    /// Tokens in it.
    pub tokens: u64,
    /// Documents that end in it; none for Parquet, whose rows have no document borders.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub documents: Option<u64>,
    /// Rows in it, for Parquet; token files are cut into rows across their borders.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Bytes.
    pub bytes: u64,
    /// `xxh3-128:` and the XXH3-128 of its bytes.
    pub checksum: String,
}
