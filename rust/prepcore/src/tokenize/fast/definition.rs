//! What a fast encoder takes from a `tokenizer.json`: the vocabulary and the merges of a BPE model.

use hashbrown::HashMap;
use serde_json::Value;
use tokenizers::ModelWrapper;

use super::merges::{MAX_SYMBOLS, Merge};
use crate::tokenize::TokenizerFolder;

/// The BPE model of a `tokenizer.json`, read as the library reads it.
pub(super) struct Definition<'folder> {
    /// Tokens and their ids, without added tokens. No id occurs twice.
    pub(super) vocabulary: HashMap<&'folder str, u32>,
    /// Merges by rank.
    pub(super) merges: Vec<Merge>,
    /// Whether a piece that is in the vocabulary is taken as it is.
    pub(super) ignore_merges: bool,
    /// Whether a character that is not in the vocabulary becomes its bytes, `<0x00>` to `<0xFF>`.
    pub(super) byte_fallback: bool,
}

impl<'folder> Definition<'folder> {
    /// Reads the model of a tokenizer.
    ///
    /// # Errors
    /// Why no fast encoder can run for it.
    pub(super) fn read(folder: &'folder TokenizerFolder) -> Result<Self, String> {
        let ModelWrapper::BPE(model) = folder.tokenizer.get_model() else {
            return Err("the model is not BPE".into());
        };
        if model.dropout.is_some_and(|dropout| dropout != 0.0) {
            return Err("the model has a dropout".into());
        }
        // A symbol would then depend on whether it is the first or the last of its word.
        for (affix, name) in [
            (&model.continuing_subword_prefix, "continuing_subword_prefix"),
            (&model.end_of_word_suffix, "end_of_word_suffix"),
        ] {
            if let Some(affix) = affix.as_ref().filter(|affix| !affix.is_empty()) {
                return Err(format!("the model has the {name} {affix:?}"));
            }
        }
        let vocabulary = vocabulary(&folder.json)?;
        let merges = merges(&folder.json, &vocabulary)?;
        Ok(Self {
            vocabulary,
            merges,
            ignore_merges: model.ignore_merges,
            byte_fallback: model.byte_fallback,
        })
    }
}

fn vocabulary(json: &Value) -> Result<HashMap<&str, u32>, String> {
    let tokens = json.pointer("/model/vocab").and_then(Value::as_object).ok_or("the model has no vocab")?;
    if tokens.len() > MAX_SYMBOLS {
        return Err(format!("the vocabulary has {} entries, more than {MAX_SYMBOLS}", tokens.len()));
    }
    let mut vocabulary = HashMap::with_capacity(tokens.len());
    let mut seen = HashMap::with_capacity(tokens.len());
    for (token, id) in tokens {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| format!("the token {token:?} has no id"))?;
        if let Some(other) = seen.insert(id, token.as_str()) {
            return Err(format!("the tokens {other:?} and {token:?} have the same id {id}"));
        }
        vocabulary.insert(token.as_str(), id);
    }
    Ok(vocabulary)
}

fn merges(json: &Value, vocabulary: &HashMap<&str, u32>) -> Result<Vec<Merge>, String> {
    let list = json.pointer("/model/merges").and_then(Value::as_array).ok_or("the model has no merges")?;
    let mut merges = Vec::with_capacity(list.len());
    let mut joined = String::new();
    for merge in list {
        let (left, right) = match merge {
            // The library takes such a line for the head of a merges.txt.
            Value::String(line) if line.starts_with("#version") => continue,
            Value::String(line) => line.split_once(' ').ok_or_else(|| odd(merge))?,
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(left), Value::String(right)] => (left.as_str(), right.as_str()),
                _ => return Err(odd(merge)),
            },
            _ => return Err(odd(merge)),
        };
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        let id = |token: &str| vocabulary.get(token).copied().ok_or_else(|| odd(merge));
        merges.push(Merge { left: id(left)?, right: id(right)?, result: id(&joined)? });
    }
    Ok(merges)
}

fn odd(merge: &Value) -> String {
    format!("the merge {merge} is not one of two tokens into a third")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenize::folder::tests::opened;

    fn read(model: &str) -> Result<(usize, Vec<Merge>), String> {
        let json = format!(r#"{{"added_tokens": [], "model": {model}}}"#);
        let folder = opened(&json, None);
        Definition::read(&folder).map(|definition| (definition.vocabulary.len(), definition.merges))
    }

    #[test]
    fn merges_are_strings_or_pairs() {
        let merge = Merge { left: 0, right: 1, result: 5 };
        for merges in [r##"["#version: 0.2", "a b"]"##, r#"[["a", "b"]]"#] {
            let model =
                format!(r#"{{"type": "BPE", "vocab": {{"a": 0, "b": 1, "ab": 5}}, "merges": {merges}}}"#);
            assert_eq!(read(&model), Ok((3, vec![merge])));
        }
    }

    #[test]
    fn what_no_fast_encoder_can_do_is_said() {
        let model = |more: &str| format!(r#"{{"type": "BPE", {more} "vocab": {{"a": 0}}, "merges": []}}"#);
        assert_eq!(read(&model("")), Ok((1, Vec::new())));
        assert_eq!(read(&model(r#""dropout": 0.5,"#)).unwrap_err(), "the model has a dropout");
        let said = read(&model(r###""continuing_subword_prefix": "##","###)).unwrap_err();
        assert_eq!(said, "the model has the continuing_subword_prefix \"##\"");
        let twice = r#"{"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}"#;
        assert_eq!(read(twice).unwrap_err(), "the tokens \"a\" and \"b\" have the same id 0");
        let words = r#"{"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}"#;
        assert_eq!(read(words).unwrap_err(), "the model is not BPE");
    }
}
