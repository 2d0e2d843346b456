//! Rules: those that rewrite a document's text, and those that judge it. One rule a file, each with *What it
//! measures* (or *What it does*), *Why* and *Default and its source*; help and documentation are made from these.
//!
//! Rewriting rules come first. A judging rule reads one document and gives a [`Verdict`]; the first rule that drops
//! a document names the reason.

mod about;
mod by_model;
mod check;
mod classifier;
mod language;
mod length;
mod models;
mod redact;
mod repetition;
mod set;
mod short_lines;
mod unicode;
mod words;

use crate::document::Document;

pub use about::{About, about};
pub use by_model::ByModel;
pub use check::{Check, Finding, Measured, Verdict, Wanted};
pub use classifier::classifier;
pub use language::language;
pub use length::Length;
pub use models::{Models, Scores};
pub use redact::Redact;
pub use repetition::Repetition;
pub use set::{Examined, Rewritten, RuleSet};
pub use short_lines::ShortLines;
pub use unicode::Unicode;
pub use words::Words;

/// One rule that judges.
pub trait Rule: Send + Sync {
    /// The rule's name, as in `--rules.NAME`.
    fn name(&self) -> &'static str;

    /// What it looks at, in the order in which it tries them; each has a reason of its own.
    fn checks(&self) -> &[Check];

    /// Judges one document: the first check that it does not pass.
    fn judge(&self, document: &Document<'_>) -> Verdict;

    /// Measures everything that is checked, a value a check, whether the ones before pass or not.
    ///
    /// The first check that its value does not pass is what [`Rule::judge`] finds.
    fn measure(&self, document: &Document<'_>) -> Vec<Measured>;
}

/// One rule that rewrites.
pub trait Rewrite: Send + Sync {
    /// The rule's name, as in `--rules.NAME`.
    fn name(&self) -> &'static str;

    /// What it counts, as manifests and reports name it.
    fn kinds(&self) -> &'static [&'static str];

    /// The text as it should be, `None` where it is so already; adds what was changed to `counts`, a number a kind.
    ///
    /// A text depends on itself alone, and rewriting it again changes nothing.
    fn rewrite(&self, text: &str, counts: &mut [u64]) -> Option<String>;
}

/// Holds a rule to its promise: [`Rule::judge`] finds what [`Rule::measure`] shows.
#[cfg(test)]
pub(crate) fn agrees(rule: &dyn Rule, text: &str) -> Verdict {
    let document = Document::new(text);
    let verdict = rule.judge(&document);
    let measured = rule.measure(&document);
    assert_eq!(measured.len(), rule.checks().len(), "{}", rule.name());
    let shown = rule.checks().iter().zip(measured).find_map(|(check, measured)| check.judge(measured));
    assert_eq!(verdict, shown, "{} of {text:?}", rule.name());
    verdict
}
