//! A query being run: the loop that plans epochs, reads them through the driver into the sink and reports.

mod attendant;
mod remember;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use firesteel_core::{
    Error, Result,
    block::BlockRef,
    exec::{Driver, Stage},
    limits::ROWS_BETWEEN_MEMORY_CHECKS,
};

use self::attendant::SinkAttendant;
use super::{
    checkpointing::{CheckpointOptions, Checkpointing, OnWarning},
    handle::{Doing, StreamingQuery},
    legacy::LegacyOf,
    progress::{QueryEvent, QueryListener, RestartProgress},
    report::{Reporter, Watch, micros},
    trigger::Trigger,
    workers::Workers,
};
use crate::{
    ring::Wait,
    sink::{Patience, Sink},
    source::{Meter, Part, Reader, Source},
    sys,
};

/// Longest a query sleeps without looking whether it was asked to stop.
const STOP_POLL: Duration = Duration::from_millis(50);
/// How long a query with several live inputs waits on each in turn: Spark's polling delay.
const INPUT_POLL: Duration = Duration::from_millis(10);
/// Live rows that come so soon after others find nothing else begun: no report, no status.
const MOMENT: Duration = Duration::from_micros(20);
/// How long a query that spins looks for rows before it looks up.
const SPIN_POLL: Duration = Duration::from_millis(1);
/// After so many waits for nothing rows are not expected any moment, and spinning for them is a waste.
const HOPEFUL_WAITS: u32 = 3;
/// After so many it is worth sleeping longer than [`STOP_POLL`]: a second or two.
const PATIENT_WAITS: u32 = 30;
const PATIENT_POLL: Duration = Duration::from_millis(100);

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
    /// How it waits for rows of live tables.
    pub wait: Wait,
    /// Most bytes that the query's state may take; a query that needs more fails alone.
    pub memory_bytes_max: Option<u64>,
    /// Who is told.
    pub listeners: Vec<Arc<dyn QueryListener>>,
    /// Counts what is read, for progress bars.
    pub meter: Meter,
    /// Where a stream remembers, so that it can go on after a crash.
    pub checkpoint: Option<CheckpointOptions>,
    /// Takes what a user should know and nobody waits for.
    pub on_warning: Option<OnWarning>,
    /// What the query leaves to another run of it in this process, and goes on from.
    pub legacy: Option<LegacyOf>,
    /// Of the query, before this run.
    pub restarts: Option<RestartProgress>,
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
    /// What it reads, in words: all there is to it.
    pub reads: String,
    /// It was open already, and stands where it should.
    pub is_inherited: bool,
}

#[derive(Debug)]
pub(super) struct OpenInput {
    port: usize,
    pub(super) is_stream: bool,
    pub(super) source: Box<dyn Source>,
    reads: String,
    reader: Box<dyn Reader>,
    /// Rows read since the last report.
    pub(super) rows: u64,
    /// Rows read before that.
    pub(super) rows_reported: u64,
    /// Rows that the epoch at hand has read. If it fails they are none.
    rows_of_epoch: u64,
    /// What the epoch reads.
    parts: Vec<Part>,
    /// The offset behind the last report.
    pub(super) offset: serde_json::Value,
    /// The last epoch read what was there at the time, rather than what was planned for it.
    is_live: bool,
}

/// A query with everything it needs, ready to run on the calling thread. Its sink may borrow from the caller, unless
/// the query gets a thread of its own.
#[derive(Debug)]
pub struct Execution<'s> {
    // Properties.
    options: Arc<QueryOptions>,
    handle: StreamingQuery,
    stages: Arc<[Stage]>,
    // The parts.
    driver: Driver,
    inputs: Vec<OpenInput>,
    sink: Box<dyn Sink + 's>,
    workers: Workers,
    checkpointing: Option<Checkpointing>,
    // State.
    /// What a stage reads: input and part; kept from epoch to epoch.
    parts: Vec<(usize, Part)>,
    static_prints: Option<Vec<u64>>,
    reporter: Reporter,
    /// Waits since rows last came.
    idle_waits: u32,
    is_batch: bool,
    /// A table has an `idleTimeout`.
    may_idle: bool,
    /// Rows were too far ahead of the clock.
    has_rows_ahead: bool,
    /// Rows of new keys were not taken.
    has_been_full: bool,
}

