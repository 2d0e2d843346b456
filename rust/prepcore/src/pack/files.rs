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
    /// The names of the files that stay as they are when documents are laid in other rows: where documents came from,
    /// what could not be read, the tokenizer, and the ledger of cleaning where there is one. Relative to the token
    /// folder.
    ///
    /// # Errors
    /// [`Error::Io`] where a folder cannot be read.
    pub(crate) fn companions(&self, root: &Path) -> Result<Vec<String>> {
        let mut names = ["unreadable.jsonl", "sources.parquet"].map(String::from).to_vec();
        let ledger = self.cleaning.as_deref().and_then(|manifest| manifest.rsplit_once('/'));
        let mut folders: Vec<String> = ledger.map(|(folder, _)| folder.to_owned()).into_iter().collect();
        folders.push(self.tokenizer.path.clone());
        while let Some(name) = folders.pop() {
            let folder = root.join(&name);
            let failed = |error| Error::io(&folder, "read", error);
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
                let is_folder = entry.path().is_dir();
                if is_folder { &mut folders } else { &mut names }.push(inner);
            }
        }
        Ok(names)
    }
}
