//! Numbered rows made up at a rate: Spark's `rate`, by the clock, and `rate-micro-batch`, by the epoch, whose rows are
//! the same in every run.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use firesteel_core::{
    Error, Result,
    block::{Block, BlockRef},
    plan::Table,
    schema::{DataType, Field, Schema},
    time::{MICROS_PER_MILLI, MICROS_PER_SECOND},
};
use serde_json::{Value as Json, json};

use super::{Part, Reader, Source, options, place::Place};
use crate::ring::Wait;

/// Rows of one part: an epoch of more is shared by the workers.
const PART_ROWS: i64 = 1 << 16;

/// Seconds of one epoch: whoever comes back after a year catches up in several, rather than plan 30 million parts.
const EPOCH_SECONDS: i64 = 1 << 16;

/// `timestamp TIMESTAMP, value BIGINT`
pub(super) fn schema() -> Schema {
    Schema::new(vec![Field::new("timestamp", DataType::Timestamp), Field::new("value", DataType::Int64)])
}

/// So many rows a second, in whole seconds, with times spaced evenly.
#[derive(Debug)]
pub struct RateSource {
    // Fixed properties.
    rate: Rate,
    partitions: Option<i64>,
    block_rows: usize,
    // State.
    /// Time of the first second.
    created_us: i64,
    /// When this source was made, and how long after the first second.
    opened: Instant,
    opened_after: Duration,
    /// Seconds planned.
    second: i64,
    has_planned: bool,
    frozen_at: Option<i64>,
}

/// How many rows there are after so many seconds.
#[derive(Clone, Copy, Debug)]
struct Rate {
    rows_per_second: i64,
    ramp_up_s: i64,
}

impl Rate {
    /// The value of the first row of a second. While ramping up, each second has some rows more than the one before.
    fn value_at(self, second: i64) -> i64 {
        let Self { rows_per_second, ramp_up_s } = self;
        let slope = (rows_per_second / (ramp_up_s + 1)).max(1);
        let ramp = second.min(ramp_up_s);
        // One of two neighbours is even; dividing that one first keeps the product small.
        let triangle =
            if ramp % 2 == 1 { ((ramp + 1) / 2).saturating_mul(ramp) } else { (ramp / 2).saturating_mul(ramp + 1) };
        let flat = (second - ramp).saturating_mul(rows_per_second);
        triangle.saturating_mul(slope).saturating_add(flat)
    }
}

impl RateSource {
    /// Starts counting now.
    pub fn open(table: &Table, block_rows: usize) -> Result<Self> {
        let ramp_up = options::duration(table, "rampUpTime", Duration::from_secs(1))?.unwrap_or_default();
        let rate = Rate {
            rows_per_second: options::number(table, "rowsPerSecond", 1)?.unwrap_or(1),
            ramp_up_s: i64::try_from(ramp_up.as_secs()).unwrap_or(i64::MAX - 1),
        };
        Ok(Self {
            rate,
            partitions: options::number(table, "numPartitions", 1)?,
            block_rows,
            created_us: now_us(),
            opened: Instant::now(),
            opened_after: Duration::ZERO,
            second: 0,
            has_planned: false,
            frozen_at: None,
        })
    }

    /// Seconds that are over.
    fn now_s(&self) -> i64 {
        self.frozen_at.unwrap_or_else(|| i64::try_from(self.elapsed().as_secs()).unwrap_or(i64::MAX))
    }

    /// Since the first second began.
    fn elapsed(&self) -> Duration {
        self.opened_after.saturating_add(self.opened.elapsed())
    }

    /// Everything up to a second. A part never reaches over a second, so that its rows alone say how they are spaced.
    fn plan_until(&mut self, second: i64, parts: &mut Vec<Part>) -> bool {
        let seconds = (self.second..second).map(|s| Part::Rows {
            start: self.rate.value_at(s),
            end: self.rate.value_at(s + 1),
            at_us: self.created_us.saturating_add(s.saturating_mul(MICROS_PER_SECOND)),
        });
        let before = parts.len();
        parts.extend(seconds.filter(|part| matches!(part, Part::Rows { start, end, .. } if start < end)));
        self.second = self.second.max(second);
        self.has_planned |= parts.len() > before;
        parts.len() > before
    }
}

impl Source for RateSource {
    fn description(&self) -> String {
        let Rate { rows_per_second, ramp_up_s } = self.rate;
        let partitions = self.partitions.map_or("default".into(), |n| n.to_string());
        format!(
            "RateStreamV2[rowsPerSecond={rows_per_second}, rampUpTimeSeconds={ramp_up_s}, numPartitions={partitions}]"
        )
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        let until = self.now_s().min(self.second.saturating_add(EPOCH_SECONDS));
        Ok(self.plan_until(until, parts))
    }

