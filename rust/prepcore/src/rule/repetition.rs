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

use super::{Check, Measured, Rule, Verdict, Wanted};
use crate::config;
use crate::document::{Document, chars};

/// The rule and its thresholds.
#[derive(Debug)]
pub struct Repetition {
    checks: [Check; 2],
}

/// What comes again in a document.
#[derive(Default)]
struct Repeats {
    paragraphs: u64,
    repeats: u64,
    chars: u64,
}

impl Repetition {
    /// The rule with these thresholds.
    #[must_use]
    pub fn new(thresholds: &config::Repetition) -> Self {
        let paragraphs = Check::new(
            "repeated_paragraphs",
            "repeated_paragraphs",
            Wanted::AtMost(thresholds.max_repeated_paragraphs),
        );
        let chars =
            Check::new("repeated_chars", "repeated_chars", Wanted::AtMost(thresholds.max_repeated_chars));
        Self { checks: [paragraphs, chars] }
    }
}

impl Rule for Repetition {
    fn name(&self) -> &'static str {
        "repetition"
    }

    fn checks(&self) -> &[Check] {
        &self.checks
    }

    fn judge(&self, document: &Document<'_>) -> Verdict {
        let repeats = Repeats::of(document);
        if repeats.repeats == 0 {
            return None;
        }
        let [paragraphs, chars] = &self.checks;
        paragraphs
            .judge(repeats.share_of_paragraphs().into())
            .or_else(|| chars.judge(repeats.share_of_chars(document).into()))
    }

    fn measure(&self, document: &Document<'_>) -> Vec<Measured> {
        let repeats = Repeats::of(document);
        vec![repeats.share_of_paragraphs().into(), repeats.share_of_chars(document).into()]
    }
}

impl Repeats {
    fn of(document: &Document<'_>) -> Self {
        let mut seen = HashSet::new();
        let mut repeats = Self::default();
        for paragraph in document.paragraphs() {
            repeats.paragraphs += 1;
            if !seen.insert(paragraph) {
                repeats.repeats += 1;
                repeats.chars += chars(paragraph);
            }
        }
        repeats
    }

    fn share_of_paragraphs(&self) -> f64 {
        self.repeats as f64 / self.paragraphs as f64
    }

    fn share_of_chars(&self, document: &Document<'_>) -> f64 {
        // Without repeats the text may be empty.
        if self.repeats == 0 { 0.0 } else { self.chars as f64 / chars(document.text) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::agrees;

    fn judge(text: &str) -> Option<(&'static str, f64, Option<f64>)> {
        let verdict = agrees(&Repetition::new(&config::Repetition::default()), text);
        verdict.and_then(|finding| Some((finding.reason, finding.value?, finding.threshold)))
    }

    #[test]
    fn the_thresholds_are_strict() {
        assert_eq!(judge("a\n\nb\n\na"), Some(("repeated_paragraphs", 1.0 / 3.0, Some(0.3))));
        assert_eq!(judge("a\n\nb\n\nc\n\na"), None);
        let text = "aaaaaaaaaa\n\nb\n\nc\n\naaaaaaaaaa";
        assert_eq!(judge(text), Some(("repeated_chars", 10.0 / 28.0, Some(0.2))));
        assert_eq!(judge(""), None);
        assert_eq!(judge("\n\n\n\n"), None);
    }
}
