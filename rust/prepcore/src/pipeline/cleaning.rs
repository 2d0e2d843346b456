//! A run of `clean` into a folder: in one pass while the keys fit the memory, else in the steps of deduplication on
//! disk. Either way it goes on from the parts that are finished.

use std::fs;

use serde_json::Value;

use super::budget::Budget;
use super::emit::{Emit, InOrder};
use super::folder::CleanFolder;
use super::judge::{Decide, Deduplication};
use super::looking::looking;
use super::one_pass::OnePass;
use super::part_writer::PartWriter;
use super::pool;
use super::tally::{Means, Tally};
use super::watch::Activity;
use super::{Watcher, run_facts};
use crate::config::{Clean, Dedup, Shard};
use crate::dedup::{KEY_ALGORITHM, KEY_SEED, Twin};
use crate::ledger::KeyFile;
use crate::manifest::{self, Cleaned, HashRecord, RowsBySource};
use crate::resume::{FinishedParts, Identity, RunFolder};
use crate::source::Remaining;
use crate::{Error, Result, sink};

mod on_disk;
#[cfg(test)]
mod tests;

pub use on_disk::Waiting;

/// What a run came to.
#[derive(Clone, Debug)]
pub enum Outcome<Manifest = Cleaned> {
    /// The output is complete.
    Finished(Manifest),
    /// It was complete already; nothing was read.
    FinishedBefore(Manifest),
    /// This process has done its share; others have not.
    Waiting(Waiting),
}

impl Outcome<()> {
    /// The outcome with the manifest that a finished run has written.
    pub(crate) fn read<Manifest>(
        self,
        manifest: impl FnOnce() -> Result<Manifest>,
    ) -> Result<Outcome<Manifest>> {
        Ok(match self {
            Self::Finished(()) => Outcome::Finished(manifest()?),
            Self::FinishedBefore(()) => Outcome::FinishedBefore(manifest()?),
            Self::Waiting(waiting) => Outcome::Waiting(waiting),
        })
    }
}

/// A run at work.
pub(crate) struct Cleaning<'a> {
    configuration: &'a Clean,
    folder: &'a CleanFolder<'a>,
    identity: Identity,
    run: RunFolder,
    /// What is to be done with the tokens, where documents are packed.
    one_pass: Option<OnePass<'a>>,
    budget: Budget,
    tally: Tally,
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
        one_pass: Option<OnePass<'a>>,
    ) -> Self {
        let budget = folder.judge.budget(configuration);
        Self { configuration, folder, identity, run, one_pass, budget, tally: Tally::default() }
    }

    /// Runs to the end, or as far as other shards allow.
    pub(crate) fn run(mut self, watcher: Watcher<'_>) -> Result<Outcome<()>> {
        let ended = match self.work(&mut *watcher) {
            Ok(Some(waiting)) => Ok(Outcome::Waiting(waiting)),
            Ok(None) => self.finish(watcher).map(Outcome::Finished),
            Err(error) => Err(self.folder.plan.explained(error)),
        };
        match ended {
            Ok(Outcome::Finished(_)) | Err(Error::Cancelled) => {}
            // The working folder may have gone under our feet.
            _ => {
                if self.run.is_finished_elsewhere()? {
                    return Ok(Outcome::Finished(()));
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
            let keys = KeyFile::open(&self.run.ledger(), &part.cleaned()?.keys)?.keys();
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
        let clock = Tally::begin(self.folder.progress, activity, remaining);
        let road = Emit { folder: self.folder, remaining };
        let order = InOrder::new(Decide::new(self.configuration.limit, deduplication), remaining.first());
        let writer = PartWriter::new(self.folder, &mut self.run);
        let ran = pool::run(&road, self.budget.width, order, writer, self.folder.progress, watcher);
        let ended = ran.map(|(order, writer)| (order.is_spent(), writer.written()));
        let step = if activity == Activity::Whole { "clean" } else { "emit" };
        self.tally.end(self.folder.progress, step, clock);
        let (spent, written) = ended?;
        self.tally.parts_written += written;
        Ok(spent)
    }

    /// Writes what belongs to all parts together, and the manifests.
    fn finish(&mut self, watcher: Watcher<'_>) -> Result<()> {
        let (finished, begun) = self.run.finished()?;
        let tally = std::mem::take(&mut self.tally);
        let progress = self.folder.progress;
        let ledger = self.run.ledger();
        let complete = |look: &mut dyn FnMut() -> Result<()>| {
            let manifest = self.manifest(&finished)?;
            let unreadable = finished.iter().filter_map(|finished| finished.unreadable.as_ref());
            self.run.join(unreadable, ledger.join("unreadable.jsonl"), look)?;
            Ok((manifest, self.facts(tally, begun)))
        };
        let look: &mut dyn FnMut() -> Result<()> = &mut || watcher(progress);
        match &self.one_pass {
            None => self.run.finish(look, complete).map(drop),
            Some(one_pass) => {
                let complete = |look: &mut dyn FnMut() -> Result<()>| {
                    let (manifest, facts) = complete(&mut *look)?;
                    let packed = one_pass.complete(&self.run, &finished, &manifest, look)?;
                    sink::write_json(ledger.join(manifest::RUN), &facts)?;
                    sink::write_json(ledger.join(manifest::MANIFEST), &manifest)?;
                    Ok((packed, facts))
                };
                self.run.finish(look, complete).map(drop)
            }
        }
    }

    /// The manifest of a run of which these parts are all.
    ///
    /// # Errors
    /// [`Error::Internal`] where the sums do not add up.
    fn manifest(&self, finished: &FinishedParts) -> Result<Cleaned> {
        let Identity { format, format_version, program, configuration, mut inputs } = self.identity.clone();
        let mut counts = self.folder.judge.counts();
        let (mut rows, mut parts) = (RowsBySource::default(), Vec::new());
        for part in finished.iter() {
            counts.add(&part.cleaned()?.counts);
            rows.add(part.rows.iter().copied());
            parts.push(part.cleaned()?.clone());
        }
        counts.check()?;
        rows.enter(&mut inputs);
        let hash = HashRecord { algorithm: KEY_ALGORITHM.into(), seed: KEY_SEED };
        let checks = self.folder.judge.checks();
        Ok(Cleaned { format, format_version, program, configuration, hash, inputs, checks, counts, parts })
    }

    /// What may differ between runs.
    fn facts(&self, tally: Tally, begun: u64) -> Value {
        let Self { configuration, folder, budget, .. } = self;
        let means = Means {
            threads_asked_for: configuration.threads,
            threads: budget.width.threads(),
            memory: configuration.memory,
        };
        let mut facts = tally.facts(&means, folder.plan, folder.progress, begun);
        facts["rule_files"] = run_facts::rule_files(configuration);
        facts
    }
}
