//! Rules that judge: one rule a file, each with *What it measures*, *Why* and *Default and its source*.
//!
//! A rule reads one document and gives a [`Verdict`]. The first rule that drops a document names the reason.

mod repetition;
mod short_lines;

use crate::config::Rules;
use crate::document::Document;

pub use repetition::Repetition;
pub use short_lines::ShortLines;

/// Why a document goes: the reason, the value measured and the threshold it missed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The reason as manifests and reports name it.
    pub reason: &'static str,
    /// What was measured.
    pub value: f64,
    /// The threshold that the value missed.
    pub threshold: f64,
}

/// What a rule says of a document: nothing, or why it goes.
pub type Verdict = Option<Finding>;

/// One rule that judges.
pub trait Rule: Send + Sync {
    /// The rule's name, as in `--rules.NAME`.
    fn name(&self) -> &'static str;

    /// Every reason this rule can give, in the order it tries them.
    fn reasons(&self) -> &'static [&'static str];

    /// Judges one document.
    fn judge(&self, document: &Document<'_>) -> Verdict;
}

/// The rules that are on, in their order.
pub struct RuleSet(Vec<Box<dyn Rule>>);

impl RuleSet {
    /// The rules that a configuration turns on.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        let mut set: Vec<Box<dyn Rule>> = Vec::new();
        if let Some(thresholds) = rules.short_lines.on() {
            set.push(Box::new(ShortLines::new(thresholds.clone())));
        }
        if let Some(thresholds) = rules.repetition.on() {
            set.push(Box::new(Repetition::new(thresholds.clone())));
        }
        Self(set)
    }

    /// Every reason a document can go for, in the order in which they are tried.
    pub fn reasons(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().flat_map(|rule| rule.reasons().iter().copied())
    }

    /// Judges a document: the first rule that drops it names the reason.
    #[must_use]
    pub fn judge(&self, text: &str) -> Verdict {
        let document = Document::new(text);
        self.0.iter().find_map(|rule| rule.judge(&document))
    }
}
