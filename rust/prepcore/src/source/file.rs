//! A file of the input, and whether it is still the one that was found.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::compression::Compression;
use crate::{Error, Result};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Parquet.
    Parquet,
    /// A JSON object a line, plain or compressed.
    Jsonl,
    /// One document.
    Text,
    /// An Arrow stream.
    Stream,
}

impl Kind {
    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Jsonl => "JSONL",
            Self::Text => "text",
            Self::Stream => "an Arrow stream",
        }
    }

    /// The kind of files of which [`Kind::name`] says this; `None` for none.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Parquet, Self::Jsonl, Self::Text].into_iter().find(|kind| kind.name() == name)
    }
}

/// One file of the input.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// How manifests name it: relative to the folder that the user named, else its file name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What else told it apart when it was found.
    pub identity: Identity,
    /// What it holds.
    pub kind: Kind,
    /// How it is compressed as a whole.
    pub compression: Compression,
}

/// What tells a file from another of its size under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// When it was last written to, in seconds and nanoseconds.
    modified: (i64, i64),
    /// Its number in the file system.
    inode: u64,
}

impl Identity {
    pub(crate) fn new(metadata: &Metadata) -> Self {
        Self { modified: (metadata.mtime(), metadata.mtime_nsec()), inode: metadata.ino() }
    }
}

impl SourceFile {
    /// Checks that the file is the one that was found, as far as its size, time stamp and inode tell.
    ///
    /// # Errors
    /// [`Error::Changed`] where it is not.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let changed = |message: String| Err(Error::Changed { path: self.path.clone(), message });
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return changed("vanished while it was being read".into());
            }
            Err(error) => return Err(Error::io(&self.path, "read", error)),
        };
        let found = Identity::new(&metadata);
        if metadata.len() != self.size {
            return changed(format!(
                "changed while it was being read (size {} → {})",
                self.size,
                metadata.len()
            ));
        }
        if found.inode != self.identity.inode {
            return changed("changed while it was being read (another file took its place)".into());
        }
        if found.modified != self.identity.modified {
            return changed(
                "changed while it was being read (it was written to, its size is the same)".into(),
            );
        }
        Ok(())
    }
}
