//! `clean` from one Arrow stream to another: nothing is written to disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::filter::filter_record_batch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::judge::{Decide, Decided, Deduplication, Judge, Judged};
use super::pool::{self, Event, Reservation, Road, Step};
use super::scores::ScoreColumns;
use super::{Progress, Watcher, clean};
use crate::config::{Clean, Dedup};
use crate::dedup::Against;
use crate::manifest::Counts;
use crate::source::{Plan, StreamInput, Unit};
use crate::{Error, Result};

/// Batches between the engine and whoever pulls them.
const QUEUE: usize = 2;

/// How long a consumer that has nothing else to look at waits at a time.
const WAIT: Duration = Duration::from_secs(60);

/// The kept documents of a stream, pulled batch by batch.
///
/// Dropping it stops the engine. Nothing waits for that: the engine may be reading a stream that needs a lock
/// which the dropping thread holds.
pub struct CleanedStream {
    schema: SchemaRef,
    batches: Option<Receiver<RecordBatch>>,
    engine: Option<JoinHandle<Result<Counts>>>,
    abandoned: Arc<AtomicBool>,
    outcome: Outcome,
}

/// The counts of a stream once it is exhausted; shared with whoever asks after it was handed on.
#[derive(Clone, Debug, Default)]
pub struct Outcome(Arc<Mutex<Option<Counts>>>);

impl Outcome {
    /// The counts; `None` until the stream is exhausted.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts cleaning a stream.
///
/// # Errors
/// [`Error::Config`] for settings out of range, or a stream without the text column. Errors of the stream itself
/// come from the iterator.
pub fn clean_stream(configuration: &Clean, input: StreamInput) -> Result<CleanedStream> {
    configuration.validate()?;
    refuse_folder_options(configuration)?;
    let plan = Plan::stream(input, clean::options(configuration))?;
    let judge = Judge::new(configuration, &plan)?;
    let scores = judge.score_columns();
    let schema = scores.schema(&plan.schema)?;
    let budget = judge.budget(configuration);
    let against = Against::open(&configuration.against, &configuration.dedup_key)?;
    let (mut deduplication, limit) =
        (Deduplication::in_memory(configuration.dedup, budget.memory), configuration.limit);
    Ok(CleanedStream::start(schema, move |sender, watcher| {
        let road = StreamRoad { plan, judge, scores, sender };
        let counts = road.judge.counts();
        deduplication.learn(&against, || watcher(&Progress::default()))?;
        let decide = Decide::new(limit, deduplication);
        let (_, counts) = pool::run(&road, budget.width, decide, counts, &Progress::default(), watcher)?;
        Ok(counts)
    }))
}

/// A stream is read once, by one process, and nothing is written.
pub(super) fn refuse_folder_options(configuration: &Clean) -> Result<()> {
    if configuration.dedup == Dedup::Disk || configuration.shard.is_some() {
        let (option, value) = match configuration.shard {
            Some(shard) => ("--shard", shard.to_string()),
            None => ("--dedup", "disk".to_owned()),
        };
        return Err(Error::config(option, format!("got {value}, but a stream can be read only once"))
            .hint("clean files into a folder"));
    }
    if configuration.tokenizer.is_some() {
        return Err(Error::config("--tokenizer", "tokens are written into a folder, and a stream has none")
            .hint("clean files into a folder"));
    }
    Ok(())
}

impl CleanedStream {
    /// Starts an engine on a thread of its own: it sends batches of this schema, and gives the counts.
    pub(super) fn start(
        schema: SchemaRef,
        engine: impl FnOnce(Sender<RecordBatch>, Watcher<'_>) -> Result<Counts> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = bounded(QUEUE);
        let abandoned = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&abandoned);
        let engine = thread::spawn(move || {
            let mut watcher =
                |_: &Progress| if stop.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) };
            let counts = engine(sender, &mut watcher)?;
            counts.check()?;
            Ok(counts)
        });
        let (batches, engine, outcome) = (Some(receiver), Some(engine), Outcome::default());
        Self { schema, batches, engine, abandoned, outcome }
    }

    /// Where the counts will be.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }

    /// Waits so long for the next batch.
    ///
    /// # Errors
    /// Whatever stopped the engine.
    pub fn pull(&mut self, wait: Duration) -> Result<Pulled> {
        match self.batches.as_ref().map(|batches| batches.recv_timeout(wait)) {
            Some(Ok(batch)) => return Ok(Pulled::Batch(batch)),
            Some(Err(RecvTimeoutError::Timeout)) => return Ok(Pulled::Waiting),
            // The engine has let go of its end of the queue.
            Some(Err(RecvTimeoutError::Disconnected)) | None => self.batches = None,
        }
        let Some(engine) = self.engine.take() else { return Ok(Pulled::End) };
        let counts = engine.join().unwrap_or_else(|_| Err(Error::Internal("the engine panicked".into())))?;
        *self.outcome.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
        Ok(Pulled::End)
    }
}

