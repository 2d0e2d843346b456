//! `tokenizer`: files to the folder of a tokenizer learned from them.

use std::path::Path;

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
    inputs: Vec<String>,
    out: &str,
    progress: Callback,
) -> PyResult<String> {
    let inputs = run::paths(inputs);
    run::with_watcher(py, "tokenizer", progress, |watcher| {
        let configuration: config::Tokenizer = config::from_json(configuration)?;
        configuration.validate()?;
        let plan = Plan::files_watched(&inputs, engine::options(&configuration), &mut *watcher)?;
        run::json(&engine::tokenizer(&configuration, &plan, &inputs, Path::new(out), watcher)?)
    })
}
