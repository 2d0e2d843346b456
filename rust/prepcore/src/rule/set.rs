//! The rules that are on, in their order.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Check, Length, Measured, Redact, Repetition, Rewrite, Rule, ShortLines, Unicode, Verdict, Words,
};
use crate::Result;
use crate::config::Rules;
use crate::document::Document;

/// The rules that are on: first those that rewrite, then those that judge.
pub struct RuleSet {
    rewrites: Vec<Box<dyn Rewrite>>,
    rules: Vec<Box<dyn Rule>>,
    files: Map<String, Value>,
}

/// A text after the rules that rewrite.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewritten<'t> {
    /// The text that is judged, hashed and written.
    pub text: Cow<'t, str>,
    /// What was changed, a number each of [`RuleSet::kinds`].
    pub counts: Vec<u64>,
}

/// One check of a document, and what it found.
#[derive(Clone, Debug)]
pub struct Examined<'r> {
    /// The rule's name.
    pub rule: &'static str,
    /// What is checked.
    pub check: &'r Check,
    /// What was measured.
    pub measured: Measured,
}

impl RuleSet {
    /// The rules that a configuration turns on.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a file of a rule that cannot be used.
    pub fn new(rules: &Rules) -> Result<Self> {
        let mut rewrites: Vec<Box<dyn Rewrite>> = Vec::new();
        let mut judging: Vec<Box<dyn Rule>> = Vec::new();
        let mut files = Map::new();
        if let Some(options) = rules.unicode.on() {
            rewrites.push(Box::new(Unicode::new(options)));
        }
        if let Some(kinds) = rules.redact.on() {
            rewrites.push(Box::new(Redact::new(kinds)));
        }
        if let Some(thresholds) = rules.short_lines.on() {
            judging.push(Box::new(ShortLines::new(thresholds.clone())));
        }
        if let Some(thresholds) = rules.repetition.on() {
            judging.push(Box::new(Repetition::new(thresholds)));
        }
        if let Some(bounds) = rules.length.on() {
            judging.push(Box::new(Length::new(bounds)));
        }
        if let Some(thresholds) = rules.words.on() {
            let words = Words::new(thresholds)?;
            files.insert("words".into(), words.fingerprint().into());
            judging.push(Box::new(words));
        }
        let place = |name: &str| rules.order.iter().position(|named| named == name).unwrap_or(usize::MAX);
        // Stable: rules that are not named keep their order behind those that are.
        rewrites.sort_by_key(|rule| place(rule.name()));
        judging.sort_by_key(|rule| place(rule.name()));
        Ok(Self { rewrites, rules: judging, files })
    }

    /// The checksums of the files that rules read, by rule.
    #[must_use]
    pub fn fingerprints(&self) -> &Map<String, Value> {
        &self.files
    }

    /// What rewriting counts: the rule and the kind, in order.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.rewrites.iter().flat_map(|rule| rule.kinds().iter().map(|kind| (rule.name(), *kind)))
    }

    /// Whether some rule rewrites.
    #[must_use]
    pub fn rewrites(&self) -> bool {
        !self.rewrites.is_empty()
    }

    /// Rewrites a text.
    #[must_use]
    pub fn rewrite<'t>(&self, text: &'t str) -> Rewritten<'t> {
        let mut counts = vec![0; self.kinds().count()];
        let mut rewritten = Cow::Borrowed(text);
        let mut rest = counts.as_mut_slice();
        for rule in &self.rewrites {
            let (own, others) = rest.split_at_mut(rule.kinds().len());
            rest = others;
            if let Some(text) = rule.rewrite(&rewritten, own) {
                rewritten = Cow::Owned(text);
            }
        }
        Rewritten { text: rewritten, counts }
    }

    /// Judges a text that was rewritten: the first rule that drops it names the reason.
    #[must_use]
    pub fn judge(&self, text: &str) -> Verdict {
        let document = Document::new(text);
        self.rules.iter().find_map(|rule| rule.judge(&document))
    }

    /// Every check in order: the rule and the check.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, &Check)> {
        self.rules.iter().flat_map(|rule| rule.checks().iter().map(|check| (rule.name(), check)))
    }

    /// Measures a text that was rewritten: every check, whether those before pass or not.
    #[must_use]
    pub fn examine(&self, text: &str) -> Vec<Examined<'_>> {
        let document = Document::new(text);
        let measured = self.rules.iter().flat_map(|rule| rule.measure(&document));
        self.checks()
            .zip(measured)
            .map(|((rule, check), measured)| Examined { rule, check, measured })
            .collect()
    }
}
