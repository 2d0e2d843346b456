//! Tables in pages of 2 MiB, where the system has them for the asking.
//!
//! A table that is read all over costs a walk through the page tables with nearly every read where pages have 4 KiB.
#![allow(unsafe_code)] // the system call takes a pointer

/// So many copies of a value.
pub(crate) fn filled<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut table = Vec::with_capacity(count);
    // Before anything is written: pages that exist stay as they are.
    ask(&mut table);
    table.resize(count, value);
    table
}

/// Asks for large pages in the room that a vector has. Where there are none, nothing changes.
#[cfg(target_os = "linux")]
fn ask<T>(table: &mut Vec<T>) {
    const PAGE: usize = 2 << 20;
    let room = table.spare_capacity_mut();
    let start = room.as_mut_ptr().cast::<u8>();
    // The whole large pages within the room; nothing of anybody else's.
    let skipped = start.align_offset(PAGE);
    let bytes = size_of_val(room).saturating_sub(skipped) / PAGE * PAGE;
    if bytes > 0 {
        let start = start.wrapping_add(skipped).cast();
        // SAFETY: the range lies within the vector's own memory, and the advice changes no byte of it.
        let _refused = unsafe { rustix::mm::madvise(start, bytes, rustix::mm::Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask<T>(_table: &mut Vec<T>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_what_a_vector_would_be() {
        for count in [0, 1, 1000, 3 << 20] {
            assert_eq!(filled(7_u16, count), vec![7; count]);
        }
    }
}
