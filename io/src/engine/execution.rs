//! A query being run: the loop that plans epochs, reads them through the driver into the sink and reports.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    exec::{Driver, EpochReport, Stage, StateMetrics},
    time::MICROS_PER_MILLI,
};

use super::{
    handle::StreamingQuery,
    progress::{
        EventTimeProgress, QueryEvent, QueryListener, SinkProgress, SourceProgress, StateOperatorProgress,
        StreamingQueryProgress, rate, spark_instant,
    },
    trigger::Trigger,
    workers::Workers,
};
use crate::{
    sink::Sink,
    source::{EpochPlan, Meter, Part, Reader, Source},
    sys,
};

/// Longest a query sleeps without looking whether it was asked to stop.
const STOP_POLL: Duration = Duration::from_millis(50);
/// Looking at the size of the state costs a walk over the operators; state grows by at most some bytes a row.
const ROWS_BETWEEN_MEMORY_CHECKS: usize = 1 << 16;
/// How long a query with several live inputs waits on each in turn: Spark's polling delay.
const INPUT_POLL: Duration = Duration::from_millis(10);

/// How a query is run.
#[derive(Clone, Default)]
pub struct QueryOptions {
    /// Its name.
    pub name: Option<String>,
    /// When epochs start.
    pub trigger: Trigger,
    /// Cores to run on: the query's own thread takes the first, a worker each of the others. Empty: one thread,
    /// not pinned. `None` entries are workers that are not pinned.
    pub cores: Vec<Option<usize>>,
    /// Most bytes that the query's state may take; a query that needs more fails alone.
    pub memory_bytes_max: Option<u64>,
    /// Who is told.
    pub listeners: Vec<Arc<dyn QueryListener>>,
    /// Counts what is read, for progress bars.
    pub meter: Meter,
}

impl std::fmt::Debug for QueryOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryOptions").field("name", &self.name).field("trigger", &self.trigger).finish_non_exhaustive()
    }
}

/// A table of the query, opened.
#[derive(Debug)]
pub struct Input {
    /// The driver's port for it.
    pub port: usize,
    /// Read epoch by epoch; otherwise whole, in its static stage.
    pub is_stream: bool,
    /// The table.
    pub source: Box<dyn Source>,
}

#[derive(Debug)]
struct OpenInput {
    port: usize,
    is_stream: bool,
    source: Box<dyn Source>,
    reader: Box<dyn Reader>,
    /// Rows read in this epoch.
    rows: u64,
    plan: Option<EpochPlan>,
    /// The offset behind the last epoch.
    offset: serde_json::Value,
    /// The last epoch read what was there at the time, rather than what was planned for it.
    is_live: bool,
}

/// A query with everything it needs, ready to run on the calling thread. Its sink may borrow from the caller, unless
/// the query gets a thread of its own.
#[derive(Debug)]
pub struct Execution<'s> {
    // Properties.
    options: QueryOptions,
    handle: StreamingQuery,
    stages: Vec<Stage>,
    // The parts.
    driver: Driver,
    inputs: Vec<OpenInput>,
    sink: Box<dyn Sink + 's>,
    workers: Workers,
    // State.
    static_prints: Option<Vec<u64>>,
    last_start: Option<Instant>,
    is_batch: bool,
}

impl Execution<'static> {
    /// Runs on a thread of its own.
    pub fn spawn(self) -> Result<StreamingQuery> {
        let handle = self.handle();
        let name = self.handle.name().map_or_else(|| "firesteel-query".into(), |name| format!("firesteel-{name}"));
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            // The handle has the outcome.
            let _ = self.run_stream();
        });
        thread.map_err(|e| Error::io(format!("cannot start a thread for the query: {e}")))?;
        Ok(handle)
    }
}

impl<'s> Execution<'s> {
    /// Opens a reader for each input; `inputs` are all the tables of the driver's stages.
    pub fn new(driver: Driver, inputs: Vec<Input>, sink: Box<dyn Sink + 's>, options: QueryOptions) -> Result<Self> {
        let mut open = Vec::new();
        for Input { port, is_stream, mut source } in inputs {
            if options.trigger == Trigger::AvailableNow || !is_stream {
                source.freeze()?;
            }
            let reader = source.reader()?;
            open.push(OpenInput {
                port,
                is_stream,
                source,
                reader,
                rows: 0,
                plan: None,
                offset: serde_json::Value::Null,
                is_live: false,
            });
        }
        let workers = match options.cores.get(1..) {
            Some(cores) if !cores.is_empty() => Workers::start(&driver, cores, &options.meter, || {
                open.iter_mut().map(|input| Ok((input.port, input.source.reader()?))).collect()
            })?,
            _ => Workers::default(),
        };
        let handle = StreamingQuery::new(options.name.clone());
        let stages = driver.stages();
        Ok(Self {
            options,
            handle,
            stages,
            driver,
            inputs: open,
            sink,
            workers,
            static_prints: None,
            last_start: None,
            is_batch: false,
        })
    }

