//! Some of the kept documents, with the addresses that they have in the input.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{manifest, spread};
use crate::config::ByteSize;
use crate::ledger::KeyFile;
use crate::manifest::PartRecord;
use crate::pipeline::{Lookout, Watcher};
use crate::source::{Address, Body, Kind, Options, Plan, Segment, open_as};
use crate::{Error, Result};

/// Parts from which documents are drawn, at the most.
const MOST_PARTS: usize = 8;

/// A kept document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptDocument {
    /// The file's number in the manifest.
    pub source: u32,
    /// The row within the file.
    pub row: u64,
    /// The text as it was written: after the rules that rewrite. None where it was packed and not written.
    pub text: Option<String>,
}

/// Draws up to `count` kept documents: of up to eight parts, spread evenly, one unit each (a row group of Parquet
/// that `seed` chooses, the first 8 MiB of JSONL), and of its documents some that are spread evenly.
///
/// # Errors
/// [`Error::Input`] for a folder that is not a finished one, [`Error::Corrupt`] and [`Error::Io`] for parts that
/// cannot be read.
pub fn kept(folder: &Path, count: usize, seed: u64, watcher: Watcher<'_>) -> Result<Vec<KeptDocument>> {
    let manifest = manifest(folder)?;
    let column = manifest.configuration.get("text_column").and_then(Value::as_str).unwrap_or("text");
    let parts: Vec<&PartRecord> = manifest.parts.iter().filter(|part| part.counts.kept > 0).collect();
    let places: Vec<usize> = spread(parts.len(), MOST_PARTS.min(count)).collect();
    let mut lookout = Lookout::new(watcher);
    let (mut drawn, mut left) = (Vec::new(), count);
    for (number, place) in places.iter().enumerate() {
        lookout.look()?;
        let share = left.div_ceil(places.len() - number);
        let of_part = draw(folder, parts[*place], (share, seed), column)?;
        left -= of_part.len();
        drawn.extend(of_part);
    }
    Ok(drawn)
}

/// Draws documents of one part.
fn draw(
    folder: &Path,
    part: &PartRecord,
    (count, seed): (usize, u64),
    column: &str,
) -> Result<Vec<KeptDocument>> {
    let Some(kept) = &part.kept else {
        let count = count.min(part.counts.kept as usize);
        let offset = (seed % part.counts.kept.max(1)) as usize;
        let rows = spread(part.counts.kept as usize, count);
        let rows = rows.map(|place| ((place + offset) as u64) % part.counts.kept).collect();
        let without = |Address { source, row }| KeptDocument { source, row, text: None };
        return Ok(addresses(folder, part, &rows)?.into_iter().map(without).collect());
    };
    let path = folder.join(&kept.path);
    let kind = if kept.path.ends_with(".parquet") { Kind::Parquet } else { Kind::Jsonl };
    // Documents that were written are small enough to be read.
    let options = Options::of_text(column, ByteSize::from_bytes(u64::MAX));
    let plan = Plan::of_file(open_as(path.clone(), kind)?, options)?;
    let groups = plan.segments.len() as u64;
    let chosen = if kind == Kind::Parquet { (seed % groups.max(1)) as usize } else { 0 };
    let before = match plan.segments.get(chosen) {
        Some(Segment::RowGroup { first_row, .. }) => *first_row,
        Some(_) => 0,
        None => return Ok(Vec::new()),
    };
    let mut units = plan.open(chosen)?;
    let documents = loop {
        match units.next().transpose()? {
            None => return Ok(Vec::new()),
            Some(unit) if matches!(unit.body, Body::Ask) => {}
            Some(unit) => break plan.documents(unit)?,
        }
    };
    let offset = (seed / groups.max(1)) as usize;
    let wanted: BTreeSet<usize> = spread(documents.len(), count)
        .map(|place| if documents.is_empty() { 0 } else { (place + offset) % documents.len() })
        .collect();
    let rows: BTreeSet<u64> = wanted.iter().map(|place| before + *place as u64).collect();
    let addresses = addresses(folder, part, &rows)?;
    let drawn = wanted.iter().zip(addresses).map(|(place, Address { source, row })| {
        let text = Some(documents.text.get(*place).unwrap_or_default().to_owned());
        KeptDocument { source, row, text }
    });
    Ok(drawn.collect())
}

/// The addresses of kept documents by their rows in a part.
fn addresses(folder: &Path, part: &PartRecord, rows: &BTreeSet<u64>) -> Result<Vec<Address>> {
    let (mut found, mut kept) = (Vec::new(), 0);
    for record in KeyFile::open(folder, &part.keys)? {
        let record = record?;
        if record.kept {
            if rows.contains(&kept) {
                found.push(record.address);
            }
            kept += 1;
        }
        if found.len() == rows.len() {
            return Ok(found);
        }
    }
    let path = folder.join(&part.keys.path);
    Err(Error::corrupt(
        path,
        "records",
        format!("{kept} kept documents, but the part holds {}", part.counts.kept),
    ))
}
