//! `Decoder`: token ids back to text.

use std::path::PathBuf;

use prepcore::tokenize::TokenizerFolder;
use pyo3::prelude::*;

use crate::error::convert;

/// A tokenizer opened for decoding.
#[pyclass(frozen, module = "prepcore._core")]
pub(crate) struct Decoder {
    folder: TokenizerFolder,
}

#[pymethods]
impl Decoder {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| TokenizerFolder::open(&path))
            .map(|folder| Self { folder })
            .map_err(|error| convert(&error))
    }

    /// The text of some ids, special tokens included.
    fn decode(&self, py: Python<'_>, ids: Vec<u32>) -> PyResult<String> {
        py.detach(|| self.folder.decode(&ids)).map_err(|error| convert(&error))
    }
}
