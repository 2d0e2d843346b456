//! The output folder of a run: begun, gone on with, refused, or finished already.

use std::fs::{self, File};
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::finished::FinishedParts;
use super::identity::Identity;
use super::journal::{Entries, Journal};
use super::layout::Layout;
use super::locks::{Look, enter, lock_folder, one_at_a_time};
use super::tidy::{IDENTITY, RETIRED, remove, sweep, wipe};
use crate::config::Shard;
use crate::manifest::{self, FileRecord, UNFINISHED};
use crate::sink::{self, AtomicFile};
use crate::{Error, Result};

/// Bytes of a file that are copied between two looks at signals.
const COPY_BYTES: u64 = 16 << 20;

/// What lies in an output folder.
pub(crate) enum Standing {
    /// Nothing.
    New,
    /// A run that was not finished.
    Unfinished(Box<Identity>),
    /// A finished run.
    Finished(Box<Identity>),
}

impl Standing {
    /// In words, as a preview says it.
    pub(crate) fn holds(&self) -> &'static str {
        match self {
            Self::New => "nothing",
            Self::Unfinished(_) => "an unfinished run",
            Self::Finished(_) => "a finished run",
        }
    }
}

/// What opening an output folder came to.
pub(crate) enum Opened {
    /// The same run is finished already.
    Finished,
    /// The run may work here.
    Run(RunFolder),
}

/// An output folder while a run works in it.
pub(crate) struct RunFolder {
    out: PathBuf,
    layout: &'static Layout,
    shard: Shard,
    journal: Journal,
    /// Held until the run ends.
    _lock: File,
}

/// Looks into an output folder.
///
/// Other shards may begin or finish the run meanwhile, so the looks follow the order in which a run leaves traces
/// backwards: who has seen no identity because the run was just finished then sees its manifest.
///
/// # Errors
/// [`Error::Input`] where other things than a run of this kind lie there.
pub(crate) fn standing(out: &Path, layout: &Layout) -> Result<Standing> {
    if sink::is_empty(out)? {
        return Ok(Standing::New);
    }
    let unfinished = unfinished(out, layout);
    if let Some(identity) = Identity::of_folder(out, layout.format)? {
        return Ok(Standing::Finished(Box::new(identity)));
    }
    if let Some(identity) = unfinished? {
        return Ok(Standing::Unfinished(Box::new(identity)));
    }
    // A run that was stopped at once has left its folder and nothing in it.
    if [UNFINISHED, RETIRED].iter().any(|name| out.join(name).is_dir()) {
        return Ok(Standing::New);
    }
    sink::check_empty(out).map(|()| Standing::New)
}

/// What an unfinished run says of itself, if there is one.
fn unfinished(out: &Path, layout: &Layout) -> Result<Option<Identity>> {
    let path = out.join(UNFINISHED).join(IDENTITY);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(error) => return Err(Error::io(&path, "read", error)),
    };
    let identity: Identity = serde_json::from_slice(&bytes).map_err(|error| {
        Error::input(&path, format!("not of this version: {error}")).hint("remove the folder to start afresh")
    })?;
    if identity.format != layout.format {
        let message = format!("holds an unfinished run of another verb than `{}`", layout.verb);
        return Err(Error::input(out, message).hint("name a new folder"));
    }
    Ok(Some(identity))
}

/// Bytes of the parts that a stopped run has written.
pub(crate) fn bytes_of_parts(out: &Path, layout: &Layout) -> u64 {
    let entries = fs::read_dir(out).into_iter().flatten().flatten();
    let parts = entries.filter(|entry| {
        let name = entry.file_name();
        layout.prefixes.iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
    });
    parts.filter_map(|part| Some(part.metadata().ok()?.len())).sum()
}

impl RunFolder {
    /// Begins a run, or goes on with one.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder that cannot be written, that holds other people's files or another run, or
    /// in which another process works.
    pub(crate) fn open(
        out: &Path,
        layout: &'static Layout,
        identity: &Identity,
        overwrite: bool,
        shard: Shard,
        look: Look<'_>,
    ) -> Result<Opened> {
        match standing(out, layout)? {
            Standing::Finished(before) if !overwrite => {
                return finished_before(out, layout, &before, identity);
            }
            Standing::Unfinished(before) if !overwrite => check_same(out, &before, identity)?,
            _ => {}
        }
        sink::prepare_folder(out)?;
        let (held, once) = enter(out, shard, look)?;
        // What lay here may be another run by now, or one that another shard has finished.
        match standing(out, layout)? {
            Standing::Finished(before) if !overwrite => {
                drop((once, held));
                return finished_before(out, layout, &before, identity);
            }
            Standing::Unfinished(before) if !overwrite => check_same(out, &before, identity)?,
            _ => {
                wipe(out, layout)?;
                make_folders(out, layout)?;
                sink::write_json(out.join(UNFINISHED).join(IDENTITY), identity)?;
            }
        }
        make_folders(out, layout)?;
        let journal = Journal::open(&out.join(UNFINISHED), shard)?;
        drop(once);
        Ok(Opened::Run(Self { out: out.to_path_buf(), layout, shard, journal, _lock: held }))
    }