    /// The handle by which others see and stop the query.
    pub fn handle(&self) -> StreamingQuery {
        self.handle.clone()
    }

    /// Runs a batch query: one epoch over everything. If it is stopped it ends quietly, with part of the rows written.
    pub fn run_batch(mut self) -> Result<()> {
        self.is_batch = true;
        self.pin();
        let result = self.run_batch_epoch().and_then(|()| self.sink.finish());
        quiet(result)
    }

    /// Runs a stream until it is stopped, fails, or its inputs are exhausted. The outcome is in the handle, too.
    pub fn run_stream(mut self) -> Result<()> {
        self.pin();
        self.emit(&QueryEvent::Started {
            id: self.handle.id(),
            run_id: self.handle.run_id(),
            name: self.handle.name(),
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run_epochs()))
            .unwrap_or_else(|panic| Err(panicked(&panic)));
        let finished = self.sink.finish();
        let result = quiet(result.and(finished));
        let error = result.as_ref().err();
        self.emit(&QueryEvent::Terminated { id: self.handle.id(), run_id: self.handle.run_id(), error });
        self.handle.end(error.cloned());
        result
    }

    fn run_batch_epoch(&mut self) -> Result<()> {
        self.sink.begin(0)?;
        self.driver.begin_epoch(micros(SystemTime::now()));
        for stage in self.stages.clone() {
            self.run_stage(&stage, true)?;
        }
        self.driver.end_epoch();
        self.sink.commit(0)
    }

    fn run_epochs(&mut self) -> Result<()> {
        while !self.handle.is_stop_requested() {
            let started = SystemTime::now();
            let clock = Instant::now();
            let has_data = self.plan_inputs()?;
            if has_data || self.driver.wants_empty_epoch() {
                self.run_epoch(clock, started, false)?;
                self.wait_for_trigger(started);
                continue;
            }
            if self.is_exhausted() {
                return self.run_final_epoch();
            }
            self.handle.set_status("Waiting for data to arrive", false, false);
            self.handle.note_idle();
            self.wait_for_data()?;
        }
        Ok(())
    }

    /// Whether no stream will ever have more.
    fn is_exhausted(&self) -> bool {
        self.inputs.iter().filter(|i| i.is_stream).all(|i| i.source.is_exhausted())
    }

    /// When every input has truly ended, what is still open closes.
    fn run_final_epoch(&mut self) -> Result<()> {
        let mut streams = self.inputs.iter().filter(|i| i.is_stream);
        let ended = streams.all(|i| i.source.has_ended());
        if ended && self.driver.watermark_ms().is_some() {
            self.run_epoch(Instant::now(), SystemTime::now(), true)?;
        }
        Ok(())
    }

    /// Fixes what the next epoch reads; true if there is anything.
    fn plan_inputs(&mut self) -> Result<bool> {
        let mut has_data = false;
        for input in self.inputs.iter_mut().filter(|i| i.is_stream) {
            input.plan = input.source.plan()?;
            if let Some(plan) = &input.plan {
                input.is_live = plan.parts.iter().all(Part::is_live);
                self.options.meter.plan(&plan.parts);
                has_data = true;
            }
        }
        Ok(has_data)
    }

    fn run_epoch(&mut self, clock: Instant, started: SystemTime, is_final: bool) -> Result<()> {
        let planned = clock.elapsed();
        self.handle.set_status("Processing new data", true, true);
        if is_final {
            self.driver.begin_final_epoch(micros(started));
        } else {
            self.driver.begin_epoch(micros(started));
        }
        let id = self.driver.next_epoch_id();
        self.sink.begin(id)?;
        let statics_changed = self.statics_changed()?;
        for stage in self.stages.clone() {
            if !stage.is_static || statics_changed {
                self.run_stage(&stage, stage.is_static)?;
            }
        }
        let report = self.driver.end_epoch();
        let added = clock.elapsed();
        self.sink.commit(id)?;
        for input in self.inputs.iter_mut().filter(|i| i.is_stream) {
            input.source.commit()?;
        }
        self.report(&report, started, clock, planned, added);
        Ok(())
    }

