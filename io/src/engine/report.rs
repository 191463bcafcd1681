//! What epochs become for those who look at a query: Spark's progress, built from what the epochs left here.
//!
//! A report costs some microseconds, an epoch of one row less than one. So listeners are told of every epoch, but a
//! handle that nobody listens at gets a report of each epoch only as long as they come slowly: after [`BURST`] quick
//! ones their counts add up, and one report every [`PAUSE`] covers the epochs since the one before it. No row is left
//! out, and a query that waits for rows has reported all it did.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use firesteel_core::{
    exec::{EpochReport, StateMetrics},
    time::MICROS_PER_MILLI,
    watermark::EventTimeStats,
};

use super::{
    execution::OpenInput,
    handle::StreamingQuery,
    progress::{
        CheckpointProgress, EventTimeProgress, InputRows, OutputRows, RestartProgress, SinkProgress, SourceProgress,
        StateOperatorProgress, StreamingQueryProgress, rate, spark_instant,
    },
};
use crate::{sink::Sink, source::Account};

/// Epochs that are reported one by one before counts add up: as many as a handle keeps.
const BURST: u32 = 100;

/// Time between reports of epochs that come faster, and what makes the next ones count as slow again.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the steps of an epoch took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    start: Instant,
    pub planned: Duration,
    pub added: Duration,
}

/// Epochs that were not reported yet.
#[derive(Debug)]
pub(super) struct Reporter {
    /// Somebody is told of every epoch.
    has_listeners: bool,
    restarts: Option<RestartProgress>,
    /// How many epochs are reported one by one before counts add up.
    burst: u32,
    /// Epochs that may still be reported one by one.
    credit: u32,
    /// When an epoch was last allowed to be reported by itself, by the wall clock that every epoch reads anyway.
    paid_at: SystemTime,
    /// When the epoch that was reported last began.
    last_start: Option<Instant>,
    // What was not reported.
    epochs: u32,
    started: SystemTime,
    last: EpochReport,
    event_times: EventTimeStats,
    state: Vec<StateMetrics>,
    rows_out: u64,
    /// Rows out of epochs that were reported.
    rows_out_before: u64,
}

impl Reporter {
    /// Groups that workers hold are counted for a report, which costs more than a quick epoch.
    pub(super) fn new(has_listeners: bool, has_workers: bool, restarts: Option<RestartProgress>) -> Self {
        let burst = if has_workers { 1 } else { BURST };
        Self {
            has_listeners,
            restarts,
            burst,
            credit: burst,
            paid_at: UNIX_EPOCH,
            last_start: None,
            epochs: 0,
            started: UNIX_EPOCH,
            last: EpochReport::default(),
            event_times: EventTimeStats::default(),
            state: Vec::new(),
            rows_out: 0,
            rows_out_before: 0,
        }
    }

    /// A watch for an epoch that starts now, if it is to be reported at once.
    pub(super) fn watch(&mut self, started: SystemTime) -> Option<Watch> {
        // A clock that was set back is as good as one that has moved on.
        if started.duration_since(self.paid_at).map_or(true, |since| since >= PAUSE) {
            self.credit = if self.epochs == 0 { self.burst } else { 1 };
            self.paid_at = started;
        }
        let is_due = self.has_listeners || self.credit > 0;
        self.credit = self.credit.saturating_sub(1);
        is_due.then(Watch::start)
    }

    /// Adds an epoch to what is to be reported.
    pub(super) fn add(
        &mut self,
        epoch: EpochReport,
        started: SystemTime,
        metrics: impl Iterator<Item = StateMetrics>,
        rows_out: u64,
    ) {
        if self.epochs == 0 {
            self.state.clear();
            self.rows_out = 0;
            self.event_times = EventTimeStats::default();
        }
        self.epochs += 1;
        self.rows_out += rows_out;
        (self.last, self.started) = (epoch, started);
        match &epoch.event_times {
            Some(stats) => self.event_times.merge(stats),
            None => self.event_times.ahead += epoch.rows_ahead,
        }
        for (i, metrics) in metrics.enumerate() {
            match self.state.get_mut(i) {
                Some(sum) => add_metrics(sum, metrics),
                None => self.state.push(metrics),
            }
        }
    }

    /// What is held now is what the report says: workers keep groups that the last epoch's counts do not have.
    pub(super) fn recount(&mut self, metrics: impl Iterator<Item = StateMetrics>) {
        for (sum, now) in self.state.iter_mut().zip(metrics) {
            (sum.rows_total, sum.memory_bytes) = (now.rows_total, now.memory_bytes);
        }
    }

    /// Whether there are epochs to report.
    pub(super) fn is_pending(&self) -> bool {
        self.epochs > 0
    }

