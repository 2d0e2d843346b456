//! Models made in memory: the fast way beside the plain one, and files that are damaged.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Model, Newline, Predictors, plain};
use crate::Error;

/// A model to be written.
#[derive(Clone, Debug)]
struct Made {
    version: i32,
    kind: i32,
    dimension: usize,
    word_ngrams: i32,
    loss: i32,
    bucket: i32,
    min_characters: i32,
    max_characters: i32,
    words: Vec<String>,
    labels: usize,
    /// Every which bucket is kept, where the model is pruned.
    kept: Option<i32>,
    quantised: Option<Quantised>,
}

#[derive(Clone, Copy, Debug)]
struct Quantised {
    width: usize,
    norms: bool,
    output: bool,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            version: 12,
            kind: 3,
            dimension: 4,
            word_ngrams: 1,
            loss: 1,
            bucket: 50,
            min_characters: 2,
            max_characters: 4,
            words: ["</s>", "the", "cat", "é"].map(str::to_owned).to_vec(),
            labels: 3,
            kept: None,
            quantised: None,
        }
    }
}

/// Bytes, and numbers that look random.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    state: u32,
}

impl Writer {
    fn i32s(&mut self, numbers: &[i32]) {
        self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    fn i64s(&mut self, numbers: &[usize]) {
        self.bytes.extend(numbers.iter().flat_map(|number| (*number as i64).to_le_bytes()));
    }

    fn random(&mut self) -> u32 {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.state >> 8
    }

    fn weights(&mut self, count: usize) {
        for _ in 0..count {
            let weight = self.random() as f32 / 8e6 - 1.0;
            self.bytes.extend(weight.to_le_bytes());
        }
    }

    fn codes(&mut self, count: usize) {
        for _ in 0..count {
            let code = self.random() as u8;
            self.bytes.push(code);
        }
    }

    fn matrix(&mut self, rows: usize, columns: usize, quantised: Option<Quantised>) {
        let Some(quantised) = quantised else {
            self.i64s(&[rows, columns]);
            return self.weights(rows * columns);
        };
        let width = quantised.width.min(columns);
        let codes = columns.div_ceil(width);
        self.bytes.push(u8::from(quantised.norms));
        self.i64s(&[rows, columns]);
        self.i32s(&[(rows * codes) as i32]);
        self.codes(rows * codes);
        let last = columns - (codes - 1) * width;
        self.i32s(&[columns, codes, width, last].map(|number| number as i32));
        self.weights(columns * 256);
        if quantised.norms {
            self.codes(rows);
            self.i32s(&[1, 1, 1, 1]);
            self.weights(256);
        }
    }
}

impl Made {
    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i32s(&[793_712_314, self.version, self.dimension as i32, 5, 5, 1, 5, self.word_ngrams]);
        writer.i32s(&[self.loss, self.kind, self.bucket, self.min_characters, self.max_characters, 100]);
        writer.i64s(&[0]);
        let words = self.words.len();
        writer.i32s(&[words + self.labels, words, self.labels].map(|number| number as i32));
        let kept: Vec<i32> =
            self.kept.map_or(vec![], |every| (0..self.bucket).step_by(every as usize).collect());
        let pruned = if self.kept.is_some() { kept.len() } else { usize::MAX };
        writer.i64s(&[1_000, pruned]);
        let labels = (0..self.labels).map(|label| format!("__label__{label}"));
        for (number, name) in self.words.iter().cloned().chain(labels).enumerate() {
            writer.bytes.extend(name.bytes().chain([0]));
            writer.i64s(&[1_000 / (number + 1)]);
            writer.bytes.push(u8::from(number >= words));
        }
        for (row, bucket) in kept.iter().rev().enumerate() {
            writer.i32s(&[*bucket, row as i32]);
        }
        let ngrams = if self.kept.is_some() { kept.len() } else { self.bucket as usize };
        writer.bytes.push(u8::from(self.quantised.is_some()));
        writer.matrix(words + ngrams, self.dimension, self.quantised);
        let output = self.quantised.filter(|quantised| quantised.output);
        writer.bytes.push(u8::from(output.is_some()));
        writer.matrix(self.labels, self.dimension, output);
        writer.bytes
    }

    fn read(&self) -> Arc<Model> {
        Arc::new(read(&self.write()).unwrap())
    }
}

fn read(bytes: &[u8]) -> crate::Result<Model> {
    Model::read(Path::new("model.bin"), bytes, bytes.len() as u64)
}

/// Holds the fast way against the plain one, on the same predictor for all texts.
fn compare(model: &Arc<Model>, texts: &[String]) {
    let labels: Vec<usize> = (0..model.labels().len()).collect();
    let bits = |scores: Vec<Option<f32>>| -> Vec<Option<u32>> {
        scores.into_iter().map(|score| score.map(f32::to_bits)).collect()
    };
    for newline in [Newline::Delete, Newline::Space] {
        let mut predictor = model.predictor(newline);
        // Twice, because the second time finds what the first has kept.
        for text in texts.iter().chain(texts) {
            let (fast, plain) = (predictor.best(text), plain::best(model, text, newline));
            assert_eq!(fast.map(|best| best.label), plain.map(|best| best.label), "{text:?}");
            assert_eq!(fast.map(|best| best.score.to_bits()), plain.map(|best| best.score.to_bits()));
            let fast = predictor.scores_of(text, &labels, 0.1);
            assert_eq!(bits(fast), bits(plain::scores_of(model, text, &labels, 0.1, newline)), "{text:?}");
        }
    }
}

