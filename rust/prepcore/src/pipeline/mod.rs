//! The verbs: each a road from sources to a sink over one pool of equal threads.

pub mod clean;
pub mod clean_stream;
mod folder;
mod judge;
mod pool;
mod watch;

pub use watch::{Progress, Watcher};
