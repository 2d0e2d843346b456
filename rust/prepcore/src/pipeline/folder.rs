//! What the steps of `clean` into a folder share.

use arrow_schema::SchemaRef;

use super::Progress;
use super::judge::{Judge, Judged};
use super::scores::ScoreColumns;
use crate::Result;
use crate::config::Clean;
use crate::dedup::Against;
use crate::ledger;
use crate::sink::{DocumentSink, ParquetSink};
use crate::source::{Plan, Unit};

/// How documents are judged and encoded, and where that is counted.
pub(crate) struct CleanFolder<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) judge: Judge,
    pub(crate) against: Against,
    pub(crate) progress: &'a Progress,
    pub(crate) scores: ScoreColumns,
    pub(crate) documents: DocumentSink,
    pub(crate) dropped: ParquetSink,
    pub(crate) dropped_schema: SchemaRef,
}

impl<'a> CleanFolder<'a> {
    /// # Errors
    /// [`crate::Error::Config`] for settings that do not fit the input.
    pub(crate) fn new(configuration: &Clean, plan: &'a Plan, progress: &'a Progress) -> Result<Self> {
        let decoded = plan.decoded_schema();
        let text = plan.schema.field(plan.text_index()).name();
        let kept = configuration.keep_dropped;
        let dropped_schema = ledger::dropped_schema(kept.then_some(decoded));
        let declared = ledger::dropped_schema(kept.then_some(&plan.schema));
        let level = configuration.compression_level;
        let judge = Judge::new(configuration, plan)?;
        let scores = judge.score_columns();
        Ok(Self {
            plan,
            judge,
            against: Against::open(&configuration.against, &configuration.dedup_key)?,
            progress,
            documents: DocumentSink::new(configuration, plan, &scores)?,
            scores,
            dropped: ParquetSink::new(&dropped_schema, &declared, &[&["document", text]], level)?,
            dropped_schema,
        })
    }
    /// Reads, counts and judges a unit.
    pub(super) fn judged(&self, unit: Unit) -> Result<Judged> {
        let documents = self.plan.documents(unit)?;
        Progress::add(&self.progress.documents, documents.rows());
        Progress::add(&self.progress.unreadable, documents.unreadable_rows());
        Progress::add(&self.progress.bytes, documents.bytes);
        self.judge.judge(documents)
    }
}
