//! A tokenizer made ready for packing.

use crate::Result;
use crate::config::Pack;
use crate::tokenize::{self, Encode, SpecialTokens, TokenizerFolder};

/// A tokenizer made ready: what is found wrong here is found before any work starts.
pub struct Tokenization {
    pub(crate) folder: TokenizerFolder,
    pub(crate) encoder: Box<dyn Encode>,
    pub(crate) special: SpecialTokens,
}

impl Tokenization {
    /// Opens the tokenizer of a configuration, chooses its encoder and resolves its special tokens.
    ///
    /// # Errors
    /// [`crate::Error::Config`] and [`crate::Error::Input`] for settings out of range, a tokenizer that cannot be
    /// used, and special tokens that are not there.
    pub fn open(configuration: &Pack) -> Result<Self> {
        configuration.validate()?;
        let folder = TokenizerFolder::open(&configuration.tokenizer)?;
        let encoder = tokenize::encoder(&folder, configuration.special_tokens)?;
        let special = SpecialTokens::resolve(&folder, &configuration.bos, &configuration.eos)?;
        Ok(Self { folder, encoder, special })
    }
}
