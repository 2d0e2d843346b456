//! Arrow streams: one segment without file addresses.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::SchemaRef;

use super::regroup::Rows;
use crate::{Error, Result};

/// A stream of batches that is read once.
pub struct StreamInput {
    schema: SchemaRef,
    reader: Mutex<Option<Box<dyn RecordBatchReader + Send>>>,
}

impl StreamInput {
    /// Wraps a reader.
    #[must_use]
    pub fn new(reader: Box<dyn RecordBatchReader + Send>) -> Self {
        Self { schema: reader.schema(), reader: Mutex::new(Some(reader)) }
    }

    /// The stream's columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The stream's batches, the columns of `schema` alone.
    pub(crate) fn open(
        &self,
        schema: SchemaRef,
    ) -> Result<impl Iterator<Item = Result<Rows>> + Send + use<>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reader = reader.ok_or_else(|| Error::Internal("an input stream was opened twice".into()))?;
        let mut rows = 0;
        Ok(reader.map(move |batch| {
            let failed = |error: &dyn std::fmt::Display| Error::Stream { rows, message: error.to_string() };
            let batch = batch.map_err(|error| failed(&error))?;
            let columns = schema
                .fields()
                .iter()
                .map(|field| batch.schema_ref().index_of(field.name()).map(|at| Arc::clone(batch.column(at))))
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| failed(&error))?;
            let kept = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| failed(&error))?;
            rows += kept.num_rows() as u64;
            Ok(kept.into())
        }))
    }
}
