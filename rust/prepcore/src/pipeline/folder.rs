//! The road of `clean` into a folder: parts of row groups, and their ledger.

use std::fs;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;

use super::Progress;
use super::judge::{Decide, Decided, Judge, Judged};
use super::pool::{Event, Reservation, Road, Step};
use crate::config::Clean;
use crate::ledger::{self, Fate, KEYS_HEADER};
use crate::manifest::{Counts, FileRecord, PartRecord, RowsBySource};
use crate::sink::{
    self, AtomicFile, Chunks, DocumentFile, DocumentSink, ParquetFile, ParquetSink, Piece, Written,
};
use crate::source::{Part, PartCursor, Plan, UNIT_BYTES, UNIT_ROWS, Unit, UnreadableLine};
use crate::{Error, Result};

/// The road and what all its tasks share.
pub(crate) struct CleanFolder<'a> {
    plan: &'a Plan,
    judge: Judge,
    out: PathBuf,
    progress: &'a Progress,
    documents: DocumentSink,
    dropped: ParquetSink,
    dropped_schema: SchemaRef,
}

/// Consecutive units of one part that become one row group: small ones share it, up to [`UNIT_BYTES`].
#[derive(Default)]
pub(crate) struct Grouping {
    cursor: PartCursor,
    part: Part,
    units: Vec<(Decided, Reservation)>,
    bytes: u64,
    rows: usize,
    /// Whether the part has been handed on, at least in part.
    begun: bool,
}

/// A row group to encode.
pub(crate) struct Job {
    part: Part,
    units: Vec<(Decided, Reservation)>,
    /// Whether the part ends with it.
    close: bool,
}

/// An encoded row group, and what the ledger says of its documents.
pub(crate) struct Done {
    part: Part,
    close: bool,
    documents: Piece,
    dropped: Option<Chunks>,
    keys: Vec<u8>,
    unreadable: Vec<u8>,
    counts: Counts,
    rows: RowsBySource,
    _held: Vec<Reservation>,
}

impl<'a> CleanFolder<'a> {
    pub(crate) fn new(
        configuration: &Clean,
        plan: &'a Plan,
        out: &Path,
        progress: &'a Progress,
    ) -> Result<Self> {
        let decoded = plan.decoded_schema();
        let text = plan.schema.field(plan.text_index()).name();
        let kept = configuration.keep_dropped;
        let dropped_schema = ledger::dropped_schema(kept.then_some(decoded));
        let declared = ledger::dropped_schema(kept.then_some(&plan.schema));
        let level = configuration.compression_level;
        Ok(Self {
            plan,
            judge: Judge::new(configuration, plan)?,
            out: out.to_path_buf(),
            progress,
            documents: DocumentSink::new(configuration, plan)?,
            dropped: ParquetSink::new(&dropped_schema, &declared, &[&["document", text]], level)?,
            dropped_schema,
        })
    }

    /// After a failure: removes the folders that hold nothing, so that the same command can be given again.
    pub(crate) fn remove_empty(&self) {
        sink::remove_empty([self.out.join("keys"), self.out.join("dropped"), self.out.clone()]);
    }

    fn keys(decided: &Decided, keys: &mut Vec<u8>) {
        let documents = decided.documents.addresses.iter().zip(&decided.keys).zip(&decided.fates);
        for ((address, key), fate) in documents {
            if *fate == Fate::Kept {
                keys.extend_from_slice(&ledger::key_record(*key, *address, true));
            }
        }
    }
}

impl Grouping {
    /// Takes the next unit; gives the row groups that it ends.
    fn unit(&mut self, plan: &Plan, decided: Decided, held: Reservation, jobs: &mut Vec<Job>) {
        let bytes = decided.documents.bytes;
        let part = self.cursor.unit(plan, bytes);
        self.go_to(part, jobs);
        let rows = decided.documents.len();
        if !self.units.is_empty() && (self.bytes + bytes > UNIT_BYTES || self.rows + rows > UNIT_ROWS) {
            jobs.push(self.flush(false));
        }
        self.bytes += bytes;
        self.rows += rows;
        self.units.push((decided, held));
    }

    /// Ends the part where another begins.
    fn go_to(&mut self, part: Part, jobs: &mut Vec<Job>) {
        if part != self.part {
            jobs.push(self.flush(true));
            self.part = part;
        }
    }

    fn flush(&mut self, close: bool) -> Job {
        self.begun = !close;
        self.bytes = 0;
        self.rows = 0;
        Job { part: self.part, units: std::mem::take(&mut self.units), close }
    }
}

