//! fastText models: nothing panics, a damaged file is an error, and the fast prediction is the plain one.
#![no_main]

mod harness;

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use prepcore::Error;
use prepcore::fasttext::{Model, Newline, plain};

const TEXT: &str = "the cat\nsat </s é고양이 __label__1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa the\0cat <> _";

fuzz_target!(init: harness::keep_panics(), |bytes: &[u8]| harness::run(|| target(bytes)));

fn target(bytes: &[u8]) {
    let model = match Model::read(Path::new("model"), bytes, bytes.len() as u64) {
        Ok(model) => Arc::new(model),
        Err(error) => {
            assert!(matches!(error, Error::Input { .. }), "{error}");
            return;
        }
    };
    let last = model.labels().len() - 1;
    for newline in [Newline::Delete, Newline::Space] {
        let mut predictor = model.predictor(newline);
        let best = predictor.best(TEXT);
        assert_eq!(best, plain::best(&model, TEXT, newline));
        assert!(best.is_none_or(|best| best.label <= last && best.score.is_finite()));
        let scores = predictor.scores_of(TEXT, &[0, last], 0.0);
        assert_eq!(scores, plain::scores_of(&model, TEXT, &[0, last], 0.0, newline));
    }
}
