//! The reference encoder: the `tokenizers` library, one text at a time.

use std::sync::Arc;

use tokenizers::{ModelWrapper, Tokenizer};

use super::{Encode, TokenizerFolder};
use crate::config::SpecialTokenText;
use crate::guard::guarded;
use crate::{Error, Result};

/// The `tokenizers` library with everything switched off that changes or loses text.
///
/// Its cache of words is per thread, so all workers share one.
pub struct Reference {
    tokenizer: Arc<Tokenizer>,
    vocabulary_size: usize,
    proof: String,
}

impl Reference {
    /// An encoder for a tokenizer.
    ///
    /// With [`SpecialTokenText::Text`] tokens flagged *special* are not looked for in the text. Added tokens
    /// that are not flagged so (Llama-2's `|||IP_ADDRESS|||`) are words of the vocabulary and still match, as
    /// with `encode_special_tokens` and `split_special_tokens` elsewhere.
    ///
    /// # Errors
    /// [`Error::Input`] for a model with dropout, whose ids would differ from run to run.
    pub fn new(folder: &TokenizerFolder, special: SpecialTokenText) -> Result<Self> {
        if let ModelWrapper::BPE(model) = folder.tokenizer.get_model()
            && let Some(dropout) = model.dropout
            && dropout > 0.0
        {
            return Err(Error::input(
                &folder.definition,
                format!("the model has a dropout of {dropout}, so that its ids are random; expected none"),
            )
            .hint("set \"dropout\" to null in the file"));
        }
        let tokenizer = match special {
            SpecialTokenText::Text => Arc::clone(&folder.tokenizer),
            SpecialTokenText::Parse => {
                let mut tokenizer = Tokenizer::clone(&folder.tokenizer);
                tokenizer.set_encode_special_tokens(false);
                Arc::new(tokenizer)
            }
        };
        let proof = "none needed: this is the reference".into();
        Ok(Self { tokenizer, vocabulary_size: folder.vocabulary_size(), proof })
    }

    /// The same, which says why no fast encoder runs in its place.
    #[must_use]
    pub(super) fn because(self, reason: &str) -> Self {
        let proof = format!("{}; no fast encoder runs: {reason}", self.proof);
        Self { proof, ..self }
    }
}

impl Encode for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn proof(&self) -> &str {
        &self.proof
    }

    fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    fn encode(&self, text: &str, ids: &mut Vec<u32>) -> std::result::Result<(), String> {
        // The library's regular expressions panic instead of failing when they give up: seen with 12 million spaces
        // and Llama-3's pattern.
        let encoding = guarded(|| self.tokenizer.encode_fast(text, false))
            .map_err(|said| format!("the tokenizer gave up on this text of {} bytes: {said}", text.len()))?
            .map_err(|error| format!("the tokenizer failed on this text of {} bytes: {error}", text.len()))?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::{SMALL, opened};
    use super::*;

    fn ids(special: SpecialTokenText, text: &str) -> Vec<u32> {
        let mut ids = vec![7];
        Reference::new(&opened(SMALL, None), special).unwrap().encode(text, &mut ids).unwrap();
        ids
    }

    #[test]
    fn truncation_and_padding_of_the_file_are_off() {
        assert_eq!(ids(SpecialTokenText::Text, "a b c a b c"), [7, 2, 3, 4, 2, 3, 4]);
        assert_eq!(ids(SpecialTokenText::Text, ""), [7]);
    }

    #[test]
    fn special_text_is_text_unless_asked_otherwise() {
        assert_eq!(ids(SpecialTokenText::Text, "a </s> b"), [7, 2, 0, 3]);
        assert_eq!(ids(SpecialTokenText::Parse, "a </s> b"), [7, 2, 5, 3]);
    }

    #[test]
    fn dropout_is_refused() {
        let json = r#"{"added_tokens": [], "model": {"type": "BPE", "dropout": 0.1, "vocab": {"a": 0}, "merges": []}}"#;
        let error = Reference::new(&opened(json, None), SpecialTokenText::Text).err().unwrap();
        assert!(error.to_string().contains("dropout of 0.1"), "{error}");
    }
}
