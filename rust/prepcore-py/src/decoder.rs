//! `Decoder`: token ids back to text, and what else is to be known of a tokenizer.

use std::path::PathBuf;

use prepcore::tokenize::{SpecialTokens, TokenizerFolder};
use pyo3::prelude::*;

use crate::error::convert;
use crate::run;

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

    /// The largest id plus one, added tokens included.
    #[getter]
    fn vocabulary_size(&self) -> usize {
        self.folder.vocabulary_size()
    }

    /// The XXH3-128 of `tokenizer.json`.
    #[getter]
    fn fingerprint(&self) -> String {
        self.folder.fingerprint()
    }

    /// What stands before and after each document, as JSON: `bos` and `eos`, chosen as `pack` chooses them. Where
    /// nothing names an eos there is none.
    #[getter]
    fn special(&self) -> PyResult<String> {
        let special = SpecialTokens::resolve(&self.folder, "auto", "auto")
            .or_else(|_| SpecialTokens::resolve(&self.folder, "auto", "none"));
        special.and_then(|special| run::json(&special)).map_err(|error| convert(&error))
    }

    /// Copies the tokenizer's files into a folder, which is made.
    fn copy_to(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.detach(|| self.folder.copy_to(&folder)).map_err(|error| convert(&error))
    }

    /// The text of some ids, special tokens included.
    fn decode(&self, py: Python<'_>, ids: Vec<u32>) -> PyResult<String> {
        py.detach(|| self.folder.decode(&ids)).map_err(|error| convert(&error))
    }
}
