//! Documents to token ids, on any thread: which side of the split each is on, and which could not be encoded.

use std::sync::atomic::{AtomicBool, Ordering};

use super::tokenization::Tokenization;
use crate::config::Pack;
use crate::pack::{Holdout, TokenBatch};
use crate::sink::Split;
use crate::source::{Address, Documents, Unreadable};
use crate::{Error, Result};

/// Bytes of a token for which room is made: tokens of European languages have more, 3.5 with a vocabulary of 32,000.
const BYTES_A_TOKEN: usize = 3;

/// Encodes documents as a configuration asks for.
pub(crate) struct Encoding<'a> {
    tokenization: &'a Tokenization,
    holdout: Holdout,
}

/// Encoded documents, in input order.
#[derive(Default)]
pub(crate) struct Encoded {
    pub(crate) training: TokenBatch,
    pub(crate) validation: TokenBatch,
    /// Which side each document is on, and where it stood.
    pub(crate) places: Vec<(Split, Address)>,
    /// Documents that could not be encoded, and rows that could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl<'a> Encoding<'a> {
    pub(crate) fn new(configuration: &Pack, tokenization: &'a Tokenization) -> Self {
        Self { tokenization, holdout: Holdout::new(configuration.validation) }
    }

    /// Encodes those documents of a unit that `takes` names by their rows.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `stopping` is set: a unit takes seconds to encode, a caller waits less than one.
    pub(crate) fn encode(
        &self,
        documents: &Documents,
        takes: impl Fn(usize) -> bool,
        stopping: &AtomicBool,
        encoded: &mut Encoded,
    ) -> Result<()> {
        let Tokenization { encoder, special, .. } = self.tokenization;
        // Growing step by step would copy all ids twice, into pages that are new each time.
        encoded.training.ids.reserve(documents.bytes as usize / BYTES_A_TOKEN);
        for (row, address) in documents.addresses.iter().enumerate().filter(|(row, _)| takes(*row)) {
            if stopping.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            // Texts were checked for nulls when the unit was read.
            let text = documents.text.get(row).unwrap_or_default();
            let (split, batch) = match self.holdout.takes(text) {
                false => (Split::Training, &mut encoded.training),
                true => (Split::Validation, &mut encoded.validation),
            };
            match batch.encode(&**encoder, special, text) {
                Ok(()) => encoded.places.push((split, *address)),
                Err(error) => encoded.unreadable.push(Unreadable::row(*address, None, error)),
            }
        }
        Ok(())
    }
}
