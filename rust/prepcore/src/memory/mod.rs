//! How tables lie in memory, for those that are read all over.

pub(crate) mod huge_pages;
mod prefetch;

pub(crate) use prefetch::prefetch;
