//! How duplicates are found, and how several processes share that work.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DedupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
