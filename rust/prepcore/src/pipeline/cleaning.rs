//! A run of `clean` into a folder: in one pass while the keys fit the memory, else in the steps of deduplication on
//! disk. Either way it goes on from the parts that are finished.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::json;

use super::budget::Budget;
use super::emit::{Emit, InOrder};
use super::folder::CleanFolder;
use super::judge::{Decide, Deduplication};
use super::looking::looking;
use super::part_writer::PartWriter;
use super::pool;
use super::watch::Activity;
use super::{Watcher, run_facts};
use crate::config::{Clean, Dedup, Shard};
use crate::dedup::Twin;
use crate::ledger::KeyFile;
use crate::manifest::Cleaned;
use crate::resume::{FinishedParts, Identity, RunFolder};
use crate::source::Remaining;
use crate::{Error, Result};

mod on_disk;
#[cfg(test)]
mod tests;

pub use on_disk::Waiting;

/// What a run came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The output is complete.
    Finished(Cleaned),
    /// It was complete already; nothing was read.
    FinishedBefore(Cleaned),
    /// This process has done its share; others have not.
    Waiting(Waiting),
}

/// A run at work.
pub(crate) struct Cleaning<'a> {
    configuration: &'a Clean,
    folder: &'a CleanFolder<'a>,
    identity: Identity,
    run: RunFolder,
    budget: Budget,
    tally: Tally,
}

/// What this process did, for `run.json`.
#[derive(Default)]
struct Tally {
    parts_found: usize,
    parts_written: u64,
    read_documents: u64,
    read_text_bytes: u64,
    seconds: Vec<(&'static str, f64)>,
}

/// How one pass in memory ended.
enum Pass {
    Complete,
    /// The keys no longer fit the memory budget.
    Spent,
    /// Parts are finished out of order, so the keys must be resolved on disk.
    OutOfOrder,
}

impl<'a> Cleaning<'a> {
    pub(crate) fn new(
        configuration: &'a Clean,
        folder: &'a CleanFolder<'a>,
        identity: Identity,
        run: RunFolder,
    ) -> Self {
        let budget = folder.judge.budget(configuration);
        Self { configuration, folder, identity, run, budget, tally: Tally::default() }
    }

    /// Runs to the end, or as far as other shards allow.
    pub(crate) fn run(mut self, watcher: Watcher<'_>) -> Result<Outcome> {
        let ended = match self.work(&mut *watcher) {
            Ok(Some(waiting)) => Ok(Outcome::Waiting(waiting)),
            Ok(None) => self.finish(watcher).map(Outcome::Finished),
            Err(error) => Err(self.folder.plan.explained(error)),
        };
        match ended {
            Ok(Outcome::Finished(_)) | Err(Error::Cancelled) => {}
            // The working folder may have gone under our feet.
            _ => {
                if let Some(manifest) = self.run.finished_elsewhere()? {
                    return Ok(Outcome::Finished(manifest));
                }
            }
        }
        if ended.is_err() {
            self.run.abandon();
        }
        ended
    }

    fn work(&mut self, watcher: Watcher<'_>) -> Result<Option<Waiting>> {
        let (finished, _) = self.run.finished()?;
        self.tally.parts_found = finished.iter().count();
        let alone = self.run.shard() == Shard::WHOLE;
        let begun_on_disk =
            fs::read_dir(self.run.path("signatures")).is_ok_and(|mut files| files.next().is_some());
        if alone && self.configuration.dedup != Dedup::Disk && !begun_on_disk {
            match (self.pass(&finished, watcher)?, self.configuration.dedup) {
                (Pass::Complete, _) => return Ok(None),
                (Pass::Spent, Dedup::Memory) => {
                    let memory = self.configuration.memory;
                    return Err(Error::memory(format!("the keys no longer fit half of --memory {memory}"))
                        .hint("finished parts stay; give the command again with more --memory, or with --dedup auto or disk"));
                }
                (Pass::Spent | Pass::OutOfOrder, _) => {}
            }
        }
        self.on_disk(watcher)
    }

