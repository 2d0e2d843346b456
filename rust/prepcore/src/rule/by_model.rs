//! What rules that ask a fastText model share.

use std::sync::Arc;

use super::{Check, Measured, Verdict};
use crate::fasttext::{LABEL_PREFIX, Model, Newline, Predictors};

/// A rule that looks at a label and its score.
pub struct ByModel {
    name: &'static str,
    predictors: Predictors,
    /// The labels by their numbers, without the prefix.
    labels: Vec<Arc<str>>,
    /// The label whose score counts; none: the best.
    asked: Option<usize>,
    checks: Vec<Check>,
}

impl ByModel {
    pub(super) fn new(
        name: &'static str,
        (model, newline): (Model, Newline),
        asked: Option<usize>,
        checks: Vec<Check>,
    ) -> Self {
        let plain = |label: &String| label.strip_prefix(LABEL_PREFIX).unwrap_or(label).into();
        let labels = model.labels().iter().map(plain).collect();
        Self { name, predictors: Predictors::new(Arc::new(model), newline), labels, asked, checks }
    }

    /// The label and its score.
    #[must_use]
    pub fn score(&self, text: &str) -> Measured {
        let found = self.predictors.with(|predictor| match self.asked {
            None => predictor.best(text).map(|best| (best.label, best.score)),
            Some(label) => {
                let scores = predictor.scores_of(text, &[label], 0.0);
                scores.first().copied().flatten().map(|score| (label, score))
            }
        });
        match found {
            None => Measured { value: 0.0, detail: None },
            Some((label, score)) => {
                Measured { value: f64::from(score), detail: self.labels.get(label).map(Arc::clone) }
            }
        }
    }

    /// What the checks say of a score.
    #[must_use]
    pub fn judge_score(&self, score: &Measured) -> Verdict {
        self.checks.iter().find_map(|check| check.judge(score.clone()))
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        self.predictors.model()
    }

    /// The checksum of the model's file.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.model().fingerprint()
    }

    /// The rule's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it looks at, all of it the same score.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}
