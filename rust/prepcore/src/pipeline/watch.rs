//! How a caller follows a run and stops it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stages::StageTimes;
use crate::Result;
use crate::source::Plan;

/// Counters of a run, read while it goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Documents read.
    pub documents: AtomicU64,
    /// Documents kept.
    pub kept: AtomicU64,
    /// Rows that could not be read.
    pub unreadable: AtomicU64,
    /// Bytes of text read.
    pub bytes: AtomicU64,
    /// Bytes of text there will be, as far as metadata tell; 0 where they do not.
    pub bytes_expected: AtomicU64,
    /// Where the time goes.
    pub stages: StageTimes,
}

impl Progress {
    /// Counters of a run that has not begun.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        Self { bytes_expected: plan.text_bytes.into(), ..Self::default() }
    }

    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Called about ten times a second from the thread that started the run. An error stops the run.
pub type Watcher<'a> = &'a mut dyn FnMut(&Progress) -> Result<()>;
