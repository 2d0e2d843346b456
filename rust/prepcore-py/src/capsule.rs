//! The Arrow PyCapsule interface: streams in and out without a copy.
#![allow(unsafe_code)] // a pointer from a capsule is dereferenced, once

use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::CStr;

/// The name that the interface gives its capsules.
const STREAM: &CStr = c"arrow_array_stream";

/// Takes the stream of any object with `__arrow_c_stream__`.
pub(crate) fn import(object: &Bound<'_, PyAny>) -> PyResult<Box<dyn RecordBatchReader + Send>> {
    let capsule = object.call_method0("__arrow_c_stream__")?;
    let capsule = capsule.cast::<PyCapsule>().map_err(|_| {
        PyTypeError::new_err("__arrow_c_stream__ returned no capsule, expected one named arrow_array_stream")
    })?;
    let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: the capsule's name says that it holds a valid stream, and it lives to the end of this function.
    // `from_raw` moves the stream out and leaves a released one, which the capsule's destructor passes over.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    RecordBatchStreamReader::try_new(stream)
        .map(|reader| Box::new(reader) as Box<dyn RecordBatchReader + Send>)
        .map_err(|error| PyValueError::new_err(format!("the Arrow stream cannot be read: {error}")))
}

/// Wraps a reader in a capsule.
pub(crate) fn export<'py>(
    py: Python<'py>,
    reader: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
}
