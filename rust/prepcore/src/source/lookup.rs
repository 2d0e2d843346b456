//! Single documents read back by their rows: of a file only what must be read to get there.
//!
//! Parquet gives the row groups that hold a wanted row, and no others. Lines are counted from the file's start, and
//! only the blocks that hold a wanted one are parsed; a compressed file is decompressed as far as the last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::discover::open_as;
use super::{Body, Documents, Kind, Options, Plan, Segment, jsonl};
use crate::config::ByteSize;
use crate::pipeline::{Lookout, Watcher};
use crate::{Error, Result};

/// A file of an input, and how a run has read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds, as manifests say it.
    pub kind: String,
    /// The size that it must have, in bytes.
    pub size: u64,
    /// The fingerprint that it must have.
    pub fingerprint: String,
    /// The column or member that holds the text.
    pub text_column: String,
    /// The memory budget of that run, which bounds a document.
    pub memory: ByteSize,
    /// Bytes (decompressed) after which reading stops, between two units; none for no bound.
    pub most_bytes: Option<u64>,
}

/// What stands in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Row {
    /// A document.
    Text {
        /// Its text as it was read, before any rule.
        text: String,
    },
    /// A row that cannot be read.
    Unreadable {
        /// Where it begins, where rows have an offset.
        offset: Option<u64>,
        /// What is wrong.
        error: String,
    },
    /// A line of JSONL that holds nothing, which is no document.
    Blank,
    /// Nothing: the file has fewer rows.
    Beyond,
    /// It lies behind [`Lookup::most_bytes`].
    NotRead,
}

impl Lookup {
    /// Reads the wanted rows in one pass, which ends behind the last of them.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is gone or is not the one that the run has read; [`Error::Corrupt`] and
    /// [`Error::Io`] for one that cannot be read at all.
    pub fn rows(&self, wanted: &BTreeSet<u64>, watcher: Watcher<'_>) -> Result<BTreeMap<u64, Row>> {
        let kind = Kind::from_name(&self.kind).ok_or_else(|| {
            Error::input(&self.path, format!("holds {:?}, expected Parquet, JSONL or text", self.kind))
        })?;
        self.check()?;
        // What is damaged is to be told, not to end the look-up.
        let options = Options { skip_corrupt: true, ..Options::of_text(&self.text_column, self.memory) };
        let plan = Plan::of_file(open_as(self.path.clone(), kind)?, options)?;
        let mut reading = Reading { wanted, found: BTreeMap::new(), base: 0 };
        let complete =
            reading.read(&plan, self.most_bytes.unwrap_or(u64::MAX), &mut Lookout::new(watcher))?;
        let rest = if complete { Row::Beyond } else { Row::NotRead };
        let mut found = reading.found;
        for row in wanted {
            found.entry(*row).or_insert_with(|| rest.clone());
        }
        Ok(found)
    }

    /// Checks that the file is the one that was read.
    fn check(&self) -> Result<()> {
        let refused = |message: String| {
            Err(Error::input(&self.path, message)
                .hint("its rows can be looked up in the file alone that was cleaned"))
        };
        let Ok(metadata) = self.path.metadata() else {
            return refused("this file of the input is not there any more".into());
        };
        if metadata.len() != self.size {
            return refused(format!(
                "this file of the input has changed: it has {} bytes, and had {} when it was cleaned",
                metadata.len(),
                self.size
            ));
        }
        let fingerprint = super::fingerprint(&self.path, self.size)?;
        if fingerprint != self.fingerprint {
            return refused(format!(
                "this file of the input has changed: its fingerprint is {fingerprint}, and was {} when it was cleaned",
                self.fingerprint
            ));
        }
        Ok(())
    }
}

/// One pass over a file.
struct Reading<'w> {
    wanted: &'w BTreeSet<u64>,
    found: BTreeMap<u64, Row>,
    /// The rows before the next unit, for lines.
    base: u64,
}

impl Reading<'_> {
    /// Reads until all is found, and returns whether what was not found is not there.
    fn read(&mut self, plan: &Plan, most_bytes: u64, lookout: &mut Lookout<'_>) -> Result<bool> {
        let Some(last) = self.wanted.last().copied() else { return Ok(true) };
        let mut read = 0_u64;
        for (number, segment) in plan.segments.iter().enumerate() {
            if let Segment::RowGroup { first_row, .. } = segment {
                let end = match plan.segments.get(number + 1) {
                    Some(Segment::RowGroup { first_row, .. }) => *first_row,
                    _ => u64::MAX,
                };
                if self.wanted.range(*first_row..end).next().is_none() {
                    continue;
                }
                self.base = *first_row;
            }
            for unit in plan.open(number)? {
                lookout.look()?;
                let unit = unit?;
                if unit.asks() {
                    continue;
                }
                if read >= most_bytes {
                    return Ok(false);
                }
                read = read.saturating_add(unit.weight);
                if let Body::Lines(block) = &unit.body {
                    let rows = jsonl::rows(block);
                    if self.wanted.range(self.base..self.base + rows).next().is_none() {
                        self.base += rows;
                        continue;
                    }
                }
                self.take(plan.documents(unit)?);
                if self.base > last {
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }

    /// Takes what is wanted from the documents of a unit.
    fn take(&mut self, mut documents: Documents) {
        if let Some(lines) = documents.lines {
            documents.number_from(self.base);
            self.base += lines.count;
            for row in self.wanted.range(self.base - lines.count..self.base) {
                self.found.insert(*row, Row::Blank);
            }
        }
        for (place, address) in documents.addresses.iter().enumerate() {
            self.base = self.base.max(address.row + 1);
            if self.wanted.contains(&address.row) {
                let text = documents.text.get(place).unwrap_or_default().to_owned();
                self.found.insert(address.row, Row::Text { text });
            }
        }
        for run in documents.unreadable {
            let end = run.address.row + run.rows;
            self.base = self.base.max(end);
            for row in self.wanted.range(run.address.row..end) {
                let unreadable = Row::Unreadable { offset: run.offset, error: run.error.clone() };
                self.found.insert(*row, unreadable);
            }
        }
    }
}

#[cfg(test)]
mod tests;
