//! `FastText`: labels and scores of texts by a model file.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, RecordBatchReader, StringArray};
use prepcore::fasttext::{Model, Newline, Predictor, Predictors};
use prepcore::text::TextColumn;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::capsule;
use crate::clean::ArrowBatch;
use crate::error::convert;

/// Texts between two looks at signals.
const LOOK_EVERY: usize = 1_000;

/// A supervised fastText model.
#[pyclass(module = "prepcore._core", frozen)]
pub(crate) struct FastText {
    predictors: Predictors,
}

#[pymethods]
impl FastText {
    /// Reads a model file. Line feeds of texts are deleted, or else they become spaces.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, delete_newlines: bool) -> PyResult<Self> {
        let newline = if delete_newlines { Newline::Delete } else { Newline::Space };
        let model = py.detach(|| Model::open(&path)).map_err(|error| convert(&error))?;
        Ok(Self { predictors: Predictors::new(Arc::new(model), newline) })
    }

    /// The labels in the order of the file.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.predictors.model().labels().to_vec()
    }

    /// The XXH3-128 of the file.
    #[getter]
    fn fingerprint(&self) -> String {
        self.predictors.model().fingerprint()
    }

    /// Columns `label` and `score` for an Arrow stream of one column of texts.
    fn predict(&self, py: Python<'_>, stream: &Bound<'_, PyAny>) -> PyResult<ArrowBatch> {
        let found = self.each(py, stream, Predictor::best)?;
        let labels = self.predictors.model().labels();
        let names = found.iter().map(|found| found.map(|found| labels[found.label].as_str()));
        let names: ArrayRef = Arc::new(StringArray::from_iter(names));
        let scores = found.iter().map(|found| found.map(|found| found.score));
        let scores: ArrayRef = Arc::new(Float32Array::from_iter(scores));
        batch([("label", names), ("score", scores)])
    }

    /// The column `score` of one label, for an Arrow stream of one column of texts.
    fn scores(
        &self,
        py: Python<'_>,
        stream: &Bound<'_, PyAny>,
        label: &str,
        threshold: f32,
    ) -> PyResult<ArrowBatch> {
        let number = self.predictors.model().label(label);
        let number = number.ok_or_else(|| PyKeyError::new_err(label.to_owned()))?;
        let scores = self.each(py, stream, |predictor, text| {
            predictor.scores_of(text, &[number], threshold).first().copied().flatten()
        })?;
        batch([("score", Arc::new(Float32Array::from(scores)) as ArrayRef)])
    }
}

impl FastText {
    /// What a predictor says of each text, nothing of null, with Python's lock released.
    fn each<T: Send>(
        &self,
        py: Python<'_>,
        stream: &Bound<'_, PyAny>,
        mut ask: impl FnMut(&mut Predictor, &str) -> Option<T> + Send,
    ) -> PyResult<Vec<Option<T>>> {
        let reader = capsule::import(stream)?;
        py.detach(|| {
            self.predictors.with(|predictor| {
                let mut answers = Vec::new();
                for texts in texts(reader) {
                    for text in texts?.iter() {
                        answers.push(text.and_then(|text| ask(predictor, text)));
                        if answers.len() % LOOK_EVERY == 0 {
                            Python::attach(|py| -> PyResult<()> {
                                py.check_signals()?;
                                Ok(())
                            })?;
                        }
                    }
                }
                Ok(answers)
            })
        })
    }
}

/// The first column of each batch.
pub(crate) fn texts(reader: Box<dyn RecordBatchReader + Send>) -> impl Iterator<Item = PyResult<TextColumn>> {
    reader.map(|batch| {
        let batch =
            batch.map_err(|error| PyValueError::new_err(format!("the Arrow stream failed: {error}")))?;
        let column = batch.columns().first().and_then(TextColumn::new);
        column.ok_or_else(|| PyTypeError::new_err("the stream's first column holds no strings"))
    })
}

fn batch<const COLUMNS: usize>(columns: [(&str, ArrayRef); COLUMNS]) -> PyResult<ArrowBatch> {
    let columns = columns.map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns);
    batch.map(ArrowBatch::new).map_err(|error| PyValueError::new_err(error.to_string()))
}
