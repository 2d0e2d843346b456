//! A file's fingerprint: enough to notice that an input changed, without reading all of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::checksum::checksum;
use crate::{Error, Result};

const BLOCK: u64 = 64 << 10;
const BLOCKS: u64 = 64;

/// XXH3-128 of the size and of 64 blocks of 64 KiB spread evenly over the file, its first and last bytes among
/// them; of all bytes where the file is no larger than these.
pub(crate) fn fingerprint(path: &Path, size: u64) -> Result<String> {
    let failed = |source| Error::io(path, "read", source);
    let mut hash = Xxh3::new();
    hash.update(&size.to_le_bytes());
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = Vec::new();
    let blocks = if size <= BLOCK * BLOCKS { vec![(0, size)] } else { spread(size) };
    for (start, length) in blocks {
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        buffer.clear();
        (&mut file).take(length).read_to_end(&mut buffer).map_err(failed)?;
        hash.update(&buffer);
    }
    Ok(checksum(hash.digest128()))
}

fn spread(size: u64) -> Vec<(u64, u64)> {
    let last = size - BLOCK;
    (0..BLOCKS).map(|block| (last / (BLOCKS - 1) * block, BLOCK)).chain([(last, BLOCK)]).collect()
}