    fn offset(&self) -> Json {
        if self.has_planned { json!(self.second) } else { Json::Null }
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(RateReader::new(MICROS_PER_SECOND, self.block_rows)))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn wait(&mut self, timeout: Duration, _how: Wait) -> Result<()> {
        let next = Duration::from_secs(self.second as u64 + 1).saturating_sub(self.elapsed());
        thread::sleep(next.min(timeout));
        Ok(())
    }

    fn freeze(&mut self) -> Result<()> {
        self.frozen_at = Some(self.now_s());
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.frozen_at.is_some_and(|end| self.second >= end)
    }

    fn position(&self) -> Json {
        json!({ "createdUs": self.created_us, "second": self.second })
    }

    /// Counts on from the first second of the earlier run, as if it had never ended.
    fn seek(&mut self, position: &Json) -> Result<()> {
        let Some(place) = Place::open("a rate", position)? else { return Ok(()) };
        let (created_us, second) = (place.count("createdUs")? as i64, place.count("second")? as i64);
        let planned_us = second.checked_mul(MICROS_PER_SECOND).filter(|us| us.checked_add(created_us).is_some());
        let planned_us = planned_us.ok_or_else(|| place.unfit(format!("second {second} will never come")))?;
        // A clock that was set back does not make the rows wait that were due anyway.
        let after_us = now_us().saturating_sub(created_us).max(planned_us);
        self.opened_after = Duration::from_micros(after_us.unsigned_abs());
        self.opened = Instant::now();
        (self.created_us, self.second, self.has_planned) = (created_us, second, second > 0);
        Ok(())
    }

    fn is_replayable(&self) -> bool {
        true
    }
}

/// Now, in whole milliseconds.
fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis() as i64) * MICROS_PER_MILLI
}

/// So many rows an epoch, all of one time, which advances from epoch to epoch.
#[derive(Debug)]
pub struct RateMicroBatchSource {
    // Fixed properties.
    rows_per_batch: i64,
    partitions: i64,
    start_ms: i64,
    advance_ms: i64,
    block_rows: usize,
    // State.
    /// Value and time of the next row.
    next: (i64, i64),
    /// Epochs that a frozen source still has.
    epochs_left: Option<u64>,
}

impl RateMicroBatchSource {
    /// Starts at value 0.
    pub fn open(table: &Table, block_rows: usize) -> Result<Self> {
        let rows_per_batch = options::number(table, "rowsPerBatch", 1)?.ok_or_else(|| {
            Error::invalid(format!("table {} has no option `rowsPerBatch`", table.name))
                .hint("say how many rows an epoch has: OPTIONS (rowsPerBatch '100')")
        })?;
        let start_ms = options::number(table, "startTimestamp", 0)?.unwrap_or(0);
        Ok(Self {
            rows_per_batch,
            partitions: options::number(table, "numPartitions", 1)?.unwrap_or(1),
            start_ms,
            advance_ms: options::number(table, "advanceMillisPerBatch", 0)?.unwrap_or(1000),
            block_rows,
            next: (0, start_ms),
            epochs_left: None,
        })
    }
}

impl Source for RateMicroBatchSource {
    fn description(&self) -> String {
        format!(
            "RatePerMicroBatchStream[rowsPerBatch={}, numPartitions={}, startTimestamp={}, advanceMsPerBatch={}]",
            self.rows_per_batch, self.partitions, self.start_ms, self.advance_ms
        )
    }

    fn plan(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        match &mut self.epochs_left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None => {}
        }
        let (value, ms) = self.next;
        self.next = (value.saturating_add(self.rows_per_batch), ms.saturating_add(self.advance_ms));
        let end = self.next.0;
        let at_us = ms.saturating_mul(MICROS_PER_MILLI);
        let starts = (0..(end - value).div_euclid(PART_ROWS) + 1).map(|n| value + n * PART_ROWS);
        let part = |start: i64| Part::Rows { start, end: end.min(start.saturating_add(PART_ROWS)), at_us };
        parts.extend(starts.filter(|start| *start < end).map(part));
        Ok(true)
    }

    fn offset(&self) -> Json {
        let (value, ms) = self.next;
        if value == 0 { Json::Null } else { json!({ "offset": value, "timestamp": ms }) }
    }

    fn reader(&mut self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(RateReader::new(0, self.block_rows)))
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    /// One epoch, as Spark's available-now has it.
    fn freeze(&mut self) -> Result<()> {
        self.epochs_left.get_or_insert(1);
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.epochs_left == Some(0)
    }

    fn position(&self) -> Json {
        let (value, ms) = self.next;
        json!({ "value": value, "timestampMs": ms })
    }

    fn seek(&mut self, position: &Json) -> Result<()> {
        let Some(place) = Place::open("micro-batches", position)? else { return Ok(()) };
        self.next = (place.count("value")? as i64, place.count("timestampMs")? as i64);
        Ok(())
    }

    fn is_replayable(&self) -> bool {
        true
    }
}