impl Execution<'static> {
    /// Runs on a thread of its own.
    pub fn spawn(self) -> Result<StreamingQuery> {
        let handle = self.handle();
        let name = self.handle.name().map_or_else(|| "firesteel-query".into(), |name| format!("firesteel-{name}"));
        sys::scarce::spawn(name, "for the query", move || {
            // The handle has the outcome.
            let _ = self.run_stream();
        })?;
        Ok(handle)
    }
}

impl<'s> Execution<'s> {
    /// Opens a reader for each input; `inputs` are all the tables of the driver's stages. With checkpoints the query
    /// goes on from the newest.
    pub fn new(
        mut driver: Driver,
        mut inputs: Vec<Input>,
        mut sink: Box<dyn Sink + 's>,
        options: QueryOptions,
    ) -> Result<Self> {
        driver.bound_memory(options.memory_bytes_max);
        let (handle, checkpointing) = remember::resume(&mut driver, &mut inputs, &mut *sink, &options)?;
        let mut open = Vec::new();
        for Input { port, is_stream, mut source, reads, .. } in inputs {
            if options.trigger == Trigger::AvailableNow || !is_stream {
                source.freeze()?;
            }
            let reader = source.reader()?;
            open.push(OpenInput {
                port,
                is_stream,
                source,
                reads,
                reader,
                rows: 0,
                rows_reported: 0,
                rows_of_epoch: 0,
                parts: Vec::new(),
                offset: serde_json::Value::Null,
                is_live: false,
            });
        }
        let goes_on = options.trigger != Trigger::AvailableNow && open.iter().any(|input| input.is_stream);
        let options = Arc::new(options);
        sink.attend(Patience::new(Arc::new(SinkAttendant::new(&handle, &options)), goes_on));
        let workers = Workers::start(&driver, &options, &handle, || {
            open.iter_mut().map(|input| Ok((input.port, input.source.reader()?))).collect()
        })?;
        let stages = driver.stages().into();
        let may_idle = open.iter().any(|input| input.source.is_idle().is_some());
        let reporter = Reporter::new(!options.listeners.is_empty(), !workers.is_empty(), options.restarts.clone());
        Ok(Self {
            options,
            handle,
            stages,
            driver,
            inputs: open,
            sink,
            workers,
            checkpointing,
            parts: Vec::new(),
            static_prints: None,
            reporter,
            idle_waits: 0,
            is_batch: false,
            may_idle,
            has_rows_ahead: false,
            has_been_full: false,
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
        let reported = self.report_pending(None);
        // Whatever happens, the handle must hear that the query has ended.
        let end = std::panic::AssertUnwindSafe(|| self.remember_end(result.is_ok()));
        let remembered = std::panic::catch_unwind(end).unwrap_or_else(|panic| Err(panicked(&panic)));
        let finished = self.sink.finish();
        if result.is_ok() {
            self.leave();
        }
        let result = quiet(result.and(reported).and(remembered).and(finished));
        let (handle, error) = (self.handle(), result.as_ref().err());
        self.emit(&QueryEvent::Terminated { id: handle.id(), run_id: handle.run_id(), error });
        // Whoever hears of the end may start the query again: nothing may be held by then.
        drop(self);
        handle.end(result.as_ref().err().cloned());
        result
    }

    fn run_batch_epoch(&mut self) -> Result<()> {
        self.sink.begin(0)?;
        self.driver.begin_epoch(micros(SystemTime::now()));
        for stage in self.stages.clone().iter() {
            self.run_stage(stage, true)?;
        }
        self.driver.end_epoch();
        self.sink.commit(0)
    }

    fn run_epochs(&mut self) -> Result<()> {
        self.remember_start()?;
        while !self.handle.is_stop_requested() {
            let started = SystemTime::now();
            let mut watch = self.reporter.watch(started);
            let has_data = self.plan_inputs()?;
            self.note_idle();
            if let Some(watch) = &mut watch {
                watch.planned = watch.elapsed();
            }
            if has_data || self.driver.wants_empty_epoch() {
                self.run_epoch(started, watch, false)?;
                self.remember()?;
                self.wait_for_trigger(started)?;
                continue;
            }
            if self.is_exhausted() {
                return self.run_final_epoch();
            }
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
            self.run_epoch(SystemTime::now(), None, true)?;
        }
        Ok(())
    }

    /// Fixes what the next epoch reads; true if there is anything.
    fn plan_inputs(&mut self) -> Result<bool> {
        let mut has_data = false;
        for input in self.inputs.iter_mut().filter(|i| i.is_stream) {
            input.parts.clear();
            if input.source.plan(&mut input.parts)? {
                input.is_live = input.parts.iter().all(Part::is_live);
                self.options.meter.plan(&input.parts);
                has_data = true;
            }
            if let Some(warn) = &self.options.on_warning {
                input.source.warnings().iter().for_each(|text| warn(text));
            }
        }
        Ok(has_data)
    }

    /// Tables that have been idle for as long as they say hold no watermark back.
    fn note_idle(&mut self) {
        if self.may_idle {
            let idle = |input: &&OpenInput| input.source.is_idle() == Some(true);
            let ports: Vec<usize> = self.inputs.iter().filter(idle).map(|input| input.port).collect();
            self.driver.set_idle(&|port| ports.contains(&port));
        }
    }

    fn run_epoch(&mut self, started: SystemTime, mut watch: Option<Watch>, is_final: bool) -> Result<()> {
        self.handle.set_doing(Doing::Processing);
        self.idle_waits = 0;
        if is_final {
            self.driver.begin_final_epoch(micros(started));
        } else {
            self.driver.begin_epoch(micros(started));
        }
        let id = self.driver.next_epoch_id();
        self.sink.begin(id)?;
        let statics_changed = self.statics_changed()?;
        for stage in self.stages.clone().iter() {
            if !stage.is_static || statics_changed {
                self.run_stage(stage, stage.is_static)?;
            }
        }
        let report = self.driver.end_epoch();
        if report.rows_ahead > 0 {
            self.note_rows_ahead(report.rows_ahead);
        }
        if let Some(watch) = &mut watch {
            watch.added = watch.elapsed();
        }
        self.sink.commit(id)?;
        for input in self.inputs.iter_mut().filter(|i| i.is_stream) {
            input.source.commit()?;
            input.rows += std::mem::take(&mut input.rows_of_epoch);
        }
        if let Some(checkpointing) = &mut self.checkpointing {
            checkpointing.note_epoch();
        }
        self.reporter.add(report, started, self.driver.state_metrics(), self.sink.rows_written());
        if watch.is_some() || is_final {
            self.report_pending(watch)?;
        }
        Ok(())
    }

    #[cold]
    fn note_rows_ahead(&mut self, rows: u64) {
        if !std::mem::replace(&mut self.has_rows_ahead, true)
            && let Some(warn) = &self.options.on_warning
        {
            warn(&format!(
                "{rows} row(s) lie further ahead of this machine's clock than firesteel.maxFutureTime: they and later \
                 ones are dropped, and counted as numRowsAhead"
            ));
        }
    }

    #[cold]
    fn note_full(&mut self) {
        if !std::mem::replace(&mut self.has_been_full, true)
            && let Some(warn) = &self.options.on_warning
        {
            warn(
                "the query's state takes all that --memory gives it: rows of new keys are dropped, and counted as \
                 numRowsStateFull, until groups close; those of keys that are there go on",
            );
        }
    }

    /// Static tables are read again when they have changed.
    fn statics_changed(&mut self) -> Result<bool> {
        let prints = self.inputs.iter_mut().filter(|i| !i.is_stream).map(|i| i.source.fingerprint());
        let prints: Vec<u64> = prints.collect::<Result<_>>()?;
        // A comparison of nothing with nothing is a call all the same, and most queries have no such tables.
        let changed =
            self.static_prints.is_none() || (!prints.is_empty() && self.static_prints.as_ref() != Some(&prints));
        self.static_prints = Some(prints);
        Ok(changed)
    }

    /// Reads the stage's tables (whole if they are static) and lets its operators finish.
    fn run_stage(&mut self, stage: &Stage, whole: bool) -> Result<()> {
        self.driver.begin_stage(stage.stage);
        let mut parts = std::mem::take(&mut self.parts);
        for scan in &stage.scans {
            let index = self.input_of(scan.port)?;
            let input = &mut self.inputs[index];
            if whole {
                input.parts.clear();
                input.source.freeze()?;
                while input.source.plan(&mut input.parts)? {
                    input.source.commit()?;
                }
                self.options.meter.plan(&input.parts);
            }
            parts.extend(input.parts.drain(..).map(|part| (index, part)));
        }
        let is_shared = stage.stage == 0 && !self.workers.is_empty();
        if is_shared {
            self.workers.begin(&self.driver, &mut parts, self.is_batch)?;
        }
        let read = parts.iter().try_for_each(|(index, part)| self.read_part(*index, part));
        parts.clear();
        self.parts = parts;
        if is_shared {
            let inputs = &mut self.inputs;
            let joined = self.workers.end(&mut self.driver, |input, rows| inputs[input].rows_of_epoch += rows);
            read.and(joined)?;
        } else if let Err(error) = read
            && (!error.is_stopped() || self.driver.wants_more() || !self.is_batch)
        {
            return Err(error);
        }
        check_memory(&mut self.driver, &self.workers, &self.options)?;
        if self.driver.is_full() {
            self.note_full();
        }
        let sink = &mut self.sink;
        self.driver.finish_stage(stage.stage, &mut |block: &BlockRef<'_>| sink.write(block))
    }

    fn read_part(&mut self, index: usize, part: &Part) -> Result<()> {
        let (driver, sink, options, workers) = (&mut self.driver, &mut self.sink, &self.options, &self.workers);
        let mut unchecked = 0;
        let (handle, is_batch) = (&self.handle, self.is_batch);
        let input = &mut self.inputs[index];
        let port = input.port;
        let rows = input.reader.read(part, &mut |block| {
            driver.push(port, block, &mut |out: &BlockRef<'_>| sink.write(out))?;
            unchecked += block.len();
            if unchecked >= ROWS_BETWEEN_MEMORY_CHECKS {
                options.meter.add_rows(std::mem::take(&mut unchecked) as u64);
                check_memory(driver, workers, options)?;
                handle.beat();
                if handle.is_stop_overdue() {
                    return Err(Error::stopped());
                }
            }
            if is_batch && handle.is_stop_requested() {
                return Err(Error::stopped());
            }
            // A LIMIT that is full ends the reading of a batch; `run_stage` knows the difference to a closed pipe.
            if driver.wants_more() || !is_batch { Ok(()) } else { Err(Error::stopped()) }
        })?;
        options.meter.add_rows(unchecked as u64);
        input.rows_of_epoch += rows;
        Ok(())
    }

    fn input_of(&self, port: usize) -> Result<usize> {
        let index = self.inputs.iter().position(|i| i.port == port);
        index.ok_or_else(|| Error::internal(format!("no table was opened for port {port}")))
    }

    /// Waits for rows: a moment for those that come at once, then, with the books closed, as long as it takes.
    fn wait_for_data(&mut self) -> Result<()> {
        self.idle_waits = self.idle_waits.saturating_add(1);
        let how = self.options.wait;
        if self.idle_waits == 1 && how != Wait::Sleep && self.inputs.iter().any(|i| i.is_live) {
            return self.wait_for_inputs(MOMENT, Wait::Spin);
        }
        self.report_pending(None)?;
        self.remember()?;
        self.handle.set_doing(Doing::WaitingForRows);
        self.handle.note_idle();
        let (timeout, how) = match (how, self.idle_waits) {
            (Wait::Spin, _) => (SPIN_POLL, how),
            (_, waits) if waits > PATIENT_WAITS => (PATIENT_POLL, Wait::Sleep),
            (_, waits) if waits > HOPEFUL_WAITS => (STOP_POLL, Wait::Sleep),
            _ => (STOP_POLL, how),
        };
        self.wait_for_inputs(timeout, how)
    }

    /// Waits for rows of any input that may still have some. Several are waited for in turn: shortly, each.
    fn wait_for_inputs(&mut self, timeout: Duration, how: Wait) -> Result<()> {
        let is_open = |input: &&mut OpenInput| input.is_stream && !input.source.is_exhausted();
        let timeout = match (self.inputs.iter().filter(|i| i.is_stream).count(), how) {
            (1, _) => timeout,
            (_, Wait::Spin) => Duration::ZERO,
            _ => timeout.min(INPUT_POLL),
        };
        self.inputs.iter_mut().filter(is_open).try_for_each(|input| input.source.wait(timeout, how))
    }

    /// Checkpoints are seen to meanwhile: what one remembers is shown when it is durable, not an epoch later.
    fn wait_for_trigger(&mut self, started: SystemTime) -> Result<()> {
        // Live rows can wait a little where many small epochs would do harm; epochs of files are what they are.
        let is_live = self.options.trigger == Trigger::AsFastAsPossible && self.inputs.iter().any(|i| i.is_live);
        let rest = if is_live { self.sink.rest() } else { Duration::ZERO };
        if rest.is_zero() && !matches!(self.options.trigger, Trigger::ProcessingTime(_)) {
            return Ok(());
        }
        let deadline = Instant::now() + rest.max(self.options.trigger.delay(started, SystemTime::now()));
        while !self.handle.is_stop_requested() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || (is_live && self.is_exhausted()) {
                break;
            }
            self.handle.set_doing(Doing::WaitingForTrigger);
            std::thread::sleep(left.min(STOP_POLL));
            self.remember()?;
        }
        Ok(())
    }

    fn pin(&self) {
        if let Some(Some(core)) = self.options.cores.first() {
            sys::pin_to_core(*core);
        }
    }

    /// Tells what the epochs since the last report did, if there were any.
    fn report_pending(&mut self, watch: Option<Watch>) -> Result<()> {
        if self.reporter.is_pending() {
            if !self.workers.is_empty() {
                self.workers.gather(&mut self.driver)?;
                self.reporter.recount(self.driver.state_metrics());
            }
            let checkpoints = self.checkpointing.as_ref().map(Checkpointing::progress);
            let progress = self.reporter.report(&self.handle, &mut self.inputs, &*self.sink, checkpoints, watch);
            self.emit(&QueryEvent::Progress(&progress));
            self.handle.add_progress(progress);
        }
        Ok(())
    }

    fn emit(&self, event: &QueryEvent<'_>) {
        self.options.listeners.iter().for_each(|listener| listener.on_event(event));
    }
}

/// A query that outgrows what it may take fails alone.
fn check_memory(driver: &mut Driver, workers: &Workers, options: &QueryOptions) -> Result<()> {
    options.memory_bytes_max.map_or(Ok(()), |most| driver.check_memory(workers.memory_bytes(), most))
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
