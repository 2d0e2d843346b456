//! Numbered tasks on several threads, in no order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::RecvTimeoutError;

use super::watch::WATCH_EVERY;
use super::{Progress, Watcher};
use crate::Result;
use crate::guard::caught;

/// Runs `task` for each number below `count`. A task that takes long looks at the flag it is given: once that is
/// set, the run is stopping.
///
/// # Errors
/// The first error of a task or of the watcher.
pub(crate) fn each(
    threads: usize,
    count: usize,
    task: impl Fn(usize, &AtomicBool) -> Result<()> + Sync,
    progress: &Progress,
    watcher: Watcher<'_>,
) -> Result<()> {
    let (next, stop, failure) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
    let fail = |error| {
        stop.store(true, Ordering::Relaxed);
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    // Nothing is ever sent: that all workers have let go of their end says that they are done.
    let (working, done) = crossbeam_channel::bounded::<()>(0);
    thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            let working = working.clone();
            let (next, stop, task, fail) = (&next, &stop, &task, &fail);
            scope.spawn(move || {
                let _working = working;
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    if let Err(error) = caught(|| task(number, stop)) {
                        fail(error);
                    }
                }
            });
        }
        drop(working);
        while done.recv_timeout(WATCH_EVERY) == Err(RecvTimeoutError::Timeout) {
            if let Err(error) = watcher(progress) {
                fail(error);
            }
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn every_number_has_its_turn_and_the_first_error_ends_the_run() {
        let seen = Mutex::new(Vec::new());
        let progress = Progress::default();
        let note = |number: usize, _: &AtomicBool| {
            seen.lock().unwrap().push(number);
            if number == 70 { Err(Error::Internal("seventy".into())) } else { Ok(()) }
        };
        each(3, 50, note, &progress, &mut |_| Ok(())).unwrap();
        let mut numbers = std::mem::take(&mut *seen.lock().unwrap());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        let error = each(1, 100, note, &progress, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("seventy"), "{error}");
        assert_eq!(seen.lock().unwrap().len(), 71);
    }
}
