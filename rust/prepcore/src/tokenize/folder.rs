//! Opening a tokenizer: a `tokenizer.json`, alone or in a folder with its companions.

use std::fs;
use std::path::{Path, PathBuf};

use std::sync::Arc;

use serde_json::{Map, Value};
use tokenizers::models::bpe::BPE;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, TokenizerImpl,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::checksum::checksum;
use crate::sink::AtomicFile;
use crate::{Error, Result};

/// The files that make a tokenizer whole for `transformers` and others; those that exist are copied.
const COMPANIONS: [&str; 8] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
];

const DEFINITION: &str = "tokenizer.json";

/// A tokenizer as it lies on disk.
#[derive(Debug)]
pub struct TokenizerFolder {
    /// The file that defines it.
    pub(crate) definition: PathBuf,
    /// Its bytes: what is copied is what was read.
    bytes: Vec<u8>,
    /// The same, parsed, for what the library does not show (the template of the post-processor).
    pub(crate) json: Value,
    /// `tokenizer_config.json`, where there is one.
    pub(crate) configuration: Option<Value>,
    /// The library's tokenizer, as the file describes it, with everything switched off that changes or loses text:
    /// it neither cuts nor fills up, and looks for no special tokens.
    pub(crate) tokenizer: Arc<Tokenizer>,
    vocabulary_size: usize,
    /// Those that exist, with their content.
    companions: Vec<(&'static str, Vec<u8>)>,
}

impl TokenizerFolder {
    /// Opens a `tokenizer.json`, or a folder that holds one. A file named `tokenizer.json` brings the
    /// companions beside it along; a file with another name stands alone.
    ///
    /// # Errors
    /// [`Error::Input`] when the path is missing, holds something else, or a kind of model that the
    /// `tokenizers` library does not know.
    pub fn open(path: &Path) -> Result<Self> {
        let definition = definition_of(path)?;
        let bytes = fs::read(&definition)
            .map_err(|error| Error::input(&definition, format!("cannot read: {error}")))?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| {
            Error::input(&definition, format!("not JSON: {error}; expected a tokenizer.json")).hint(WANTED)
        })?;
        let mut tokenizer = read_tokenizer(&bytes, &json).map_err(|error| {
            let kind = json.pointer("/model/type").and_then(Value::as_str);
            let seen =
                kind.map_or_else(|| "no type of model".into(), |kind| format!("a model of type {kind:?}"));
            Error::input(&definition, format!("cannot load the tokenizer ({seen}): {error}")).hint(WANTED)
        })?;
        // A file may carry these from an earlier use; the first would cut documents short in silence.
        tokenizer.with_truncation(None).map_err(|error| Error::Internal(error.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer.set_encode_special_tokens(true);
        check_added_tokens(&definition, &json, &tokenizer)?;
        let companions = match definition.file_name().and_then(|name| name.to_str()) {
            Some(DEFINITION) => companions_of(&definition)?,
            _ => Vec::new(),
        };
        let configuration = companions
            .iter()
            .find(|(name, _)| *name == "tokenizer_config.json")
            .map(|(name, bytes)| read_json(&definition.with_file_name(name), bytes))
            .transpose()?;
        let vocabulary_size = vocabulary_size(&json, &tokenizer);
        let tokenizer = Arc::new(tokenizer);
        Ok(Self { definition, bytes, json, configuration, tokenizer, vocabulary_size, companions })
    }

    /// `xxh3-128:` and 32 hexadecimal digits over the bytes of `tokenizer.json`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint_of(&self.bytes)
    }

    /// Copies the tokenizer into a folder, which is made, so that an output is complete in itself.
    ///
    /// # Errors
    /// [`Error::Io`] names the file.
    pub fn copy_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create", error))?;
        for (name, bytes) in self.files() {
            let mut file = AtomicFile::create(folder.join(name))?;
            file.append(bytes)?;
            file.commit()?;
        }
        Ok(())
    }

    /// The checksum of each of its files, by name: two folders of the same files are the same tokenizer.
    #[must_use]
    pub fn fingerprints(&self) -> Map<String, Value> {
        self.files().map(|(name, bytes)| (name.to_owned(), fingerprint_of(bytes).into())).collect()
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let companions = self.companions.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        std::iter::once((DEFINITION, self.bytes.as_slice())).chain(companions)
    }

    /// The largest id plus one, added tokens included.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }
}

