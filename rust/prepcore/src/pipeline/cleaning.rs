//! A run of `clean` into a folder: in one pass while the keys fit the memory, else in the steps of deduplication on
//! disk. Either way it goes on from the parts that are finished.

use std::fs;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use super::each::each;
use super::emit::{Emit, InOrder};
use super::folder::CleanFolder;
use super::judge::{Decide, Deduplication};
use super::looking::looking;
use super::part_writer::PartWriter;
use super::pool::{self, Width};
use super::sign::{self, Sign, SignOrder, Signer};
use super::watch::Activity;
use super::{Watcher, run_facts};
use crate::config::{Clean, Dedup, Shard, Step, resolve_threads};
use crate::dedup::{Duplicates, DuplicatesWriter, PARTITIONS, Resolver, Signatures, Twin};
use crate::ledger::KeyFile;
use crate::manifest::{Cleaned, Counts, RowsBySource};
use crate::resume::{FinishedParts, Identity, RunFolder};
use crate::sink::fault;
use crate::source::{Before, Kind, PartFacts, Remaining, Start};
use crate::{Error, Result};

/// The share of the memory budget that resolving may take, as a divisor.
const RESOLVE_SHARE: u64 = 2;
/// Bytes of one range of keys while it is resolved, at the most: small enough to stop within a moment.
const RESOLVE_BYTES: u64 = 128 << 20;

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

/// How far a run by several processes is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// `prepcore.unfinished`.
    pub format: &'static str,
    /// The share of this process, `i/n`.
    pub shard: Shard,
    /// The step that is not complete: `sign`, `resolve` or `emit`.
    pub step: &'static str,
    /// Parts, or key ranges, that the step has done.
    pub done: usize,
    /// Parts, or key ranges, that the step has.
    pub of: usize,
    /// The shards that have not done all of their share.
    pub shards: Vec<usize>,
}

