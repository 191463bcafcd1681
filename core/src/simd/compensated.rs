//! Sums of doubles that keep what rounding takes from them: `sum + lost` is within one unit in the last place of the
//! exact sum unless terms cancel out more than 10^8 times over (Ogita, Rump, Oishi: "Accurate Sum and Dot Product",
//! SIAM J. Sci. Comput. 2005, algorithm Sum2). It takes six additions a value instead of one, which a kernel that waits
//! for memory has time for.
//!
//! What is lost of a sum that is not finite means nothing.

use super::{
    level::{Level, kernel},
    summary::{Groups, LANES, RUN, Summary, add_lanes, add_scalar, summarize_run},
};

/// The rounded sum, and exactly what rounding took from it (Knuth's 2Sum). Nothing here may contract or reorder.
#[inline(always)]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_in_sum = sum - a;
    (sum, (a - (sum - b_in_sum)) + (b - b_in_sum))
}

/// Virtual lanes, and what each has lost.
struct Lanes {
    sums: [f64; LANES],
    lost: [f64; LANES],
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, lane: usize, value: f64) {
        let (sum, lost) = two_sum(self.sums[lane], value);
        self.sums[lane] = sum;
        self.lost[lane] += lost;
    }
}

/// Sum and what it lost, added up in 16 virtual lanes, folded by halves.
pub fn sum_compensated(values: &[f64]) -> (f64, f64) {
    let mut lanes = Lanes { sums: [0.0; LANES], lost: [0.0; LANES] };
    let (chunks, rest) = values.as_chunks::<LANES>();
    add_chunks(&mut lanes, chunks);
    rest.iter().enumerate().for_each(|(lane, &value)| lanes.add(lane, value));
    fold(lanes.sums, lanes.lost)
}

kernel! {
    /// Adds a value to each lane. The fold is not in here: it would keep the compiler from seeing vectors.
    fn add_chunks(lanes: &mut Lanes, chunks: &[[f64; LANES]]),
    scalar = add_chunks_scalar, lanes = add_chunks_lanes
}

/// As [`add_by_group`](super::add_by_group); `lost` has for each group what its sum lost.
#[inline]
pub fn add_by_group_compensated(cells: &mut [Summary], lost: &mut [f64], groups: &[u32], values: &[f64]) -> usize {
    assert_eq!(cells.len(), lost.len(), "each sum loses something");
    let mut cells = Compensated { cells, lost };
    match Level::current() {
        Level::Scalar => add_scalar(&mut cells, groups, values),
        _ => add_lanes(&mut cells, groups, values),
    }
}

/// Summaries whose sums keep what they lose.
struct Compensated<'a> {
    cells: &'a mut [Summary],
    lost: &'a mut [f64],
}

impl Groups for Compensated<'_> {
    #[inline(always)]
    fn add(&mut self, group: u32, value: f64) {
        let cell = &mut self.cells[group as usize];
        let (sum, lost) = two_sum(cell.sum, value);
        cell.add(value);
        cell.sum = sum;
        self.lost[group as usize] += lost;
    }

    #[inline(always)]
    fn add_run(&mut self, group: u32, values: &[f64; RUN]) {
        let (run, run_lost) = fold(*values, [0.0; RUN]);
        let cell = &mut self.cells[group as usize];
        let (sum, lost) = two_sum(cell.sum, run);
        cell.merge(&summarize_run(values));
        cell.sum = sum;
        self.lost[group as usize] += lost + run_lost;
    }
}

fn add_chunks_scalar(lanes: &mut Lanes, chunks: &[[f64; LANES]]) {
    chunks.iter().for_each(|chunk| chunk.iter().enumerate().for_each(|(lane, &value)| lanes.add(lane, value)));
}

#[inline(always)]
fn add_chunks_lanes(lanes: &mut Lanes, chunks: &[[f64; LANES]]) {
    let (mut sums, mut lost) = (lanes.sums, lanes.lost);
    for chunk in chunks {
        for lane in 0..LANES {
            let (sum, less) = two_sum(sums[lane], chunk[lane]);
            sums[lane] = sum;
            lost[lane] += less;
        }
    }
    *lanes = Lanes { sums, lost };
}

/// Folds lanes by halves, and what they lost.
#[inline(always)]
fn fold<const N: usize>(mut sums: [f64; N], mut lost: [f64; N]) -> (f64, f64) {
    const { assert!(N.is_power_of_two()) };
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            let (sum, less) = two_sum(sums[lane], sums[lane + width]);
            sums[lane] = sum;
            lost[lane] += lost[lane + width] + less;
        }
        width /= 2;
    }
    (sums[0], lost[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn values(len: usize) -> Vec<f64> {
        (0..len).map(|i| ((i * 7919 % 1009) as f64 - 400.0) / 7.0 * if i % 50 == 3 { 1e9 } else { 1.0 }).collect()
    }

    #[test]
    fn nothing_is_lost_twice() {
        for (a, b) in [(1.0, 1e-30), (1e-30, 1.0), (0.1, 0.2), (1e16, -1.0), (-0.0, 0.0), (3.5, -3.5)] {
            let (sum, lost) = two_sum(a, b);
            assert_eq!(sum, a + b);
            assert!(lost.abs() <= sum.abs() * f64::EPSILON);
        }
        assert_eq!(two_sum(1e16, 1.0), (1e16, 1.0));
        assert_eq!(two_sum(1.0, 1e16), (1e16, 1.0));
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let values = values(300);
        let bits = |(sum, lost): (f64, f64)| (sum.to_bits(), lost.to_bits());
        Level::Scalar.force();
        let scalar: Vec<_> = (0..values.len()).map(|len| bits(sum_compensated(&values[..len]))).collect();
        for level in Level::available() {
            level.force();
            for len in 0..values.len() {
                let values = &values[..len];
                assert_eq!(bits(sum_compensated(values)), scalar[len], "{level}, {len} rows");
                for runs in [1, 5, 8, 40] {
                    let groups: Vec<u32> = (0..len as u32).map(|i| i / runs * 31 % 7).collect();
                    let (mut cells, mut lost) = (vec![Summary::EMPTY; 7], vec![0.0; 7]);
                    assert_eq!(add_by_group_compensated(&mut cells, &mut lost, &groups, values), len);
                    let (mut plain, mut lost_too) = (vec![Summary::EMPTY; 7], vec![0.0; 7]);
                    let mut wanted = Compensated { cells: &mut plain, lost: &mut lost_too };
                    add_scalar(&mut wanted, &groups, values);
                    for group in 0..7 {
                        let ours = bits((cells[group].sum, lost[group]));
                        assert_eq!(ours, bits((plain[group].sum, lost_too[group])), "{level}, {len} rows");
                        assert_eq!((cells[group].count, cells[group].max), (plain[group].count, plain[group].max));
                    }
                }
            }
        }
        Level::best().force();
    }
}
