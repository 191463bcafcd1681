//! The watermark: how far event time has certainly progressed. Spark's rules to the letter.
//!
//! Everything here is in *milliseconds*, because Spark's watermark is: each `WATERMARK` clause keeps the highest
//! `floor(event time) - delay` it has seen; the query's watermark is the lowest (policy `min`) or highest (`max`)
//! of them, and never moves back. Epoch N runs with the watermark after epoch N-1 for eviction and emission, and
//! with that of the epoch before for deciding what is late.

use alloc::vec::Vec;

use crate::{
    block::{BitmapRef, Rows, Times},
    codec::{self, Scalar},
    error::{Error, Result},
    simd,
    time::MICROS_PER_MILLI,
};

/// How several watermarks become one: `spark.sql.streaming.multipleWatermarkPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WatermarkPolicy {
    /// The slowest: nothing is lost; an idle input holds everything back, unless it is declared idle.
    #[default]
    Min,
    /// The fastest: nothing waits, rows of slower inputs are late.
    Max,
}

/// Event times that passed one `WATERMARK` clause in one epoch. NULL counts as 1970, as in Spark.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EventTimeStats {
    /// Rows.
    pub count: u64,
    /// Lowest, microseconds.
    pub min_us: i64,
    /// Highest, microseconds.
    pub max_us: i64,
    /// Mean of the milliseconds.
    pub mean_ms: f64,
    /// Rows that were turned away, and are in none of the above.
    pub ahead: u64,
}

impl EventTimeStats {
    /// Counts one event time.
    #[inline]
    pub fn add(&mut self, ts_us: i64) {
        if self.count == 0 {
            (self.min_us, self.max_us) = (ts_us, ts_us);
        }
        self.min_us = self.min_us.min(ts_us);
        self.max_us = self.max_us.max(ts_us);
        self.count += 1;
        self.mean_ms += (ts_us.div_euclid(MICROS_PER_MILLI) as f64 - self.mean_ms) / self.count as f64;
    }

    /// Counts the event times of a block, none of them NULL. The mean is that of the microseconds, in milliseconds.
    /// Only the rows with a bit in `selection` count, if there is one. They are not looked at if it is `known` what
    /// they have in common.
    pub fn add_all(&mut self, ts_us: &[i64], selection: Option<BitmapRef<'_>>, known: Option<Times>) {
        let count = selection.map_or(ts_us.len(), |bits| bits.count());
        let Some(&first) = ts_us.first().filter(|_| count > 0) else { return };
        let look = || selection.map_or_else(|| simd::times(ts_us), |bits| simd::times_of(ts_us, bits.words()));
        let times = known.unwrap_or_else(look);
        // Differences of a block's rows add up in 64 bits unless they are centuries apart.
        let span = times.max.max(first).checked_sub(times.min.min(first));
        if span.is_none_or(|span| span > i64::MAX / count as i64) {
            return Rows::new(ts_us.len(), selection).for_each(|row| self.add(ts_us[row]));
        }
        let (millis, micros) = (first.div_euclid(MICROS_PER_MILLI), first.rem_euclid(MICROS_PER_MILLI));
        let behind = micros as f64 + times.offsets as f64 / count as f64;
        self.merge(&Self {
            count: count as u64,
            min_us: times.min,
            max_us: times.max,
            mean_ms: millis as f64 + behind / MICROS_PER_MILLI as f64,
            ahead: 0,
        });
    }

    /// Counts what another part of the same epoch saw.
    pub fn merge(&mut self, other: &Self) {
        let ahead = self.ahead + other.ahead;
        if other.count == 0 {
            self.ahead = ahead;
            return;
        }
        if self.count == 0 {
            *self = Self { ahead, ..*other };
            return;
        }
        self.ahead = ahead;
        let count = self.count + other.count;
        self.mean_ms += (other.mean_ms - self.mean_ms) * other.count as f64 / count as f64;
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
        self.count = count;
    }
}

/// The query's watermark and what each clause contributes.
#[derive(Clone, Debug)]
pub struct WatermarkTracker {
    policy: WatermarkPolicy,
    delays_ms: Vec<i64>,
    clauses_ms: Vec<Option<i64>>,
    /// Clauses whose inputs are idle: the others do not wait for them.
    idle: Vec<bool>,
    watermark_ms: i64,
}

