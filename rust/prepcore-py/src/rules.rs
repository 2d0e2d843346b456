//! What rules are, and what they find in single texts.

use prepcore::config;
use prepcore::pipeline::Examiner;
use pyo3::prelude::*;

use crate::error::convert;
use crate::run;

/// Every rule with its headings, as a JSON list.
#[pyfunction]
pub(crate) fn about_rules() -> PyResult<String> {
    run::json(&prepcore::rule::about()).map_err(|error| convert(&error))
}

/// The checks that a configuration of `clean` turns on, as a JSON list in their order.
#[pyfunction]
pub(crate) fn checks(py: Python<'_>, configuration: &str) -> PyResult<String> {
    py.detach(|| run::json(&examiner(configuration)?.checks().collect::<Vec<_>>()))
        .map_err(|error| convert(&error))
}

/// Rewrites and measures texts under a configuration of `clean`; a JSON list of what was found in each.
#[pyfunction]
pub(crate) fn examine(py: Python<'_>, configuration: &str, texts: Vec<String>) -> PyResult<String> {
    py.detach(|| {
        let examiner = examiner(configuration)?;
        let examined: Vec<_> = texts.iter().map(|text| examiner.examine(text)).collect();
        run::json(&examined)
    })
    .map_err(|error| convert(&error))
}

fn examiner(configuration: &str) -> prepcore::Result<Examiner> {
    let configuration: config::Clean = config::from_json(configuration)?;
    Examiner::new(&configuration)
}
