//! `tokenizer`: files to the folder of a tokenizer learned from them.

use std::path::PathBuf;

use prepcore::config;
use prepcore::pipeline::tokenizer as engine;
use prepcore::source::Plan;
use pyo3::prelude::*;

use crate::run::{self, Callback};

/// Trains a tokenizer on files; returns the manifest as JSON.
#[pyfunction]
#[pyo3(signature = (configuration, inputs, out, progress = None))]
pub(crate) fn tokenizer(
    py: Python<'_>,
    configuration: &str,
    inputs: Vec<PathBuf>,
    out: PathBuf,
    progress: Callback,
) -> PyResult<String> {
    run::with_watcher(py, "tokenizer", progress, |watcher| {
        let configuration: config::Tokenizer = config::from_json(configuration)?;
        configuration.validate()?;
        let plan = Plan::files_watched(&inputs, engine::options(&configuration), &mut *watcher)?;
        run::json(&engine::tokenizer(&configuration, &plan, &inputs, &out, watcher)?)
    })
}
