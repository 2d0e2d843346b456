//! The key of a document: XXH3-128 (seed 0) of what makes it equal to another.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryViewArray};
use arrow_cast::{CastOptions, can_cast_types, cast, cast_with_options};
use arrow_schema::{DataType, Schema};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::DedupKey;
use crate::document::is_whitespace;
use crate::{Error, Result};

/// A 128-bit key. Files hold it big-endian, so that bytes sort as numbers do.
pub type Key = u128;

/// The key of a text under `--dedup-key exact`, which is also the key that `--validation` draws by.
#[must_use]
pub fn key_of_text(text: &str) -> Key {
    xxh3_128(text.as_bytes())
}

/// Computes the keys of a unit's documents.
#[derive(Clone, Debug)]
pub struct Keyer {
    how: DedupKey,
    column: Option<usize>,
}

impl Keyer {
    /// A keyer for documents of this schema.
    ///
    /// # Errors
    /// [`Error::Config`] when `column:NAME` names a column that the schema lacks.
    pub fn new(how: &DedupKey, schema: &Schema) -> Result<Self> {
        let DedupKey::Column(name) = how else { return Ok(Self { how: how.clone(), column: None }) };
        let index = schema.index_of(name).map_err(|_| {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            Error::config("--dedup-key", format!("no column {name:?}; there are {}", names.join(", ")))
        })?;
        let kind = schema.field(index).data_type();
        if !(is_bytes(kind) || can_cast_types(kind, &DataType::Utf8View)) {
            return Err(Error::config(
                "--dedup-key",
                format!("a column of type {kind} cannot serve as a key"),
            ));
        }
        let column = Some(index);
        Ok(Self { how: how.clone(), column })
    }

    /// Prepares a unit: for `column:NAME` the values of that column as bytes.
    ///
    /// # Errors
    /// [`Error::Config`] when the column's values have no text form.
    pub fn unit(&self, columns: &[ArrayRef]) -> Result<UnitKeyer> {
        let Some(column) = self.column else { return Ok(UnitKeyer { how: self.how.clone(), values: None }) };
        let values = &columns[column];
        // Bytes are hashed as they are; what is no text has its text form hashed.
        let wanted = if is_bytes(values.data_type()) { DataType::BinaryView } else { DataType::Utf8View };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let values = cast_with_options(values, &wanted, &options)
            .and_then(|values| cast(&values, &DataType::BinaryView))
            .map_err(|error| {
                Error::config("--dedup-key", format!("a value cannot serve as a key: {error}"))
            })?;
        let values = values.as_binary_view().clone();
        Ok(UnitKeyer { how: self.how.clone(), values: Some(values) })
    }
}

fn is_bytes(kind: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(kind, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

/// Computes the keys of one unit.
#[derive(Debug)]
pub struct UnitKeyer {
    how: DedupKey,
    values: Option<BinaryViewArray>,
}

impl UnitKeyer {
    /// The key of a document; `None` where it can never be a duplicate (a null in the key column).
    #[must_use]
    pub fn key(&self, row: usize, text: &str) -> Option<Key> {
        match (&self.values, &self.how) {
            (Some(values), _) => values.is_valid(row).then(|| xxh3_128(values.value(row))),
            (None, DedupKey::Whitespace) => Some(key_of_text(&collapse_whitespace(text))),
            (None, DedupKey::Lowercase) => Some(key_of_text(&collapse_whitespace(text).to_lowercase())),
            (None, _) => Some(key_of_text(text)),
        }
    }
}

/// Every run of white space made one space, the ends stripped.
fn collapse_whitespace(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split(is_whitespace).filter(|word| !word.is_empty()) {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // XXH3-128 of the empty input with seed 0, from the xxHash test vectors.
        assert_eq!(key_of_text(""), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
    }

    #[test]
    fn white_space_and_case_can_be_looked_past() {
        let schema = Schema::empty();
        let key = |how, text| Keyer::new(&how, &schema).unwrap().unit(&[]).unwrap().key(0, text);
        assert_eq!(key(DedupKey::Whitespace, " a\u{1f}\n b\t"), key(DedupKey::Exact, "a b"));
        assert_ne!(key(DedupKey::Whitespace, "A b"), key(DedupKey::Whitespace, "a b"));
        assert_eq!(key(DedupKey::Lowercase, "ÀB  c"), key(DedupKey::Exact, "àb c"));
    }
}
