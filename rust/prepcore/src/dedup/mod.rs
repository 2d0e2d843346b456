//! Exact deduplication: a 128-bit key for each document, and the rule that the first one in input order stays.

mod key;
mod memory;

pub use key::{Key, Keyer, key_of_text};
pub use memory::Seen;

/// The hash behind every key, as manifests name it.
pub const KEY_ALGORITHM: &str = "xxh3-128";
/// The seed of that hash.
pub const KEY_SEED: u64 = 0;
