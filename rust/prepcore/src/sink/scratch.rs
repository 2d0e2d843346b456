//! Files for what does not fit memory: without a name, so nothing is left of them, whatever ends the process.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::fault;
use crate::{Error, Result};

/// Tells the files of one process apart, for the moment that they have names.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file that is written from end to end and then read once.
pub(crate) struct Scratch {
    folder: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Scratch {
    /// Starts a file on the disk of a folder; so many bytes wait in memory before they are written.
    pub(crate) fn create(folder: &Path, buffer: usize) -> Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".scratch-{}-{number}.tmp", std::process::id()));
        let file = fault::point("create", &path)
            .and_then(|()| OpenOptions::new().read(true).write(true).create_new(true).open(&path))
            .and_then(|file| fs::remove_file(&path).map(|()| file))
            .map_err(|source| Error::io(&path, "create", source))?;
        Ok(Self { folder: folder.to_path_buf(), file: BufWriter::with_capacity(buffer, file), bytes: 0 })
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = fault::point("write", &self.folder).and_then(|()| self.file.write_all(bytes));
        written.map_err(|source| Error::io(&self.folder, "write a temporary file in", source))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Hands what waits in memory to the operating system, and gives that memory back.
    pub(crate) fn finish(self) -> Result<WrittenScratch> {
        let failed = |source| Error::io(&self.folder, "write a temporary file in", source);
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(WrittenScratch { file, bytes: self.bytes })
    }
}

/// A file that was written. It is gone once it was read.
pub(crate) struct WrittenScratch {
    file: File,
    bytes: u64,
}

impl WrittenScratch {
    /// Its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it from its beginning, so many bytes at a time.
    pub(crate) fn read(self, buffer: usize) -> BufReader<File> {
        BufReader::with_capacity(buffer, self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_no_name_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::create(folder.path(), 8).unwrap();
        let mut other = Scratch::create(folder.path(), 8).unwrap();
        other.append(b"other").unwrap();
        for piece in ["one", "and a long one", "two"] {
            scratch.append(piece.as_bytes()).unwrap();
        }
        let scratch = scratch.finish().unwrap();
        assert_eq!(scratch.bytes(), 20);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut text = String::new();
        scratch.read(4).read_to_string(&mut text).unwrap();
        assert_eq!(text, "oneand a long onetwo");
    }
}
