//! Rows that a filter let through, moved together.

use alloc::vec::Vec;

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

/// The numbers of a block's rows that count, in order.
#[derive(Debug, Default)]
pub struct Positions {
    /// Eight numbers more than rows: a byte's places are written whole.
    numbers: Vec<u16>,
    count: usize,
    /// Above every number.
    bound: usize,
}

impl Positions {
    /// The most rows that a block may have here.
    pub const ROWS_MAX: usize = 1 << 16;

    /// No rows; allocates nothing.
    pub const fn new() -> Self {
        Self { numbers: Vec::new(), count: 0, bound: 0 }
    }

    /// Finds the rows with a set bit; `words` has zeros behind the last of `rows`, of which there are at most
    /// [`Self::ROWS_MAX`].
    pub fn find(&mut self, words: &[u64], rows: usize) {
        assert!(rows <= Self::ROWS_MAX, "{rows} rows");
        let words = &words[..rows.div_ceil(64)];
        self.numbers.resize(words.len() * 64 + 8, 0);
        self.count = write_places(words, &mut self.numbers);
        self.bound = self.numbers[..self.count].last().map_or(0, |&last| usize::from(last) + 1);
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
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.numbers[..self.count].iter().map(|&number| usize::from(number))
    }

    /// The rows' values, one after the other; `out` is as long as there are rows. Panics if a row is beyond `values`.
    pub fn take<T: Copy>(&self, values: &[T], out: &mut [T]) {
        assert!(self.bound <= values.len(), "row {} of {}", self.bound, values.len());
        assert_eq!(self.count, out.len(), "one value a row");
        let (steps, rest) = self.numbers[..self.count].as_chunks::<STEP>();
        let (out_steps, out_rest) = out.as_chunks_mut::<STEP>();
        // SAFETY: numbers ascend, and the last was compared with the length.
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

    #[test]
    fn the_rows_that_count_are_taken_in_order_on_every_level() {
        let mut positions = Positions::new();
        for level in Level::available() {
            level.force();
            for rows in [0, 1, 63, 64, 65, 300, Positions::ROWS_MAX] {
                for every in [1, 2, 7, 100] {
                    let mut words = vec![0_u64; rows.div_ceil(64)];
                    (0..rows).filter(|row| row % every == every / 2).for_each(|row| words[row / 64] |= 1 << (row % 64));
                    positions.find(&words, rows);
                    let values: Vec<i64> = (0..rows as i64).collect();
                    let mut taken = vec![0; positions.len()];
                    positions.take(&values, &mut taken);
                    let wanted: Vec<i64> =
                        values.iter().copied().filter(|v| *v as usize % every == every / 2).collect();
                    assert_eq!(taken, wanted, "{level}, {rows} rows");
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
