//! What the system's allocator keeps of memory that was given back.
#![allow(unsafe_code, reason = "the allocator is set through C, in this file alone")]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;
    use std::sync::Once;

    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    /// Larger than what a unit of text usually takes, so that those are still handed round without a system call.
    const LARGE: c_int = 12 << 20;

    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }

    /// Gives large blocks back to the system as soon as they are freed.
    ///
    /// glibc raises the size from which it does so to the largest block it has seen freed, up to 32 MiB: a few
    /// documents of that size on several threads, and it keeps as much again as the run was allowed to take.
    pub(crate) fn give_back_large_blocks() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: both parameters exist in every glibc and may be set at any time; a refusal changes nothing.
            unsafe {
                mallopt(M_MMAP_THRESHOLD, LARGE);
                mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
            }
        });
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) use glibc::give_back_large_blocks;

/// Other allocators are taken as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_large_blocks() {}
