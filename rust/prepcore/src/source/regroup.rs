//! Batches of any size become units of about 8 MiB of text, cut at documents.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;

use super::{Address, Body, DOCUMENT_WEIGHT, UNIT_BYTES, UNIT_ROWS, Unit, Unreadable};
use crate::text::TextColumn;
use crate::{Error, Result};

/// What the columns beside the text may hold in a unit, in units.
const BESIDE_UNITS: u64 = 4;

/// Rows as they come from reading.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    /// Rows of the batch whose text could not be read, in order, and why; their text is empty.
    pub(crate) faults: Vec<(usize, String)>,
    /// Rows behind the batch that could not be read at all; nothing follows these.
    pub(crate) lost: Option<Lost>,
}

/// Rows that could not be read at all.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) rows: u64,
    pub(crate) error: String,
}

impl From<RecordBatch> for Rows {
    fn from(batch: RecordBatch) -> Self {
        Self { batch, faults: Vec::new(), lost: None }
    }
}

impl Rows {
    /// The first `count` rows, and the others where there are any.
    fn split(mut self, count: usize) -> (Self, Option<Self>) {
        if count == self.batch.num_rows() {
            return (self, None);
        }
        let later = self.faults.partition_point(|(row, _)| *row < count);
        let later = self.faults.split_off(later).into_iter().map(|(row, error)| (row - count, error));
        let rest = Self {
            batch: self.batch.slice(count, self.batch.num_rows() - count),
            faults: later.collect(),
            lost: self.lost.take(),
        };
        self.batch = self.batch.slice(0, count);
        (self, Some(rest))
    }
}

/// Regroups batches. The cuts depend on the texts alone, not on where the batches were cut.
pub(crate) struct Regroup<I> {
    batches: I,
    schema: SchemaRef,
    text: usize,
    next: Address,
    /// Bytes of a row in columns other than the text, as far as metadata tell.
    beside: u64,
    /// What is left of the batch being cut.
    rest: Option<Rows>,
}

impl<I: Iterator<Item = Result<Rows>>> Regroup<I> {
    /// Units of batches whose column number `text` holds the text; the first row stands at `first`. Each row
    /// holds about `beside` bytes in other columns, which bound a unit as the text does.
    pub(crate) fn new(batches: I, schema: SchemaRef, text: usize, first: Address, beside: u64) -> Self {
        Self { batches, schema, text, next: first, beside, rest: None }
    }

    /// The most rows of a unit.
    fn most_rows(&self) -> usize {
        let rows = (BESIDE_UNITS * UNIT_BYTES).checked_div(self.beside).unwrap_or(u64::MAX);
        usize::try_from(rows).unwrap_or(UNIT_ROWS).clamp(1, UNIT_ROWS)
    }

    fn gather(&mut self) -> Result<Option<Unit>> {
        let mut pieces: Vec<RecordBatch> = Vec::new();
        let mut unreadable = Vec::new();
        let (mut bytes, mut rows, mut lost) = (0, 0, 0);
        let most_rows = self.most_rows();
        while bytes < UNIT_BYTES && rows < most_rows {
            let read = match self.rest.take() {
                Some(read) => read,
                None => match self.batches.next().transpose()? {
                    Some(read) => read,
                    None => break,
                },
            };
            let taken = self.fitting(&read.batch, &mut bytes, most_rows - rows)?;
            let (read, rest) = read.split(taken);
            let address = |row: u64| Address { source: self.next.source, row: self.next.row + row };
            let faults = read.faults.into_iter();
            unreadable.extend(
                faults.map(|(row, error)| Unreadable::row(address((rows + row) as u64), None, error)),
            );
            rows += taken;
            self.rest = rest;
            pieces.push(read.batch);
            if let Some(Lost { rows: run, error }) = read.lost {
                unreadable.push(Unreadable { address: address(rows as u64), rows: run, offset: None, error });
                lost = run;
                break;
            }
        }
        if rows == 0 && unreadable.is_empty() {
            return Ok(None);
        }
        let batch = match <[RecordBatch; 1]>::try_from(pieces) {
            Ok([batch]) => batch,
            Err(pieces) => concat_batches(&self.schema, &pieces)
                .map_err(|error| Error::Internal(format!("cannot join batches of one input: {error}")))?,
        };
        let first = self.next;
        self.next.row += rows as u64 + lost;
        let weight = bytes + (DOCUMENT_WEIGHT + self.beside) * rows as u64;
        Ok(Some(Unit { body: Body::Batch { batch, first, unreadable }, weight }))
    }

    /// How many rows of a batch go into the unit; adds their bytes.
    fn fitting(&self, batch: &RecordBatch, bytes: &mut u64, most: usize) -> Result<usize> {
        let text = TextColumn::new(batch.column(self.text))
            .ok_or_else(|| Error::Internal("the text column changed its type between batches".into()))?;
        for row in 0..text.len().min(most) {
            *bytes += text.bytes(row);
            if *bytes >= UNIT_BYTES {
                return Ok(row + 1);
            }
        }
        Ok(text.len().min(most))
    }
}

impl<I: Iterator<Item = Result<Rows>>> Iterator for Regroup<I> {
    type Item = Result<Unit>;

    fn next(&mut self) -> Option<Self::Item> {
        self.gather().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn rows_of_units(lengths: &[usize], cuts: &[usize]) -> Vec<usize> {
        let texts: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let column: ArrayRef = Arc::new(StringArray::from(texts));
        let whole = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut borders: Vec<usize> = cuts.iter().map(|cut| cut % (lengths.len() + 1)).collect();
        borders.extend([0, lengths.len()]);
        borders.sort_unstable();
        let batches: Vec<_> =
            borders.windows(2).map(|pair| Ok(whole.slice(pair[0], pair[1] - pair[0]).into())).collect();
        let first = Address { source: 0, row: 0 };
        Regroup::new(batches.into_iter(), whole.schema(), 0, first, 0)
            .map(|unit| match unit.unwrap().body {
                Body::Batch { batch, .. } => batch.num_rows(),
                _ => unreachable!(),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn cuts_do_not_depend_on_batches(
            lengths in prop::collection::vec(prop_oneof![0..100_usize, 1_000_000..9_000_000_usize], 1..12),
            cuts in prop::collection::vec(0..100_usize, 0..6),
        ) {
            let units = rows_of_units(&lengths, &[]);
            prop_assert_eq!(&rows_of_units(&lengths, &cuts), &units);
            prop_assert_eq!(units.iter().sum::<usize>(), lengths.len());
        }
    }
}
