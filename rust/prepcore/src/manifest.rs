//! What was done: the manifest of a cleaned folder, and the sums that must add up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::pipeline::{Progress, Watcher};
use crate::rule::Check;
use crate::source::{Documents, SourceFile};
use crate::{Error, Result};

/// The `format` of a cleaned folder's manifest.
pub const CLEANED_FORMAT: &str = "prepcore.cleaned";
/// The name of the manifest in every folder that this crate writes.
pub const MANIFEST: &str = "manifest.json";
/// The name of the file for what may differ between runs.
pub const RUN: &str = "run.json";
/// The folder that a run keeps in its output folder until it is finished.
pub const UNFINISHED: &str = ".unfinished";

/// Files whose fingerprints are taken between two looks at signals.
const FILES_BETWEEN_LOOKS: usize = 64;

/// Name and version of this program, as manifests state it.
#[must_use]
pub fn program() -> String {
    format!("prepcore {}", env!("CARGO_PKG_VERSION"))
}

/// A file of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// Relative to the folder that the user named, else the file's name.
    pub path: String,
    /// What it holds.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// XXH3-128 of its size and of blocks spread over it.
    pub fingerprint: String,
    /// Rows read from it, readable or not.
    pub rows: u64,
}

impl InputRecord {
    /// Describes the files of an input before any row of them is read.
    pub(crate) fn of_files(files: &[SourceFile], watcher: Watcher<'_>) -> Result<Vec<Self>> {
        let progress = Progress::default();
        let describe = |(number, file): (usize, &SourceFile)| {
            if number % FILES_BETWEEN_LOOKS == 0 {
                watcher(&progress)?;
            }
            Ok(Self {
                path: file.name.clone(),
                kind: file.kind.name().to_owned(),
                size: file.size,
                fingerprint: crate::source::fingerprint(&file.path, file.size)?,
                rows: 0,
            })
        };
        files.iter().enumerate().map(describe).collect()
    }
}

/// A file of the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Relative to the output folder.
    pub path: String,
    /// Rows, or records.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// `xxh3-128:` and the XXH3-128 of its bytes.
    pub checksum: String,
}

impl FileRecord {
    /// Where the file lies and how large it is.
    pub(crate) fn path_and_bytes(&self) -> (&str, u64) {
        (&self.path, self.bytes)
    }
}

/// A part: whole segments of the input, committed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// The kept documents; none where they were packed and not written.
    #[serde(flatten)]
    pub kept: Option<FileRecord>,
    /// The keys of the documents that came first.
    pub keys: FileRecord,
    /// The dropped documents.
    pub dropped: FileRecord,
    /// What became of the part's rows.
    pub counts: Counts,
}

impl PartRecord {
    /// Its files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRecord> {
        self.kept.iter().chain([&self.keys, &self.dropped])
    }
}

/// What became of rows. [`Counts::check`] holds the sums to their promise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read, readable or not.
    pub documents: u64,
    /// Documents kept.
    pub kept: u64,
    /// Documents dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// UTF-8 bytes of the text that was read.
    pub text_bytes: u64,
    /// UTF-8 bytes of the text that was kept.
    pub kept_text_bytes: u64,
    /// What was rewritten in the documents kept: `RULE.KIND` and how often.
    #[serde(default)]
    pub rewritten: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts of nothing, every reason named.
    pub(crate) fn of_reasons<'a>(reasons: impl Iterator<Item = &'a str>) -> Self {
        Self { dropped: reasons.map(|reason| (reason.to_owned(), 0)).collect(), ..Self::default() }
    }

    /// Counts a dropped document.
    pub(crate) fn drop_for(&mut self, reason: &str) {
        // Reasons are named before the first document is counted, so this copies none of them.
        match self.dropped.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.dropped.insert(reason.to_owned(), 1)),
        }
    }

    /// Adds another's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.kept += other.kept;
        self.unreadable += other.unreadable;
        self.text_bytes += other.text_bytes;
        self.kept_text_bytes += other.kept_text_bytes;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(reason.clone()).or_default() += count;
        }
        for (kind, count) in &other.rewritten {
            *self.rewritten.entry(kind.clone()).or_default() += count;
        }
    }

    /// Documents dropped for any reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// The share of rows that could not be read.
    #[must_use]
    pub fn unreadable_share(&self) -> f64 {
        if self.documents == 0 { 0.0 } else { self.unreadable as f64 / self.documents as f64 }
    }

    /// Checks that documents read = kept + dropped + unreadable.
    ///
    /// # Errors
    /// [`Error::Internal`] with the numbers when they differ.
    pub fn check(&self) -> Result<()> {
        let (dropped, unreadable) = (self.dropped_total(), self.unreadable);
        if self.documents == self.kept + dropped + unreadable {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "{} documents read, but {} kept + {dropped} dropped + {unreadable} unreadable",
            self.documents, self.kept
        )))
    }
}

