//! The engine's errors as Python exceptions, each with the exit code of the command line.

use prepcore::Error;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt};
use pyo3::{PyErr, create_exception};

create_exception!(prepcore._core, PrepcoreError, PyException, "A run could not start or could not go on.");
create_exception!(
    prepcore._core,
    ConfigurationError,
    PrepcoreError,
    "An option has a value that cannot be used."
);
create_exception!(prepcore._core, InputError, PrepcoreError, "An input or output path cannot be used.");
create_exception!(prepcore._core, RunError, PrepcoreError, "The work failed after it had started.");

/// Converts an error of the engine.
pub(crate) fn convert(error: &Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Config { .. } => ConfigurationError::new_err(message),
        Error::Input { .. } => InputError::new_err(message),
        Error::Cancelled => PyKeyboardInterrupt::new_err(message),
        _ => RunError::new_err(message),
    }
}

/// The error for a verb that does not exist.
pub(crate) fn unknown_verb(verb: &str) -> PyErr {
    ConfigurationError::new_err(format!("no verb {verb:?}; there are clean, pack and tokenizer"))
}
