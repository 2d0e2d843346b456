//! Raw text to clean, deduplicated, tokenised, packed training rows.
//!
//! This crate is the engine of `prepcore`: it knows Arrow arrays, files and threads, and nothing of Python. Two
//! verbs matter most, and both give the same bytes at any number of threads:
//!
//! ```text
//! clean   sources ─► units ─► rewrite, judge, key ─► [ in order: exact deduplication ] ─► models, encode ─► [ parts ]
//! pack    sources ─► units ─► [ in order: parts ] ─► token ids ─────────────────────────────────────────► [ token files ]
//! ```
//!
//! [`pipeline::one_pass`] is both: behind deduplication and models, documents are encoded to token ids at once.
//!
//! The words, in the order in which a document meets them:
//!
//! - A **source** is a file of the input, or an Arrow stream. [`source::Plan`] finds the files and cuts them, by
//!   their metadata alone, into segments and parts.
//! - A **segment** is a Parquet row group, 32 MiB of JSONL lines, a compressed file, or a run of small text
//!   files. A **unit** is about 8 MiB of text within a segment. A **part** is whole segments, up to 256 MiB of them.
//! - A **document** is one row. Its [`source::Address`], file and row, is its name everywhere.
//! - A [`rule::Rewrite`] changes a document's text, before all else. A [`rule::Rule`] judges a document alone; the first
//!   that drops it names the reason, the value measured and the threshold missed. Rules that ask a [`fasttext`] model
//!   come last, where deduplication leaves the least to ask about.
//! - A **key** ([`dedup`]) is the XXH3-128 of the text. Of equal keys the first in input order stays.
//! - The **ledger** says what became of every document, and the [`manifest`] what was done ([`inspect`] reads both
//!   back); every run checks that documents read = kept + dropped + unreadable, and tokens = tokens in rows + tokens
//!   left over.
//!
//! Work runs on one pool of equal threads (`pipeline/pool.rs`) with two places where order rules. What happens
//! there is cheap, a look-up in a set or an append to a file; all else runs on any thread. What is read and not yet
//! written is bounded by bytes.
//!
//! # Example
//!
//! ```
//! use prepcore::config::Clean;
//! use prepcore::pipeline::{Outcome, clean};
//! use prepcore::source::Plan;
//!
//! # fn main() -> prepcore::Result<()> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! let input = folder.path().join("raw.jsonl");
//! # let text = r#"{"text": "one line\nand another\nand a third"}"#;
//! # let lines = format!("{text}\n{{\"text\": \"too short\"}}\n{text}\n");
//! std::fs::write(&input, lines).expect("a file");
//!
//! let configuration = Clean::default();
//! let inputs = [input];
//! let plan = Plan::files(&inputs, clean::options(&configuration))?;
//! let out = folder.path().join("cleaned");
//! let outcome = clean::clean(&configuration, &plan, &inputs, &out, &mut |_progress| Ok(()))?;
//! let Outcome::Finished(manifest) = outcome else { panic!("a new folder is worked on by this process alone") };
//!
//! assert_eq!(manifest.counts.documents, 3);
//! assert_eq!(manifest.counts.kept, 1);
//! assert_eq!(manifest.counts.dropped["few_lines"], 1);
//! assert_eq!(manifest.counts.dropped["duplicate"], 1);
//! # Ok(())
//! # }
//! ```

pub mod checksum;
pub mod config;
pub mod dedup;
pub mod document;
pub mod error;
pub mod fasttext;
mod guard;
pub mod inspect;
mod ledger;
pub mod manifest;
mod memory;
pub mod pack;
pub mod pipeline;
mod resume;
pub mod rule;
mod sink;
pub mod source;
pub mod statistics;
pub mod text;
pub mod tokenize;

pub use error::{Error, Result};
