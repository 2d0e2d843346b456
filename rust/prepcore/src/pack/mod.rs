//! Documents to rows of token ids, with every token accounted for.

mod best_fit;
mod concatenate;
mod files;
mod holdout;
mod ledger;
mod lengths;
mod manifest;
mod order;
mod part;
mod provenance;
mod spaces;

pub use best_fit::{BestFit, Fitted, Piece, WINDOW};
pub use concatenate::Concatenate;
pub use holdout::Holdout;
pub use ledger::{Ledger, LeftOver};
pub(crate) use lengths::DocumentLengths;
pub use manifest::{
    Counts, EncoderRecord, Packed, RowIndexRecord, SplitRecord, TOKENS_FORMAT, TokenFile, TokenizerRecord,
};
pub use order::DrawnOrder;
pub(crate) use part::{Side, TokenPart};
pub(crate) use provenance::Provenance;

use crate::tokenize::{Encode, SpecialTokens};

/// The token ids of consecutive documents, special tokens included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBatch {
    /// All ids, document after document.
    pub ids: Vec<u32>,
    /// The end of each document within `ids`.
    pub ends: Vec<usize>,
    /// Bytes of text that these documents had.
    pub bytes: u64,
}

impl TokenBatch {
    /// Encodes a document and puts it at the end.
    ///
    /// # Errors
    /// What kept the text from being encoded; the batch is then as before.
    pub fn encode(
        &mut self,
        encoder: &dyn Encode,
        special: &SpecialTokens,
        text: &str,
    ) -> Result<(), String> {
        let start = self.ids.len();
        self.ids.extend(special.bos.as_ref().map(|token| token.id));
        if let Err(message) = encoder.encode(text, &mut self.ids) {
            self.ids.truncate(start);
            return Err(message);
        }
        self.ids.extend(special.eos.as_ref().map(|token| token.id));
        self.ends.push(self.ids.len());
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// The number of documents.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.ends.len()
    }
}