    /// One pass over what follows the finished parts, with the keys in memory.
    fn pass(&mut self, finished: &FinishedParts, watcher: Watcher<'_>) -> Result<Pass> {
        let plan = self.folder.plan;
        let Some(start) = finished.sequel(plan) else { return Ok(Pass::OutOfOrder) };
        let limit_reached = self.configuration.limit.is_some_and(|limit| start.documents >= limit);
        if start.part.number == plan.parts.len() || (limit_reached && !finished.is_empty()) {
            return Ok(Pass::Complete);
        }
        let mut deduplication = Deduplication::in_memory(self.configuration.dedup, self.budget.memory);
        deduplication.learn(&self.folder.against, || watcher(self.folder.progress))?;
        for part in finished.iter() {
            let mut look = || watcher(self.folder.progress);
            look()?;
            let keys = KeyFile::open(self.run.out(), &part.record.keys)?.keys();
            deduplication.remember(looking(keys, look), Twin::Input)?;
        }
        if deduplication.is_over_budget() {
            return Ok(Pass::Spent);
        }
        let remaining = Remaining::new(plan, start.part.number..plan.parts.len(), &[start]);
        let spent = self.emit(&remaining, deduplication, Activity::Whole, watcher)?;
        Ok(if spent { Pass::Spent } else { Pass::Complete })
    }

    /// Writes parts. Returns whether it stopped because the keys no longer fit the memory.
    fn emit(
        &mut self,
        remaining: &Remaining<'_>,
        deduplication: Deduplication<'_>,
        activity: Activity,
        watcher: Watcher<'_>,
    ) -> Result<bool> {
        let clock = self.begin(activity, remaining);
        let road = Emit { folder: self.folder, remaining };
        let order = InOrder::new(Decide::new(self.configuration.limit, deduplication), remaining.first());
        let writer = PartWriter::new(self.folder, &mut self.run);
        let ran = pool::run(&road, self.budget.width, order, writer, self.folder.progress, watcher);
        let ended = ran.map(|(order, writer)| (order.is_spent(), writer.written()));
        self.end(if activity == Activity::Whole { "clean" } else { "emit" }, clock);
        let (spent, written) = ended?;
        self.tally.parts_written += written;
        Ok(spent)
    }

    fn begin(&self, activity: Activity, remaining: &Remaining<'_>) -> Instant {
        let plan = self.folder.plan;
        let share = remaining.len() as f64 / plan.segments.len().max(1) as f64;
        self.folder.progress.begin(activity, (plan.text_bytes as f64 * share) as u64);
        Instant::now()
    }

    fn end(&mut self, step: &'static str, clock: Instant) {
        let progress = self.folder.progress;
        self.tally.seconds.push((step, clock.elapsed().as_secs_f64()));
        self.tally.read_documents += progress.documents.load(Ordering::Relaxed);
        self.tally.read_text_bytes += progress.bytes.load(Ordering::Relaxed);
    }

    /// Writes the manifest over all parts.
    fn finish(&mut self, watcher: Watcher<'_>) -> Result<Cleaned> {
        let (finished, begun) = self.run.finished()?;
        let Self { configuration, folder, identity, run, budget, tally } = self;
        let (identity, tally) = (identity.clone(), std::mem::take(tally));
        let describe = || {
            let manifest = identity.manifest(&finished, folder.judge.checks(), folder.judge.counts())?;
            let Tally { parts_found, parts_written, read_documents, read_text_bytes, seconds } = tally;
            let total = seconds.iter().map(|(_, seconds)| seconds).sum();
            let mut facts =
                run_facts::facts(configuration.threads, configuration.memory, budget.width.threads(), total);
            facts["seconds_by_step"] =
                seconds.into_iter().map(|(step, seconds)| (step.to_owned(), json!(seconds))).collect();
            facts["seconds_by_stage"] = folder.progress.stages.seconds();
            facts["parts"] = json!({ "found_finished": parts_found, "written": parts_written });
            facts["read"] = json!({ "documents": read_documents, "text_bytes": read_text_bytes });
            facts["rule_files"] = run_facts::rule_files(configuration);
            facts["input_folders"] = run_facts::input_folders(&folder.plan.files);
            facts["interruptions"] = json!(begun.saturating_sub(1));
            Ok((manifest, facts))
        };
        run.finish(&finished, &mut || watcher(folder.progress), describe)
    }
}
