//! Count, sum, least and greatest of doubles, of one group or by group, in one pass.
//!
//! The kernels take numbers below +infinity. NaN and +infinity need Spark's order, which the caller applies row by row:
//! [`add_by_group`] stops before them, the sum of [`summarize`] tells of them.

use super::{level::Level, prefetch};

/// Virtual lanes of the sum over one group.
pub const LANES: usize = 16;
/// Rows that are looked at together for a run of one group.
pub const RUN: usize = 8;

/// Count, sum, least and greatest of the doubles of one group: one vector register, one load and one store a row.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(32))]
pub struct Summary {
    /// Sum.
    pub sum: f64,
    /// Number of values: whole, exact up to 2^53.
    pub count: f64,
    /// The least value with its sign changed, so that both extremes are a maximum.
    pub negated_min: f64,
    /// The greatest value.
    pub max: f64,
}

impl Summary {
    /// Of no values.
    pub const EMPTY: Self = Self { sum: 0.0, count: 0.0, negated_min: f64::NEG_INFINITY, max: f64::NEG_INFINITY };

    /// Adds a value below +infinity. Of equal values the first is kept, which tells 0.0 from -0.0.
    #[inline(always)]
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
        self.negated_min = greater(-value, self.negated_min);
        self.max = greater(value, self.max);
    }

    /// Adds what another part has seen.
    #[inline(always)]
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
        self.negated_min = greater(other.negated_min, self.negated_min);
        self.max = greater(other.max, self.max);
    }
}

/// `a` if it is greater, else `b`: one instruction on x86.
#[inline(always)]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The groups that rows are added to.
pub(super) trait Groups {
    /// Adds a value below +infinity.
    fn add(&mut self, group: u32, value: f64);

    /// Adds a run of one group, summed by halves.
    fn add_run(&mut self, group: u32, values: &[f64; RUN]);
}

impl Groups for [Summary] {
    #[inline(always)]
    fn add(&mut self, group: u32, value: f64) {
        self[group as usize].add(value);
    }

    #[inline(always)]
    fn add_run(&mut self, group: u32, values: &[f64; RUN]) {
        self[group as usize].merge(&summarize_run(values));
    }
}

/// The summary of values of one group, added up in 16 virtual lanes, folded by halves. If its sum is not a number,
/// or infinite, so may a value have been, and the rest of the summary means nothing.
pub fn summarize(values: &[f64]) -> Summary {
    match Level::current() {
        Level::Scalar => summarize_scalar(values),
        level => summarize_lanes(values, level),
    }
}

/// Adds each value to its group, until a value is not below +infinity: up to the aligned run of eight rows that has it,
/// or among the last rows up to itself; gives the number of rows added. Runs of one group are summed by halves before
/// they are added. Panics if a group is beyond `cells`.
///
/// Compiled for the baseline alone: a cell is two 16-byte halves, each stored and loaded again whole. With wider
/// registers the next row's load spans two stores that are still in flight, and runs of one group take three times as
/// long (measured on Sapphire Rapids).
#[inline]
pub fn add_by_group(cells: &mut [Summary], groups: &[u32], values: &[f64]) -> usize {
    match Level::current() {
        Level::Scalar => add_scalar(cells, groups, values),
        _ => add_lanes(cells, groups, values),
    }
}

fn summarize_scalar(values: &[f64]) -> Summary {
    let mut sums = [0.0_f64; LANES];
    let mut summary = Summary::EMPTY;
    for (row, &value) in values.iter().enumerate() {
        sums[row % LANES] += value;
        summary.add(value);
    }
    Summary { sum: fold_lanes(sums), ..summary }
}

fn summarize_lanes(values: &[f64], level: Level) -> Summary {
    let mut lanes = Lanes::EMPTY;
    let (chunks, rest) = values.as_chunks::<LANES>();
    lanes.add_chunks(chunks, level);
    lanes.add(rest);
    let Lanes { sums, lows, highs } = lanes;
    let greatest = |lanes: &[f64; LANES]| lanes.iter().fold(f64::NEG_INFINITY, |kept, &lane| greater(lane, kept));
    // Each lane has its first zero; lanes of both signs do not know whose came first.
    let first = |lanes: &[f64; LANES], sign: f64| {
        let kept = greatest(lanes);
        let is_unsure = kept == 0.0 && lanes.iter().any(|lane| *lane == 0.0 && lane.to_bits() != kept.to_bits());
        let first_zero = is_unsure.then(|| values.iter().find(|value| **value == 0.0)).flatten();
        first_zero.map_or(kept, |zero| zero * sign)
    };
    Summary {
        sum: fold_lanes(sums),
        count: values.len() as f64,
        negated_min: first(&lows, -1.0),
        max: first(&highs, 1.0),
    }
}

