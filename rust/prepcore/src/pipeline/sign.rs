//! The road that signs: parts are read and judged, and the keys of what passed are written.

use std::sync::atomic::{AtomicBool, Ordering};

use super::folder::CleanFolder;
use super::judge::Judged;
use super::looking::looking;
use super::pool::{Event, Reservation, Road, Step};
use crate::dedup::{Key, Run, SignatureWriter, SortedRun};
use crate::ledger::KeyFile;
use crate::resume::{FinishedParts, RunFolder};
use crate::source::{Address, Numbering, PartFacts, Remaining, Unit, UnitLines};
use crate::{Error, Result};

/// Bytes of a key while a run is gathered, sorted and encoded.
const KEY_WEIGHT: u64 = 96;
/// The share of the memory budget that one run may take, as a divisor. Two are in flight.
const RUN_SHARE: u64 = 16;

/// The road over the parts that have no signatures yet.
pub(crate) struct Sign<'a> {
    pub(crate) folder: &'a CleanFolder<'a>,
    pub(crate) remaining: &'a Remaining<'a>,
    /// Keys in a run at the most.
    pub(crate) run_keys: usize,
    pub(crate) limit: Option<u64>,
}

/// Keys in a run at the most, under a memory budget.
pub(crate) fn run_keys(memory: u64) -> usize {
    (memory / RUN_SHARE / KEY_WEIGHT) as usize
}

/// The keys of a unit.
pub(crate) struct Signed {
    keys: Vec<(Key, Address)>,
    lines: Option<UnitLines>,
    rows: u64,
}

/// What the ordered stage remembers.
pub(crate) struct SignOrder {
    part: usize,
    begun: bool,
    run: Run,
    facts: PartFacts,
    numbering: Numbering,
    /// Rows of all parts read here.
    rows: u64,
}

/// A run of a part, to sort or sorted.
pub(crate) struct PartRun<R> {
    part: usize,
    run: R,
    /// What was read of the part, where it ends with this run.
    close: Option<PartFacts>,
}

impl SignOrder {
    pub(crate) fn new(first: usize) -> Self {
        Self {
            part: first,
            begun: false,
            run: Run::default(),
            facts: PartFacts::default(),
            numbering: Numbering::new(None),
            rows: 0,
        }
    }

    fn begin(&mut self, remaining: &Remaining<'_>) {
        if !self.begun {
            self.begun = true;
            // Rows of a file that the part begins within are counted from the part's start: only the parts before
            // tell how many lines come before.
            let within = remaining.plan.source_within(self.part).map(|source| (source, 0));
            let start = remaining.start(self.part).map(|start| start.lines);
            self.numbering.restart(within.or(start).unwrap_or_default(), None);
        }
    }

    fn unit(&mut self, signed: Signed) {
        let mut before = 0;
        if let Some(lines) = signed.lines {
            before = self.numbering.lines_before(lines.source, lines.count);
            self.facts.add_lines(lines.source, lines.count);
        }
        self.facts.documents += signed.rows;
        self.rows += signed.rows;
        for (key, address) in signed.keys {
            self.run.push(key, Address { row: address.row + before, ..address });
        }
    }

    fn close(&mut self, next: Option<usize>) -> PartRun<Run> {
        let job = PartRun {
            part: self.part,
            run: std::mem::take(&mut self.run),
            close: Some(std::mem::take(&mut self.facts)),
        };
        (self.part, self.begun) = (next.unwrap_or(self.part + 1), false);
        job
    }
}

impl<'a> Road for Sign<'a> {
    type Source = Remaining<'a>;
    type Mapped = Signed;
    type Job = PartRun<Run>;
    type Done = PartRun<SortedRun>;
    type Order = SignOrder;
    type Writer = Signer<'a>;

