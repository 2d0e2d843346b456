//! Cleaned folders read back, and single documents of an input.

use std::path::PathBuf;

use prepcore::config;
use prepcore::inspect;
use prepcore::source::{Address, Lookup};
use pyo3::prelude::*;
use serde_json::json;

use crate::run;

/// Some of a folder's ledger, as JSON; `reading` says how much.
#[pyfunction]
pub(crate) fn ledger(py: Python<'_>, folder: PathBuf, reading: &str) -> PyResult<String> {
    run::with_watcher(py, "ledger", None, |_| {
        let reading: inspect::Reading = config::from_json(reading)?;
        run::json(&inspect::ledger(&folder, &reading)?)
    })
}

/// What became of one document, as JSON.
#[pyfunction]
pub(crate) fn fate(py: Python<'_>, folder: PathBuf, source: u32, row: u64) -> PyResult<String> {
    run::with_watcher(py, "fate", None, |_| run::json(&inspect::fate(&folder, Address { source, row })?))
}

/// Some of the kept documents, as a JSON list.
#[pyfunction]
pub(crate) fn kept(py: Python<'_>, folder: PathBuf, count: usize, seed: u64) -> PyResult<String> {
    run::with_watcher(py, "kept", None, |watcher| run::json(&inspect::kept(&folder, count, seed, watcher)?))
}

/// Texts of dropped documents that the folder holds itself, as a JSON list of `[[source, row], text]`.
#[pyfunction]
pub(crate) fn dropped_texts(py: Python<'_>, folder: PathBuf, addresses: Vec<(u32, u64)>) -> PyResult<String> {
    run::with_watcher(py, "dropped_texts", None, |_| {
        let wanted = addresses.into_iter().map(|(source, row)| Address { source, row }).collect();
        let texts = inspect::dropped_texts(&folder, &wanted)?;
        let listed = texts.iter().map(|(address, text)| json!([[address.source, address.row], text]));
        run::json(&listed.collect::<Vec<_>>())
    })
}

/// Rows of one file of an input, as a JSON list of `[row, what stands there]`; `file` says where and what it is.
#[pyfunction]
pub(crate) fn documents(py: Python<'_>, file: &str, rows: Vec<u64>) -> PyResult<String> {
    run::with_watcher(py, "documents", None, |watcher| {
        let file: Lookup = config::from_json(file)?;
        let found = file.rows(&rows.into_iter().collect(), watcher)?;
        run::json(&found.iter().map(|(row, found)| json!([row, found])).collect::<Vec<_>>())
    })
}
