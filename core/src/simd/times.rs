//! Timestamps of a block: lowest, highest, sum; which pane each lies in.

use super::{level::kernel, prefetch};
use crate::block::Times;

/// Virtual lanes; each holds three numbers.
const LANES: usize = 8;

kernel! {
    /// Lowest, highest and sum of timestamps, of which there must be one at least.
    pub fn times(ts: &[i64]) -> Times,
    scalar = times_scalar, lanes = times_lanes
}

kernel! {
    /// Writes to `panes[row]` how many of the `bounds` are at or below `ts[row]`: with the ends of consecutive panes as
    /// bounds, the number of the pane.
    pub fn panes_between(ts: &[i64], bounds: &[i64], panes: &mut [u32]),
    scalar = panes_scalar, lanes = panes_lanes
}

kernel! {
    /// As [`times`], of the rows with a set bit, of which there must be one; `words` has a bit a row, and zeros behind.
    /// Differences are to the first row, set or not.
    pub fn times_of(ts: &[i64], words: &[u64]) -> Times,
    scalar = times_of_scalar, lanes = times_of_lanes
}

fn times_of_scalar(ts: &[i64], words: &[u64]) -> Times {
    let set = |row: &usize| words[row / 64] >> (row % 64) & 1 != 0;
    (0..ts.len()).filter(set).fold(Times::NONE, |seen, row| Times {
        min: seen.min.min(ts[row]),
        max: seen.max.max(ts[row]),
        offsets: seen.offsets.wrapping_add(ts[row].wrapping_sub(ts[0])),
    })
}

#[inline(always)]
fn times_of_lanes(ts: &[i64], words: &[u64]) -> Times {
    // A row is a bit in a mask and three numbers in lanes: with eight lanes AVX2 would pick bits one by one.
    const LANES: usize = 16;
    let first = ts[0];
    let (mut min, mut max, mut sum) = ([i64::MAX; LANES], [i64::MIN; LANES], [0_i64; LANES]);
    let (chunks, rest) = ts.as_chunks::<LANES>();
    for (i, chunk) in chunks.iter().enumerate() {
        let bits = words[i * LANES / 64] >> (i * LANES % 64);
        if bits & ((1 << LANES) - 1) == 0 {
            continue;
        }
        for lane in 0..LANES {
            let t = chunk[lane];
            let is_set = bits >> lane & 1 != 0;
            min[lane] = min[lane].min(if is_set { t } else { i64::MAX });
            max[lane] = max[lane].max(if is_set { t } else { i64::MIN });
            sum[lane] = sum[lane].wrapping_add(if is_set { t.wrapping_sub(first) } else { 0 });
        }
    }
    for (lane, &t) in rest.iter().enumerate() {
        let row = chunks.len() * LANES + lane;
        if words[row / 64] >> (row % 64) & 1 != 0 {
            min[lane] = min[lane].min(t);
            max[lane] = max[lane].max(t);
            sum[lane] = sum[lane].wrapping_add(t.wrapping_sub(first));
        }
    }
    Times {
        min: min.iter().fold(i64::MAX, |a, &b| a.min(b)),
        max: max.iter().fold(i64::MIN, |a, &b| a.max(b)),
        offsets: sum.iter().fold(0, |a, &b| a.wrapping_add(b)),
    }
}

fn times_scalar(ts: &[i64]) -> Times {
    let first = ts[0];
    ts.iter().fold(Times { min: first, max: first, offsets: 0 }, |seen, &t| Times {
        min: seen.min.min(t),
        max: seen.max.max(t),
        offsets: seen.offsets.wrapping_add(t.wrapping_sub(first)),
    })
}

/// Rows of one plain loop: with lanes by hand the compiler takes them one by one for AVX-512.
const TIMES_ROWS: usize = 64;

/// Rows that tell whether the rest are worth the wager that they are in order.
const ORDER_PROBED: usize = 256;

#[inline(always)]
fn times_lanes(ts: &[i64]) -> Times {
    // Sensors send rows in order: then the ends are the extremes, and comparing neighbours is a third of the work.
    if is_ascending(&ts[..ts.len().min(ORDER_PROBED)])
        && let Some(times) = times_if_ascending(ts)
    {
        return times;
    }
    times_in_any_order(ts)
}

#[inline(always)]
fn is_ascending(ts: &[i64]) -> bool {
    ts.iter().zip(&ts[1..]).fold(true, |ascending, (a, b)| ascending & (a <= b))
}

#[inline(always)]
fn times_if_ascending(ts: &[i64]) -> Option<Times> {
    let (&first, &last) = (ts.first()?, ts.last()?);
    // Negative as soon as a time is after the next, or on the other side of 1970 than the first: among times of one
    // side no difference overflows. SSE2 cannot compare integers of 64 bits.
    let mut falls = last ^ first;
    let mut sum = 0_i64;
    let (chunks, rest) = ts[..ts.len() - 1].as_chunks::<TIMES_ROWS>();
    let (next, next_rest) = ts[1..].as_chunks::<TIMES_ROWS>();
    for (chunk, next) in chunks.iter().zip(next) {
        prefetch::ahead_of_all(chunk);
        for (&a, &b) in chunk.iter().zip(next) {
            sum = sum.wrapping_add(a);
            falls |= b.wrapping_sub(a) | (a ^ first);
        }
    }
    let is_fall = |(a, b): (&i64, &i64)| a > b;
    if falls < 0 || rest.iter().zip(next_rest).any(is_fall) {
        return None;
    }
    let total = rest.iter().fold(sum.wrapping_add(last), |a, &b| a.wrapping_add(b));
    Some(Times { min: first, max: last, offsets: total.wrapping_sub(first.wrapping_mul(ts.len() as i64)) })
}

