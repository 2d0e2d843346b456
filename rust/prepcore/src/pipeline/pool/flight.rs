//! The bytes between reading and writing: how many there may be, and who holds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::UNIT_BYTES;

/// Reserved for a unit before it is read: its text, and the columns beside it.
pub(super) const EXPECTED_UNIT: u64 = 2 * UNIT_BYTES;
/// Units in flight for each thread, where the memory allows.
const UNITS_PER_THREAD: u64 = 3;
/// The share of the memory budget that units in flight may take, as a divisor.
const FLIGHT_SHARE: u64 = 4;

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(super) bytes: u64,
    pub(super) used: Arc<AtomicU64>,
}

impl Reservation {
    pub(super) fn new(used: &Arc<AtomicU64>, bytes: u64) -> Self {
        used.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, used: Arc::clone(used) }
    }

    pub(super) fn correct(&mut self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    // No wake-up is needed: it is dropped within a task, and every thread looks for work after its task.
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How wide a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    pub(super) threads: usize,
    /// Bytes in flight, at the most.
    pub(super) flight: u64,
}

impl Width {
    /// Threads and bytes in flight under a memory budget; fewer threads where they would not fit it.
    pub(crate) fn new(threads: usize, memory: u64) -> Self {
        let flight = (memory / FLIGHT_SHARE).max(EXPECTED_UNIT);
        let threads = threads.min((flight / EXPECTED_UNIT) as usize).max(1);
        Self { threads, flight: flight.min((UNITS_PER_THREAD * threads as u64 + 1) * EXPECTED_UNIT) }
    }

    /// The threads that run.
    pub(crate) fn threads(self) -> usize {
        self.threads
    }
}
