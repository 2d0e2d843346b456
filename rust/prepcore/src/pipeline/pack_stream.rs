//! `pack` from an Arrow stream of documents to one of rows: nothing is written to disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{FixedSizeListArray, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use crossbeam_channel::Sender;

use super::clean_stream::CleanedStream;
use super::pool::{self, Event, Reservation, Road, Step, Width};
use super::tokenization::Tokenization;
use super::{Progress, pack};
use crate::config::{Pack, resolve_threads};
use crate::manifest::Counts;
use crate::pack::{Concatenate, TokenBatch};
use crate::source::{Documents, Numbering, Plan, StreamInput, Unit};
use crate::{Error, Result};

/// The column of rows.
const COLUMN: &str = "input_ids";

/// Starts packing a stream: rows of `sequence_length` ids come out, in the column `input_ids`. What is left over at
/// the end, less than a row, is in none. A document that cannot be read or encoded counts as unreadable.
///
/// # Errors
/// [`Error::Config`] for settings out of range, for a stream without the text column, and for settings that take a
/// folder. Errors of the stream itself come from the iterator.
pub fn pack_stream(configuration: &Pack, input: StreamInput) -> Result<CleanedStream> {
    if configuration.validation > 0.0 {
        let seen = format!("got {}, but a stream of rows has one side alone", configuration.validation);
        return Err(Error::config("--validation", seen).hint("pack into a folder"));
    }
    let tokenization = Tokenization::open(configuration)?;
    let plan = Plan::stream(input, pack::options(configuration))?;
    let length = i32::try_from(configuration.sequence_length)
        .map_err(|_| Error::config("--sequence-length", "does not fit an Arrow list"))?;
    let item: FieldRef = Arc::new(Field::new("item", DataType::UInt32, false));
    let list = DataType::FixedSizeList(Arc::clone(&item), length);
    let schema = Arc::new(Schema::new(vec![Field::new(COLUMN, list, false)]));
    let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
    let (limit, rows) = (configuration.limit, Arc::clone(&schema));
    Ok(CleanedStream::start(schema, move |sender, watcher| {
        let stop = AtomicBool::new(false);
        let packer = Concatenate::new(length as usize);
        let writer = RowWriter { packer, counts: Counts::default(), sender, schema: rows, item, length };
        let road = PackRoad { plan, tokenization, stop };
        let progress = Progress::default();
        let mut stopping =
            |progress: &Progress| watcher(progress).inspect_err(|_| road.stop.store(true, Ordering::Relaxed));
        let (_, writer) = pool::run(&road, width, Numbering::new(limit), writer, &progress, &mut stopping)?;
        writer.packer.ledger().check(u64::from(length.unsigned_abs()))?;
        Ok(writer.counts)
    }))
}

struct PackRoad {
    plan: Plan,
    tokenization: Tokenization,
    /// Set when the run is to stop: a unit takes long to encode.
    stop: AtomicBool,
}

/// Cuts rows from encoded units, in order.
struct RowWriter {
    packer: Concatenate,
    counts: Counts,
    sender: Sender<RecordBatch>,
    schema: SchemaRef,
    item: FieldRef,
    length: i32,
}

impl RowWriter {
    fn append(&mut self, batch: &TokenBatch) -> Result<()> {
        let (sender, schema, item) = (&self.sender, &self.schema, &self.item);
        let length = self.length;
        self.packer.push(batch, |ids| {
            let failed = |error| Error::Internal(format!("cannot lay out rows of tokens: {error}"));
            let ids = Arc::new(UInt32Array::from(ids.to_vec()));
            let rows = FixedSizeListArray::try_new(Arc::clone(item), length, ids, None).map_err(failed)?;
            let batch = RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(rows)]).map_err(failed)?;
            sender.send(batch).map_err(|_| Error::Cancelled)
        })
    }
}

impl Road for PackRoad {
    type Source = Plan;
    type Mapped = Documents;
    type Job = (Documents, Reservation);
    type Done = (TokenBatch, Counts, Reservation);
    type Order = Numbering;
    type Writer = RowWriter;

    fn source(&self) -> &Plan {
        &self.plan
    }

    fn map(&self, unit: Unit) -> Result<Documents> {
        self.plan.documents(unit)
    }

    fn order(&self, numbering: &mut Numbering, event: Event<Documents>) -> Result<Step<Self::Job>> {
        Ok(Step::numbered(numbering, event))
    }

    fn finish(&self, (documents, held): Self::Job) -> Result<Self::Done> {
        let Tokenization { encoder, special, .. } = &self.tokenization;
        let mut batch = TokenBatch::default();
        let mut counts = Counts {
            documents: documents.rows(),
            unreadable: documents.unreadable.len() as u64,
            ..Counts::default()
        };
        for text in documents.text.iter().take(documents.len()) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            // Texts were checked for nulls when the unit was read.
            match batch.encode(&**encoder, special, text.unwrap_or_default()) {
                Ok(()) => counts.kept += 1,
                Err(_) => counts.unreadable += 1,
            }
        }
        counts.text_bytes = documents.bytes;
        counts.kept_text_bytes = batch.bytes;
        Ok((batch, counts, held))
    }

    fn write(&self, writer: &mut RowWriter, (batch, counts, _held): Self::Done) -> Result<()> {
        writer.counts.add(&counts);
        writer.append(&batch)
    }
}
