//! The configuration of `draw`, which hands some documents of an input on to a caller.

use serde::{Deserialize, Serialize};

use super::{ByteSize, validate_running};
use crate::{Error, Result};

/// What a caller may set for `draw`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draw {
    /// The column, or the JSON member, that holds a document's text.
    pub text_column: String,
    /// Most different documents to draw.
    pub documents: u64,
    /// Another seed draws others.
    pub seed: u64,
    /// Worker threads; all cores when not given.
    pub threads: Option<usize>,
    /// The memory to stay within; half of it may be taken by what is drawn.
    pub memory: ByteSize,
}

impl Default for Draw {
    fn default() -> Self {
        Self {
            text_column: "text".into(),
            documents: 100_000,
            seed: 0,
            threads: None,
            memory: ByteSize::from_bytes(1 << 30),
        }
    }
}

impl Draw {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// [`Error::Config`] names the option, the value and the range.
    pub fn validate(&self) -> Result<()> {
        if self.text_column.is_empty() {
            return Err(Error::config("--text-column", "got an empty name, expected the name of a column"));
        }
        if self.documents == 0 {
            return Err(Error::config("--sample", "got 0, expected at least 1 document"));
        }
        validate_running(self.threads, self.memory, 1.0)
    }
}
