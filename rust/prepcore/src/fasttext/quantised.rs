//! A product-quantised matrix: a byte for each few columns, and perhaps one for the length of each row.

use std::io::Read;

use super::reader::Reader;
use crate::Result;

/// Centroids of a quantiser: as many as a byte has values.
const CENTROIDS: u64 = 256;

/// A matrix as codes.
#[derive(Debug)]
pub(super) struct Quantised {
    quantiser: Quantiser,
    codes: Vec<u8>,
    norms: Option<Norms>,
}

#[derive(Debug)]
struct Norms {
    codes: Vec<u8>,
    centroids: Vec<f32>,
}

/// Which numbers a byte stands for.
#[derive(Debug)]
struct Quantiser {
    columns: usize,
    /// Columns of a code, and of the last one.
    width: usize,
    last_width: usize,
    /// Codes of a row.
    codes: usize,
    centroids: Vec<f32>,
}

impl Quantised {
    /// Reads a matrix; gives its rows and itself.
    pub(super) fn read(reader: &mut Reader<'_, impl Read>, what: &str, columns: u32) -> Result<(u64, Self)> {
        let has_norms = reader.flag("qnorm")?;
        let rows = reader.long_count(what)?;
        let found = reader.long_count(what)?;
        if found != u64::from(columns) {
            return Err(reader.refuse(format!("damaged: {what} has {found} columns, expected {columns}")));
        }
        let size = reader.count(what, i32::MAX as u32)?;
        let codes = reader.bytes(what, u64::from(size))?;
        let quantiser = Quantiser::read(reader, what, columns)?;
        if rows.checked_mul(quantiser.codes as u64) != Some(u64::from(size)) {
            return Err(reader.refuse(format!(
                "damaged: {what} has {size} codes, expected {} for each of {rows} rows",
                quantiser.codes
            )));
        }
        let norms = if has_norms {
            let codes = reader.bytes(what, rows)?;
            Some(Norms { codes, centroids: Quantiser::read(reader, what, 1)?.centroids })
        } else {
            None
        };
        Ok((rows, Self { quantiser, codes, norms }))
    }

    /// The matrix of some of the rows, in this order.
    pub(super) fn rows(self, places: &[u32]) -> Self {
        let width = self.quantiser.codes;
        let row = |place: &u32| &self.codes[*place as usize * width..][..width];
        let norms = self.norms.map(|norms| Norms {
            codes: places.iter().map(|place| norms.codes[*place as usize]).collect(),
            centroids: norms.centroids,
        });
        Self { codes: places.iter().flat_map(row).copied().collect(), norms, quantiser: self.quantiser }
    }

    /// What a row is multiplied with.
    fn norm(&self, row: usize) -> f32 {
        self.norms.as_ref().map_or(1.0, |norms| norms.centroids[usize::from(norms.codes[row])])
    }

    /// Adds a row to a sum.
    pub(super) fn add_row(&self, row: usize, sum: &mut [f32]) {
        let norm = self.norm(row);
        for (sum, value) in sum.iter_mut().zip(self.values(row)) {
            *sum += norm * value;
        }
    }

    /// The scalar product of a row and a vector.
    pub(super) fn dot(&self, row: usize, vector: &[f32]) -> f32 {
        let sum = vector.iter().zip(self.values(row)).fold(0.0, |sum, (left, right)| sum + left * right);
        sum * self.norm(row)
    }

    /// A row before it is multiplied with its norm.
    fn values(&self, row: usize) -> impl Iterator<Item = &f32> {
        let codes = &self.codes[row * self.quantiser.codes..][..self.quantiser.codes];
        codes.iter().enumerate().flat_map(|(place, code)| self.quantiser.centroid(place, *code))
    }
}

impl Quantiser {
    fn read(reader: &mut Reader<'_, impl Read>, what: &str, columns: u32) -> Result<Self> {
        let all = i32::MAX as u32;
        let found = reader.count("the columns of a quantiser", all)?;
        let codes = reader.count("the codes of a quantiser", all)?;
        let width = reader.count("the columns of a code", all)?;
        let last_width = reader.count("the columns of the last code", all)?;
        let fits = found == columns
            && (1..=columns).contains(&last_width)
            && last_width <= width
            && codes > 0
            && u64::from(codes - 1) * u64::from(width) + u64::from(last_width) == u64::from(columns);
        if !fits {
            return Err(reader.refuse(format!(
                "damaged: the quantiser of {what} has {found} columns in {codes} codes of {width}, the last of \
                 {last_width}; expected {columns} columns"
            )));
        }
        let centroids = reader.weights(what, u64::from(columns) * CENTROIDS)?;
        let [columns, codes, width, last_width] =
            [columns, codes, width, last_width].map(|count| count as usize);
        Ok(Self { columns, width, last_width, codes, centroids })
    }

    /// The columns that a code at one of a row's places stands for.
    fn centroid(&self, place: usize, code: u8) -> &[f32] {
        let first = place * self.width;
        let width = if place + 1 == self.codes { self.last_width } else { self.width };
        debug_assert!(first + width <= self.columns);
        &self.centroids[first * CENTROIDS as usize + usize::from(code) * width..][..width]
    }
}
