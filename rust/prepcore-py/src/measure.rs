//! `measure`: one Arrow stream to another.

use prepcore::config;
use pyo3::prelude::*;

use crate::clean::CleanedStream;

/// Starts measuring an Arrow stream: its rows, with a column for each measure of the rules that are on.
#[pyfunction]
pub(crate) fn measure(
    py: Python<'_>,
    configuration: &str,
    stream: &Bound<'_, PyAny>,
) -> PyResult<CleanedStream> {
    CleanedStream::start(py, stream, |input| {
        let configuration: config::Clean = config::from_json(configuration)?;
        prepcore::pipeline::measure(&configuration, input)
    })
}
