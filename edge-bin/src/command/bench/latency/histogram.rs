//! Counts of latencies by size, the rare ones included, in memory that does not grow: a value is known to within one
//! part in 256, the greatest one exactly.

/// Steps between a power of two and the next, as a power of two.
const STEP_BITS: u32 = 8;
const STEPS: u64 = 1 << STEP_BITS;
/// Powers of two above the steps: up to 2^40 ns, 18 minutes.
const OCTAVES: usize = 32;

/// Counts by size.
#[derive(Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; (OCTAVES + 1) * STEPS as usize], total: 0, max: 0 }
    }

    pub fn record(&mut self, value: u64) {
        let last = self.counts.len() - 1;
        self.counts[bucket(value).min(last)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// The number of values.
    pub fn len(&self) -> u64 {
        self.total
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    /// A value that this share of all values do not exceed.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = ((share * self.total as f64).ceil() as u64).max(1);
        if wanted >= self.total {
            return self.max;
        }
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        bucket.map_or(self.max, |bucket| most(bucket).min(self.max))
    }
}

/// Values below twice [`STEPS`] have a bucket each; from there on, each power of two has as many as it has steps.
fn bucket(value: u64) -> usize {
    let octave = (value | STEPS).ilog2() - STEP_BITS;
    (octave as usize) * STEPS as usize + (value >> octave) as usize
}

/// The greatest value of a bucket.
fn most(bucket: usize) -> u64 {
    let octave = (bucket as u64 / STEPS).saturating_sub(1);
    ((bucket as u64 - octave * STEPS + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_known_to_within_a_part_in_256() {
        use super::{bucket, most};
        for value in (0..2_000).chain([4_095, 65_537, 1_000_003, 86_400_000_000]) {
            let upper = most(bucket(value));
            assert!((value..=value + value / 256).contains(&upper), "{value} is told as {upper}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values_in_order() {
        let mut histogram = super::Histogram::new();
        (1..=1_000).rev().for_each(|value| histogram.record(value));
        histogram.record(u64::MAX);
        assert_eq!((histogram.len(), histogram.max()), (1_001, u64::MAX));
        assert_eq!((histogram.quantile(0.1), histogram.quantile(0.5)), (101, 501));
        assert_eq!((histogram.quantile(0.0), histogram.quantile(1.0)), (1, u64::MAX));
    }
}
