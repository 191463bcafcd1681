//! Two slices of one length, item by item.

use super::level::kernel;

kernel! {
    /// Writes `of(a[i], b[i])` to `out[i]`.
    pub fn map_pairs[A: Copy, B, F: Fn(A, A) -> B + Copy](a: &[A], b: &[A], out: &mut [B], of: F),
    scalar = map_pairs_lanes, lanes = map_pairs_lanes
}

kernel! {
    /// Makes `a[i]` to `of(a[i], b[i])`.
    pub fn fold_pairs[A: Copy, F: Fn(A, A) -> A + Copy](a: &mut [A], b: &[A], of: F),
    scalar = fold_pairs_lanes, lanes = fold_pairs_lanes
}

#[inline(always)]
fn map_pairs_lanes<A: Copy, B>(a: &[A], b: &[A], out: &mut [B], of: impl Fn(A, A) -> B + Copy) {
    out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = of(*a, *b));
}

#[inline(always)]
fn fold_pairs_lanes<A: Copy>(a: &mut [A], b: &[A], of: impl Fn(A, A) -> A + Copy) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = of(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;
    use alloc::{vec, vec::Vec};

    #[test]
    fn pairs_meet_item_by_item_on_every_level() {
        for level in Level::available() {
            level.force();
            for len in [0, 1, 7, 64, 100] {
                let a: Vec<(f64, i64)> = (0..len).map(|i| (i as f64, 3 * i)).collect();
                let b: Vec<(f64, i64)> = (0..len).map(|i| (0.5, i)).collect();
                let mut out = vec![0.0; a.len()];
                map_pairs(&a, &b, &mut out, |a, b| (a.0 + b.0) / (a.1 + b.1 + 1) as f64);
                assert!(out.iter().enumerate().all(|(i, x)| *x == (i as f64 + 0.5) / (4.0 * i as f64 + 1.0)));
                let mut folded = a.clone();
                fold_pairs(&mut folded, &b, |a, b| (a.0 - b.0, a.1 - b.1));
                assert!(folded.iter().enumerate().all(|(i, x)| *x == (i as f64 - 0.5, 2 * i as i64)));
            }
        }
        Level::best().force();
    }
}
