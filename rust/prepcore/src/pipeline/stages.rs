//! Where a run's time goes: seconds by stage, summed over the threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// What a thread of the pool spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Reading a unit: the file, decompression, Parquet's pages or the search for line ends.
    Read,
    /// Parallel work on a unit: JSON, rules, keys.
    Map,
    /// Work in input order.
    Order,
    /// Parallel work on a job: encoding and compression.
    Finish,
    /// Writing in order, and flushing a part to the disk.
    Write,
    /// Nothing to do.
    Wait,
}

const NAMES: [(Stage, &str); 6] = [
    (Stage::Read, "read"),
    (Stage::Map, "map"),
    (Stage::Order, "order"),
    (Stage::Finish, "finish"),
    (Stage::Write, "write"),
    (Stage::Wait, "wait"),
];

/// Time by stage, of all threads together.
#[derive(Debug, Default)]
pub struct StageTimes([AtomicU64; NAMES.len()]);

impl StageTimes {
    /// Seconds by the stage's name.
    pub(crate) fn seconds(&self) -> Value {
        let seconds = |nanoseconds: &AtomicU64| {
            Duration::from_nanos(nanoseconds.load(Ordering::Relaxed)).as_secs_f64().into()
        };
        let named = NAMES.iter().map(|(stage, name)| ((*name).to_owned(), seconds(&self.0[*stage as usize])));
        named.collect::<Map<_, _>>().into()
    }
}

/// One thread's clock. Every moment since it was started counts for one stage: two looks at the time a task.
pub(crate) struct Clock<'a> {
    times: &'a StageTimes,
    since: Instant,
}

impl<'a> Clock<'a> {
    pub(crate) fn start(times: &'a StageTimes) -> Self {
        Self { times, since: Instant::now() }
    }

    /// The time since the last lap was the stage's.
    pub(crate) fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        let nanoseconds = u64::try_from((now - self.since).as_nanos()).unwrap_or(u64::MAX);
        self.times.0[stage as usize].fetch_add(nanoseconds, Ordering::Relaxed);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_name_and_its_time() {
        let times = StageTimes::default();
        for (place, (stage, _)) in NAMES.iter().enumerate() {
            assert_eq!(*stage as usize, place);
        }
        let mut clock = Clock::start(&times);
        std::thread::sleep(Duration::from_millis(2));
        clock.lap(Stage::Wait);
        clock.lap(Stage::Read);
        let seconds = times.seconds();
        assert!(seconds["wait"].as_f64().unwrap() >= 0.002);
        assert!(seconds["read"].as_f64().unwrap() < seconds["wait"].as_f64().unwrap());
        assert_eq!(seconds["finish"].as_f64(), Some(0.0));
    }
}
