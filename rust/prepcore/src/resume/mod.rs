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
//! .unfinished/sources/            where the documents of each part came from }
//! .unfinished/not-packed/         documents of each part that have no tokens }  while packing
//! .unfinished/rest/               tokens of each part that make no whole row   }
//! .unfinished/input-order/        tokens that are yet to be shuffled            }
//! .unfinished/signatures/         keys of each part  }  deduplication on disk,
//! .unfinished/duplicates/         of each key range  }  see `dedup`
//! ```
//!
//! The manifest is written when every part is there; then `.unfinished` is renamed and removed.

mod finished;
mod folder;
mod identity;
mod journal;
mod layout;
mod locks;
mod tidy;

pub(crate) use finished::{Finished, FinishedParts};
pub(crate) use folder::{Opened, RunFolder, Standing, bytes_of_parts, check_whole, standing};
pub(crate) use identity::Identity;
pub(crate) use layout::{CLEANED, CLEANED_TOKENS, Layout, TOKENS};
pub(crate) use locks::lock_whole;

#[cfg(test)]
mod tests;
