//! `words`: words and phrases of a list of your own.
//!
//! **What it measures.** How often entries of the list occur, and their words as a share of all words of the document.
//! The list is a UTF-8 file with a word or phrase a line; blank lines, and lines that begin with `#`, are passed over.
//! An entry occurs where its characters stand, any white space for white space, with no letter, digit, mark or `_`
//! that goes on at either end: `cat` is in "cat's" and not in "cats". In scripts written without spaces (Chinese,
//! Japanese, Thai, Lao, Khmer, Myanmar and others) every character is a word, so an entry counts wherever it occurs.
//! Of entries that overlap the first counts, and of those that begin together the longest. With `ignore_case` letters
//! are compared in lower case, one for one: σ and ς are the same, ß and ss are not, and both I and İ are i, not ı.
//! Accents written in two ways are different unless the rule `unicode` made them one.
//!
//! **Why.** Lists of this kind keep pornography, slurs or boilerplate out. A word alone says little of a page about
//! medicine or of a quotation, so a count or a share above zero loses fewer good documents.
//!
//! **Default and its source.** Off, with no list of its own; without a threshold one occurrence is one too many, as in
//! C4 (Raffel et al., arXiv 1910.10683), which also looks for whole words except in Japanese, Thai and Chinese.

mod file;
mod letters;
mod list;
mod pieces;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use list::WordList;
use pieces::Pieces;

use super::{Check, Measured, Rule, Verdict, Wanted};
use crate::Result;
use crate::config;
use crate::document::Document;

/// The rule, its list and its thresholds.
pub struct Words {
    list: WordList,
    fingerprint: String,
    checks: Vec<Check>,
}

const COUNT: &str = "listed_words";
const SHARE: &str = "listed_word_share";

impl Words {
    /// The rule with these thresholds; reads the list.
    ///
    /// # Errors
    /// [`crate::Error::Config`] where the list cannot be read, has no words or is not UTF-8.
    pub fn new(thresholds: &config::Words) -> Result<Self> {
        let (list, fingerprint) = file::read(&thresholds.file, thresholds.ignore_case)?;
        Ok(Self { list, fingerprint, checks: checks(thresholds) })
    }

    /// The checksum of the list's file.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn count(&self, text: &str) -> Counts {
        let mut counts = Counts::default();
        let mut scratch = String::new();
        let mut pieces = Pieces::new(text);
        while let Some(piece) = pieces.next() {
            let Some(found) = self.list.find(&piece, &pieces, &mut scratch) else {
                counts.words += u64::from(piece.is_word);
                continue;
            };
            counts.words += found.words;
            counts.listed += found.words;
            counts.occurrences += 1;
            counts.first.get_or_insert(found.node);
            pieces = found.rest;
        }
        counts
    }

    /// What a check compares.
    fn measured(&self, check: &Check, counts: &Counts, first: Option<&Arc<str>>) -> Measured {
        let value = match check.reason {
            SHARE => counts.share(),
            _ => counts.occurrences as f64,
        };
        Measured { value, detail: first.cloned() }
    }

    fn first(&self, counts: &Counts) -> Option<Arc<str>> {
        counts.first.map(|node| self.list.entry(node).into())
    }
}

/// The checks of thresholds; where none is given, one occurrence is too many.
fn checks(thresholds: &config::Words) -> Vec<Check> {
    let most = thresholds.max_count.or(thresholds.max_share.is_none().then_some(0));
    let count = most.map(|most| Check::new(COUNT, COUNT, Wanted::AtMost(most as f64)));
    let share = thresholds.max_share.map(|most| Check::new(SHARE, SHARE, Wanted::AtMost(most)));
    count.into_iter().chain(share).collect()
}

impl Rule for Words {
    fn name(&self) -> &'static str {
        "words"
    }

    fn checks(&self) -> &[Check] {
        &self.checks
    }

    fn judge(&self, document: &Document<'_>) -> Verdict {
        let counts = self.count(document.text);
        // Without an occurrence every check passes, and nothing need be told.
        let first = self.first(&counts)?;
        self.checks.iter().find_map(|check| check.judge(self.measured(check, &counts, Some(&first))))
    }

    fn measure(&self, document: &Document<'_>) -> Vec<Measured> {
        let counts = self.count(document.text);
        let first = self.first(&counts);
        self.checks.iter().map(|check| self.measured(check, &counts, first.as_ref())).collect()
    }
}

/// What was counted in a document.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    /// All words.
    words: u64,
    /// Words of entries that occur.
    listed: u64,
    /// Entries that occur, each as often as it does.
    occurrences: u64,
    /// The first of them.
    first: Option<u32>,
}

impl Counts {
    fn share(&self) -> f64 {
        // A document may have no words at all.
        if self.listed == 0 { 0.0 } else { self.listed as f64 / self.words as f64 }
    }
}
