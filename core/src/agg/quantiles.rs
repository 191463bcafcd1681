//! Quantiles in bounded memory by Greenwald and Khanna ("Space-Efficient Online Computation of Quantile Summaries",
//! SIGMOD 2001), with the buffering, thresholds and roundings of Spark's `QuantileSummaries`, so that the same rows
//! in the same order give Spark's answer.
//!
//! New values wait in `head`; when it is full it is sorted into `samples`, which are compressed when there are too
//! many. A sample stands for `gap` values; its rank is known up to `delta`.

use alloc::vec::Vec;

use super::{
    codec::{self, Scalar},
    item::{Item, Number},
};
use crate::error::{Error, Result};

/// Values that wait before they are sorted in.
const HEAD_MAX: usize = 50_000;
/// Samples after which a flush compresses.
const SAMPLES_MAX: usize = 10_000;

/// A summary of the values of one group.
#[derive(Clone, Debug)]
pub(super) struct Quantiles {
    epsilon: f64,
    samples: Vec<Sample>,
    /// Values that the samples stand for.
    count: u64,
    head: Vec<f64>,
    is_compressed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    value: f64,
    gap: u64,
    delta: u64,
}

impl Quantiles {
    /// A summary with this relative error of ranks.
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon, samples: Vec::new(), count: 0, head: Vec::new(), is_compressed: true }
    }

    /// Adds a value.
    #[inline]
    pub fn insert(&mut self, value: f64) {
        self.head.push(value);
        self.is_compressed = false;
        if self.head.len() >= HEAD_MAX {
            self.flush();
            let most = (1.0 / self.epsilon) as usize * 4;
            if self.samples.len() >= SAMPLES_MAX.min(most) {
                self.compress();
            }
        }
    }

    /// Adds another summary.
    pub fn merge(&mut self, other: &Self) {
        let other = other.compressed();
        self.compress();
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        self.samples = self.merged_samples(&other);
        self.count += other.count;
        self.samples = compress(&self.samples, 2.0 * self.epsilon * self.count as f64);
    }

    /// The values at these percentages, nothing if there are no values.
    pub fn query(&self, percentages: &[f64]) -> Vec<f64> {
        if !self.is_compressed {
            return self.compressed().query(percentages);
        }
        if self.samples.is_empty() {
            return Vec::new();
        }
        let target = self.samples.iter().map(|s| s.delta + s.gap).max().unwrap_or(0) / 2;
        percentages.iter().map(|&p| self.at(p, target)).collect()
    }

    /// Memory outside of the summary itself.
    pub fn heap(&self) -> usize {
        self.samples.capacity() * size_of::<Sample>() + self.head.capacity() * size_of::<f64>()
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let whole = self.compressed();
        whole.count.save(out);
        codec::save_count(whole.samples.len(), out);
        for sample in &whole.samples {
            sample.value.save(out);
            sample.gap.save(out);
            sample.delta.save(out);
        }
    }

    pub fn load(epsilon: f64, bytes: &mut &[u8]) -> Result<Self> {
        let mut whole = Self::new(epsilon);
        whole.count = u64::load(bytes)?;
        for _ in 0..codec::load_count(bytes, size_of::<Sample>())? {
            let (value, gap, delta) = (f64::load(bytes)?, u64::load(bytes)?, u64::load(bytes)?);
            whole.samples.push(Sample { value, gap, delta });
        }
        whole.check()
    }

    /// Ranks are added up: what a corrupt file claims must not overflow.
    fn check(self) -> Result<Self> {
        let sum = |of: fn(&Sample) -> u64| self.samples.iter().try_fold(0_u64, |sum, s| sum.checked_add(of(s)));
        let gaps = sum(|s| s.gap);
        let is_sane = gaps == Some(self.count)
            && self.count < 1 << 62
            && self.samples.iter().all(|s| s.delta < 1 << 62)
            && self.samples.is_sorted_by(|a, b| Number::compare(&a.value, &b.value).is_le());
        if is_sane { Ok(self) } else { Err(Error::corrupt("saved quantiles do not add up")) }
    }

    fn at(&self, percentage: f64, target: u64) -> f64 {
        let (first, last) = (self.samples[0], self.samples[self.samples.len() - 1]);
        if percentage <= self.epsilon || self.samples.len() == 1 {
            return first.value;
        }
        if percentage >= 1.0 - self.epsilon {
            return last.value;
        }
        let rank = libm::ceil(percentage * self.count as f64) as u64;
        let mut rank_min = 0;
        for sample in &self.samples[..self.samples.len() - 1] {
            rank_min += sample.gap;
            if rank_min + sample.delta <= rank + target && rank <= rank_min + target {
                return sample.value;
            }
        }
        last.value
    }

    fn compressed(&self) -> Self {
        let mut copy = self.clone();
        copy.compress();
        copy
    }

    fn compress(&mut self) {
        if !self.is_compressed {
            self.flush();
            self.samples = compress(&self.samples, 2.0 * self.epsilon * self.count as f64);
            self.is_compressed = true;
        }
    }

    /// Sorts the waiting values into the samples.
    fn flush(&mut self) {
        self.head.sort_unstable_by(Number::compare);
        let mut merged = Vec::with_capacity(self.samples.len() + self.head.len());
        let mut old = self.samples.iter().copied().peekable();
        for (i, &value) in self.head.iter().enumerate() {
            while let Some(sample) = old.next_if(|s| s.value <= value) {
                merged.push(sample);
            }
            self.count += 1;
            let is_edge = merged.is_empty() || (old.peek().is_none() && i == self.head.len() - 1);
            let delta = if is_edge { 0 } else { (2.0 * self.epsilon * self.count as f64) as u64 };
            merged.push(Sample { value, gap: 1, delta });
        }
        merged.extend(old);
        self.samples = merged;
        self.head.clear();
    }

    /// Both lists in order. A sample that lies within the other list is less certain by the other's error.
    fn merged_samples(&self, other: &Self) -> Vec<Sample> {
        let widen = |q: &Self| (2.0 * q.epsilon * q.count as f64) as u64;
        let (own_delta, other_delta) = (widen(other), widen(self));
        let (mut i, mut j) = (0, 0);
        let mut merged = Vec::with_capacity(self.samples.len() + other.samples.len());
        while i < self.samples.len() && j < other.samples.len() {
            let (mut sample, delta) = match self.samples[i].value < other.samples[j].value {
                true => (self.samples[i], if j > 0 { own_delta } else { 0 }),
                false => (other.samples[j], if i > 0 { other_delta } else { 0 }),
            };
            match self.samples[i].value < other.samples[j].value {
                true => i += 1,
                false => j += 1,
            }
            sample.delta += delta;
            merged.push(sample);
        }
        merged.extend_from_slice(&self.samples[i..]);
        merged.extend_from_slice(&other.samples[j..]);
        merged
    }
}

/// Lets neighbours stand for each other as long as their ranks stay within the error. First and last stay.
fn compress(samples: &[Sample], threshold: f64) -> Vec<Sample> {
    let [first, .., last] = samples else { return samples.to_vec() };
    let mut kept = Vec::new();
    let mut head = *last;
    for sample in samples[1..samples.len() - 1].iter().rev() {
        if ((sample.gap + head.gap + head.delta) as f64) < threshold {
            head.gap += sample.gap;
        } else {
            kept.push(head);
            head = *sample;
        }
    }
    kept.push(head);
    if first.value <= head.value {
        kept.push(*first);
    }
    kept.reverse();
    kept
}
