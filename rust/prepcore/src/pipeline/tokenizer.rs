//! `tokenizer`: a byte-level BPE tokenizer learned from documents.
//!
//! The input is read twice where `--sample` may be less than all of it: first to measure how the text spreads
//! over the hashes of its documents, then to learn from those below the hash at which the sample is full. So the
//! sample is drawn evenly over the whole input, is the same at any thread count, and holds both or neither of two
//! equal documents.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pool::{self, Event, Reservation, Road, Step, Width};
use super::{Progress, Watcher, run_facts};
use crate::config::{Columns, Tokenizer, resolve_threads};
use crate::dedup::key_of_text;
use crate::manifest::{self, InputRecord, RowsBySource};
use crate::sink::{self, AtomicFile};
use crate::source::{Documents, Numbering, Options, Plan, Unit, Units, Unreadable, UnreadableLine};
use crate::tokenize::{Trained, TrainedFile, train_byte_level};
use crate::{Error, Result};

/// The `format` of a trained tokenizer's manifest.
pub const TOKENIZER_FORMAT: &str = "prepcore.tokenizer";

/// Buckets of hashes by which the sample is drawn: a larger input is cut to within a 65,536th of it.
const BUCKETS: usize = 1 << 16;
/// Texts between the readers and the trainer.
const QUEUE: usize = 256;
/// How often the caller is asked while the merges are learned.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// The manifest of a trained tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedTokenizer {
    /// [`TOKENIZER_FORMAT`].
    pub format: String,
    /// 1.
    pub format_version: u32,
    /// The program that wrote the folder.
    pub program: String,
    /// The settings that change the output.
    pub configuration: Value,
    /// The input, by file number.
    pub inputs: Vec<InputRecord>,
    /// What became of the rows of the input.
    pub counts: SampleCounts,
    /// Documents it learned from.
    pub documents: u64,
    /// Their UTF-8 bytes.
    pub text_bytes: u64,
    /// Entries of the vocabulary; fewer than asked for when the text had no more to offer.
    pub vocabulary_size: u64,
    /// Its files.
    pub files: Vec<TrainedFile>,
}

/// What became of the rows of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCounts {
    /// Rows read, readable or not.
    pub documents: u64,
    /// Documents learned from.
    pub sampled: u64,
    /// Documents left out of the sample.
    pub left_out: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
}

/// How `tokenizer` reads its input: the text alone.
#[must_use]
pub fn options(configuration: &Tokenizer) -> Options {
    Options {
        text_column: configuration.text_column.clone(),
        columns: Columns::Named(vec![configuration.text_column.clone()]),
        extra: false,
        memory: configuration.memory,
    }
}

/// Trains a tokenizer on what a plan reads, writes its folder and returns its manifest.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`] before the work starts; later whatever a file, the disk or the watcher
/// refuses.
pub fn tokenizer(
    configuration: &Tokenizer,
    plan: &Plan,
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<TrainedTokenizer> {
    configuration.validate()?;
    let started = Instant::now();
    sink::check_folder(out, inputs)?;
    sink::prepare_folder(out)?;
    let ran = learn(configuration, plan, watcher).and_then(|learned| {
        let files = learned.tokenizer.write(out)?;
        write_unreadable(&learned.sampled.unreadable, plan, out)?;
        Ok((learned, files))
    });
    let (learned, files) = match ran {
        Ok(ran) => ran,
        Err(error) => {
            // Refused where something is in it, which is the wish.
            let _ = std::fs::remove_dir(out);
            return Err(error);
        }
    };
    let Learned { tokenizer, sampled, threads } = learned;
    let inputs =
        plan.files.iter().enumerate().map(|(source, file)| InputRecord::new(file, sampled.rows.of(source)));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let read: u64 = inputs.iter().map(|input| input.rows).sum();
    let unreadable = sampled.unreadable.len() as u64;
    let left_out = read.checked_sub(sampled.documents + unreadable).ok_or_else(|| {
        Error::Internal(format!(
            "{read} documents read, but {} sampled + {unreadable} unreadable",
            sampled.documents
        ))
    })?;
    let manifest = TrainedTokenizer {
        format: TOKENIZER_FORMAT.into(),
        format_version: 1,
        program: manifest::program(),
        configuration: settings(configuration),
        inputs,
        counts: SampleCounts { documents: read, sampled: sampled.documents, left_out, unreadable },
        documents: sampled.documents,
        text_bytes: sampled.bytes,
        vocabulary_size: tokenizer.vocabulary_size() as u64,
        files,
    };
    let seconds = started.elapsed().as_secs_f64();
    let facts = run_facts(configuration.threads, configuration.memory, threads, seconds);
    sink::write_json(out.join(manifest::RUN), &facts)?;
    sink::write_json(out.join(manifest::MANIFEST), &manifest)?;
    Ok(manifest)
}

struct Learned {
    tokenizer: Trained,
    sampled: Sampled,
    threads: usize,
}

/// Draws the sample and learns from it.
fn learn(configuration: &Tokenizer, plan: &Plan, watcher: Watcher<'_>) -> Result<Learned> {
    let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
    let threads = width.threads();
    let progress = Progress::of_plan(plan);
    let measure = SampleRoad { plan, progress: &progress, below: 0, texts: None };
    let (_, measured) = pool::run(
        &measure,
        width,
        Numbering::new(configuration.limit),
        Sampled::default(),
        &progress,
        &mut *watcher,
    )?;
    let below = threshold(&measured.bytes_by_bucket, configuration.sample.bytes());

    let (sender, receiver) = bounded(QUEUE);
    let (size, special) = (configuration.vocabulary_size as usize, configuration.special_tokens.clone());
    // Not a scoped thread: the library cannot be stopped while it learns, and a caller who stops must not wait.
    let trainer = thread::spawn(move || train_byte_level(receive(receiver), size, &special, threads));
    let progress = Progress::of_plan(plan);
    let feed = SampleRoad { plan, progress: &progress, below, texts: Some(sender) };
    let order = Numbering::new(configuration.limit);
    let fed = pool::run(&feed, width, order, Sampled::default(), &progress, &mut *watcher);
    // The trainer's texts end when the last sender goes.
    drop(feed);
    let (_, sampled) = fed?;
    while !trainer.is_finished() {
        watcher(&progress)?;
        thread::sleep(WATCH_EVERY);
    }
    let tokenizer = trainer.join().map_err(|_| Error::Internal("training a tokenizer panicked".into()))??;
    Ok(Learned { tokenizer, sampled, threads })
}

fn receive(texts: Receiver<String>) -> impl Iterator<Item = String> + Send {
    texts.into_iter()
}

/// The bucket at which a sample of so many bytes is full; at least one document is below it where there is any.
fn threshold(bytes_by_bucket: &[u64], sample: u64) -> usize {
    let mut taken = 0;
    for (bucket, bytes) in bytes_by_bucket.iter().enumerate() {
        if taken > 0 && taken + bytes > sample {
            return bucket;
        }
        taken += bytes;
    }
    BUCKETS
}

/// The bucket of a text: the first 16 bits of its key, which is spread evenly.
fn bucket_of(text: &str) -> usize {
    (key_of_text(text) >> 112) as usize
}

/// Reads documents, numbers them, measures them, and hands those of the sample on.
struct SampleRoad<'a> {
    plan: &'a Plan,
    progress: &'a Progress,
    /// Documents of the buckets below this are in the sample.
    below: usize,
    /// Where their texts go; nothing when only measuring.
    texts: Option<Sender<String>>,
}