impl WatermarkTracker {
    /// A tracker for clauses with these delays, at 1970.
    pub fn new(policy: WatermarkPolicy, delays_us: impl IntoIterator<Item = i64>) -> Self {
        let delays_ms: Vec<i64> = delays_us.into_iter().map(|us| us.div_euclid(MICROS_PER_MILLI)).collect();
        let clauses = delays_ms.len();
        let (clauses_ms, idle) = (alloc::vec![None; clauses], alloc::vec![false; clauses]);
        Self { policy, delays_ms, clauses_ms, idle, watermark_ms: 0 }
    }

    /// Takes in what clause `clause` saw in an epoch.
    pub fn observe(&mut self, clause: usize, stats: &EventTimeStats) {
        if stats.count == 0 {
            return;
        }
        let candidate = stats.max_us.div_euclid(MICROS_PER_MILLI).saturating_sub(self.delays_ms[clause]);
        let known = &mut self.clauses_ms[clause];
        *known = Some(known.map_or(candidate, |ms| ms.max(candidate)));
    }

    /// Moves the watermark at the end of an epoch; it never goes back.
    pub fn advance(&mut self) -> i64 {
        let all = self.clauses_ms.iter().map(|ms| ms.unwrap_or(0));
        let global = match self.policy {
            WatermarkPolicy::Min => all.zip(&self.idle).filter(|(_, idle)| !**idle).map(|(ms, _)| ms).min(),
            WatermarkPolicy::Max => all.max(),
        };
        self.watermark_ms = self.watermark_ms.max(global.unwrap_or(0));
        self.watermark_ms
    }

    /// Says that no row may come to a clause for long: under policy `min` it then holds nothing back. If all are
    /// idle the watermark stays where it is. Rows that come after all may be late.
    pub fn set_idle(&mut self, clause: usize, is_idle: bool) {
        self.idle[clause] = is_idle;
    }

    /// The watermark in milliseconds.
    pub fn watermark_ms(&self) -> i64 {
        self.watermark_ms
    }

    /// True if the query has a `WATERMARK` clause.
    pub fn is_defined(&self) -> bool {
        !self.delays_ms.is_empty()
    }

