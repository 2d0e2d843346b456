//! Judging: what parallel work says of a unit's documents, and what order adds to it.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray, RecordBatch};
use serde_json::{Map, Value};

use super::budget::Budget;
use super::grouping::Grouped;
use super::looking::looking;
use super::rewriting::{Changes, rewrite};
use super::scores::ScoreColumns;
use crate::Result;
use crate::config::{Clean, Condition, Dedup, DedupKey};
use crate::dedup::{Against, Duplicates, Key, Keyer, PartDuplicates, Seen, Twin};
use crate::ledger::{AGAINST, DUPLICATE, Fate, WHERE};
use crate::manifest::{CheckRecord, Counts};
use crate::rule::{Finding, Models, RuleSet, Scores, Verdict};
use crate::source::{Address, Documents, Numbering, Plan, Start};

/// The share of the memory budget that the keys seen may take, as a divisor.
const KEYS_SHARE: u64 = 2;

/// Judges units, each alone.
pub(crate) struct Judge {
    rules: RuleSet,
    condition: Option<Condition>,
    models: Models,
    /// Whether models judge what deduplication leaves. The result is the same where the key is the exact text, and
    /// costs less.
    models_last: bool,
    /// Whether what models found is kept.
    keep_scores: bool,
    keyer: Keyer,
    /// The number of the text column.
    text: usize,
    /// What documents are counted under that were seen before, in this input or elsewhere.
    repeats: &'static [&'static str],
    /// Counts of nothing, every reason and every kind of rewriting named.
    nothing: Counts,
}

/// A unit with the verdict on each of its documents, and the keys of those that passed.
pub(crate) struct Judged {
    pub(crate) documents: Documents,
    changes: Changes,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) keys: Vec<Option<Key>>,
    scores: Vec<Option<Scores>>,
}

impl Judge {
    pub(crate) fn new(configuration: &Clean, plan: &Plan) -> Result<Self> {
        let keyer = Keyer::new(&configuration.dedup_key, &plan.schema)?;
        let repeats = if configuration.against.is_empty() { &[DUPLICATE][..] } else { &[DUPLICATE, AGAINST] };
        let condition = configuration.condition.clone();
        if let Some(condition) = &condition {
            // What it refuses, such as a column that is not there, is found before the work starts.
            condition.keep(&RecordBatch::new_empty(Arc::clone(&plan.schema)))?;
        }
        let mut judge = Self {
            rules: RuleSet::new(&configuration.rules)?,
            condition,
            models: Models::open(configuration)?,
            models_last: configuration.dedup_key == DedupKey::Exact,
            keep_scores: configuration.keep_scores,
            keyer,
            text: plan.text_index(),
            repeats,
            nothing: Counts::default(),
        };
        judge.nothing = judge.counts_of_nothing();
        Ok(judge)
    }

    /// Counts of nothing, every reason and every kind of rewriting named.
    pub(crate) fn counts(&self) -> Counts {
        self.nothing.clone()
    }

    fn counts_of_nothing(&self) -> Counts {
        let mut counts = Counts::of_reasons(self.checks().iter().map(|check| check.reason.as_str()));
        counts.rewritten = self.rules.kinds().map(|(rule, kind)| (format!("{rule}.{kind}"), 0)).collect();
        counts
    }

    /// Every check in the order in which they are tried.
    pub(crate) fn checks(&self) -> Vec<CheckRecord> {
        let mut checks: Vec<_> = self.rules.checks().map(CheckRecord::of_rule).collect();
        checks.extend(self.condition.iter().map(|_| CheckRecord::of_reason(WHERE)));
        let models = self.models.checks().map(CheckRecord::of_rule);
        let repeats = self.repeats.iter().map(|reason| CheckRecord::of_reason(reason));
        if self.models_last {
            checks.extend(repeats.chain(models));
        } else {
            checks.extend(models.chain(repeats));
        }
        checks
    }

    /// The columns that models add to the documents kept.
    pub(crate) fn score_columns(&self) -> ScoreColumns {
        if self.keep_scores { ScoreColumns::new(&self.models) } else { ScoreColumns::default() }
    }

    /// Threads and memory of a run.
    pub(crate) fn budget(&self, configuration: &Clean) -> Budget {
        Budget::new(configuration, &self.models)
    }

