//! What the steps of `clean` into a folder share.

use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::Progress;
use super::encoding::Encoding;
use super::judge::{Judge, Judged};
use super::scores::ScoreColumns;
use super::token_part::TokenSink;
use crate::Result;
use crate::config::Clean;
use crate::dedup::Against;
use crate::ledger;
use crate::sink::{DocumentSink, ParquetSink};
use crate::source::{Address, Plan, Unit};

/// How what is kept is packed, in the same pass.
pub(crate) struct TokenOutput<'a> {
    pub(crate) encoding: Encoding<'a>,
    pub(crate) sink: TokenSink,
}

/// How documents are judged and encoded, and where that is counted.
pub(crate) struct CleanFolder<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) judge: Judge,
    pub(crate) against: Against,
    pub(crate) progress: &'a Progress,
    pub(crate) scores: ScoreColumns,
    /// Encodes the documents that are kept; none where they are packed and not written.
    pub(crate) documents: Option<DocumentSink>,
    /// Packs the documents that are kept, where that is asked for.
    pub(crate) tokens: Option<TokenOutput<'a>>,
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
            documents: match configuration.writes_text() {
                true => Some(DocumentSink::new(configuration, plan, &scores)?),
                false => None,
            },
            tokens: None,
            scores,
            dropped: ParquetSink::new(&dropped_schema, &declared, &[&["document", text]], level)?,
            dropped_schema,
        })
    }
    /// Tells where documents came from, by the names of the input's files.
    pub(super) fn names(&self) -> impl FnMut(Address) -> Result<(Arc<str>, u64)> {
        // Documents come file by file, so a name is copied once a file.
        let mut last: Option<(u32, Arc<str>)> = None;
        move |address| {
            let name = match last.take() {
                Some((source, name)) if source == address.source => name,
                _ => self.plan.files.get(address.source as usize).map_or("", |file| &file.name).into(),
            };
            last = Some((address.source, Arc::clone(&name)));
            Ok((name, address.row))
        }
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
