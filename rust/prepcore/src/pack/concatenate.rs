//! Concatenation: documents joined in order and cut every `sequence_length` tokens.

use super::ledger::LeftOver;
use super::{Ledger, TokenBatch};

/// Joins documents and cuts rows, across batches, files and parts; one left-over remains at the very end.
#[derive(Debug)]
pub struct Concatenate {
    length: usize,
    /// The beginning of the next row, shorter than a row.
    open: Vec<u32>,
    ledger: Ledger,
}

impl Concatenate {
    /// Rows of so many tokens, at least one.
    #[must_use]
    pub fn new(sequence_length: usize) -> Self {
        Self::after(sequence_length, Vec::new())
    }

    /// The same, where earlier documents have begun a row with fewer tokens than it takes. The account is of what is
    /// added now.
    #[must_use]
    pub fn after(sequence_length: usize, begun: Vec<u32>) -> Self {
        Self { length: sequence_length.max(1), open: begun, ledger: Ledger::default() }
    }

    /// What is left over now.
    #[must_use]
    pub fn into_rest(self) -> Vec<u32> {
        self.open
    }

    /// Adds documents and hands on every run of whole rows that this completes: a multiple of
    /// `sequence_length` ids at a time, without a copy where rows lie within the batch.
    ///
    /// # Errors
    /// What `rows` returns.
    pub fn push<E>(
        &mut self,
        batch: &TokenBatch,
        mut rows: impl FnMut(&[u32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.ledger.documents += batch.documents() as u64;
        self.ledger.tokens += batch.ids.len() as u64;
        self.ledger.bytes += batch.bytes;
        let mut ids = batch.ids.as_slice();
        if !self.open.is_empty() {
            let missing = (self.length - self.open.len()).min(ids.len());
            let (head, rest) = ids.split_at(missing);
            self.open.extend_from_slice(head);
            ids = rest;
            if self.open.len() < self.length {
                return Ok(());
            }
            self.ledger.rows += 1;
            rows(&self.open)?;
            self.open.clear();
        }
        let (whole, rest) = ids.split_at(ids.len() - ids.len() % self.length);
        if !whole.is_empty() {
            self.ledger.rows += (whole.len() / self.length) as u64;
            rows(whole)?;
        }
        self.open.extend_from_slice(rest);
        Ok(())
    }

    /// The account, with what is left over now.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger { left_over: LeftOver { tail: self.open.len() as u64 }, ..self.ledger.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word: join everything, cut, drop the tail.
    fn naive(documents: &[Vec<u32>], length: usize) -> (Vec<Vec<u32>>, usize) {
        let flat = documents.concat();
        let rows: Vec<_> = flat.chunks_exact(length).map(<[u32]>::to_vec).collect();
        let tail = flat.len() - rows.len() * length;
        (rows, tail)
    }

    proptest! {
        #[test]
        fn equals_the_definition_and_loses_nothing(
            batches in vec(vec(vec(any::<u32>(), 0..20), 0..6), 0..6),
            length in 1_usize..24,
        ) {
            let mut packer = Concatenate::new(length);
            let mut rows: Vec<Vec<u32>> = Vec::new();
            for documents in &batches {
                let mut batch = TokenBatch::default();
                for ids in documents {
                    batch.ids.extend(ids);
                    batch.ends.push(batch.ids.len());
                    batch.bytes += 1;
                }
                packer.push(&batch, |ids| {
                    assert!(!ids.is_empty() && ids.len().is_multiple_of(length));
                    rows.extend(ids.chunks(length).map(<[u32]>::to_vec));
                    Ok::<_, Infallible>(())
                }).unwrap();
                packer.ledger().check(length as u64).unwrap();
            }
            let documents = batches.concat();
            let ledger = packer.ledger();
            let (wanted, tail) = naive(&documents, length);
            prop_assert_eq!(rows, wanted);
            prop_assert_eq!(ledger.left_over.tail, tail as u64);
            prop_assert_eq!(ledger.documents, documents.len() as u64);
            prop_assert_eq!(ledger.bytes, documents.len() as u64);
            prop_assert_eq!(ledger.tokens, documents.iter().map(Vec::len).sum::<usize>() as u64);
        }
    }
}
