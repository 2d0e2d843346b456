//! From a document of the input to where it came from: through the keys of a cleaned folder to the raw file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ledger::KeyFile;
use crate::manifest::{Cleaned, FileRecord, PartRecord};
use crate::source::{Address, SourceFile};
use crate::{Error, Result};

/// Traces documents, which must come file by file: the keys of one part are held at a time.
pub(crate) struct Provenance {
    files: Vec<Origin>,
    /// The file whose keys are held, and where its rows came from.
    open: Option<(u32, Vec<Address>)>,
}

/// What is known of an input file.
enum Origin {
    /// It is raw: its own name.
    Raw(Arc<str>),
    /// It is a part of a cleaned folder: the names of that folder's inputs, and this part's keys.
    Part { inputs: Arc<[Arc<str>]>, folder: PathBuf, keys: FileRecord, rows: u64 },
}

impl Provenance {
    /// Looks for the manifests of cleaned folders beside the input files.
    ///
    /// # Errors
    /// [`Error::Input`] for a manifest that cannot be read.
    pub(crate) fn new(files: &[SourceFile]) -> Result<Self> {
        let mut folders = HashMap::new();
        let origin = |file: &SourceFile| {
            let folder = file.path.parent().unwrap_or(Path::new("")).to_path_buf();
            let known = match folders.get(&folder) {
                Some(known) => Option::clone(known),
                None => {
                    let known = Cleaned::of_folder(&folder)?.map(|manifest| {
                        let inputs: Arc<[Arc<str>]> =
                            manifest.inputs.iter().map(|input| Arc::from(input.path.as_str())).collect();
                        (Arc::new(manifest), inputs)
                    });
                    folders.insert(folder.clone(), known.clone());
                    known
                }
            };
            let name = file.path.file_name().unwrap_or_default();
            let part = known.and_then(|(manifest, inputs)| {
                let is_this = |part: &&PartRecord| {
                    part.kept.as_ref().is_some_and(|kept| Path::new(&kept.path) == Path::new(name))
                };
                let part = manifest.parts.iter().find(is_this)?;
                let (folder, keys) = (folder.clone(), part.keys.clone());
                Some(Origin::Part { inputs, folder, keys, rows: part.counts.kept })
            });
            Ok(part.unwrap_or_else(|| Origin::Raw(Arc::from(file.name.as_str()))))
        };
        Ok(Self { files: files.iter().map(origin).collect::<Result<_>>()?, open: None })
    }

    /// The file that a document came from, and its row there.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for keys that do not fit their part.
    pub(crate) fn trace(&mut self, address: Address) -> Result<(Arc<str>, u64)> {
        let (inputs, folder, keys, rows) = match self.files.get(address.source as usize) {
            Some(Origin::Raw(name)) => return Ok((Arc::clone(name), address.row)),
            Some(Origin::Part { inputs, folder, keys, rows }) => (inputs, folder, keys, *rows),
            None => {
                return Err(Error::Internal(format!(
                    "a document of file {}, which is not planned",
                    address.source
                )));
            }
        };
        let kept = match self.open.take() {
            Some((source, kept)) if source == address.source => kept,
            _ => read_kept(folder, keys, rows)?,
        };
        let origin = kept.get(address.row as usize).copied();
        self.open = Some((address.source, kept));
        origin
            .and_then(|origin| Some((Arc::clone(inputs.get(origin.source as usize)?), origin.row)))
            .ok_or_else(|| {
                let path = folder.join(&keys.path);
                Error::corrupt(path, format!("record of row {}", address.row), "no such row or input file")
            })
    }
}

/// The addresses of the kept documents, in the order of the part's rows.
fn read_kept(folder: &Path, keys: &FileRecord, rows: u64) -> Result<Vec<Address>> {
    let mut kept = Vec::new();
    for record in KeyFile::open(folder, keys)? {
        let record = record?;
        if record.kept {
            kept.push(record.address);
        }
    }
    if kept.len() as u64 != rows {
        return Err(Error::corrupt(
            folder.join(&keys.path),
            "records",
            format!("{} kept documents, expected {rows}", kept.len()),
        ));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ledger::{KEYS_HEADER, KeyRecord};

    #[test]
    fn only_kept_documents_are_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part-00000.keys");
        let address = |row| Address { source: 1, row };
        let mut bytes = KEYS_HEADER.to_vec();
        for (key, row, kept) in [(Some(7), 3, true), (Some(8), 4, false), (None, 9, true)] {
            bytes.extend(KeyRecord { key, address: address(row), kept }.encode());
        }
        fs::write(&path, &bytes).unwrap();
        let keys = FileRecord {
            path: "part-00000.keys".into(),
            rows: 3,
            bytes: bytes.len() as u64,
            checksum: crate::checksum::checksum(xxhash_rust::xxh3::xxh3_128(&bytes)),
        };
        let read_kept = |rows| read_kept(folder.path(), &keys, rows);
        assert_eq!(read_kept(2).unwrap(), [address(3), address(9)]);
        assert!(read_kept(3).unwrap_err().to_string().contains("2 kept documents"));
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(read_kept(2).is_err());
        fs::write(&path, "PREPKEYS?").unwrap();
        assert!(read_kept(2).unwrap_err().to_string().contains("not a key file"));
    }
}
