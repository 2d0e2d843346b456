//! Judging: what parallel work says of a unit's documents, and what order adds to it.

use arrow_array::BooleanArray;

use crate::Result;
use crate::config::{Clean, Dedup};
use crate::dedup::{Key, Keyer, Seen};
use crate::ledger::{DUPLICATE, Fate};
use crate::manifest::Counts;
use crate::rule::{RuleSet, Verdict};
use crate::source::{Documents, Numbering, Plan};

/// Judges units, each alone.
pub(crate) struct Judge {
    rules: RuleSet,
    keyer: Keyer,
}

/// A unit with the verdict on each of its documents, and the keys of those that passed.
pub(crate) struct Judged {
    documents: Documents,
    verdicts: Vec<Verdict>,
    keys: Vec<Option<Key>>,
}

impl Judge {
    pub(crate) fn new(configuration: &Clean, plan: &Plan) -> Result<Self> {
        let keyer = Keyer::new(&configuration.dedup_key, &plan.schema)?;
        Ok(Self { rules: RuleSet::new(&configuration.rules), keyer })
    }

    /// Every reason a document can go for, in their order.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = &'static str> {
        self.rules.reasons().chain([DUPLICATE])
    }

    pub(crate) fn judge(&self, documents: Documents) -> Result<Judged> {
        let keyer = self.keyer.unit(documents.batch.columns())?;
        let mut verdicts = Vec::with_capacity(documents.len());
        let mut keys = Vec::with_capacity(documents.len());
        for row in 0..documents.len() {
            // Texts were checked for nulls when the unit was read.
            let text = documents.text.get(row).unwrap_or_default();
            let verdict = self.rules.judge(text);
            keys.push(if verdict.is_none() { keyer.key(row, text) } else { None });
            verdicts.push(verdict);
        }
        Ok(Judged { documents, verdicts, keys })
    }
}

/// What must be decided in input order: line numbers, `--limit`, and which document of a key came first.
pub(crate) struct Decide {
    seen: Option<Seen>,
    numbering: Numbering,
}

/// A unit whose documents' fates are known.
pub(crate) struct Decided {
    pub(crate) documents: Documents,
    pub(crate) fates: Vec<Fate>,
    pub(crate) keys: Vec<Option<Key>>,
}

impl Decide {
    pub(crate) fn new(configuration: &Clean) -> Self {
        let seen = (configuration.dedup != Dedup::Off).then(Seen::default);
        Self { seen, numbering: Numbering::new(configuration.limit) }
    }

    /// Whether `--limit` is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.numbering.is_full()
    }

    /// Decides a unit; units must come in input order.
    pub(crate) fn decide(&mut self, judged: Judged) -> Decided {
        let Judged { mut documents, mut verdicts, mut keys } = judged;
        self.numbering.number(&mut documents);
        verdicts.truncate(documents.len());
        keys.truncate(documents.len());
        let fate =
            |((verdict, key), address): ((Verdict, &Option<Key>), _)| match (verdict, key, &mut self.seen) {
                (Some(finding), ..) => Fate::Judged(finding),
                (None, Some(key), Some(seen)) => {
                    seen.insert(*key, address).map_or(Fate::Kept, Fate::Duplicate)
                }
                _ => Fate::Kept,
            };
        let fates =
            verdicts.into_iter().zip(&keys).zip(documents.addresses.iter().copied()).map(fate).collect();
        Decided { documents, fates, keys }
    }
}

impl Decided {
    /// What became of the unit's rows; every reason is named.
    pub(crate) fn counts<'r>(&self, reasons: impl Iterator<Item = &'r str>) -> Counts {
        let mut counts = Counts::of_reasons(reasons);
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

    /// The documents that stay.
    pub(crate) fn keep(&self) -> BooleanArray {
        self.fates.iter().map(|fate| Some(*fate == Fate::Kept)).collect()
    }
}