/// The manifest of a cleaned folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cleaned {
    /// [`CLEANED_FORMAT`].
    pub format: String,
    /// 1.
    pub format_version: u32,
    /// The program that wrote the folder.
    pub program: String,
    /// The settings that change the output.
    pub configuration: Value,
    /// The hash behind the keys.
    pub hash: HashRecord,
    /// The input, by file number.
    pub inputs: Vec<InputRecord>,
    /// What each document had to pass, in this order.
    #[serde(default)]
    pub checks: Vec<CheckRecord>,
    /// What became of all rows.
    pub counts: Counts,
    /// The parts, in order.
    pub parts: Vec<PartRecord>,
}

/// A check that documents had to pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The rule, or the reason itself where no rule measures anything.
    pub rule: String,
    /// The reason that documents were dropped for.
    pub reason: String,
    /// What was measured, what passes (`at_least`, `at_most`, `above`, `one_of`), and the threshold.
    #[serde(flatten)]
    pub measured: Map<String, Value>,
}

impl CheckRecord {
    pub(crate) fn of_rule((rule, check): (&'static str, &Check)) -> Self {
        let Value::Object(mut measured) = json!(check) else { return Self::of_reason(check.reason) };
        measured.shift_remove("reason");
        Self { rule: rule.into(), reason: check.reason.into(), measured }
    }

    pub(crate) fn of_reason(reason: &str) -> Self {
        Self { rule: reason.into(), reason: reason.into(), measured: Map::new() }
    }
}

/// The hash behind the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRecord {
    /// Its name.
    pub algorithm: String,
    /// Its seed.
    pub seed: u64,
}

impl Cleaned {
    /// Reads the manifest of a cleaned folder; `None` where there is none or it is another program's.
    ///
    /// # Errors
    /// [`Error::Input`] when it is one of ours but cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>> {
        of_folder(folder, CLEANED_FORMAT)
    }
}

/// Reads a folder's manifest, or some of it, where it is of this format; `None` where there is none or it is another
/// program's.
///
/// # Errors
/// [`Error::Input`] when it is one of ours but cannot be read.
pub(crate) fn of_folder<Manifest: DeserializeOwned>(folder: &Path, format: &str) -> Result<Option<Manifest>> {
    let path = folder.join(MANIFEST);
    let Ok(text) = fs::read(&path) else { return Ok(None) };
    let Ok(value) = serde_json::from_slice::<Value>(&text) else { return Ok(None) };
    if value.get("format").and_then(Value::as_str) != Some(format) {
        return Ok(None);
    }
    serde_json::from_value(value)
        .map(Some)
        .map_err(|error| Error::input(&path, format!("not a manifest of this version: {error}")))
}

/// Reads the manifest of a folder that is known to be finished.
///
/// # Errors
/// [`Error::Internal`] where it has gone, else as [`of_folder`].
pub(crate) fn of_finished<Manifest: DeserializeOwned>(folder: &Path, format: &str) -> Result<Manifest> {
    of_folder(folder, format)?.ok_or_else(|| {
        Error::Internal(format!("{}: the manifest of a finished run is gone", folder.display()))
    })
}

/// The parts of a cleaned folder as an input; `None` where the folder is not one.
pub(crate) fn parts_of_folder(folder: &Path) -> Result<Option<Vec<String>>> {
    let Some(manifest) = Cleaned::of_folder(folder)? else { return Ok(None) };
    let kept = |part: PartRecord| {
        part.kept.map(|kept| kept.path).ok_or_else(|| {
            Error::input(folder, "holds no documents: they were packed and not written").hint(
                "`prepcore clean --tokenizer … --keep-text` writes both; token folders lie one folder up",
            )
        })
    };
    manifest.parts.into_iter().map(kept).collect::<Result<_>>().map(Some)
}

/// Rows read by file.
#[derive(Debug, Default)]
pub(crate) struct RowsBySource(BTreeMap<u32, u64>);

impl RowsBySource {
    pub(crate) fn count(&mut self, documents: &Documents) {
        let readable = documents.addresses.iter().map(|address| (address.source, 1));
        let unreadable = documents.unreadable.iter().map(|run| (run.address.source, run.rows));
        for (source, rows) in readable.chain(unreadable) {
            *self.0.entry(source).or_default() += rows;
        }
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.add(other.0.iter().map(|(source, rows)| (*source, *rows)));
    }

    /// Adds rows, file by file.
    pub(crate) fn add(&mut self, rows: impl IntoIterator<Item = (u32, u64)>) {
        for (source, rows) in rows {
            *self.0.entry(source).or_default() += rows;
        }
    }

    /// The rows of each file, in order.
    pub(crate) fn into_list(self) -> Vec<(u32, u64)> {
        self.0.into_iter().collect()
    }

    /// Enters the rows of each input.
    pub(crate) fn enter(&self, inputs: &mut [InputRecord]) {
        for (source, input) in (0..).zip(inputs) {
            input.rows = self.0.get(&source).copied().unwrap_or(0);
        }
    }
}
