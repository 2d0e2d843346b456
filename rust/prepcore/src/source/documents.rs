//! The documents of a unit: its rows, and those apart whose text cannot be used.

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;

use super::jsonl;
use super::plan::Plan;
use super::{Address, Body, Documents, RawLines, Unit, Unreadable};
use crate::text::TextColumn;
use crate::{Error, Result};

impl Plan {
    /// Decodes a unit's documents. Parallel work: nothing here depends on other units.
    pub(crate) fn documents(&self, unit: Unit) -> Result<Documents> {
        match unit.body {
            Body::Ask => Err(Error::Internal("a request for memory was taken for a unit".into())),
            Body::Lines(block) => {
                jsonl::documents(block, &self.options.text_column, &self.schema, self.options.max_document())
            }
            Body::Texts { batch, addresses, unreadable } => self.checked(batch, addresses, unreadable),
            Body::Batch { batch, first, unreadable } => {
                let rows = first.row..first.row + batch.num_rows() as u64;
                let addresses = rows.map(|row| Address { source: first.source, row }).collect();
                self.checked(batch, addresses, unreadable)
            }
        }
    }

    /// Sets rows without a usable text apart: those that are known to be, and those that show it.
    fn checked(
        &self,
        batch: RecordBatch,
        addresses: Vec<Address>,
        mut unreadable: Vec<Unreadable>,
    ) -> Result<Documents> {
        let text = text_column(&batch, self.text_index())?;
        let max = self.options.max_document();
        let known = unreadable.len();
        let fault = |row: usize| match text.get(row) {
            None => Some("the text is null".to_owned()),
            Some(text) if text.len() as u64 > max => Some(super::too_large(text.len() as u64, max)),
            Some(_) => None,
        };
        let readable: Vec<bool> = (0..addresses.len())
            .map(|row| {
                if unreadable[..known].binary_search_by_key(&addresses[row], |known| known.address).is_ok() {
                    return false;
                }
                let Some(error) = fault(row) else { return true };
                unreadable.push(Unreadable::row(addresses[row], None, error));
                false
            })
            .collect();
        if readable.iter().all(|readable| *readable) {
            return Ok(self.assemble(batch, text, addresses, unreadable));
        }
        unreadable.sort_by_key(|row| row.address);
        let batch = filter_record_batch(&batch, &readable.clone().into())
            .map_err(|error| Error::Internal(format!("cannot filter a batch: {error}")))?;
        let mut readable = readable.into_iter();
        let addresses = addresses.into_iter().filter(|_| readable.next().unwrap_or(false)).collect();
        let text = text_column(&batch, self.text_index())?;
        Ok(self.assemble(batch, text, addresses, unreadable))
    }

    fn assemble(
        &self,
        batch: RecordBatch,
        text: TextColumn,
        addresses: Vec<Address>,
        unreadable: Vec<Unreadable>,
    ) -> Documents {
        let bytes = (0..text.len()).map(|row| text.bytes(row)).sum();
        Documents { batch, text, addresses, raw: RawLines::default(), unreadable, lines: None, bytes }
    }
}

fn text_column(batch: &RecordBatch, index: usize) -> Result<TextColumn> {
    TextColumn::new(batch.column(index))
        .ok_or_else(|| Error::Internal("the text column holds no strings".into()))
}
