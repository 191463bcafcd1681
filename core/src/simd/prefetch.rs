//! Asking for memory before it is needed.

/// How far ahead kernels ask: a page of 4 KiB. Within a page the processor's own prefetcher runs ahead; rings lie on
/// small pages, and at each page's end it stops and has to find its feet again.
const AHEAD: usize = 4096;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Foresees where the next block's column lies: as far behind the last one as that behind the one before, as blocks of
/// a ring do.
#[derive(Debug, Default)]
pub struct Foresight {
    last: usize,
    distance: usize,
}

/// A column that will be read next: a kernel that computes more than it reads asks for it on the way, so that whoever
/// only reads need not wait.
#[derive(Clone, Copy, Debug)]
pub struct Upcoming {
    address: usize,
}

impl Foresight {
    /// Takes note of a block's column, and says where the next one is to be expected; if that is unknown, in the same
    /// place.
    pub fn behind<T>(&mut self, values: &[T]) -> Upcoming {
        let here = values.as_ptr().addr();
        let distance = here.wrapping_sub(self.last);
        let step = if distance == self.distance { distance } else { 0 };
        *self = Self { last: here, distance };
        Upcoming { address: here.wrapping_add(step) }
    }
}

impl Upcoming {
    /// The column from the row on that lies behind so many of this type.
    pub fn from_row<T>(self, row: usize) -> Self {
        Self { address: self.address.wrapping_add(row * size_of::<T>()) }
    }

    /// Asks for one of its cache lines.
    #[inline(always)]
    pub(super) fn ask(self, line: usize) {
        ask(core::ptr::without_provenance(self.address.wrapping_add(line * LINE)));
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_at_equal_distances_are_foreseen_others_not() {
        let ring = [0_u64; 100];
        let mut foresight = Foresight::default();
        let mut foreseen = |at: usize| foresight.behind(&ring[at..]).address.wrapping_sub(ring.as_ptr().addr()) / 8;
        // Two distances must agree; where the ring begins anew they do not.
        assert_eq!([0, 10, 20, 30, 0, 10, 20].map(&mut foreseen), [0, 10, 30, 40, 0, 10, 30]);
        // One buffer that is used again and again, and rings in turn.
        assert_eq!([5, 5, 5, 50, 5, 50].map(foreseen), [5, 5, 5, 50, 5, 50]);
    }

    #[test]
    fn rows_on_are_so_many_values_on() {
        let upcoming = Upcoming { address: 64 };
        assert_eq!(upcoming.from_row::<i64>(3).address, 88);
        upcoming.ask(7);
    }
}
