//! One bit a row: validity (set = not NULL), boolean values, selections. Arrow's bit order: row `i` is bit
//! `i % 64` of word `i / 64`, little-endian. Bits past the length are zero, so that words can be counted whole.

use super::Buffer;

/// An owned bitmap.
#[derive(Clone, Debug, Default)]
pub struct Bitmap {
    words: Buffer<u64>,
    len: usize,
}

/// A borrowed bitmap.
#[derive(Clone, Copy, Debug)]
pub struct BitmapRef<'a> {
    words: &'a [u64],
    len: usize,
}

impl Bitmap {
    /// Bytes that it has set aside.
    pub fn memory_bytes(&self) -> usize {
        self.words.memory_bytes()
    }

    /// An empty bitmap; allocates nothing.
    pub const fn new() -> Self {
        Self { words: Buffer::new(), len: 0 }
    }

    /// Appends a bit.
    #[inline]
    pub fn push(&mut self, bit: bool) {
        let shift = self.len % 64;
        if shift == 0 {
            self.words.push(0);
        }
        let last = self.words.len() - 1;
        self.words[last] |= u64::from(bit) << shift;
        self.len += 1;
    }

    /// Grows or cuts to `len` bits; new bits are `bit`.
    pub fn resize(&mut self, len: usize, bit: bool) {
        let fill = if bit { u64::MAX } else { 0 };
        if len > self.len && !self.len.is_multiple_of(64) && bit {
            let last = self.words.len() - 1;
            self.words[last] |= fill << (self.len % 64);
        }
        self.words.resize(len.div_ceil(64), fill);
        self.len = len;
        self.clear_tail();
    }

    /// Forgets the bits, keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// Sets bit `i` to `bit`.
    #[inline]
    pub fn set(&mut self, i: usize, bit: bool) {
        assert!(i < self.len, "bit {i} of {}", self.len);
        let mask = 1_u64 << (i % 64);
        let word = &mut self.words[i / 64];
        *word = if bit { *word | mask } else { *word & !mask };
    }

    /// The words, to be written whole; bits past the length must stay zero.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Copies bits from a borrowed bitmap.
    pub fn copy_from(&mut self, bits: BitmapRef<'_>) {
        self.words.clear();
        self.words.extend_from_slice(bits.words);
        self.len = bits.len;
    }

    /// Keeps only the bits that are set in `other` too.
    pub fn and(&mut self, other: BitmapRef<'_>) {
        assert_eq!(self.len, other.len, "bitmaps of one block have one length");
        self.words.iter_mut().zip(other.words).for_each(|(a, b)| *a &= b);
    }

    /// Keeps only the bits that are not set in `other`.
    pub fn and_not(&mut self, other: BitmapRef<'_>) {
        assert_eq!(self.len, other.len, "bitmaps of one block have one length");
        self.words.iter_mut().zip(other.words).for_each(|(a, b)| *a &= !b);
    }

    /// Appends bits.
    pub fn append(&mut self, bits: BitmapRef<'_>) {
        let (shift, mut word) = (self.len % 64, self.len / 64);
        self.resize(self.len + bits.len, false);
        for &bits in bits.words {
            self.words[word] |= bits << shift;
            word += 1;
            if let Some(next) = self.words.get_mut(word).filter(|_| shift > 0) {
                *next |= bits >> (64 - shift);
            }
        }
    }

    /// Packs one byte a row (0 = false, anything else = true), as rings store them.
    pub fn pack(&mut self, bytes: &[u8]) {
        self.words.clear();
        self.len = bytes.len();
        for chunk in bytes.chunks(64) {
            let word = chunk.iter().enumerate().fold(0_u64, |w, (i, &b)| w | (u64::from(b != 0) << i));
            self.words.push(word);
        }
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no bits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Borrows it.
    #[inline]
    pub fn view(&self) -> BitmapRef<'_> {
        BitmapRef { words: &self.words, len: self.len }
    }

    fn clear_tail(&mut self) {
        let tail = self.len % 64;
        if tail != 0 {
            let last = self.words.len() - 1;
            self.words[last] &= (1 << tail) - 1;
        }
    }
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let mut bitmap = Self::new();
        bits.into_iter().for_each(|bit| bitmap.push(bit));
        bitmap
    }
}

impl<'a> BitmapRef<'a> {
    /// Bit `i`.
    #[inline]
    pub fn get(&self, i: usize) -> bool {
        debug_assert!(i < self.len, "bit {i} of {}", self.len);
        self.words[i / 64] >> (i % 64) & 1 != 0
    }

    /// Number of bits.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no bits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of set bits.
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// The words; bits past the length are zero.
    pub fn words(&self) -> &'a [u64] {
        self.words
    }

    /// Calls `f` with the position of every set bit, in order.
    #[inline]
    pub fn for_each_set(&self, mut f: impl FnMut(usize)) {
        for (w, &word) in self.words.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                f(w * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_past_the_length_stay_zero() {
        for len in [0, 1, 63, 64, 65, 130] {
            let mut bits = Bitmap::new();
            bits.resize(len, true);
            assert_eq!(bits.view().count(), len);
            bits.resize(len + 3, true);
            assert_eq!(bits.view().count(), len + 3);
            bits.push(false);
            bits.push(true);
            assert_eq!(bits.view().count(), len + 4);
            assert!(bits.view().get(len + 4) && !bits.view().get(len + 3));
            bits.resize(1, false);
            assert_eq!(bits.view().count(), usize::from(len + 3 > 0));
        }
    }

    #[test]
    fn appending_bits_equals_pushing_them() {
        let bit = |i: usize| i * 7 % 5 < 2;
        for (first, second) in [(0, 70), (1, 1), (63, 2), (64, 64), (65, 200), (130, 0), (5, 59)] {
            let mut bits: Bitmap = (0..first).map(bit).collect();
            let rest: Bitmap = (first..first + second).map(bit).collect();
            bits.append(rest.view());
            let pushed: Bitmap = (0..first + second).map(bit).collect();
            assert_eq!((bits.len(), bits.view().words()), (pushed.len(), pushed.view().words()), "{first} {second}");
        }
    }

    #[test]
    fn packing_bytes_equals_pushing_bits() {
        let bytes: alloc::vec::Vec<u8> = (0..200_u32).map(|i| (i * 7 % 3) as u8).collect();
        let mut packed = Bitmap::new();
        packed.pack(&bytes);
        let pushed: Bitmap = bytes.iter().map(|&b| b != 0).collect();
        assert_eq!(packed.view().words(), pushed.view().words());
        let mut set = alloc::vec::Vec::new();
        packed.view().for_each_set(|i| set.push(i));
        assert!(set.iter().all(|&i| bytes[i] != 0) && set.len() == packed.view().count());
    }
}
