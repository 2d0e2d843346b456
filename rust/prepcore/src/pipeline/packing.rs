//! A run of `pack` into a folder: it goes on from the parts that are finished.

use serde_json::json;

use super::arrange::arrange;
use super::pool::{self, Width};
use super::tally::{Means, Tally};
use super::token_folder::{PackFolder, PackOrder, PackRoad, PackWriter};
use super::token_part::Rests;
use super::tokenization::Tokenization;
use super::{Activity, Outcome, Watcher};
use crate::config::{Pack, resolve_threads};
use crate::manifest::RowsBySource;
use crate::pack::{Counts, EncoderRecord, Packed, SplitRecord, TokenPart, TokenizerRecord};
use crate::resume::{FinishedParts, Identity, RunFolder};
use crate::sink::{Sources, TokenWidth};
use crate::source::Remaining;
use crate::{Error, Result};

/// Where the tokenizer is copied to, within the token folder.
const TOKENIZER: &str = "tokenizer";

#[cfg(test)]
pub(super) mod tests;

/// A run at work.
pub(crate) struct Packing<'a> {
    configuration: &'a Pack,
    folder: &'a PackFolder<'a>,
    tokenization: &'a Tokenization,
    identity: Identity,
    run: RunFolder,
    width: Width,
    tally: Tally,
}

impl<'a> Packing<'a> {
    pub(crate) fn new(
        configuration: &'a Pack,
        folder: &'a PackFolder<'a>,
        tokenization: &'a Tokenization,
        identity: Identity,
        run: RunFolder,
    ) -> Self {
        let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
        Self { configuration, folder, tokenization, identity, run, width, tally: Tally::default() }
    }

    /// Runs to the end.
    pub(crate) fn run(mut self, watcher: Watcher<'_>) -> Result<Outcome<Packed>> {
        let ended = match self.work(&mut *watcher) {
            Ok(()) => self.finish(watcher),
            Err(error) => Err(self.folder.plan.explained(error)),
        };
        if ended.is_err() {
            self.run.abandon();
        }
        ended.map(Outcome::Finished)
    }

    fn work(&mut self, watcher: Watcher<'_>) -> Result<()> {
        let plan = self.folder.plan;
        let (finished, _) = self.run.finished()?;
        let start = finished.first_left(plan);
        // Where rows are cut as they are written, a part depends on those before it.
        let finished = finished.before(&start);
        self.tally.parts_found = finished.iter().count();
        let limit = self.configuration.limit;
        let is_full = limit.is_some_and(|limit| start.documents >= limit) && !finished.is_empty();
        if start.part.number == plan.parts.len() || is_full {
            return Ok(());
        }
        let remaining = Remaining::new(plan, start.part.number..plan.parts.len(), &[start]);
        let rests = Rests::after(finished.last(), self.run.out())?;
        let progress = self.folder.progress;
        let clock = Tally::begin(progress, Activity::Whole, &remaining);
        let road = PackRoad { folder: self.folder, remaining: &remaining };
        let order = PackOrder::new(&remaining, limit);
        let writer = PackWriter::new(self.folder, &mut self.run, rests)?;
        let ran = pool::run(&road, self.width, order, writer, progress, watcher);
        let written = ran.map(|(_, writer)| writer.written());
        self.tally.end(progress, "pack", clock);
        self.tally.parts_written += written?;
        Ok(())
    }

    /// Writes what belongs to all parts together, and the manifest.
    fn finish(&mut self, watcher: Watcher<'_>) -> Result<Packed> {
        let (finished, begun) = self.run.finished()?;
        let tally = std::mem::take(&mut self.tally);
        let progress = self.folder.progress;
        let complete = |look: &mut dyn FnMut() -> Result<()>| {
            let mut manifest = self.manifest(&finished)?;
            complete_folder(&self.run, &finished, self.tokenization, &mut *look)?;
            arrange(self.configuration, self.tokenization, &self.run, &mut manifest, look)?;
            let means = Means {
                threads_asked_for: self.configuration.threads,
                threads: self.width.threads(),
                memory: self.configuration.memory,
            };
            Ok((manifest, tally.facts(&means, self.folder.plan, progress, begun)))
        };
        let manifest = self.run.finish(&mut || watcher(progress), complete)?;
        manifest.ok_or_else(|| Error::Internal("another process has finished a run of this one alone".into()))
    }

