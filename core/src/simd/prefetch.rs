//! Asking for memory before it is needed.

/// How far ahead kernels ask: a page of 4 KiB. Within a page the processor's own prefetcher runs ahead; rings lie on
/// small pages, and at each page's end it stops and has to find its feet again.
const AHEAD: usize = 4096;

/// Asks for the cache line that lies a page behind `values[at]`, whether or not there is such a place: into the second
/// cache, since a page of every column would push what is in use out of the first.
#[inline(always)]
pub(super) fn ahead<T>(values: &[T], at: usize) {
    let place = values.as_ptr().wrapping_add(at).wrapping_byte_add(AHEAD);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address whatever reads nothing and faults never.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks for the cache lines that lie a page behind these values.
#[inline(always)]
pub(super) fn ahead_of_all<T>(values: &[T]) {
    let line = (64 / size_of::<T>()).max(1);
    (0..values.len()).step_by(line).for_each(|at| ahead(values, at));
}
