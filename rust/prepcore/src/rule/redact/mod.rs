//! `redact`: personal data and secrets become placeholders.
//!
//! **What it does.** Replaces e-mail addresses by `<EMAIL>`, global IP addresses by `<IP>`, telephone numbers by
//! `<TELEPHONE>`, numbers of payment cards by `<CARD>`, international bank account numbers by `<IBAN>`, and keys and
//! tokens of well-known shapes by `<SECRET>`; each kind can be turned off and is counted. What a kind takes and leaves
//! stands in the file of its name. Digits are those of ASCII: full-width ones become so by the rule `unicode` in form
//! NFKC, which comes before.
//!
//! **Why.** A model repeats what it saw. Addresses, numbers and keys of people help it with nothing and harm them.
//!
//! **Default and its source.** Off; every kind where it is on. FineWeb (Penedo et al., arXiv 2406.17557) replaces e-mail
//! addresses and public IP addresses; StarCoder (Li et al., arXiv 2305.06161) keys as well; checksums are those of
//! ISO/IEC 7812-1 and ISO 13616. Placeholders are fixed, so that no text depends on another.

mod card;
mod email;
mod iban;
mod ip;
mod scan;
mod secret;
mod telephone;
mod view;

#[cfg(test)]
mod tests;

use self::scan::{Match, Scan};
use super::Rewrite;
use crate::config;

/// The kinds in the order in which they are counted, and what each becomes.
const KINDS: [&str; 6] = ["email", "ip", "telephone", "card", "iban", "secret"];
const PLACEHOLDERS: [&str; 6] = ["<EMAIL>", "<IP>", "<TELEPHONE>", "<CARD>", "<IBAN>", "<SECRET>"];
const EMAIL: usize = 0;
const IP: usize = 1;
const TELEPHONE: usize = 2;
const CARD: usize = 3;
const IBAN: usize = 4;
const SECRET: usize = 5;

/// The rule and the kinds that are on.
#[derive(Debug)]
pub struct Redact {
    scan: Scan,
}

impl Redact {
    /// The rule with the kinds that are on.
    #[must_use]
    pub fn new(kinds: &config::Redact) -> Self {
        let config::Redact { email, ip, telephone, card, iban, secret } = *kinds;
        Self { scan: Scan::new([email, ip, telephone, card, iban, secret]) }
    }
}

impl Redact {
    /// The text with placeholders for what was found, `None` where nothing was.
    fn replace(&self, text: &str, matches: &[Match], counts: &mut [u64]) -> Option<String> {
        if matches.is_empty() {
            return None;
        }
        let mut rewritten = String::with_capacity(text.len());
        let mut copied = 0;
        for found in matches {
            rewritten.push_str(&text[copied..found.start]);
            rewritten.push_str(PLACEHOLDERS[found.kind]);
            counts[found.kind] += 1;
            copied = found.end;
        }
        rewritten.push_str(&text[copied..]);
        Some(rewritten)
    }
}

impl Rewrite for Redact {
    fn name(&self) -> &'static str {
        "redact"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &KINDS
    }

    fn rewrite(&self, text: &str, counts: &mut [u64]) -> Option<String> {
        self.replace(text, &self.scan.matches(text), counts)
    }
}
