//! A file of fixed-size records in sections, each section in buckets that can be read alone.
//!
//! ```text
//! records of section 0, bucket by bucket; records of section 1; …
//! index: for each section, where each of its buckets starts, and where the last one ends (u64, in records)
//! note: what the writer has to say, as JSON
//! tail: sections, buckets, record size, bytes of the note (u64 each), magic
//! ```
//!
//! All numbers are little-endian. The tail comes last, and the file gets its name after it: a file that is there
//! is whole.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sink::AtomicFile;
use crate::{Error, Result};

const MAGIC: [u8; 8] = *b"PREPSEC\x01";
const TAIL: usize = 40;

/// Writes sections, one after the other.
pub(crate) struct SectionsWriter {
    file: AtomicFile,
    record: usize,
    buckets: usize,
    /// Where each bucket starts, in records; a section has one number more than buckets.
    index: Vec<u64>,
    records: u64,
}

impl SectionsWriter {
    pub(crate) fn create(target: PathBuf, record: usize, buckets: usize) -> Result<Self> {
        Ok(Self { file: AtomicFile::create(target)?, record, buckets, index: Vec::new(), records: 0 })
    }

    /// Appends a section. `counts` says how many records lie in each bucket.
    pub(crate) fn section(&mut self, records: &[u8], counts: &[u64]) -> Result<()> {
        debug_assert_eq!(counts.len(), self.buckets);
        debug_assert_eq!(counts.iter().sum::<u64>(), (records.len() / self.record) as u64);
        self.index.push(self.records);
        for count in counts {
            self.records += count;
            self.index.push(self.records);
        }
        self.file.append(records)
    }

    /// Writes what describes the file and commits it.
    pub(crate) fn commit(mut self, note: &impl Serialize) -> Result<()> {
        let index: Vec<u8> = self.index.iter().flat_map(|start| start.to_le_bytes()).collect();
        let note = serde_json::to_vec(note)
            .map_err(|error| Error::Internal(format!("cannot describe sections: {error}")))?;
        let sections = self.index.len() / (self.buckets + 1);
        let numbers = [sections, self.buckets, self.record, note.len()];
        let mut tail: Vec<u8> = numbers.iter().flat_map(|number| (*number as u64).to_le_bytes()).collect();
        tail.extend_from_slice(&MAGIC);
        self.file.append(&index)?;
        self.file.append(&note)?;
        self.file.append(&tail)?;
        self.file.commit().map(|_| ())
    }
}

/// What a file of sections holds. The file is opened anew for every look: a large run has more of these files than
/// a process may hold open.
#[derive(Debug)]
pub(crate) struct Sections {
    path: PathBuf,
    record: usize,
    buckets: usize,
    sections: usize,
    /// Where the index starts.
    index: u64,
    note: Vec<u8>,
}

impl Sections {
    /// Opens a file whose records have so many bytes.
    pub(crate) fn open(path: &Path, record: usize) -> Result<Self> {
        let failed = |source| Error::io(path, "read", source);
        let damaged = || Error::corrupt(path, "last bytes", "not a whole file of this version");
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut tail = [0; TAIL];
        let note_end = size.checked_sub(TAIL as u64).ok_or_else(damaged)?;
        file.read_exact_at(&mut tail, note_end).map_err(failed)?;
        if tail[32..] != MAGIC {
            return Err(damaged());
        }
        let number = |at: usize| {
            let bytes = tail[8 * at..8 * at + 8].try_into().unwrap_or_default();
            u64::from_le_bytes(bytes)
        };
        let [sections, buckets, found, note] = [number(0), number(1), number(2), number(3)];
        if found != record as u64 {
            return Err(damaged());
        }
        let entries = buckets.checked_add(1).and_then(|starts| sections.checked_mul(starts));
        let index_bytes = entries.and_then(|entries| entries.checked_mul(8));
        let index = index_bytes.and_then(|bytes| note_end.checked_sub(note)?.checked_sub(bytes));
        let index = index.ok_or_else(damaged)?;
        let mut text = vec![0; note as usize];
        file.read_exact_at(&mut text, note_end - note).map_err(failed)?;
        Ok(Self {
            path: path.to_path_buf(),
            record,
            buckets: buckets as usize,
            sections: sections as usize,
            index,
            note: text,
        })
    }

