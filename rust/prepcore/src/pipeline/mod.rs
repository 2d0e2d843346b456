//! The verbs: each a road from sources to a sink over one pool of equal threads.

pub mod clean;
pub mod clean_stream;
mod folder;
mod judge;
pub mod pack;
mod pool;
mod preview;
mod run_facts;
mod sample;
mod stages;
mod token_folder;
mod tokenization;
pub mod tokenizer;
mod watch;

pub use preview::{Preview, preview};
pub use tokenization::Tokenization;
pub use watch::{Progress, Watcher};
