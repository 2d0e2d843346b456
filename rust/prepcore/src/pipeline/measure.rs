//! `measure` from one Arrow stream to another: every document stays, with what the rules measure beside it.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use crossbeam_channel::Sender;

use super::budget::Budget;
use super::clean_stream::{CleanedStream, hand_on, refuse_folder_options};
use super::pool::{self, Event, Reservation, Road, Step};
use super::{Progress, clean};
use crate::config::Clean;
use crate::manifest::Counts;
use crate::rule::{Models, RuleSet};
use crate::source::{Documents, Numbering, Plan, StreamInput, Unit};
use crate::{Error, Result};

/// Starts measuring a stream: its columns, and one for each measure of the rules that are on. Texts are rewritten
/// before they are measured, but come back as they were.
///
/// # Errors
/// [`Error::Config`] for settings out of range, for a stream without the text column, or with a column that is named
/// like a measure. Errors of the stream itself come from the iterator.
pub fn measure(configuration: &Clean, input: StreamInput) -> Result<CleanedStream> {
    configuration.validate()?;
    refuse_folder_options(configuration)?;
    let plan = Plan::stream(input, clean::options(configuration))?;
    let measures = Measures::new(configuration)?;
    let schema = measures.schema(&plan.schema)?;
    let width = Budget::new(configuration, &measures.models).width;
    let limit = configuration.limit;
    Ok(CleanedStream::start(Arc::clone(&schema), move |sender, watcher| {
        let road = MeasureRoad { plan, measures, schema, sender };
        let numbering = Numbering::new(limit);
        let progress = Progress::default();
        let (_, counts) = pool::run(&road, width, numbering, Counts::default(), &progress, watcher)?;
        Ok(counts)
    }))
}

/// What is measured.
struct Measures {
    rules: RuleSet,
    models: Models,
    /// The measures of the rules, each once.
    measures: Vec<&'static str>,
}

impl Measures {
    fn new(configuration: &Clean) -> Result<Self> {
        let rules = RuleSet::new(&configuration.rules)?;
        let mut measures = Vec::new();
        for (_, check) in rules.checks() {
            if !measures.contains(&check.measure) {
                measures.push(check.measure);
            }
        }
        Ok(Self { rules, models: Models::open(configuration)?, measures })
    }

    fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let value = |name: &str| Field::new(name, DataType::Float64, true);
        let mut added: Vec<_> = self.measures.iter().map(|name| value(name)).collect();
        for (label, score) in self.models.columns() {
            added.extend([Field::new(label, DataType::Utf8, true), value(&score)]);
        }
        if let Some(taken) = added.iter().find(|field| schema.index_of(field.name()).is_ok()) {
            let message = format!("the input has a column {:?} already", taken.name());
            return Err(Error::config("measure", message).hint("leave it out, or rename it"));
        }
        let fields = schema.fields().iter().cloned().chain(added.into_iter().map(Arc::new));
        Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
    }

    /// The columns of a unit.
    fn measure(&self, documents: &Documents) -> Vec<ArrayRef> {
        let mut measures: Vec<_> = self.measures.iter().map(|_| Float64Builder::new()).collect();
        let mut scores: Vec<_> =
            self.models.columns().map(|_| (StringBuilder::new(), Float64Builder::new())).collect();
        for text in documents.text.iter() {
            let rewritten = self.rules.rewrite(text.unwrap_or_default());
            let examined = self.rules.examine(&rewritten.text);
            for (column, name) in measures.iter_mut().zip(&self.measures) {
                let examined = examined.iter().find(|examined| examined.check.measure == *name);
                column.append_option(examined.map(|examined| examined.measured.value));
            }
            for ((labels, values), score) in scores.iter_mut().zip(self.models.scores(&rewritten.text)) {
                labels.append_option(score.detail.as_deref());
                values.append_value(score.value);
            }
        }
        let measures = measures.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef);
        let scores = scores.into_iter().flat_map(|(mut labels, mut values)| {
            [Arc::new(labels.finish()) as ArrayRef, Arc::new(values.finish())]
        });
        measures.chain(scores).collect()
    }
}

struct MeasureRoad {
    plan: Plan,
    measures: Measures,
    schema: SchemaRef,
    sender: Sender<RecordBatch>,
}

impl Road for MeasureRoad {
    type Source = Plan;
    type Mapped = (Documents, Vec<ArrayRef>);
    type Job = (Documents, Vec<ArrayRef>, Reservation);
    type Done = (RecordBatch, Counts, Reservation);
    type Order = Numbering;
    type Writer = Counts;

    fn source(&self) -> &Plan {
        &self.plan
    }

    fn map(&self, unit: Unit) -> Result<Self::Mapped> {
        let documents = self.plan.documents(unit)?;
        let columns = self.measures.measure(&documents);
        Ok((documents, columns))
    }

    fn order(&self, numbering: &mut Numbering, event: Event<Self::Mapped>) -> Result<Step<Self::Job>> {
        let mut step = Step::default();
        if let Event::Unit((mut documents, columns), held) = event {
            numbering.number(&mut documents);
            step.jobs.push((documents, columns, held));
            step.stop = numbering.is_full();
        }
        Ok(step)
    }

    fn finish(&self, (documents, columns, held): Self::Job) -> Result<Self::Done> {
        let rows = documents.len();
        let own = documents.batch.columns().iter().cloned();
        let columns = own.chain(columns.iter().map(|column| column.slice(0, rows))).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::Internal(format!("cannot add what was measured: {error}")))?;
        let counts = Counts {
            documents: documents.rows(),
            kept: rows as u64,
            unreadable: documents.unreadable_rows(),
            text_bytes: documents.bytes,
            kept_text_bytes: documents.bytes,
            ..Counts::default()
        };
        Ok((batch, counts, held))
    }

    fn write(&self, counts: &mut Counts, (batch, more, _held): Self::Done) -> Result<()> {
        hand_on(&self.sender, batch, counts, &more)
    }
}