    /// Static tables are read again when they have changed.
    fn statics_changed(&mut self) -> Result<bool> {
        let prints = self.inputs.iter_mut().filter(|i| !i.is_stream).map(|i| i.source.fingerprint());
        let prints: Vec<u64> = prints.collect::<Result<_>>()?;
        let changed = self.static_prints.as_ref() != Some(&prints);
        self.static_prints = Some(prints);
        Ok(changed)
    }

    /// Reads the stage's tables (whole if they are static) and lets its operators finish.
    fn run_stage(&mut self, stage: &Stage, whole: bool) -> Result<()> {
        self.driver.begin_stage(stage.stage);
        let mut parts = Vec::new();
        for scan in &stage.scans {
            let index = self.input_of(scan.port)?;
            let input = &mut self.inputs[index];
            input.rows = 0;
            if whole {
                input.source.freeze()?;
                while let Some(plan) = input.source.plan()? {
                    self.options.meter.plan(&plan.parts);
                    parts.extend(plan.parts.into_iter().map(|part| (index, part)));
                    input.source.commit()?;
                }
            } else if let Some(plan) = &input.plan {
                parts.extend(plan.parts.iter().map(|part| (index, part.clone())));
            }
        }
        let shared = stage.stage == 0 && !self.workers.is_empty() && parts.len() > 1;
        let own = if shared { self.workers.begin(&self.driver, parts)? } else { parts };
        let read = own.iter().try_for_each(|(index, part)| self.read_part(*index, part));
        if shared {
            let mut rows = vec![0; self.inputs.len()];
            let joined = self.workers.end(&mut self.driver, &mut rows);
            self.inputs.iter_mut().zip(rows).for_each(|(input, rows)| input.rows += rows);
            read.and(joined)?;
        } else if let Err(error) = read
            && (!error.is_stopped() || self.driver.wants_more())
        {
            return Err(error);
        }
        check_memory(&self.driver, &self.options)?;
        let sink = &mut self.sink;
        self.driver.finish_stage(stage.stage, &mut |block: &BlockRef<'_>| sink.write(block))
    }

    fn read_part(&mut self, index: usize, part: &Part) -> Result<()> {
        let (driver, sink, options) = (&mut self.driver, &mut self.sink, &self.options);
        let mut unchecked = 0;
        let (handle, is_batch) = (&self.handle, self.is_batch);
        let input = &mut self.inputs[index];
        let port = input.port;
        let rows = input.reader.read(part, &mut |block| {
            options.meter.add_rows(block.rows().count() as u64);
            driver.push(port, block, &mut |out: &BlockRef<'_>| sink.write(out))?;
            unchecked += block.len();
            if unchecked >= ROWS_BETWEEN_MEMORY_CHECKS {
                unchecked = 0;
                check_memory(driver, options)?;
            }
            if is_batch && handle.is_stop_requested() {
                return Err(Error::stopped());
            }
            // A LIMIT that is full ends the reading of a batch; `run_stage` knows the difference to a closed pipe.
            if driver.wants_more() { Ok(()) } else { Err(Error::stopped()) }
        })?;
        input.rows += rows;
        Ok(())
    }

    fn input_of(&self, port: usize) -> Result<usize> {
        let index = self.inputs.iter().position(|i| i.port == port);
        index.ok_or_else(|| Error::internal(format!("no table was opened for port {port}")))
    }

    fn wait_for_data(&mut self) -> Result<()> {
        let mut streams: Vec<&mut OpenInput> = self.inputs.iter_mut().filter(|i| i.is_stream).collect();
        let timeout = if streams.len() == 1 { STOP_POLL } else { INPUT_POLL };
        streams.iter_mut().filter(|i| !i.source.is_exhausted()).try_for_each(|i| i.source.wait(timeout))
    }

    fn wait_for_trigger(&self, started: SystemTime) {
        let delay = self.options.trigger.delay(started, SystemTime::now());
        // Live rows can wait a little where many small epochs would do harm; epochs of files are what they are.
        let is_live = self.options.trigger == Trigger::AsFastAsPossible && self.inputs.iter().any(|i| i.is_live);
        let deadline = Instant::now() + if is_live { delay.max(self.sink.rest()) } else { delay };
        while !self.handle.is_stop_requested() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || (is_live && self.is_exhausted()) {
                return;
            }
            self.handle.set_status("Waiting for next trigger", false, false);
            std::thread::sleep(left.min(STOP_POLL));
        }
    }

    fn pin(&self) {
        if let Some(Some(core)) = self.options.cores.first() {
            sys::pin_to_core(*core);
        }
    }

    fn emit(&self, event: &QueryEvent<'_>) {
        self.options.listeners.iter().for_each(|listener| listener.on_event(event));
    }

    fn report(
        &mut self,
        report: &EpochReport,
        started: SystemTime,
        clock: Instant,
        planned: Duration,
        added: Duration,
    ) {
        let elapsed = clock.elapsed();
        let since_last = self.last_start.map(|last| clock.duration_since(last).as_secs_f64());
        self.last_start = Some(clock);
        let millis = |d: Duration| d.as_millis() as u64;
        let duration_ms = BTreeMap::from([
            ("addBatch", millis(added - planned)),
            ("commitOffsets", millis(elapsed - added)),
            ("latestOffset", millis(planned)),
            ("triggerExecution", millis(elapsed)),
        ]);
        let rates = |rows: u64| (since_last.map_or(0.0, |s| rate(rows, s)), rate(rows, elapsed.as_secs_f64()));
        let streams = self.inputs.iter_mut().filter(|i| i.is_stream);
        let sources: Vec<SourceProgress> = streams.map(|input| input.progress(rates)).collect();
        let rows = sources.iter().map(|s| s.num_input_rows).sum();
        let (input_rows_per_second, processed_rows_per_second) = rates(rows);
        let progress = StreamingQueryProgress {
            id: self.handle.id().into(),
            run_id: self.handle.run_id().into(),
            name: self.handle.name().map(String::from),
            timestamp: spark_instant(micros(started).div_euclid(MICROS_PER_MILLI)),
            batch_id: report.id,
            batch_duration: millis(elapsed),
            num_input_rows: rows,
            input_rows_per_second,
            processed_rows_per_second,
            duration_ms,
            event_time: event_time_progress(report),
            state_operators: report.state.iter().map(state_progress).collect(),
            sources,
            sink: SinkProgress { description: self.sink.description(), num_output_rows: self.sink.rows_written() },
        };
        self.emit(&QueryEvent::Progress(&progress));
        self.handle.add_progress(progress);
    }
}

impl OpenInput {
    fn progress(&mut self, rates: impl Fn(u64) -> (f64, f64)) -> SourceProgress {
        let rows = core::mem::take(&mut self.rows);
        // An epoch without new rows stays where the one before it ended.
        let (start_offset, end_offset) = match self.plan.take() {
            Some(plan) => (plan.start, plan.end),
            None => (self.offset.clone(), self.offset.clone()),
        };
        self.offset.clone_from(&end_offset);
        let (input_rows_per_second, processed_rows_per_second) = rates(rows);
        SourceProgress {
            description: self.source.description(),
            start_offset,
            end_offset,
            latest_offset: serde_json::Value::Null,
            num_input_rows: rows,
            input_rows_per_second,
            processed_rows_per_second,
            metrics: self.source.dropped().into_iter().map(|(reason, n)| (reason, n.to_string())).collect(),
        }
    }
}

fn event_time_progress(report: &EpochReport) -> EventTimeProgress {
    let stats = report.event_times.as_ref();
    let instant = |us: i64| spark_instant(us.div_euclid(MICROS_PER_MILLI));
    EventTimeProgress {
        avg: stats.map(|s| spark_instant(s.mean_ms as i64)),
        max: stats.map(|s| instant(s.max_us)),
        min: stats.map(|s| instant(s.min_us)),
        watermark: report.watermark_ms.map(spark_instant),
    }
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
        custom_metrics: BTreeMap::new(),
    }
}

/// A query that outgrows what it may take fails alone.
fn check_memory(driver: &Driver, options: &QueryOptions) -> Result<()> {
    let Some(most) = options.memory_bytes_max else { return Ok(()) };
    let held = driver.memory_bytes();
    if held <= most {
        return Ok(());
    }
    Err(Error::limit(format!("the query's state takes {held} bytes, and may take {most}"))
        .hint("give it more with --memory, group by fewer keys, or let a watermark close windows earlier"))
}

/// A reader that has gone away is no failure.
fn quiet(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_stopped() => Ok(()),
        other => other,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().map(String::from);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Error::internal(format!("the query met a defect of the engine: {text}"))
}

fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}
