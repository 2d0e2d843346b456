//! Rewriting: the rules that change texts, over a unit, before anything judges it.

use std::sync::Arc;

use arrow_array::{ArrayRef, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_schema::DataType;

use crate::rule::RuleSet;
use crate::source::{Documents, with_text};
use crate::text::TextColumn;
use crate::{Error, Result};

/// What was changed in a unit.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

#[derive(Debug)]
struct Change {
    row: usize,
    /// A number each kind of the rules that rewrite.
    counts: Vec<u64>,
}

impl Changes {
    /// What was changed in the rows that `kept` names, in all.
    pub(crate) fn counts(&self, kinds: usize, kept: impl Fn(usize) -> bool) -> Vec<u64> {
        let mut sums = vec![0; kinds];
        for change in self.0.iter().filter(|change| kept(change.row)) {
            sums.iter_mut().zip(&change.counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}

/// Rewrites a unit's texts; `text` is the number of their column.
pub(crate) fn rewrite(
    rules: &RuleSet,
    text: usize,
    mut documents: Documents,
) -> Result<(Documents, Changes)> {
    let mut changes = Changes::default();
    if !rules.rewrites() {
        return Ok((documents, changes));
    }
    let texts = documents.text.clone();
    let mut rewritten = Vec::new();
    for (row, old) in texts.iter().enumerate() {
        let new = rules.rewrite(old.unwrap_or_default());
        if let std::borrow::Cow::Owned(new_text) = new.text {
            changes.0.push(Change { row, counts: new.counts });
            rewritten.push((row, new_text));
        }
    }
    if rewritten.is_empty() {
        return Ok((documents, changes));
    }
    if !documents.raw.is_empty() {
        let member = documents.batch.schema_ref().field(text).name().clone();
        let (mut changed, mut failed) = (rewritten.iter().peekable(), None);
        documents.raw.replace(|row, line| {
            let (_, new) = changed.next_if(|(changed, _)| *changed == row)?;
            with_text(line, &member, new).map_err(|error| failed = Some(error)).ok()
        });
        if let Some(error) = failed {
            return Err(Error::Internal(format!("a line was read, but not again: {error}")));
        }
    }
    let column = column(&texts, &rewritten, documents.batch.column(text).data_type());
    documents.text = TextColumn::new(&column).unwrap_or(texts);
    let mut columns = documents.batch.columns().to_vec();
    columns[text] = column;
    documents.batch = RecordBatch::try_new(documents.batch.schema(), columns)
        .map_err(|error| Error::Internal(format!("cannot put a rewritten text back: {error}")))?;
    Ok((documents, changes))
}

/// The texts with those that were rewritten, in the layout that the column had.
fn column(texts: &TextColumn, rewritten: &[(usize, String)], layout: &DataType) -> ArrayRef {
    let mut rewritten = rewritten.iter().peekable();
    let texts = texts.iter().enumerate().map(|(row, old)| {
        let new = rewritten.next_if(|(changed, _)| *changed == row);
        new.map_or(old, |(_, new)| Some(new.as_str()))
    });
    match layout {
        DataType::Utf8 => Arc::new(texts.collect::<StringArray>()),
        DataType::Utf8View => Arc::new(texts.collect::<StringViewArray>()),
        _ => Arc::new(texts.collect::<LargeStringArray>()),
    }
}
