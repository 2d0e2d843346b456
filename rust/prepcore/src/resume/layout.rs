//! What the runs of each kind make in their output folder: nothing else there is ever removed.

use crate::manifest::CLEANED_FORMAT;
use crate::pack::TOKENS_FORMAT;

/// What the runs of one kind make.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The `format` of the manifest.
    pub(crate) format: &'static str,
    /// The verb, as users write it.
    pub(crate) verb: &'static str,
    /// The folders.
    pub(super) folders: &'static [&'static str],
    /// Those of them that are made when a run begins.
    at_once: &'static [&'static str],
    /// Those of the working folder.
    pub(super) working: &'static [&'static str],
    /// The files beside parts.
    pub(super) files: &'static [&'static str],
    /// How the names of parts begin.
    pub(super) prefixes: &'static [&'static str],
}

impl Layout {
    /// The folders that are made when a run begins.
    pub(super) fn made(&self) -> impl Iterator<Item = &'static str> {
        self.at_once.iter().chain(self.working).copied()
    }
}

/// What `clean` makes.
pub(crate) const CLEANED: Layout = Layout {
    format: CLEANED_FORMAT,
    verb: "prepcore clean",
    folders: &["keys", "dropped"],
    at_once: &["keys", "dropped"],
    working: &[".unfinished/unreadable", ".unfinished/signatures", ".unfinished/duplicates"],
    files: &["run.json", "unreadable.jsonl", "report.html"],
    prefixes: &["part-"],
};

/// What `pack` makes.
pub(crate) const TOKENS: Layout = Layout {
    format: TOKENS_FORMAT,
    verb: "prepcore pack",
    folders: &["validation", "tokenizer"],
    at_once: &[],
    working: &[
        ".unfinished/unreadable",
        ".unfinished/sources",
        ".unfinished/rest",
        ".unfinished/input-order",
    ],
    files: &["run.json", "unreadable.jsonl", "sources.parquet", "report.html"],
    prefixes: &["tokens-", "part-", "rows-"],
};
