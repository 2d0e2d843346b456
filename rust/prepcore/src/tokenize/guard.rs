//! Calls into a library that panics where it should fail.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is awaited.
    static AWAITED: Cell<bool> = const { Cell::new(false) };
}

/// Calls, and gives what a panic said as an error.
///
/// A panic that is caught here is not printed: its message becomes part of a sentence that names the document. For
/// that the process's panic hook is wrapped once; every other panic reaches the hook that was there.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static WRAP: Once = Once::new();
    WRAP.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !AWAITED.get() {
                before(panic);
            }
        }));
    });
    AWAITED.set(true);
    // What the call leaves half done is dropped with it; the library holds no lock while it works.
    let outcome = catch_unwind(AssertUnwindSafe(call));
    AWAITED.set(false);
    outcome.map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        assert_eq!(guarded(|| -> u32 { panic!("row {}", 7) }), Err("row 7".to_owned()));
        assert_eq!(guarded(|| -> u32 { panic!("plain") }), Err("plain".to_owned()));
        assert_eq!(guarded(|| 3), Ok(3));
    }
}