    /// Appends the watermark and what each clause has seen. (Spark forgets the latter in a restart; remembering it, a
    /// restarted query goes on as an undisturbed one.)
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.watermark_ms.save(out);
        codec::save_count(self.clauses_ms.len(), out);
        for ms in &self.clauses_ms {
            ms.is_some().save(out);
            ms.unwrap_or_default().save(out);
        }
    }

    /// Reads what [`WatermarkTracker::save`] wrote.
    pub(crate) fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        self.watermark_ms = i64::load(bytes)?;
        let count = codec::load_count(bytes, 9)?;
        if count != self.clauses_ms.len() {
            let text = alloc::format!("saved are {count} watermarks, not {}", self.clauses_ms.len());
            return Err(Error::corrupt(text));
        }
        for ms in &mut self.clauses_ms {
            *ms = Some((bool::load(bytes)?, i64::load(bytes)?)).filter(|m| m.0).map(|m| m.1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(ts_us: &[i64]) -> EventTimeStats {
        let mut stats = EventTimeStats::default();
        ts_us.iter().for_each(|&ts| stats.add(ts));
        stats
    }

    #[test]
    fn the_slowest_clause_holds_the_watermark_back_and_it_never_returns() {
        let mut tracker = WatermarkTracker::new(WatermarkPolicy::Min, [5_000_000, 10_000_000]);
        tracker.observe(0, &stats(&[100_000_000]));
        assert_eq!(tracker.advance(), 0, "the other clause has seen nothing");
        tracker.observe(1, &stats(&[30_000_999]));
        assert_eq!(tracker.advance(), 20_000);
        tracker.observe(1, &stats(&[1_000_000]));
        assert_eq!(tracker.advance(), 20_000);
    }

    #[test]
    fn an_idle_clause_holds_nothing_back_until_it_has_rows_again() {
        let mut tracker = WatermarkTracker::new(WatermarkPolicy::Min, [0, 0]);
        tracker.observe(0, &stats(&[100_000_000]));
        assert_eq!(tracker.advance(), 0);
        tracker.set_idle(1, true);
        assert_eq!(tracker.advance(), 100_000);
        tracker.set_idle(1, false);
        tracker.observe(0, &stats(&[200_000_000]));
        tracker.observe(1, &stats(&[50_000_000]));
        assert_eq!(tracker.advance(), 100_000, "it never returns");
        tracker.set_idle(0, true);
        tracker.set_idle(1, true);
        assert_eq!(tracker.advance(), 100_000, "nobody says how late it is");
    }

    #[test]
    fn merged_statistics_are_those_of_all_rows() {
        let all = [5_000, -3_500, 9_999, 0, 123_456_789];
        for cut in 0..=all.len() {
            let (mut left, right) = (stats(&all[..cut]), stats(&all[cut..]));
            left.merge(&right);
            let whole = stats(&all);
            assert_eq!((left.count, left.min_us, left.max_us), (whole.count, whole.min_us, whole.max_us));
            assert!((left.mean_ms - whole.mean_ms).abs() < 1e-6);
        }
    }

    /// The rows of a block with a bit, added one by one, but for the mean, which is that of the microseconds.
    #[test]
    fn a_block_counts_as_its_rows() {
        let blocks: [&[i64]; 6] = [
            &[500, 500],
            &[-1, -999, 1, 999_999],
            &[1_735_689_600_123_456, 1_735_689_600_000_000, 1_735_689_601_000_001, 1_735_689_599_999_999],
            &[i64::MIN, i64::MAX],
            &[0, i64::MAX, i64::MAX, 7],
            &[i64::MAX / 4, 0, i64::MAX / 4 + 1, i64::MAX / 4],
        ];
        for ts_us in blocks {
            for bits in 0..1_u32 << ts_us.len() {
                let chosen: Vec<i64> = (0..ts_us.len()).filter(|i| bits >> i & 1 == 1).map(|i| ts_us[i]).collect();
                let selection: crate::block::Bitmap = (0..ts_us.len()).map(|i| bits >> i & 1 == 1).collect();
                let is_whole = chosen.len() == ts_us.len();
                let mut block = EventTimeStats::default();
                block.add_all(ts_us, (!is_whole).then(|| selection.view()), None);
                let rows = stats(&chosen);
                let of = |stats: &EventTimeStats| (stats.count, stats.min_us, stats.max_us);
                assert_eq!(of(&block), of(&rows), "{chosen:?}");
                let mean = chosen.iter().map(|&ts| ts as f64 / 1000.0).sum::<f64>() / chosen.len().max(1) as f64;
                let off = (block.mean_ms - mean).abs();
                // Times that are centuries apart are counted by the millisecond.
                let is_near = chosen.iter().all(|&ts| ts < 1 << 60 && ts > -(1 << 60));
                let allowed = if is_near { 1e-3 } else { mean.abs() * 1e-9 + 1.0 };
                assert!(off <= allowed, "{chosen:?}: {} for {mean}", block.mean_ms);
            }
        }
    }

    #[test]
    fn rows_that_were_turned_away_add_up_with_and_without_others() {
        for (left, right) in [(&[][..], &[][..]), (&[1_000], &[]), (&[], &[1_000]), (&[1_000], &[5_000, 6_000])] {
            let (mut left, right) =
                (EventTimeStats { ahead: 5, ..stats(left) }, EventTimeStats { ahead: 2, ..stats(right) });
            let count = left.count + right.count;
            left.merge(&right);
            assert_eq!((left.ahead, left.count), (7, count));
        }
    }

    #[test]
    fn under_policy_max_the_fastest_clause_decides() {
        let mut tracker = WatermarkTracker::new(WatermarkPolicy::Max, [5_000_000, 10_000_000]);
        tracker.observe(0, &stats(&[100_000_000, -7]));
        tracker.observe(1, &EventTimeStats::default());
        assert_eq!((tracker.advance(), tracker.watermark_ms()), (95_000, 95_000));
        assert!(tracker.is_defined());
        assert!(!WatermarkTracker::new(WatermarkPolicy::Max, []).is_defined());
    }

    #[test]
    fn what_is_loaded_goes_on_as_what_was_saved() {
        let new = |clauses: usize| WatermarkTracker::new(WatermarkPolicy::Min, (0..clauses).map(|_| 1_000));
        let mut tracker = new(2);
        tracker.observe(0, &stats(&[-9_000_000]));
        tracker.observe(1, &stats(&[3_000_000]));
        tracker.advance();
        let mut bytes = Vec::new();
        tracker.save(&mut bytes);
        let mut loaded = new(2);
        loaded.load(&mut &bytes[..]).unwrap();
        assert_eq!((loaded.watermark_ms, &loaded.clauses_ms), (tracker.watermark_ms, &tracker.clauses_ms));
        assert!(new(1).load(&mut &bytes[..]).is_err() && new(3).load(&mut &bytes[..]).is_err());
        let mut fresh = Vec::new();
        new(2).save(&mut fresh);
        loaded.load(&mut &fresh[..]).unwrap();
        assert_eq!(loaded.clauses_ms, [None, None], "a clause that has seen nothing");
    }
}
