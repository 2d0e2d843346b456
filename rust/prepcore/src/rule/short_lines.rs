//! `short_lines`: a document needs some lines, and some of them of some length.
//!
//! **What it measures.** The number of lines (the text split on `\n`), and the length in characters of the
//! `min_lines`-th longest line.
//!
//! **Why.** Titles, captions, stubs and menu entries teach a model little and come in great numbers.
//!
//! **Default and its source.** Three lines of three characters: the paragraph length filter of
//! "Pretraining LLMs" (DeepLearning.AI and Upstage, 2024), lesson 2.

use super::{Finding, Rule, Verdict};
use crate::config;
use crate::document::{Document, chars};

/// The rule and its thresholds.
#[derive(Debug)]
pub struct ShortLines {
    thresholds: config::ShortLines,
}

impl ShortLines {
    /// The rule with these thresholds.
    #[must_use]
    pub fn new(thresholds: config::ShortLines) -> Self {
        Self { thresholds }
    }

    fn is_long(&self, line: &str) -> bool {
        let wanted = self.thresholds.min_line_chars;
        let bytes = line.len() as u64;
        // A code point takes one to four bytes, so most lines are decided without counting.
        bytes >= wanted && (bytes >= 4 * wanted || chars(line) >= wanted)
    }

    /// Runs only for documents that are dropped: it has to look at every line.
    fn measure(&self, document: &Document<'_>) -> Finding {
        let wanted = self.thresholds.min_lines;
        let mut lengths: Vec<u64> = document.lines().map(chars).collect();
        if (lengths.len() as u64) < wanted {
            return Finding { reason: "few_lines", value: lengths.len() as f64, threshold: wanted as f64 };
        }
        let nth = wanted as usize - 1;
        let (_, length, _) = lengths.select_nth_unstable_by(nth, |left, right| right.cmp(left));
        Finding {
            reason: "short_lines",
            value: *length as f64,
            threshold: self.thresholds.min_line_chars as f64,
        }
    }
}

impl Rule for ShortLines {
    fn name(&self) -> &'static str {
        "short_lines"
    }

    fn reasons(&self) -> &'static [&'static str] {
        &["few_lines", "short_lines"]
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
        Some(self.measure(document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Verdict {
        ShortLines::new(config::ShortLines::default()).judge(&Document::new(text))
    }

    #[test]
    fn names_what_is_missing() {
        assert_eq!(judge("abc\nabc\nabc"), None);
        assert_eq!(judge("abc\nabc"), Some(Finding { reason: "few_lines", value: 2.0, threshold: 3.0 }));
        assert_eq!(
            judge("abcd\nab\nabc\n"),
            Some(Finding { reason: "short_lines", value: 2.0, threshold: 3.0 })
        );
        assert_eq!(judge("é\u{301}x\n한국어\nabc"), None);
        assert_eq!(judge("éx\n한국어\nabc").map(|finding| finding.reason), Some("short_lines"));
    }
}