    /// The checksums of the files that rules read, by rule.
    pub(crate) fn files(&self) -> Map<String, Value> {
        let mut files = self.rules.fingerprints().clone();
        files.extend(self.models.fingerprints());
        files
    }

    /// Rewrites and judges a unit.
    pub(crate) fn judge(&self, documents: Documents) -> Result<Judged> {
        let (documents, changes) = rewrite(&self.rules, self.text, documents)?;
        let asked = self.condition.as_ref().map(|condition| condition.keep(&documents.batch)).transpose()?;
        let keyer = self.keyer.unit(documents.batch.columns())?;
        let mut verdicts = Vec::with_capacity(documents.len());
        let mut keys = Vec::with_capacity(documents.len());
        let mut scores = Vec::new();
        for row in 0..documents.len() {
            // Texts were checked for nulls when the unit was read.
            let text = documents.text.get(row).unwrap_or_default();
            let refused = asked.as_ref().is_some_and(|keep| !(keep.is_valid(row) && keep.value(row)));
            let mut verdict = self.rules.judge(text).or_else(|| refused.then(not_met));
            if !self.models_last && verdict.is_none() {
                verdict = self.ask_models(row, text, &mut scores);
            }
            keys.push(if verdict.is_none() { keyer.key(row, text) } else { None });
            verdicts.push(verdict);
        }
        Ok(Judged { documents, changes, verdicts, keys, scores })
    }

    /// Judges by models what deduplication left, where they come last.
    pub(crate) fn judge_kept(&self, decided: &mut Decided) {
        if !self.models_last || self.models.is_empty() {
            return;
        }
        for (row, fate) in decided.fates.iter_mut().enumerate().filter(|(_, fate)| **fate == Fate::Kept) {
            let text = decided.documents.text.get(row).unwrap_or_default();
            if let Some(finding) = self.ask_models(row, text, &mut decided.scores) {
                *fate = Fate::Judged(finding);
            }
        }
    }

    fn ask_models(&self, row: usize, text: &str, scores: &mut Vec<Option<Scores>>) -> Verdict {
        match self.models.judge(text) {
            Err(finding) => return Some(finding),
            Ok(_) if !self.keep_scores => {}
            Ok(found) => {
                scores.resize(scores.len().max(row + 1), None);
                scores[row] = Some(found);
            }
        }
        None
    }
}

/// What is said of a document that does not meet `--where`.
fn not_met() -> Finding {
    Finding { reason: WHERE, value: None, threshold: None, detail: None }
}

/// How duplicates are found.
pub(crate) enum Deduplication<'a> {
    /// Not at all.
    Off,
    /// By the keys seen so far, which may take so many bytes.
    Memory { seen: Box<Seen>, budget: u64 },
    /// By what was resolved on disk, part by part.
    Disk { duplicates: &'a Duplicates, part: Option<PartDuplicates<'a>> },
}

impl Deduplication<'_> {
    /// An empty set of keys, or none where `--dedup off` asks for none.
    pub(crate) fn in_memory(dedup: Dedup, memory: u64) -> Self {
        match dedup {
            Dedup::Off => Self::Off,
            _ => Self::Memory { seen: Box::default(), budget: memory / KEYS_SHARE },
        }
    }

    /// Whether the keys take more than they may.
    pub(crate) fn is_over_budget(&self) -> bool {
        matches!(self, Self::Memory { seen, budget } if seen.bytes() as u64 > *budget)
    }

    /// Takes in the keys of the folders of `--against`, which come before all documents of the input. Stops where
    /// the budget is spent.
    pub(crate) fn learn(&mut self, against: &Against, mut look: impl FnMut() -> Result<()>) -> Result<()> {
        for file in 0..against.files() {
            look()?;
            self.remember(looking(against.keys(file)?, &mut look), Twin::Against)?;
        }
        Ok(())
    }

    /// Takes in keys of documents that are twins of a kind. Stops where the budget is spent.
    pub(crate) fn remember(
        &mut self,
        keys: impl Iterator<Item = Result<(Key, Address)>>,
        kind: fn(Address) -> Twin,
    ) -> Result<()> {
        for pair in keys {
            if self.is_over_budget() {
                return Ok(());
            }
            let Self::Memory { seen, .. } = self else { return Ok(()) };
            let (key, address) = pair?;
            seen.insert_twin(key, kind(address));
        }
        Ok(())
    }

    fn twin(&mut self, key: Key, address: Address) -> Result<Option<Twin>> {
        match self {
            Self::Off | Self::Disk { part: None, .. } => Ok(None),
            Self::Memory { seen, .. } => Ok(seen.insert(key, address)),
            Self::Disk { part: Some(part), .. } => part.twin(address),
        }
    }
}