fn any_model() -> impl Strategy<Value = Made> {
    let quantised = (1_usize..4, any::<bool>(), any::<bool>());
    let quantised = quantised.prop_map(|(width, norms, output)| Quantised { width, norms, output });
    let sizes = (1_usize..40, 0_i32..4, 1_i32..5, 1_i32..200, 0_i32..4, 0_i32..10, 1_usize..40);
    (sizes, prop::option::of(quantised), prop::option::of(1_i32..8), any::<bool>()).prop_map(
        |(sizes, quantised, kept, with_end)| {
            let (dimension, word_ngrams, loss, bucket, min_characters, max_characters, labels) = sizes;
            let kept = kept.filter(|_| quantised.is_some());
            let words = Made::default().words.split_off(usize::from(!with_end));
            let this =
                Made { quantised, kept, words, dimension, word_ngrams, loss, bucket, ..Made::default() };
            Made { min_characters, max_characters, labels, ..this }
        },
    )
}

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => "[a-z]{1,9}",
        3 => "[a-eé가\u{a0}\u{2028}😀]{1,12}",
        1 => "a{23,33}",
        1 => "[é]{12,17}",
        2 => Just("the".to_owned()),
        1 => Just("</s>".to_owned()),
        1 => Just("</s".to_owned()),
        1 => Just("__label__1".to_owned()),
        1 => Just("__label__x".to_owned()),
    ];
    let between = prop_oneof![4 => Just(" "), 1 => Just("\n"), 1 => Just("\0"), 1 => Just("\r\n\t\x0b\x0c"), 1 => Just("")];
    prop::collection::vec((word, between), 0..80)
        .prop_map(|words| words.into_iter().flat_map(|(word, between)| [word, between.to_owned()]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn fast_is_plain(made in any_model(), texts in prop::collection::vec(any_text(), 1..6)) {
        compare(&made.read(), &texts);
    }
}

#[test]
fn long_words_and_many_rows() {
    let texts = ["x".repeat(100_000), "é".repeat(70_000), "the cat ".repeat(30_000), "ab\n".repeat(50_000)];
    compare(&Made::default().read(), &texts);
    let quantised = Some(Quantised { width: 2, norms: true, output: false });
    compare(&Made { quantised, kept: Some(3), dimension: 16, ..Made::default() }.read(), &texts);
}

#[test]
fn version_11_has_no_characters() {
    let old = Made { version: 11, ..Made::default() }.read();
    let same = Made { max_characters: 0, ..Made::default() }.read();
    let text = "the unknown cat";
    assert_eq!(plain::best(&old, text, Newline::Space), plain::best(&same, text, Newline::Space));
    compare(&old, &[text.to_owned()]);
}

#[test]
fn labels_by_either_name() {
    let model = Made::default().read();
    assert_eq!(model.labels(), ["__label__0", "__label__1", "__label__2"]);
    assert_eq!((model.label("__label__1"), model.label("1"), model.label("3")), (Some(1), Some(1), None));
    assert!(model.fingerprint().starts_with("xxh3-128:"));
}

#[test]
fn no_row_is_no_label() {
    let words = vec!["cat".to_owned()];
    let model = Made { words, max_characters: 0, ..Made::default() }.read();
    let predictors = Predictors::new(model, Newline::Delete);
    assert_eq!(predictors.with(|predictor| predictor.best("dog")), None);
    assert_eq!(predictors.with(|predictor| predictor.scores_of("dog", &[1], 0.0)), [None]);
    assert!(predictors.with(|predictor| predictor.best("cat")).is_some());
}

#[test]
fn what_is_refused_is_said() {
    let message = |made: Made| read(&made.write()).unwrap_err().to_string();
    assert!(message(Made { kind: 1, ..Made::default() }).contains("an unsupervised model (cbow)"));
    assert!(message(Made { kind: 2, ..Made::default() }).contains("an unsupervised model (skipgram)"));
    assert!(message(Made { version: 13, ..Made::default() }).contains("version 13, expected 11 or 12"));
    assert!(message(Made { loss: 5, ..Made::default() }).contains("loss is 5"));
    assert!(message(Made { bucket: 0, ..Made::default() }).contains("bucket is 0"));
    assert!(message(Made { labels: 0, ..Made::default() }).contains("0 labels"));
    assert!(message(Made { kept: Some(2), ..Made::default() }).contains("not quantised"));
    let error = read(b"PK\x03\x04 some other file").unwrap_err();
    assert!(error.to_string().starts_with("model.bin: not a fastText model"), "{error}");
    assert_eq!(error.exit_code(), 2);
    assert!(Model::open(Path::new("no-such.bin")).unwrap_err().to_string().contains("cannot be opened"));
}

fn small_models() -> [Vec<u8>; 3] {
    let quantised = Some(Quantised { width: 3, norms: true, output: true });
    [
        Made::default(),
        Made { quantised, kept: Some(7), loss: 3, word_ngrams: 2, ..Made::default() },
        Made { quantised, loss: 4, dimension: 5, ..Made::default() },
    ]
    .map(|made| made.write())
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for bytes in small_models() {
        assert!(read(&bytes).is_ok());
        // Every place before the weights, and some within.
        for end in (0..bytes.len()).filter(|end| *end < 500 || end % 37 == 0) {
            let error = read(&bytes[..end]).unwrap_err();
            assert!(matches!(error, Error::Input { .. }), "{end}: {error}");
        }
    }
}

#[test]
fn a_file_with_other_bytes_is_an_error_or_predicts() {
    for bytes in small_models() {
        for at in (0..bytes.len()).filter(|at| *at < 700 || at % 41 == 0) {
            for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                match read(&bytes) {
                    Ok(model) => compare(&Arc::new(model), &["the cat </s é dog".to_owned()]),
                    Err(error) => assert!(matches!(error, Error::Input { .. }), "{at}: {error}"),
                }
            }
        }
    }
}
