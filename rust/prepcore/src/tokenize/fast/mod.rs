//! Fast encoders for the shapes of BPE tokenizers for which they are proven equal to the library.
//!
//! ```text
//! tokenizer.json ─► definition.rs, a family's conditions ─► Fast ─► proof.rs: the same ids as the reference? ─► it runs
//!                        └─ a reason ───────────────────────────────────────┴─ a reason ─► the reference runs, and says so
//! ```
//!
//! A text is cut at added tokens (`added.rs`), normalised and split into pieces by its [family](family::Family), and
//! each piece is looked up (`cache.rs`, `whole.rs`) or merged (`merge.rs`, `merges.rs`). To add a family is to write its
//! [`Family`](family::Family) and a function that checks a file for it, and to name it in [`open`].

mod added;
mod byte_level;
mod cache;
mod definition;
mod encoder;
mod family;
mod ids;
mod key;
mod merge;
mod merges;
mod probes;
mod proof;
mod sentence_piece;
mod whole;

use super::{Encode, Reference, TokenizerFolder};
use crate::config::SpecialTokenText;

/// The fast encoder of a tokenizer, proven equal to the reference.
///
/// # Errors
/// Why there is none: the reference is to run.
pub(super) fn open(
    folder: &TokenizerFolder,
    special: SpecialTokenText,
    reference: &Reference,
) -> Result<Box<dyn Encode>, String> {
    match folder.tokenizer.get_pre_tokenizer() {
        None => proof::proven(sentence_piece::open(folder, special)?, folder, reference),
        Some(_) => byte_level::open(folder, special, reference),
    }
}
