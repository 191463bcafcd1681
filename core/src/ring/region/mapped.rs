//! Regions over real memory: a mapping of a file, or the heap.

use alloc::{boxed::Box, sync::Arc};
use core::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, Range},
    ptr::NonNull,
};

use bytemuck::Pod;

use crate::{
    block::Upcoming,
    limits::COLUMN_ALIGN,
    ring::sync::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
};

/// Memory that can hold a ring.
///
/// # Safety
/// An implementor promises, for as long as the value lives:
/// * `start()` is the same address each time and is aligned to [`COLUMN_ALIGN`];
/// * `len()` bytes from there are mapped, readable, and writable too if `is_writable()`;
/// * no Rust reference to these bytes exists elsewhere in this process.
pub unsafe trait Memory: Send + Sync + fmt::Debug {
    /// First byte.
    fn start(&self) -> NonNull<u8>;
    /// Number of bytes.
    fn len(&self) -> usize;
    /// Whether stores are allowed.
    fn is_writable(&self) -> bool;
    /// True if there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// False if bytes turned out to be gone (their file was cut off) and were read as zeroes.
    fn is_intact(&self) -> bool {
        true
    }
    /// Sees to it that these bytes can be read without waiting for the system, as far as that is quick. Nothing if they
    /// can be anyway.
    fn fault_in(&self, bytes: Range<usize>) {
        let _ = bytes;
    }
}

/// How far ahead of a copy memory is asked for: a page, at whose end the processor's own prefetcher stops.
const AHEAD_BYTES: usize = 4096;
/// Words of a cache line.
const LINE_WORDS: usize = 8;

/// A region to load from.
#[derive(Clone)]
pub struct Region {
    start: NonNull<u8>,
    len: usize,
    /// Keeps the bytes mapped.
    memory: Arc<dyn Memory>,
}

/// A region to load from and store to.
#[derive(Debug)]
pub struct RegionMut(Region);

// SAFETY: `memory` is Send + Sync and the pointer is only used for atomic accesses within it, or under the contract
// of `slice`; neither is tied to a thread.
unsafe impl Send for Region {}
// SAFETY: as above; shared access is atomic.
unsafe impl Sync for Region {}

impl Region {
    /// A region over all of `memory`.
    pub fn new(memory: Arc<dyn Memory>) -> Self {
        let (start, len) = (memory.start(), memory.len());
        assert!((start.as_ptr() as usize).is_multiple_of(COLUMN_ALIGN), "a region starts at a cache line");
        assert!(isize::try_from(len).is_ok(), "a region of {len} bytes cannot be addressed");
        Self { start, len, memory }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// False if bytes turned out to be gone (their file was cut off) and were read as zeroes: nothing that was read is
    /// to be believed.
    #[inline]
    pub fn is_intact(&self) -> bool {
        self.memory.is_intact()
    }

    /// Sees to it that these bytes can be read without waiting for the system, as far as that is quick.
    pub fn fault_in(&self, bytes: Range<usize>) {
        self.memory.fault_in(bytes);
    }

    /// Asks for the cache line at `offset`, which may be with another core, without waiting for it. Nothing if the
    /// machine has no such request, or if there is no such byte.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if offset < self.len {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: the offset was checked, so the address is within the region; a request reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.start.as_ptr().add(offset).cast()) }
        }
        let _ = offset;
    }

    /// What lies at `offset`, so many bytes a row, to be asked for by whoever has the time.
    pub fn upcoming(&self, offset: usize, row_bytes: usize) -> Upcoming {
        Upcoming::at(self.start.as_ptr().addr().wrapping_add(offset), row_bytes)
    }

    /// Loads the word at `offset`.
    #[inline]
    pub fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.atomic_u64(offset).load(order)
    }

    /// Loads the half word at `offset`.
    #[inline]
    pub fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        self.atomic_u32(offset).load(order)
    }

    /// Copies `bytes.len()` bytes out from `offset`.
    pub fn read_bytes(&self, offset: usize, bytes: &mut [u8]) {
        let from = self.at::<u8>(offset, bytes.len());
        let head = from.align_offset(8).min(bytes.len());
        let (first, rest) = bytes.split_at_mut(head);
        let (words, last) = rest.as_chunks_mut::<8>();
        let tail = head + words.len() * 8;
        // SAFETY: `at` checked that all of `bytes.len()` bytes are in the region; `head` makes the words aligned.
        unsafe {
            first.iter_mut().enumerate().for_each(|(i, b)| *b = load_u8(from.add(i)));
            let from_words = from.add(head).cast::<u64>();
            for (i, word) in words.iter_mut().enumerate() {
                if i % LINE_WORDS == 0 {
                    self.prefetch(offset + head + i * 8 + AHEAD_BYTES);
                }
                *word = AtomicU64::from_ptr(from_words.add(i)).load(Ordering::Relaxed).to_ne_bytes();
            }
            last.iter_mut().enumerate().for_each(|(i, b)| *b = load_u8(from.add(tail + i)));
        }
    }

    /// Borrows `len` values at `offset` in place.
    ///
    /// # Safety
    /// * Nobody writes to these bytes while the slice lives: they belong to published rows of a block that its
    ///   producer has not been told to reuse.
    /// * The writer is trusted to keep to that: it runs under our own user (who may stop us anyway), or the slice is
    ///   never borrowed and the rows are copied instead.
    #[inline]
    pub unsafe fn slice<T: Pod>(&self, offset: usize, len: usize) -> &[T] {
        let start = self.at::<T>(offset, len);
        // SAFETY: in bounds and aligned by `at`; any bytes are a `T`; unchanged while borrowed by the contract.
        unsafe { core::slice::from_raw_parts(start, len) }
    }

    #[inline]
    fn atomic_u64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: in bounds and aligned by `at`, mapped while `self` lives; all accesses to regions are atomic.
        unsafe { AtomicU64::from_ptr(self.at(offset, 1)) }
    }

    #[inline]
    fn atomic_u32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `atomic_u64`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 1)) }
    }

    /// The address of `len` values at `offset`, checked to lie inside and to be aligned.
    #[inline]
    fn at<T>(&self, offset: usize, len: usize) -> *mut T {
        let inside = len.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(offset));
        assert!(inside.is_some_and(|end| end <= self.len), "{len} values at {offset} of {} bytes", self.len);
        assert!(offset.is_multiple_of(align_of::<T>()), "offset {offset} is not aligned");
        // SAFETY: `offset` is inside the region.
        unsafe { self.start.as_ptr().add(offset).cast() }
    }
}

