//! Comparisons: one bit a row, set where it holds.

use super::{level::kernel, prefetch};

kernel! {
    /// Writes `holds(values[row])` to bit `row` of `words`, with all bits of `flip` set its opposite. `words` has a bit
    /// a row; those behind the last row become zero.
    pub fn mask_of[A: Copy, F: Fn(A) -> bool + Copy](values: &[A], words: &mut [u64], flip: u64, holds: F),
    scalar = mask_of_scalar, lanes = mask_of_lanes
}

kernel! {
    /// As [`mask_of`], of the pairs of two columns of one length.
    pub fn mask_of_two[A: Copy, F: Fn(A, A) -> bool + Copy](a: &[A], b: &[A], words: &mut [u64], flip: u64, holds: F),
    scalar = mask_of_two_scalar, lanes = mask_of_two_lanes
}

fn mask_of_scalar<A: Copy>(values: &[A], words: &mut [u64], flip: u64, holds: impl Fn(A) -> bool + Copy) {
    words_of_scalar(values.len(), words, flip, |row| holds(values[row]));
}

fn mask_of_two_scalar<A: Copy>(a: &[A], b: &[A], words: &mut [u64], flip: u64, holds: impl Fn(A, A) -> bool + Copy) {
    words_of_scalar(a.len(), words, flip, |row| holds(a[row], b[row]));
}

fn words_of_scalar(rows: usize, words: &mut [u64], flip: u64, holds: impl Fn(usize) -> bool) {
    for (w, word) in words.iter_mut().enumerate() {
        let rows = w * 64..rows.min(w * 64 + 64);
        *word = rows.rev().fold(0, |word, row| word << 1 | (u64::from(holds(row)) ^ (flip & 1)));
    }
}

#[inline(always)]
fn mask_of_lanes<A: Copy>(values: &[A], words: &mut [u64], flip: u64, holds: impl Fn(A) -> bool + Copy) {
    let (whole, rest) = values.as_chunks::<64>();
    let (words, words_rest) = words.split_at_mut(whole.len());
    for (values, word) in whole.iter().zip(words) {
        // 64 values are as many cache lines as a value has bytes.
        (0..size_of::<A>()).for_each(|line| prefetch::ahead(values, line * 64 / size_of::<A>()));
        *word = word_of(|i| holds(values[i])) ^ flip;
    }
    mask_of_scalar(rest, words_rest, flip, holds);
}

#[inline(always)]
fn mask_of_two_lanes<A: Copy>(a: &[A], b: &[A], words: &mut [u64], flip: u64, holds: impl Fn(A, A) -> bool + Copy) {
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    let (words, words_rest) = words.split_at_mut(whole_a.len());
    for ((a, b), word) in whole_a.iter().zip(whole_b).zip(words) {
        *word = word_of(|i| holds(a[i], b[i])) ^ flip;
    }
    mask_of_two_scalar(rest_a, rest_b, words_rest, flip, holds);
}

/// First a byte a row, which every instruction set does in vectors; then eight bytes become eight bits by one
/// multiplication, which moves the lowest bit of byte `i` to bit `56 + i`.
#[inline(always)]
pub(super) fn word_of(holds: impl Fn(usize) -> bool) -> u64 {
    let mut bytes = [0_u8; 64];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from(holds(i));
    }
    let mut word = 0;
    for (i, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        word |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;
    use alloc::vec::Vec;

    #[test]
    fn bits_keep_the_order_of_rows_on_every_level() {
        for level in Level::available() {
            level.force();
            for len in [0, 1, 63, 64, 65, 200] {
                let (a, b): (Vec<i32>, Vec<i32>) = (0..len).map(|i| (i * 7 % 10, i * 3 % 10)).unzip();
                let mut words = alloc::vec![u64::MAX; a.len().div_ceil(64)];
                let check = |words: &[u64], f: &dyn Fn(usize) -> bool| {
                    (0..a.len()).for_each(|i| assert_eq!(words[i / 64] >> (i % 64) & 1 != 0, f(i), "row {i} of {len}"));
                    assert!(a.len() % 64 == 0 || words[a.len() / 64] >> (a.len() % 64) == 0, "no bits past the last");
                };
                for (flip, is_not) in [(0, false), (u64::MAX, true)] {
                    mask_of(&a, &mut words, flip, |x| x < 5);
                    check(&words, &|i| (a[i] < 5) != is_not);
                    mask_of_two(&a, &b, &mut words, flip, |x, y| x < y);
                    check(&words, &|i| (a[i] < b[i]) != is_not);
                }
            }
        }
        Level::best().force();
    }
}
