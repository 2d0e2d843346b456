//! The journal: a line for each committed part, flushed to disk before the part counts as finished.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::finished::Finished;
use super::locks::lock_journal;
use crate::config::Shard;
use crate::sink::fault;
use crate::{Error, Result};

/// A line of a journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A process began to work.
    Begun { process: u32 },
    /// A part, or a piece of one, was committed.
    Finished(Box<Finished>),
}

/// The journal of one shard, open for appending and locked against a second process.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

/// What journals say.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) finished: Vec<Finished>,
    /// How often a process began to work.
    pub(crate) begun: u64,
}

impl Journal {
    /// Opens a shard's journal; what a kill left of a line is cut off.
    ///
    /// # Errors
    /// [`Error::Input`] when another process holds it, or shards of another number are at work.
    pub(crate) fn open(folder: &Path, shard: Shard) -> Result<Self> {
        let path = folder.join(format!("journal-{:05}-of-{:05}.jsonl", shard.index, shard.count));
        let failed = |source| Error::io(&path, "open", source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        lock_journal(&file, &path, shard)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        let mut journal = Self { path, file };
        journal.append(&Line::Begun { process: std::process::id() })?;
        Ok(journal)
    }

    /// Enters a committed part.
    pub(crate) fn finished(&mut self, finished: Finished) -> Result<()> {
        self.append(&Line::Finished(Box::new(finished)))
    }

    fn append(&mut self, line: &Line) -> Result<()> {
        let mut line = serde_json::to_vec(line)
            .map_err(|error| Error::Internal(format!("cannot write the journal: {error}")))?;
        line.push(b'\n');
        let written = fault::point("journal", &self.path).and_then(|()| self.file.write_all(&line));
        written.map_err(|source| Error::io(&self.path, "write", source))?;
        self.file.sync_data().map_err(|source| Error::io(&self.path, "flush", source))
    }
}

impl Entries {
    /// Reads all journals of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let failed = |source| Error::io(folder, "read", source);
        let mut entries = Self::default();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("journal-") {
                let bytes = fs::read(&path).map_err(|source| Error::io(&path, "read", source))?;
                entries.add(&path, &bytes)?;
            }
        }
        Ok(entries)
    }

    fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        // What follows the last line end was never flushed: the part that it would name is not finished.
        let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for (number, line) in whole.enumerate() {
            let line = serde_json::from_slice(line).map_err(|error| {
                Error::corrupt(
                    path,
                    format!("line {}", number + 1),
                    format!("not a journal of this version: {error}"),
                )
            })?;
            match line {
                Line::Begun { .. } => self.begun += 1,
                Line::Finished(finished) => self.finished.push(*finished),
            }
        }
        Ok(())
    }
}
