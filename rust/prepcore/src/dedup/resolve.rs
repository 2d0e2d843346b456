//! Resolve: of each key, the document that comes first in input order stays; the others are duplicates of it.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::duplicates::{Duplicate, DuplicatesWriter, Section};
use super::sections::SectionsReader;
use super::{Key, Signatures};
use crate::ledger::KEY_RECORD;
use crate::source::Address;
use crate::{Error, Result};

/// Bytes that a record takes while its range is resolved: read, decoded, sorted, and as a duplicate.
const RECORD_WEIGHT: u64 = 160;

/// Finds the duplicates of one key range after the other.
pub(crate) struct Resolver<'a> {
    /// Of the folders of `--against` first, then of the parts in their order.
    signatures: &'a [Signatures],
    parts: usize,
    /// Bytes that one range may take; a larger one is taken in pieces.
    memory: u64,
}

/// A document, and the part it is of.
struct Entry {
    key: Key,
    address: Address,
    part: Option<u32>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(signatures: &'a [Signatures], parts: usize, memory: u64) -> Self {
        Self { signatures, parts, memory }
    }

    /// Appends the duplicates of a key range to a file. Returns how many keys were looked at, and how many
    /// duplicates there are.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `stop` is set; otherwise what reading or writing says.
    pub(crate) fn resolve(
        &self,
        partition: usize,
        writer: &Mutex<DuplicatesWriter>,
        stop: &AtomicBool,
    ) -> Result<(u64, u64)> {
        let buckets = self.buckets(partition)?;
        let keys: u64 = buckets.iter().flatten().map(|bucket| bucket.end - bucket.start).sum();
        // Keys are hashes: equal stretches of the key space hold about equally many.
        let pieces = (keys * RECORD_WEIGHT).div_ceil(self.memory.max(1)).max(1).next_power_of_two();
        let (first, step) = ((partition as Key) << 120, (1 << 120) / Key::from(pieces));
        let mut found = 0;
        for piece in 0..Key::from(pieces) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let start = first + step * piece;
            let bounds = (pieces > 1).then(|| start..=start + (step - 1));
            let section = Section::new(duplicates(&mut self.entries(&buckets, bounds)?), self.parts);
            found += section.len();
            writer.lock().unwrap_or_else(PoisonError::into_inner).append(&section)?;
        }
        Ok((keys, found))
    }

    /// Where a partition's records lie: of each signature file, in each of its runs.
    fn buckets(&self, partition: usize) -> Result<Vec<Vec<Range<u64>>>> {
        let of_file = |signatures: &Signatures| {
            let reader = signatures.reader()?;
            (0..signatures.runs()).map(|run| reader.bucket(run, partition)).collect()
        };
        self.signatures.iter().map(of_file).collect()
    }

    /// The documents of a partition whose keys lie within bounds, in input order.
    fn entries(
        &self,
        buckets: &[Vec<Range<u64>>],
        bounds: Option<RangeInclusive<Key>>,
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut records = Vec::new();
        for (signatures, runs) in self.signatures.iter().zip(buckets) {
            let reader = signatures.reader()?;
            let part = signatures.part().map(|part| part as u32);
            for bucket in runs {
                let mut bucket = bucket.clone();
                if let Some(bounds) = &bounds {
                    let start = first_record(&reader, bucket.clone(), |key| key >= *bounds.start())?;
                    bucket = start..first_record(&reader, start..bucket.end, |key| key > *bounds.end())?;
                }
                records.clear();
                reader.read(bucket, &mut records)?;
                let (records, _) = records.as_chunks::<KEY_RECORD>();
                entries.extend(records.iter().map(|record| {
                    let (key, address) = signatures.decode(record);
                    Entry { key, address, part }
                }));
            }
        }
        Ok(entries)
    }
}

/// The number of the first record of a sorted bucket whose key is far enough.
fn first_record(
    reader: &SectionsReader<'_>,
    bucket: Range<u64>,
    is_far_enough: impl Fn(Key) -> bool,
) -> Result<u64> {
    let Range { mut start, mut end } = bucket;
    let mut record = Vec::new();
    while start < end {
        let middle = start + (end - start) / 2;
        record.clear();
        reader.read(middle..middle + 1, &mut record)?;
        let key = record.first_chunk().map_or(0, |key| Key::from_be_bytes(*key));
        if is_far_enough(key) {
            end = middle;
        } else {
            start = middle + 1;
        }
    }
    Ok(start)
}

/// The documents that are not the first of their key. `entries` are in input order.
fn duplicates(entries: &mut [Entry]) -> Vec<(usize, Duplicate)> {
    // Stable: of equal keys the first in input order stays first. Runs that are sorted already are merged.
    entries.sort_by_key(|entry| entry.key);
    let mut duplicates = Vec::new();
    for equal in entries.chunk_by(|left, right| left.key == right.key) {
        if let [first, others @ ..] = equal {
            let of_input = others.iter().filter_map(|other| Some((other.part? as usize, other.address)));
            duplicates.extend(of_input.map(|(part, address)| (part, Duplicate::new(address, first.address))));
        }
    }
    duplicates
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::{Duplicates, Run, SignatureWriter, Twin, key_of_text};
    use super::*;
    use crate::source::PartFacts;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_first_of_each_key_stays(
            runs in prop::collection::vec((0..3_usize, prop::collection::vec(0..40_u64, 0..60)), 1..8),
            memory in prop_oneof![Just(1_u64), Just(2000), Just(1 << 30)],
        ) {
            let folder = tempfile::tempdir().unwrap();
            // Parts 1 to 3; what would be part 0 is a corpus of `--against`.
            let (mut expected, mut first) = (HashMap::new(), HashMap::new());
            let mut documents: Vec<Vec<Address>> = vec![Vec::new(); 3];
            let mut signatures = Vec::new();
            for file in 0..4_usize {
                let path = folder.path().join(file.to_string());
                let mut writer = SignatureWriter::create(path.clone()).unwrap();
                let mut row = 0;
                for (_, texts) in runs.iter().filter(|(of, _)| *of == file % 3) {
                    let mut run = Run::default();
                    for text in texts {
                        // All keys in one partition, so that small budgets cut it.
                        let key = key_of_text(&text.to_string()) >> 8;
                        let address = Address { source: file as u32, row };
                        run.push(key, address);
                        let twin = if file == 0 { Twin::Against(address) } else { Twin::Input(address) };
                        let winner = *first.entry(key).or_insert(twin);
                        if file > 0 {
                            documents[file - 1].push(address);
                            if winner != twin {
                                expected.insert(address, winner);
                            }
                        }
                        row += 1;
                    }
                    writer.append(&run.sort()).unwrap();
                }
                writer.commit(PartFacts::default(), None).unwrap();
                signatures.push(Signatures::open(&path, file.checked_sub(1)).unwrap().0);
            }
            let target = folder.path().join("duplicates");
            let writer = Mutex::new(DuplicatesWriter::create(target.clone(), 3).unwrap());
            let resolver = Resolver::new(&signatures, 3, memory);
            let (_, found) = resolver.resolve(0, &writer, &AtomicBool::new(false)).unwrap();
            writer.into_inner().unwrap().commit(&[0]).unwrap();
            prop_assert_eq!(found as usize, expected.len());
            let duplicates = Duplicates::open([target]).unwrap();
            for (part, documents) in documents.into_iter().enumerate() {
                let mut of_part = duplicates.of_part(part).unwrap();
                for address in documents {
                    prop_assert_eq!(of_part.twin(address).unwrap(), expected.get(&address).copied());
                }
            }
        }
    }
}
