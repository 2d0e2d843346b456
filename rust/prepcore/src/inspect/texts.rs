//! The texts that `--keep-dropped` has written beside the ledger: there to be read when the input is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use serde_json::Value;

use super::fate::last_before;
use super::ledger::{self, addresses, open};
use super::manifest;
use crate::guard::decoded;
use crate::manifest::PartRecord;
use crate::source::Address;
use crate::text::TextColumn;
use crate::{Error, Result};

/// The column that holds the dropped documents.
const DOCUMENT: &str = "document";

/// The texts of dropped documents as they were judged, after the rules that rewrite; those that the folder does not
/// hold are left out.
///
/// # Errors
/// [`Error::Input`] for a folder that is not a finished one, [`Error::Corrupt`] and [`Error::Io`] for a ledger that
/// cannot be read.
pub fn dropped_texts(folder: &Path, wanted: &BTreeSet<Address>) -> Result<BTreeMap<Address, String>> {
    let manifest = manifest(folder)?;
    let column = manifest.configuration.get("text_column").and_then(Value::as_str).unwrap_or("text");
    let mut texts = BTreeMap::new();
    if manifest.configuration.get("keep_dropped") != Some(&Value::Bool(true)) {
        return Ok(texts);
    }
    let parts: Vec<&PartRecord> = manifest.parts.iter().filter(|part| part.dropped.rows > 0).collect();
    let mut by_part: BTreeMap<&str, BTreeSet<Address>> = BTreeMap::new();
    for address in wanted {
        if let Some(part) = last_before(&parts, |part| ledger::first(folder, &part.dropped), *address)? {
            by_part.entry(part.dropped.path.as_str()).or_default().insert(*address);
        }
    }
    for (path, wanted) in by_part {
        read(&folder.join(path), &wanted, column, &mut texts)?;
    }
    Ok(texts)
}

/// Reads the texts of one part's file: first where they stand, then these rows alone.
fn read(
    path: &Path,
    wanted: &BTreeSet<Address>,
    column: &str,
    texts: &mut BTreeMap<Address, String>,
) -> Result<()> {
    let corrupt = |error: String| Error::corrupt(path, "rows", error);
    let builder = open(path)?;
    let keys = ProjectionMask::columns(builder.parquet_schema(), ["source", "row"]);
    let mut batches = decoded(|| builder.with_projection(keys).build()).map_err(corrupt)?;
    let (mut found, mut before) = (Vec::new(), 0);
    while let Some(batch) = decoded(|| batches.next().transpose()).map_err(corrupt)? {
        let (sources, rows) = addresses(path, &batch)?;
        for place in 0..batch.num_rows() {
            let address = Address { source: sources.value(place), row: rows.value(place) };
            if wanted.contains(&address) {
                found.push((before + place, address));
            }
        }
        before += batch.num_rows();
    }
    let mut selectors = Vec::new();
    let mut next = 0;
    for (place, _) in &found {
        selectors.extend([RowSelector::skip(place - next), RowSelector::select(1)]);
        next = place + 1;
    }
    let builder = open(path)?;
    let of_text = ProjectionMask::columns(builder.parquet_schema(), [&*format!("{DOCUMENT}.{column}")]);
    let builder = builder.with_projection(of_text).with_row_selection(RowSelection::from(selectors));
    let batches = decoded(|| builder.build()).map_err(corrupt)?;
    let mut found = found.into_iter();
    for batch in batches {
        let batch = batch.map_err(|error| corrupt(error.to_string()))?;
        let column = text_of(&batch, column).ok_or_else(|| {
            corrupt(format!("expected the texts of dropped documents in {DOCUMENT}.{column}"))
        })?;
        texts.extend(
            found
                .by_ref()
                .take(column.len())
                .enumerate()
                .filter_map(|(place, (_, address))| Some((address, column.get(place)?.to_owned()))),
        );
    }
    Ok(())
}

fn text_of(batch: &RecordBatch, column: &str) -> Option<TextColumn> {
    TextColumn::new(batch.column_by_name(DOCUMENT)?.as_struct_opt()?.column_by_name(column)?)
}
