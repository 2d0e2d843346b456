//! Files that are whole or absent: a temporary name, a flush to disk, a rename.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::fault;
use crate::checksum::checksum;
use crate::{Error, Result};

/// Bytes handed to the operating system at once: small enough to be in the cache still when they are hashed.
const WRITE: usize = 1 << 18;

/// A file being written under a temporary name. Dropped without [`AtomicFile::commit`], it is removed.
pub(crate) struct AtomicFile {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
    renamed: bool,
    hash: Box<Xxh3>,
    bytes: u64,
}

/// What a committed file holds.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) checksum: String,
}

/// Where a file lies until it has its name.
fn temporary(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.tmp"))
}

impl AtomicFile {
    /// Starts a file in a folder that exists.
    pub(crate) fn create(target: PathBuf) -> Result<Self> {
        let temporary = temporary(&target);
        let file = fault::point("create", &temporary).and_then(|()| File::create(&temporary));
        let file = file.map_err(|source| Error::io(&temporary, "create", source))?;
        Ok(Self { target, temporary, file, renamed: false, hash: Box::new(Xxh3::new()), bytes: 0 })
    }

    /// Where the file will be.
    pub(crate) fn path(&self) -> &Path {
        &self.target
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|source| Error::io(&self.target, "write", source))
    }

    /// Flushes the file to disk and gives it its name.
    pub(crate) fn commit(mut self) -> Result<Written> {
        fault::point("flush", &self.target)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| Error::io(&self.target, "flush", source))?;
        fault::point("rename", &self.target)
            .and_then(|()| fs::rename(&self.temporary, &self.target))
            .map_err(|source| Error::io(&self.target, "rename", source))?;
        self.renamed = true;
        let folder = self.target.parent().unwrap_or(Path::new("."));
        // The name is on disk only once its folder is.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| Error::io(folder, "flush", source))?;
        let checksum = checksum(self.hash.digest128());
        Ok(Written { bytes: self.bytes, checksum })
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point("write", &self.target)?;
        let written = self.file.write(&bytes[..bytes.len().min(WRITE)])?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // An error here has no one to hear it.
        if !self.renamed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a value as indented JSON, whole or not at all.
pub(crate) fn write_json(target: PathBuf, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Internal(format!("cannot write {}: {error}", target.display())))?;
    text.push(b'\n');
    let mut file = AtomicFile::create(target)?;
    file.append(&text)?;
    file.commit().map(|_| ())
}

/// What is written into an output folder to see whether it can be.
const PROBE: &str = "probe";

/// Makes an output folder and checks that it can be written to.
///
/// # Errors
/// [`Error::Input`] when either is refused.
pub(crate) fn prepare_folder(out: &Path) -> Result<()> {
    fs::create_dir_all(out).map_err(|error| Error::input(out, format!("cannot be made: {error}")))?;
    let probe = AtomicFile::create(out.join(PROBE));
    probe.map(|_| ()).map_err(|error| Error::input(out, format!("is not writable: {error}")))
}

/// Whether an output folder is missing or empty, but for the probe of another process.
///
/// # Errors
/// [`Error::Input`] where it cannot be read.
pub(crate) fn is_empty(out: &Path) -> Result<bool> {
    match fs::read_dir(out) {
        Ok(entries) => {
            let probe = temporary(&out.join(PROBE));
            Ok(entries.flatten().all(|entry| entry.path() == probe))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::input(out, format!("cannot be used as the output folder: {error}"))),
    }
}

/// Checks that an output folder is missing or empty.
///
/// # Errors
/// [`Error::Input`] where it is not.
pub(crate) fn check_empty(out: &Path) -> Result<()> {
    if is_empty(out)? {
        return Ok(());
    }
    Err(Error::input(out, "the output folder is not empty").hint("name a new folder"))
}

/// Checks that an output folder does not lie inside the input, nor a file of the input in it.
///
/// # Errors
/// [`Error::Input`] says which of these does not hold.
pub(crate) fn check_apart<'f>(
    out: &Path,
    inputs: &[PathBuf],
    mut files: impl Iterator<Item = &'f Path>,
) -> Result<()> {
    let real = absolute(out);
    for input in inputs.iter().filter(|input| input.is_dir()) {
        if real.starts_with(absolute(input)) {
            return Err(Error::input(&real, format!("the output lies inside the input {}", input.display())));
        }
    }
    match files.find(|file| absolute(file).starts_with(&real)) {
        Some(file) => {
            Err(Error::input(&real, format!("the input {} lies inside the output", file.display())))
        }
        None => Ok(()),
    }
}

/// Removes folders that hold nothing, so that a command that failed can be given again.
pub(crate) fn remove_empty(folders: impl IntoIterator<Item = PathBuf>) {
    for folder in folders {
        // Refused where something is in it, which is the wish.
        let _ = fs::remove_dir(folder);
    }
}

/// A path without links, of which the last names may not exist yet.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = path.ancestors().find_map(|ancestor| {
        let real = ancestor.canonicalize().ok()?;
        Some(real.join(path.strip_prefix(ancestor).ok()?))
    });
    existing.unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("part");
        let mut file = AtomicFile::create(target.clone()).unwrap();
        file.append(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut file = AtomicFile::create(target.clone()).unwrap();
        file.append(b"who").unwrap();
        file.append(b"le").unwrap();
        let written = file.commit().unwrap();
        assert_eq!(fs::read(target).unwrap(), b"whole");
        let checksum = format!("xxh3-128:{:032x}", xxhash_rust::xxh3::xxh3_128(b"whole"));
        assert_eq!(written, Written { bytes: 5, checksum });
    }

    #[test]
    fn a_used_folder_and_one_inside_the_input_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let input = [folder.path().to_path_buf()];
        let error = check_apart(&folder.path().join("new/out"), &input, std::iter::empty()).unwrap_err();
        assert!(error.to_string().contains("lies inside the input"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = check_apart(folder.path(), &[], [file.as_path()].into_iter()).unwrap_err();
        assert!(error.to_string().contains("lies inside the output"), "{error}");
        let error = check_empty(folder.path()).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }

    #[test]
    fn the_probe_of_another_process_is_not_somebodys_file() {
        let folder = tempfile::tempdir().unwrap();
        let probe = AtomicFile::create(folder.path().join(PROBE)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        check_empty(folder.path()).unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        check_empty(folder.path()).unwrap_err();
        drop(probe);
    }
}
