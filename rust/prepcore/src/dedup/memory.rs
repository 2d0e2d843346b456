//! Keys already seen, in memory.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Key;
use crate::source::Address;

/// Partitions by the key's top byte: growing one copies 1/256 of the keys, so memory never doubles at once.
const PARTITIONS: usize = 256;

/// The keys seen so far, each with the document that came first.
pub struct Seen {
    partitions: Vec<HashTable<(Key, Address)>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { partitions: (0..PARTITIONS).map(|_| HashTable::new()).collect() }
    }
}

impl Seen {
    /// Records a document. Returns the earlier document of the same key when there is one.
    pub fn insert(&mut self, key: Key, address: Address) -> Option<Address> {
        // The key is a hash already: its top byte chooses the partition, its low half the slot.
        let partition = &mut self.partitions[(key >> 120) as usize];
        match partition.entry(key as u64, |(seen, _)| *seen == key, |(seen, _)| *seen as u64) {
            Entry::Occupied(entry) => Some(entry.get().1),
            Entry::Vacant(entry) => {
                entry.insert((key, address));
                None
            }
        }
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
        assert_eq!(seen.insert(7, at(0)), None);
        assert_eq!(seen.insert(7 << 120, at(1)), None);
        assert_eq!(seen.insert(7, at(2)), Some(at(0)));
        assert_eq!(seen.insert(7, at(3)), Some(at(0)));
        assert_eq!(seen.len(), 2);
    }
}
