//! `--against`: the documents of earlier cleaned folders, which are dropped from this input too.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::{KEY_ALGORITHM, KEY_SEED, Key, Twin};
use crate::checksum::checksum;
use crate::config::DedupKey;
use crate::ledger::KeyFile;
use crate::manifest::{Cleaned, FileRecord, HashRecord};
use crate::source::Address;
use crate::{Error, Result};

/// The key files of the folders of `--against`.
#[derive(Debug, Default)]
pub(crate) struct Against {
    /// Their input files, all folders one after the other: `FOLDER/PATH`.
    names: Vec<String>,
    files: Vec<File>,
    records: Vec<Value>,
}

#[derive(Debug)]
struct File {
    folder: PathBuf,
    keys: FileRecord,
    /// The number of the folder's first input file in `names`.
    first: u32,
}

impl Against {
    /// Reads the manifests of cleaned folders whose keys must be of the same kind.
    ///
    /// # Errors
    /// [`Error::Config`] for a folder that is none of ours, is not finished, or has other keys.
    pub(crate) fn open(folders: &[PathBuf], key: &DedupKey) -> Result<Self> {
        let mut against = Self::default();
        for folder in folders {
            against.add(folder, key)?;
        }
        Ok(against)
    }

    fn add(&mut self, folder: &Path, key: &DedupKey) -> Result<()> {
        let refused =
            |message: String| Error::config("--against", format!("{}: {message}", folder.display()));
        let manifest = Cleaned::of_folder(folder)?.ok_or_else(|| {
            refused("not a finished folder of `prepcore clean`".into())
                .hint("expected a folder with the manifest.json that a finished run writes")
        })?;
        let hash = HashRecord { algorithm: KEY_ALGORITHM.into(), seed: KEY_SEED };
        let theirs = manifest.configuration.get("dedup_key").cloned().unwrap_or_default();
        if manifest.hash != hash || theirs != json!(key) {
            return Err(refused(format!("its keys are {theirs}, those of this run {}", json!(key)))
                .hint("keys of one kind alone can be compared; see --dedup-key"));
        }
        let name = std::path::absolute(folder).ok();
        let name =
            name.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let first = self.names.len() as u32;
        self.names.extend(manifest.inputs.iter().map(|input| format!("{name}/{}", input.path)));
        let file = |keys: &FileRecord| File { folder: folder.to_path_buf(), keys: keys.clone(), first };
        self.files.extend(manifest.parts.iter().map(|part| file(&part.keys)));
        // What of that folder decides over this run: which documents it holds, not where it lies.
        let keys: String = manifest.parts.iter().map(|part| part.keys.checksum.as_str()).collect();
        self.records.push(json!({ "name": name, "keys": checksum(xxh3_128(keys.as_bytes())) }));
        Ok(())
    }

    /// Their input files, by the number that a [`Twin::Against`] names.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// What a manifest says of the folders.
    pub(crate) fn records(&self) -> &[Value] {
        &self.records
    }

    /// The number of key files.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// The keys of the documents that a key file's folder holds.
    pub(crate) fn keys(&self, file: usize) -> Result<impl Iterator<Item = Result<(Key, Twin)>>> {
        let File { folder, keys, first } = &self.files[file];
        let held = KeyFile::open(folder, keys)?.filter_map(move |record| match record {
            Ok(record) if record.kept => {
                let address = Address { source: first + record.address.source, ..record.address };
                Some(Ok((record.key?, Twin::Against(address))))
            }
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        Ok(held)
    }
}