    /// What the writer had to say.
    pub(crate) fn note<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.note).map_err(|error| Error::corrupt(&self.path, "note", error))
    }

    /// The number of sections.
    pub(crate) fn sections(&self) -> usize {
        self.sections
    }

    /// The number of records.
    fn records(&self) -> u64 {
        self.index / self.record as u64
    }

    /// Opens the file for reading.
    pub(crate) fn reader(&self) -> Result<SectionsReader<'_>> {
        let file = File::open(&self.path).map_err(|source| Error::io(&self.path, "open", source))?;
        Ok(SectionsReader { sections: self, file })
    }
}

/// Reads records.
pub(crate) struct SectionsReader<'a> {
    sections: &'a Sections,
    file: File,
}

impl SectionsReader<'_> {
    /// The records of a bucket of a section, as a range of numbers.
    pub(crate) fn bucket(&self, section: usize, bucket: usize) -> Result<Range<u64>> {
        let mut ends = [0; 16];
        let entry = section * (self.sections.buckets + 1) + bucket;
        self.read_at(&mut ends, self.sections.index + 8 * entry as u64)?;
        let number = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
        let (start, end) = (number(&ends[..8]), number(&ends[8..]));
        if bucket >= self.sections.buckets || start > end || end > self.sections.records() {
            let place = format!("bucket {bucket} of section {section}");
            let message = format!("records {start} to {end} of {}", self.sections.records());
            return Err(Error::corrupt(&self.sections.path, place, message));
        }
        Ok(start..end)
    }

    /// Appends records to a buffer.
    pub(crate) fn read(&self, records: Range<u64>, into: &mut Vec<u8>) -> Result<()> {
        let filled = into.len();
        let record = self.sections.record;
        into.resize(filled + (records.end - records.start) as usize * record, 0);
        self.read_at(&mut into[filled..], records.start * record as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<()> {
        let read = self.file.read_exact_at(into, offset);
        read.map_err(|source| Error::io(&self.sections.path, "read", source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_read_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut writer = SectionsWriter::create(path.clone(), 2, 3).unwrap();
        writer.section(b"aabbcc", &[1, 0, 2]).unwrap();
        writer.section(b"", &[0, 0, 0]).unwrap();
        writer.section(b"dd", &[0, 1, 0]).unwrap();
        writer.commit(&"note").unwrap();
        let sections = Sections::open(&path, 2).unwrap();
        assert_eq!(sections.note::<String>().unwrap(), "note");
        let read = |section, bucket| {
            let mut bytes = Vec::new();
            let reader = sections.reader().unwrap();
            reader.read(reader.bucket(section, bucket).unwrap(), &mut bytes).unwrap();
            bytes
        };
        assert_eq!((read(0, 0), read(0, 1), read(0, 2)), (b"aa".to_vec(), vec![], b"bbcc".to_vec()));
        assert_eq!((sections.sections(), read(1, 2), read(2, 1)), (3, vec![], b"dd".to_vec()));
    }

    #[test]
    fn an_index_that_points_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut writer = SectionsWriter::create(path.clone(), 2, 3).unwrap();
        writer.section(b"aabbcc", &[1, 0, 2]).unwrap();
        writer.commit(&()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        // The index is four numbers behind six bytes of records.
        for at in 6..6 + 4 * 8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&path, &damaged).unwrap();
            let sections = Sections::open(&path, 2).unwrap();
            let reader = sections.reader().unwrap();
            let buckets: Result<Vec<_>> = (0..3).map(|bucket| reader.bucket(0, bucket)).collect();
            assert!(buckets.is_err(), "{at}");
        }
    }

    #[test]
    fn a_file_cut_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        SectionsWriter::create(path.clone(), 2, 3).unwrap().commit(&()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Sections::open(&path, 2).is_err(), "{length}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(Sections::open(&path, 4).is_err());
    }
}
