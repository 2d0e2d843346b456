//! A hint to the processor that something will be read soon.
#![allow(unsafe_code)] // the instruction takes a pointer

/// Asks for the start of an element. Costs nothing where there is no such element, and does nothing but on x86-64.
#[inline]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let pointer = slice.as_ptr().wrapping_add(index).cast();
        // SAFETY: a prefetch reads nothing and faults at no address, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(pointer) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}
