//! Runs that can be stopped and given again: what is finished stays, what is not goes on.
//!
//! While a run is unfinished, its output folder holds the folder `.unfinished`:
//!
//! ```text
//! .unfinished/identity.json       what the run is: its settings and its input
//! .unfinished/lock                held by whoever works here
//! .unfinished/once                held while a shard begins or finishes the run
//! .unfinished/journal-….jsonl     a line for each part that was committed; a file for each shard
//! .unfinished/unreadable/         the unreadable rows of each part
//! .unfinished/signatures/         keys of each part  }  deduplication on disk,
//! .unfinished/duplicates/         of each key range  }  see `dedup`
//! ```
//!
//! The manifest is written when every part is there; then `.unfinished` is renamed and removed.

mod finished;
mod folder;
mod identity;
mod journal;
mod locks;
mod tidy;

pub(crate) use finished::{Finished, FinishedParts};
pub(crate) use folder::{Opened, RunFolder, Standing, bytes_of_parts, standing};
pub(crate) use identity::Identity;
pub(crate) use locks::lock_whole;

#[cfg(test)]
mod tests;
