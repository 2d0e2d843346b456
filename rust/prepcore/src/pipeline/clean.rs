//! `clean`: documents in, the kept ones out, and a ledger of all the others.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cleaning::{Cleaning, Outcome};
use super::folder::CleanFolder;
use super::tokenization::Tokenization;
use super::{Preview, Progress, Watcher, run_facts};
use crate::config::{Clean, Dedup, OutputFormat, Shard};
use crate::manifest::{self, Cleaned, FileRecord, InputRecord, PartRecord};
use crate::resume::{self, CLEANED, CLEANED_TOKENS, Identity, Layout, Opened, RunFolder};
use crate::source::{Options, Plan};
use crate::{Error, Result, sink};

/// How `clean` reads its input.
#[must_use]
pub fn options(configuration: &Clean) -> Options {
    let verbatim = !matches!(configuration.format, OutputFormat::Parquet);
    Options {
        text_column: configuration.text_column.clone(),
        columns: configuration.read_columns(),
        // Lines that are copied verbatim need no column for the rest of them, unless a condition asks.
        extra: (!verbatim && configuration.writes_text())
            || configuration.keep_dropped
            || configuration.condition.is_some(),
        memory: configuration.memory,
        skip_corrupt: configuration.skip_corrupt,
        parts_of_cleaned: false,
    }
}

/// Finds what a run would be refused for, and says what it would read and write; does nothing else.
///
/// # Errors
/// [`Error::Config`] and [`Error::Input`], as [`clean`] would before it starts.
pub fn preview(configuration: &Clean, plan: &Plan, inputs: &[PathBuf], out: &Path) -> Result<Preview> {
    configuration.validate()?;
    CleanFolder::new(configuration, plan, &Progress::default())?;
    let layout = match configuration.pack() {
        None => &CLEANED,
        Some(pack) => {
            Tokenization::open(&pack)?;
            &CLEANED_TOKENS
        }
    };
    check(configuration, plan, inputs, (out, layout))?;
    Ok(super::preview::of_plan(plan, out, resume::standing(out, layout)?.holds()))
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
    check(configuration, plan, inputs, (out, &CLEANED))?;
    let identity = identity(configuration, &folder, &mut *watcher)?;
    let shard = configuration.shard.unwrap_or(Shard::WHOLE);
    let look: &mut dyn FnMut() -> Result<()> = &mut || watcher(&progress);
    let opened = RunFolder::open(out, &CLEANED, &identity, configuration.overwrite, shard, look)?;
    match opened {
        Opened::Finished => finished_before(out).map(Outcome::FinishedBefore),
        Opened::Run(run) => {
            let outcome = Cleaning::new(configuration, &folder, identity, run, None).run(watcher)?;
            outcome.read(|| manifest::of_finished(out, manifest::CLEANED_FORMAT))
        }
    }
}

/// What a run of `clean` is.
pub(super) fn identity(
    configuration: &Clean,
    folder: &CleanFolder<'_>,
    watcher: Watcher<'_>,
) -> Result<Identity> {
    Ok(Identity {
        format: manifest::CLEANED_FORMAT.into(),
        format_version: 1,
        program: manifest::program(),
        configuration: settings(configuration, folder),
        inputs: InputRecord::of_files(&folder.plan.files, watcher)?,
    })
}

/// The manifest of a run that was finished before, once its files were looked at.
pub(super) fn finished_before(out: &Path) -> Result<Cleaned> {
    let manifest = manifest::of_finished::<Cleaned>(out, manifest::CLEANED_FORMAT)?;
    let files = manifest.parts.iter().flat_map(PartRecord::files);
    resume::check_whole(out, files.map(FileRecord::path_and_bytes))?;
    Ok(manifest)
}

/// What a run is refused for without work.
pub(super) fn check(
    configuration: &Clean,
    plan: &Plan,
    inputs: &[PathBuf],
    (out, layout): (&Path, &Layout),
) -> Result<()> {
    let files = plan.files.iter().map(|file| file.path.as_path());
    sink::check_apart(out, inputs, files)?;
    if let Some(against) = configuration.against.iter().find(|against| same_folder(against, out)) {
        return Err(Error::config("--against", format!("{} is the output folder", against.display())));
    }
    super::preview::check_room(plan, out, layout)
}

fn same_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The settings that change the output, with what `auto` came to.
fn settings(configuration: &Clean, folder: &CleanFolder<'_>) -> Value {
    let format = sink::resolve_format(configuration.format, folder.plan.kind);
    let resolved = Clean { format, ..configuration.clone() };
    let mut settings = run_facts::settings(&resolved);
    Clean::without_packing(&mut settings);
    if !configuration.writes_text() {
        settings.insert("keep_text".into(), false.into());
    }
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
