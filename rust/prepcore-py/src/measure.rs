//! `measure`: one Arrow stream to another.

use std::sync::Mutex;

use prepcore::config;
use prepcore::source::StreamInput;
use pyo3::prelude::*;

use crate::capsule;
use crate::clean::CleanedStream;
use crate::error::convert;

/// Starts measuring an Arrow stream: its rows, with a column for each measure of the rules that are on.
#[pyfunction]
pub(crate) fn measure(
    py: Python<'_>,
    configuration: &str,
    stream: &Bound<'_, PyAny>,
) -> PyResult<CleanedStream> {
    let reader = capsule::import(stream)?;
    py.detach(|| {
        let configuration: config::Clean = config::from_json(configuration)?;
        prepcore::pipeline::measure(&configuration, StreamInput::new(reader))
    })
    .map(|stream| CleanedStream { outcome: stream.outcome(), stream: Mutex::new(Some(stream)) })
    .map_err(|error| convert(&error))
}
