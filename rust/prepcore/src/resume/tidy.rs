//! What goes when a run begins or ends: the working folder, temporary files, and what an earlier run wrote.

use std::fs;
use std::io;
use std::path::Path;

use super::layout::Layout;
use crate::manifest::UNFINISHED;
use crate::{Error, Result, manifest};

/// The file of a working folder that says what the run is.
pub(super) const IDENTITY: &str = "identity.json";
/// The name of a working folder that is being removed.
pub(crate) const RETIRED: &str = ".unfinished.old";

/// Removes the working folder; what is in the way of that is in nobody's.
pub(crate) fn remove(out: &Path) {
    let retired = out.join(RETIRED);
    // Renamed first: other shards must find all of it or nothing, and a process that begins here now makes its own.
    let _ = fs::remove_dir_all(&retired);
    let _ = fs::rename(out.join(UNFINISHED), &retired);
    let _ = fs::remove_dir_all(retired);
}

/// Removes what a kill left under temporary names.
pub(crate) fn sweep(out: &Path, layout: &Layout) {
    for folder in layout.folders.iter().map(|folder| out.join(folder)).chain([out.to_path_buf()]) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Removes what an earlier run wrote, and nothing else.
pub(crate) fn wipe(out: &Path, layout: &Layout) -> Result<()> {
    // What says that a run is there goes first: the rest is nobody's from then on.
    remove_file(&out.join(manifest::MANIFEST))?;
    remove_file(&out.join(UNFINISHED).join(IDENTITY))?;
    for name in layout.files {
        remove_file(&out.join(name))?;
    }
    for folder in layout.folders.iter().chain(layout.working).chain(&[RETIRED]) {
        let path = out.join(folder);
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(|source| Error::io(&path, "remove", source))?;
        }
    }
    for (folder, prefixes) in
        [(out.to_path_buf(), layout.prefixes), (out.join(UNFINISHED), &["journal-"][..])]
    {
        for entry in fs::read_dir(&folder).map_err(|source| Error::io(&folder, "read", source))? {
            let path = entry.map_err(|source| Error::io(&folder, "read", source))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                remove_file(&path)?;
            }
        }
    }
    sweep(out, layout);
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", error)),
        _ => Ok(()),
    }
}