impl RegionMut {
    /// A region over all of `memory`, which must be writable.
    pub fn new(memory: Arc<dyn Memory>) -> Self {
        assert!(memory.is_writable(), "{memory:?} is read-only");
        Self(Region::new(memory))
    }

    /// Stores the word at `offset`.
    #[inline]
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.0.atomic_u64(offset).store(value, order);
    }

    /// Stores the half word at `offset`.
    #[inline]
    pub fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.0.atomic_u32(offset).store(value, order);
    }

    /// The word at `offset`, for read-modify-write.
    pub fn word_u64(&self, offset: usize) -> &AtomicU64 {
        self.0.atomic_u64(offset)
    }

    /// The half word at `offset`, for read-modify-write and for waiting on.
    pub fn word_u32(&self, offset: usize) -> &AtomicU32 {
        self.0.atomic_u32(offset)
    }

    /// Stores one value at `offset`.
    #[inline]
    pub fn write<T: Pod>(&self, offset: usize, value: T) {
        let to = self.0.at::<T>(offset, 1);
        let order = Ordering::Relaxed;
        // SAFETY: `to` is in bounds and aligned for T, thus for the atomic of T's size (T's are numbers; 16-byte ones
        // are stored as two words). The size is known at compile time: one arm remains.
        unsafe {
            match size_of::<T>() {
                1 => AtomicU8::from_ptr(to.cast()).store(bytemuck::cast(value), order),
                2 => AtomicU16::from_ptr(to.cast()).store(bytemuck::cast(value), order),
                4 => AtomicU32::from_ptr(to.cast()).store(bytemuck::cast(value), order),
                8 => AtomicU64::from_ptr(to.cast()).store(bytemuck::cast(value), order),
                16 => {
                    let [low, high]: [u64; 2] = bytemuck::cast(value);
                    AtomicU64::from_ptr(to.cast()).store(low, order);
                    AtomicU64::from_ptr(to.cast::<u64>().add(1)).store(high, order);
                }
                size => panic!("a ring holds no values of {size} bytes"),
            }
        }
    }

    /// Copies bytes in at `offset`.
    pub fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        let to = self.0.at::<u8>(offset, bytes.len());
        let head = to.align_offset(8).min(bytes.len());
        let (first, rest) = bytes.split_at(head);
        let (words, last) = rest.as_chunks::<8>();
        let tail = head + words.len() * 8;
        // SAFETY: `at` checked that all of `bytes.len()` bytes are in the region; `head` makes the words aligned.
        unsafe {
            first.iter().enumerate().for_each(|(i, &b)| store_u8(to.add(i), b));
            let to_words = to.add(head).cast::<u64>();
            for (i, word) in words.iter().enumerate() {
                AtomicU64::from_ptr(to_words.add(i)).store(u64::from_ne_bytes(*word), Ordering::Relaxed);
            }
            last.iter().enumerate().for_each(|(i, &b)| store_u8(to.add(tail + i), b));
        }
    }

    /// Sets `len` bytes at `offset` to `byte`.
    pub fn fill_bytes(&self, offset: usize, len: usize, byte: u8) {
        let to = self.0.at::<u8>(offset, len);
        // SAFETY: `at` checked that all of `len` bytes are in the region.
        (0..len).for_each(|i| unsafe { store_u8(to.add(i), byte) });
    }
}

