//! `rows-L.idx`: which pieces of which documents make up each row.
//!
//! ```text
//! 8 bytes     PREPROWS
//! u64         rows, R
//! u64         pieces, P
//! R + 1 u64   the piece that each row begins with, and P
//! P records   document u64, offset within the document u64, length u32: 20 bytes
//! ```
//!
//! All numbers are little-endian; offsets and lengths are in tokens. Documents are numbered within their side of the
//! split, in the order of the manifest's files. A row whose pieces are shorter than L ends in padding.

use std::io;
use std::path::{Path, PathBuf};

use super::{AtomicFile, Scratch, Written};
use crate::pack::Piece;
use crate::{Error, Result};

/// What the file begins with.
const MAGIC: &[u8; 8] = b"PREPROWS";
/// Bytes that wait in memory for each of two temporary files.
const BUFFER: usize = 1 << 20;

/// Writes a row index. How many rows there are is known only at the end, and stands at the beginning; so starts and
/// pieces are kept on disk until then, and memory does not grow with the corpus.
pub(crate) struct RowIndexFile {
    target: PathBuf,
    starts: Scratch,
    pieces: Scratch,
    rows: u64,
    count: u64,
    encoded: Vec<u8>,
}

impl RowIndexFile {
    /// Starts a file in a folder that exists.
    pub(crate) fn create(target: PathBuf) -> Result<Self> {
        let folder = target.parent().unwrap_or(Path::new("."));
        let (starts, pieces) = (Scratch::create(folder, BUFFER)?, Scratch::create(folder, BUFFER)?);
        Ok(Self { target, starts, pieces, rows: 0, count: 0, encoded: Vec::new() })
    }

    /// Adds the next row.
    pub(crate) fn append(&mut self, row: &[Piece]) -> Result<()> {
        self.starts.append(&self.count.to_le_bytes())?;
        self.rows += 1;
        self.count += row.len() as u64;
        self.encoded.clear();
        for piece in row {
            self.encoded.extend(piece.document.to_le_bytes());
            self.encoded.extend(piece.offset.to_le_bytes());
            self.encoded.extend(piece.length.to_le_bytes());
        }
        self.pieces.append(&self.encoded)
    }

    /// Flushes the file to disk and gives it its name.
    pub(crate) fn commit(mut self) -> Result<Written> {
        self.starts.append(&self.count.to_le_bytes())?;
        let mut file = AtomicFile::create(self.target.clone())?;
        file.append(MAGIC)?;
        file.append(&self.rows.to_le_bytes())?;
        file.append(&self.count.to_le_bytes())?;
        for scratch in [self.starts, self.pieces] {
            io::copy(&mut scratch.finish()?.read(BUFFER), &mut file)
                .map_err(|source| Error::io(&self.target, "write", source))?;
        }
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_is_laid_out_as_documented() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows-8.idx");
        let piece = |document, offset, length| Piece { document, offset, length };
        let mut index = RowIndexFile::create(path.clone()).unwrap();
        index.append(&[piece(0, 0, 5), piece(3, 0, 2)]).unwrap();
        index.append(&[piece(1, 1 << 40, 8)]).unwrap();
        let written = index.commit().unwrap();
        let mut wanted = b"PREPROWS".to_vec();
        wanted.extend([2_u64, 3, 0, 2, 3].iter().flat_map(|number| number.to_le_bytes()));
        for (document, offset, length) in [(0_u64, 0_u64, 5_u32), (3, 0, 2), (1, 1 << 40, 8)] {
            wanted.extend(document.to_le_bytes());
            wanted.extend(offset.to_le_bytes());
            wanted.extend(length.to_le_bytes());
        }
        assert_eq!(fs::read(path).unwrap(), wanted);
        assert_eq!(written.bytes, wanted.len() as u64);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
