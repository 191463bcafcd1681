//! Rows of a lane as the columns of a block. Fixed-width values and BINARY bytes are borrowed where they lie, or copied
//! out first ([`super::ReadMode`]); validity and boolean bytes are packed to bits, string ends become offsets. Whatever
//! is used as an offset has been copied and checked before. So has text: what is known to be UTF-8 must stay UTF-8.

use alloc::{format, string::String};
use core::ops::Range;

use bytemuck::Pod;

use super::{ColumnLayout, region::Region, sync::Ordering};
use crate::{
    block::{Bitmap, Buffer, BytesRef, ColumnRef, Values},
    schema::{DataType, Physical},
};

/// What is lent of one column, and the memory to prepare it in, reused from block to block.
#[derive(Debug)]
pub(super) struct ColumnView {
    layout: ColumnLayout,
    /// Only columns that somebody reads are prepared.
    pub needed: bool,
    copied: bool,
    /// Offset of the first lent value in the region, and their number.
    values_at: usize,
    len: usize,
    validity: Bitmap,
    has_nulls: bool,
    /// Booleans.
    bits: Bitmap,
    /// Strings: offsets from the first lent byte, and where that lies.
    offsets: Buffer<i32>,
    heap_at: usize,
    /// Copies of fixed-width values; words, so that any of them is aligned.
    fixed: Buffer<u64>,
    /// Copies of bytes: validity, booleans, strings.
    bytes: Buffer<u8>,
}

impl ColumnView {
    pub fn new(layout: ColumnLayout) -> Self {
        Self {
            layout,
            needed: true,
            copied: true,
            values_at: 0,
            len: 0,
            validity: Bitmap::new(),
            has_nulls: false,
            bits: Bitmap::new(),
            offsets: Buffer::new(),
            heap_at: 0,
            fixed: Buffer::new(),
            bytes: Buffer::new(),
        }
    }

    /// Where the value of a row lies in its slot.
    #[inline]
    pub fn value_at(&self, row: usize) -> usize {
        self.layout.values_at + row * self.layout.width
    }

    /// Makes `rows` of the block in the slot at `slot` ready to be lent. An error says what is wrong with the bytes.
    pub fn prepare(
        &mut self,
        region: &Region,
        slot: usize,
        rows: Range<usize>,
        heap_bytes: usize,
        copied: bool,
    ) -> Result<(), String> {
        if !self.needed {
            return Ok(());
        }
        self.copied = copied;
        self.len = rows.len();
        self.values_at = slot + self.value_at(rows.start);
        self.prepare_validity(region, slot, rows.start);
        match self.layout.physical {
            Physical::Boolean => self.prepare_booleans(region),
            Physical::Bytes => self.prepare_strings(region, slot, rows.start, heap_bytes)?,
            _ if copied => self.copy_fixed(region),
            _ => {}
        }
        Ok(())
    }

    /// Whether its rows are strings, which are copied to be looked at.
    pub fn is_copied_text(&self) -> bool {
        self.layout.data_type == DataType::String
    }

    /// Bytes of the strings of the prepared rows.
    pub fn text_bytes(&self) -> usize {
        self.offsets.last().map_or(0, |&end| end as usize)
    }

    /// Where the bytes of strings lie in a slot.
    pub fn heap_at(&self) -> usize {
        self.layout.heap_at
    }

    /// Whether a prepared row is NULL.
    pub fn has_nulls(&self) -> bool {
        self.has_nulls
    }

    /// The prepared rows.
    #[inline]
    pub fn view<'a>(&'a self, region: &'a Region) -> ColumnRef<'a> {
        assert!(self.needed, "column `{}` was not asked for", self.layout.name);
        let values = match self.layout.physical {
            Physical::Boolean => Values::Boolean(self.bits.view()),
            Physical::Int8 => Values::Int8(self.fixed(region)),
            Physical::Int16 => Values::Int16(self.fixed(region)),
            Physical::Int32 => Values::Int32(self.fixed(region)),
            Physical::Int64 => Values::Int64(self.fixed(region)),
            Physical::Float32 => Values::Float32(self.fixed(region)),
            Physical::Float64 => Values::Float64(self.fixed(region)),
            Physical::Int128 => Values::Int128(self.fixed(region)),
            Physical::Bytes => Values::Bytes(BytesRef { offsets: &self.offsets, bytes: self.heap(region) }),
            physical => unreachable!("a ring holds no {physical:?}"),
        };
        let validity = self.has_nulls.then(|| self.validity.view());
        ColumnRef { data_type: &self.layout.data_type, values, validity, is_constant: false }
    }