/// What virtual lanes have seen: sums, and the greatest of the values with their signs changed and as they are.
struct Lanes {
    sums: [f64; LANES],
    lows: [f64; LANES],
    highs: [f64; LANES],
}

impl Lanes {
    const EMPTY: Self =
        Self { sums: [0.0; LANES], lows: [f64::NEG_INFINITY; LANES], highs: [f64::NEG_INFINITY; LANES] };

    /// Adds a value a lane, no more than there are lanes.
    #[inline(always)]
    fn add(&mut self, values: &[f64]) {
        for (lane, &value) in values.iter().enumerate() {
            self.sums[lane] += value;
            self.lows[lane] = greater(-value, self.lows[lane]);
            self.highs[lane] = greater(value, self.highs[lane]);
        }
    }

    fn add_chunks(&mut self, chunks: &[[f64; LANES]], level: Level) {
        match level {
            // SAFETY: the level in use is never above what the CPU was found to have.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { self.add_chunks_avx512(chunks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { self.add_chunks_avx2(chunks) },
            _ => chunks.iter().for_each(|chunk| self.add(chunk)),
        }
    }
}

/// Makes a function that adds chunks register by register. Written out, because the compiler made a plain loop one of
/// vectors in some programs, and in the binary one of single values that were shuffled through 48 registers: half of
/// the rate was lost.
#[cfg(target_arch = "x86_64")]
macro_rules! add_chunks {
    ($name:ident, $features:literal, $width:literal,
     $load:ident, $store:ident, $set:ident, $add:ident, $max:ident, $xor:ident) => {
        impl Lanes {
            #[target_feature(enable = $features)]
            fn $name(&mut self, chunks: &[[f64; LANES]]) {
                use core::arch::x86_64::{$add, $load, $max, $set, $store, $xor};
                const REGISTERS: usize = LANES / $width;
                let sign = $set(-0.0);
                let load = |lanes: &[f64; LANES], register: usize| {
                    let values: &[f64] = &lanes[register * $width..][..$width];
                    // SAFETY: as many values as a register takes.
                    unsafe { $load(values.as_ptr()) }
                };
                let Self { sums, lows, highs } = self;
                let mut registers: [_; REGISTERS] =
                    core::array::from_fn(|i| (load(sums, i), load(lows, i), load(highs, i)));
                for chunk in chunks {
                    prefetch::ahead(chunk, 0);
                    prefetch::ahead(chunk, LANES / 2);
                    for (i, (sum, low, high)) in registers.iter_mut().enumerate() {
                        let values = load(chunk, i);
                        *sum = $add(*sum, values);
                        // The second one is kept unless the first is greater.
                        *low = $max($xor(values, sign), *low);
                        *high = $max(values, *high);
                    }
                }
                for (i, (sum, low, high)) in registers.into_iter().enumerate() {
                    for (lanes, register) in [(&mut *sums, sum), (&mut *lows, low), (&mut *highs, high)] {
                        let values: &mut [f64] = &mut lanes[i * $width..][..$width];
                        // SAFETY: as many values as a register has.
                        unsafe { $store(values.as_mut_ptr(), register) }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
add_chunks!(
    add_chunks_avx2,
    "avx2",
    4,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_add_pd,
    _mm256_max_pd,
    _mm256_xor_pd
);
#[cfg(target_arch = "x86_64")]
add_chunks!(
    add_chunks_avx512,
    "avx512f,avx512dq",
    8,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_set1_pd,
    _mm512_add_pd,
    _mm512_max_pd,
    _mm512_xor_pd
);

/// Folds lanes, a power of two of them, by halves.
#[inline(always)]
pub fn fold_lanes<const N: usize>(mut lanes: [f64; N]) -> f64 {
    const { assert!(N.is_power_of_two()) };
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

pub(super) fn add_scalar<G: Groups + ?Sized>(cells: &mut G, groups: &[u32], values: &[f64]) -> usize {
    let mut added = 0;
    for (groups, values) in groups.chunks(RUN).zip(values.chunks(RUN)) {
        match <&[f64; RUN]>::try_from(values) {
            Ok(values) if !values.iter().all(|&value| value < f64::INFINITY) => return added,
            Ok(values) if groups.iter().all(|&group| group == groups[0]) => {
                cells.add_run(groups[0], values);
                added += RUN;
            }
            _ => added += add_rows(cells, groups, values),
        }
    }
    added
}

/// Adds row by row, up to a value that is not below +infinity.
#[inline]
fn add_rows<G: Groups + ?Sized>(cells: &mut G, groups: &[u32], values: &[f64]) -> usize {
    let mut added = 0;
    for (&group, &value) in groups.iter().zip(values).take_while(|(_, value)| **value < f64::INFINITY) {
        cells.add(group, value);
        added += 1;
    }
    added
}

/// Eight values, summed by halves.
#[inline(always)]
pub(super) fn summarize_run(values: &[f64; RUN]) -> Summary {
    let mut run = Summary::EMPTY;
    for &value in values {
        run.negated_min = greater(-value, run.negated_min);
        run.max = greater(value, run.max);
    }
    Summary { sum: fold_lanes(*values), count: RUN as f64, ..run }
}

pub(super) fn add_lanes<G: Groups + ?Sized>(cells: &mut G, groups: &[u32], values: &[f64]) -> usize {
    let len = groups.len().min(values.len());
    let (group_runs, groups_rest) = groups[..len].as_chunks::<RUN>();
    let (value_runs, values_rest) = values[..len].as_chunks::<RUN>();
    for (run, (groups, values)) in group_runs.iter().zip(value_runs).enumerate() {
        prefetch::ahead(values, 0);
        let first = groups[0];
        let different = groups.iter().fold(0, |different, &group| different | (group ^ first));
        if !values.iter().fold(true, |below, &value| below & (value < f64::INFINITY)) {
            return run * RUN;
        }
        if different == 0 {
            cells.add_run(first, values);
        } else {
            for lane in 0..RUN {
                cells.add(groups[lane], values[lane]);
            }
        }
    }
    group_runs.len() * RUN + add_rows(cells, groups_rest, values_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn values(len: usize) -> Vec<f64> {
        (0..len).map(|i| ((i * 7919 % 1009) as f64 - 400.0) / 7.0 * if i % 50 == 3 { 1e9 } else { 1.0 }).collect()
    }

    fn bits(summary: &Summary) -> [u64; 4] {
        [summary.sum, summary.count, summary.negated_min, summary.max].map(f64::to_bits)
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let values = values(300);
        for level in Level::available() {
            level.force();
            for len in 0..values.len() {
                let of_all = summarize(&values[..len]);
                assert_eq!(bits(&of_all), bits(&summarize_scalar(&values[..len])), "{level}, {len} rows");
                for runs in [1, 5, 8, 40] {
                    let groups: Vec<u32> = (0..len as u32).map(|i| i / runs * 31 % 7).collect();
                    let (mut ours, mut wanted) = (vec![Summary::EMPTY; 7], vec![Summary::EMPTY; 7]);
                    add_by_group(&mut ours, &groups, &values[..len]);
                    add_scalar(&mut wanted[..], &groups, &values[..len]);
                    assert!(ours.iter().zip(&wanted).all(|(a, b)| bits(a) == bits(b)), "{level}, {len} rows");
                }
            }
        }
        Level::best().force();
    }

    #[test]
    fn of_equal_zeros_the_first_is_kept() {
        for zeros in [[0.0, -0.0], [-0.0, 0.0]] {
            let mut many = vec![zeros[0]];
            many.extend([zeros[1]; 40]);
            let (lanes, scalar) = (summarize_lanes(&many, Level::best()), summarize_scalar(&many));
            assert_eq!(bits(&lanes)[2..], bits(&scalar)[2..]);
            assert_eq!(lanes.max.to_bits(), zeros[0].to_bits());
            assert_eq!((-lanes.negated_min).to_bits(), zeros[0].to_bits());
        }
        // Zeros of both signs in any places, as the greatest, the least, or both.
        for seed in 0..2_000_u64 {
            let random = |i: usize| (seed * 131 + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
            let other = [1.0, -1.0, 0.0][seed as usize % 3];
            let value = |i: usize| match random(i) {
                0..8 => 0.0,
                8..16 => -0.0,
                _ => other,
            };
            let values: Vec<f64> = (0..seed as usize % 97).map(value).collect();
            let wanted = bits(&summarize_scalar(&values));
            for level in Level::available() {
                assert_eq!(bits(&summarize_lanes(&values, level))[2..], wanted[2..], "{level}, {values:?}");
            }
        }
    }

    #[test]
    fn rows_are_added_up_to_what_is_not_below_infinity() {
        let groups = [1_u32; 100];
        for odd in [f64::NAN, -f64::NAN, f64::INFINITY] {
            for (at, added) in [(0, 0), (7, 0), (17, 16), (95, 88), (96, 96), (99, 99)] {
                let mut values = values(100);
                values[3] = f64::NEG_INFINITY;
                values[at] = odd;
                let (mut ours, mut wanted) = ([Summary::EMPTY; 2], [Summary::EMPTY; 2]);
                assert_eq!(add_lanes(&mut ours[..], &groups, &values), added);
                assert_eq!(add_scalar(&mut wanted[..], &groups, &values), added);
                assert_eq!(bits(&ours[1]), bits(&wanted[1]));
            }
        }
    }
}
