//! `pack`: files to a token folder, or an Arrow stream of documents to one of rows.

use std::path::PathBuf;
use std::sync::Mutex;

use prepcore::config;
use prepcore::pipeline::pack as engine;
use prepcore::source::{Plan, StreamInput};
use pyo3::prelude::*;

use crate::capsule;
use crate::clean::CleanedStream;
use crate::error::convert;
use crate::run::{self, Callback};

/// Tokenises files into training rows in a folder; returns the manifest as JSON.
#[pyfunction]
#[pyo3(signature = (configuration, inputs, out, progress = None))]
pub(crate) fn pack(
    py: Python<'_>,
    configuration: &str,
    inputs: Vec<PathBuf>,
    out: PathBuf,
    progress: Callback,
) -> PyResult<String> {
    run::with_watcher(py, "pack", progress, |watcher| {
        let configuration: config::Pack = config::from_json(configuration)?;
        configuration.validate()?;
        let plan = Plan::files_watched(&inputs, engine::options(&configuration), &mut *watcher)?;
        run::json(&engine::pack(&configuration, &plan, &inputs, &out, watcher)?)
    })
}

/// Starts packing an Arrow stream of documents: rows of ids in a column `input_ids`.
#[pyfunction]
pub(crate) fn pack_stream(
    py: Python<'_>,
    configuration: &str,
    stream: &Bound<'_, PyAny>,
) -> PyResult<CleanedStream> {
    let reader = capsule::import(stream)?;
    py.detach(|| {
        let configuration: config::Pack = config::from_json(configuration)?;
        prepcore::pipeline::pack_stream(&configuration, StreamInput::new(reader))
    })
    .map(|stream| CleanedStream { outcome: stream.outcome(), stream: Mutex::new(Some(stream)) })
    .map_err(|error| convert(&error))
}
