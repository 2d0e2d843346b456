//! Keys already seen, in memory.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{Key, Twin, partition_of};
use crate::source::Address;

/// The keys seen so far, each with the document that came first.
///
/// One table a partition: growing one copies 1/256 of the keys, so memory never doubles at once.
pub struct Seen {
    partitions: Vec<HashTable<(Key, Address)>>,
    bytes: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self { partitions: (0..super::PARTITIONS).map(|_| HashTable::new()).collect(), bytes: 0 }
    }
}

impl Seen {
    /// Records a document. Returns the earlier document of the same key when there is one.
    pub fn insert(&mut self, key: Key, address: Address) -> Option<Twin> {
        self.insert_twin(key, Twin::Input(address))
    }

    /// Records a document of this input or of a folder of `--against`.
    pub(crate) fn insert_twin(&mut self, key: Key, twin: Twin) -> Option<Twin> {
        // The key is a hash already: its top byte chooses the partition, its low half the slot.
        let partition = &mut self.partitions[partition_of(key)];
        let capacity = partition.capacity();
        let before = if partition.len() == capacity { partition.allocation_size() } else { 0 };
        match partition.entry(key as u64, |(seen, _)| *seen == key, |(seen, _)| *seen as u64) {
            Entry::Occupied(entry) => return Some(Twin::unpack(entry.get().1)),
            Entry::Vacant(entry) => entry.insert((key, twin.pack())),
        };
        if partition.capacity() != capacity {
            self.bytes += partition.allocation_size() - before;
        }
        None
    }

    /// The bytes that the tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of different keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.iter().map(HashTable::len).sum()
    }

    /// Whether no key was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_stays() {
        let mut seen = Seen::default();
        let at = |row| Address { source: 1, row };
        assert_eq!(seen.insert_twin(5, Twin::Against(at(9))), None);
        assert_eq!(seen.insert(5, at(0)), Some(Twin::Against(at(9))));
        assert_eq!(seen.insert(7, at(0)), None);
        assert_eq!(seen.insert(7 << 120, at(1)), None);
        assert_eq!(seen.insert(7, at(2)), Some(Twin::Input(at(0))));
        assert_eq!(seen.insert(7, at(3)), Some(Twin::Input(at(0))));
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn bytes_are_those_of_the_tables() {
        let mut seen = Seen::default();
        for row in 0..50_000_u64 {
            seen.insert(crate::dedup::key_of_text(&row.to_string()), Address { source: 0, row });
        }
        let tables: usize = seen.partitions.iter().map(HashTable::allocation_size).sum();
        assert_eq!(seen.bytes(), tables);
        assert!(tables >= 32 * seen.len() && tables < 80 * seen.len(), "{tables}");
    }
}
