//! What may differ between runs of the same work: the content of `run.json`.

use serde_json::{Value, json};

use crate::config::{ByteSize, resolve_threads};

/// Threads that were asked for and that ran, memory, time, and the machine.
pub(crate) fn run_facts(asked_for: Option<usize>, memory: ByteSize, threads: usize, seconds: f64) -> Value {
    json!({
        "seconds": seconds,
        "threads": threads,
        "threads_asked_for": asked_for,
        "memory": memory,
        "cores": resolve_threads(None),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}
