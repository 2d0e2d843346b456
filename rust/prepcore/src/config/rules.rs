//! The rules and their thresholds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Switch;
use crate::{Error, Result};

/// The rules that rewrite and those that judge, each with its thresholds or off.
///
/// Rewriting rules come before judging ones; within their phase they come in the order of these fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Names of rules that come first in their phase, in this order.
    pub order: Vec<String>,
    /// Rewrites: normalization of Unicode, and control characters.
    pub unicode: Switch<Unicode>,
    /// Rewrites: personal data become placeholders.
    pub redact: Switch<Redact>,
    /// Judges: too few lines, or too few lines of some length.
    pub short_lines: Switch<ShortLines>,
    /// Judges: paragraphs that come again.
    pub repetition: Switch<Repetition>,
    /// Judges: characters and words of a document.
    pub length: Switch<Length>,
    /// Judges: words of a list.
    pub words: Switch<Words>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            unicode: Switch::Off,
            redact: Switch::Off,
            short_lines: Switch::default(),
            repetition: Switch::default(),
            length: Switch::Off,
            words: Switch::Off,
        }
    }
}

impl Rules {
    /// Every rule, in the order of its phase.
    pub const NAMES: [&str; 6] = ["unicode", "redact", "short_lines", "repetition", "length", "words"];

    pub(crate) fn validate(&self) -> Result<()> {
        for (at, name) in self.order.iter().enumerate() {
            if !Self::NAMES.contains(&name.as_str()) {
                let known = Self::NAMES.join(", ");
                return Err(Error::config(
                    "--rules.order",
                    format!("got {name:?}, expected some of {known}"),
                ));
            }
            if self.order[..at].contains(name) {
                return Err(Error::config("--rules.order", format!("{name:?} is named twice")));
            }
        }
        self.short_lines.on().map_or(Ok(()), ShortLines::validate)?;
        self.repetition.on().map_or(Ok(()), Repetition::validate)?;
        self.length.on().map_or(Ok(()), Length::validate)?;
        self.words.on().map_or(Ok(()), Words::validate)
    }
}

/// Options of the rule `unicode`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Unicode {
    /// The normalization form that texts get.
    pub form: NormalizationForm,
    /// What becomes of control characters.
    pub control: ControlCharacters,
}

impl Default for Unicode {
    fn default() -> Self {
        Self { form: NormalizationForm::Nfc, control: ControlCharacters::Remove }
    }
}

/// A normalization form of Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormalizationForm {
    /// The text's own.
    Keep,
    /// Canonical composition.
    Nfc,
    /// Compatibility composition: ligatures, full-width forms and superscripts become plain.
    Nfkc,
}

/// What becomes of control characters other than tab, line feed and carriage return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlCharacters {
    /// They stay.
    Keep,
    /// They go.
    Remove,
}

/// Options of the rule `redact`: which kinds of personal data become placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redact {
    /// E-mail addresses.
    pub email: bool,
    /// IPv4 and IPv6 addresses.
    pub ip: bool,
    /// Telephone numbers.
    pub telephone: bool,
    /// Numbers of payment cards.
    pub card: bool,
    /// International bank account numbers.
    pub iban: bool,
    /// Keys and tokens of well-known shapes.
    pub secret: bool,
}

impl Default for Redact {
    fn default() -> Self {
        Self { email: true, ip: true, telephone: true, card: true, iban: true, secret: true }
    }
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

/// Thresholds of the rule `length`; none of them by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Length {
    /// Fewest characters.
    pub min_chars: Option<u64>,
    /// Most characters.
    pub max_chars: Option<u64>,
    /// Fewest words.
    pub min_words: Option<u64>,
    /// Most words.
    pub max_words: Option<u64>,
}

impl Length {
    fn validate(&self) -> Result<()> {
        for (unit, min, max) in
            [("chars", self.min_chars, self.max_chars), ("words", self.min_words, self.max_words)]
        {
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                let message = format!("got {max}, which is below --rules.length.min-{unit} {min}");
                return Err(Error::config(format!("--rules.length.max-{unit}"), message));
            }
        }
        Ok(())
    }
}

/// Thresholds of the rule `words`. Without any, one word of the list is one too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// The list: a word or phrase a line, UTF-8.
    pub file: PathBuf,
    /// Most occurrences in a document.
    pub max_count: Option<u64>,
    /// Largest share of a document's words that are of the list.
    pub max_share: Option<f64>,
    /// Whether upper and lower case are the same.
    pub ignore_case: bool,
}

impl Default for Words {
    fn default() -> Self {
        Self { file: PathBuf::new(), max_count: None, max_share: None, ignore_case: true }
    }
}

impl Words {
    fn validate(&self) -> Result<()> {
        if self.file.as_os_str().is_empty() {
            return Err(Error::config("--rules.words.file", "must be given for the rule `words`")
                .hint("a file with a word or phrase a line"));
        }
        self.max_share.map_or(Ok(()), |share| super::share("--rules.words.max-share", share))
    }
}