/// A run at work.
pub(crate) struct Cleaning<'a> {
    configuration: &'a Clean,
    folder: &'a CleanFolder<'a>,
    identity: Identity,
    run: RunFolder,
    width: Width,
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
        let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
        Self { configuration, folder, identity, run, width, tally: Tally::default() }
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
        let mut deduplication = Deduplication::in_memory(self.configuration);
        deduplication.learn(&self.folder.against, || watcher(self.folder.progress))?;
        for part in finished.iter() {
            let mut look = || watcher(self.folder.progress);
            look()?;
            let records = looking(KeyFile::open(self.run.out(), &part.record.keys)?, look);
            deduplication.remember(records.filter_map(|record| match record {
                Ok(record) => Some(Ok((record.key?, Twin::Input(record.address)))),
                Err(error) => Some(Err(error)),
            }))?;
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
        let ran = pool::run(&road, self.width, order, writer, self.folder.progress, watcher);
        let ended = ran.map(|(order, writer)| (order.is_spent(), writer.written()));
        self.end(if activity == Activity::Whole { "clean" } else { "emit" }, clock);
        let (spent, written) = ended?;
        self.tally.parts_written += written;
        Ok(spent)
    }

    /// The three steps over the parts of this shard, as far as others allow.
    fn on_disk(&mut self, watcher: Watcher<'_>) -> Result<Option<Waiting>> {
        let step = self.configuration.step;
        let parts = self.folder.plan.parts.len();
        if matches!(step, Step::Auto | Step::Sign) {
            self.sign(&mut *watcher)?;
        }
        let (mut finished, _) = self.run.finished()?;
        let signed = self.signed(&finished)?;
        let files = self.folder.against.files();
        let waiting = |step, done: usize, missing: &[usize]| self.waiting(step, done, missing);
        let unsigned: Vec<usize> = if self.is_deduplicated() {
            (0..files).filter(|file| !sign::against_path(&self.run, *file).exists()).collect()
        } else {
            Vec::new()
        };
        if !signed.missing.is_empty() || !unsigned.is_empty() {
            let missing: Vec<usize> = signed.missing.iter().chain(&unsigned).copied().collect();
            let waiting = waiting("sign", parts - signed.missing.len(), &missing);
            return self.required(step == Step::Resolve || step == Step::Emit, waiting);
        }
        if step == Step::Sign {
            return Ok(Some(waiting("resolve", 0, &[])));
        }
        if self.is_deduplicated() {
            if step != Step::Emit {
                self.resolve(&signed, &mut *watcher)?;
            }
            let missing = self.duplicates()?.missing()?;
            if !missing.is_empty() {
                let waiting = self.waiting("resolve", PARTITIONS - missing.len(), &missing);
                return self.required(step == Step::Emit, waiting);
            }
        }
        if step != Step::Resolve {
            self.emit_shard(&finished, &signed, watcher)?;
            (finished, _) = self.run.finished()?;
        }
        let missing: Vec<usize> = signed
            .starts
            .iter()
            .map(|start| start.part.number)
            .filter(|part| !finished.holds(*part))
            .collect();
        Ok((!missing.is_empty()).then(|| self.waiting("emit", signed.starts.len() - missing.len(), &missing)))
    }

    /// A step that was asked for by name needs the one before it.
    fn required(&self, asked_for: bool, waiting: Waiting) -> Result<Option<Waiting>> {
        if !asked_for {
            return Ok(Some(waiting));
        }
        let Waiting { step, done, of, shards, .. } = waiting;
        let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
        Err(Error::config(
            "--step",
            format!("needs the step `{step}` to be complete: {done} of {of} are done"),
        )
        .hint(format!("let shards {} do their step `{step}` first", shards.join(", "))))
    }

    fn waiting(&self, step: &'static str, done: usize, missing: &[usize]) -> Waiting {
        let shard = self.run.shard();
        let mut shards: Vec<usize> = missing.iter().map(|number| number % shard.count + 1).collect();
        shards.sort_unstable();
        shards.dedup();
        let of = if step == "resolve" { PARTITIONS } else { done + missing.len() };
        Waiting { format: "prepcore.unfinished", shard, step, done, of, shards }
    }

    fn is_deduplicated(&self) -> bool {
        self.configuration.dedup != Dedup::Off
    }

    /// Whether parts must be read to know where others begin, or which of their documents are duplicates.
    fn needs_signatures(&self) -> bool {
        let plan = self.folder.plan;
        self.is_deduplicated() || self.configuration.limit.is_some() || plan.kind == Kind::Jsonl
    }

    /// What was resolved so far, by any shard.
    fn duplicates(&self) -> Result<Duplicates> {
        let folder = self.run.path("duplicates");
        let failed = |source| Error::io(&folder, "read", source);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        // Others may be writing theirs, under temporary names.
        Duplicates::open(
            paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "duplicates")),
        )
    }

    /// Writes the signatures of this shard's parts.
    fn sign(&mut self, watcher: Watcher<'_>) -> Result<()> {
        if !self.needs_signatures() {
            return Ok(());
        }
        let plan = self.folder.plan;
        let (finished, _) = self.run.finished()?;
        let shard = self.run.shard();
        let unsigned = (0..plan.parts.len()).filter(|part| shard.owns(*part));
        let unsigned: Vec<usize> =
            unsigned.filter(|part| !sign::part_path(&self.run, *part).exists()).collect();
        let run_keys = sign::run_keys(self.configuration.memory.bytes());
        let (whole, unread): (Vec<usize>, Vec<usize>) =
            unsigned.iter().partition(|part| finished.holds(**part));
        let starts: Vec<Start> = unread
            .iter()
            .map(|part| {
                let begun = finished.begun(*part);
                let begun = begun.as_ref().map(|(piece, position, facts)| (*piece, *position, facts));
                Before::default().start(plan, *part, begun)
            })
            .collect();
        let remaining = Remaining::new(plan, unread, &starts);
        let clock = self.begin(Activity::Sign, &remaining);
        let signer = Signer::new(self.folder, &self.run, &finished, run_keys, remaining.stopping());
        let mut look = || watcher(self.folder.progress);
        let against = (0..self.folder.against.files())
            .filter(|file| shard.owns(*file) && !sign::against_path(&self.run, *file).exists());
        for file in against {
            look()?;
            signer.sign_against(file, &mut look)?;
        }
        for part in whole {
            look()?;
            signer.sign_finished(part, &mut look)?;
        }
        let limit = self.configuration.limit;
        let road = Sign { folder: self.folder, remaining: &remaining, run_keys, limit };
        let order = SignOrder::new(remaining.first().number);
        let ran = if starts.is_empty() {
            Ok(())
        } else {
            pool::run(&road, self.width, order, signer, self.folder.progress, watcher).map(|_| ())
        };
        self.end("sign", clock);
        ran
    }

    /// What the parts' signatures tell: where each part begins, and the keys in order.
    fn signed(&self, finished: &FinishedParts) -> Result<Signed> {
        let plan = self.folder.plan;
        let mut signed = Signed::default();
        if self.is_deduplicated() {
            for file in 0..self.folder.against.files() {
                let path = sign::against_path(&self.run, file);
                if path.exists() {
                    signed.signatures.push(Signatures::open(&path, None)?.0);
                }
            }
        }
        let mut before = Before::default();
        for part in 0..plan.parts.len() {
            if part > 0 && self.configuration.limit.is_some_and(|limit| before.documents() >= limit) {
                break;
            }
            let begun = finished.begun(part);
            let begun = begun.as_ref().map(|(piece, position, facts)| (*piece, *position, facts));
            signed.starts.push(before.start(plan, part, begun));
            if !self.needs_signatures() {
                continue;
            }
            let path = sign::part_path(&self.run, part);
            if !path.exists() {
                signed.missing.push(part);
                continue;
            }
            let (mut signatures, note) = Signatures::open(&path, Some(part))?;
            if let Some(source) = note.relative {
                signatures.shift(source, before.start(plan, part, None).lines.1);
            }
            before.pass(&note.facts);
            signed.signatures.push(signatures);
        }
        Ok(signed)
    }

    /// Finds the duplicates in this shard's key ranges.
    fn resolve(&mut self, signed: &Signed, watcher: Watcher<'_>) -> Result<()> {
        let shard = self.run.shard();
        let mut mine = self.duplicates()?.missing()?;
        mine.retain(|partition| shard.owns(*partition));
        if mine.is_empty() {
            return Ok(());
        }
        let clock = Instant::now();
        let progress = self.folder.progress;
        progress.begin(Activity::Resolve, 0);
        let threads = resolve_threads(self.configuration.threads);
        let memory = self.configuration.memory.bytes() / RESOLVE_SHARE / threads as u64;
        let parts = self.folder.plan.parts.len();
        let resolver = Resolver::new(&signed.signatures, parts, memory.min(RESOLVE_BYTES));
        let name = format!("duplicates/{:05}-of-{:05}.duplicates", shard.index, shard.count);
        let target = self.run.path(&name);
        let writer = Mutex::new(DuplicatesWriter::create(target.clone(), parts)?);
        let task = |number: usize, stop: &_| {
            fault::point("resolve", &target).map_err(|source| Error::io(&target, "resolve", source))?;
            let (keys, duplicates) = resolver.resolve(mine[number], &writer, stop)?;
            super::Progress::add(&progress.documents, keys);
            super::Progress::add(&progress.kept, keys - duplicates);
            Ok(())
        };
        each(threads, mine.len(), task, progress, watcher)?;
        writer.into_inner().unwrap_or_else(PoisonError::into_inner).commit(&mine)?;
        self.tally.seconds.push(("resolve", clock.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Writes this shard's parts that are not finished.
    fn emit_shard(&mut self, finished: &FinishedParts, signed: &Signed, watcher: Watcher<'_>) -> Result<()> {
        let shard = self.run.shard();
        let mine = signed.starts.iter().filter(|start| shard.owns(start.part.number));
        let starts: Vec<Start> = mine.filter(|start| !finished.holds(start.part.number)).copied().collect();
        if starts.is_empty() {
            return Ok(());
        }
        let duplicates = self.duplicates()?;
        let deduplication = match self.is_deduplicated() {
            true => Deduplication::Disk { duplicates: &duplicates, part: None },
            false => Deduplication::Off,
        };
        let numbers: Vec<usize> = starts.iter().map(|start| start.part.number).collect();
        let remaining = Remaining::new(self.folder.plan, numbers, &starts);
        self.emit(&remaining, deduplication, Activity::Emit, watcher).map(|_| ())
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
        let Self { configuration, folder, identity, run, width, tally } = self;
        let (identity, tally) = (identity.clone(), std::mem::take(tally));
        let describe = || {
            let mut counts = Counts::of_reasons(folder.judge.reasons());
            let (mut rows, mut facts) = (RowsBySource::default(), PartFacts::default());
            let mut parts = Vec::new();
            for part in finished.iter() {
                counts.add(&part.record.counts);
                rows.add(part.rows.iter().copied());
                facts.add(&part.facts);
                parts.push(part.record.clone());
            }
            counts.check()?;
            let Identity { format, format_version, program, configuration: settings, hash, mut inputs } =
                identity;
            rows.enter(&mut inputs);
            let manifest = Cleaned {
                format,
                format_version,
                program,
                configuration: settings,
                hash,
                inputs,
                counts,
                parts,
            };
            let Tally { parts_found, parts_written, read_documents, read_text_bytes, seconds } = tally;
            let total = seconds.iter().map(|(_, seconds)| seconds).sum();
            let mut facts =
                run_facts::facts(configuration.threads, configuration.memory, width.threads(), total);
            facts["seconds_by_step"] =
                seconds.into_iter().map(|(step, seconds)| (step.to_owned(), json!(seconds))).collect();
            facts["seconds_by_stage"] = folder.progress.stages.seconds();
            facts["parts"] = json!({ "found_finished": parts_found, "written": parts_written });
            facts["read"] = json!({ "documents": read_documents, "text_bytes": read_text_bytes });
            facts["interruptions"] = json!(begun.saturating_sub(1));
            Ok((manifest, facts))
        };
        run.finish(&finished, &mut || watcher(folder.progress), describe)
    }
}

/// What the signatures of the parts tell.
#[derive(Default)]
struct Signed {
    /// Where each part begins, up to where `--limit` falls.
    starts: Vec<Start>,
    /// The keys: of `--against` first, then of the parts in their order.
    signatures: Vec<Signatures>,
    /// Parts without signatures.
    missing: Vec<usize>,
}

#[cfg(test)]
mod tests;
