//! Cleaning and packing in one pass: `pack` within the configuration of `clean`.

use super::{Clean, Columns, DedupKey, OutputFormat, Pack};
use crate::{Error, Result};

/// The settings of `clean` that only packing looks at, and [`Clean::keep_text`].
const OF_PACKING: [&str; 8] =
    ["tokenizer", "sequence_length", "packing", "bos", "eos", "special_tokens", "validation", "keep_text"];

impl Clean {
    /// How what is kept is packed in the same pass; `None` where it is not.
    #[must_use]
    pub fn pack(&self) -> Option<Pack> {
        Some(Pack {
            tokenizer: self.tokenizer.clone()?,
            text_column: self.text_column.clone(),
            sequence_length: self.sequence_length,
            packing: self.packing,
            bos: self.bos.clone(),
            eos: self.eos.clone(),
            special_tokens: self.special_tokens,
            validation: self.validation,
            limit: self.limit,
            overwrite: self.overwrite,
            threads: self.threads,
            memory: self.memory,
            max_unreadable: self.max_unreadable,
            ..Pack::default()
        })
    }

    /// Whether the kept documents are written.
    #[must_use]
    pub fn writes_text(&self) -> bool {
        self.tokenizer.is_none() || self.keep_text
    }

    /// The columns to read: where no document is written, those that something looks at.
    #[must_use]
    pub fn read_columns(&self) -> Columns {
        let looked_at = self.writes_text() || self.keep_dropped || self.condition.is_some();
        match &self.dedup_key {
            _ if looked_at => self.columns.clone(),
            DedupKey::Column(key) => Columns::Named(vec![self.text_column.clone(), key.clone()]),
            _ => Columns::Named(vec![self.text_column.clone()]),
        }
    }

    /// Takes the settings of packing away: what is left a run of `clean` alone would have.
    pub(crate) fn without_packing(settings: &mut serde_json::Map<String, serde_json::Value>) {
        for name in OF_PACKING {
            settings.shift_remove(name);
        }
    }

    pub(super) fn validate_packing(&self) -> Result<()> {
        let without =
            |option: &str, other: &str| Err(Error::config(option, format!("has no effect without {other}")));
        let Some(pack) = self.pack() else {
            let default = Self::default();
            let given = [
                ("--sequence-length", self.sequence_length != default.sequence_length),
                ("--bos", self.bos != default.bos),
                ("--eos", self.eos != default.eos),
                ("--special-tokens", self.special_tokens != default.special_tokens),
                ("--validation", self.validation != default.validation),
                ("--keep-text", self.keep_text),
            ];
            return match given.iter().find(|(_, given)| *given) {
                Some((option, _)) => without(option, "--tokenizer"),
                None => Ok(()),
            };
        };
        if !self.keep_text {
            if self.format != OutputFormat::Auto {
                return without("--format", "--keep-text: beside --tokenizer no documents are written");
            }
            if self.keep_scores {
                return without("--keep-scores", "--keep-text: beside --tokenizer no documents are written");
            }
        }
        pack.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_without_effect_are_refused() {
        for (clean, said) in [
            (
                Clean { validation: 0.1, ..Clean::default() },
                "--validation: has no effect without --tokenizer",
            ),
            (Clean { keep_text: true, ..Clean::default() }, "--keep-text: has no effect without --tokenizer"),
            (
                Clean { tokenizer: Some("t".into()), format: OutputFormat::Jsonl, ..Clean::default() },
                "--format: has no effect without --keep-text",
            ),
            (
                Clean { tokenizer: Some("t".into()), sequence_length: 1, ..Clean::default() },
                "--sequence-length: got 1",
            ),
        ] {
            let error = clean.validate().unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        Clean { tokenizer: Some("t".into()), validation: 0.1, ..Clean::default() }.validate().unwrap();
    }

    #[test]
    fn only_what_is_looked_at_is_read() {
        let packing = Clean { tokenizer: Some("t".into()), ..Clean::default() };
        assert_eq!(packing.read_columns(), Columns::Named(vec!["text".into()]));
        assert_eq!(Clean { keep_text: true, ..packing.clone() }.read_columns(), Columns::All);
        assert_eq!(Clean::default().read_columns(), Columns::All);
        let by_column = Clean { dedup_key: DedupKey::Column("id".into()), ..packing };
        assert_eq!(by_column.read_columns(), Columns::Named(vec!["text".into(), "id".into()]));
    }
}
