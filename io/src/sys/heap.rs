//! The heap of the binary: the system's, but for large arrays, which are mappings of their own.
//!
//! State of many groups is arrays of many megabytes, each place of which is touched once before it is touched again:
//! with pages of 4 KiB the kernel is asked for one every hundred groups. So they lie in large pages where the system
//! has them to give (`/sys/kernel/mm/transparent_hugepage/enabled`: `madvise` or `always`). And they grow without being
//! copied, which Rust's face of the system's heap does for small alignments only.
#![expect(unsafe_code, reason = "an allocator is unsafe to be")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr::null_mut,
};

use rustix::{
    mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap},
    param::page_size,
};

/// Arrays from here on are mappings: what is left empty of their last large page is then no more than half of them.
const LARGE_BYTES: usize = 4 << 20;

/// The system's heap, and mappings for large arrays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

// SAFETY: what is large is a mapping of its own, of whole pages, aligned to one and empty at first; all else comes from
// `System` and goes back there. Which of them it is depends on the layout alone, which callers give alike every time.
//
// Not to be inlined into each of the ten thousand places where something is allocated: that took 0.6 MB of binary.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_large(layout) {
            true => map(layout.size()),
            // SAFETY: the caller keeps the promises of `GlobalAlloc`, which are those of `System`.
            false => unsafe { System.alloc(layout) },
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_large(layout) {
            true => map(layout.size()),
            // SAFETY: as above.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        match is_large(layout) {
            // SAFETY: these pages are the mapping that was made for this layout, and the caller is done with it.
            true => _ = unsafe { munmap(start.cast(), pages(layout.size())) },
            // SAFETY: as above.
            false => unsafe { System.dealloc(start, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size fits the alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new)) {
            // SAFETY: these pages are the mapping that was made for this layout; if they move, the caller no longer
            // uses them where they were. New ones are empty.
            (true, true) => unsafe {
                mremap(start.cast(), pages(layout.size()), pages(size), MremapFlags::MAYMOVE)
                    .map_or(null_mut(), <*mut _>::cast)
            },
            // SAFETY: as above.
            (false, false) => unsafe { System.realloc(start, layout, size) },
            // SAFETY: two allocations do not overlap, and both have the bytes that are copied.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    start.copy_to_nonoverlapping(moved, layout.size().min(size));
                    self.dealloc(start, layout);
                }
                moved
            },
        }
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE_BYTES && layout.align() <= page_size()
}

fn pages(size: usize) -> usize {
    size.next_multiple_of(page_size())
}

/// A new mapping; null if the system has no memory.
#[cold]
fn map(size: usize) -> *mut u8 {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses where, so nothing else lies there.
    let Ok(start) = (unsafe { mmap_anonymous(null_mut(), pages(size), access, MapFlags::PRIVATE) }) else {
        return null_mut();
    };
    // SAFETY: advice about large pages changes nothing that can be read from memory, nor who may.
    _ = unsafe { madvise(start, pages(size), Advice::LinuxHugepage) };
    start.cast()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn arrays_keep_what_is_in_them_while_they_grow_and_shrink() {
        let sizes = [1 << 12, LARGE_BYTES - 1, LARGE_BYTES, 3 * LARGE_BYTES + 5, 9 * LARGE_BYTES, LARGE_BYTES + 1, 100];
        for align in [1, 64, 1 << 21] {
            let layout = |size| Layout::from_size_align(size, align).unwrap();
            // SAFETY: layouts are those of the allocations, and only allocated bytes are touched.
            unsafe {
                let mut start = Heap.alloc_zeroed(layout(sizes[0]));
                let mut kept = sizes[0];
                start.write_bytes(7, kept);
                for pair in sizes.windows(2) {
                    start = Heap.realloc(start, layout(pair[0]), pair[1]);
                    kept = kept.min(pair[1]);
                    assert!(start.addr().is_multiple_of(align));
                    assert!(std::slice::from_raw_parts(start, kept).iter().all(|byte| *byte == 7));
                    start.add(pair[1] - 1).write(7);
                }
                Heap.dealloc(start, layout(sizes[sizes.len() - 1]));
            }
        }
    }

    #[test]
    fn large_arrays_ask_for_large_pages() {
        let layout = |size| Layout::from_size_align(size, 64).unwrap();
        // SAFETY: as above.
        unsafe {
            let start = Heap.alloc_zeroed(layout(LARGE_BYTES));
            assert!(std::slice::from_raw_parts(start, LARGE_BYTES).iter().all(|byte| *byte == 0));
            let start = Heap.realloc(start, layout(LARGE_BYTES), 3 * LARGE_BYTES);
            assert!(wants_large_pages(start.addr() + 2 * LARGE_BYTES) != Some(false));
            Heap.dealloc(start, layout(3 * LARGE_BYTES));
            assert!(Heap.alloc(layout(1 << 62)).is_null(), "more than there is");
        }
    }

    /// What the kernel has noted of an address; `None` if it knows no large pages.
    fn wants_large_pages(address: usize) -> Option<bool> {
        fs::metadata("/sys/kernel/mm/transparent_hugepage").ok()?;
        let maps = fs::read_to_string("/proc/self/smaps").ok()?;
        let mut is_there = false;
        for line in maps.lines() {
            let (first, rest) = line.split_once(' ')?;
            if let Some((start, end)) = first.split_once('-') {
                let at = |hex: &str| usize::from_str_radix(hex, 16).unwrap();
                is_there = (at(start)..at(end)).contains(&address);
            } else if first == "VmFlags:" && is_there {
                return Some(rest.split(' ').any(|flag| flag == "hg"));
            }
        }
        None
    }
}
