//! The ledger of dropped documents, read back in bounded pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::rows::{BATCH_ROWS, Dropped, Rows, open};
use super::{manifest, spread};
use crate::guard::decoded;
use crate::manifest::PartRecord;
use crate::source::Address;
use crate::{Error, Result};

/// Different details of one reason that are counted apart.
const MOST_DETAILS: usize = 1000;

/// How much of the ledger is read, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// Parts at the most, spread evenly; and for each reason one that holds it.
    pub parts: usize,
    /// Rows at the most, shared evenly by those parts; each gives whole row groups that are spread evenly in it.
    pub rows: u64,
    /// Values at the most of each reason, spread evenly over the rows that are read.
    pub values: usize,
    /// Examples at the most of each reason.
    pub examples: usize,
    /// The seed by which examples are drawn evenly from the rows that are read; none for the first ones.
    pub seed: Option<u64>,
    /// The only reason that is looked for; none for all.
    pub reason: Option<String>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { parts: 32, rows: 1 << 20, values: 4096, examples: 3, seed: None, reason: None }
    }
}

/// What was read of one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfReason {
    /// Rows that were read.
    pub rows: u64,
    /// Values among them.
    pub values: Vec<f64>,
    /// How often each detail occurs among the rows that were read.
    pub details: BTreeMap<String, u64>,
    /// Some of the documents.
    pub examples: Vec<Dropped>,
    #[serde(skip)]
    stride: Stride,
    #[serde(skip)]
    drawn: Vec<(u64, Dropped)>,
}

/// Thins a list out evenly while it grows: every second one goes whenever there are too many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Stride {
    seen: u64,
    doublings: u32,
}

/// What was read of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// Parts that dropped documents.
    pub parts: usize,
    /// Parts that were read.
    pub parts_read: usize,
    /// Rows of the whole ledger.
    pub rows: u64,
    /// Rows that were read.
    pub rows_read: u64,
    /// By reason, only those that were met.
    pub reasons: BTreeMap<String, OfReason>,
}

/// Reads some of a folder's ledger.
///
/// # Errors
/// [`Error::Input`] for a folder that is not a finished one, [`Error::Corrupt`] and [`Error::Io`] for a ledger that
/// cannot be read.
pub fn ledger(folder: &Path, reading: &Reading) -> Result<Ledger> {
    let manifest = manifest(folder)?;
    let holds = |part: &&PartRecord| match &reading.reason {
        Some(reason) => part.counts.dropped.get(reason).is_some_and(|count| *count > 0),
        None => part.dropped.rows > 0,
    };
    let parts: Vec<&PartRecord> = manifest.parts.iter().filter(holds).collect();
    let mut chosen: BTreeSet<usize> = spread(parts.len(), reading.parts).collect();
    for reason in manifest.counts.dropped.keys().filter(|_| reading.reason.is_none()) {
        let holds = |place: &usize| parts[*place].counts.dropped.get(reason).is_some_and(|count| *count > 0);
        if !chosen.iter().any(holds) {
            chosen.extend((0..parts.len()).find(|place| holds(place)));
        }
    }
    let mut read = Ledger {
        parts: parts.len(),
        parts_read: chosen.len(),
        rows: parts.iter().map(|part| part.dropped.rows).sum(),
        rows_read: 0,
        reasons: BTreeMap::new(),
    };
    let share = reading.rows / chosen.len().max(1) as u64;
    for place in chosen {
        read_part(&folder.join(&parts[place].dropped.path), share, reading, &mut read)?;
    }
    for of_reason in read.reasons.values_mut() {
        let mut drawn = std::mem::take(&mut of_reason.drawn);
        if reading.seed.is_some() {
            draw_fewest(&mut drawn, reading.examples);
            drawn.sort_by_key(|(_, dropped)| (dropped.source, dropped.row));
        }
        of_reason.examples = drawn.into_iter().map(|(_, dropped)| dropped).collect();
    }
    Ok(read)
}

fn read_part(path: &Path, most_rows: u64, reading: &Reading, read: &mut Ledger) -> Result<()> {
    let builder = open(path)?;
    let groups = builder.metadata().row_groups();
    let total: u64 = groups.iter().map(|group| group.num_rows().unsigned_abs()).sum();
    let most = (groups.len() as u64 * most_rows).checked_div(total).unwrap_or(0).max(1);
    let chosen: Vec<usize> = spread(groups.len(), usize::try_from(most).unwrap_or(usize::MAX)).collect();
    let mut left = most_rows.max(BATCH_ROWS as u64);
    let corrupt = |error: String| Error::corrupt(path, "rows", error);
    let mut batches = decoded(|| builder.with_row_groups(chosen).build()).map_err(corrupt)?;
    while left > 0
        && let Some(batch) = decoded(|| batches.next().transpose()).map_err(corrupt)?
    {
        left = left.saturating_sub(batch.num_rows() as u64);
        read.rows_read += batch.num_rows() as u64;
        let rows = Rows::new(path, &batch)?;
        for row in 0..batch.num_rows() {
            let reason = rows.reason(row);
            if reading.reason.as_deref().is_none_or(|wanted| wanted == reason) {
                if !read.reasons.contains_key(reason) {
                    read.reasons.insert(reason.to_owned(), OfReason::default());
                }
                if let Some(of_reason) = read.reasons.get_mut(reason) {
                    of_reason.take(&rows, row, reading);
                }
            }
        }
    }
    Ok(())
}

impl OfReason {
    fn take(&mut self, rows: &Rows<'_>, row: usize, reading: &Reading) {
        self.rows += 1;
        if let Some(value) = rows.value(row) {
            self.stride.push(&mut self.values, value, reading.values);
        }
        if let Some(detail) = rows.detail(row) {
            if let Some(count) = self.details.get_mut(detail) {
                *count += 1;
            } else if self.details.len() < MOST_DETAILS {
                self.details.insert(detail.to_owned(), 1);
            }
        }
        let Some(seed) = reading.seed else {
            if self.drawn.len() < reading.examples {
                self.drawn.push((0, rows.dropped(row)));
            }
            return;
        };
        let Address { source, row: at } = rows.address(row);
        let hash = xxh3_64_with_seed(&[u64::from(source).to_le_bytes(), at.to_le_bytes()].concat(), seed);
        self.drawn.push((hash, rows.dropped(row)));
        if self.drawn.len() >= 2 * reading.examples.max(512) {
            draw_fewest(&mut self.drawn, reading.examples);
        }
    }
}

/// Keeps the rows with the smallest hashes: a sample in which each row is as likely as any other.
fn draw_fewest(drawn: &mut Vec<(u64, Dropped)>, count: usize) {
    drawn.sort_by_key(|(hash, dropped)| (*hash, dropped.source, dropped.row));
    drawn.truncate(count);
}

impl Stride {
    fn push(&mut self, values: &mut Vec<f64>, value: f64, most: usize) {
        if self.seen.is_multiple_of(1 << self.doublings) {
            values.push(value);
        }
        self.seen += 1;
        if values.len() > most.max(1) {
            let mut place = 0;
            values.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.doublings += 1;
        }
    }
}
