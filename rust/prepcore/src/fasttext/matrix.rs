//! The matrices of a model: as they are, or quantised.

use std::io::Read;

use super::quantised::Quantised;
use super::reader::Reader;
use crate::Result;
use crate::memory::huge_pages;
use crate::memory::prefetch;

/// A quantised matrix that takes no more than this as numbers is kept as numbers; such as that of `lid.176.ftz`, 3 MB.
const MAX_EXPANDED: u64 = 64 << 20;

/// Numbers in a line of the processor's cache.
const LINE: usize = 16;

/// Rows that are fetched from memory before they are added.
const AHEAD: usize = 12;

/// A line of the processor's cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; LINE]);

/// Rows of 32-bit floats.
#[derive(Debug)]
pub(super) struct Matrix {
    columns: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// Each row in whole lines, the last filled up with zeros.
    Dense(Vec<Line>),
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
            (rows, Values::Dense(lines(&reader.weights(what, numbers)?, columns as usize)))
        };
        if !fits(rows) {
            return Err(reader.refuse(format!("damaged: {what} has {rows} rows, expected {}", wanted())));
        }
        Ok(Self { columns: columns as usize, values })
    }

    /// The matrix of some of the rows, in this order. Only quantised matrices have rows that are not asked for.
    pub(super) fn rows(self, places: &[u32]) -> Self {
        match self.values {
            Values::Quantised(matrix) => {
                Self { columns: self.columns, values: Values::Quantised(matrix.rows(places)) }
            }
            Values::Dense(_) => self,
        }
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
                Self { columns: self.columns, values: Values::Dense(lines(&values, self.columns)) }
            }
            values => Self { columns: self.columns, values },
        }
    }

    /// Bytes that it takes as numbers; 0 where it stayed quantised.
    pub(super) fn bytes(&self) -> u64 {
        match &self.values {
            Values::Dense(lines) => size_of_val(lines.as_slice()) as u64,
            Values::Quantised(_) => 0,
        }
    }

    /// The length of a row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Adds rows to a sum, one after another.
    pub(super) fn add_rows(&self, rows: &[u32], sum: &mut [f32]) {
        let lines = match &self.values {
            Values::Dense(lines) => lines,
            Values::Quantised(matrix) => {
                return rows.iter().for_each(|row| matrix.add_row(*row as usize, sum));
            }
        };
        if let Ok(sum) = <&mut [f32; LINE]>::try_from(&mut *sum) {
            return add_short(lines, rows, sum);
        }
        let in_row = self.columns.div_ceil(LINE);
        for (place, row) in rows.iter().enumerate() {
            if let Some(ahead) = rows.get(place + AHEAD) {
                (0..in_row).for_each(|line| prefetch(lines, *ahead as usize * in_row + line));
            }
            let row = &lines[*row as usize * in_row..][..in_row];
            let (whole, rest) = sum.as_chunks_mut();
            for line in 0..whole.len() {
                add_line(&mut whole[line], &row[line]);
            }
            if let Some(Line(last)) = row.get(whole.len()) {
                for column in 0..rest.len() {
                    rest[column] += last[column];
                }
            }
        }
    }

    /// The scalar product of a row and a vector, added from left to right.
    pub(super) fn dot(&self, row: usize, vector: &[f32]) -> f32 {
        let lines = match &self.values {
            Values::Dense(lines) => lines,
            Values::Quantised(matrix) => return matrix.dot(row, vector),
        };
        let in_row = self.columns.div_ceil(LINE);
        let mut sum = 0.0;
        for (place, Line(line)) in lines[row * in_row..][..in_row].iter().enumerate() {
            let part = &vector[place * LINE..vector.len().min((place + 1) * LINE)];
            for column in 0..part.len() {
                sum += line[column] * part[column];
            }
        }
        sum
    }
}

/// Rows of numbers as lines.
fn lines(values: &[f32], columns: usize) -> Vec<Line> {
    let parts = values.chunks(columns).flat_map(|row| row.chunks(LINE));
    let line = |part: &[f32]| {
        let mut line = [0.0; LINE];
        line[..part.len()].copy_from_slice(part);
        Line(line)
    };
    let mut lines = huge_pages::filled(Line([0.0; LINE]), parts.clone().count());
    lines.iter_mut().zip(parts).for_each(|(place, part)| *place = line(part));
    lines
}

/// Adds rows of so few columns that the sum stays in registers.
fn add_short(lines: &[Line], rows: &[u32], sum: &mut [f32; LINE]) {
    let mut total = *sum;
    for place in 0..rows.len() {
        if let Some(ahead) = rows.get(place + AHEAD) {
            prefetch(lines, *ahead as usize);
        }
        add_line(&mut total, &lines[rows[place] as usize]);
    }
    *sum = total;
}

/// An index and no iterators: those of two slices are not always compiled into the loop.
#[inline(always)]
fn add_line(total: &mut [f32; LINE], Line(line): &Line) {
    for column in 0..LINE {
        total[column] += line[column];
    }
}
