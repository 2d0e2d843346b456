//! What became of one document, as the files of a cleaned folder state it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest;
use super::rows::{self, Dropped};
use crate::ledger::{KEY_RECORD, KEYS_HEADER, KeyRecord};
use crate::manifest::PartRecord;
use crate::source::Address;
use crate::{Error, Result};

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It was kept.
    Kept(KeptAt),
    /// It was dropped.
    Dropped(Dropped),
    /// Its row could not be read.
    Unreadable {
        /// Where it begins, where rows have an offset.
        offset: Option<u64>,
        /// What was wrong.
        error: String,
    },
    /// No file of the folder names it: no row, an empty line, or behind `--limit`.
    Unknown,
}

/// Where a kept document lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptAt {
    /// The part; none where documents were packed and not written.
    pub path: Option<String>,
    /// The row, or line, of the part: its number among the documents that the part keeps.
    pub row: u64,
}

/// A line of `unreadable.jsonl`, as far as it is looked at here.
#[derive(Deserialize)]
struct UnreadableRows {
    source: u32,
    row: u64,
    rows: u64,
    offset: Option<u64>,
    error: String,
}

/// Looks a document up in the ledger, among the unreadable rows and among the keys.
///
/// # Errors
/// [`Error::Input`] for a folder that is not a finished one, or that has no such file of the input; [`Error::Corrupt`]
/// and [`Error::Io`] for files of the folder that cannot be read.
pub fn fate(folder: &Path, address: Address) -> Result<Fate> {
    let manifest = manifest(folder)?;
    if address.source as usize >= manifest.inputs.len() {
        let message =
            format!("has {} files of input, so none of number {}", manifest.inputs.len(), address.source);
        return Err(Error::input(folder, message));
    }
    // Parts follow one another as the input does, so the last that begins at or before an address may hold it.
    let keyed: Vec<&PartRecord> = manifest.parts.iter().filter(|part| part.keys.rows > 0).collect();
    if let Some(part) = last_before(&keyed, |part| first_key(folder, part), address)?
        && let Some(at) = kept_in(folder, part, address)?
    {
        return Ok(Fate::Kept(at));
    }
    let dropping: Vec<&PartRecord> = manifest.parts.iter().filter(|part| part.dropped.rows > 0).collect();
    if let Some(part) = last_before(&dropping, |part| rows::first(folder, &part.dropped), address)?
        && let Some(dropped) = rows::find(folder, &part.dropped, address)?
    {
        return Ok(Fate::Dropped(dropped));
    }
    if manifest.counts.unreadable > 0
        && let Some(rows) = unreadable(folder, address)?
    {
        return Ok(Fate::Unreadable { offset: rows.offset, error: rows.error });
    }
    Ok(Fate::Unknown)
}

/// The last part whose first address is not behind `address`.
pub(super) fn last_before<'p>(
    parts: &[&'p PartRecord],
    first: impl Fn(&PartRecord) -> Result<Address>,
    address: Address,
) -> Result<Option<&'p PartRecord>> {
    let (mut low, mut high) = (0, parts.len());
    while low < high {
        let middle = low.midpoint(high);
        if first(parts[middle])? <= address {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low.checked_sub(1).map(|place| parts[place]))
}

fn first_key(folder: &Path, part: &PartRecord) -> Result<Address> {
    let mut keys = open_keys(folder, part)?;
    next_key(folder, part, &mut keys).map(|record| record.address)
}

/// Where a document of a part was kept.
fn kept_in(folder: &Path, part: &PartRecord, address: Address) -> Result<Option<KeptAt>> {
    let mut keys = BufReader::with_capacity(1 << 18, open_keys(folder, part)?);
    let mut kept = 0;
    for _ in 0..part.keys.rows {
        let record = next_key(folder, part, &mut keys)?;
        if record.address >= address {
            let found = record.address == address && record.kept;
            return Ok(
                found.then(|| KeptAt { path: part.kept.as_ref().map(|kept| kept.path.clone()), row: kept })
            );
        }
        kept += u64::from(record.kept);
    }
    Ok(None)
}

/// A part's keys, which are in input order.
fn open_keys(folder: &Path, part: &PartRecord) -> Result<File> {
    let path = folder.join(&part.keys.path);
    let failed = |source| Error::io(&path, "read", source);
    let mut file = File::open(&path).map_err(failed)?;
    file.seek(SeekFrom::Start(KEYS_HEADER.len() as u64)).map_err(failed)?;
    Ok(file)
}

fn next_key(folder: &Path, part: &PartRecord, keys: &mut impl Read) -> Result<KeyRecord> {
    let mut record = [0; KEY_RECORD];
    let read = keys.read_exact(&mut record);
    read.map_err(|source| Error::io(folder.join(&part.keys.path), "read", source))?;
    Ok(KeyRecord::decode(&record))
}

/// The line of `unreadable.jsonl` that names a row.
fn unreadable(folder: &Path, address: Address) -> Result<Option<UnreadableRows>> {
    let path = folder.join("unreadable.jsonl");
    let failed = |source| Error::io(&path, "read", source);
    let lines = BufReader::with_capacity(1 << 18, File::open(&path).map_err(failed)?).lines();
    for (number, line) in lines.enumerate() {
        let rows: UnreadableRows = serde_json::from_str(&line.map_err(failed)?)
            .map_err(|error| Error::corrupt(&path, format!("line {}", number + 1), error))?;
        if rows.source == address.source
            && (rows.row..rows.row.saturating_add(rows.rows)).contains(&address.row)
        {
            return Ok(Some(rows));
        }
        if (rows.source, rows.row) > (address.source, address.row) {
            break;
        }
    }
    Ok(None)
}
