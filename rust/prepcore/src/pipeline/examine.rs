//! One text under a configuration, check by check: what `explain` shows and histograms are drawn from.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Result;
use crate::config::Clean;
use crate::rule::{Check, Models, RuleSet};

/// Examines texts by the rules that a configuration turns on.
pub struct Examiner {
    rules: RuleSet,
    models: Models,
}

/// A check of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleCheck<'r> {
    /// The rule's name.
    pub rule: &'static str,
    /// The reason, what is wanted, and the threshold.
    #[serde(flatten)]
    pub check: &'r Check,
}

/// What was found in one text.
#[derive(Clone, Debug, Serialize)]
pub struct Examination<'r> {
    /// What rewriting changed: `RULE.KIND` and how often, only what is not 0.
    pub rewritten: BTreeMap<String, u64>,
    /// The text that was judged, where it was rewritten.
    pub text: Option<String>,
    /// Every check in order, whether those before it pass or not.
    pub checks: Vec<ExaminedCheck<'r>>,
}

/// A check and what was measured for it.
#[derive(Clone, Debug, Serialize)]
pub struct ExaminedCheck<'r> {
    /// The check.
    #[serde(flatten)]
    pub check: RuleCheck<'r>,
    /// What was measured.
    pub value: f64,
    /// What was found, where a number does not tell.
    pub detail: Option<String>,
    /// Whether it passes.
    pub passes: bool,
}

impl Examiner {
    /// # Errors
    /// [`crate::Error::Config`] for settings that cannot be used.
    pub fn new(configuration: &Clean) -> Result<Self> {
        configuration.validate()?;
        Ok(Self { rules: RuleSet::new(&configuration.rules)?, models: Models::open(configuration)? })
    }

    /// Every check, in the order in which they are tried.
    pub fn checks(&self) -> impl Iterator<Item = RuleCheck<'_>> {
        self.rules.checks().chain(self.models.checks()).map(|(rule, check)| RuleCheck { rule, check })
    }

    /// Rewrites a text and measures all that is checked.
    #[must_use]
    pub fn examine(&self, text: &str) -> Examination<'_> {
        let rewritten = self.rules.rewrite(text);
        let examined = self.rules.examine(&rewritten.text).into_iter();
        let examined = examined.chain(self.models.examine(&rewritten.text));
        let checks = examined.map(|examined| ExaminedCheck {
            passes: examined.check.passes(&examined.measured),
            check: RuleCheck { rule: examined.rule, check: examined.check },
            value: examined.measured.value,
            detail: examined.measured.detail.as_deref().map(str::to_owned),
        });
        let checks = checks.collect();
        let counts = self.rules.kinds().zip(rewritten.counts).filter(|(_, count)| *count > 0);
        Examination {
            rewritten: counts.map(|((rule, kind), count)| (format!("{rule}.{kind}"), count)).collect(),
            text: (rewritten.text != text).then(|| rewritten.text.into_owned()),
            checks,
        }
    }
}