    /// The report of all epochs that were not reported.
    pub(super) fn report(
        &mut self,
        handle: &StreamingQuery,
        inputs: &mut [OpenInput],
        sink: &dyn Sink,
        checkpoints: Option<CheckpointProgress>,
        watch: Option<Watch>,
    ) -> StreamingQueryProgress {
        let watch = watch.unwrap_or_else(Watch::start);
        let elapsed = watch.elapsed();
        let since_last = self.last_start.map(|last| watch.start.duration_since(last).as_secs_f64());
        let is_one = self.epochs == 1;
        (self.last_start, self.epochs) = (Some(watch.start), 0);
        // Of several epochs only their pace is known.
        let busy = if is_one { elapsed.as_secs_f64() } else { since_last.unwrap_or(0.0) };
        let rates = |rows: u64| (since_last.map_or(0.0, |s| rate(rows, s)), rate(rows, busy));
        let streams = inputs.iter_mut().filter(|input| input.is_stream);
        let sources: Vec<SourceProgress> = streams.map(|input| source_progress(input, rates)).collect();
        let rows = sources.iter().map(|s| s.num_input_rows).sum();
        let (input_rows_per_second, processed_rows_per_second) = rates(rows);
        StreamingQueryProgress {
            id: handle.id().into(),
            run_id: handle.run_id().into(),
            name: handle.name().map(String::from),
            timestamp: spark_instant(micros(self.started).div_euclid(MICROS_PER_MILLI)),
            batch_id: self.last.id,
            batch_duration: millis(elapsed),
            num_input_rows: rows,
            input_rows_per_second,
            processed_rows_per_second,
            duration_ms: watch.steps(elapsed),
            event_time: self.event_time(),
            state_operators: self.state.iter().map(state_progress).collect(),
            sources,
            sink: self.sink_progress(sink),
            checkpoints,
            restarts: self.restarts.clone(),
        }
    }

    fn sink_progress(&mut self, sink: &dyn Sink) -> SinkProgress {
        self.rows_out_before += self.rows_out;
        let pending = sink.rows_pending();
        let rows = OutputRows {
            // What an earlier run of the query left hidden may be pending, too.
            written: self.rows_out_before.saturating_sub(pending),
            dropped: sink.rows_dropped().into_iter().collect(),
            pending,
        };
        SinkProgress { description: sink.description(), num_output_rows: self.rows_out, rows }
    }

    fn event_time(&self) -> EventTimeProgress {
        let stats = (self.event_times.count > 0).then_some(&self.event_times);
        let instant = |us: i64| spark_instant(us.div_euclid(MICROS_PER_MILLI));
        EventTimeProgress {
            avg: stats.map(|s| spark_instant(s.mean_ms as i64)),
            max: stats.map(|s| instant(s.max_us)),
            min: stats.map(|s| instant(s.min_us)),
            watermark: self.last.watermark_ms.map(spark_instant),
            rows_ahead: Some(self.event_times.ahead).filter(|rows| *rows > 0).map(|rows| rows.to_string()),
        }
    }
}

impl Watch {
    fn start() -> Self {
        Self { start: Instant::now(), planned: Duration::ZERO, added: Duration::ZERO }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn steps(&self, elapsed: Duration) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            ("addBatch", millis(self.added.saturating_sub(self.planned))),
            ("commitOffsets", millis(elapsed.saturating_sub(self.added))),
            ("latestOffset", millis(self.planned)),
            ("triggerExecution", millis(elapsed)),
        ])
    }
}

fn source_progress(input: &mut OpenInput, rates: impl Fn(u64) -> (f64, f64)) -> SourceProgress {
    let rows = std::mem::take(&mut input.rows);
    input.rows_reported += rows;
    // Epochs without new rows stay where the one before them ended.
    let end_offset = input.source.offset();
    let start_offset = std::mem::replace(&mut input.offset, end_offset.clone());
    let (input_rows_per_second, processed_rows_per_second) = rates(rows);
    SourceProgress {
        description: input.source.description(),
        start_offset,
        end_offset,
        latest_offset: serde_json::Value::Null,
        num_input_rows: rows,
        input_rows_per_second,
        processed_rows_per_second,
        metrics: input.source.metrics().into_iter().map(|(reason, n)| (reason, n.to_string())).collect(),
        rows: input_rows(input),
    }
}

fn input_rows(input: &OpenInput) -> InputRows {
    let processed = input.rows_reported;
    let account = input.source.account().unwrap_or_else(|| {
        let dropped = input.source.dropped();
        Account { accepted: processed + dropped.iter().map(|(_, rows)| rows).sum::<u64>(), dropped, pending: 0 }
    });
    let Account { accepted, dropped, pending } = account;
    InputRows { accepted, processed, dropped: dropped.into_iter().collect(), pending }
}

/// What is held is what the last epoch holds; what was done adds up.
fn add_metrics(sum: &mut StateMetrics, epoch: StateMetrics) {
    *sum = StateMetrics {
        rows_updated: sum.rows_updated + epoch.rows_updated,
        rows_removed: sum.rows_removed + epoch.rows_removed,
        rows_dropped_by_watermark: sum.rows_dropped_by_watermark + epoch.rows_dropped_by_watermark,
        rows_late: sum.rows_late + epoch.rows_late,
        rows_untimed: sum.rows_untimed + epoch.rows_untimed,
        rows_without_room: sum.rows_without_room + epoch.rows_without_room,
        ..epoch
    };
}

fn state_progress(metrics: &StateMetrics) -> StateOperatorProgress {
    StateOperatorProgress {
        operator_name: metrics.operator_name,
        num_rows_total: metrics.rows_total,
        num_rows_updated: metrics.rows_updated,
        all_updates_time_ms: 0,
        num_rows_removed: metrics.rows_removed,
        all_removals_time_ms: 0,
        commit_time_ms: 0,
        memory_used_bytes: metrics.memory_bytes,
        num_rows_dropped_by_watermark: metrics.rows_dropped_by_watermark,
        num_shuffle_partitions: 1,
        num_state_store_instances: 1,
        custom_metrics: [
            ("numRowsLate", metrics.rows_late),
            ("numRowsStateFull", metrics.rows_without_room),
            ("numRowsWithoutEventTime", metrics.rows_untimed),
        ]
        .into_iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(name, rows)| (name.into(), rows))
        .collect(),
    }
}

/// Microseconds since 1970.
pub(super) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