/// What came of reading.
#[derive(Default)]
struct Sampled {
    documents: u64,
    bytes: u64,
    bytes_by_bucket: Vec<u64>,
    unreadable: Vec<Unreadable>,
    rows: RowsBySource,
}

impl Road for SampleRoad<'_> {
    type Unit = Unit;
    type Mapped = Documents;
    type Job = (Documents, Reservation);
    type Done = Sampled;
    type Order = Numbering;
    type Writer = Sampled;

    fn segments(&self) -> usize {
        self.plan.segments.len()
    }

    fn open(&self, segment: usize) -> Result<Units<'_>> {
        self.plan.open(segment)
    }

    fn weight(&self, unit: &Unit) -> u64 {
        unit.weight
    }

    fn map(&self, unit: Unit) -> Result<Documents> {
        self.plan.documents(unit)
    }

    fn order(&self, numbering: &mut Numbering, event: Event<Documents>) -> Result<Step<Self::Job>> {
        let mut step = Step::default();
        if let Event::Unit(mut documents, held) = event {
            numbering.number(&mut documents);
            step.jobs.push((documents, held));
            step.stop = numbering.is_full();
        }
        Ok(step)
    }

    fn finish(&self, (documents, _held): Self::Job) -> Result<Sampled> {
        let mut sampled = Sampled { bytes_by_bucket: vec![0; BUCKETS], ..Sampled::default() };
        sampled.rows.count(&documents);
        for text in documents.text.iter().flatten() {
            let bucket = bucket_of(text);
            sampled.bytes_by_bucket[bucket] += text.len() as u64;
            if bucket < self.below {
                sampled.documents += 1;
                sampled.bytes += text.len() as u64;
                if let Some(texts) = &self.texts {
                    // The trainer ends early only by panicking, which is reported when it is joined.
                    let _ = texts.send(text.to_owned());
                }
            }
        }
        Progress::add(&self.progress.documents, (documents.len() + documents.unreadable.len()) as u64);
        Progress::add(&self.progress.kept, sampled.documents);
        Progress::add(&self.progress.unreadable, documents.unreadable.len() as u64);
        Progress::add(&self.progress.bytes, documents.bytes);
        sampled.unreadable = documents.unreadable;
        Ok(sampled)
    }

    fn write(&self, total: &mut Sampled, sampled: Sampled) -> Result<()> {
        total.documents += sampled.documents;
        total.bytes += sampled.bytes;
        total.bytes_by_bucket.resize(BUCKETS, 0);
        for (sum, bytes) in total.bytes_by_bucket.iter_mut().zip(sampled.bytes_by_bucket) {
            *sum += bytes;
        }
        total.unreadable.extend(sampled.unreadable);
        total.rows.add_all(&sampled.rows);
        Ok(())
    }
}

/// Names the rows that could not be read, where there are any: an empty file would travel with the tokenizer.
fn write_unreadable(unreadable: &[Unreadable], plan: &Plan, out: &Path) -> Result<()> {
    if unreadable.is_empty() {
        return Ok(());
    }
    let mut file = AtomicFile::create(out.join("unreadable.jsonl"))?;
    for row in unreadable {
        file.append(&UnreadableLine::encode(row, &plan.files)?)?;
    }
    file.commit().map(|_| ())
}

/// The settings that change the output.
fn settings(configuration: &Tokenizer) -> Value {
    let mut settings = json!(configuration);
    if let Some(settings) = settings.as_object_mut() {
        for running in ["threads", "memory", "max_unreadable"] {
            settings.shift_remove(running);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_ends_before_it_overflows_and_is_never_empty() {
        assert_eq!(threshold(&[10, 0, 20, 30], 30), 3);
        assert_eq!(threshold(&[10, 0, 20, 30], 29), 2);
        assert_eq!(threshold(&[0, 50, 1], 3), 2);
        assert_eq!(threshold(&[10, 0, 20, 30], 60), BUCKETS);
        assert_eq!(threshold(&[], 60), BUCKETS);
    }
}
