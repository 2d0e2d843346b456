//! `short_lines`: a document needs some lines, and some of them of some length.
//!
//! **What it measures.** The number of lines (the text split on `\n`), and the length in characters of the
//! `min_lines`-th longest line.
//!
//! **Why.** Titles, captions, stubs and menu entries teach a model little and come in great numbers.
//!
//! **Default and its source.** Three lines of three characters: the paragraph length filter of
//! "Pretraining LLMs" (DeepLearning.AI and Upstage, 2024), lesson 2.

use super::{Check, Measured, Rule, Verdict, Wanted};
use crate::config;
use crate::document::{Document, chars};

/// The rule and its thresholds.
#[derive(Debug)]
pub struct ShortLines {
    thresholds: config::ShortLines,
    checks: [Check; 2],
}

impl ShortLines {
    /// The rule with these thresholds.
    #[must_use]
    pub fn new(thresholds: config::ShortLines) -> Self {
        let lines = Check::new("few_lines", "lines", Wanted::AtLeast(thresholds.min_lines as f64));
        let chars =
            Check::new("short_lines", "line_chars", Wanted::AtLeast(thresholds.min_line_chars as f64));
        Self { thresholds, checks: [lines, chars] }
    }

    fn is_long(&self, line: &str) -> bool {
        let wanted = self.thresholds.min_line_chars;
        let bytes = line.len() as u64;
        // A code point takes one to four bytes, so most lines are decided without counting.
        bytes >= wanted && (bytes >= 4 * wanted || chars(line) >= wanted)
    }

    /// The number of lines, and the length of the `min_lines`-th longest, 0 where there are fewer.
    fn counts(&self, document: &Document<'_>) -> [f64; 2] {
        let mut lengths: Vec<u64> = document.lines().map(chars).collect();
        let nth = self.thresholds.min_lines.saturating_sub(1) as usize;
        if nth >= lengths.len() {
            return [lengths.len() as f64, 0.0];
        }
        let (_, length, _) = lengths.select_nth_unstable_by(nth, |left, right| right.cmp(left));
        let length = *length as f64;
        [lengths.len() as f64, length]
    }
}

impl Rule for ShortLines {
    fn name(&self) -> &'static str {
        "short_lines"
    }

    fn checks(&self) -> &[Check] {
        &self.checks
    }

    fn judge(&self, document: &Document<'_>) -> Verdict {
        // The n-th longest line is long enough exactly when n lines are.
        let mut missing = self.thresholds.min_lines;
        for line in document.lines() {
            if self.is_long(line) {
                missing -= 1;
                if missing == 0 {
                    return None;
                }
            }
        }
        // Every line is looked at only where the document goes.
        let [lines, chars] = self.counts(document);
        self.checks[0].judge(lines.into()).or_else(|| self.checks[1].judge(chars.into()))
    }

    fn measure(&self, document: &Document<'_>) -> Vec<Measured> {
        self.counts(document).map(Measured::from).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::agrees;

    fn judge(text: &str) -> Option<(&'static str, f64, Option<f64>)> {
        let verdict = agrees(&ShortLines::new(config::ShortLines::default()), text);
        verdict.and_then(|finding| Some((finding.reason, finding.value?, finding.threshold)))
    }

    #[test]
    fn names_what_is_missing() {
        assert_eq!(judge("abc\nabc\nabc"), None);
        assert_eq!(judge("abc\nabc"), Some(("few_lines", 2.0, Some(3.0))));
        assert_eq!(judge("abcd\nab\nabc\n"), Some(("short_lines", 2.0, Some(3.0))));
        assert_eq!(judge("é\u{301}x\n한국어\nabc"), None);
        assert_eq!(judge("éx\n한국어\nabc").map(|(reason, ..)| reason), Some("short_lines"));
    }
}
