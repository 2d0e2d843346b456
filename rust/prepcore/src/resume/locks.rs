//! Who may work in an output folder: one process alone, or the shards of one run.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::config::Shard;
use crate::manifest::UNFINISHED;
use crate::{Error, Result};

const LOCK: &str = "lock";
const ONCE: &str = "once";
/// How long a process that waits for another sleeps between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Asked now and then whether to go on: an error stops the run.
pub(crate) type Look<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Enters a folder to begin a run or to go on with one: the folder's lock, and that of [`one_at_a_time`].
pub(crate) fn enter(out: &Path, shard: Shard, look: Look<'_>) -> Result<(File, File)> {
    let at = |name: &str| out.join(UNFINISHED).join(name);
    loop {
        let held = lock_folder(out, shard)?;
        match one_at_a_time(out, &mut *look) {
            Ok(once) if is_at(&held, &at(LOCK)) && is_at(&once, &at(ONCE)) => return Ok((held, once)),
            Err(error) if matches!(error, Error::Cancelled) || is_at(&held, &at(LOCK)) => return Err(error),
            // Another shard has finished the run meanwhile and taken the working folder away.
            _ => {}
        }
    }
}

/// Locks the folder: a run alone, or with its fellow shards. Makes the working folder.
pub(crate) fn lock_folder(out: &Path, shard: Shard) -> Result<File> {
    let folder = out.join(UNFINISHED);
    let path = folder.join(LOCK);
    loop {
        fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, "make", source))?;
        let file = match File::create(&path) {
            // A process that ends has taken the working folder away again.
            Err(_) if !folder.exists() => continue,
            file => file.map_err(|source| Error::io(&path, "make", source))?,
        };
        let operation = match shard.count {
            1 => FlockOperation::NonBlockingLockExclusive,
            _ => FlockOperation::NonBlockingLockShared,
        };
        if !lock(&file, operation) {
            return Err(busy(out));
        }
        if is_at(&file, &path) {
            return Ok(file);
        }
    }
}

/// Waits until no other shard begins or finishes the run.
///
/// # Errors
/// [`Error::Io`] where the working folder is gone, because another shard finished the run.
pub(crate) fn one_at_a_time(out: &Path, look: Look<'_>) -> Result<File> {
    let path = out.join(UNFINISHED).join(ONCE);
    let file = File::create(&path).map_err(|source| Error::io(&path, "make", source))?;
    // A lock that is waited for in the system would not hear of signals.
    while !lock(&file, FlockOperation::NonBlockingLockExclusive) {
        look()?;
        thread::sleep(TRY_EVERY);
    }
    Ok(file)
}

/// Takes the journal of a shard for this process.
///
/// # Errors
/// [`Error::Input`] where another process has it, or where shards of another number are at work: both would write
/// the same parts.
pub(crate) fn lock_journal(journal: &File, path: &Path, shard: Shard) -> Result<()> {
    let (Some(folder), true) = (path.parent(), lock(journal, FlockOperation::NonBlockingLockExclusive))
    else {
        return Err(busy(path));
    };
    let failed = |source| Error::io(folder, "read", source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let other = entry.map_err(failed)?.path();
        let name = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("journal-") && !name.ends_with(&format!("-of-{:05}.jsonl", shard.count)) {
            let file = File::open(&other).map_err(|source| Error::io(&other, "open", source))?;
            if !lock(&file, FlockOperation::NonBlockingLockShared) {
                return Err(Error::input(
                    folder,
                    format!("shards of another number than {} are at work", shard.count),
                )
                .hint("every process of a run needs the same n of --shard i/n; wait for the others to end"));
            }
        }
    }
    Ok(())
}

/// Takes a finished folder for this process, without leaving anything in it.
///
/// # Errors
/// [`Error::Input`] where another process has it.
pub(crate) fn lock_whole(folder: &Path) -> Result<File> {
    let file = File::open(folder).map_err(|source| Error::io(folder, "open", source))?;
    if lock(&file, FlockOperation::NonBlockingLockExclusive) {
        return Ok(file);
    }
    Err(Error::input(folder, "another process is working in this folder").hint("wait for it to end"))
}

fn busy(path: &Path) -> Error {
    Error::input(path, "another process is working in this output folder")
        .hint("wait for it to end; several processes share the work with --shard 1/n to n/n")
}

/// Whether a path still names the file that is open: whoever held the lock before may have removed it.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Locks a file, without waiting; the lock goes with the process. Gives whether nobody else holds it.
fn lock(file: &File, operation: FlockOperation) -> bool {
    loop {
        match flock(file, operation) {
            Err(Errno::WOULDBLOCK) => return false,
            Err(Errno::INTR) => {}
            // Some file systems have no locks; there the user must see to it.
            _ => return true,
        }
    }
}