/// Reads a tokenizer as the library does. Of a model without its type the library tries one kind after the other, and
/// holds the whole model as JSON twice meanwhile; BPE, which says so, is read at once and a third as expensively.
fn read_tokenizer(bytes: &[u8], json: &Value) -> tokenizers::Result<Tokenizer> {
    /// [`Tokenizer`] with a model that is known.
    type Bpe =
        TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;
    if json.pointer("/model/type").and_then(Value::as_str) == Some("BPE")
        && let Ok(tokenizer) = serde_json::from_slice::<Bpe>(bytes)
    {
        return Ok(tokenizer.into());
    }
    // Also where that failed, for the library's own words.
    Tokenizer::from_bytes(bytes)
}

/// The largest id plus one. Asking the library would copy every token.
fn vocabulary_size(json: &Value, tokenizer: &Tokenizer) -> usize {
    let largest = match json.pointer("/model/vocab").and_then(Value::as_object) {
        Some(tokens) => {
            let ids = tokens.values().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok());
            ids.chain(tokenizer.get_added_tokens_decoder().into_keys()).max()
        }
        None => tokenizer.get_vocab(true).into_values().max(),
    };
    largest.map_or(0, |id| id as usize + 1)
}

const WANTED: &str = "expected the tokenizer.json of a fast tokenizer (BPE, Unigram, WordPiece or WordLevel), \
                      as `AutoTokenizer.from_pretrained(ID).save_pretrained(FOLDER)` writes it";

/// `xxh3-128:` and 32 hexadecimal digits: how manifests write a checksum.
#[must_use]
pub fn fingerprint_of(bytes: &[u8]) -> String {
    checksum(xxh3_128(bytes))
}

/// The library numbers added tokens on from the vocabulary, whatever ids the file gives them; where the two differ,
/// a model trained with the file's ids would be fed other tokens in silence.
fn check_added_tokens(definition: &Path, json: &Value, tokenizer: &Tokenizer) -> Result<()> {
    for token in json.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        let (Some(id), Some(content)) =
            (token.get("id").and_then(Value::as_u64), token.get("content").and_then(Value::as_str))
        else {
            continue;
        };
        let loaded = tokenizer.token_to_id(content).map(u64::from);
        if loaded != Some(id) {
            let loaded = loaded.map_or_else(|| "no id".into(), |loaded| format!("the id {loaded}"));
            return Err(Error::input(
                definition,
                format!(
                    "the added token {content:?} has the id {id} in the file, but {loaded} when it is loaded"
                ),
            )
            .hint("the ids of added tokens must follow the vocabulary without a gap"));
        }
    }
    Ok(())
}

fn definition_of(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return match path.extension().and_then(|extension| extension.to_str()) {
            Some("model") => Err(bare_sentencepiece(path)),
            _ => Ok(path.to_path_buf()),
        };
    }
    if !path.is_dir() {
        return Err(Error::input(
            path,
            "no such file or folder, expected a tokenizer.json or a folder with one",
        )
        .hint("for a model on the hub: `hf download ID --include 'tokenizer*' --local-dir FOLDER`"));
    }
    let definition = path.join(DEFINITION);
    if definition.is_file() {
        return Ok(definition);
    }
    let model = path.join("tokenizer.model");
    if model.is_file() {
        return Err(bare_sentencepiece(&model));
    }
    Err(Error::input(path, "the folder has no tokenizer.json").hint(WANTED))
}

fn bare_sentencepiece(path: &Path) -> Error {
    Error::input(path, "a SentencePiece model without its tokenizer.json, which is needed").hint(
        "automatic conversions of a bare tokenizer.model are known to give other ids (runs of spaces, no `<s>`); \
         take the tokenizer.json that the model's authors publish beside it",
    )
}

fn companions_of(definition: &Path) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut companions = Vec::new();
    for name in COMPANIONS {
        let path = definition.with_file_name(name);
        if path.is_file() {
            let bytes =
                fs::read(&path).map_err(|error| Error::input(&path, format!("cannot read: {error}")))?;
            companions.push((name, bytes));
        }
    }
    Ok(companions)
}

