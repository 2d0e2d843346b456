//! The head of a model file: how the model was trained.

use std::io::Read;

use super::reader::Reader;
use crate::Result;

/// What every model file begins with.
const MAGIC: i32 = 793_712_314;

/// The newest version, written since 2017.
const VERSION: i32 = 12;

/// A version whose supervised models have no character n-grams, whatever they say.
const WITHOUT_CHARACTERS: i32 = 11;

/// The longest n-grams that are taken, of words and of characters. A longer one costs time with every word of every
/// text, and the longest in use have six.
const MAX_NGRAM: u32 = 1_000;

/// How scores come from the output matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// A binary decision at each node of a Huffman tree.
    HierarchicalSoftmax,
    /// A sigmoid for each label, from a table.
    Sigmoid,
    /// Scores that add up to one.
    Softmax,
}

/// What of a model's arguments matters to a prediction.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    /// Length of a vector.
    pub(super) dimension: u32,
    /// The most words of a word n-gram; 0 and 1 mean none.
    pub(super) word_ngrams: usize,
    /// How scores are made.
    pub(super) loss: Loss,
    /// Numbers that n-grams are hashed to.
    pub(super) bucket: u32,
    /// The fewest characters of an n-gram.
    pub(super) min_characters: usize,
    /// The most characters of an n-gram; 0 means none.
    pub(super) max_characters: usize,
}

impl Arguments {
    /// Reads the head of a file.
    pub(super) fn read(reader: &mut Reader<'_, impl Read>) -> Result<Self> {
        let magic = reader.i32("the magic number")?;
        if magic != MAGIC {
            let hint = "a model file is one that the fastText library saved: .bin or .ftz";
            return Err(reader
                .refuse(format!("not a fastText model: it begins with {magic:#010x}, expected {MAGIC:#010x}"))
                .hint(hint));
        }
        let version = reader.i32("the version")?;
        if !(WITHOUT_CHARACTERS..=VERSION).contains(&version) {
            return Err(reader.refuse(format!(
                "the model's format has version {version}, expected {WITHOUT_CHARACTERS} or {VERSION}"
            )));
        }
        let all = i32::MAX as u32;
        let dimension = reader.count("dim", all)?;
        for passed_over in ["ws", "epoch", "minCount", "neg"] {
            reader.i32(passed_over)?;
        }
        let word_ngrams = reader.count("wordNgrams", MAX_NGRAM)? as usize;
        let loss = reader.i32("loss")?;
        let model = reader.i32("model")?;
        let bucket = reader.count("bucket", all)?;
        let min_characters = reader.count("minn", all)? as usize;
        let max_characters = reader.count("maxn", MAX_NGRAM)? as usize;
        reader.i32("lrUpdateRate")?;
        reader.i64("t")?;

        let unsupervised = match model {
            1 => "cbow",
            2 => "skipgram",
            3 => "",
            other => return Err(reader.refuse(format!("damaged: model is {other}, expected 3 (supervised)"))),
        };
        if !unsupervised.is_empty() {
            return Err(reader
                .refuse(format!(
                    "an unsupervised model ({unsupervised}) has no labels, expected a supervised one"
                ))
                .hint("train one with `fasttext supervised` or `fasttext.train_supervised`"));
        }
        let loss = match loss {
            1 => Loss::HierarchicalSoftmax,
            2 | 4 => Loss::Sigmoid,
            3 => Loss::Softmax,
            other => {
                return Err(reader.refuse(format!("damaged: loss is {other}, expected 1 (hs) to 4 (ova)")));
            }
        };
        if dimension == 0 {
            return Err(reader.refuse("damaged: dim is 0, expected 1 or more"));
        }
        let max_characters = if version == WITHOUT_CHARACTERS { 0 } else { max_characters };
        let arguments = Self { dimension, word_ngrams, loss, bucket, min_characters, max_characters };
        if bucket == 0 && arguments.has_ngrams() {
            return Err(reader.refuse("damaged: the model has n-grams and bucket is 0, expected 1 or more"));
        }
        Ok(arguments)
    }

    /// Whether there are n-grams of characters.
    pub(super) fn has_characters(&self) -> bool {
        self.max_characters > 0 && self.min_characters <= self.max_characters
    }

    /// Whether there are n-grams of any kind.
    pub(super) fn has_ngrams(&self) -> bool {
        self.has_characters() || self.word_ngrams > 1
    }
}
