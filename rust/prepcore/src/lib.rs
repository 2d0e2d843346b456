//! Raw text to clean, deduplicated, tokenised, packed training rows.

pub mod error;

pub use error::{Error, Result};
