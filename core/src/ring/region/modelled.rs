//! Regions for loom: one loom atomic a word. Narrow stores read, change and write their word, which is right because
//! only the producer stores to a block.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Deref};

use bytemuck::Pod;

use crate::{
    block::Upcoming,
    ring::sync::{AtomicU64, Ordering},
};

/// A region to load from.
#[derive(Clone)]
pub struct Region(Arc<Vec<AtomicU64>>);

/// A region to load from and store to.
#[derive(Debug)]
pub struct RegionMut(Region);

impl Region {
    /// A region of `len` zero bytes.
    pub fn modelled(len: usize) -> Self {
        Self(Arc::new((0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect()))
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len() * 8
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing is ever cut off here.
    pub fn is_intact(&self) -> bool {
        true
    }

    /// All of it is at hand.
    pub fn fault_in(&self, _bytes: core::ops::Range<usize>) {}

    /// Nothing to ask for.
    pub fn prefetch(&self, _offset: usize) {}

    /// Nothing to ask for.
    pub fn upcoming(&self, _offset: usize, _row_bytes: usize) -> Upcoming {
        Upcoming::at(0, 0)
    }

    /// Loads the word at `offset`.
    pub fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        assert!(offset % 8 == 0);
        self.0[offset / 8].load(order)
    }

    /// Loads the half word at `offset`.
    pub fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        let bytes = self.0[offset / 8].load(order).to_ne_bytes();
        bytemuck::pod_read_unaligned(&bytes[offset % 8..offset % 8 + 4])
    }

    /// Copies `bytes.len()` bytes out from `offset`.
    pub fn read_bytes(&self, offset: usize, bytes: &mut [u8]) {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = self.0[at / 8].load(Ordering::Relaxed).to_ne_bytes();
            let len = (8 - at % 8).min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(&word[at % 8..at % 8 + len]);
            (at, rest) = (at + len, later);
        }
    }

    /// Blocks are copied, never borrowed, under loom.
    ///
    /// # Safety
    /// Never called.
    pub unsafe fn slice<T: Pod>(&self, _offset: usize, _len: usize) -> &[T] {
        unreachable!("blocks are copied under loom")
    }
}

impl RegionMut {
    /// The writable side of a region.
    pub fn modelled(region: &Region) -> Self {
        Self(region.clone())
    }

    /// Stores the word at `offset`.
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        assert!(offset % 8 == 0);
        self.0.0[offset / 8].store(value, order);
    }

    /// Stores the half word at `offset`.
    pub fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.change(offset, &value.to_ne_bytes(), order);
    }

    /// Stores one value at `offset`.
    pub fn write<T: Pod>(&self, offset: usize, value: T) {
        self.write_bytes(offset, bytemuck::bytes_of(&value));
    }

    /// Copies bytes in at `offset`.
    pub fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at((8 - at % 8).min(rest.len()));
            self.change(at, now, Ordering::Relaxed);
            (at, rest) = (at + now.len(), later);
        }
    }

    /// Sets `len` bytes at `offset` to `byte`.
    pub fn fill_bytes(&self, offset: usize, len: usize, byte: u8) {
        (0..len).for_each(|i| self.change(offset + i, &[byte], Ordering::Relaxed));
    }

    fn change(&self, offset: usize, bytes: &[u8], order: Ordering) {
        let word = &self.0.0[offset / 8];
        let mut all = word.load(Ordering::Relaxed).to_ne_bytes();
        all[offset % 8..offset % 8 + bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_ne_bytes(all), order);
    }
}

impl Deref for RegionMut {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.0
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({} modelled bytes)", self.len())
    }
}
