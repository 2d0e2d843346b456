//! Labels and scores of texts by a supervised fastText model, equal to the library's to the last bit.
//!
//! A [`Model`] is a `.bin` or `.ftz` file, read once and shared; a [`Predictor`] is what one worker needs beside
//! it, and [`Predictors`] lends predictors to any number of threads.
//!
//! ```text
//! text ─► words (tokens.rs) ─► row numbers (word_rows.rs, through cache.rs) ─► their mean (matrix.rs) ─► best label (output.rs)
//! ```
//!
//! The library adds one row of the input matrix after another in 32-bit floats, and sums depend on their order: so
//! the same rows are added in the same order here. What is remembered of a word is the list of its rows, never
//! their sum. `plain.rs` does all of it again word for word as it is defined; it is the referee of the tests.
//!
//! Sources: P. Bojanowski et al., "Enriching Word Vectors with Subword Information" (2017); A. Joulin et al., "Bag of
//! Tricks for Efficient Text Classification" (2017) and "FastText.zip" (2016); the behaviour of the library,
//! `fasttext-community` 0.11.9, against which it is tested.

mod arguments;
mod buckets;
mod cache;
mod dictionary;
mod hash;
mod matrix;
mod model;
mod ngrams;
mod output;
#[doc(hidden)]
pub mod plain;
mod pool;
mod predictor;
mod quantised;
mod reader;
mod rows;
mod tokens;
mod tree;
mod word_rows;

#[cfg(test)]
mod tests;

pub use model::{LABEL_PREFIX, Model};
pub use pool::Predictors;
pub use predictor::{Newline, Prediction, Predictor};
