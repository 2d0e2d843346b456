//! Parquet: a segment is a row group. Strings are read as views, which costs no copy of the text.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type;
use parquet::file::metadata::RowGroupMetaData;

use super::Options;
use super::file::SourceFile;
use super::row_group::{RowGroup, Source};
use crate::config::Columns;
use crate::guard::decoded;
use crate::{Error, Result};

/// Bytes of text that one decoded batch holds, about.
const BATCH_BYTES: u64 = 1 << 20;
/// More rows than this are no rows but a damaged footer; sums of fewer do not overflow.
const MOST_ROWS: u64 = 1 << 48;
/// More bytes than this are a damaged footer's too.
const MOST_BYTES: u64 = 1 << 48;
/// Footers kept for the row groups that are read next.
const CACHED_FOOTERS: usize = 64;

/// What a file's footer says.
pub(crate) struct Footer {
    /// All of the file's columns.
    pub(crate) schema: SchemaRef,
    /// Rows and uncompressed bytes of each row group, the kept columns alone.
    pub(crate) row_groups: Vec<(u64, u64)>,
}

/// Reads a file's footer.
pub(crate) fn footer(path: &Path, columns: &Columns, text: &str) -> Result<Footer> {
    let metadata = plain(path)?;
    let kept: Vec<usize> = kept_columns(metadata.schema(), columns);
    let mask = ProjectionMask::roots(metadata.parquet_schema(), kept.iter().copied());
    let groups = metadata.metadata().row_groups().iter();
    let row_groups = groups.map(|group| {
        let (of_text, of_others) = sizes(group, &mask, text);
        (rows(group), of_text.saturating_add(of_others))
    });
    let row_groups: Vec<(u64, u64)> = row_groups.collect();
    let total = row_groups.iter().try_fold(0_u64, |total, (rows, _)| total.checked_add(*rows));
    if total.is_none_or(|total| total > MOST_ROWS) {
        return Err(corrupt(path, &format!("it claims more than {MOST_ROWS} rows")));
    }
    Ok(Footer { schema: Arc::clone(metadata.schema()), row_groups })
}

/// Uncompressed bytes of a row group's kept columns, those of the text apart from the others.
fn sizes(group: &RowGroupMetaData, mask: &ProjectionMask, text: &str) -> (u64, u64) {
    let (mut of_text, mut of_others) = (0, 0);
    let leaves = group.columns().len() as u64;
    let kept = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
    for (_, column) in kept {
        let bytes = u64::try_from(column.uncompressed_size()).unwrap_or(0).min(MOST_BYTES / leaves);
        let is_text = matches!(column.column_path().parts(), [name] if name == text);
        *(if is_text { &mut of_text } else { &mut of_others }) += bytes;
    }
    (of_text, of_others)
}

/// Bytes of a row in columns whose values all have one length, which a null takes too.
fn fixed_bytes(group: &RowGroupMetaData, mask: &ProjectionMask) -> u64 {
    let kept = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
    let fixed = kept.filter(|(_, column)| column.column_type() == Type::FIXED_LEN_BYTE_ARRAY);
    fixed.map(|(_, column)| u64::try_from(column.column_descr().type_length()).unwrap_or(0)).sum()
}

fn rows(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or(0)
}

fn kept_columns(schema: &Schema, columns: &Columns) -> Vec<usize> {
    let fields = schema.fields().iter().enumerate();
    fields.filter(|(_, field)| columns.holds(field.name())).map(|(index, _)| index).collect()
}

/// A file's footer, with strings to be decoded as views.
pub(crate) fn load(path: &Path) -> Result<ArrowReaderMetadata> {
    let plain = plain(path)?;
    let options = ArrowReaderOptions::new().with_schema(Arc::new(decoded_schema(plain.schema())));
    decoded(|| ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options))
        .map_err(|error| corrupt(path, &error))
}

fn plain(path: &Path) -> Result<ArrowReaderMetadata> {
    let file = File::open(path).map_err(|source| Error::io(path, "open", source))?;
    decoded(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))
        .map_err(|error| corrupt(path, &error))
}

fn corrupt(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::corrupt(path, "footer", format!("not a readable Parquet file: {error}"))
}

/// The schema under which batches are decoded: strings as views.
pub(crate) fn decoded_schema(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => {
            let view = Field::new(field.name(), DataType::Utf8View, field.is_nullable());
            Arc::new(view.with_metadata(field.metadata().clone()))
        }
        _ => Arc::clone(field),
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

/// Opens row groups, keeping the footers read last.
#[derive(Default)]
pub(crate) struct RowGroups {
    footers: Mutex<VecDeque<(u32, ArrowReaderMetadata)>>,
}

impl RowGroups {
    /// The batches of a row group, with the columns of `wanted` (decoded) in its order; and about how many bytes
    /// a row holds in columns other than the text.
    pub(crate) fn open(
        &self,
        file: &SourceFile,
        number: u32,
        group: usize,
        options: &Options,
        wanted: &SchemaRef,
    ) -> Result<(RowGroup, u64)> {
        let metadata = self.footer(file, number)?;
        let columns = kept_columns(metadata.schema(), &options.columns);
        let mask = ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied());
        let described = metadata.metadata().row_group(group);
        let (of_text, of_others) = sizes(described, &mask, &options.text_column);
        let rows = rows(described);
        let fixed = fixed_bytes(described, &mask);
        let row_bytes = ((of_text + of_others) / rows.max(1)).max(fixed);
        let batch_rows = (BATCH_BYTES / row_bytes.max(1)).clamp(1, 8192) as usize;
        let path = file.path.clone();
        let (wanted, text) = (Arc::clone(wanted), options.text_column.clone());
        let skip_corrupt = options.skip_corrupt;
        let source = Source { path, metadata, group, rows, batch_rows, columns, wanted, text, skip_corrupt };
        Ok((RowGroup::open(source), (of_others / rows.max(1)).max(fixed)))
    }

    fn footer(&self, file: &SourceFile, number: u32) -> Result<ArrowReaderMetadata> {
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, metadata)) = footers.iter().find(|(cached, _)| *cached == number) {
            return Ok(metadata.clone());
        }
        let metadata = load(&file.path)?;
        if footers.len() == CACHED_FOOTERS {
            footers.pop_front();
        }
        footers.push_back((number, metadata.clone()));
        Ok(metadata)
    }
}
