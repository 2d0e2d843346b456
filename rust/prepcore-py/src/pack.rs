//! `pack`: files to a token folder.

use std::path::PathBuf;

use prepcore::config;
use prepcore::pipeline::pack as engine;
use prepcore::source::Plan;
use pyo3::prelude::*;

use crate::run::{self, Callback};

/// Tokenises files into training rows in a folder; returns `finished` or `finished_before`, and the manifest as
/// JSON.
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
        configuration.validate()?;
        let plan = Plan::files_watched(&inputs, engine::options(&configuration), &mut *watcher)?;
        run::outcome(engine::pack(&configuration, &plan, &inputs, &out, watcher)?)
    })
}
