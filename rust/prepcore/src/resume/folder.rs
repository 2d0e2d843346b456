//! The output folder of a run: begun, gone on with, refused, or finished already.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::finished::FinishedParts;
use super::identity::Identity;
use super::journal::{Entries, Journal, lock};
use crate::config::Shard;
use crate::manifest::{self, Cleaned};
use crate::sink::{self, AtomicFile};
use crate::{Error, Result};

/// The folder that an unfinished run keeps in its output folder.
pub(crate) const UNFINISHED: &str = ".unfinished";
const IDENTITY: &str = "identity.json";
const FOLDERS: [&str; 5] =
    ["keys", "dropped", ".unfinished/unreadable", ".unfinished/signatures", ".unfinished/duplicates"];

/// What lies in an output folder.
pub(crate) enum Standing {
    /// Nothing.
    New,
    /// A run that was not finished.
    Unfinished(Box<Identity>),
    /// A finished run.
    Finished(Box<Cleaned>),
}

/// What opening an output folder came to.
pub(crate) enum Opened {
    /// The same run is finished already.
    Finished(Box<Cleaned>),
    /// The run may work here.
    Run(RunFolder),
}

/// An output folder while a run works in it.
pub(crate) struct RunFolder {
    out: PathBuf,
    shard: Shard,
    journal: Journal,
    /// Held until the run ends.
    _lock: File,
}

/// Looks into an output folder.
///
/// # Errors
/// [`Error::Input`] where other things than a run of ours lie there.
pub(crate) fn standing(out: &Path) -> Result<Standing> {
    if let Some(manifest) = Cleaned::of_folder(out)? {
        return Ok(Standing::Finished(Box::new(manifest)));
    }
    let path = out.join(UNFINISHED).join(IDENTITY);
    match fs::read(&path) {
        Ok(bytes) => {
            let identity = serde_json::from_slice(&bytes).map_err(|error| {
                Error::input(&path, format!("not of this version: {error}")).hint("--overwrite starts afresh")
            })?;
            Ok(Standing::Unfinished(Box::new(identity)))
        }
        // A run that was stopped at once has left its folder and nothing in it.
        Err(_) if out.join(UNFINISHED).is_dir() => Ok(Standing::New),
        Err(_) => sink::check_empty(out).map(|()| Standing::New),
    }
}

impl RunFolder {
    /// Begins a run, or goes on with one.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder that cannot be written, that holds other people's files or another run, or
    /// in which another process works.
    pub(crate) fn open(out: &Path, identity: &Identity, overwrite: bool, shard: Shard) -> Result<Opened> {
        match standing(out)? {
            Standing::Finished(manifest) if !overwrite => {
                check_same(out, &Identity::of_manifest(&manifest), identity)?;
                check_whole(out, &manifest)?;
                remove(out);
                return Ok(Opened::Finished(manifest));
            }
            Standing::Finished(_) => disown(out)?,
            Standing::Unfinished(before) if !overwrite => check_same(out, &before, identity)?,
            Standing::Unfinished(_) => {
                let _lock = lock_folder(out, Shard::WHOLE)?;
                disown(out)?;
            }
            Standing::New => {}
        }
        sink::prepare_folder(out)?;
        make(&out.join(UNFINISHED))?;
        let held = lock_folder(out, shard)?;
        let once = one_at_a_time(out)?;
        // Another shard may have begun the run meanwhile.
        if let Standing::Unfinished(before) = standing(out)? {
            check_same(out, &before, identity)?;
        } else {
            wipe(out)?;
            FOLDERS.iter().try_for_each(|folder| make(&out.join(folder)))?;
            sink::write_json(out.join(UNFINISHED).join(IDENTITY), identity)?;
        }
        drop(once);
        let journal = Journal::open(&out.join(UNFINISHED), shard)?;
        Ok(Opened::Run(Self { out: out.to_path_buf(), shard, journal, _lock: held }))
    }

