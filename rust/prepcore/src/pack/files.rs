//! Which files a token folder is made of.

use std::fs;
use std::path::Path;

use super::{Packed, SplitRecord};
use crate::{Error, Result};

/// What lies beside a token file, by what is put behind its name.
const BESIDE: [&str; 2] = [".index", ".metadata"];

impl SplitRecord {
    /// The names of the token files and what lies beside each, relative to the token folder.
    pub(crate) fn file_names(&self) -> impl Iterator<Item = String> {
        let named = |path: &String| {
            let beside = BESIDE.map(|suffix| format!("{path}{suffix}"));
            std::iter::once(path.clone()).chain(beside)
        };
        self.files.iter().flat_map(move |file| named(&file.path))
    }
}

impl Packed {
    /// The names of the files that stay as they are when documents are laid in other rows or put in another order:
    /// the tokenizer's, where documents came from, and what could not be read. Relative to the token folder.
    ///
    /// # Errors
    /// [`Error::Io`] where the tokenizer's folder cannot be read.
    pub(crate) fn companions(&self, root: &Path) -> Result<Vec<String>> {
        let folder = root.join(&self.tokenizer.path);
        let failed = |error| Error::io(&folder, "read", error);
        let mut names = ["unreadable.jsonl", "sources.parquet"].map(String::from).to_vec();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.push(format!("{}/{}", self.tokenizer.path, name.to_string_lossy()));
        }
        Ok(names)
    }
}
