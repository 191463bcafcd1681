//! Count, sum, least and greatest of doubles, of one group or by group, in one pass.
//!
//! The kernels take numbers below +infinity: `all_below_infinity` tells whether a block is such. NaN and +infinity
//! need Spark's order, which the caller applies row by row.

use super::level::{Level, kernel};

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

kernel! {
    /// Whether all values are numbers below +infinity.
    pub fn all_below_infinity(values: &[f64]) -> bool,
    scalar = below_scalar, lanes = below_lanes
}

kernel! {
    /// The summary of values of one group, added up in 16 virtual lanes, folded by halves.
    pub fn summarize(values: &[f64]) -> Summary,
    scalar = summarize_scalar, lanes = summarize_lanes
}

/// Adds each value to its group. Aligned runs of eight rows of one group are summed by halves before they are added.
/// Panics if a group is beyond `cells`.
///
/// Compiled for the baseline alone: a cell is two 16-byte halves, each stored and loaded again whole. With wider
/// registers the next row's load spans two stores that are still in flight, and runs of one group take three times as
/// long on Zen 4.
#[inline]
pub fn add_by_group(cells: &mut [Summary], groups: &[u32], values: &[f64]) {
    match Level::current() {
        Level::Scalar => add_scalar(cells, groups, values),
        _ => add_lanes(cells, groups, values),
    }
}

fn below_scalar(values: &[f64]) -> bool {
    values.iter().all(|&v| v < f64::INFINITY)
}

#[inline(always)]
fn below_lanes(values: &[f64]) -> bool {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut below = [true; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            below[lane] &= chunk[lane] < f64::INFINITY;
        }
    }
    below.iter().all(|&is_below| is_below) && below_scalar(rest)
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

#[inline(always)]
fn summarize_lanes(values: &[f64]) -> Summary {
    let (mut sums, mut lows, mut highs) = ([0.0; LANES], [f64::NEG_INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            let value = chunk[lane];
            sums[lane] += value;
            lows[lane] = greater(-value, lows[lane]);
            highs[lane] = greater(value, highs[lane]);
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        sums[lane] += value;
        lows[lane] = greater(-value, lows[lane]);
        highs[lane] = greater(value, highs[lane]);
    }
    let negated_min = lows.iter().fold(f64::NEG_INFINITY, |kept, &low| greater(low, kept));
    let max = highs.iter().fold(f64::NEG_INFINITY, |kept, &high| greater(high, kept));
    let first = |wanted: f64, negate: bool| match wanted == 0.0 {
        // Lanes do not know which zero came first.
        true => values.iter().copied().find(|&v| v == 0.0).map_or(wanted, |v| if negate { -v } else { v }),
        false => wanted,
    };
    Summary {
        sum: fold_lanes(sums),
        count: values.len() as f64,
        negated_min: first(negated_min, true),
        max: first(max, false),
    }
}

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

fn add_scalar(cells: &mut [Summary], groups: &[u32], values: &[f64]) {
    for (groups, values) in groups.chunks(RUN).zip(values.chunks(RUN)) {
        match <&[f64; RUN]>::try_from(values) {
            Ok(values) if groups.iter().all(|&group| group == groups[0]) => {
                cells[groups[0] as usize].merge(&summarize_run(values));
            }
            _ => groups.iter().zip(values).for_each(|(&group, &value)| cells[group as usize].add(value)),
        }
    }
}

/// Eight values, summed by halves.
#[inline(always)]
fn summarize_run(values: &[f64; RUN]) -> Summary {
    let mut run = Summary::EMPTY;
    for &value in values {
        run.negated_min = greater(-value, run.negated_min);
        run.max = greater(value, run.max);
    }
    Summary { sum: fold_lanes(*values), count: RUN as f64, ..run }
}

fn add_lanes(cells: &mut [Summary], groups: &[u32], values: &[f64]) {
    let len = groups.len().min(values.len());
    let (group_runs, groups_rest) = groups[..len].as_chunks::<RUN>();
    let (value_runs, values_rest) = values[..len].as_chunks::<RUN>();
    for (groups, values) in group_runs.iter().zip(value_runs) {
        let first = groups[0];
        let different = groups.iter().fold(0, |different, &group| different | (group ^ first));
        if different == 0 {
            cells[first as usize].merge(&summarize_run(values));
        } else {
            for lane in 0..RUN {
                cells[groups[lane] as usize].add(values[lane]);
            }
        }
    }
    groups_rest.iter().zip(values_rest).for_each(|(&group, &value)| cells[group as usize].add(value));
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
                    add_scalar(&mut wanted, &groups, &values[..len]);
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
            let (lanes, scalar) = (summarize_lanes(&many), summarize_scalar(&many));
            assert_eq!(bits(&lanes)[2..], bits(&scalar)[2..]);
            assert_eq!(lanes.max.to_bits(), zeros[0].to_bits());
            assert_eq!((-lanes.negated_min).to_bits(), zeros[0].to_bits());
        }
    }

    #[test]
    fn what_is_not_below_infinity_is_noticed() {
        let mut values = values(100);
        values[5] = f64::NEG_INFINITY;
        assert!(all_below_infinity(&values) && below_lanes(&values));
        for odd in [f64::NAN, -f64::NAN, f64::INFINITY] {
            for at in [0, 17, 99] {
                let mut values = values.clone();
                values[at] = odd;
                assert!(!all_below_infinity(&values) && !below_scalar(&values) && !below_lanes(&values));
            }
        }
    }
}
