//! How files of ours write an XXH3-128.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// Its name.
pub(crate) const ALGORITHM: &str = "xxh3-128";

/// The checksum of a file, as manifests write it.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|error| Error::io(path, "open", error))?;
    let (mut hash, mut block) = (Xxh3::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block).map_err(|error| Error::io(path, "read", error))? {
            0 => return Ok(checksum(hash.digest128())),
            read => hash.update(&block[..read]),
        }
    }
}

/// Its name and 32 hexadecimal digits.
pub(crate) fn checksum(digest: u128) -> String {
    format!("{ALGORITHM}:{digest:032x}")
}
