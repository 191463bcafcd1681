//! From a plan to something that runs: checked for its output mode, rewritten, its tables opened.

use std::sync::Arc;

use firesteel_core::{
    Result,
    exec::{Driver, DriverOptions, ScanPort},
    plan::{LogicalPlan, OutputMode, check, rewrite},
};

use super::Session;
use crate::{
    engine::{CheckpointOptions, Execution, Input, OnWarning, QueryOptions, StreamingQuery, Trigger},
    sink::Sink,
    source::{self, SourceContext},
};

impl Session {
    /// The driver of a plan; `mode` matters for streams. Opens nothing.
    pub(crate) fn driver(&self, plan: &LogicalPlan, mode: OutputMode) -> Result<Driver> {
        check(plan, mode)?;
        let conf = self.conf();
        let options = DriverOptions {
            mode: plan.is_streaming().then_some(mode),
            block_rows: conf.block_rows,
            policy: conf.policy,
            no_data_epochs: conf.no_data_epochs,
            max_future_us: conf.max_future.map(|ahead| i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX)),
            on_full: conf.on_full_state,
        };
        Driver::new(&rewrite(plan.clone()), options)
    }

    /// A query that is ready to run.
    pub(crate) fn execution<'s>(
        &self,
        plan: &LogicalPlan,
        mode: OutputMode,
        sink: Box<dyn Sink + 's>,
        options: QueryOptions,
    ) -> Result<Execution<'s>> {
        let driver = self.driver(plan, mode)?;
        let inputs = self.inputs(&driver, &options)?;
        let cores = if options.cores.is_empty() { self.default_cores() } else { options.cores };
        let conf = self.conf();
        let checkpoint = options.checkpoint.map(|c| CheckpointOptions { interval: conf.checkpoint_interval, ..c });
        let session = self.clone();
        let noted: OnWarning = Arc::new(move |text| session.warn([text.to_string()]));
        let on_warning = options.on_warning.or(Some(noted));
        Execution::new(driver, inputs, sink, QueryOptions { cores, wait: conf.wait, checkpoint, on_warning, ..options })
    }

    /// Runs a batch plan into a sink, on this thread.
    pub(crate) fn run_batch<'s>(&self, plan: &LogicalPlan, sink: Box<dyn Sink + 's>) -> Result<()> {
        self.run_batch_on(plan, &[], sink)
    }

    /// The same on these cores, this thread on the first.
    pub(crate) fn run_batch_on<'s>(&self, plan: &LogicalPlan, cores: &[usize], sink: Box<dyn Sink + 's>) -> Result<()> {
        let cores = cores.iter().copied().map(Some).collect();
        self.execution(plan, OutputMode::Append, sink, QueryOptions { cores, ..QueryOptions::default() })?.run_batch()
    }

    pub(crate) fn memory_tables(&self) -> crate::source::MemoryTables {
        self.shared.memory.tables.clone()
    }

    /// Starts a stream on a thread of its own; it is among the session's streams. Refused if its results could not be
    /// written: that is no trouble which comes and goes, but a mistake to be told at once.
    pub(crate) fn start_stream(
        &self,
        plan: &LogicalPlan,
        mode: OutputMode,
        sink: Box<dyn Sink>,
        options: QueryOptions,
    ) -> Result<StreamingQuery> {
        sink.check()?;
        self.start_stream_with(self, plan, mode, sink, options)
    }

    /// One that goes on where another has ended, with the settings of another session: it waits for its sink.
    pub(super) fn start_stream_with(
        &self,
        settings: &Session,
        plan: &LogicalPlan,
        mode: OutputMode,
        sink: Box<dyn Sink>,
        mut options: QueryOptions,
    ) -> Result<StreamingQuery> {
        self.streams().check_name(options.name.as_deref())?;
        options.listeners.extend(self.streams().listeners());
        let query = settings.execution(plan, mode, sink, options)?.spawn()?;
        self.streams().add(query.clone());
        Ok(query)
    }

    fn inputs(&self, driver: &Driver, options: &QueryOptions) -> Result<Vec<Input>> {
        let conf = self.conf();
        let (memory, meter) = (self.memory_tables(), options.meter.clone());
        let context = SourceContext { block_rows: conf.block_rows, memory, meter };
        let mut inputs = Vec::new();
        for ScanPort { port, scan } in driver.stages().into_iter().flat_map(|stage| stage.scans) {
            let reads = format!("{scan:?} in blocks of {}", conf.block_rows);
            let legacy = options.legacy.as_ref().filter(|_| scan.is_stream);
            let left = legacy.and_then(|legacy| legacy.take_source(&reads, options.checkpoint.is_some()));
            let is_inherited = left.is_some();
            let source = match left {
                Some(source) => source,
                None => {
                    self.warn(source::warnings(&scan.table));
                    source::open(&scan, &conf.settings, &context)?
                }
            };
            inputs.push(Input { port, is_stream: scan.is_stream, source, reads, is_inherited });
        }
        Ok(inputs)
    }

    /// Threads that are not pinned; none beyond the query's own by default.
    fn default_cores(&self) -> Vec<Option<usize>> {
        match self.conf().workers {
            1 => Vec::new(),
            workers => vec![None; workers],
        }
    }
}

/// The trigger of a stream that nobody gave one: a stream of files alone ends when they are read.
pub(crate) fn trigger_of(plan: &LogicalPlan, available_now: bool) -> Trigger {
    let mut streams = plan.scans().into_iter().filter(|scan| scan.is_stream);
    if available_now || streams.all(|scan| source::is_bounded(&scan.table)) {
        Trigger::AvailableNow
    } else {
        Trigger::AsFastAsPossible
    }
}
