//! `length`: characters and words of a document.
//!
//! **What it measures.** Unicode code points of the text, and its words: what stands between white space, as
//! Python's `str.split()` cuts. Each of the four bounds is looked at only where it is given.
//!
//! **Why.** A page of ten words is a stub, one of a million is a dump of a table; both teach a model less than they
//! cost.
//!
//! **Default and its source.** Off, and no bound of its own: what fits depends on the corpus. Gopher (Rae et al.,
//! arXiv 2112.11446, table A1) keeps 50 to 100,000 words.

use super::{Check, Measured, Rule, Verdict, Wanted};
use crate::config;
use crate::document::{Document, chars, words};

/// The rule and its bounds.
#[derive(Debug)]
pub struct Length {
    checks: Vec<Check>,
    units: Vec<Unit>,
}

/// What a check counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Chars,
    Words,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Chars => "chars",
            Self::Words => "words",
        }
    }
}

impl Length {
    /// The rule with these bounds.
    #[must_use]
    pub fn new(bounds: &config::Length) -> Self {
        let at_least = |least: u64| Wanted::AtLeast(least as f64);
        let at_most = |most: u64| Wanted::AtMost(most as f64);
        let given = [
            ("few_chars", Unit::Chars, bounds.min_chars.map(at_least)),
            ("many_chars", Unit::Chars, bounds.max_chars.map(at_most)),
            ("few_words", Unit::Words, bounds.min_words.map(at_least)),
            ("many_words", Unit::Words, bounds.max_words.map(at_most)),
        ];
        let given = given.into_iter().filter_map(|(reason, unit, wanted)| Some((reason, unit, wanted?)));
        let (checks, units) =
            given.map(|(reason, unit, wanted)| (Check::new(reason, unit.name(), wanted), unit)).unzip();
        Self { checks, units }
    }
}

impl Rule for Length {
    fn name(&self) -> &'static str {
        "length"
    }

    fn checks(&self) -> &[Check] {
        &self.checks
    }

    fn judge(&self, document: &Document<'_>) -> Verdict {
        let counts = Counts::of(document, &self.units);
        let mut checks = self.checks.iter().zip(&self.units);
        checks.find_map(|(check, unit)| check.judge(counts.of_unit(*unit).into()))
    }

    fn measure(&self, document: &Document<'_>) -> Vec<Measured> {
        let counts = Counts::of(document, &self.units);
        self.units.iter().map(|unit| counts.of_unit(*unit).into()).collect()
    }
}

/// What was counted; what no check asks for is not.
struct Counts {
    chars: u64,
    words: u64,
}

impl Counts {
    fn of(document: &Document<'_>, units: &[Unit]) -> Self {
        let of = |unit, count: fn(&str) -> u64| if units.contains(&unit) { count(document.text) } else { 0 };
        Self { chars: of(Unit::Chars, chars), words: of(Unit::Words, words) }
    }

    fn of_unit(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Chars => self.chars as f64,
            Unit::Words => self.words as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::agrees;

    #[test]
    fn the_bounds_are_inclusive_and_only_those_given_count() {
        let bounds = config::Length { min_chars: Some(3), max_words: Some(2), ..config::Length::default() };
        let rule = Length::new(&bounds);
        let reason = |text| agrees(&rule, text).map(|finding| finding.reason);
        assert_eq!(reason("éa"), Some("few_chars"));
        assert_eq!(reason("éab"), None);
        assert_eq!(reason("  \u{1c} a\u{a0}b\n"), None);
        assert_eq!(reason("a b c"), Some("many_words"));
        assert!(Length::new(&config::Length::default()).checks().is_empty());
    }
}
