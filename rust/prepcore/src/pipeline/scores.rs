//! `--keep-scores`: what models found, as columns beside the documents.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::Value;

use crate::rule::{Measured, Models, Scores};
use crate::source::{Documents, with_members};
use crate::{Error, Result};

/// The columns that models add: a label and a score for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScoreColumns(Vec<[String; 2]>);

impl ScoreColumns {
    /// The columns of these models.
    pub(crate) fn new(models: &Models) -> Self {
        Self(models.columns().map(|(label, score)| [label.to_owned(), score]).collect())
    }

    /// A schema with the columns added.
    ///
    /// # Errors
    /// [`Error::Config`] where it has a column of that name already.
    pub(crate) fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let taken = self.0.iter().flatten().find(|name| schema.index_of(name).is_ok());
        if let Some(name) = taken {
            return Err(Error::config("--keep-scores", format!("the input has a column {name:?} already"))
                .hint("leave it out with --columns"));
        }
        let added = self.0.iter().flat_map(|[label, score]| {
            [Field::new(label, DataType::Utf8, true), Field::new(score, DataType::Float32, true)]
        });
        let fields = schema.fields().iter().map(|field| field.as_ref().clone()).chain(added);
        Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
    }

    /// Adds the columns to a unit's documents; those that are not kept have none.
    pub(crate) fn add(&self, documents: &mut Documents, scores: &[Option<Scores>]) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let schema = self.schema(&documents.batch.schema())?;
        let mut columns = documents.batch.columns().to_vec();
        for model in 0..self.0.len() {
            let (mut labels, mut values) = (StringBuilder::new(), Float32Builder::new());
            for row in 0..documents.len() {
                let score = scores.get(row).and_then(|scores| scores.as_ref()?.get(model));
                labels.append_option(score.and_then(|score| score.detail.as_deref()));
                values.append_option(score.map(|score| score.value as f32));
            }
            columns.extend([Arc::new(labels.finish()) as ArrayRef, Arc::new(values.finish())]);
        }
        documents.batch = RecordBatch::try_new(schema, columns)
            .map_err(|error| Error::Internal(format!("cannot add scores: {error}")))?;
        self.add_to_lines(documents, scores);
        Ok(())
    }

    /// Adds them as members to the lines of JSONL that are copied.
    fn add_to_lines(&self, documents: &mut Documents, scores: &[Option<Scores>]) {
        if documents.raw.is_empty() {
            return;
        }
        documents.raw.replace(|row, line| {
            let scores = scores.get(row)?.as_ref()?;
            let members = self.0.iter().zip(scores).flat_map(|([label, score], found)| {
                [(label.as_str(), label_of(found)), (score.as_str(), Value::from(found.value as f32))]
            });
            Some(with_members(line, members))
        });
    }
}

fn label_of(found: &Measured) -> Value {
    found.detail.as_deref().map_or(Value::Null, Value::from)
}
