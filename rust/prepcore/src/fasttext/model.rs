//! A model file, read and checked once.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::arguments::Arguments;
use super::dictionary::Dictionary;
use super::matrix::Matrix;
use super::output::Output;
use super::predictor::{Newline, Predictor};
use super::reader::Reader;
use super::word_rows::WordRows;
use crate::{Error, Result, checksum};

/// What the library begins labels with.
pub const LABEL_PREFIX: &str = "__label__";

/// A supervised model: read only, shared by all threads.
#[derive(Debug)]
pub struct Model {
    pub(super) arguments: Arguments,
    pub(super) dictionary: Dictionary,
    pub(super) input: Matrix,
    pub(super) output: Output,
    bytes: u64,
    fingerprint: u128,
}

impl Model {
    /// Reads a `.bin` or `.ftz` file.
    ///
    /// # Errors
    /// [`Error::Input`] when the file cannot be opened, is no supervised model, or is damaged; [`Error::Io`] when
    /// it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) =
            opened.map_err(|error| Error::input(path, format!("the model cannot be opened: {error}")))?;
        if !metadata.is_file() {
            return Err(Error::input(path, "not a file, expected a fastText model (.bin or .ftz)"));
        }
        Self::read(path, file, metadata.len())
    }

    /// Reads `size` bytes that are called `path` in errors.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn read(path: &Path, source: impl Read, size: u64) -> Result<Self> {
        let mut reader = Reader::new(path, source, size);
        let arguments = Arguments::read(&mut reader)?;
        let mut dictionary = Dictionary::read(&mut reader, &arguments)?;
        let columns = arguments.dimension;

        let quantised = reader.flag("the mark of a quantised matrix")?;
        if dictionary.is_pruned() && !quantised {
            return Err(reader.refuse("damaged: n-grams were pruned, and the input matrix is not quantised"));
        }
        let (what, rows) = ("the input matrix", dictionary.rows());
        let wanted = || format!("{rows} or more");
        let input = Matrix::read(&mut reader, what, quantised, columns, |found| found >= rows, wanted)?;

        let quantised = reader.flag("qout")? && quantised;
        let (what, labels) = ("the output matrix", dictionary.labels().len() as u64);
        let wanted = || labels.to_string();
        let output = Matrix::read(&mut reader, what, quantised, columns, |found| found == labels, wanted)?;

        let (input, rows) = match dictionary.take_places() {
            Some(places) => (input.rows(&places), places.len() as u64),
            None => (input, rows),
        };
        let input = input.expanded(rows);
        Ok(Self {
            bytes: size + input.bytes() + output.bytes(),
            output: Output::new(output, arguments.loss, dictionary.counts()),
            input,
            arguments,
            dictionary,
            fingerprint: reader.finish()?,
        })
    }

    /// The labels as the file has them, prefix included, in its order; a label's place is its number.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        self.dictionary.labels()
    }

    /// The number of a label, given with its prefix or without.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<usize> {
        let mut labels = self.labels().iter();
        let exact = labels.position(|label| label == name);
        exact
            .or_else(|| self.labels().iter().position(|label| label.strip_prefix(LABEL_PREFIX) == Some(name)))
    }

    /// The XXH3-128 of the file, as manifests write it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        checksum::checksum(self.fingerprint)
    }

    /// Bytes of memory that it takes, at the most.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of memory that each [`Predictor`] takes, about.
    #[must_use]
    pub fn predictor_bytes(&self) -> u64 {
        WordRows::bytes(self)
    }

    /// What one worker needs to predict.
    #[must_use]
    pub fn predictor(self: &Arc<Self>, newline: Newline) -> Predictor {
        Predictor::new(Arc::clone(self), newline)
    }

    /// Label and score of the mean of a text's rows: `sum` of `count` rows, which is not kept.
    pub(super) fn mean(&self, count: usize, sum: &mut [f32]) {
        let share = (1.0 / count as f64) as f32;
        sum.iter_mut().for_each(|value| *value *= share);
    }
}