/// Counts.
#[derive(Debug)]
struct RateReader {
    /// What the rows of a part are spread over; 0: they have one time.
    span_us: i64,
    block_rows: usize,
    block: Block,
}

impl RateReader {
    fn new(span_us: i64, block_rows: usize) -> Self {
        Self { span_us, block_rows, block: Block::new(&schema()) }
    }

    fn fill(&mut self, first: i64, len: usize, time: impl Fn(i64) -> i64) {
        let [times, values] = self.block.columns_mut() else { unreachable!("the schema has two columns") };
        times.native_mut::<i64>(len).iter_mut().zip(first..).for_each(|(to, value)| *to = time(value));
        values.native_mut::<i64>(len).iter_mut().zip(first..).for_each(|(to, value)| *to = value);
        self.block.set_len(len);
    }
}

impl Reader for RateReader {
    fn read(&mut self, part: &Part, sink: &mut dyn FnMut(&BlockRef<'_>) -> Result<()>) -> Result<u64> {
        let &Part::Rows { start, end, at_us } = part else {
            return Err(Error::internal(format!("a rate was asked to read {part:?}")));
        };
        // Spark's times have milliseconds, rounded half up.
        let ms_per_value = (self.span_us / MICROS_PER_MILLI) as f64 / (end - start) as f64;
        let time = |value: i64| {
            let ms = ((value - start) as f64 * ms_per_value + 0.5).floor() as i64;
            at_us.saturating_add(ms * MICROS_PER_MILLI)
        };
        let mut first = start;
        while first < end {
            let len = usize::try_from(end - first).unwrap_or(usize::MAX).min(self.block_rows);
            self.fill(first, len, time);
            sink(&self.block.view())?;
            first += len as i64;
        }
        Ok((end - start) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{epoch, mutants, open, plan, read, table};

    #[test]
    fn rows_ramp_up_as_spark_s_do() {
        let values = |rows, ramp_up_s, seconds: std::ops::Range<i64>| {
            let rate = Rate { rows_per_second: rows, ramp_up_s };
            seconds.map(|s| rate.value_at(s)).collect::<Vec<_>>()
        };
        assert_eq!(values(10, 4, 0..7), [0, 2, 6, 12, 20, 30, 40]);
        assert_eq!(values(10, 0, 0..3), [0, 10, 20]);
        assert_eq!(values(1, 3, 0..5), [0, 1, 3, 6, 7], "at least one row more each second");
        assert_eq!(Rate { rows_per_second: i64::MAX, ramp_up_s: 0 }.value_at(9), i64::MAX);
    }

    #[test]
    fn a_second_s_rows_are_spaced_evenly() {
        let options = [("rowsPerSecond", "3"), ("numPartitions", "2")];
        let mut source = RateSource::open(&table("rate", "", &options), 2).unwrap();
        assert_eq!(source.description(), "RateStreamV2[rowsPerSecond=3, rampUpTimeSeconds=0, numPartitions=2]");
        source.created_us = 0;
        assert_eq!(source.offset(), Json::Null);
        let mut parts = Vec::new();
        assert!(source.plan_until(2, &mut parts));
        assert_eq!((source.offset(), parts.len()), (json!(2), 2));
        let rows = read(&mut *source.reader().unwrap(), &parts, 2).unwrap();
        let rows: Vec<(i64, i64)> =
            rows.iter().map(|r| (r[0].as_i64().unwrap() / 1000, r[1].as_i64().unwrap())).collect();
        assert_eq!(rows, [(0, 0), (333, 1), (667, 2), (1000, 3), (1333, 4), (1667, 5)]);
        assert!(!source.plan_until(2, &mut parts));
        assert!(source.plan_until(3, &mut parts));
        assert_eq!(source.offset(), json!(3));
    }

    #[test]
    fn a_rate_keeps_time() {
        let rate = || RateSource::open(&table("rate", "", &[("rowsPerSecond", "5")]), 4).unwrap();
        let mut early = RateSource { frozen_at: Some(0), ..rate() };
        assert!(plan(&mut early).unwrap().is_none(), "no second is over");
        // The first second is planned, and the second one about to be over; however late this goes on, it is when the
        // wait is.
        let mut source = RateSource { second: 1, opened_after: Duration::from_millis(1990), ..rate() };
        source.wait(Duration::from_secs(60), Wait::Adaptive).unwrap();
        source.freeze().unwrap();
        let seconds = source.now_s();
        assert!(seconds >= 2);
        assert_eq!(epoch(&mut source, 2).unwrap().len() as i64, 5 * (seconds - 1));
        assert!(source.is_exhausted());
    }

    #[test]
    fn micro_batches_are_the_same_in_every_run() {
        let options = [("rowsPerBatch", "4"), ("startTimestamp", "1000"), ("advanceMillisPerBatch", "50")];
        for _ in 0..2 {
            let mut source =
                open(table("rate-micro-batch", "timestamp TIMESTAMP, value BIGINT", &options), true).unwrap();
            for batch in 0..3_i64 {
                let before = json!({"offset": batch * 4, "timestamp": 1000 + batch * 50});
                assert_eq!(source.offset(), if batch == 0 { Json::Null } else { before });
                let parts = plan(&mut *source).unwrap().unwrap();
                assert_eq!(source.offset(), json!({"offset": batch * 4 + 4, "timestamp": 1050 + batch * 50}));
                let rows = read(&mut *source.reader().unwrap(), &parts, 2).unwrap();
                let at_us = (1000 + batch * 50) * 1000;
                let expected: Vec<_> = (0..4).map(|i| vec![at_us.into(), (batch * 4 + i).into()]).collect();
                assert_eq!(rows, expected);
            }
            source.freeze().unwrap();
            assert!(
                plan(&mut *source).unwrap().is_some() && plan(&mut *source).unwrap().is_none() && source.is_exhausted()
            );
        }
    }

    #[test]
    fn big_batches_have_parts_for_the_workers() {
        let rows = (PART_ROWS * 2 + 1).to_string();
        let mut source =
            RateMicroBatchSource::open(&table("rate-micro-batch", "", &[("rowsPerBatch", &rows)]), 8).unwrap();
        let parts = plan(&mut source).unwrap().unwrap();
        assert_eq!(parts.len(), 3);
        let ends = parts.iter().map(|part| if let Part::Rows { end, .. } = part { *end } else { 0 });
        assert_eq!(ends.collect::<Vec<_>>(), [PART_ROWS, 2 * PART_ROWS, 2 * PART_ROWS + 1]);
    }

    #[test]
    fn a_rate_counts_on_as_if_it_had_never_ended() {
        let rate = || RateSource::open(&table("rate", "", &[("rowsPerSecond", "3"), ("rampUpTime", "4s")]), 2).unwrap();
        let mut whole = rate();
        whole.created_us = now_us() - 100 * MICROS_PER_SECOND;
        let mut parts = Vec::new();
        whole.plan_until(2, &mut parts);
        let position = whole.position();
        let mut after = rate();
        after.seek(&position).unwrap();
        assert_eq!((after.offset(), after.position()), (json!(2), position.clone()));
        assert!((100..110).contains(&after.now_s()), "{after:?}");
        let rows = |source: &mut RateSource| {
            let mut parts = Vec::new();
            source.plan_until(9, &mut parts);
            read(&mut *source.reader().unwrap(), &parts, 2).unwrap()
        };
        let expected = rows(&mut whole);
        assert_eq!(rows(&mut after), expected);
        assert!(!expected.is_empty());
        // Whoever was away for long catches up in steps.
        after.seek(&json!({"createdUs": 1_000_000, "second": 5})).unwrap();
        assert!(plan(&mut after).unwrap().unwrap().len() == EPOCH_SECONDS as usize);
        // The clock was set back.
        after.seek(&json!({"createdUs": now_us() + 10 * MICROS_PER_SECOND, "second": 7})).unwrap();
        assert_eq!(after.now_s(), 7);
        after.seek(&Json::Null).unwrap();
        for mutant in mutants(&position) {
            rate().seek(&mutant).expect_err(&mutant.to_string());
        }
        assert!(rate().seek(&json!({"createdUs": 5, "second": i64::MAX / 1000})).unwrap_err().is_corrupt());
    }

    #[test]
    fn micro_batches_go_on_from_a_position() {
        let batches =
            || RateMicroBatchSource::open(&table("rate-micro-batch", "", &[("rowsPerBatch", "4")]), 8).unwrap();
        let mut whole = batches();
        for _ in 0..3 {
            epoch(&mut whole, 2).unwrap();
        }
        let position = whole.position();
        let mut after = batches();
        after.seek(&position).unwrap();
        assert_eq!(after.offset(), whole.offset());
        assert_eq!(epoch(&mut after, 2), epoch(&mut whole, 2));
        for mutant in mutants(&position) {
            batches().seek(&mutant).expect_err(&mutant.to_string());
        }
        after.seek(&json!({"value": i64::MAX, "timestampMs": i64::MAX})).unwrap();
        assert_eq!(epoch(&mut after, 2), Some(Vec::new()));
    }
}
