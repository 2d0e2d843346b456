//! Token ids back to text, for people who look into a token folder.

use super::TokenizerFolder;
use crate::guard::guarded;
use crate::{Error, Result};

impl TokenizerFolder {
    /// The text of some ids, special tokens included. An id that the tokenizer does not have adds nothing, and bytes
    /// that are no whole character give U+FFFD.
    ///
    /// # Errors
    /// [`Error::Input`] when the tokenizer's decoder gives up.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        guarded(|| self.tokenizer.decode(ids, false))
            .map_err(|said| Error::input(&self.definition, format!("cannot decode {} ids: {said}", ids.len())))?
            .map_err(|error| Error::input(&self.definition, format!("cannot decode {} ids: {error}", ids.len())))
    }

    /// How the vocabulary writes an id.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::{SMALL, opened};

    #[test]
    fn special_tokens_are_shown_and_unknown_ids_are_not() {
        let folder = opened(SMALL, None);
        assert_eq!(folder.decode(&[1, 2, 3, 5, 77]).unwrap(), "<s> a b </s>");
        assert_eq!(folder.decode(&[]).unwrap(), "");
        assert_eq!((folder.token(3).as_deref(), folder.token(77)), (Some("b"), None));
    }
}
