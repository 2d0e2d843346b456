//! The configuration of `clean`.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ByteSize, Dedup, DedupKey, Rules, Shard, Step, validate_running};
use crate::{Error, Result};

/// What a user may set for `clean`. The input and output paths are arguments of the run, not settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clean {
    /// The column, or the JSON member, that holds a document's text.
    pub text_column: String,
    /// The columns to keep.
    pub columns: Columns,
    /// How the kept documents are written.
    pub format: OutputFormat,
    /// The Zstandard level of what is written, 1 to 22.
    pub compression_level: i32,
    /// A named set of rules.
    pub profile: Profile,
    /// The thresholds of each rule, or `off`.
    pub rules: Rules,
    /// What makes two documents equal.
    pub dedup_key: DedupKey,
    /// Where the keys already seen are kept.
    pub dedup: Dedup,
    /// Cleaned folders whose documents are dropped from this input too.
    pub against: Vec<PathBuf>,
    /// Write the dropped documents too, beside the reason.
    pub keep_dropped: bool,
    /// Count what is damaged in Parquet files instead of ending the run.
    pub skip_corrupt: bool,
    /// Read only so many documents.
    pub limit: Option<u64>,
    /// The share of the parts that this process works on, where several work together.
    pub shard: Option<Shard>,
    /// The step that this process does, where they are given one by one.
    pub step: Step,
    /// Whether an output folder that was made by other settings is emptied first.
    pub overwrite: bool,
    /// Worker threads; all cores when not given.
    pub threads: Option<usize>,
    /// The memory to stay within.
    pub memory: ByteSize,
    /// The largest share of unreadable rows that still counts as success.
    pub max_unreadable: f64,
}

impl Default for Clean {
    fn default() -> Self {
        Self {
            text_column: "text".into(),
            columns: Columns::All,
            format: OutputFormat::Auto,
            compression_level: 3,
            profile: Profile::Basic,
            rules: Rules::default(),
            dedup_key: DedupKey::Exact,
            dedup: Dedup::Auto,
            against: Vec::new(),
            keep_dropped: false,
            skip_corrupt: false,
            limit: None,
            shard: None,
            step: Step::Auto,
            overwrite: false,
            threads: None,
            memory: ByteSize::from_bytes(1 << 30),
            max_unreadable: 0.001,
        }
    }
}

impl Clean {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// [`Error::Config`] names the option, the value and the range.
    pub fn validate(&self) -> Result<()> {
        if self.text_column.is_empty() {
            return Err(Error::config("--text-column", "got an empty name, expected the name of a column"));
        }
        if let Columns::Named(names) = &self.columns
            && !names.contains(&self.text_column)
        {
            return Err(Error::config(
                "--columns",
                format!("the list lacks the text column {:?}", self.text_column),
            )
            .hint("add it, or name another with --text-column"));
        }
        if !(1..=22).contains(&self.compression_level) {
            return Err(Error::config(
                "--compression-level",
                format!("got {}, expected a Zstandard level from 1 to 22", self.compression_level),
            ));
        }
        self.rules.validate()?;
        if self.dedup == Dedup::Off && !self.against.is_empty() {
            return Err(
                Error::config("--against", "has no effect with --dedup off").hint("leave one of them out")
            );
        }
        let together = self.shard.is_some_and(|shard| shard.count > 1);
        if self.dedup == Dedup::Memory && together {
            let message = "the keys of several shards meet on disk; got --dedup memory with --shard";
            return Err(Error::config("--dedup", message).hint("leave --dedup out"));
        }
        if self.overwrite && together {
            let message = "each of several shards would take away what the others have done";
            return Err(
                Error::config("--overwrite", message).hint("remove the folder, then start the shards")
            );
        }
        if self.step != Step::Auto && !(together || self.dedup == Dedup::Disk) {
            return Err(Error::config(
                "--step",
                "a run that is neither sharded nor --dedup disk has one step",
            ));
        }
        validate_running(self.threads, self.memory, self.max_unreadable)
    }
}

/// The columns of the input that the output holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Every column.
    All,
    /// These, in the input's order.
    Named(Vec<String>),
}

impl Columns {
    /// Whether a column is kept.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|named| named == name),
        }
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Named(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(word) if word == "all" => Ok(Self::All),
            other => serde_json::from_value(other)
                .map(Self::Named)
                .map_err(|_| serde::de::Error::custom("--columns: expected `all` or a list of column names")),
        }
    }
}

/// How the kept documents are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputFormat {
    /// As the input: Parquet and text files become Parquet, JSONL becomes `jsonl.zst`.
    #[serde(rename = "auto")]
    Auto,
    /// Parquet, Zstandard inside.
    #[serde(rename = "parquet")]
    Parquet,
    /// A JSON object a line.
    #[serde(rename = "jsonl")]
    Jsonl,
    /// The same, gzip.
    #[serde(rename = "jsonl.gz")]
    JsonlGzip,
    /// The same, Zstandard.
    #[serde(rename = "jsonl.zst")]
    JsonlZstd,
}

/// A named set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Rules 1 to 4: short lines, repetition, exact duplicates.
    Basic,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Repetition, Switch, from_json};

    #[test]
    fn a_default_survives_json() {
        let json = serde_json::to_string(&Clean::default()).unwrap();
        assert_eq!(from_json::<Clean>(&json).unwrap(), Clean::default());
    }

    #[test]
    fn a_rule_can_be_turned_off() {
        let clean: Clean = from_json(r#"{"rules": {"short_lines": "off"}}"#).unwrap();
        assert_eq!(clean.rules.short_lines, Switch::Off);
        assert_eq!(clean.rules.repetition, Switch::On(Repetition::default()));
    }

    #[test]
    fn unknown_fields_and_values_out_of_range_are_named() {
        let error = from_json::<Clean>(r#"{"rules": {"short_lines": {"min_line": 3}}}"#).unwrap_err();
        assert!(error.to_string().contains("min_line"), "{error}");
        let error = from_json::<Clean>(r#"{"shard": "8/7"}"#).unwrap_err();
        assert!(error.to_string().contains("--shard: got \"8/7\", expected i/n"), "{error}");
        let error = Clean { threads: Some(0), ..Clean::default() }.validate().unwrap_err();
        assert!(error.to_string().starts_with("--threads: got 0"), "{error}");
        let repetition = Switch::On(Repetition { max_repeated_chars: 2.0, ..Repetition::default() });
        let rules = Rules { repetition, ..Rules::default() };
        let error = Clean { rules, ..Clean::default() }.validate().unwrap_err();
        assert!(error.to_string().starts_with("--rules.repetition.max-repeated-chars: got 2"), "{error}");
    }
}
