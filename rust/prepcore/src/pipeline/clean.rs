//! `clean`: documents in, the kept ones out, and a ledger of all the others.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cleaning::{Cleaning, Outcome};
use super::folder::CleanFolder;
use super::{Preview, Progress, Watcher, run_facts};
use crate::config::{Clean, Dedup, OutputFormat, Shard};
use crate::manifest::{self, Cleaned, FileRecord, InputRecord};
use crate::resume::{self, CLEANED, Identity, Opened, RunFolder};
use crate::source::{Options, Plan};
use crate::{Error, Result, sink};

/// How `clean` reads its input.
#[must_use]
pub fn options(configuration: &Clean) -> Options {
    let verbatim = !matches!(configuration.format, OutputFormat::Parquet);
    Options {
        text_column: configuration.text_column.clone(),
        columns: configuration.columns.clone(),
        // Lines that are copied verbatim need no column for the rest of them, unless a condition asks.
        extra: !verbatim || configuration.keep_dropped || configuration.condition.is_some(),
        memory: configuration.memory,
        skip_corrupt: configuration.skip_corrupt,
    }
}

/// Finds what a run would be refused for, and says what it would read and write; does nothing else.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`], as [`clean`] would before it starts.
pub fn preview(configuration: &Clean, plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<Preview> {
    configuration.validate()?;
    CleanFolder::new(configuration, plan, &Progress::default())?;
    check(configuration, plan, inputs, out)?;
    Ok(super::preview::of_plan(plan, out, resume::standing(out, &CLEANED)?.holds()))
}

/// Cleans what a plan reads into a folder. A run that was stopped goes on where it was.
///
/// `inputs` are the paths behind the plan, which must not hold the output.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`] before the work starts; later whatever a file, the disk or
/// the watcher refuses. Parts that were finished stay.
pub fn clean(
    configuration: &Clean,
    plan: &Plan,
    inputs: &[PathBuf],
    out: &Path,
    watcher: Watcher<'_>,
) -> Result<Outcome> {
    configuration.validate()?;
    let progress = Progress::of_plan(plan);
    let folder = CleanFolder::new(configuration, plan, &progress)?;
    check(configuration, plan, inputs, out)?;
    let identity = Identity {
        format: manifest::CLEANED_FORMAT.into(),
        format_version: 1,
        program: manifest::program(),
        configuration: settings(configuration, &folder),
        inputs: InputRecord::of_files(&plan.files, &mut *watcher)?,
    };
    let shard = configuration.shard.unwrap_or(Shard::WHOLE);
    let look: &mut dyn FnMut() -> Result<()> = &mut || watcher(&progress);
    let opened = RunFolder::open(out, &CLEANED, &identity, configuration.overwrite, shard, look)?;
    match opened {
        Opened::Finished => finished_before(out).map(Outcome::FinishedBefore),
        Opened::Run(run) => Cleaning::new(configuration, &folder, identity, run).run(watcher),
    }
}

/// The manifest of a run that was finished before, once its files were looked at.
fn finished_before(out: &Path) -> Result<Cleaned> {
    let manifest = manifest::of_finished::<Cleaned>(out, manifest::CLEANED_FORMAT)?;
    let files = manifest.parts.iter().flat_map(|part| [&part.kept, &part.keys, &part.dropped]);
    resume::check_whole(out, files.map(FileRecord::path_and_bytes))?;
    Ok(manifest)
}

/// What a run is refused for without work.
fn check(configuration: &Clean, plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<()> {
    let files = plan.files.iter().map(|file| file.path.as_path());
    sink::check_apart(out, inputs, files)?;
    if let Some(against) = configuration.against.iter().find(|against| same_folder(against, out)) {
        return Err(Error::config("--against", format!("{} is the output folder", against.display())));
    }
    super::preview::check_room(plan, out, &CLEANED)
}

fn same_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The settings that change the output, with what `auto` came to.
fn settings(configuration: &Clean, folder: &CleanFolder<'_>) -> Value {
    let format = sink::resolve_format(configuration.format, folder.plan.kind);
    let resolved = Clean { format, ..configuration.clone() };
    let mut settings = run_facts::settings(&resolved);
    let dedup = if configuration.dedup == Dedup::Off { "off" } else { "on" };
    settings.insert("dedup".into(), dedup.into());
    settings.insert("against".into(), folder.against.records().into());
    let mut settings = Value::from(settings);
    // Where a file lies is not what it says.
    for pointer in ["/language_model", "/classifier", "/rules/words/file"] {
        if let Some(Value::String(path)) = settings.pointer_mut(pointer) {
            *path = Path::new(path.as_str()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
    }
    settings["files"] = folder.judge.files().into();
    settings
}
