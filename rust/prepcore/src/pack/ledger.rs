//! What became of every token.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Counts of one split. Tokens go in with the documents; they come out in rows or are left over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Documents.
    pub documents: u64,
    /// Token ids of these documents, special tokens included.
    pub tokens: u64,
    /// Whole rows.
    pub rows: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Tokens in no row, by reason.
    pub left_over: LeftOver,
    /// Places in rows that no token took.
    #[serde(default)]
    pub padding: u64,
}

/// Tokens in no row, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOver {
    /// What remained at the very end, less than a row.
    pub tail: u64,
}

impl Ledger {
    /// Checks that `tokens = rows · sequence_length - padding + left over`.
    ///
    /// # Errors
    /// [`Error::Internal`] gives both sides when they differ.
    pub fn check(&self, sequence_length: u64) -> Result<()> {
        let places = self.rows * sequence_length + self.left_over.tail;
        if self.tokens.checked_add(self.padding) == Some(places) {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "{} tokens were encoded and {} places padded, but {} rows of {sequence_length} and {} left over make \
             {places}",
            self.tokens, self.padding, self.rows, self.left_over.tail
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_token_is_seen() {
        let mut ledger = Ledger { tokens: 10, rows: 3, left_over: LeftOver { tail: 1 }, ..Ledger::default() };
        ledger.check(3).unwrap();
        Ledger { tokens: 10, rows: 4, padding: 2, ..Ledger::default() }.check(3).unwrap();
        ledger.tokens += 1;
        let message = ledger.check(3).unwrap_err().to_string();
        assert!(
            message.contains(
                "11 tokens were encoded and 0 places padded, but 3 rows of 3 and 1 left over make 10"
            ),
            "{message}"
        );
    }
}
