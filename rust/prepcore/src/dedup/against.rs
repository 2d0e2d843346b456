//! `--against`: the documents of earlier cleaned folders, which are dropped from this input too.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::{KEY_ALGORITHM, KEY_SEED, Key};
use crate::checksum::checksum;
use crate::config::DedupKey;
use crate::ledger::{KeyFile, KeyRecord};
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

    /// Their input files, by the number that [`super::Twin::Against`] names.
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

    /// The keys of the documents that a key file's folder holds: of those that were kept alone.
    pub(crate) fn keys(&self, file: usize) -> Result<impl Iterator<Item = Result<(Key, Address)>>> {
        let File { folder, keys, first } = &self.files[file];
        let held = move |record: KeyRecord| {
            let address = Address { source: first + record.address.source, ..record.address };
            record.kept.then_some((record.key?, address))
        };
        Ok(KeyFile::open(folder, keys)?.filter_map(move |record| record.map(held).transpose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::KEYS_HEADER;

    #[test]
    fn a_document_that_went_after_its_key_was_seen_is_not_held() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = KEYS_HEADER.to_vec();
        for (key, row, kept) in
            [(Some(7), 3, true), (Some(8), 4, false), (None, 9, true), (Some(5), 12, true)]
        {
            bytes.extend(KeyRecord { key, address: Address { source: 1, row }, kept }.encode());
        }
        std::fs::write(folder.path().join("keys"), &bytes).unwrap();
        let checksum = checksum(xxh3_128(&bytes));
        let keys = FileRecord { path: "keys".into(), rows: 4, bytes: bytes.len() as u64, checksum };
        let all = KeyFile::open(folder.path(), &keys).unwrap().keys().map(|pair| pair.unwrap().0);
        assert_eq!(all.collect::<Vec<_>>(), [7, 8, 5]);
        let file = File { folder: folder.path().to_path_buf(), keys, first: 2 };
        let against = Against { files: vec![file], ..Against::default() };
        let held: Vec<_> = against.keys(0).unwrap().map(Result::unwrap).collect();
        let address = |row| Address { source: 3, row };
        assert_eq!(held, [(7, address(3)), (5, address(12))]);
    }
}
