//! `--where`: a Python callable that says which rows of a batch are kept.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use prepcore::{Error, Result, config};
use pyo3::prelude::*;

use crate::capsule;
use crate::clean::ArrowBatch;

/// A Python callable that takes a batch, as Arrow's PyCapsule interface gives it, and returns such a table of one
/// column of booleans.
pub(crate) type Callable = Option<Py<PyAny>>;

/// Reads a configuration of `clean` whose condition the callable evaluates.
pub(crate) fn configuration(json: &str, callable: Callable) -> Result<config::Clean> {
    let mut configuration: config::Clean = config::from_json(json)?;
    if let (Some(condition), Some(callable)) = (&mut configuration.condition, callable) {
        condition.evaluate = Some(Arc::new(move |batch| evaluate(&callable, batch)));
    }
    Ok(configuration)
}

fn evaluate(callable: &Py<PyAny>, batch: &RecordBatch) -> Result<BooleanArray> {
    let refused = |message: String| Error::config("--where", message);
    let answers = Python::attach(|py| {
        let answers = callable.call1(py, (ArrowBatch { batch: batch.clone() },));
        let answers = answers.and_then(|answers| capsule::import(answers.bind(py)));
        answers.map_err(|error| refused(error.value(py).to_string()))
    })?;
    let mut keep = Vec::with_capacity(batch.num_rows());
    for answer in answers {
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        let column = answer.columns().first().and_then(|column| column.as_boolean_opt());
        keep.extend(column.ok_or_else(|| refused("the answer is no column of booleans".into()))?);
    }
    Ok(keep.into())
}
