//! A column of texts, whichever of Arrow's three string layouts it has.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeStringArray, StringArray, StringViewArray};
use arrow_schema::DataType;

/// `&str` over `Utf8`, `LargeUtf8` and `Utf8View` alike.
#[derive(Clone, Debug)]
pub enum TextColumn {
    /// 32-bit offsets.
    Utf8(StringArray),
    /// 64-bit offsets.
    LargeUtf8(LargeStringArray),
    /// Views into shared buffers, as Polars exports them.
    Utf8View(StringViewArray),
}

impl TextColumn {
    /// Wraps an array of strings; `None` for any other type.
    #[must_use]
    pub fn new(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Utf8 => Some(Self::Utf8(array.as_string::<i32>().clone())),
            DataType::LargeUtf8 => Some(Self::LargeUtf8(array.as_string::<i64>().clone())),
            DataType::Utf8View => Some(Self::Utf8View(array.as_string_view().clone())),
            _ => None,
        }
    }

    /// Whether a type is one of the three string layouts.
    #[must_use]
    pub fn is_text(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    }

    /// Some of the rows, without a copy.
    ///
    /// # Panics
    /// When they reach beyond the end.
    #[must_use]
    pub fn slice(&self, start: usize, length: usize) -> Self {
        match self {
            Self::Utf8(array) => Self::Utf8(array.slice(start, length)),
            Self::LargeUtf8(array) => Self::LargeUtf8(array.slice(start, length)),
            Self::Utf8View(array) => Self::Utf8View(array.slice(start, length)),
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Utf8(array) => array.len(),
            Self::LargeUtf8(array) => array.len(),
            Self::Utf8View(array) => array.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a row, `None` where it is null.
    ///
    /// # Panics
    /// When `row` is not below [`TextColumn::len`].
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Utf8(array) => array.is_valid(row).then(|| array.value(row)),
            Self::LargeUtf8(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Utf8View(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    /// UTF-8 bytes of a row, 0 where it is null; costs no look at the text.
    ///
    /// # Panics
    /// When `row` is not below [`TextColumn::len`].
    #[must_use]
    pub fn bytes(&self, row: usize) -> u64 {
        self.get(row).map_or(0, |text| text.len() as u64)
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_three_layouts_read_alike() {
        let texts = vec![Some("a"), None, Some(""), Some("longer than twelve bytes")];
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from(texts.clone())),
            Arc::new(LargeStringArray::from(texts.clone())),
            Arc::new(StringViewArray::from(texts.clone())),
        ];
        for array in columns {
            let column = TextColumn::new(&array.slice(1, 3)).unwrap();
            assert_eq!(column.iter().collect::<Vec<_>>(), texts[1..]);
            assert_eq!(column.bytes(2), 24);
            assert_eq!(column.slice(1, 2).iter().collect::<Vec<_>>(), texts[2..]);
        }
    }
}
