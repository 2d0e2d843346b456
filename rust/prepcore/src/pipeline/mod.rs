//! The verbs: each a road from sources to a sink over one pool of equal threads.

mod arrange;
mod budget;
pub mod clean;
pub mod clean_stream;
mod cleaning;
pub mod draw;
mod each;
mod emit;
mod encoding;
mod examine;
mod folder;
mod grouping;
mod judge;
mod looking;
mod measure;
pub mod one_pass;
pub mod pack;
mod packing;
mod part_writer;
mod pool;
mod preview;
pub mod repack;
mod rewriting;
mod rows;
mod run_facts;
mod sample;
mod scores;
mod shuffle;
mod sign;
mod stages;
mod tally;
mod token_folder;
mod token_part;
mod tokenization;
pub mod tokenizer;
#[cfg(test)]
mod trials;
mod watch;

pub use cleaning::{Outcome, Waiting};
pub use examine::{Examination, ExaminedCheck, Examiner, RuleCheck};
pub use measure::measure;
pub use preview::{Preview, preview};
pub(crate) use scores::ScoreColumns;
pub use tokenization::Tokenization;
pub(crate) use watch::Lookout;
pub use watch::{Activity, Progress, Watcher};
