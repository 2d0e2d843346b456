//! Cleaned folders read back: what the ledger holds, what became of one document, what kept documents look like.
//!
//! Nothing here reads the input, and what is read is bounded: of the ledger so many rows of so many parts, of the
//! kept documents so many units. `prepcore report`, `explain` and `sample` are made of these and of
//! [`crate::source::Lookup`].

mod fate;
mod kept;
mod ledger;
mod texts;

use std::path::Path;

pub use fate::{Fate, KeptAt, fate};
pub use kept::{KeptDocument, kept};
pub use ledger::{Dropped, Ledger, OfReason, Reading, ledger};
pub use texts::dropped_texts;

use crate::manifest::{Cleaned, UNFINISHED};
use crate::{Error, Result};

/// The manifest of a finished folder.
///
/// # Errors
/// [`Error::Input`] where the folder is none of ours or is not finished.
fn manifest(folder: &Path) -> Result<Cleaned> {
    if let Some(manifest) = Cleaned::of_folder(folder)? {
        return Ok(manifest);
    }
    let refused = if folder.join(UNFINISHED).is_dir() {
        Error::input(folder, "holds a run of `prepcore clean` that is not finished")
            .hint("give the same command again: it goes on where it was")
    } else if folder.is_dir() {
        Error::input(
            folder,
            "is not a folder that `prepcore clean` has written: it has no manifest.json of it",
        )
    } else {
        Error::input(folder, "no such folder")
    };
    Err(refused)
}

/// Up to `most` of `count` places, spread evenly, the first among them.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |place| place * count / taken.max(1))
}

#[cfg(test)]
mod tests;
