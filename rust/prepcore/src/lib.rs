//! Raw text to clean, deduplicated, tokenised, packed training rows.

pub mod config;
pub mod dedup;
pub mod document;
pub mod error;
mod ledger;
pub mod manifest;
pub mod pack;
pub mod pipeline;
pub mod rule;
mod sink;
pub mod source;
pub mod text;
pub mod tokenize;

pub use error::{Error, Result};
