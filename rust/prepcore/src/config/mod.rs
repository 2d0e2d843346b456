//! What a user may set: one file a verb. Unknown fields are refused, and [`Clean::validate`] and its
//! sisters name the option, the value seen and the range wanted.
//!
//! The Python package mirrors these structures as frozen dataclasses; a test holds the two equal through
//! [`default_configuration`].

mod clean;
mod condition;
mod dedup;
mod draw;
mod one_pass;
mod pack;
mod rules;
mod size;
mod switch;
mod tokenizer;

pub(crate) use clean::ALL_LANGUAGES;
pub use clean::{Clean, Columns, OutputFormat, Profile};
pub use condition::{Condition, Evaluate};
pub use dedup::{Dedup, DedupKey, Shard, Step};
pub use draw::Draw;
pub use pack::{DocumentOrder, Pack, Packing, SpecialTokenText, TokenFormat};
pub use rules::{
    ControlCharacters, Length, NormalizationForm, Redact, Repetition, Rules, ShortLines, Unicode, Words,
};
pub use size::ByteSize;
pub use switch::Switch;
pub use tokenizer::Tokenizer;

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The default configuration of a verb as JSON; `None` for a verb that does not exist.
#[must_use]
pub fn default_configuration(verb: &str) -> Option<serde_json::Value> {
    match verb {
        "clean" => serde_json::to_value(Clean::default()).ok(),
        "draw" => serde_json::to_value(Draw::default()).ok(),
        "pack" => serde_json::to_value(Pack::default()).ok(),
        "tokenizer" => serde_json::to_value(Tokenizer::default()).ok(),
        _ => None,
    }
}

/// Reads the configuration of a verb from JSON.
///
/// # Errors
/// [`Error::Config`] names the field that is unknown or of the wrong type.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::config("configuration", error.to_string()))
}

/// Worker threads to use: what was asked for, else one for each core that this process may use.
#[must_use]
pub fn resolve_threads(threads: Option<usize>) -> usize {
    threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Checks the running options that every verb has.
pub(crate) fn validate_running(threads: Option<usize>, memory: ByteSize, max_unreadable: f64) -> Result<()> {
    if let Some(threads) = threads
        && !(1..=1024).contains(&threads)
    {
        return Err(Error::config("--threads", format!("got {threads}, expected 1 to 1024"))
            .hint("leave it out to use every core"));
    }
    if memory.bytes() < 64 << 20 {
        return Err(Error::config("--memory", format!("got {memory}, expected at least 64MiB")));
    }
    share("--max-unreadable", max_unreadable)
}

/// Checks that an option is a share of a whole.
pub(crate) fn share(option: &str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::config(option, format!("got {value}, expected a share from 0 to 1 (0% to 100%)")))
    }
}
