//! `draw`: some documents of files, as a list of texts.

use std::path::PathBuf;

use prepcore::config;
use prepcore::pipeline::draw as engine;
use prepcore::source::Plan;
use pyo3::prelude::*;
use serde_json::json;

use crate::run::{self, Callback};

/// Draws documents of files; returns their texts, and what was read as JSON.
#[pyfunction]
#[pyo3(signature = (configuration, inputs, progress = None))]
pub(crate) fn draw(
    py: Python<'_>,
    configuration: &str,
    inputs: Vec<PathBuf>,
    progress: Callback,
) -> PyResult<(Vec<String>, String)> {
    run::with_watcher(py, "draw", progress, |watcher| {
        let configuration: config::Draw = config::from_json(configuration)?;
        configuration.validate()?;
        let plan = Plan::files_watched(&inputs, engine::options(&configuration), &mut *watcher)?;
        let drawn = engine::draw(&configuration, &plan, watcher)?;
        let facts = json!({
            "inputs": drawn.inputs,
            "documents": drawn.documents,
            "drawn": drawn.texts.len(),
            "unreadable": drawn.unreadable,
        });
        Ok((drawn.texts, facts.to_string()))
    })
}
