//! What may differ between runs of the same work, and goes into `run.json`; what may not, and goes into the manifest.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::{ByteSize, resolve_threads};

/// The settings that change the output: a configuration without its running options.
pub(crate) fn settings(configuration: &impl Serialize) -> Map<String, Value> {
    let Value::Object(mut settings) = json!(configuration) else { return Map::new() };
    for running in ["threads", "memory", "max_unreadable", "shard", "step", "overwrite"] {
        settings.shift_remove(running);
    }
    settings
}

/// Threads that were asked for and that ran, memory, time, and the machine.
pub(crate) fn facts(asked_for: Option<usize>, memory: ByteSize, threads: usize, seconds: f64) -> Value {
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