    /// Packs the validity bytes, if the block has a NULL at all.
    fn prepare_validity(&mut self, region: &Region, slot: usize, start: usize) {
        self.has_nulls = false;
        // Pairs with the release store in `Producer::mark`.
        if self.layout.nullable && region.load_u32(slot + self.layout.nulls_at, Ordering::Acquire) > 0 {
            self.copy_bytes(region, slot + self.layout.validity_at + start, self.len);
            self.validity.pack(&self.bytes);
            self.has_nulls = self.validity.view().count() < self.len;
        }
    }

    fn prepare_booleans(&mut self, region: &Region) {
        self.copy_bytes(region, self.values_at, self.len);
        self.bits.pack(&self.bytes);
    }

    fn prepare_strings(&mut self, region: &Region, slot: usize, start: usize, heap_bytes: usize) -> Result<(), String> {
        self.copy_ends(region, start);
        let (first, last) = (self.offsets[0] as u32, self.offsets[self.len] as u32);
        // All are compared, for which vectors are quicker than whoever stops at the first.
        let pairs = self.offsets.iter().zip(&self.offsets[1..]);
        let falls = pairs.fold(false, |falls, (&start, &end)| falls | ((end as u32) < start as u32));
        if falls || last as usize > heap_bytes {
            return Err(format!("column `{}` has string offsets that no string has", self.layout.name));
        }
        // They ascend and end within the heap: now they are offsets.
        self.offsets.iter_mut().for_each(|end| *end -= first as i32);
        self.heap_at = slot + self.layout.heap_at + first as usize;
        let is_string = self.layout.data_type == DataType::String;
        self.copied |= is_string;
        if self.copied {
            self.copy_bytes(region, self.heap_at, (last - first) as usize);
        }
        if is_string && !is_text(&self.bytes, &self.offsets) {
            return Err(format!("column `{}` has text that is not UTF-8", self.layout.name));
        }
        Ok(())
    }

    /// Where the strings end, preceded by where the first starts.
    fn copy_ends(&mut self, region: &Region, start: usize) {
        self.offsets.resize(self.len + 1, 0);
        self.offsets[0] = 0;
        let before = usize::from(start > 0);
        let ends = bytemuck::cast_slice_mut(&mut self.offsets[1 - before..]);
        region.read_bytes(self.values_at - before * self.layout.width, ends);
    }

    fn copy_fixed(&mut self, region: &Region) {
        let bytes = self.len * self.layout.width;
        // An even number of words, so that they can be seen as i128 too.
        self.fixed.resize(bytes.div_ceil(16) * 2, 0);
        region.read_bytes(self.values_at, &mut bytemuck::cast_slice_mut(&mut self.fixed)[..bytes]);
    }

    fn copy_bytes(&mut self, region: &Region, at: usize, len: usize) {
        self.bytes.resize(len, 0);
        region.read_bytes(at, &mut self.bytes);
    }

    #[inline]
    fn fixed<'a, T: Pod>(&'a self, region: &'a Region) -> &'a [T] {
        if self.copied {
            return &bytemuck::cast_slice(&self.fixed)[..self.len];
        }
        // SAFETY: rows are lent in place only if their producer runs under our own user, and only while the block is
        // not given back: `RingBlock` borrows the consumer, and giving back needs it mutably (rules 2 and 4).
        unsafe { region.slice(self.values_at, self.len) }
    }

    #[inline]
    fn heap<'a>(&'a self, region: &'a Region) -> &'a [u8] {
        if self.copied {
            return &self.bytes;
        }
        let len = self.offsets[self.len] as usize;
        // SAFETY: as in `fixed`.
        unsafe { region.slice(self.heap_at, len) }
    }
}

/// Whether all strings are UTF-8, each for itself.
fn is_text(bytes: &[u8], offsets: &[i32]) -> bool {
    let continues = |at: &i32| bytes.get(*at as usize).is_some_and(|byte| byte & 0xC0 == 0x80);
    bytes.is_ascii() || (core::str::from_utf8(bytes).is_ok() && !offsets.iter().any(continues))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_judged_string_by_string() {
        let euro = "€".as_bytes();
        assert!(is_text(b"abc", &[0, 1, 3]));
        assert!(is_text(euro, &[0, 3]));
        assert!(is_text(euro, &[0, 0, 3, 3]));
        assert!(!is_text(euro, &[0, 1, 3]), "halves of a character in two strings");
        assert!(!is_text(b"a\xff", &[0, 1, 2]));
        assert!(!is_text(b"\xe2\x82", &[0, 2]));
    }
}
