//! Asking for memory before it is needed.

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

/// Asks for a cache line of what comes next, one of each column.
#[inline(always)]
pub fn ask_for(upcoming: Upcoming, line: usize) {
    let places = upcoming.from_row::<[u8; LINE]>(line).addresses();
    places.into_iter().for_each(|place| ask(core::ptr::without_provenance(place)));
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
