//! The configuration of `clean`.

use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ByteSize, validate_running};
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
        if let Some(rule) = self.rules.short_lines.on() {
            rule.validate()?;
        }
        if let Some(rule) = self.rules.repetition.on() {
            rule.validate()?;
        }
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

/// The rules that judge a document, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Too few lines, or too few lines of some length.
    pub short_lines: Switch<ShortLines>,
    /// Paragraphs that come again.
    pub repetition: Switch<Repetition>,
}

/// Thresholds of the rule `short_lines`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShortLines {
    /// Lines a document needs, at least 1.
    pub min_lines: u64,
    /// Characters that so many of its lines need.
    pub min_line_chars: u64,
}

impl Default for ShortLines {
    fn default() -> Self {
        Self { min_lines: 3, min_line_chars: 3 }
    }
}

impl ShortLines {
    fn validate(&self) -> Result<()> {
        if self.min_lines == 0 {
            return Err(Error::config("--rules.short-lines.min-lines", "got 0, expected at least 1")
                .hint("`--rules.short-lines off` turns the rule off"));
        }
        Ok(())
    }
}

/// Thresholds of the rule `repetition`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repetition {
    /// Largest share of paragraphs that are repeats.
    pub max_repeated_paragraphs: f64,
    /// Largest share of characters that stand in repeats.
    pub max_repeated_chars: f64,
}

impl Default for Repetition {
    fn default() -> Self {
        Self { max_repeated_paragraphs: 0.3, max_repeated_chars: 0.2 }
    }
}

impl Repetition {
    fn validate(&self) -> Result<()> {
        super::share("--rules.repetition.max-repeated-paragraphs", self.max_repeated_paragraphs)?;
        super::share("--rules.repetition.max-repeated-chars", self.max_repeated_chars)
    }
}

/// A rule's thresholds, or `off`.
#[derive(Clone, Debug, PartialEq)]
pub enum Switch<T> {
    /// The rule judges with these thresholds.
    On(T),
    /// The rule is not used.
    Off,
}

impl<T> Switch<T> {
    /// The thresholds of a rule that is on.
    pub fn on(&self) -> Option<&T> {
        match self {
            Self::On(thresholds) => Some(thresholds),
            Self::Off => None,
        }
    }
}

impl<T: Default> Default for Switch<T> {
    fn default() -> Self {
        Self::On(T::default())
    }
}

impl<T: Serialize> Serialize for Switch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::On(thresholds) => thresholds.serialize(serializer),
            Self::Off => serializer.serialize_str("off"),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(word) if word == "off" => Ok(Self::Off),
            thresholds => serde_json::from_value(thresholds).map(Self::On).map_err(serde::de::Error::custom),
        }
    }
}

/// What makes two documents equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DedupKey {
    /// The same UTF-8 bytes.
    Exact,
    /// The same text once every run of white space is one space and the ends are stripped.
    Whitespace,
    /// That, in lower case.
    Lowercase,
    /// The same value in another column; a null is never a duplicate.
    Column(String),
}

impl fmt::Display for DedupKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => formatter.write_str("exact"),
            Self::Whitespace => formatter.write_str("whitespace"),
            Self::Lowercase => formatter.write_str("lowercase"),
            Self::Column(name) => write!(formatter, "column:{name}"),
        }
    }
}

impl Serialize for DedupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DedupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "exact" => Ok(Self::Exact),
            "whitespace" => Ok(Self::Whitespace),
            "lowercase" => Ok(Self::Lowercase),
            _ => match text.strip_prefix("column:") {
                Some(name) if !name.is_empty() => Ok(Self::Column(name.into())),
                _ => Err(serde::de::Error::custom(format!(
                    "--dedup-key: got {text:?}, expected exact, whitespace, lowercase or column:NAME"
                ))),
            },
        }
    }
}

/// Where the keys already seen are kept. The output is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dedup {
    /// In memory while they fit the budget, then on disk.
    Auto,
    /// In memory; a run whose keys do not fit the budget stops and says so.
    Memory,
    /// On disk, which reads the input twice.
    Disk,
    /// No deduplication.
    Off,
}

/// A step of deduplication on disk, over some of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// All that can be done now.
    Auto,
    /// Writes the keys of the documents that pass the rules.
    Sign,
    /// Finds, key range by key range, which document of each key came first.
    Resolve,
    /// Writes the kept documents.
    Emit,
}

/// One of several processes that work on the same output: the `index`th of `count`, from 1. Written `2/7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Shard {
    /// A run by one process.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Whether the piece of work of this number is this shard's: every `count`th is.
    #[must_use]
    pub fn owns(self, number: usize) -> bool {
        number % self.count == self.index - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let numbers = text.split_once('/').map(|(index, count)| (index.parse(), count.parse()));
        match numbers {
            Some((Ok(index), Ok(count))) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err(serde::de::Error::custom(format!(
                "--shard: got {text:?}, expected i/n with i from 1 to n, such as 2/7"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

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
