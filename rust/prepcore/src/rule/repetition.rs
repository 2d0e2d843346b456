//! `repetition`: paragraphs that come again within a document.
//!
//! **What it measures.** Paragraphs are the stripped text split on two or more `\n`; a *repeat* is every
//! occurrence after the first. Two ratios: repeats to paragraphs, and the repeats' characters to the characters
//! of the whole text (an empty text has ratio 0).
//!
//! **Why.** Text that repeats itself is boilerplate or a scraping accident, and a model that sees much of it
//! learns to loop.
//!
//! **Default and its source.** 0.3 and 0.2: Gopher (Rae et al., arXiv 2112.11446, table A1), as
//! "Pretraining LLMs" (DeepLearning.AI and Upstage, 2024), lesson 2, uses it.

use hashbrown::HashSet;

use super::{Finding, Rule, Verdict};
use crate::config;
use crate::document::{Document, chars};

/// The rule and its thresholds.
#[derive(Debug)]
pub struct Repetition {
    thresholds: config::Repetition,
}

impl Repetition {
    /// The rule with these thresholds.
    #[must_use]
    pub fn new(thresholds: config::Repetition) -> Self {
        Self { thresholds }
    }
}

impl Rule for Repetition {
    fn name(&self) -> &'static str {
        "repetition"
    }

    fn reasons(&self) -> &'static [&'static str] {
        &["repeated_paragraphs", "repeated_chars"]
    }

    fn judge(&self, document: &Document<'_>) -> Verdict {
        let mut seen = HashSet::new();
        let (mut paragraphs, mut repeats, mut repeated_chars) = (0_u64, 0_u64, 0_u64);
        for paragraph in document.paragraphs() {
            paragraphs += 1;
            if !seen.insert(paragraph) {
                repeats += 1;
                repeated_chars += chars(paragraph);
            }
        }
        if repeats == 0 {
            return None;
        }
        let exceeds =
            |reason, value, threshold| (value > threshold).then_some(Finding { reason, value, threshold });
        exceeds(
            "repeated_paragraphs",
            repeats as f64 / paragraphs as f64,
            self.thresholds.max_repeated_paragraphs,
        )
        .or_else(|| {
            // A repeat lies in the text, so the text is not empty here.
            let ratio = repeated_chars as f64 / chars(document.text) as f64;
            exceeds("repeated_chars", ratio, self.thresholds.max_repeated_chars)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Verdict {
        Repetition::new(config::Repetition::default()).judge(&Document::new(text))
    }

    #[test]
    fn the_thresholds_are_strict() {
        assert_eq!(
            judge("a\n\nb\n\na"),
            Some(Finding { reason: "repeated_paragraphs", value: 1.0 / 3.0, threshold: 0.3 })
        );
        assert_eq!(judge("a\n\nb\n\nc\n\na"), None);
        let finding = judge("aaaaaaaaaa\n\nb\n\nc\n\naaaaaaaaaa").unwrap();
        assert_eq!((finding.reason, finding.value), ("repeated_chars", 10.0 / 28.0));
        assert_eq!(judge(""), None);
        assert_eq!(judge("\n\n\n\n"), None);
    }
}
