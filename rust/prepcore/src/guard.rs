//! Panics that become errors.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::Error;

thread_local! {
    /// Whether a panic of this thread is awaited.
    static AWAITED: Cell<bool> = const { Cell::new(false) };
}

/// Calls into a library that panics where it should fail, and gives what a panic said as an error.
///
/// A panic that is caught here is not printed: its message becomes part of a sentence that names the document. For
/// that the process's panic hook is wrapped once; every other panic reaches the hook that was there.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static WRAP: Once = Once::new();
    WRAP.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !AWAITED.get() {
                before(panic);
            }
        }));
    });
    let before = AWAITED.replace(true);
    // What the call leaves half done is dropped with it; the library holds no lock while it works.
    let outcome = catch_unwind(AssertUnwindSafe(call));
    AWAITED.set(before);
    outcome.map_err(|panic| message(&*panic))
}

/// Decodes a file that may be hostile: errors and panics of other people's code alike as a message.
pub(crate) fn decoded<T, E: fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    guarded(work).map_err(|said| format!("decoding panicked: {said}"))?.map_err(|error| error.to_string())
}

/// Does a worker's task. A panic, which is a defect of ours, is printed and ends the run.
pub(crate) fn caught<T>(task: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    catch_unwind(AssertUnwindSafe(task))
        .unwrap_or_else(|panic| Err(Error::Internal(format!("a worker panicked: {}", message(&*panic)))))
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        assert_eq!(guarded(|| -> u32 { panic!("row {}", 7) }), Err("row 7".to_owned()));
        assert_eq!(guarded(|| -> u32 { panic!("plain") }), Err("plain".to_owned()));
        assert_eq!(guarded(|| 3), Ok(3));
    }

    #[test]
    fn a_panic_of_a_decoder_is_an_error() {
        let outcome = decoded(|| -> Result<(), String> {
            assert!(!AWAITED.get(), "of course");
            Ok(())
        });
        assert_eq!(outcome.unwrap_err(), "decoding panicked: of course");
        assert!(!AWAITED.get());
    }
}