    /// A path in the working folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.out.join(UNFINISHED).join(name)
    }

    /// The output folder.
    pub(crate) fn out(&self) -> &Path {
        &self.out
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
        let there = finished.into_iter().filter(|finished| finished.is_there(&self.out));
        Ok((FinishedParts::new(there), begun))
    }

    /// Finishes the run: `manifest` gives the manifest and what belongs to this run alone, once it is known that
    /// no other shard has written them.
    pub(crate) fn finish(
        self,
        finished: &FinishedParts,
        manifest: impl FnOnce() -> Result<(Cleaned, serde_json::Value)>,
    ) -> Result<Cleaned> {
        let _once = match one_at_a_time(&self.out) {
            Ok(once) => once,
            Err(error) => return Cleaned::of_folder(&self.out)?.ok_or(error),
        };
        if let Some(manifest) = Cleaned::of_folder(&self.out)? {
            return Ok(manifest);
        }
        let (manifest, facts) = manifest()?;
        sweep(&self.out);
        let mut unreadable = AtomicFile::create(self.out.join("unreadable.jsonl"))?;
        for rows in finished.iter().filter_map(|finished| finished.unreadable.as_ref()) {
            let path = self.out.join(&rows.path);
            let mut rows = File::open(&path).map_err(|source| Error::io(&path, "read", source))?;
            io::copy(&mut rows, &mut unreadable).map_err(|source| Error::io(&path, "copy", source))?;
        }
        unreadable.commit()?;
        sink::write_json(self.out.join(manifest::RUN), &facts)?;
        // The manifest comes last: a folder that has one is complete.
        sink::write_json(self.out.join(manifest::MANIFEST), &manifest)?;
        remove(&self.out);
        Ok(manifest)
    }

    /// After a failure before anything was finished: takes away what the run made, so that the same command can
    /// be given again with other settings.
    pub(crate) fn abandon(self) {
        let nothing =
            |name: &str| fs::read_dir(self.path(name)).is_ok_and(|mut entries| entries.next().is_none());
        let fresh = self.finished().is_ok_and(|(finished, _)| finished.is_empty()) && nothing("signatures");
        if fresh && self.shard == Shard::WHOLE {
            // Of the part that failed some files may have their names already. What cannot be removed stays
            // beside the working folder, so that the next run knows it for ours.
            if wipe(&self.out).is_ok() {
                remove(&self.out);
            }
            sink::remove_empty([self.out.clone()]);
        }
    }
}

/// Locks the folder: a run alone, or with its fellow shards.
fn lock_folder(out: &Path, shard: Shard) -> Result<File> {
    let path = out.join(UNFINISHED).join("lock");
    let file = File::create(&path).map_err(|source| Error::io(&path, "make", source))?;
    let operation = match shard.count {
        1 => FlockOperation::NonBlockingLockExclusive,
        _ => FlockOperation::NonBlockingLockShared,
    };
    lock(&file, out, operation)?;
    Ok(file)
}

/// Waits until no other shard begins or finishes the run.
fn one_at_a_time(out: &Path) -> Result<File> {
    let path = out.join(UNFINISHED).join("once");
    let file = File::create(&path).map_err(|source| Error::io(&path, "make", source))?;
    lock(&file, out, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn check_same(out: &Path, before: &Identity, now: &Identity) -> Result<()> {
    let differences = before.differences(now);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::input(out, format!("holds a run of other settings or inputs: {}", differences.join("; ")))
        .hint("name a new folder, or --overwrite to replace what is there"))
}

/// Checks that the files of a finished run are there.
fn check_whole(out: &Path, manifest: &Cleaned) -> Result<()> {
    for part in &manifest.parts {
        for file in [&part.kept, &part.keys, &part.dropped] {
            let path = out.join(&file.path);
            let size = path.metadata().map(|found| found.len()).unwrap_or(0);
            if size != file.bytes {
                let message = format!("has {size} bytes, but the manifest says {}", file.bytes);
                return Err(Error::input(&path, message).hint("--overwrite makes the folder anew"));
            }
        }
    }
    Ok(())
}

/// Removes the working folder; what is in the way of that is in nobody's.
fn remove(out: &Path) {
    let _ = fs::remove_dir_all(out.join(UNFINISHED));
}

/// Removes what a kill left under temporary names.
fn sweep(out: &Path) {
    for folder in [out.to_path_buf(), out.join("keys"), out.join("dropped")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|source| Error::io(folder, "make", source))
}

/// Takes a folder's run away from it: what is left will be wiped by the run that begins here.
fn disown(out: &Path) -> Result<()> {
    make(&out.join(UNFINISHED))?;
    for path in [out.join(manifest::MANIFEST), out.join(UNFINISHED).join(IDENTITY)] {
        remove_file(&path)?;
    }
    Ok(())
}

/// Removes what an earlier run wrote, and nothing else.
fn wipe(out: &Path) -> Result<()> {
    for name in [manifest::MANIFEST, manifest::RUN, "unreadable.jsonl", "report.html"] {
        remove_file(&out.join(name))?;
    }
    for folder in FOLDERS {
        let path = out.join(folder);
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(|source| Error::io(&path, "remove", source))?;
        }
    }
    for (folder, prefix) in [(out.to_path_buf(), "part-"), (out.join(UNFINISHED), "journal-")] {
        for entry in fs::read_dir(&folder).map_err(|source| Error::io(&folder, "read", source))? {
            let path = entry.map_err(|source| Error::io(&folder, "read", source))?.path();
            if path.file_name().unwrap_or_default().to_string_lossy().starts_with(prefix) {
                remove_file(&path)?;
            }
        }
    }
    sweep(out);
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", error)),
        _ => Ok(()),
    }
}
