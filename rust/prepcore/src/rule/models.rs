//! The rules that ask a model, which cost more than all others together.

use serde_json::{Map, Value};

use super::by_model::ByModel;
use super::{Check, Examined, Finding, Measured, classifier, language};
use crate::Result;
use crate::config::Clean;
use crate::fasttext::Model;

/// The rules of this kind that are on, in their order.
pub struct Models(Vec<ByModel>);

/// What each model says of a document: label and score.
pub type Scores = Vec<Measured>;

impl Models {
    /// Opens the models that a configuration names.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for labels that they do not have, [`crate::Error::Input`] for files that are none.
    pub fn open(configuration: &Clean) -> Result<Self> {
        Ok(Self(language(configuration)?.into_iter().chain(classifier(configuration)?).collect()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the columns are called that hold a label and its score, a pair a rule, in order.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().map(|rule| (rule.name(), format!("{}_score", rule.name())))
    }

    /// Every check in order: the rule and the check.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, &Check)> {
        self.0.iter().flat_map(|rule| rule.checks().iter().map(|check| (rule.name(), check)))
    }

    /// Bytes of memory that the models take, and those that each thread takes beside them.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let models = self.0.iter().map(ByModel::model);
        let each = |(shared, each), model: &Model| (shared + model.bytes(), each + model.predictor_bytes());
        models.fold((0, 0), each)
    }

    /// The checksums of the model files, by rule.
    #[must_use]
    pub fn fingerprints(&self) -> Map<String, Value> {
        self.0.iter().map(|rule| (rule.name().to_owned(), rule.fingerprint().into())).collect()
    }

    /// Judges a text: why it goes, or what the models say of it.
    ///
    /// # Errors
    /// The finding of the first rule that drops it.
    pub fn judge(&self, text: &str) -> std::result::Result<Scores, Finding> {
        let mut scores = Vec::with_capacity(self.0.len());
        for rule in &self.0 {
            let score = rule.score(text);
            if let Some(finding) = rule.judge_score(&score) {
                return Err(finding);
            }
            scores.push(score);
        }
        Ok(scores)
    }

    /// What every model says of a text.
    #[must_use]
    pub fn scores(&self, text: &str) -> Scores {
        self.0.iter().map(|rule| rule.score(text)).collect()
    }

    /// Measures a text: every check, whether those before pass or not.
    #[must_use]
    pub fn examine(&self, text: &str) -> Vec<Examined<'_>> {
        self.0
            .iter()
            .flat_map(|rule| {
                let score = rule.score(text);
                let checks = rule.checks().iter();
                checks.map(move |check| Examined { rule: rule.name(), check, measured: score.clone() })
            })
            .collect()
    }
}
