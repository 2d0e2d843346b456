//! What one process did of a run, for `run.json`.

use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Activity, Progress, run_facts};
use crate::config::ByteSize;
use crate::source::{Plan, Remaining};

/// What this process did.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) parts_found: usize,
    pub(crate) parts_written: u64,
    read_documents: u64,
    read_text_bytes: u64,
    seconds: Vec<(&'static str, f64)>,
}

/// What a run was given to work with.
pub(crate) struct Means {
    pub(crate) threads_asked_for: Option<usize>,
    pub(crate) threads: usize,
    pub(crate) memory: ByteSize,
}

impl Tally {
    /// Begins a step over some parts of the input: the counters start again.
    pub(crate) fn begin(progress: &Progress, activity: Activity, remaining: &Remaining<'_>) -> Instant {
        let plan = remaining.plan;
        let share = remaining.len() as f64 / plan.segments.len().max(1) as f64;
        progress.begin(activity, (plan.text_bytes as f64 * share) as u64);
        Instant::now()
    }

    /// Ends a step that reads the input.
    pub(crate) fn end(&mut self, progress: &Progress, step: &'static str, clock: Instant) {
        self.took(step, clock);
        self.read_documents += progress.documents.load(Ordering::Relaxed);
        self.read_text_bytes += progress.bytes.load(Ordering::Relaxed);
    }

    /// Ends any other step.
    pub(crate) fn took(&mut self, step: &'static str, clock: Instant) {
        self.seconds.push((step, clock.elapsed().as_secs_f64()));
    }

    /// What `run.json` says, where `begun` processes have worked on the run.
    pub(crate) fn facts(self, means: &Means, plan: &Plan, progress: &Progress, begun: u64) -> Value {
        let Self { parts_found, parts_written, read_documents, read_text_bytes, seconds } = self;
        let total = seconds.iter().map(|(_, seconds)| seconds).sum();
        let mut facts = run_facts::facts(means.threads_asked_for, means.memory, means.threads, total);
        facts["seconds_by_step"] =
            seconds.into_iter().map(|(step, seconds)| (step.to_owned(), json!(seconds))).collect();
        facts["seconds_by_stage"] = progress.stages.seconds();
        facts["parts"] = json!({ "found_finished": parts_found, "written": parts_written });
        facts["read"] = json!({ "documents": read_documents, "text_bytes": read_text_bytes });
        facts["input_folders"] = run_facts::input_folders(&plan.files);
        facts["interruptions"] = json!(begun.saturating_sub(1));
        facts
    }
}
