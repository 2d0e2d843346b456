//! How tables lie in memory and what finds their entries, for those that are read all over.

pub(crate) mod huge_pages;
mod key;
mod prefetch;

pub(crate) use key::{KEY_BYTES, Key, folded, key};
pub(crate) use prefetch::prefetch;
