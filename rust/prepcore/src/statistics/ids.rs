//! How often each id occurs in a token file.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// Two tables in turn: a run of one token would otherwise wait for its own counter each time.
const TABLES: usize = 2;

/// Counts by id.
pub(super) struct IdCounts {
    /// Bytes of an id are four, and not two.
    wide: bool,
    size: usize,
    tables: [Vec<u64>; TABLES],
}

impl IdCounts {
    /// No id counted yet; ids lie below `size`.
    pub(super) fn new(wide: bool, size: usize) -> Self {
        // All that two bytes hold, so that the loop needs no bound.
        let length = if wide { size } else { 1 << 16 };
        Self { wide, size, tables: std::array::from_fn(|_| vec![0; length]) }
    }

    /// The number of ids in a file.
    pub(super) fn in_file(&self, path: &Path) -> Result<u64> {
        let described = fs::metadata(path).map_err(|error| Error::io(path, "open", error))?;
        let (width, left) = (self.width(), described.len() % self.width());
        if left > 0 {
            return Err(Error::corrupt(path, "its end", format!("{left} bytes, and an id has {width}")));
        }
        Ok(described.len() / width)
    }

    /// Counts those ids of a file whose places are in a range.
    pub(super) fn add_range(&mut self, path: &Path, places: Range<u64>, stop: &AtomicBool) -> Result<()> {
        let mut file = File::open(path).map_err(|error| Error::io(path, "open", error))?;
        let start = SeekFrom::Start(places.start * self.width());
        file.seek(start).map_err(|error| Error::io(path, "read", error))?;
        let mut left = (places.end - places.start) * self.width();
        let mut block = vec![0; BLOCK.min(left as usize)];
        while left > 0 {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let block = &mut block[..BLOCK.min(left as usize)];
            file.read_exact(block).map_err(|error| Error::io(path, "read", error))?;
            let fits = if self.wide { self.add_wide(block) } else { self.add_narrow(block) };
            if !fits {
                return Err(self.beyond(path));
            }
            left -= block.len() as u64;
        }
        if self.tables.iter().any(|table| table.iter().skip(self.size).any(|count| *count > 0)) {
            return Err(self.beyond(path));
        }
        Ok(())
    }

    /// Bytes of an id.
    fn width(&self) -> u64 {
        if self.wide { 4 } else { 2 }
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        for (table, more) in self.tables.iter_mut().zip(&other.tables) {
            table.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
    }

    /// The counts by id, `size` of them.
    pub(super) fn into_counts(self) -> Vec<u64> {
        let [mut counts, more] = self.tables;
        counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        counts.truncate(self.size);
        counts
    }

    fn add_narrow(&mut self, bytes: &[u8]) -> bool {
        let [first, second] = &mut self.tables;
        let (Ok(first), Ok(second)) = (
            <&mut [u64; 1 << 16]>::try_from(&mut first[..]),
            <&mut [u64; 1 << 16]>::try_from(&mut second[..]),
        ) else {
            return false;
        };
        let mut pairs = bytes.chunks_exact(4);
        for pair in &mut pairs {
            first[usize::from(u16::from_le_bytes([pair[0], pair[1]]))] += 1;
            second[usize::from(u16::from_le_bytes([pair[2], pair[3]]))] += 1;
        }
        if let [low, high] = *pairs.remainder() {
            first[usize::from(u16::from_le_bytes([low, high]))] += 1;
        }
        true
    }

    /// Whether all ids lie below the size.
    fn add_wide(&mut self, bytes: &[u8]) -> bool {
        let [first, second] = &mut self.tables;
        let mut fits = true;
        let mut add = |table: &mut Vec<u64>, id: &[u8]| {
            let id = u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
            match table.get_mut(id as usize) {
                Some(count) => *count += 1,
                None => fits = false,
            }
        };
        let mut pairs = bytes.chunks_exact(8);
        for pair in &mut pairs {
            add(first, &pair[..4]);
            add(second, &pair[4..]);
        }
        if !pairs.remainder().is_empty() {
            add(first, pairs.remainder());
        }
        fits
    }

    fn beyond(&self, path: &Path) -> Error {
        let size = self.size;
        Error::corrupt(path, "its ids", format!("one lies beyond the vocabulary of {size} entries"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn counted(bytes: &[u8], wide: bool, size: usize) -> Result<(u64, Vec<u64>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.ds");
        fs::write(&path, bytes).unwrap();
        let mut counts = IdCounts::new(wide, size);
        let ids = counts.in_file(&path)?;
        for places in [0..ids / 3, ids / 3..ids] {
            counts.add_range(&path, places, &AtomicBool::new(false))?;
        }
        Ok((ids, counts.into_counts()))
    }

    proptest! {
        #[test]
        fn every_id_is_counted_once(ids in vec(0_u32..50, 0..300), wide in any::<bool>()) {
            let bytes: Vec<u8> = match wide {
                true => ids.iter().flat_map(|id| id.to_le_bytes()).collect(),
                false => ids.iter().flat_map(|id| (*id as u16).to_le_bytes()).collect(),
            };
            let mut wanted = vec![0; 50];
            ids.iter().for_each(|id| wanted[*id as usize] += 1);
            prop_assert_eq!(counted(&bytes, wide, 50).unwrap(), (ids.len() as u64, wanted));
        }
    }

    #[test]
    fn blocks_are_joined() {
        let ids = (0..1_000_000_u32).map(|number| number % 7);
        let bytes: Vec<u8> = ids.flat_map(u32::to_le_bytes).collect();
        let (count, counts) = counted(&bytes, true, 7).unwrap();
        assert_eq!((count, counts.iter().sum::<u64>(), counts[6]), (1_000_000, 1_000_000, 142_857));
    }

    #[test]
    fn what_is_no_id_of_the_vocabulary_is_refused() {
        for wide in [false, true] {
            let bytes = if wide { vec![9, 0, 0, 0] } else { vec![9, 0] };
            let message = counted(&bytes, wide, 9).unwrap_err().to_string();
            assert!(message.contains("beyond the vocabulary of 9 entries"), "{message}");
            assert_eq!(counted(&bytes, wide, 10).unwrap().0, 1);
            let message = counted(&bytes[1..], wide, 10).unwrap_err().to_string();
            assert!(message.contains("an id has"), "{message}");
        }
    }
}
