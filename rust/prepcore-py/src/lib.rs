//! The Python binding of prepcore, `prepcore._core`: it converts, releases Python's lock, calls, converts back.
//!
//! Configurations come in and manifests go out as JSON, so that this layer knows no rule, format or threshold.

mod capsule;
mod clean;
mod condition;
mod decoder;
mod draw;
mod encoder;
mod error;
mod fasttext;
mod inspect;
mod measure;
mod pack;
mod rewrite;
mod rules;
mod run;
mod statistics;
mod tokenizer;

use pyo3::prelude::*;

use crate::clean::{ArrowBatch, CleanedStream};
use crate::error::{ConfigurationError, InputError, PrepcoreError, RunError};

/// The engine's version.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The default configuration of a verb, as JSON.
#[pyfunction]
fn default_configuration(verb: &str) -> PyResult<String> {
    let configuration =
        prepcore::config::default_configuration(verb).ok_or_else(|| error::unknown_verb(verb))?;
    Ok(configuration.to_string())
}

/// The Rust engine of prepcore.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    for (kind, exit_code) in [
        (py.get_type::<PrepcoreError>(), 1),
        (py.get_type::<RunError>(), 1),
        (py.get_type::<ConfigurationError>(), 2),
        (py.get_type::<InputError>(), 2),
    ] {
        kind.setattr("exit_code", exit_code)?;
        module.add(kind.name()?, &kind)?;
    }
    module.add_class::<ArrowBatch>()?;
    module.add_class::<CleanedStream>()?;
    module.add_class::<encoder::Encoder>()?;
    module.add_class::<fasttext::FastText>()?;
    module.add_class::<decoder::Decoder>()?;
    module.add_function(wrap_pyfunction!(version, module)?)?;
    module.add_function(wrap_pyfunction!(default_configuration, module)?)?;
    module.add_function(wrap_pyfunction!(rules::about_rules, module)?)?;
    module.add_function(wrap_pyfunction!(rules::checks, module)?)?;
    module.add_function(wrap_pyfunction!(rules::examine, module)?)?;
    module.add_function(wrap_pyfunction!(run::plan, module)?)?;
    module.add_function(wrap_pyfunction!(clean::clean, module)?)?;
    module.add_function(wrap_pyfunction!(clean::clean_stream, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::ledger, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::fate, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::kept, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::dropped_texts, module)?)?;
    module.add_function(wrap_pyfunction!(inspect::documents, module)?)?;
    module.add_function(wrap_pyfunction!(measure::measure, module)?)?;
    module.add_function(wrap_pyfunction!(draw::draw, module)?)?;
    module.add_function(wrap_pyfunction!(pack::pack, module)?)?;
    module.add_function(wrap_pyfunction!(pack::pack_stream, module)?)?;
    module.add_function(wrap_pyfunction!(statistics::token_statistics, module)?)?;
    module.add_function(wrap_pyfunction!(statistics::checksum_of, module)?)?;
    module.add_function(wrap_pyfunction!(rewrite::rewrite, module)?)?;
    module.add_function(wrap_pyfunction!(tokenizer::tokenizer, module)?)
}