fn read_json(path: &Path, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| Error::input(path, format!("not JSON: {error}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A word-level tokenizer with a template, small enough to read.
    pub(crate) const SMALL: &str = r#"{
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>"},
        "added_tokens": [
            {"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": false, "special": true},
            {"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": false, "special": true},
            {"id": 5, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
            {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
             "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                                "</s>": {"id": "</s>", "ids": [5], "tokens": ["</s>"]}}}]},
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "<s>": 1, "a": 2, "b": 3, "c": 4}, "unk_token": "<unk>"}
    }"#;

    /// Opens a tokenizer from its text and, where given, that of its `tokenizer_config.json`.
    pub(crate) fn opened(json: &str, configuration: Option<&str>) -> TokenizerFolder {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(DEFINITION), json).unwrap();
        if let Some(configuration) = configuration {
            fs::write(folder.path().join("tokenizer_config.json"), configuration).unwrap();
        }
        TokenizerFolder::open(folder.path()).unwrap()
    }

    #[test]
    fn the_vocabulary_counts_by_the_largest_id() {
        assert_eq!(opened(SMALL, None).vocabulary_size(), 6);
        let gap = SMALL.replace(r#""c": 4"#, r#""c": 7"#).replace(r#""id": 5"#, r#""id": 8"#);
        // The library counts five words, so it gives the added token the id 5.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gap.json");
        fs::write(&path, gap).unwrap();
        let error = TokenizerFolder::open(&path).unwrap_err();
        assert!(error.to_string().contains("the added token \"</s>\" has the id 8 in the file"), "{error}");
        fs::write(&path, SMALL.replace(r#""c": 4"#, r#""c": 9"#)).unwrap();
        assert_eq!(TokenizerFolder::open(&path).unwrap().vocabulary_size(), 10);
    }

    #[test]
    fn bpe_is_read_as_the_library_reads_it() {
        let model = |head: &str, merges: &str| {
            format!(
                r#"{{"version": "1.0", "padding": null, "normalizer": {{"type": "Lowercase"}},
                "added_tokens": [{{"id": 4, "content": "<s>", "single_word": false, "lstrip": true, "rstrip": false,
                                  "normalized": false, "special": true}}],
                "model": {{{head} "unk_token": "a", "fuse_unk": true, "byte_fallback": true, "ignore_merges": true,
                           "vocab": {{"a": 0, "b": 1, "ab": 2, "abab": 3}}, "merges": {merges}}}}}"#
            )
        };
        for merges in [r##"["#version: 0.2", "a b", "ab ab"]"##, r#"[["a", "b"], ["ab", "ab"]]"#] {
            for head in [r#""type": "BPE", "dropout": null,"#, ""] {
                let text = model(head, merges);
                let json = serde_json::from_str(&text).unwrap();
                let read = read_tokenizer(text.as_bytes(), &json).unwrap();
                let expected = Tokenizer::from_bytes(&text).unwrap();
                assert_eq!(read.to_string(false).unwrap(), expected.to_string(false).unwrap());
                assert_eq!(vocabulary_size(&json, &read), 5);
            }
        }
        let broken = model(r#""type": "BPE","#, r#"["a c"]"#);
        let error = read_tokenizer(broken.as_bytes(), &serde_json::from_str(&broken).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), Tokenizer::from_bytes(&broken).unwrap_err().to_string());
    }

    #[test]
    fn a_copy_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(DEFINITION), SMALL).unwrap();
        fs::write(folder.path().join("merges.txt"), "#version: 0.2\n").unwrap();
        fs::write(folder.path().join("model.safetensors"), "weights").unwrap();
        let tokenizer = TokenizerFolder::open(&folder.path().join(DEFINITION)).unwrap();
        let copy = folder.path().join("out/tokenizer");
        tokenizer.copy_to(&copy).unwrap();
        assert_eq!(fs::read_to_string(copy.join(DEFINITION)).unwrap(), SMALL);
        assert!(copy.join("merges.txt").is_file() && !copy.join("model.safetensors").exists());
        assert_eq!(TokenizerFolder::open(&copy).unwrap().fingerprint(), tokenizer.fingerprint());
    }

    #[test]
    fn what_is_no_tokenizer_is_refused_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("empty")).unwrap();
        fs::create_dir(path("bare")).unwrap();
        fs::write(path("bare/tokenizer.model"), [0, 1]).unwrap();
        fs::write(path("text.json"), "hello").unwrap();
        fs::write(path("other.json"), r#"{"model": {"type": "Tiktoken"}}"#).unwrap();
        for (name, said) in [
            ("missing", "no such file or folder, expected a tokenizer.json"),
            ("empty", "the folder has no tokenizer.json"),
            ("bare", "a SentencePiece model without its tokenizer.json"),
            ("bare/tokenizer.model", "a SentencePiece model without its tokenizer.json"),
            ("text.json", "not JSON"),
            ("other.json", "a model of type \"Tiktoken\""),
        ] {
            let error = TokenizerFolder::open(&path(name)).unwrap_err();
            assert!(error.to_string().contains(said), "{name}: {error}");
            assert!(error.to_string().contains("hint: "), "{name}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