#[inline(always)]
fn times_in_any_order(ts: &[i64]) -> Times {
    let first = ts[0];
    let (mut min, mut max, mut sum) = (first, first, 0_i64);
    let (chunks, rest) = ts.as_chunks::<TIMES_ROWS>();
    for chunk in chunks {
        prefetch::ahead_of_all(chunk);
        for &t in chunk {
            min = min.min(t);
            max = max.max(t);
            sum = sum.wrapping_add(t);
        }
    }
    for &t in rest {
        min = min.min(t);
        max = max.max(t);
        sum = sum.wrapping_add(t);
    }
    // Modulo 2^64, taking the first off each is taking it off the sum.
    Times { min, max, offsets: sum.wrapping_sub(first.wrapping_mul(ts.len() as i64)) }
}

fn panes_scalar(ts: &[i64], bounds: &[i64], panes: &mut [u32]) {
    for (pane, &t) in panes.iter_mut().zip(ts) {
        *pane = bounds.iter().filter(|&&bound| bound <= t).count() as u32;
    }
}

#[inline(always)]
fn panes_lanes(ts: &[i64], bounds: &[i64], panes: &mut [u32]) {
    let len = ts.len().min(panes.len());
    let (times, times_rest) = ts[..len].as_chunks::<LANES>();
    let (panes, panes_rest) = panes[..len].as_chunks_mut::<LANES>();
    for (panes, times) in panes.iter_mut().zip(times) {
        let mut count = [0_u64; LANES];
        for &bound in bounds {
            for lane in 0..LANES {
                count[lane] += u64::from(bound <= times[lane]);
            }
        }
        for lane in 0..LANES {
            panes[lane] = count[lane] as u32;
        }
    }
    panes_scalar(times_rest, bounds, panes_rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;
    use alloc::{vec, vec::Vec};

    #[test]
    fn every_level_gives_the_same_times() {
        let ts: Vec<i64> = (0..200_i64).map(|i| (i * 7919 % 211) * 1_000_003 - 77).collect();
        let extremes = [i64::MIN, i64::MAX, 0, -1, 1];
        for len in 1..ts.len() {
            let wanted = times_scalar(&ts[..len]);
            assert_eq!(times_lanes(&ts[..len]), wanted);
            for level in Level::available() {
                level.force();
                assert_eq!(times(&ts[..len]), wanted, "{level}, {len} rows");
            }
        }
        assert_eq!(times_lanes(&extremes), times_scalar(&extremes));
        Level::best().force();
    }

    #[test]
    fn rows_in_order_give_the_same_times_and_so_do_rows_almost_in_order() {
        let ordered: Vec<i64> = (0..700_i64).map(|i| i / 3 * 1_000_003 + 77).collect();
        for wild in [[0, 0, 7, i64::MAX], [i64::MIN, i64::MIN + 1, -1, -1]] {
            assert_eq!(times_if_ascending(&wild), Some(times_scalar(&wild)));
        }
        // Differences of these overflow, or may.
        for wild in [&[i64::MAX, i64::MIN][..], &[i64::MIN, 0, i64::MAX], &[-1, 0]] {
            assert_eq!(times_if_ascending(wild), None);
            assert_eq!(times_lanes(wild), times_scalar(wild));
        }
        for level in Level::available() {
            level.force();
            for len in [1, 2, 8, 9, 255, 256, 257, 700] {
                assert_eq!(times(&ordered[..len]), times_scalar(&ordered[..len]), "{level}, {len} rows");
                // Wherever the one row lies that came late.
                for late in (1..len).step_by(7) {
                    let mut ts = ordered[..len].to_vec();
                    ts[late] = 5;
                    assert_eq!(times(&ts), times_scalar(&ts), "{level}, {len} rows, {late}");
                }
            }
        }
        Level::best().force();
    }

    #[test]
    fn rows_that_do_not_count_are_left_out_on_every_level() {
        let ts: Vec<i64> = (0..200_i64).map(|i| i * 7919 % 211 - 50).collect();
        for every in [1, 2, 7, 63, 150] {
            let mut words = [0_u64; 4];
            (0..ts.len()).filter(|row| row % every == every / 2).for_each(|row| words[row / 64] |= 1 << (row % 64));
            let wanted = times_of_scalar(&ts, &words);
            assert_eq!(times_of_lanes(&ts, &words), wanted);
            assert_eq!(times_of(&ts, &words), wanted);
            assert!(every > 1 || wanted == times(&ts));
        }
    }

    #[test]
    fn the_pane_is_the_number_of_ends_that_have_passed() {
        let ts: Vec<i64> = (0..100).map(|i| i * 37 % 100 - 50).collect();
        for bounds in [&[][..], &[0], &[-40, -10, 20, 49]] {
            let (mut a, mut b) = (vec![9; ts.len()], vec![9; ts.len()]);
            panes_scalar(&ts, bounds, &mut a);
            panes_lanes(&ts, bounds, &mut b);
            assert_eq!(a, b);
            assert_eq!(a[0] as usize, bounds.iter().filter(|&&bound| bound <= -50).count());
        }
    }
}
