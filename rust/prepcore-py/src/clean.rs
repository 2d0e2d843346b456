//! `clean`: files to a folder, or one Arrow stream to another.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use prepcore::pipeline;
use prepcore::pipeline::clean_stream::{self as engine, Outcome, Pulled};
use prepcore::source::{Plan, StreamInput};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::capsule;
use crate::condition::{self, Callable};
use crate::error::convert;
use crate::run::{self, Callback};

/// How long a pull may wait before it looks at signals.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Cleans files into a folder, and packs what is kept where a tokenizer is named. Returns `finished`, `finished_before`
/// or `waiting`; and as JSON the manifest, or what is waited for.
#[pyfunction]
#[pyo3(signature = (configuration, inputs, out, progress = None, condition = None))]
pub(crate) fn clean(
    py: Python<'_>,
    configuration: &str,
    inputs: Vec<PathBuf>,
    out: PathBuf,
    progress: Callback,
    condition: Callable,
) -> PyResult<(&'static str, String)> {
    run::with_watcher(py, "clean", progress, |watcher| {
        let configuration = condition::configuration(configuration, condition)?;
        configuration.validate()?;
        let options = pipeline::clean::options(&configuration);
        let plan = Plan::files_watched(&inputs, options, &mut *watcher)?;
        if configuration.tokenizer.is_some() {
            let one_pass = pipeline::one_pass::clean_and_pack;
            return run::outcome(one_pass(&configuration, &plan, &inputs, &out, watcher)?);
        }
        run::outcome(pipeline::clean::clean(&configuration, &plan, &inputs, &out, watcher)?)
    })
}

/// Starts cleaning an Arrow stream.
#[pyfunction]
#[pyo3(signature = (configuration, stream, condition = None))]
pub(crate) fn clean_stream(
    py: Python<'_>,
    configuration: &str,
    stream: &Bound<'_, PyAny>,
    condition: Callable,
) -> PyResult<CleanedStream> {
    CleanedStream::start(py, stream, |input| {
        engine::clean_stream(&condition::configuration(configuration, condition)?, input)
    })
}

/// The kept documents of a stream. It is read once: by iteration, or as a whole through the Arrow C interface.
#[pyclass(module = "prepcore._core", frozen)]
pub(crate) struct CleanedStream {
    stream: Mutex<Option<engine::CleanedStream>>,
    outcome: Outcome,
}

impl CleanedStream {
    /// Starts what reads an Arrow stream, without Python's lock.
    pub(crate) fn start(
        py: Python<'_>,
        stream: &Bound<'_, PyAny>,
        start: impl FnOnce(StreamInput) -> prepcore::Result<engine::CleanedStream> + Send,
    ) -> PyResult<Self> {
        let input = StreamInput::new(capsule::import(stream)?);
        let stream = py.detach(|| start(input)).map_err(|error| convert(&error))?;
        Ok(Self { outcome: stream.outcome(), stream: Mutex::new(Some(stream)) })
    }
}

#[pymethods]
impl CleanedStream {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Pulls the next batch; Python's lock is released while it waits.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<ArrowBatch>> {
        loop {
            let pulled = py.detach(|| {
                let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
                stream.as_mut().map_or(Ok(Pulled::End), |stream| stream.pull(LOOK_EVERY))
            });
            match pulled.map_err(|error| convert(&error))? {
                Pulled::Batch(batch) => return Ok(Some(ArrowBatch::new(batch))),
                Pulled::End => return Ok(None),
                Pulled::Waiting => py.check_signals()?,
            }
        }
    }

    /// Hands the whole stream on, as the Arrow PyCapsule interface defines it.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface lets a producer decline another schema than its own.
        drop(requested_schema);
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = stream.ok_or_else(|| PyValueError::new_err("this stream was handed on already"))?;
        capsule::export(py, Box::new(stream))
    }

    /// What became of the rows, as JSON; None until the stream is read to its end.
    fn summary(&self) -> PyResult<Option<String>> {
        let counts = self.outcome.counts();
        counts.map(|counts| run::json(&counts)).transpose().map_err(|error| convert(&error))
    }
}

/// One batch of rows, for anything that reads Arrow's PyCapsule interface.
#[pyclass(module = "prepcore._core", frozen)]
pub(crate) struct ArrowBatch {
    pub(crate) batch: RecordBatch,
}

impl ArrowBatch {
    /// Around a batch.
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Self { batch }
    }
}

#[pymethods]
impl ArrowBatch {
    /// The batch as a stream of one.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let schema = self.batch.schema();
        let reader: Box<dyn RecordBatchReader + Send> =
            Box::new(RecordBatchIterator::new([Ok(self.batch.clone())], schema));
        capsule::export(py, reader)
    }
}
