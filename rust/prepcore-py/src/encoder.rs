//! `Encoder`: token ids of texts.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{LargeListBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use prepcore::config::{self, SpecialTokenText};
use prepcore::tokenize::{self, Encode, TokenizerFolder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::capsule;
use crate::clean::ArrowBatch;
use crate::error::{RunError, convert};
use crate::fasttext::texts;

/// Bytes of text between two looks at signals.
const LOOK_EVERY: usize = 4 << 20;

/// A tokenizer's encoder: the one that `pack` would use.
#[pyclass(module = "prepcore._core", frozen)]
pub(crate) struct Encoder {
    encoder: Box<dyn Encode>,
}

#[pymethods]
impl Encoder {
    /// Opens a tokenizer; `special_tokens` is `text` or `parse`, as JSON.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, special_tokens: &str) -> PyResult<Self> {
        let opened = py.detach(|| {
            let special: SpecialTokenText = config::from_json(special_tokens)?;
            tokenize::encoder(&TokenizerFolder::open(&path)?, special)
        });
        opened.map(|encoder| Self { encoder }).map_err(|error| convert(&error))
    }

    /// The encoder's name.
    #[getter]
    fn name(&self) -> &'static str {
        self.encoder.name()
    }

    /// Why its ids can be trusted, or why no fast encoder runs.
    #[getter]
    fn proof(&self) -> &str {
        self.encoder.proof()
    }

    /// The largest id plus one.
    #[getter]
    fn vocabulary_size(&self) -> usize {
        self.encoder.vocabulary_size()
    }

    /// The column `ids` for an Arrow stream of one column of texts, with Python's lock released.
    fn encode(&self, py: Python<'_>, stream: &Bound<'_, PyAny>) -> PyResult<ArrowBatch> {
        let reader = capsule::import(stream)?;
        let lists = py.detach(|| {
            let mut lists = LargeListBuilder::new(UInt32Builder::new());
            let (mut ids, mut row, mut bytes) = (Vec::new(), 0_u64, 0);
            for texts in texts(reader) {
                for text in texts?.iter() {
                    if let Some(text) = text {
                        ids.clear();
                        let encoded = self.encoder.encode(text, &mut ids);
                        encoded.map_err(|said| RunError::new_err(format!("text {row}: {said}")))?;
                        lists.values().append_slice(&ids);
                        bytes += text.len();
                    }
                    lists.append(text.is_some());
                    row += 1;
                    if bytes >= LOOK_EVERY {
                        bytes = 0;
                        Python::attach(|py| -> PyResult<()> {
                            py.check_signals()?;
                            Ok(())
                        })?;
                    }
                }
            }
            Ok::<_, PyErr>(Arc::new(lists.finish()) as ArrayRef)
        })?;
        let batch = RecordBatch::try_from_iter_with_nullable([("ids", lists, true)]);
        batch.map(ArrowBatch::new).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