/// What pulling gave.
#[derive(Debug)]
pub enum Pulled {
    /// A batch of kept documents.
    Batch(RecordBatch),
    /// Nothing yet.
    Waiting,
    /// All were pulled.
    End,
}

impl Iterator for CleanedStream {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.pull(WAIT) {
                Ok(Pulled::Batch(batch)) => return Some(Ok(batch)),
                Ok(Pulled::Waiting) => {}
                Ok(Pulled::End) => return None,
                Err(error) => return Some(Err(ArrowError::ExternalError(Box::new(error)))),
            }
        }
    }
}

impl RecordBatchReader for CleanedStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for CleanedStream {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

struct StreamRoad {
    plan: Plan,
    judge: Judge,
    scores: ScoreColumns,
    sender: Sender<RecordBatch>,
}

impl Road for StreamRoad {
    type Source = Plan;
    type Mapped = Judged;
    type Job = (Decided, Reservation);
    type Done = (RecordBatch, Counts, Reservation);
    type Order = Decide<'static>;
    type Writer = Counts;

    fn source(&self) -> &Plan {
        &self.plan
    }

    fn map(&self, unit: Unit) -> Result<Judged> {
        self.judge.judge(self.plan.documents(unit)?)
    }

    fn order(&self, decide: &mut Decide<'static>, event: Event<Judged>) -> Result<Step<Self::Job>> {
        let mut step = Step::default();
        if let Event::Unit(judged, held) = event {
            step.jobs.push((decide.decide(judged)?, held));
            step.stop = decide.is_full();
            if decide.is_over_budget() {
                return Err(Error::memory("the keys of the documents seen no longer fit the memory budget")
                    .hint("raise `memory`, or clean files into a folder, where keys go to disk"));
            }
        }
        Ok(step)
    }

    fn finish(&self, (mut decided, held): Self::Job) -> Result<Self::Done> {
        self.judge.judge_kept(&mut decided);
        let counts = decided.counts(&self.judge);
        decided.add_scores(&self.scores)?;
        let batch = filter_record_batch(&decided.documents.batch, &decided.keep())
            .and_then(|batch| compact(&batch))
            .map_err(|error| Error::Internal(format!("cannot filter a batch: {error}")))?;
        Ok((batch, counts, held))
    }

    fn write(&self, counts: &mut Counts, (batch, more, _held): Self::Done) -> Result<()> {
        hand_on(&self.sender, batch, counts, &more)
    }
}

/// Counts what became of a batch's rows and hands on those that stay.
pub(super) fn hand_on(
    sender: &Sender<RecordBatch>,
    batch: RecordBatch,
    counts: &mut Counts,
    more: &Counts,
) -> Result<()> {
    counts.add(more);
    if batch.num_rows() == 0 {
        return Ok(());
    }
    sender.send(batch).map_err(|_| Error::Cancelled)
}

/// Copies what the views of a batch show: a few rows would hold on to the buffers of all.
fn compact(batch: &RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()) as ArrayRef,
        _ => Arc::clone(column),
    });
    RecordBatch::try_new(batch.schema(), columns.collect())
}
