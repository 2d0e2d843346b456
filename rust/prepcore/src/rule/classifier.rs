//! `classifier`: what a model of the user's own says of a document, such as its quality or whether it is toxic.
//!
//! **What it measures.** The score that a fastText model gives one label of the text, in which every `\n` counts as
//! a space: `--classifier`, `--label`, `--min-score`, `--max-score`. Both bounds are inclusive.
//!
//! **Why.** What a good document is cannot be said in a rule, but it can be shown by examples: `prepcore classifier
//! train` learns from them.
//!
//! **Default and its source.** Off. The design follows DCLM (Li et al., arXiv 2406.11794, section 4.4), which keeps
//! the best tenth by the score of a fastText model.

use super::by_model::ByModel;
use super::{Check, Wanted};
use crate::config::Clean;
use crate::fasttext::{Model, Newline};
use crate::{Error, Result};

/// How many labels a message names.
const NAMED: usize = 10;

/// The rule that a configuration asks for; none where it names no model.
///
/// # Errors
/// [`Error::Config`] for a label that the model does not have, and [`Error::Input`] for a file that is no model.
pub fn classifier(configuration: &Clean) -> Result<Option<ByModel>> {
    let (Some(path), Some(name)) = (&configuration.classifier, &configuration.label) else { return Ok(None) };
    let model = Model::open(path)?;
    let Some(label) = model.label(name) else {
        let known: Vec<_> = model.labels().iter().take(NAMED).map(String::as_str).collect();
        let more = if model.labels().len() > NAMED { ", …" } else { "" };
        let message = format!("{name:?} is no label of {}", path.display());
        return Err(Error::config("--label", message).hint(format!("it has {}{more}", known.join(", "))));
    };
    let least = configuration
        .min_score
        .map(|score| Check::new("low_score", "classifier_score", Wanted::AtLeast(score)));
    let greatest = configuration
        .max_score
        .map(|score| Check::new("high_score", "classifier_score", Wanted::AtMost(score)));
    let checks = least.into_iter().chain(greatest).collect();
    Ok(Some(ByModel::new("classifier", (model, Newline::Space), Some(label), checks)))
}
