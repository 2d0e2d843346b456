//! Training a byte-level BPE tokenizer.
//!
//! GPT-2's recipe: text is cut into words by GPT-2's pattern, words into bytes, and the most frequent
//! neighbours are joined until the vocabulary is full. All 256 bytes are in the vocabulary, so every text has
//! ids and comes back from them unchanged.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, ModelWrapper, PostProcessorWrapper, Tokenizer};

use crate::sink::{AtomicFile, Written};
use crate::{Error, Result};

/// Learns a byte-level BPE vocabulary of `vocabulary_size` entries: the special tokens first, then the 256
/// bytes, then what is learned, fewer when the text has no more to offer.
///
/// The result depends on the multiset of texts alone: neither on their order nor on `threads`.
///
/// # Errors
/// [`Error::Internal`] when the library refuses; nothing that a user can set should lead there.
pub fn train_byte_level(
    texts: impl Iterator<Item = String> + Send,
    vocabulary_size: usize,
    special_tokens: &[String],
    threads: usize,
) -> Result<Trained> {
    let internal = |error: tokenizers::Error| Error::Internal(format!("training a tokenizer: {error}"));
    let added: Vec<_> = special_tokens.iter().map(|token| AddedToken::from(token.clone(), true)).collect();
    let mut trainer: tokenizers::models::TrainerWrapper = BpeTrainer::builder()
        .vocab_size(vocabulary_size)
        .special_tokens(added)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build()
        .into();
    let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    // No space is put before a text: ids must give back exactly the text that went in.
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    // The library counts and merges on rayon's pool; one of our own keeps it to the threads asked for.
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Internal(format!("starting {threads} threads: {error}")))?
        .install(|| tokenizer.train(&mut trainer, texts).map(|_| ()))
        .map_err(internal)?;
    if let Some(bos) = special_tokens.first().filter(|_| special_tokens.len() > 1) {
        // What Llama's tokenizers do: a prompt begins with bos, as every document did in training.
        let id = tokenizer.token_to_id(bos).unwrap_or_default();
        let template = TemplateProcessing::builder()
            .try_single(vec![bos.clone(), "$A".into()])
            .and_then(|builder| {
                builder.try_pair(vec![bos.clone(), "$A".into(), format!("{bos}:1"), "$B:1".into()])
            })
            .map_err(|error| internal(error.into()))?
            .special_tokens(vec![(bos.clone(), id)])
            .build()
            .map_err(|error| internal(Box::new(error)))?;
        tokenizer.with_post_processor(Some(PostProcessorWrapper::Template(template)));
    }
    Ok(Trained { tokenizer, special_tokens: special_tokens.to_vec() })
}

/// A file of a trained tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainedFile {
    /// Relative to the folder.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// `xxh3-128:` and the XXH3-128 of its bytes.
    pub checksum: String,
}

/// A tokenizer that was trained here.
pub struct Trained {
    tokenizer: Tokenizer,
    special_tokens: Vec<String>,
}

impl Trained {
    /// Entries of the vocabulary.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`] names the file.
    pub fn write(&self, folder: &Path) -> Result<Vec<TrainedFile>> {
        let definition =
            self.tokenizer.to_string(true).map_err(|error| Error::Internal(error.to_string()))?;
        let (bos, eos) = match self.special_tokens.as_slice() {
            [] => (None, None),
            [both] => (Some(both), Some(both)),
            [bos, eos, ..] => (Some(bos), Some(eos)),
        };
        let configuration = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": bos,
            "eos_token": eos,
            // No limit; the number by which `transformers` says so.
            "model_max_length": 1e30,
            // The clean-up would drop spaces before punctuation when decoding.
            "clean_up_tokenization_spaces": false,
        });
        [("tokenizer.json", definition), ("tokenizer_config.json", format!("{configuration:#}\n"))]
            .into_iter()
            .map(|(name, text)| {
                let mut file = AtomicFile::create(folder.join(name))?;
                file.append(text.as_bytes())?;
                let Written { bytes, checksum } = file.commit()?;
                Ok(TrainedFile { path: name.into(), bytes, checksum })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::{Encode, Reference, SpecialTokens, TokenizerFolder};
    use super::*;
    use crate::config::SpecialTokenText;

    const TEXTS: [&str; 4] = [
        "the cat sat on the mat",
        "the hat, the bat and the rat",
        "that is that",
        "</s> the </s> the the the",
    ];

    fn trained(order: impl Iterator<Item = &'static str>, threads: usize) -> Trained {
        let texts: Vec<String> = order.map(str::to_owned).collect();
        train_byte_level(texts.into_iter(), 280, &["<s>".into(), "</s>".into()], threads).unwrap()
    }

    #[test]
    fn neither_order_nor_threads_matter() {
        let first = trained(TEXTS.into_iter(), 1).tokenizer.to_string(false).unwrap();
        for threads in [1, 2, 7] {
            assert_eq!(trained(TEXTS.into_iter().rev(), threads).tokenizer.to_string(false).unwrap(), first);
        }
    }

    #[test]
    fn the_folder_is_one_that_packing_opens() {
        let folder = tempfile::tempdir().unwrap();
        trained(TEXTS.into_iter(), 2).write(folder.path()).unwrap();
        let opened = TokenizerFolder::open(folder.path()).unwrap();
        assert_eq!(opened.vocabulary_size(), 280);
        let special = SpecialTokens::resolve(&opened, "auto", "auto").unwrap();
        assert_eq!((special.bos.unwrap().id, special.eos.unwrap().id), (0, 1));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            static TRAINED: LazyLock<(TokenizerFolder, Reference)> = LazyLock::new(|| {
                let folder = tempfile::tempdir().unwrap();
                trained(TEXTS.into_iter(), 1).write(folder.path()).unwrap();
                let opened = TokenizerFolder::open(folder.path()).unwrap();
                let reference = Reference::new(&opened, SpecialTokenText::Text).unwrap();
                (opened, reference)
            });
            let mut ids = Vec::new();
            TRAINED.1.encode(&text, &mut ids).unwrap();
            prop_assert_eq!(TRAINED.0.tokenizer.decode(&ids, false).unwrap(), text);
        }
    }
}
