//! What lies in a token folder, in numbers.

use prepcore::config;
use prepcore::statistics::{self as engine, Reading};
use pyo3::prelude::*;

use crate::run;

/// Counts what lies in the token files that `reading` names; gives the statistics as JSON.
#[pyfunction]
pub(crate) fn token_statistics(py: Python<'_>, reading: &str) -> PyResult<String> {
    run::with_watcher(py, "statistics", None, |watcher| {
        let reading: Reading = config::from_json(reading)?;
        run::json(&engine::statistics(&reading, watcher)?)
    })
}
