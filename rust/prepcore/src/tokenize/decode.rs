//! Token ids back to text, for people who look into a token folder.

use serde_json::Value;

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
            .map_err(|said| {
                Error::input(&self.definition, format!("cannot decode {} ids: {said}", ids.len()))
            })?
            .map_err(|error| {
                Error::input(&self.definition, format!("cannot decode {} ids: {error}", ids.len()))
            })
    }

    /// The id that stands for what the vocabulary lacks, where the model has one.
    #[must_use]
    pub fn unknown_id(&self) -> Option<u32> {
        let model = self.json.get("model")?;
        // Unigram names it by its place, all others by its text.
        if let Some(id) = model.get("unk_id").and_then(Value::as_u64) {
            return u32::try_from(id).ok();
        }
        self.tokenizer.token_to_id(model.get("unk_token")?.as_str()?)
    }

    /// The ids of single bytes, `<0x00>` to `<0xFF>`, where the model falls back to them.
    #[must_use]
    pub fn byte_fallback_ids(&self) -> Option<Vec<u32>> {
        let falls_back = self.json.pointer("/model/byte_fallback").and_then(Value::as_bool);
        let ids = (0..=u8::MAX).filter_map(|byte| self.tokenizer.token_to_id(&format!("<0x{byte:02X}>")));
        falls_back.filter(|falls_back| *falls_back).map(|_| ids.collect())
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
        assert_eq!((folder.unknown_id(), folder.byte_fallback_ids()), (Some(0), None));
    }

    #[test]
    fn bytes_are_found_where_the_model_falls_back_to_them() {
        let json = r#"{"added_tokens": [], "model": {"type": "BPE", "byte_fallback": true, "unk_token": null,
            "vocab": {"a": 0, "<0x00>": 1, "<0xE2>": 2}, "merges": []}}"#;
        let folder = opened(json, None);
        assert_eq!((folder.unknown_id(), folder.byte_fallback_ids()), (None, Some(vec![1, 2])));
    }
}