impl Road for CleanFolder<'_> {
    type Source = Plan;
    type Mapped = Judged;
    type Job = Job;
    type Done = Done;
    type Order = (Decide, Grouping);
    type Writer = FolderWriter;

    fn source(&self) -> &Plan {
        self.plan
    }

    fn map(&self, unit: Unit) -> Result<Judged> {
        let documents = self.plan.documents(unit)?;
        Progress::add(&self.progress.documents, documents.rows());
        Progress::add(&self.progress.unreadable, documents.unreadable_rows());
        Progress::add(&self.progress.bytes, documents.bytes);
        self.judge.judge(documents)
    }

    fn order(&self, (decide, grouping): &mut Self::Order, event: Event<Judged>) -> Result<Step<Job>> {
        let mut step = Step::default();
        match event {
            Event::Unit(judged, held) => {
                grouping.unit(self.plan, decide.decide(judged), held, &mut step.jobs);
                step.stop = decide.is_full();
            }
            Event::SegmentEnd(segment) => {
                grouping.cursor.segment_end(self.plan, segment);
                grouping.go_to(grouping.cursor.part(), &mut step.jobs);
            }
            // An input without segments, or one that --limit cut short, still ends its part.
            Event::End => {
                if grouping.begun || !grouping.units.is_empty() || grouping.part == Part::default() {
                    step.jobs.push(grouping.flush(true));
                }
            }
        }
        Ok(step)
    }

    fn finish(&self, job: Job) -> Result<Done> {
        let mut counts = Counts::of_reasons(self.judge.reasons());
        let mut rows = RowsBySource::default();
        let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
        let mut dropped = Vec::with_capacity(job.units.len());
        for (decided, _) in &job.units {
            counts.add(&decided.counts(self.judge.reasons()));
            rows.count(&decided.documents);
            Self::keys(decided, &mut keys);
            for row in &decided.documents.unreadable {
                unreadable.extend(UnreadableLine::encode(row, &self.plan.files)?);
            }
            dropped.push(ledger::dropped_batch(&self.dropped_schema, &decided.documents, &decided.fates)?);
        }
        let kept: Vec<_> =
            job.units.iter().map(|(decided, _)| (&decided.documents, decided.keep())).collect();
        let documents = self.documents.encode(&kept)?;
        drop(kept);
        let dropped = self.dropped.encode(&dropped)?;
        Progress::add(&self.progress.kept, counts.kept);
        let _held = job.units.into_iter().map(|(_, held)| held).collect();
        Ok(Done {
            part: job.part,
            close: job.close,
            documents,
            dropped,
            keys,
            unreadable,
            counts,
            rows,
            _held,
        })
    }

    fn write(&self, writer: &mut FolderWriter, done: Done) -> Result<()> {
        writer.write(self, done)
    }
}

/// Appends to the open part and commits it when it ends.
pub(crate) struct FolderWriter {
    open: Option<OpenPart>,
    parts: Vec<PartRecord>,
    counts: Counts,
    rows: RowsBySource,
    unreadable: AtomicFile,
}

struct OpenPart {
    stem: String,
    documents: DocumentFile,
    keys: AtomicFile,
    dropped: ParquetFile,
    counts: Counts,
}

impl FolderWriter {
    pub(crate) fn create(folder: &CleanFolder<'_>) -> Result<Self> {
        for name in ["keys", "dropped"] {
            let path = folder.out.join(name);
            fs::create_dir_all(&path).map_err(|source| Error::io(&path, "make", source))?;
        }
        Ok(Self {
            open: None,
            parts: Vec::new(),
            counts: Counts::of_reasons(folder.judge.reasons()),
            rows: RowsBySource::default(),
            unreadable: AtomicFile::create(folder.out.join("unreadable.jsonl"))?,
        })
    }

    fn write(&mut self, folder: &CleanFolder<'_>, done: Done) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenPart::create(folder, done.part)?,
        };
        open.documents.append(done.documents)?;
        open.dropped.append(done.dropped)?;
        open.keys.append(&done.keys)?;
        open.counts.add(&done.counts);
        self.unreadable.append(&done.unreadable)?;
        self.rows.add_all(&done.rows);
        if done.close {
            self.counts.add(&open.counts);
            self.parts.push(open.commit(folder)?);
        } else {
            self.open = Some(open);
        }
        Ok(())
    }

    /// Commits what belongs to the whole run.
    pub(crate) fn finish(self) -> Result<(Counts, Vec<PartRecord>, RowsBySource)> {
        self.unreadable.commit()?;
        Ok((self.counts, self.parts, self.rows))
    }
}

impl OpenPart {
    fn create(folder: &CleanFolder<'_>, part: Part) -> Result<Self> {
        let stem = part.stem("part");
        let mut keys = AtomicFile::create(folder.out.join(format!("keys/{stem}.keys")))?;
        keys.append(&KEYS_HEADER)?;
        let dropped = AtomicFile::create(folder.out.join(format!("dropped/{stem}.parquet")))?;
        let documents =
            folder.documents.start(&folder.out.join(format!("{stem}.{}", folder.documents.suffix())))?;
        let counts = Counts::of_reasons(folder.judge.reasons());
        Ok(Self { stem, documents, keys, dropped: folder.dropped.start(dropped)?, counts })
    }

    fn commit(self, folder: &CleanFolder<'_>) -> Result<PartRecord> {
        let Self { stem, documents, keys, dropped, counts } = self;
        counts.check()?;
        let dropped_rows = dropped.rows();
        let record =
            |path: String, rows, Written { bytes, checksum }| FileRecord { path, rows, bytes, checksum };
        let dropped = record(format!("dropped/{stem}.parquet"), dropped_rows, dropped.commit()?);
        let keys = record(format!("keys/{stem}.keys"), counts.kept, keys.commit()?);
        let (written, rows) = documents.commit()?;
        let kept = record(format!("{stem}.{}", folder.documents.suffix()), rows, written);
        if (kept.rows, dropped.rows) != (counts.kept, counts.dropped_total()) {
            return Err(Error::Internal(format!(
                "{stem}: {} documents and {} ledger rows were written, but {} were kept and {} dropped",
                kept.rows,
                dropped.rows,
                counts.kept,
                counts.dropped_total()
            )));
        }
        Ok(PartRecord { kept, keys, dropped, counts })
    }
}
