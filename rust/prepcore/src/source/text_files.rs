//! Text and code files: a document a file, with the columns `text` and `path`.

use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use std::io::Read;

use super::compression::decompressed;
use super::file::SourceFile;
use super::lines::damage_or_failure;
use super::{Address, Body, DOCUMENT_WEIGHT, Unit, Unreadable};
use crate::{Error, Result};

/// Reads a run of small files as one unit.
pub(crate) fn open(files: &[SourceFile], first: u32, schema: &SchemaRef, max_document: u64) -> Result<Unit> {
    let (mut texts, mut paths) = (LargeStringBuilder::new(), LargeStringBuilder::new());
    let (mut addresses, mut unreadable) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for (number, file) in (first..).zip(files) {
        let address = Address { source: number, row: 0 };
        match read(file, max_document)? {
            Ok(text) => {
                bytes += text.len() as u64;
                texts.append_value(text.strip_prefix('\u{feff}').unwrap_or(&text));
                paths.append_value(&file.name);
                addresses.push(address);
            }
            Err((offset, error)) => unreadable.push(Unreadable::row(address, Some(offset), error)),
        }
    }
    let columns: [ArrayRef; 2] = [Arc::new(texts.finish()), Arc::new(paths.finish())];
    let columns = columns.into_iter().take(schema.fields().len()).collect();
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::Internal(format!("text files do not fit their columns: {error}")))?;
    Ok(Unit {
        body: Body::Texts { batch, addresses, unreadable },
        weight: 2 * bytes + DOCUMENT_WEIGHT * files.len() as u64,
    })
}

/// A file's text, or where and why it has none.
fn read(file: &SourceFile, max_document: u64) -> Result<std::result::Result<String, (u64, String)>> {
    let mut bytes = Vec::new();
    let reader = decompressed(&file.path, file.compression)?;
    if let Err(error) = reader.take(max_document + 1).read_to_end(&mut bytes) {
        let failed = |source| Error::io(&file.path, "read", source);
        return Ok(Err((bytes.len() as u64, damage_or_failure(error).map_err(failed)?)));
    }
    if bytes.len() as u64 > max_document {
        return Ok(Err((0, super::too_large(file.size.max(bytes.len() as u64), max_document))));
    }
    Ok(String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to() as u64;
        (offset, "not valid UTF-8".into())
    }))
}
