//! Files that are compressed as a whole.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::{Error, Result};

/// How a file is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

/// Opens a file for reading, decompressed: all members of a gzip file, all frames of a Zstandard one.
pub(crate) fn decompressed(path: &Path, compression: Compression) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|source| Error::io(path, "open", source))?;
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file)))
        }
        Compression::Zstd => {
            let failed = |source| Error::io(path, "decompress", source);
            let mut decoder = zstd::Decoder::new(file).map_err(failed)?;
            // Large dumps are made with `--long=31`; the window is allocated only where a file asks for it.
            decoder.window_log_max(31).map_err(failed)?;
            Box::new(decoder)
        }
    })
}
