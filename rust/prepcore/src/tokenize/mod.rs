//! Text to token ids: opening a tokenizer, the special tokens around a document, encoders, training.
//!
//! An encoder gives the ids of one text and nothing else: what stands before and after a document is
//! [`SpecialTokens`], and joining documents into rows is [`crate::pack`].

mod decode;
mod fast;
mod folder;
mod reference;
mod special;
mod train;

pub use folder::{TokenizerFolder, fingerprint_of};
pub use reference::Reference;
pub use special::{SpecialToken, SpecialTokens};
pub use train::{Trained, TrainedFile, train_byte_level};

use crate::config::SpecialTokenText;

/// Turns one text into token ids. Shared by all workers.
pub trait Encode: Send + Sync {
    /// The encoder's name, as the manifest gives it.
    fn name(&self) -> &'static str;

    /// Why this encoder's ids can be trusted, as the manifest gives it.
    fn proof(&self) -> &str;

    /// The largest id of the vocabulary plus one, added tokens included: the rows an embedding needs.
    fn vocabulary_size(&self) -> usize;

    /// Appends the ids of a text, without anything before or after it.
    ///
    /// # Errors
    /// What kept this text from being encoded; `ids` is then as long as before. The caller knows which
    /// document it was and says so.
    fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), String>;
}

/// The encoder to use for a tokenizer: a fast one where it is proven equal to the reference, else the reference.
///
/// # Errors
/// [`crate::Error::Input`] when the tokenizer cannot give the same ids twice.
pub fn encoder(folder: &TokenizerFolder, special: SpecialTokenText) -> crate::Result<Box<dyn Encode>> {
    let reference = Reference::new(folder, special)?;
    Ok(match fast::open(folder, special, &reference) {
        Ok(fast) => fast,
        Err(reason) => Box::new(reference.because(&reason)),
    })
}