    fn source(&self) -> &Remaining<'a> {
        self.remaining
    }

    fn map(&self, unit: Unit) -> Result<Signed> {
        let Judged { documents, keys, .. } = self.folder.judged(unit)?;
        let (lines, rows) = (documents.lines, documents.rows());
        let keys = keys.into_iter().zip(documents.addresses);
        Ok(Signed { keys: keys.filter_map(|(key, address)| Some((key?, address))).collect(), lines, rows })
    }

    fn order(&self, order: &mut SignOrder, event: Event<Signed>) -> Result<Step<PartRun<Run>>> {
        let mut step = Step::default();
        match event {
            Event::Unit(signed, held) => {
                order.begin(self.remaining);
                order.unit(signed);
                // The unit's documents are gone; its keys are counted by the run.
                drop::<Reservation>(held);
                if order.run.len() >= self.run_keys {
                    let run = std::mem::take(&mut order.run);
                    step.jobs.push(PartRun { part: order.part, run, close: None });
                }
            }
            Event::SegmentEnd(number) => {
                order.begin(self.remaining);
                let part_of = |number| Some(self.remaining.plan.part_of(self.remaining.segment(number)?));
                let next = part_of(number + 1);
                if next != part_of(number) {
                    step.jobs.push(order.close(next));
                    step.stop = self.limit.is_some_and(|limit| order.rows >= limit);
                }
            }
            Event::End => {
                if self.remaining.len() == 0 {
                    step.jobs.push(order.close(None));
                }
            }
        }
        Ok(step)
    }

    fn finish(&self, job: PartRun<Run>) -> Result<PartRun<SortedRun>> {
        Ok(PartRun { part: job.part, run: job.run.sort(), close: job.close })
    }

    fn write(&self, writer: &mut Signer<'a>, done: PartRun<SortedRun>) -> Result<()> {
        let mut open = match writer.open.take() {
            Some(open) => open,
            None => writer.begin(done.part, || match writer.stopping.load(Ordering::Relaxed) {
                true => Err(Error::Cancelled),
                false => Ok(()),
            })?,
        };
        open.append(&done.run)?;
        match done.close {
            None => writer.open = Some(open),
            Some(read) => {
                let mut facts = writer.finished.facts(done.part);
                facts.add(&read);
                open.commit(facts, writer.folder.plan.source_within(done.part))?;
            }
        }
        Ok(())
    }
}

/// Writes signature files.
pub(crate) struct Signer<'a> {
    folder: &'a CleanFolder<'a>,
    run: &'a RunFolder,
    finished: &'a FinishedParts,
    run_keys: usize,
    /// Set once the pool is ending.
    stopping: &'a AtomicBool,
    open: Option<SignatureWriter>,
}

impl<'a> Signer<'a> {
    pub(crate) fn new(
        folder: &'a CleanFolder<'a>,
        run: &'a RunFolder,
        finished: &'a FinishedParts,
        run_keys: usize,
        stopping: &'a AtomicBool,
    ) -> Self {
        Self { folder, run, finished, run_keys, stopping, open: None }
    }

    /// Signs a finished part by its keys: its input is not read again.
    pub(crate) fn sign_finished(&self, part: usize, look: impl FnMut() -> Result<()>) -> Result<()> {
        let writer = self.begin(part, look)?;
        // Rows of finished parts are counted from the file's start.
        writer.commit(self.finished.facts(part), None)
    }

    /// Signs a key file of a folder of `--against`.
    pub(crate) fn sign_against(&self, file: usize, look: impl FnMut() -> Result<()>) -> Result<()> {
        let mut writer = SignatureWriter::create(against_path(self.run, file))?;
        self.append(&mut writer, looking(self.folder.against.keys(file)?, look))?;
        writer.commit(PartFacts::default(), None)
    }

    /// Begins a part with the keys of its finished pieces.
    fn begin(&self, part: usize, mut look: impl FnMut() -> Result<()>) -> Result<SignatureWriter> {
        let mut writer = SignatureWriter::create(part_path(self.run, part))?;
        for piece in self.finished.pieces(part) {
            look()?;
            let keys = KeyFile::open(&self.run.ledger(), &piece.cleaned()?.keys)?.keys();
            self.append(&mut writer, looking(keys, &mut look))?;
        }
        Ok(writer)
    }

    fn append(
        &self,
        writer: &mut SignatureWriter,
        keys: impl Iterator<Item = Result<(Key, Address)>>,
    ) -> Result<()> {
        let mut run = Run::default();
        for pair in keys {
            let (key, address) = pair?;
            run.push(key, address);
            if run.len() >= self.run_keys {
                writer.append(&std::mem::take(&mut run).sort())?;
            }
        }
        writer.append(&run.sort())
    }
}

/// Where the signatures of a part lie.
pub(crate) fn part_path(run: &RunFolder, part: usize) -> std::path::PathBuf {
    run.path(&format!("signatures/part-{part:05}.keys"))
}

/// Where the signatures of a key file of a folder of `--against` lie.
pub(crate) fn against_path(run: &RunFolder, file: usize) -> std::path::PathBuf {
    run.path(&format!("signatures/against-{file:05}.keys"))
}
