//! The matrices of a model: as they are, or quantised.

use std::io::Read;

use super::quantised::Quantised;
use super::reader::Reader;
use crate::Result;

/// A quantised matrix that takes no more than this as numbers is kept as numbers; such as that of `lid.176.ftz`, 3 MB.
const MAX_EXPANDED: u64 = 64 << 20;

/// Rows of 32-bit floats.
#[derive(Debug)]
pub(super) struct Matrix {
    columns: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Dense(Vec<f32>),
    Quantised(Quantised),
}

impl Matrix {
    /// Reads a matrix that must have so many columns, and rows that `fits` takes.
    pub(super) fn read(
        reader: &mut Reader<'_, impl Read>,
        what: &'static str,
        quantised: bool,
        columns: u32,
        fits: impl FnOnce(u64) -> bool,
        wanted: impl FnOnce() -> String,
    ) -> Result<Self> {
        let (rows, values) = if quantised {
            let (rows, matrix) = Quantised::read(reader, what, columns)?;
            (rows, Values::Quantised(matrix))
        } else {
            let rows = reader.long_count(what)?;
            let found = reader.long_count(what)?;
            if found != u64::from(columns) {
                return Err(reader.refuse(format!("damaged: {what} has {found} columns, expected {columns}")));
            }
            let numbers = rows.saturating_mul(u64::from(columns));
            (rows, Values::Dense(reader.weights(what, numbers)?))
        };
        if !fits(rows) {
            return Err(reader.refuse(format!("damaged: {what} has {rows} rows, expected {}", wanted())));
        }
        Ok(Self { columns: columns as usize, values })
    }

    /// The same matrix as numbers, each row multiplied with its norm; or as it is where that takes much memory.
    ///
    /// A row that is added is the same either way: its products are rounded before they are added. The scalar product
    /// of a row is not: there the norm comes last.
    pub(super) fn expanded(self, rows: u64) -> Self {
        let bytes = rows.saturating_mul(self.columns as u64).saturating_mul(4);
        match self.values {
            Values::Quantised(matrix) if bytes <= MAX_EXPANDED => {
                let mut values = vec![0.0; rows as usize * self.columns];
                for (row, sum) in values.chunks_exact_mut(self.columns).enumerate() {
                    matrix.add_row(row, sum);
                }
                Self { columns: self.columns, values: Values::Dense(values) }
            }
            values => Self { columns: self.columns, values },
        }
    }

    /// The length of a row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Adds rows to a sum, one after another.
    pub(super) fn add_rows(&self, rows: &[u32], sum: &mut [f32]) {
        match (&self.values, sum.len()) {
            (Values::Dense(values), 16) => add_short::<16>(values, rows, sum),
            (Values::Dense(values), columns) => {
                for row in rows {
                    let row = &values[*row as usize * columns..][..columns];
                    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
            }
            (Values::Quantised(matrix), _) => rows.iter().for_each(|row| matrix.add_row(*row as usize, sum)),
        }
    }

    /// The scalar product of a row and a vector, added from left to right.
    pub(super) fn dot(&self, row: usize, vector: &[f32]) -> f32 {
        match &self.values {
            Values::Dense(values) => {
                let row = &values[row * self.columns..][..self.columns];
                row.iter().zip(vector).fold(0.0, |sum, (left, right)| sum + left * right)
            }
            Values::Quantised(matrix) => matrix.dot(row, vector),
        }
    }
}

/// Adds rows of so few columns that the sum stays in registers.
fn add_short<const COLUMNS: usize>(values: &[f32], rows: &[u32], sum: &mut [f32]) {
    let (matrix, _) = values.as_chunks::<COLUMNS>();
    let Ok(mut total) = <[f32; COLUMNS]>::try_from(&*sum) else { return };
    for row in rows {
        let row = &matrix[*row as usize];
        for (total, value) in total.iter_mut().zip(row) {
            *total += value;
        }
    }
    sum.copy_from_slice(&total);
}
