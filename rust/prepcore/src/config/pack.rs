//! The configuration of `pack`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ByteSize, validate_running};
use crate::{Error, Result};

/// What a user may set for `pack`. The input and output paths are arguments of the run, not settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pack {
    /// A `tokenizer.json`, or a folder that holds one.
    pub tokenizer: PathBuf,
    /// The column, or the JSON member, that holds a document's text.
    pub text_column: String,
    /// Token ids in a row.
    pub sequence_length: u64,
    /// How documents become rows.
    pub packing: Packing,
    /// What stands before each document: `auto`, `none`, a token or an id.
    pub bos: String,
    /// What stands after each document: `auto`, `none`, a token or an id.
    pub eos: String,
    /// What becomes of a special token's text inside a document.
    pub special_tokens: SpecialTokenText,
    /// The share of documents held out for validation.
    pub validation: f64,
    /// The layout of the output.
    pub format: TokenFormat,
    /// The order of the training documents.
    pub order: DocumentOrder,
    /// The seed of everything random; packing in input order draws nothing.
    pub seed: u64,
    /// Read only so many documents.
    pub limit: Option<u64>,
    /// Whether an output folder that was made by other settings is emptied first.
    pub overwrite: bool,
    /// Worker threads; all cores when not given.
    pub threads: Option<usize>,
    /// The memory to stay within.
    pub memory: ByteSize,
    /// The largest share of unreadable rows that still counts as success.
    pub max_unreadable: f64,
}

impl Default for Pack {
    fn default() -> Self {
        Self {
            tokenizer: PathBuf::new(),
            text_column: "text".into(),
            sequence_length: 2048,
            packing: Packing::Concatenate,
            bos: "auto".into(),
            eos: "auto".into(),
            special_tokens: SpecialTokenText::Text,
            validation: 0.0,
            format: TokenFormat::Tokens,
            order: DocumentOrder::Input,
            seed: 0,
            limit: None,
            overwrite: false,
            threads: None,
            memory: ByteSize::from_bytes(1 << 30),
            max_unreadable: 0.001,
        }
    }
}

/// The longest row: four times the longest context that Llama models are trained with.
const LONGEST_ROW: u64 = 1 << 22;

impl Pack {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// [`Error::Config`] names the option, the value and the range.
    pub fn validate(&self) -> Result<()> {
        if self.tokenizer.as_os_str().is_empty() {
            return Err(Error::config(
                "--tokenizer",
                "got nothing, expected a tokenizer.json or a folder with one",
            ));
        }
        if self.text_column.is_empty() {
            return Err(Error::config("--text-column", "got an empty name, expected the name of a column"));
        }
        if !(2..=LONGEST_ROW).contains(&self.sequence_length) {
            return Err(Error::config(
                "--sequence-length",
                format!("got {}, expected 2 to {LONGEST_ROW} tokens a row", self.sequence_length),
            ));
        }
        for (option, value) in [("--bos", &self.bos), ("--eos", &self.eos)] {
            if value.is_empty() {
                return Err(Error::config(option, "got nothing, expected `auto`, `none`, a token or an id"));
            }
        }
        if !(0.0..1.0).contains(&self.validation) {
            return Err(Error::config(
                "--validation",
                format!("got {}, expected a share from 0 to less than 1", self.validation),
            ));
        }
        let unlike = [
            ("--packing", "best-fit", self.packing == Packing::BestFit),
            ("--order", "shuffled", self.order == DocumentOrder::Shuffled),
        ];
        for (option, value, _) in unlike.iter().filter(|(.., asked)| *asked) {
            if self.format == TokenFormat::Parquet {
                return Err(Error::config(
                    *option,
                    format!("got {value} with --format parquet, expected --format tokens"),
                )
                .hint("rows of a Parquet file are cut as documents come; this is done to token files"));
            }
        }
        validate_running(self.threads, self.memory, self.max_unreadable)
    }
}

/// How documents become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// All documents joined in order and cut every `sequence_length` tokens.
    Concatenate,
    /// Whole documents side by side, cut only where one is longer than a row; what stays free is padding.
    BestFit,
}

/// The order of the training documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentOrder {
    /// That of the input.
    Input,
    /// One drawn from the seed, by document.
    Shuffled,
}

/// What becomes of a special token's text, such as a literal `</s>`, inside a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecialTokenText {
    /// It is text like any other, so no document can inject an end of document.
    Text,
    /// It becomes the special token's id, as the `tokenizers` library does by default.
    Parse,
}

/// The layout of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// Raw token files with the ends of the documents beside them.
    Tokens,
    /// Parquet files with a list of `sequence_length` ids a row.
    Parquet,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    #[test]
    fn a_default_survives_json() {
        let json = serde_json::to_string(&Pack::default()).unwrap();
        assert_eq!(from_json::<Pack>(&json).unwrap(), Pack::default());
    }

    #[test]
    fn values_out_of_range_are_named() {
        let good = Pack { tokenizer: "tokenizer.json".into(), ..Pack::default() };
        assert!(good.validate().is_ok());
        for (bad, start) in [
            (Pack::default(), "--tokenizer: got nothing"),
            (Pack { sequence_length: 1, ..good.clone() }, "--sequence-length: got 1, expected 2 to"),
            (Pack { validation: 1.0, ..good.clone() }, "--validation: got 1, expected a share"),
            (Pack { validation: f64::NAN, ..good.clone() }, "--validation: got NaN"),
            (Pack { eos: String::new(), ..good.clone() }, "--eos: got nothing"),
            (Pack { threads: Some(0), ..good.clone() }, "--threads: got 0"),
            (
                Pack { packing: Packing::BestFit, format: TokenFormat::Parquet, ..good.clone() },
                "--packing: got best-fit with --format parquet",
            ),
            (
                Pack { order: DocumentOrder::Shuffled, format: TokenFormat::Parquet, ..good.clone() },
                "--order: got shuffled with --format parquet",
            ),
        ] {
            let error = bad.validate().unwrap_err();
            assert!(error.to_string().starts_with(start), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
