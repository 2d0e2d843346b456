//! How a caller follows a run and stops it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::stages::StageTimes;
use crate::Result;
use crate::source::Plan;

/// How often a caller is asked whether to go on.
pub(crate) const WATCH_EVERY: Duration = Duration::from_millis(100);

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
    activity: AtomicUsize,
}

/// What a run is doing. A run has one activity, or those of deduplication on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The verb itself.
    Whole,
    /// Keys of documents are written.
    Sign,
    /// Keys are compared.
    Resolve,
    /// The kept documents are written.
    Emit,
}

const ACTIVITIES: [Activity; 4] = [Activity::Whole, Activity::Sign, Activity::Resolve, Activity::Emit];

impl Activity {
    /// Its name; none for [`Activity::Whole`], which has the verb's.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Sign => Some("sign"),
            Self::Resolve => Some("resolve"),
            Self::Emit => Some("emit"),
        }
    }
}

impl Progress {
    /// Counters of a run that has not begun.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        Self { bytes_expected: plan.text_bytes.into(), ..Self::default() }
    }

    /// Begins an activity: the counters start again.
    pub(crate) fn begin(&self, activity: Activity, bytes_expected: u64) {
        for counter in [&self.documents, &self.kept, &self.unreadable, &self.bytes] {
            counter.store(0, Ordering::Relaxed);
        }
        self.bytes_expected.store(bytes_expected, Ordering::Relaxed);
        self.activity.store(activity as usize, Ordering::Relaxed);
    }

    /// What the run is doing.
    pub fn activity(&self) -> Activity {
        ACTIVITIES[self.activity.load(Ordering::Relaxed)]
    }

    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Called about ten times a second from the thread that started the run. An error stops the run.
pub type Watcher<'a> = &'a mut dyn FnMut(&Progress) -> Result<()>;

/// Asks a watcher whether to go on, in work that is many small steps on the calling thread.
pub(crate) struct Lookout<'a> {
    watcher: Watcher<'a>,
    progress: Progress,
    asked: Instant,
}

impl<'a> Lookout<'a> {
    pub(crate) fn new(watcher: Watcher<'a>) -> Self {
        Self { watcher, progress: Progress::default(), asked: Instant::now() }
    }

    /// To be called at every step; costs a look at the clock where it is not yet time to ask.
    pub(crate) fn look(&mut self) -> Result<()> {
        if self.asked.elapsed() < WATCH_EVERY {
            return Ok(());
        }
        self.asked = Instant::now();
        (self.watcher)(&self.progress)
    }
}