/// What must be decided in input order: line numbers, `--limit`, and which document of a key came first.
pub(crate) struct Decide<'a> {
    deduplication: Deduplication<'a>,
    numbering: Numbering,
    limit: Option<u64>,
}

/// A unit whose documents' fates are known.
pub(crate) struct Decided {
    pub(crate) documents: Documents,
    changes: Changes,
    pub(crate) fates: Vec<Fate>,
    pub(crate) keys: Vec<Option<Key>>,
    scores: Vec<Option<Scores>>,
}

impl<'a> Decide<'a> {
    pub(crate) fn new(limit: Option<u64>, deduplication: Deduplication<'a>) -> Self {
        Self { deduplication, numbering: Numbering::new(limit), limit }
    }

    /// Goes on at the start of a part; `start` tells what lies before it where the part before does not.
    pub(crate) fn begin_part(&mut self, number: usize, start: Option<&Start>) -> Result<()> {
        if let Some(start) = start {
            let remaining = self.limit.map(|limit| limit.saturating_sub(start.documents));
            self.numbering.restart(start.lines, remaining);
        }
        if let Deduplication::Disk { duplicates, part } = &mut self.deduplication {
            *part = Some(duplicates.of_part(number)?);
        }
        Ok(())
    }

    /// Whether `--limit` is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.numbering.is_full()
    }

    /// Whether the keys take more memory than they may.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.deduplication.is_over_budget()
    }

    /// Decides a unit; units must come in input order.
    pub(crate) fn decide(&mut self, judged: Judged) -> Result<Decided> {
        let Judged { mut documents, changes, mut verdicts, mut keys, scores } = judged;
        self.numbering.number(&mut documents);
        verdicts.truncate(documents.len());
        keys.truncate(documents.len());
        let mut fates = Vec::with_capacity(documents.len());
        for ((verdict, key), address) in verdicts.into_iter().zip(&keys).zip(&documents.addresses) {
            fates.push(match (verdict, key) {
                (Some(finding), _) => Fate::Judged(finding),
                (None, None) => Fate::Kept,
                (None, Some(key)) => match self.deduplication.twin(*key, *address)? {
                    None => Fate::Kept,
                    Some(Twin::Input(twin)) => Fate::Duplicate(twin),
                    Some(Twin::Against(twin)) => Fate::Against(twin),
                },
            });
        }
        Ok(Decided { documents, changes, fates, keys, scores })
    }
}

impl Grouped for Decided {
    fn documents(&self) -> &Documents {
        &self.documents
    }
}

impl Decided {
    /// What became of the unit's rows.
    pub(crate) fn counts(&self, judge: &Judge) -> Counts {
        let mut counts = judge.counts();
        let kept = |row: usize| self.fates.get(row).is_some_and(|fate| *fate == Fate::Kept);
        let sums = self.changes.counts(counts.rewritten.len(), kept);
        judge.rules.kinds().zip(sums).for_each(|((rule, kind), sum)| {
            counts.rewritten.insert(format!("{rule}.{kind}"), sum);
        });
        for (row, fate) in self.fates.iter().enumerate() {
            match fate.reason() {
                None => {
                    counts.kept += 1;
                    counts.kept_text_bytes += self.documents.text.bytes(row);
                }
                Some(reason) => counts.drop_for(reason),
            }
        }
        counts.unreadable = self.documents.unreadable_rows();
        counts.documents = self.documents.rows();
        counts.text_bytes = self.documents.bytes;
        counts
    }

    /// Adds what models found to the documents; the ledger holds them without.
    pub(crate) fn add_scores(&mut self, columns: &ScoreColumns) -> Result<()> {
        columns.add(&mut self.documents, &self.scores)
    }

    /// The documents that stay.
    pub(crate) fn keep(&self) -> BooleanArray {
        self.fates.iter().map(|fate| Some(*fate == Fate::Kept)).collect()
    }
}
