//! What is made of the token files of a run once all of them are there: their order, and rows.

use super::Lookout;
use super::rows::Shape;
use super::shuffle::Shuffle;
use super::token_part::VALIDATION;
use super::tokenization::Tokenization;
use crate::config::{DocumentOrder, Pack, Packing, resolve_threads};
use crate::pack::Packed;
use crate::resume::RunFolder;
use crate::sink::{SourceWriter, Sources, TokenWidth};
use crate::{Error, Result, statistics};

/// Puts the training documents in the order asked for, with `sources.parquet`, and lays documents in rows, where those
/// are not simply cut from the files; counts what lies in them; changes the manifest accordingly. A run that is stopped
/// here does this again.
///
/// # Errors
/// What the disk refuses or `look` returns, and [`Error::Internal`] where a document or a token goes missing.
pub(crate) fn arrange(
    configuration: &Pack,
    tokenization: &Tokenization,
    run: &RunFolder,
    manifest: &mut Packed,
    look: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let watcher = &mut |_: &_| look();
    let mut lookout = Lookout::new(watcher);
    if configuration.order == DocumentOrder::Shuffled {
        shuffle(configuration, run, manifest, &mut lookout)?;
    }
    if configuration.packing != Packing::Concatenate {
        let shape = Shape::of(configuration);
        shape.lay(run.out(), "", &mut manifest.training, &mut lookout)?;
        if let Some(validation) = &mut manifest.validation {
            shape.lay(run.out(), VALIDATION, validation, &mut lookout)?;
        }
    }
    let threads = resolve_threads(configuration.threads);
    let watcher = &mut |_: &_| lookout.look();
    manifest.statistics = statistics::of_packed(run.out(), manifest, &tokenization.folder, threads, watcher)?;
    Ok(())
}

fn shuffle(
    configuration: &Pack,
    run: &RunFolder,
    manifest: &mut Packed,
    lookout: &mut Lookout<'_>,
) -> Result<()> {
    let in_new_order = run.path("sources/shuffled.parquet");
    let mut sources = SourceWriter::create(in_new_order.clone())?;
    let shuffle = Shuffle {
        root: run.out(),
        split: &manifest.training,
        sources: &run.out().join("sources.parquet"),
        width: TokenWidth::of_vocabulary(manifest.tokenizer.vocabulary_size as usize),
        seed: configuration.seed,
        memory: configuration.memory.bytes(),
    };
    let shuffled = shuffle.run(|split, source, row| sources.append(split, source, row), lookout)?;
    let (_, documents) = sources.commit()?;
    let mut sources = Sources::create(run.out())?;
    sources.add(&in_new_order, || lookout.look())?;
    let written = sources.finish()?;
    let wanted = manifest.counts.training + manifest.counts.validation;
    if (documents, written) != (wanted, wanted) {
        return Err(Error::Internal(format!("{wanted} documents were packed, but {written} have a source")));
    }
    manifest.training = shuffled;
    Ok(())
}
