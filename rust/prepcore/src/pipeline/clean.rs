//! `clean`: documents in, the kept ones out, and a ledger of all the others.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::folder::{CleanFolder, FolderWriter, Grouping};
use super::judge::Decide;
use super::pool::{self, Width};
use super::{Progress, Watcher, preview, run_facts};
use crate::Result;
use crate::config::{Clean, Dedup, OutputFormat, resolve_threads};
use crate::dedup::{KEY_ALGORITHM, KEY_SEED};
use crate::manifest::{self, Cleaned, HashRecord, InputRecord};
use crate::sink;
use crate::source::{Options, Plan};

/// How `clean` reads its input.
#[must_use]
pub fn options(configuration: &Clean) -> Options {
    let verbatim = !matches!(configuration.format, OutputFormat::Parquet);
    Options {
        text_column: configuration.text_column.clone(),
        columns: configuration.columns.clone(),
        // Lines that are copied verbatim need no column for the rest of them.
        extra: !verbatim || configuration.keep_dropped,
        memory: configuration.memory,
    }
}

/// Finds what is wrong with a configuration for the input of a plan, and does nothing else.
///
/// # Errors
/// [`crate::Error::Config`], as [`clean`] would.
pub fn check(configuration: &Clean, plan: &Plan) -> Result<()> {
    configuration.validate()?;
    CleanFolder::new(configuration, plan, Path::new(""), &Progress::default()).map(|_| ())
}

/// Cleans what a plan reads into a folder and returns its manifest.
///
/// `inputs` are the paths behind the plan, which must not hold the output.
///
/// # Errors
/// [`crate::Error::Config`] and [`crate::Error::Input`] before the work starts; later whatever a file, the disk or
/// the watcher refuses. Parts that were finished stay.
pub fn clean(
    configuration: &Clean,
    plan: &Plan,
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Cleaned> {
    configuration.validate()?;
    let started = Instant::now();
    let progress = Progress::of_plan(plan);
    let folder = CleanFolder::new(configuration, plan, out, &progress)?;
    preview::check(plan, inputs, out)?;
    let mut records = InputRecord::of_files(&plan.files, &mut *watcher)?;
    sink::prepare_folder(out)?;
    let width = Width::new(resolve_threads(configuration.threads), configuration.memory.bytes());
    let writer = FolderWriter::create(&folder);
    let order = (Decide::new(configuration), Grouping::default());
    let ran = writer.and_then(|writer| pool::run(&folder, width, order, writer, &progress, watcher));
    let writer = match ran {
        Ok((_, writer)) => writer,
        Err(error) => {
            folder.remove_empty();
            return Err(error);
        }
    };
    let (counts, parts, rows) = writer.finish()?;
    rows.enter(&mut records);
    let manifest = Cleaned {
        format: manifest::CLEANED_FORMAT.into(),
        format_version: 1,
        program: manifest::program(),
        configuration: settings(configuration, plan),
        hash: HashRecord { algorithm: KEY_ALGORITHM.into(), seed: KEY_SEED },
        inputs: records,
        counts,
        parts,
    };
    manifest.counts.check()?;
    let seconds = started.elapsed().as_secs_f64();
    let mut facts = run_facts::facts(configuration.threads, configuration.memory, width.threads(), seconds);
    facts["seconds_by_stage"] = progress.stages.seconds();
    sink::write_json(out.join(manifest::RUN), &facts)?;
    // The manifest comes last: a folder that has one is complete.
    sink::write_json(out.join(manifest::MANIFEST), &manifest)?;
    Ok(manifest)
}

/// The settings that change the output, with what `auto` came to.
fn settings(configuration: &Clean, plan: &Plan) -> Value {
    let resolved =
        Clean { format: sink::resolve_format(configuration.format, plan.kind), ..configuration.clone() };
    let mut settings = run_facts::settings(&resolved);
    let dedup = if configuration.dedup == Dedup::Off { "off" } else { "on" };
    settings.insert("dedup".into(), dedup.into());
    settings.into()
}