    /// A path in the working folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.out.join(UNFINISHED).join(name)
    }

    /// The output folder.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// The folder of the ledger of cleaning.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.out.join(self.layout.ledger)
    }

    /// A path as records give it: relative to the output folder.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.out).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The share of this process.
    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    /// Where committed parts are entered.
    pub(crate) fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// The parts that are finished and still there, and how often a process was at work.
    pub(crate) fn finished(&self) -> Result<(FinishedParts, u64)> {
        let Entries { finished, begun } = Entries::read(&self.out.join(UNFINISHED))?;
        let there = finished.into_iter().filter(|finished| finished.is_there(&self.out, &self.ledger()));
        Ok((FinishedParts::new(there), begun))
    }

    /// Whether another shard has finished the run meanwhile and taken the working folder away.
    pub(crate) fn is_finished_elsewhere(&self) -> Result<bool> {
        Ok(self.shard != Shard::WHOLE && Identity::of_folder(&self.out, self.layout.format)?.is_some())
    }

    /// Finishes the run: `complete` writes what belongs to all parts together and gives the manifest and what
    /// belongs to this run alone, once it is known that no other shard has done so. `None` where one has.
    pub(crate) fn finish<Manifest: Serialize>(
        &self,
        look: Look<'_>,
        complete: impl FnOnce(Look<'_>) -> Result<(Manifest, serde_json::Value)>,
    ) -> Result<Option<Manifest>> {
        let _once = one_at_a_time(&self.out, &mut *look)?;
        if self.is_finished_elsewhere()? {
            return Ok(None);
        }
        sweep(&self.out, self.layout);
        let (manifest, facts) = complete(look)?;
        sink::write_json(self.out.join(manifest::RUN), &facts)?;
        // The manifest comes last: a folder that has one is complete.
        sink::write_json(self.out.join(manifest::MANIFEST), &manifest)?;
        remove(&self.out);
        Ok(Some(manifest))
    }

    /// Copies files of the parts, one behind the other, into one.
    pub(crate) fn join<'f>(
        &self,
        files: impl Iterator<Item = &'f FileRecord>,
        target: PathBuf,
        look: Look<'_>,
    ) -> Result<()> {
        let mut joined = AtomicFile::create(target)?;
        for file in files {
            let path = self.out.join(&file.path);
            let mut part = File::open(&path).map_err(|source| Error::io(&path, "read", source))?;
            loop {
                look()?;
                let copied = io::copy(&mut (&mut part).take(COPY_BYTES), &mut joined);
                if copied.map_err(|source| Error::io(&path, "copy", source))? == 0 {
                    break;
                }
            }
        }
        joined.commit().map(|_| ())
    }

    /// After a failure before anything was finished: takes away what the run made, so that the same command can
    /// be given again with other settings.
    pub(crate) fn abandon(self) {
        let signed = fs::read_dir(self.path("signatures")).is_ok_and(|mut files| files.next().is_some());
        let fresh = self.finished().is_ok_and(|(finished, _)| finished.is_empty()) && !signed;
        if fresh && self.shard == Shard::WHOLE {
            // Of the part that failed some files may have their names already. What cannot be removed stays
            // beside the working folder, so that the next run knows it for ours.
            if wipe(&self.out, self.layout).is_ok() {
                remove(&self.out);
            }
            sink::remove_empty([self.out.clone()]);
        }
    }
}

/// The same run is finished already: nothing is touched but what a kill at its very end has left.
fn finished_before(out: &Path, layout: &Layout, before: &Identity, identity: &Identity) -> Result<Opened> {
    check_same(out, before, identity)?;
    let left = [UNFINISHED, RETIRED].iter().any(|name| out.join(name).is_dir());
    // Another process may just begin to overwrite the folder, or may not be allowed to write here at all.
    if left
        && let Ok(_lock) = lock_folder(out, Shard::WHOLE)
        && let Ok(Standing::Finished(_)) = standing(out, layout)
    {
        remove(out);
    }
    Ok(Opened::Finished)
}

fn make_folders(out: &Path, layout: &Layout) -> Result<()> {
    layout.made().map(|folder| out.join(folder)).try_for_each(|folder| {
        fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, "make", source))
    })
}

fn check_same(out: &Path, before: &Identity, now: &Identity) -> Result<()> {
    let differences = before.differences(now);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::input(out, format!("holds a run of other settings or inputs: {}", differences.join("; ")))
        .hint("name a new folder, or --overwrite to replace what is there"))
}

/// Checks that files which a manifest names are there, with the sizes that they had.
///
/// # Errors
/// [`Error::Input`] names the first that is not.
pub(crate) fn check_whole<'f>(out: &Path, files: impl IntoIterator<Item = (&'f str, u64)>) -> Result<()> {
    for (name, bytes) in files {
        let path = out.join(name);
        let size = path.metadata().map(|found| found.len()).unwrap_or(0);
        if size != bytes {
            let message = format!("has {size} bytes, but the manifest says {bytes}");
            return Err(Error::input(&path, message).hint("--overwrite makes the folder anew"));
        }
    }
    Ok(())
}
