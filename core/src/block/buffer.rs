//! A growable buffer whose first byte is aligned to a cache line, so that SIMD loads never straddle one.
//!
//! Built on a `Vec` of 64-byte chunks and safe casts: no `unsafe`, and `push` is a bounds check and a store.

use alloc::vec::Vec;
use core::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use bytemuck::{Pod, Zeroable};

use crate::limits::COLUMN_ALIGN;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Chunk([u8; COLUMN_ALIGN]);

const _: () = assert!(align_of::<Chunk>() == COLUMN_ALIGN && size_of::<Chunk>() == COLUMN_ALIGN);

/// A `Vec<T>` with 64-byte alignment. Dereferences to a slice.
#[derive(Clone)]
pub struct Buffer<T> {
    chunks: Vec<Chunk>,
    len: usize,
    item: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// An empty buffer; allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0, item: PhantomData }
    }

    /// An empty buffer with room for `capacity` items.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buffer = Self::new();
        buffer.reserve(capacity);
        buffer
    }

    /// Makes room for `additional` more items.
    pub fn reserve(&mut self, additional: usize) {
        let needed = Self::chunks_for(self.len + additional);
        if needed > self.chunks.len() {
            let grown = needed.max(self.chunks.len() * 2);
            self.chunks.resize(grown, Chunk::zeroed());
        }
    }

    /// Appends one item.
    #[inline]
    pub fn push(&mut self, item: T) {
        if self.len == self.capacity() {
            self.reserve(1);
        }
        let end = self.len;
        self.whole_mut()[end] = item;
        self.len += 1;
    }

    /// Appends items.
    pub fn extend_from_slice(&mut self, items: &[T]) {
        self.reserve(items.len());
        let end = self.len + items.len();
        let start = self.len;
        self.whole_mut()[start..end].copy_from_slice(items);
        self.len = end;
    }

    /// Cuts or grows to `len` items; new items are `item`.
    pub fn resize(&mut self, len: usize, item: T) {
        if len > self.len {
            self.reserve(len - self.len);
            let start = self.len;
            self.whole_mut()[start..len].fill(item);
        }
        self.len = len;
    }

    /// Cuts or grows to `len` items; new items are whatever was there before, or zero.
    pub fn resize_dirty(&mut self, len: usize) {
        if len > self.len {
            self.reserve(len - self.len);
        }
        self.len = len;
    }

    /// Forgets the items, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Items that fit without another allocation.
    pub fn capacity(&self) -> usize {
        self.chunks.len() * COLUMN_ALIGN / size_of::<T>()
    }

    /// Bytes that it has set aside.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.capacity() * COLUMN_ALIGN
    }

    fn chunks_for(items: usize) -> usize {
        (items * size_of::<T>()).div_ceil(COLUMN_ALIGN)
    }

    #[inline]
    fn whole_mut(&mut self) -> &mut [T] {
        // Chunks are a multiple of every item size we store (1 to 16 bytes, powers of two).
        bytemuck::cast_slice_mut(&mut self.chunks)
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.chunks)[..self.len]
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let len = self.len;
        &mut self.whole_mut()[..len]
    }
}

impl<T: Pod> Default for Buffer<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Pod> From<&[T]> for Buffer<T> {
    fn from(items: &[T]) -> Self {
        let mut buffer = Self::new();
        buffer.extend_from_slice(items);
        buffer
    }
}

impl<T: Pod> FromIterator<T> for Buffer<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut buffer = Self::new();
        items.into_iter().for_each(|item| buffer.push(item));
        buffer
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_keeps_items_and_stays_aligned() {
        let mut buffer = Buffer::new();
        for i in 0..1000_i64 {
            buffer.push(i);
            assert_eq!(buffer.as_ptr() as usize % COLUMN_ALIGN, 0);
        }
        assert_eq!(buffer.len(), 1000);
        assert!(buffer.iter().enumerate().all(|(i, &x)| x == i as i64));
        buffer.resize(3, 0);
        buffer.resize(5, 7);
        assert_eq!(&buffer[..], &[0, 1, 2, 7, 7]);
    }
}
