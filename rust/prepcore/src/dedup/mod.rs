//! Exact deduplication: a 128-bit key for each document, and the rule that the first one in input order stays.
//!
//! Two ways lead to the same output. In memory, one pass: [`Seen`] is asked in input order. On disk, three steps
//! over parts, which meet in files alone and so may run on several machines:
//!
//! ```text
//! sign     a part's documents that pass the rules ─► their keys, in sorted runs            (signatures)
//! resolve  one of 256 key ranges of all parts     ─► which documents are not the first     (duplicates)
//! emit     a part once more, without its duplicates ─► the kept documents
//! ```

mod against;
mod duplicates;
mod key;
mod memory;
mod resolve;
mod sections;
mod signatures;
#[cfg(test)]
mod speed;

pub(crate) use against::Against;
pub(crate) use duplicates::{Duplicates, DuplicatesWriter, PartDuplicates};
pub use key::{Key, Keyer, key_of_text};
pub use memory::Seen;
pub(crate) use resolve::Resolver;
pub(crate) use signatures::{Run, SignatureWriter, Signatures, SortedRun};

use crate::source::Address;

/// The hash behind every key, as manifests name it.
pub const KEY_ALGORITHM: &str = crate::checksum::ALGORITHM;
/// The seed of that hash.
pub const KEY_SEED: u64 = 0;
/// Key ranges, by the key's top byte.
pub(crate) const PARTITIONS: usize = 256;

/// The range that a key belongs to.
pub(crate) fn partition_of(key: Key) -> usize {
    (key >> 120) as usize
}

/// The document that a duplicate repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// A document of the same input.
    Input(Address),
    /// A document of a folder of `--against`: the number of its file among the files behind all these folders, and
    /// its row there.
    Against(Address),
}

/// The bit of a file's number that tells the two kinds of twin apart.
const AGAINST_BIT: u32 = 1 << 31;

impl Twin {
    /// One address for either kind.
    pub(crate) fn pack(self) -> Address {
        match self {
            Self::Input(address) => address,
            Self::Against(address) => Address { source: address.source | AGAINST_BIT, ..address },
        }
    }

    /// What [`Twin::pack`] packed.
    pub(crate) fn unpack(address: Address) -> Self {
        match address.source & AGAINST_BIT {
            0 => Self::Input(address),
            _ => Self::Against(Address { source: address.source & !AGAINST_BIT, ..address }),
        }
    }
}
