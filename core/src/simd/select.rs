//! Rows that a filter let through, moved together.

use alloc::vec::Vec;

use bytemuck::Pod;

#[cfg(target_arch = "x86_64")]
use super::Level;
use super::{level::kernel, prefetch};

/// Rows that are taken between two prefetches: of doubles half of which count, a cache line.
const STEP: usize = 8;

/// For each byte the places of its set bits, lowest first; what stands behind them means nothing.
const PLACES: [[u8; 8]; 256] = {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 != 0 {
                places[byte][count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
};

/// A block's rows that count.
#[derive(Debug, Default)]
pub struct Positions {
    /// A bit a row.
    words: Vec<u64>,
    count: usize,
    /// Above every row that counts.
    bound: usize,
    /// The numbers of these rows in order, once they were asked for. Eight more than rows: a byte's places are written
    /// whole.
    numbers: Vec<u16>,
    has_numbers: bool,
}

impl Positions {
    /// The most rows that a block may have here.
    pub const ROWS_MAX: usize = 1 << 16;

    /// No rows; allocates nothing.
    pub const fn new() -> Self {
        Self { words: Vec::new(), count: 0, bound: 0, numbers: Vec::new(), has_numbers: false }
    }

    /// Finds the rows with a set bit; `words` has zeros behind the last of `rows`, of which there are at most
    /// [`Self::ROWS_MAX`].
    pub fn find(&mut self, words: &[u64], rows: usize) {
        assert!(rows <= Self::ROWS_MAX, "{rows} rows");
        self.words.clear();
        self.words.extend_from_slice(&words[..rows.div_ceil(64)]);
        self.count = self.words.iter().map(|word| word.count_ones() as usize).sum();
        let last = self.words.iter().rposition(|&word| word != 0);
        self.bound = last.map_or(0, |w| (w + 1) * 64 - self.words[w].leading_zeros() as usize);
        self.has_numbers = false;
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The numbers of the rows.
    pub fn numbers(&mut self) -> &[u16] {
        if !self.has_numbers {
            self.numbers.resize(self.words.len() * 64 + 8, 0);
            write_places(&self.words, &mut self.numbers);
            self.has_numbers = true;
        }
        &self.numbers[..self.count]
    }

    /// The rows' values, one after the other; `out` is as long as there are rows. Panics if a row is beyond `values`.
    pub fn take<T: Pod>(&mut self, values: &[T], out: &mut [T]) {
        assert!(self.bound <= values.len(), "row {} of {}", self.bound, values.len());
        assert_eq!(self.count, out.len(), "one value a row");
        #[cfg(target_arch = "x86_64")]
        if Level::current() == Level::Avx512 && matches!(size_of::<T>(), 4 | 8) {
            // SAFETY: the level in use is never above what the CPU was found to have; lengths were compared above.
            return unsafe { compress(&self.words, values, out) };
        }
        let bound = self.bound;
        let numbers = self.numbers();
        debug_assert!(numbers.last().is_none_or(|&last| usize::from(last) < bound), "the last row is within the bound");
        let (steps, rest) = numbers.as_chunks::<STEP>();
        let (out_steps, out_rest) = out.as_chunks_mut::<STEP>();
        // SAFETY: numbers ascend, and the last is below the bound that was compared with the length.
        let value = |number: u16| unsafe { *values.get_unchecked(usize::from(number)) };
        for (out, numbers) in out_steps.iter_mut().zip(steps) {
            prefetch::ahead(values, numbers[0].into());
            for i in 0..STEP {
                out[i] = value(numbers[i]);
            }
        }
        out_rest.iter_mut().zip(rest).for_each(|(out, &number)| *out = value(number));
    }
}

/// Moves values of 4 or 8 bytes that have a set bit together, a register at a time: compressed in the register and
/// stored whole, because the instruction that compresses into memory is slower than a loop on some CPUs. `values` is as
/// long as the last set bit wants, `out` as there are set bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt")]
fn compress<T: Pod>(words: &[u64], values: &[T], out: &mut [T]) {
    use core::arch::x86_64::{
        __m512i, _mm512_mask_compress_epi32, _mm512_mask_compress_epi64, _mm512_mask_storeu_epi32,
        _mm512_mask_storeu_epi64, _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_epi64, _mm512_setzero_si512,
    };
    let lanes = 64 / size_of::<T>();
    let all = (1_u64 << lanes) - 1;
    let mut done = 0;
    for (w, word) in words.iter().enumerate() {
        if *word == 0 {
            continue;
        }
        // Lanes beyond the values are not loaded, lanes beyond the output not stored. Which these are is asked only
        // near the ends, for it takes longer than all the rest. Whether any bit is set is not asked: of few set bits
        // that cannot be foretold.
        let end = done + word.count_ones() as usize;
        let is_inside = w * 64 + 64 <= values.len() && end + lanes <= out.len();
        for from in (0..64).step_by(lanes) {
            let (mask, row) = (word >> from & all, w * 64 + from);
            prefetch::ahead(values, row);
            let (load, store) = match is_inside {
                true => (all, all),
                false => (below(values.len().saturating_sub(row), lanes), below(out.len() - done, lanes)),
            };
            let (source, target) = (values.as_ptr().wrapping_add(row), out[done..].as_mut_ptr());
            // SAFETY: each touches but the lanes of its mask, which lie within its slice: inside, the values reach to
            // the end of the word, and no step begins behind `end`. What is stored is made of values of the same size,
            // of which every bit pattern is one.
            unsafe {
                if size_of::<T>() == 8 {
                    let loaded = _mm512_maskz_loadu_epi64(load as u8, source.cast());
                    let moved = _mm512_mask_compress_epi64(_mm512_setzero_si512(), mask as u8, loaded);
                    _mm512_mask_storeu_epi64(target.cast(), store as u8, moved);
                } else {
                    let loaded: __m512i = _mm512_maskz_loadu_epi32(load as u16, source.cast());
                    let moved = _mm512_mask_compress_epi32(_mm512_setzero_si512(), mask as u16, loaded);
                    _mm512_mask_storeu_epi32(target.cast(), store as u16, moved);
                }
            }
            done += mask.count_ones() as usize;
        }
        debug_assert_eq!(done, end, "as many values as set bits");
    }
}

/// A mask of the lowest `count` lanes, of `lanes` at most.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn below(count: usize, lanes: usize) -> u64 {
    (1_u64 << count.min(lanes)) - 1
}

kernel! {
    /// Writes the numbers of set bits and gives how many there are. There are eight numbers more than bits.
    fn write_places(words: &[u64], numbers: &mut [u16]) -> usize,
    scalar = write_places_scalar, lanes = write_places_lanes
}

fn write_places_scalar(words: &[u64], numbers: &mut [u16]) -> usize {
    let set = (0..words.len() * 64).filter(|row| words[row / 64] >> (row % 64) & 1 != 0);
    set.zip(numbers).map(|(row, number)| *number = row as u16).count()
}

#[inline(always)]
fn write_places_lanes(words: &[u64], numbers: &mut [u16]) -> usize {
    let mut count = 0;
    for (w, word) in words.iter().enumerate() {
        for (b, &byte) in word.to_le_bytes().iter().enumerate() {
            let (places, first) = (&PLACES[usize::from(byte)], (w * 64 + b * 8) as u16);
            let Some(numbers) = numbers.get_mut(count..count + 8) else { return count };
            for i in 0..8 {
                numbers[i] = first.wrapping_add(places[i].into());
            }
            count += byte.count_ones() as usize;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;
    use alloc::vec;

    fn check<T: Pod + PartialEq + core::fmt::Debug>(
        positions: &mut Positions,
        of: fn(usize) -> T,
        passes: &dyn Fn(&usize) -> bool,
        rows: usize,
    ) {
        let values: Vec<T> = (0..rows).map(of).collect();
        let mut taken = vec![of(0); positions.len()];
        positions.take(&values, &mut taken);
        let wanted: Vec<T> = (0..rows).filter(passes).map(of).collect();
        assert_eq!(taken, wanted, "{}, {rows} rows", Level::current());
    }

    #[test]
    fn the_rows_that_count_are_taken_in_order_on_every_level() {
        let mut positions = Positions::new();
        let every = |n: usize| move |row: &usize| row % n == n / 2;
        // Rows in no order, so that words differ in how many of them count.
        let percent = |most: usize| move |row: &usize| row.wrapping_mul(0x9E37_79B9) % 65_537 % 100 < most;
        let all: [&dyn Fn(&usize) -> bool; 7] =
            [&every(1), &every(2), &every(7), &every(100), &percent(10), &percent(50), &percent(90)];
        for level in Level::available() {
            level.force();
            for rows in [0, 1, 63, 64, 65, 128, 300, 1_000, Positions::ROWS_MAX] {
                for passes in all {
                    let mut words = vec![0_u64; rows.div_ceil(64)];
                    (0..rows).filter(passes).for_each(|row| words[row / 64] |= 1 << (row % 64));
                    positions.find(&words, rows);
                    check(&mut positions, |row| row as i64, passes, rows);
                    check(&mut positions, |row| row as f32, passes, rows);
                    check(&mut positions, |row| row as u16, passes, rows);
                    check(&mut positions, |row| row as i128, passes, rows);
                }
            }
        }
        Level::best().force();
    }

    #[test]
    #[should_panic(expected = "row 10 of 9")]
    fn rows_beyond_the_values_are_refused() {
        let mut positions = Positions::new();
        positions.find(&[1 << 9], 10);
        positions.take(&[0; 9], &mut [0]);
    }
}
