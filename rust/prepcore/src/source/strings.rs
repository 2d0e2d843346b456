//! Whether what was decoded as strings is UTF-8, where the `parquet` crate does not make sure of it.
//!
//! It looks at columns that their file declares as UTF-8, at many values in one go. Two things go by unseen, and
//! an array of strings that are none is undefined behaviour for all that reads it: a character cut in two by the
//! border of two values (views of delta encodings), and strings that the file declares otherwise (JSON, or bytes
//! that an embedded Arrow schema calls strings).

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::basic::{ConvertedType, Type};
use parquet::schema::types::SchemaDescriptor;

/// The first four bytes of a view are its length, and the first of the text follows.
const FIRST_BYTE: u32 = 32;

/// Checks the strings of batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct StringChecks {
    /// Columns that hold bytes which the file does not declare as UTF-8.
    undeclared: HashSet<String>,
}

impl StringChecks {
    /// Checks for a file's batches.
    pub(crate) fn new(schema: &SchemaDescriptor) -> Self {
        let undeclared = schema.columns().iter().filter(|leaf| {
            leaf.physical_type() == Type::BYTE_ARRAY && leaf.converted_type() != ConvertedType::UTF8
        });
        let names = undeclared.filter_map(|leaf| leaf.path().parts().first().cloned());
        Self { undeclared: names.collect() }
    }

    /// Says which column holds a string that is none.
    pub(crate) fn check(&self, batch: &RecordBatch) -> Result<(), String> {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let valid = if self.undeclared.contains(field.name()) {
                column.to_data().validate_full().is_ok()
            } else {
                *column.data_type() != DataType::Utf8View || starts_are_characters(column.as_ref())
            };
            if !valid {
                return Err(format!("the column {:?} is not valid UTF-8", field.name()));
            }
        }
        Ok(())
    }
}

/// Whether no text begins within a character. Texts stand one behind the other where they were validated, so
/// that none ends within one either.
fn starts_are_characters(column: &dyn Array) -> bool {
    let is_inside = |view: &u128| (*view >> FIRST_BYTE) as u8 & 0xc0 == 0x80 && *view as u32 > 0;
    !column.as_string_view().views().iter().any(is_inside)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringViewArray};

    use super::*;

    #[test]
    fn a_character_cut_in_two_is_seen() {
        let whole: ArrayRef = Arc::new(StringViewArray::from(vec!["", "é", "plain and long enough", "日本"]));
        let batch = |column: &ArrayRef| RecordBatch::try_from_iter([("text", Arc::clone(column))]).unwrap();
        StringChecks::default().check(&batch(&whole)).unwrap();
        let bytes: ArrayRef = Arc::new(arrow_array::BinaryViewArray::from(vec![&b"\xc3"[..], b"\xa9"]));
        let views = bytes.as_binary_view();
        // SAFETY: it is the point that these are no strings; the check looks at their bytes alone.
        #[allow(unsafe_code, reason = "safe code cannot make such an array")]
        let cut: ArrayRef = Arc::new(unsafe {
            StringViewArray::new_unchecked(views.views().clone(), views.data_buffers().to_vec().into(), None)
        });
        assert!(StringChecks::default().check(&batch(&cut)).unwrap_err().contains("\"text\""));
    }
}
