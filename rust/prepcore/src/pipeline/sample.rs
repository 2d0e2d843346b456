//! The road of a sample: documents are read, numbered, measured, and those of the sample handed on.
//!
//! A first run measures how the text spreads over the hashes of its documents, a second hands on those below the
//! hash at which the sample is full. So the sample is drawn evenly over the whole input, is the same at any thread
//! count, and holds both or neither of two equal documents.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;

use super::pool::{self, Event, Reservation, Road, Step, Width};
use super::{Progress, Watcher};
use crate::dedup::key_of_text;
use crate::manifest::RowsBySource;
use crate::source::{Documents, Numbering, Plan, Unit, Unreadable};
use crate::{Error, Result};

/// Buckets of hashes by which the sample is drawn: a larger input is cut to within a 65,536th of it.
const BUCKETS: usize = 1 << 16;

/// The bucket of a text: the first 16 bits of its key, which is spread evenly.
fn bucket_of(text: &str) -> usize {
    (key_of_text(text) >> 112) as usize
}

/// Reads documents, numbers them, measures them, and hands those of the sample on.
pub(crate) struct SampleRoad<'a> {
    plan: &'a Plan,
    progress: &'a Progress,
    /// Documents of the buckets below this are in the sample.
    below: usize,
    /// Where their texts go; nothing when only measuring.
    texts: Option<Sender<String>>,
    /// Set when the run is to stop: the trainer takes seconds for a unit, a caller waits less than one.
    stop: AtomicBool,
}

impl<'a> SampleRoad<'a> {
    /// A first run, which takes no document.
    pub(crate) fn measuring(plan: &'a Plan, progress: &'a Progress) -> Self {
        Self { plan, progress, below: 0, texts: None, stop: AtomicBool::new(false) }
    }

    /// A second run, which hands on the texts of the buckets below [`Sampled::full_at`].
    pub(crate) fn feeding(
        plan: &'a Plan,
        progress: &'a Progress,
        below: usize,
        texts: Sender<String>,
    ) -> Self {
        Self { plan, progress, below, texts: Some(texts), stop: AtomicBool::new(false) }
    }

    /// Reads all documents once.
    pub(crate) fn run(&self, width: Width, limit: Option<u64>, watcher: Watcher<'_>) -> Result<Sampled> {
        let mut stopping =
            |progress: &Progress| watcher(progress).inspect_err(|_| self.stop.store(true, Ordering::Relaxed));
        let (order, total) = (Numbering::new(limit), Sampled::default());
        pool::run(self, width, order, total, self.progress, &mut stopping).map(|(_, total)| total)
    }
}

/// What came of reading.
#[derive(Default)]
pub(crate) struct Sampled {
    /// Documents of the sample.
    pub(crate) documents: u64,
    /// Their UTF-8 bytes.
    pub(crate) bytes: u64,
    /// UTF-8 bytes of all documents, by bucket.
    bytes_by_bucket: Vec<u64>,
    pub(crate) unreadable: Vec<Unreadable>,
    pub(crate) rows: RowsBySource,
}

impl Sampled {
    /// The bucket at which a sample of so many bytes is full; at least one document is below it where there is any.
    pub(crate) fn full_at(&self, sample: u64) -> usize {
        let mut taken = 0;
        for (bucket, bytes) in self.bytes_by_bucket.iter().enumerate() {
            if taken > 0 && taken + bytes > sample {
                return bucket;
            }
            taken += bytes;
        }
        BUCKETS
    }
}

impl Road for SampleRoad<'_> {
    type Source = Plan;
    type Mapped = Documents;
    type Job = (Documents, Reservation);
    type Done = Sampled;
    type Order = Numbering;
    type Writer = Sampled;

    fn source(&self) -> &Plan {
        self.plan
    }

    fn map(&self, unit: Unit) -> Result<Documents> {
        self.plan.documents(unit)
    }

    fn order(&self, numbering: &mut Numbering, event: Event<Documents>) -> Result<Step<Self::Job>> {
        Ok(Step::numbered(numbering, event))
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
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                if let Some(texts) = &self.texts {
                    // The trainer ends early only by panicking, which is reported when it is joined.
                    let _ = texts.send(text.to_owned());
                }
            }
        }
        Progress::add(&self.progress.documents, documents.rows());
        Progress::add(&self.progress.kept, sampled.documents);
        Progress::add(&self.progress.unreadable, documents.unreadable_rows());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_ends_before_it_overflows_and_is_never_empty() {
        let full_at = |bytes: &[u64], sample| {
            Sampled { bytes_by_bucket: bytes.to_vec(), ..Sampled::default() }.full_at(sample)
        };
        assert_eq!(full_at(&[10, 0, 20, 30], 30), 3);
        assert_eq!(full_at(&[10, 0, 20, 30], 29), 2);
        assert_eq!(full_at(&[0, 50, 1], 3), 2);
        assert_eq!(full_at(&[10, 0, 20, 30], 60), BUCKETS);
        assert_eq!(full_at(&[], 60), BUCKETS);
    }
}