    fn manifest(&self, finished: &FinishedParts) -> Result<Packed> {
        let mut rows = RowsBySource::default();
        finished.iter().for_each(|part| rows.add(part.rows.iter().copied()));
        let mut identity = self.identity.clone();
        rows.enter(&mut identity.inputs);
        let documents = identity.inputs.iter().map(|input| input.rows).sum();
        describe(self.configuration, self.tokenization, identity, finished, documents)
    }
}

/// Writes what belongs to all parts of a token folder together: the rows that have no tokens, where documents came
/// from, the tokenizer.
pub(crate) fn complete_folder(
    run: &RunFolder,
    finished: &FinishedParts,
    tokenization: &Tokenization,
    look: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let parts: Vec<&TokenPart> = finished.iter().map(|part| part.packed()).collect::<Result<_>>()?;
    let not_packed = parts.iter().filter_map(|part| part.not_packed.as_ref());
    run.join(not_packed, run.out().join("unreadable.jsonl"), &mut *look)?;
    join_sources(run, &parts, look)?;
    tokenization.folder.copy_to(&run.out().join(TOKENIZER))
}

/// Writes `sources.parquet` of the parts.
fn join_sources(run: &RunFolder, parts: &[&TokenPart], look: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let mut sources = Sources::create(run.out())?;
    let mut documents = 0;
    for part in parts {
        documents += part.documents();
        sources.add(&run.out().join(&part.sources.path), &mut *look)?;
    }
    let rows = sources.finish()?;
    if rows == documents {
        return Ok(());
    }
    Err(Error::Internal(format!("{documents} documents were packed, but {rows} have a source")))
}

/// The manifest of a run of which these parts are all, once both of its sums hold; so many documents were read.
pub(crate) fn describe(
    configuration: &Pack,
    tokenization: &Tokenization,
    identity: Identity,
    finished: &FinishedParts,
    documents: u64,
) -> Result<Packed> {
    let parts: Vec<&TokenPart> = finished.iter().map(|part| part.packed()).collect::<Result<_>>()?;
    let length = configuration.sequence_length;
    let training = SplitRecord::of_parts(parts.iter().map(|part| &part.training), length)?;
    let validation = SplitRecord::of_parts(parts.iter().map(|part| &part.validation), length)?;
    let unreadable = parts.iter().map(|part| part.unreadable).sum();
    let counts = Counts {
        documents,
        training: training.ledger.documents,
        validation: validation.ledger.documents,
        unreadable,
    };
    counts.check()?;
    for split in [&training, &validation] {
        split.ledger.check(length)?;
    }
    let vocabulary_size = tokenization.encoder.vocabulary_size();
    let tokens_per_byte = match training.ledger.bytes {
        0 => 0.0,
        bytes => training.ledger.tokens as f64 / bytes as f64,
    };
    let Identity { format, format_version, program, configuration: settings, inputs } = identity;
    Ok(Packed {
        format,
        format_version,
        program,
        configuration: settings,
        inputs,
        cleaning: None,
        tokenizer: TokenizerRecord {
            path: TOKENIZER.into(),
            fingerprint: tokenization.folder.fingerprint(),
            vocabulary_size: vocabulary_size as u64,
        },
        special: tokenization.special.clone(),
        special_tokens: word(&configuration.special_tokens),
        encoder: EncoderRecord {
            name: tokenization.encoder.name().into(),
            proof: tokenization.encoder.proof().into(),
        },
        dtype: TokenWidth::of_vocabulary(vocabulary_size).dtype().into(),
        sequence_length: length,
        packing: word(&configuration.packing),
        counts,
        unreadable,
        tokens_per_byte,
        training,
        validation: (configuration.validation > 0.0).then_some(validation),
        statistics: None,
    })
}

/// A choice as users write it.
fn word(choice: &impl serde::Serialize) -> String {
    json!(choice).as_str().unwrap_or_default().to_owned()
}
