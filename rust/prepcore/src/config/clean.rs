//! The configuration of `clean`.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    ByteSize, Condition, Dedup, DedupKey, Pack, Packing, Rules, Shard, SpecialTokenText, Step,
    validate_running,
};
use crate::{Error, Result};

/// The word that keeps every language.
pub(crate) const ALL_LANGUAGES: &str = "all";

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
    /// The languages to keep, `en` as the model's `__label__en`; none: those of the profile; `all`: every one.
    pub language: Vec<String>,
    /// The score that the language found must be above.
    pub min_language_score: f64,
    /// The fastText model that tells languages.
    pub language_model: Option<PathBuf>,
    /// A fastText model that scores documents.
    pub classifier: Option<PathBuf>,
    /// The classifier's label whose score counts.
    pub label: Option<String>,
    /// The least score of that label.
    pub min_score: Option<f64>,
    /// The greatest score of that label.
    pub max_score: Option<f64>,
    /// Write what the models found beside each document.
    pub keep_scores: bool,
    /// A condition over all columns.
    #[serde(rename = "where")]
    pub condition: Option<Condition>,
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
    /// A `tokenizer.json`, or a folder that holds one: what is kept is packed into a token folder in the same pass.
    pub tokenizer: Option<PathBuf>,
    /// Token ids in a row, as [`super::Pack`] has it; so with what follows.
    pub sequence_length: u64,
    /// How documents become rows.
    pub packing: Packing,
    /// What stands before each document.
    pub bos: String,
    /// What stands after each document.
    pub eos: String,
    /// What becomes of a special token's text inside a document.
    pub special_tokens: SpecialTokenText,
    /// The share of documents held out for validation.
    pub validation: f64,
    /// Whether the kept documents are written beside their tokens.
    pub keep_text: bool,
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
        let pack = Pack::default();
        Self {
            text_column: "text".into(),
            columns: Columns::All,
            format: OutputFormat::Auto,
            compression_level: 3,
            profile: Profile::Basic,
            rules: Rules::default(),
            language: Vec::new(),
            min_language_score: 0.4,
            language_model: None,
            classifier: None,
            label: None,
            min_score: None,
            max_score: None,
            keep_scores: false,
            condition: None,
            dedup_key: DedupKey::Exact,
            dedup: Dedup::Auto,
            against: Vec::new(),
            keep_dropped: false,
            skip_corrupt: false,
            tokenizer: None,
            sequence_length: pack.sequence_length,
            packing: pack.packing,
            bos: pack.bos,
            eos: pack.eos,
            special_tokens: pack.special_tokens,
            validation: pack.validation,
            keep_text: false,
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
        self.validate_models()?;
        self.validate_packing()?;
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

    /// The languages to keep: those named, else the profile's. None: languages are not looked at.
    #[must_use]
    pub fn languages(&self) -> Vec<String> {
        if self.language.is_empty() {
            self.profile.languages().iter().map(|&language| language.to_owned()).collect()
        } else {
            self.language.clone()
        }
    }

    fn validate_models(&self) -> Result<()> {
        super::share("--min-language-score", self.min_language_score)?;
        let languages = self.languages();
        if self.language_model.is_some() && languages.is_empty() {
            return Err(Error::config("--language-model", "has no effect without --language")
                .hint("`--language all` keeps every language, `--keep-scores` writes what was found"));
        }
        if languages.len() > 1 && languages.iter().any(|language| language == ALL_LANGUAGES) {
            return Err(Error::config("--language", "got `all` together with other languages"));
        }
        let bounded = self.min_score.is_some() || self.max_score.is_some();
        match (&self.classifier, &self.label) {
            (None, None) if bounded => {
                let option = if self.min_score.is_some() { "--min-score" } else { "--max-score" };
                Err(Error::config(option, "has no effect without --classifier"))
            }
            (None, Some(_)) => Err(Error::config("--label", "has no effect without --classifier")),
            (Some(_), None) => {
                Err(Error::config("--label", "must be given with --classifier: the label whose score counts"))
            }
            (Some(_), Some(_)) if !bounded && !self.keep_scores => Err(Error::config(
                "--classifier",
                "has no effect without --min-score, --max-score or --keep-scores",
            )),
            (None, None) if self.keep_scores && languages.is_empty() => {
                Err(Error::config("--keep-scores", "has no effect without --language or --classifier"))
            }
            _ => Ok(()),
        }
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
    /// These and English with a score above 0.4: what "Pretraining LLMs" (DeepLearning.AI and Upstage, 2024) does.
    Course,
}

impl Profile {
    /// The languages that it keeps where the user names none; none: languages are not looked at.
    #[must_use]
    pub fn languages(self) -> &'static [&'static str] {
        match self {
            Self::Basic => &[],
            Self::Course => &["en"],
        }
    }
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
