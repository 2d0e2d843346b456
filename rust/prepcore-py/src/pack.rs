//! `pack`: files to a token folder, or an Arrow stream of documents to one of rows.

use std::path::PathBuf;

use prepcore::config;
use prepcore::pipeline::repack::{TokenInput, repack};
use prepcore::pipeline::{Outcome, pack as engine};
use prepcore::source::Plan;
use pyo3::prelude::*;

use crate::clean::CleanedStream;
use crate::run::{self, Callback};

/// Tokenises files into training rows in a folder, or lays other rows over a token folder; returns `finished`,
/// `finished_before` or `repacked`, and the manifest as JSON.
#[pyfunction]
#[pyo3(signature = (configuration, inputs, out, progress = None))]
pub(crate) fn pack(
    py: Python<'_>,
    configuration: &str,
    inputs: Vec<PathBuf>,
    out: PathBuf,
    progress: Callback,
) -> PyResult<(&'static str, String)> {
    run::with_watcher(py, "pack", progress, |watcher| {
        let configuration: config::Pack = config::from_json(configuration)?;
        if let Some(input) = TokenInput::find(&inputs)? {
            return match repack(&configuration, input, &out, watcher)? {
                Outcome::Finished(manifest) => Ok(("repacked", run::json(&manifest)?)),
                other => run::outcome(other),
            };
        }
        configuration.validate()?;
        let plan = Plan::files_watched(&inputs, engine::options(&configuration), &mut *watcher)?;
        run::outcome(engine::pack(&configuration, &plan, &inputs, &out, watcher)?)
    })
}

/// Starts packing an Arrow stream of documents: rows of ids in a column `input_ids`.
#[pyfunction]
pub(crate) fn pack_stream(
    py: Python<'_>,
    configuration: &str,
    stream: &Bound<'_, PyAny>,
) -> PyResult<CleanedStream> {
    CleanedStream::start(py, stream, |input| {
        let configuration: config::Pack = config::from_json(configuration)?;
        prepcore::pipeline::pack_stream(&configuration, input)
    })
}
