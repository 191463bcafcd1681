//! Asking for memory before it is needed.

use core::ops::Range;

use crate::block::Upcoming;

/// How far ahead kernels ask: a page of 4 KiB. Within a page the processor's own prefetcher runs ahead; rings lie on
/// small pages, and at each page's end it stops and has to find its feet again.
const AHEAD: usize = 4096;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the cache line that lies a page behind `values[at]`, whether or not there is such a place.
#[inline(always)]
pub(super) fn ahead<T>(values: &[T], at: usize) {
    ask(values.as_ptr().wrapping_add(at).wrapping_byte_add(AHEAD).cast());
}

/// Asks for the cache lines that lie a page behind these values.
#[inline(always)]
pub(super) fn ahead_of_all<T>(values: &[T]) {
    let line = (LINE / size_of::<T>()).max(1);
    (0..values.len()).step_by(line).for_each(|at| ahead(values, at));
}

/// Asks for what comes next, of these rows.
#[inline(always)]
pub fn ask_for(upcoming: Upcoming, rows: Range<usize>) {
    for (start, len) in upcoming.rows(rows) {
        let ask = |line: usize| ask(core::ptr::without_provenance(start.wrapping_add(line * LINE)));
        // Integers and floats have one line or two, which costs less than to count.
        let lines = len.div_ceil(LINE);
        if lines > 0 {
            ask(0);
        }
        if lines > 1 {
            ask(1);
        }
        (2..lines).for_each(ask);
    }
}

/// Asks for a cache line, into the second cache: a page of every column would push what is in use out of the first.
#[inline(always)]
fn ask(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address whatever reads nothing and faults never.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
