//! The three steps of deduplication on disk, over the parts and key ranges of one shard: see `dedup`.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::Cleaning;
use crate::config::{Dedup, Shard, Step, resolve_threads};
use crate::dedup::{Duplicates, DuplicatesWriter, PARTITIONS, Resolver, Signatures};
use crate::pipeline::each::each;
use crate::pipeline::judge::Deduplication;
use crate::pipeline::pool;
use crate::pipeline::sign::{self, Sign, SignOrder, Signer};
use crate::pipeline::tally::Tally;
use crate::pipeline::{Activity, Progress, Watcher};
use crate::resume::FinishedParts;
use crate::sink::fault;
use crate::source::{Before, Kind, Remaining, Start};
use crate::{Error, Result};

/// The share of the memory budget that resolving may take, as a divisor.
const RESOLVE_SHARE: u64 = 2;
/// Bytes of one range of keys while it is resolved, at the most: small enough to stop within a moment.
const RESOLVE_BYTES: u64 = 128 << 20;

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

impl Cleaning<'_> {
    /// The three steps over the parts of this shard, as far as others allow.
    pub(super) fn on_disk(&mut self, watcher: Watcher<'_>) -> Result<Option<Waiting>> {
        let step = self.configuration.step;
        let parts = self.folder.plan.parts.len();
        let (mut finished, _) = self.run.finished()?;
        if matches!(step, Step::Auto | Step::Sign) {
            self.sign(&finished, &mut *watcher)?;
        }
        let signed = self.signed(&finished)?;
        let files = self.folder.against.files();
        let unsigned: Vec<usize> = if self.is_deduplicated() {
            (0..files).filter(|file| !sign::against_path(&self.run, *file).exists()).collect()
        } else {
            Vec::new()
        };
        if !signed.missing.is_empty() || !unsigned.is_empty() {
            let missing: Vec<usize> = signed.missing.iter().chain(&unsigned).copied().collect();
            let waiting = self.waiting("sign", parts - signed.missing.len(), &missing);
            return self.required(step == Step::Resolve || step == Step::Emit, waiting);
        }
        if step == Step::Sign {
            return Ok(Some(self.waiting("resolve", 0, &[])));
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
        .hint(format!("still to come: shard {}", shards.join(", "))))
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
    fn sign(&mut self, finished: &FinishedParts, watcher: Watcher<'_>) -> Result<()> {
        if !self.needs_signatures() {
            return Ok(());
        }
        let plan = self.folder.plan;
        let shard = self.run.shard();
        let unsigned = (0..plan.parts.len()).filter(|part| shard.owns(*part));
        let unsigned: Vec<usize> =
            unsigned.filter(|part| !sign::part_path(&self.run, *part).exists()).collect();
        let run_keys = sign::run_keys(self.configuration.memory.bytes());
        let (whole, unread): (Vec<usize>, Vec<usize>) =
            unsigned.iter().partition(|part| finished.holds(**part));
        let starts: Vec<Start> =
            unread.iter().map(|part| finished.start(&Before::default(), plan, *part)).collect();
        let remaining = Remaining::new(plan, unread, &starts);
        let clock = Tally::begin(self.folder.progress, Activity::Sign, &remaining);
        let signer = Signer::new(self.folder, &self.run, finished, run_keys, remaining.stopping());
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
            pool::run(&road, self.budget.width, order, signer, self.folder.progress, watcher).map(|_| ())
        };
        self.tally.end(self.folder.progress, "sign", clock);
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
            signed.starts.push(finished.start(&before, plan, part));
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
            Progress::add(&progress.documents, keys);
            Progress::add(&progress.kept, keys - duplicates);
            Ok(())
        };
        each(threads, mine.len(), task, progress, watcher)?;
        writer.into_inner().unwrap_or_else(PoisonError::into_inner).commit(&mine)?;
        self.tally.took("resolve", clock);
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
}
