//! What every verb that reads files needs: paths, progress, signals, and the lock released while it works.

use std::path::{Path, PathBuf};

use prepcore::pipeline::{self, Progress, Watcher};
use prepcore::source::Plan;
use prepcore::{Error, Result, config};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::Ordering;

use crate::condition::{self, Callable};
use crate::error::{convert, unknown_verb};

/// A Python callable that takes a dict of counters.
pub(crate) type Callback = Option<Py<PyAny>>;

/// Runs a verb with Python's lock released. About ten times a second it takes the lock to look at signals and to
/// call back; what either raises stops the run and is raised here.
pub(crate) fn with_watcher<T: Send>(
    py: Python<'_>,
    stage: &'static str,
    progress: Callback,
    verb: impl FnOnce(Watcher<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    let mut raised = None;
    let outcome = py.detach(|| {
        verb(&mut |counters: &Progress| {
            Python::attach(|py| {
                py.check_signals()?;
                progress.as_ref().map_or(Ok(()), |callback| report(py, callback, stage, counters))
            })
            .map_err(|error: PyErr| {
                raised = Some(error);
                Error::Cancelled
            })
        })
    });
    match (outcome, raised) {
        (Err(_), Some(raised)) => Err(raised),
        (outcome, _) => outcome.map_err(|error| convert(&error)),
    }
}

fn report(py: Python<'_>, callback: &Py<PyAny>, stage: &str, counters: &Progress) -> PyResult<()> {
    let dict = PyDict::new(py);
    dict.set_item("stage", counters.activity().name().unwrap_or(stage))?;
    dict.set_item("documents", counters.documents.load(Ordering::Relaxed))?;
    dict.set_item("kept", counters.kept.load(Ordering::Relaxed))?;
    dict.set_item("unreadable", counters.unreadable.load(Ordering::Relaxed))?;
    dict.set_item("bytes", counters.bytes.load(Ordering::Relaxed))?;
    dict.set_item("bytes_total", counters.bytes_expected.load(Ordering::Relaxed))?;
    callback.call1(py, (dict,)).map(|_| ())
}

/// A manifest as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(format!("cannot write JSON: {error}")))
}

/// What a run came to, in a word; and as JSON the manifest, or what is waited for.
pub(crate) fn outcome<Manifest: serde::Serialize>(
    outcome: pipeline::Outcome<Manifest>,
) -> Result<(&'static str, String)> {
    Ok(match outcome {
        pipeline::Outcome::Finished(manifest) => ("finished", json(&manifest)?),
        pipeline::Outcome::FinishedBefore(manifest) => ("finished_before", json(&manifest)?),
        pipeline::Outcome::Waiting(waiting) => ("waiting", json(&waiting)?),
    })
}

/// What a verb would read and write, as JSON; nothing is written. For `--dry-run`.
#[pyfunction]
#[pyo3(signature = (verb, configuration, inputs, out, condition = None))]
pub(crate) fn plan(
    py: Python<'_>,
    verb: &str,
    configuration: &str,
    inputs: Vec<PathBuf>,
    out: PathBuf,
    condition: Callable,
) -> PyResult<String> {
    let planned = with_watcher(py, "plan", None, |watcher| {
        let preview = preview_of(verb, (configuration, condition), &inputs, &out, watcher)?;
        preview.map(|preview| json(&preview)).transpose()
    });
    planned?.ok_or_else(|| unknown_verb(verb))
}

/// The preview of a verb, once all that a run would refuse has been looked at; `None` for no verb of ours.
fn preview_of(
    verb: &str,
    (configuration, condition): (&str, Callable),
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Option<pipeline::Preview>> {
    let plan = match verb {
        "clean" => {
            let configuration = condition::configuration(configuration, condition)?;
            configuration.validate()?;
            let plan = Plan::files_watched(inputs, pipeline::clean::options(&configuration), watcher)?;
            return pipeline::clean::preview(&configuration, &plan, inputs, out).map(Some);
        }
        "pack" => {
            let configuration: config::Pack = config::from_json(configuration)?;
            if let Some(input) = pipeline::repack::TokenInput::find(inputs)? {
                return pipeline::repack::preview(&configuration, &input, out).map(Some);
            }
            configuration.validate()?;
            let plan = Plan::files_watched(inputs, pipeline::pack::options(&configuration), watcher)?;
            return pipeline::pack::preview(&configuration, &plan, inputs, out).map(Some);
        }
        "tokenizer" => {
            let configuration: config::Tokenizer = config::from_json(configuration)?;
            configuration.validate()?;
            Plan::files_watched(inputs, pipeline::tokenizer::options(&configuration), watcher)?
        }
        _ => return Ok(None),
    };
    pipeline::preview(&plan, inputs, out).map(Some)
}
