//! `draw`: so many documents of an input, drawn evenly from all of it in one reading.
//!
//! Drawn are the documents whose texts have the smallest hashes under a seed. So every document has the same chance,
//! equal documents are drawn once, the order is random, and all of it is the same at any thread count and however the
//! input is cut into files.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::pool::{self, Event, Reservation, Road, Step, Width};
use super::{Progress, Watcher};
use crate::config::{Draw, resolve_threads};
use crate::manifest::{InputRecord, RowsBySource};
use crate::source::{Documents, Numbering, Options, Plan, Unit};
use crate::{Error, Result};

/// What was drawn.
#[derive(Debug)]
pub struct Drawn {
    /// Different texts, by their hashes.
    pub texts: Vec<String>,
    /// The input, by file number.
    pub inputs: Vec<InputRecord>,
    /// Rows read, readable or not.
    pub documents: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
}

/// How `draw` reads its input: the text alone.
#[must_use]
pub fn options(configuration: &Draw) -> Options {
    Options::of_text(&configuration.text_column, configuration.memory)
}

/// Draws documents of what a plan reads.
///
/// # Errors
/// [`Error::Config`] before the work starts; [`Error::Memory`] where what is drawn takes more than half of the
/// memory; else whatever a file or the watcher refuses.
pub fn draw(configuration: &Draw, plan: &Plan, watcher: Watcher<'_>) -> Result<Drawn> {
    configuration.validate()?;
    let mut inputs = InputRecord::of_files(&plan.files, &mut *watcher)?;
    let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
    let progress = Progress::of_plan(plan);
    let road = DrawRoad { plan, progress: &progress, configuration, largest: AtomicU64::new(u64::MAX) };
    let (order, pile) = (Numbering::new(None), Pile::default());
    let (_, pile) = pool::run(&road, width, order, pile, &progress, watcher)?;
    pile.rows.enter(&mut inputs);
    let documents = inputs.iter().map(|input| input.rows).sum();
    let texts = pile.texts.into_values().collect();
    Ok(Drawn { texts, inputs, documents, unreadable: pile.unreadable })
}

struct DrawRoad<'a> {
    plan: &'a Plan,
    progress: &'a Progress,
    configuration: &'a Draw,
    /// The upper half of the largest hash that is drawn once the pile is full: what is above it need not be copied.
    largest: AtomicU64,
}

/// What has been drawn so far.
#[derive(Default)]
struct Pile {
    texts: BTreeMap<u128, String>,
    bytes: u64,
    rows: RowsBySource,
    unreadable: u64,
}

impl Road for DrawRoad<'_> {
    type Source = Plan;
    type Mapped = Documents;
    type Job = (Documents, Reservation);
    type Done = Pile;
    type Order = Numbering;
    type Writer = Pile;

    fn source(&self) -> &Plan {
        self.plan
    }

    fn map(&self, unit: Unit) -> Result<Documents> {
        self.plan.documents(unit)
    }

    fn order(&self, numbering: &mut Numbering, event: Event<Documents>) -> Result<Step<Self::Job>> {
        Ok(Step::numbered(numbering, event))
    }

    fn finish(&self, (documents, _held): Self::Job) -> Result<Pile> {
        let mut found = Pile { unreadable: documents.unreadable_rows(), ..Pile::default() };
        found.rows.count(&documents);
        let largest = self.largest.load(Ordering::Relaxed);
        for text in documents.text.iter().flatten() {
            let hash = xxh3_128_with_seed(text.as_bytes(), self.configuration.seed);
            if upper(hash) <= largest {
                found.texts.entry(hash).or_insert_with(|| text.to_owned());
            }
        }
        Progress::add(&self.progress.documents, documents.rows());
        Progress::add(&self.progress.unreadable, found.unreadable);
        Progress::add(&self.progress.bytes, documents.bytes);
        Ok(found)
    }

    fn write(&self, pile: &mut Pile, found: Pile) -> Result<()> {
        pile.rows.add_all(&found.rows);
        pile.unreadable += found.unreadable;
        for (hash, text) in found.texts {
            pile.take(hash, text, self.configuration.documents);
        }
        if pile.texts.len() as u64 == self.configuration.documents
            && let Some((hash, _)) = pile.texts.last_key_value()
        {
            self.largest.store(upper(*hash), Ordering::Relaxed);
        }
        let most = self.configuration.memory.bytes() / 2;
        if pile.bytes > most {
            let message = format!(
                "{} drawn documents take {} bytes, expected at most {most}, half of --memory",
                pile.texts.len(),
                pile.bytes
            );
            return Err(Error::memory(message).hint("lower --sample, or raise --memory"));
        }
        Ok(())
    }
}

impl Pile {
    /// Takes a text and, where that is one too many, puts away the one with the largest hash.
    fn take(&mut self, hash: u128, text: String, most: u64) {
        self.bytes += text.len() as u64;
        let twin = self.texts.insert(hash, text);
        let last = if self.texts.len() as u64 > most { self.texts.pop_last() } else { None };
        let away = twin.into_iter().chain(last.map(|(_, text)| text));
        self.bytes -= away.map(|text| text.len() as u64).sum::<u64>();
    }
}

fn upper(hash: u128) -> u64 {
    (hash >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::ByteSize;

    fn drawn(files: &[&[String]], change: impl FnOnce(&mut Draw)) -> Result<Drawn> {
        let folder = tempfile::tempdir().unwrap();
        for (number, texts) in files.iter().enumerate() {
            let lines: String =
                texts.iter().map(|text| serde_json::json!({ "text": text }).to_string() + "\n").collect();
            fs::write(folder.path().join(format!("{number}.jsonl")), lines).unwrap();
        }
        let mut configuration = Draw::default();
        change(&mut configuration);
        let plan = Plan::files(&[folder.path().to_path_buf()], options(&configuration)).unwrap();
        draw(&configuration, &plan, &mut |_| Ok(()))
    }

    #[test]
    fn the_same_documents_however_they_lie_and_each_once() {
        let texts: Vec<String> = (0..1000).map(|number| format!("document {}", number % 800)).collect();
        let whole = drawn(&[&texts], |draw| draw.documents = 100).unwrap();
        assert_eq!((whole.texts.len(), whole.documents, whole.unreadable), (100, 1000, 0));
        let reversed: Vec<String> = texts.iter().rev().cloned().collect();
        let cut = drawn(&[&reversed[..10], &reversed[10..]], |draw| {
            (draw.documents, draw.threads) = (100, Some(3));
        });
        assert_eq!(cut.unwrap().texts, whole.texts);
        let other = drawn(&[&texts], |draw| (draw.documents, draw.seed) = (100, 1)).unwrap();
        assert_ne!(other.texts, whole.texts);
        let all = drawn(&[&texts], |_| {}).unwrap().texts;
        assert_eq!(all.len(), 800);
        assert_eq!(all[..100], whole.texts);
    }

    #[test]
    fn what_does_not_fit_the_memory_is_refused() {
        let texts: Vec<String> = (0..40).map(|number| format!("{number}").repeat(1 << 20)).collect();
        let error = drawn(&[&texts], |draw| draw.memory = ByteSize::from_bytes(64 << 20)).unwrap_err();
        assert!(error.to_string().contains("half of --memory\nhint: lower --sample"), "{error}");
    }
}
