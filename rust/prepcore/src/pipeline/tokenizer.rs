//! `tokenizer`: a byte-level BPE tokenizer learned from documents.
//!
//! The input is read twice: once to find where the sample is full (`sample.rs`), once to learn from it.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use crossbeam_channel::bounded;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pool::Width;
use super::sample::{SampleRoad, Sampled};
use super::watch::WATCH_EVERY;
use super::{Progress, Watcher, run_facts};
use crate::config::{Tokenizer, resolve_threads};
use crate::manifest::{self, InputRecord};
use crate::sink::{self, AtomicFile};
use crate::source::{Options, Plan, Unreadable, UnreadableLine};
use crate::tokenize::{Trained, TrainedFile, train_byte_level};
use crate::{Error, Result};

/// The `format` of a trained tokenizer's manifest.
pub const TOKENIZER_FORMAT: &str = "prepcore.tokenizer";

/// Texts between the readers and the trainer.
const QUEUE: usize = 256;

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
    Options::of_text(&configuration.text_column, configuration.memory)
}

/// Trains a tokenizer on what a plan reads, writes its folder and returns its manifest.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`] before the work starts; later whatever a file, the disk or the watcher
/// refuses.
pub fn tokenizer(
    configuration: &Tokenizer,
    plan: &Plan,
    paths: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<TrainedTokenizer> {
    configuration.validate()?;
    let started = Instant::now();
    sink::check_apart(out, paths, plan.files.iter().map(|file| file.path.as_path()))?;
    sink::check_empty(out)?;
    let mut inputs = InputRecord::of_files(&plan.files, &mut *watcher)?;
    sink::prepare_folder(out)?;
    let ran = learn(configuration, plan, watcher).and_then(|learned| {
        let files = learned.tokenizer.write(out)?;
        write_unreadable(&learned.sampled.unreadable, plan, out)?;
        Ok((learned, files))
    });
    let (learned, files) = match ran {
        Ok(ran) => ran,
        Err(error) => {
            sink::remove_empty([out.to_path_buf()]);
            return Err(error);
        }
    };
    let Learned { tokenizer, sampled, threads } = learned;
    sampled.rows.enter(&mut inputs);
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
        configuration: run_facts::settings(configuration).into(),
        inputs,
        counts: SampleCounts { documents: read, sampled: sampled.documents, left_out, unreadable },
        documents: sampled.documents,
        text_bytes: sampled.bytes,
        vocabulary_size: tokenizer.vocabulary_size() as u64,
        files,
    };
    let seconds = started.elapsed().as_secs_f64();
    let facts = run_facts::facts(configuration.threads, configuration.memory, threads, seconds);
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
    let (threads, limit) = (width.threads(), configuration.limit);
    let progress = Progress::of_plan(plan);
    let measured = SampleRoad::measuring(plan, &progress).run(width, limit, &mut *watcher)?;
    let below = measured.full_at(configuration.sample.bytes());

    let (sender, receiver) = bounded::<String>(QUEUE);
    let (size, special) = (configuration.vocabulary_size as usize, configuration.special_tokens.clone());
    // Not a scoped thread: the library cannot be stopped while it learns, and a caller who stops must not wait.
    let trainer = thread::spawn(move || train_byte_level(receiver.into_iter(), size, &special, threads));
    let progress = Progress::of_plan(plan);
    // The trainer's texts end when the road goes, and the sender with it.
    let sampled = SampleRoad::feeding(plan, &progress, below, sender).run(width, limit, &mut *watcher)?;
    while !trainer.is_finished() {
        watcher(&progress)?;
        thread::sleep(WATCH_EVERY);
    }
    let tokenizer = trainer.join().map_err(|_| Error::Internal("training a tokenizer panicked".into()))??;
    Ok(Learned { tokenizer, sampled, threads })
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
