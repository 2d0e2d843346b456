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
    /// The folder of the ledger of cleaning; empty where that is the output folder itself.
    pub(super) ledger: &'static str,
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
    ledger: "",
};

/// What `pack` makes.
pub(crate) const TOKENS: Layout = Layout {
    format: TOKENS_FORMAT,
    verb: "prepcore pack",
    folders: TOKEN_FOLDERS,
    at_once: &[],
    working: &[
        ".unfinished/sources",
        ".unfinished/not-packed",
        ".unfinished/rest",
        ".unfinished/input-order",
    ],
    files: TOKEN_FILES,
    prefixes: TOKEN_PREFIXES,
    ledger: "",
};

/// What `clean` makes that packs what it keeps.
pub(crate) const CLEANED_TOKENS: Layout = Layout {
    format: TOKENS_FORMAT,
    verb: "prepcore clean --tokenizer",
    folders: TOKEN_FOLDERS,
    at_once: &["cleaning/keys", "cleaning/dropped"],
    working: &[
        ".unfinished/sources",
        ".unfinished/not-packed",
        ".unfinished/unreadable",
        ".unfinished/signatures",
        ".unfinished/duplicates",
    ],
    files: TOKEN_FILES,
    prefixes: TOKEN_PREFIXES,
    ledger: "cleaning",
};

// Either may replace what the other has made, which has a manifest of the same format.
const TOKEN_FOLDERS: &[&str] = &["validation", "tokenizer", "cleaning/keys", "cleaning/dropped", "cleaning"];
const TOKEN_FILES: &[&str] = &["run.json", "unreadable.jsonl", "sources.parquet", "report.html"];
const TOKEN_PREFIXES: &[&str] = &["tokens-", "part-", "rows-"];