/// # Safety
/// `at` lies in a region.
#[inline]
unsafe fn load_u8(at: *mut u8) -> u8 {
    // SAFETY: the caller's duty; a byte is always aligned.
    unsafe { AtomicU8::from_ptr(at).load(Ordering::Relaxed) }
}

/// # Safety
/// `at` lies in a writable region.
#[inline]
unsafe fn store_u8(at: *mut u8, byte: u8) {
    // SAFETY: the caller's duty; a byte is always aligned.
    unsafe { AtomicU8::from_ptr(at).store(byte, Ordering::Relaxed) }
}

impl Deref for RegionMut {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.0
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("len", &self.len).field("memory", &self.memory).finish()
    }
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; COLUMN_ALIGN]);

/// A ring's memory on the heap: for rings within one process, and for tests.
pub struct HeapMemory {
    lines: Box<[UnsafeCell<Line>]>,
}

impl HeapMemory {
    /// At least `len` zero bytes.
    pub fn zeroed(len: usize) -> Arc<Self> {
        let lines = (0..len.div_ceil(COLUMN_ALIGN)).map(|_| UnsafeCell::new(Line([0; COLUMN_ALIGN])));
        Arc::new(Self { lines: lines.collect() })
    }
}

// SAFETY: the cells are only reached through regions, whose accesses are atomic.
unsafe impl Sync for HeapMemory {}

// SAFETY: a boxed slice does not move, `Line` is aligned to COLUMN_ALIGN, the cells allow writes through the pointer,
// and no reference to their contents is ever made.
unsafe impl Memory for HeapMemory {
    fn start(&self) -> NonNull<u8> {
        NonNull::from(&*self.lines).cast()
    }

    fn len(&self) -> usize {
        self.lines.len() * COLUMN_ALIGN
    }

    fn is_writable(&self) -> bool {
        true
    }
}

impl fmt::Debug for HeapMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapMemory({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    #[test]
    fn copies_at_every_alignment_equal_what_was_written() {
        let memory = HeapMemory::zeroed(256);
        let region = RegionMut::new(memory);
        let bytes: Vec<u8> = (1..=100).collect();
        for offset in 0..20 {
            for len in 0..80 {
                region.fill_bytes(0, 256, 0);
                region.write_bytes(offset, &bytes[..len]);
                let mut back = vec![9_u8; len + 2];
                region.read_bytes(offset, &mut back);
                assert_eq!((&back[..len], &back[len..]), (&bytes[..len], &[0, 0][..]), "{len} at {offset}");
            }
        }
    }

    #[test]
    fn values_of_every_width_lie_as_their_bytes() {
        let region = RegionMut::new(HeapMemory::zeroed(64));
        region.write(16, -2_i128);
        region.write(8, 1.5_f64);
        region.write(4, -7_i32);
        region.write(2, 513_i16);
        region.write(1, -1_i8);
        // SAFETY: nobody writes while these slices live.
        unsafe {
            assert_eq!(region.slice::<i128>(16, 1), [-2]);
            assert_eq!(region.slice::<f64>(8, 1), [1.5]);
            assert_eq!(region.slice::<i32>(4, 1), [-7]);
            assert_eq!(region.slice::<i16>(2, 1), [513]);
            assert_eq!(region.slice::<i8>(1, 1), [-1]);
        }
    }

    #[test]
    fn a_region_is_as_long_as_its_memory() {
        for (len, bytes) in [(0, 0), (1, 64), (64, 64), (65, 128)] {
            let memory = HeapMemory::zeroed(len);
            assert_eq!((memory.len(), memory.is_empty(), memory.is_intact()), (bytes, bytes == 0, true));
            let region = RegionMut::new(memory);
            assert_eq!((region.len(), region.is_empty(), region.is_intact()), (bytes, bytes == 0, true));
            region.prefetch(0);
            region.prefetch(bytes);
        }
    }

    /// Words for read-modify-write are the region's own.
    #[test]
    fn a_word_is_a_place_in_the_region() {
        let region = RegionMut::new(HeapMemory::zeroed(64));
        region.word_u64(8).fetch_add(7, Ordering::Relaxed);
        region.word_u32(20).fetch_sub(1, Ordering::Relaxed);
        assert_eq!((region.load_u64(8, Ordering::Relaxed), region.load_u32(20, Ordering::Relaxed)), (7, u32::MAX));
        assert_eq!(region.load_u64(0, Ordering::Relaxed), 0);
    }

    #[test]
    #[should_panic(expected = "2 values at 56 of 64 bytes")]
    fn nothing_is_reached_outside() {
        let region = Region::new(HeapMemory::zeroed(64));
        // SAFETY: never returns.
        let _ = unsafe { region.slice::<u64>(56, 2) };
    }
}
