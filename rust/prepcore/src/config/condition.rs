//! `--where`: a condition of the user's own, which is evaluated by whoever calls the engine.

use std::fmt;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result as EngineResult};

/// Says of each row of a batch whether it is kept; a null counts as no.
pub type Evaluate = Arc<dyn Fn(&RecordBatch) -> EngineResult<BooleanArray> + Send + Sync>;

/// A condition that documents must meet: its text, and what evaluates it.
#[derive(Clone)]
pub struct Condition {
    /// As the user wrote it; manifests hold it.
    pub text: String,
    /// Evaluates it, over a unit at a time, on any thread; the engine itself knows no SQL.
    pub evaluate: Option<Evaluate>,
}

impl Condition {
    /// Evaluates the condition for each row.
    ///
    /// # Errors
    /// [`Error::Config`] where nobody said how, or the answer does not fit; and what the evaluation itself refuses.
    pub(crate) fn keep(&self, batch: &RecordBatch) -> EngineResult<BooleanArray> {
        let Some(evaluate) = &self.evaluate else {
            return Err(Error::config("--where", "this caller of the engine evaluates no conditions"));
        };
        let keep = evaluate(batch)?;
        if keep.len() != batch.num_rows() {
            let (got, wanted) = (keep.len(), batch.num_rows());
            let message = format!("gave {got} answers for {wanted} documents");
            return Err(
                Error::config("--where", message).hint("a condition speaks of one document at a time")
            );
        }
        Ok(keep)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::deserialize(deserializer)?, evaluate: None })
    }
}
