//! The driver: moves epochs through a pipeline and the watermark after them. Whoever owns it brings blocks, time and
//! the decision when an epoch ends; the driver never waits and never asks.
//!
//! ```text
//!   begin_epoch ─► for each stage { begin_stage, push*, finish_stage } ─► end_epoch ─► report
//! ```

use alloc::vec::Vec;

use super::{
    full::{Fullness, OnFullState},
    operator::{Epoch, Lateness, Output, StateMetrics},
    pipeline::{Leaf, Pipeline, check_memory},
};
use crate::{
    block::BlockRef,
    codec::{self, Scalar},
    error::{Error, Result},
    expr::EvalContext,
    limits::{BLOCK_ROWS, BLOCK_ROWS_MAX, BLOCK_ROWS_MIN, CLOCK_SET_US},
    plan::{Aggregate, LogicalPlan, OutputMode, Scan},
    time::MICROS_PER_MILLI,
    watermark::{EventTimeStats, WatermarkPolicy, WatermarkTracker},
};

/// Of saved queries.
const VERSION: u8 = 1;

/// How a query runs.
#[derive(Clone, Copy, Debug)]
pub struct DriverOptions {
    /// What triggers hand out; `None` runs the plan as a batch query.
    pub mode: Option<OutputMode>,
    /// Rows in the blocks that operators make.
    pub block_rows: usize,
    /// How several watermarks become one.
    pub policy: WatermarkPolicy,
    /// Whether an epoch without data may run to emit what the watermark has closed.
    pub no_data_epochs: bool,
    /// How far ahead of the clock event times may lie; one row further ahead would move the watermark past all others.
    pub max_future_us: Option<i64>,
    /// What becomes of new groups when the state takes what it may.
    pub on_full: OnFullState,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            mode: None,
            block_rows: BLOCK_ROWS,
            policy: WatermarkPolicy::Min,
            no_data_epochs: true,
            max_future_us: None,
            on_full: OnFullState::Fail,
        }
    }
}

/// A table that the engine must read into the driver.
#[derive(Clone, Debug)]
pub struct ScanPort {
    /// Which port its blocks are pushed into.
    pub port: usize,
    /// The table and the columns needed.
    pub scan: Scan,
}

/// A part of the query that must be complete before the next.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its number, for `begin_stage` and `finish_stage`.
    pub stage: usize,
    /// The tables it reads.
    pub scans: Vec<ScanPort>,
    /// It reads no stream: in a streaming query its result holds until those tables change.
    pub is_static: bool,
}

/// What became of an epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct EpochReport {
    /// Its number.
    pub id: u64,
    /// The watermark it ran with, milliseconds; `None` without a `WATERMARK` clause.
    pub watermark_ms: Option<i64>,
    /// Event times seen, if rows passed a `WATERMARK` clause.
    pub event_times: Option<EventTimeStats>,
    /// Rows that did not pass one because their event time lies too far ahead of the clock.
    pub rows_ahead: u64,
}

/// A query in execution.
#[derive(Debug)]
pub struct Driver {
    options: DriverOptions,
    pipeline: Pipeline,
    tracker: WatermarkTracker,
    fullness: Fullness,
    epoch: Epoch,
    /// The part of the plan that workers may run on their own, and its first node. None does if new groups may have to
    /// be dropped: only where all groups are is it known which are new.
    partial: Option<(LogicalPlan, usize)>,
    next_id: u64,
    next_late_us: i64,
}

impl Driver {
    /// Makes a plan ready to run. The plan has been checked and rewritten.
    pub fn new(plan: &LogicalPlan, options: DriverOptions) -> Result<Self> {
        let block_rows = options.block_rows.clamp(BLOCK_ROWS_MIN, BLOCK_ROWS_MAX);
        let mut pipeline = Pipeline::new(plan, block_rows)?;
        let drops_groups = options.on_full == OnFullState::DropNewKeys && options.mode.is_some();
        if drops_groups {
            Fullness::start(&mut pipeline);
        }
        let tracker = WatermarkTracker::new(options.policy, pipeline.watermark_delays.iter().copied());
        let lateness = Lateness { late_us: 0, evict_us: 0 };
        Ok(Self {
            options: DriverOptions { block_rows, ..options },
            pipeline,
            tracker,
            fullness: Fullness::default(),
            epoch: Epoch { id: 0, mode: options.mode, lateness, eval: EvalContext::default(), latest_us: i64::MAX },
            partial: if drops_groups { None } else { partial_plan(plan, 0) },
            next_id: 0,
            next_late_us: 0,
        })
    }

    /// The stages in the order in which they must run.
    pub fn stages(&self) -> Vec<Stage> {
        let stages = self.pipeline.stages.iter().enumerate().rev();
        let all = stages.map(|(stage, info)| Stage { stage, scans: self.scans(stage), is_static: info.is_static });
        all.collect()
    }

    /// Starts the next epoch at this wall-clock time.
    pub fn begin_epoch(&mut self, now_us: i64) {
        let evict_us = self.tracker.watermark_ms().saturating_mul(MICROS_PER_MILLI);
        self.epoch = Epoch {
            id: self.next_id,
            mode: self.options.mode,
            lateness: Lateness { late_us: self.next_late_us, evict_us },
            eval: EvalContext { now_us },
            latest_us: self.latest_us(now_us),
        };
    }

    /// A clock that was never set says nothing about rows.
    fn latest_us(&self, now_us: i64) -> i64 {
        let ahead = self.options.max_future_us.filter(|_| now_us >= CLOCK_SET_US && self.options.mode.is_some());
        ahead.map_or(i64::MAX, |ahead| now_us.saturating_add(ahead))
    }

    /// Starts the last epoch of a stream whose input has truly ended: the watermark is at the end of time, so that
    /// every group closes. Nothing may follow.
    pub fn begin_final_epoch(&mut self, now_us: i64) {
        self.begin_epoch(now_us);
        self.epoch.lateness.evict_us = i64::MAX;
    }

    /// Starts a stage: what an earlier run of it left is forgotten.
    pub fn begin_stage(&mut self, stage: usize) {
        self.pipeline.begin_stage(stage);
    }

    /// Takes a block of a table.
    pub fn push(&mut self, port: usize, block: &BlockRef<'_>, sink: &mut dyn Output) -> Result<()> {
        let epoch = self.epoch_of(self.pipeline.ports[port].stage);
        self.pipeline.push(port, block, &epoch, sink)
    }

    /// All blocks of the stage's tables have been pushed.
    pub fn finish_stage(&mut self, stage: usize, sink: &mut dyn Output) -> Result<()> {
        let epoch = self.epoch_of(stage);
        self.pipeline.finish_stage(stage, &epoch, sink)
    }

    /// Ends the epoch and moves the watermark.
    pub fn end_epoch(&mut self) -> EpochReport {
        let mut event_times = EventTimeStats::default();
        for (clause, &node) in self.pipeline.watermark_nodes.iter().enumerate() {
            if let Some(stats) = self.pipeline.nodes[node].operator.take_event_times() {
                self.tracker.observe(clause, &stats);
                event_times.merge(&stats);
            }
        }
        let used_ms = self.tracker.watermark_ms();
        self.tracker.advance();
        self.next_late_us = self.epoch.lateness.evict_us;
        self.next_id = self.epoch.id + 1;
        EpochReport {
            id: self.epoch.id,
            watermark_ms: self.tracker.is_defined().then_some(used_ms),
            event_times: (event_times.count > 0).then_some(event_times),
            rows_ahead: event_times.ahead,
        }
    }

    /// What the stateful operators of a stream did in the epoch that ended last, topmost first.
    pub fn state_metrics(&self) -> impl Iterator<Item = StateMetrics> {
        let nodes = self.options.mode.map_or(&[][..], |_| &self.pipeline.nodes);
        // What aggregates a table that is no stream starts anew each epoch.
        let of_streams = nodes.iter().filter(|n| !self.pipeline.stages[n.stage].is_static);
        of_streams.filter_map(|n| n.operator.state_metrics())
    }

    /// Between epochs: tells of each port whether its table has had no row for so long that others need not wait for
    /// it. A `WATERMARK` clause is idle if all ports of streams below it are.
    pub fn set_idle(&mut self, is_idle: &dyn Fn(usize) -> bool) {
        for (clause, ports) in self.pipeline.watermark_ports.iter().enumerate() {
            let is_live = |port: usize| match &self.pipeline.ports[port].leaf {
                Leaf::Table(scan) => scan.is_stream && !is_idle(port),
                _ => false,
            };
            self.tracker.set_idle(clause, !ports.clone().any(is_live));
        }
        self.tracker.advance();
    }

    /// Whether an epoch without data would emit or evict something: the watermark has moved past what the last epoch
    /// used, and there is an operator that closes groups.
    pub fn wants_empty_epoch(&self) -> bool {
        let moved = self.tracker.watermark_ms().saturating_mul(MICROS_PER_MILLI) > self.epoch.lateness.evict_us;
        let closes = self.pipeline.nodes.iter().any(|n| n.closes_groups);
        self.options.no_data_epochs && self.epoch.has_lateness() && self.next_id > 0 && moved && closes
    }

    /// False if no further row can change the result: a batch may stop reading.
    pub fn wants_more(&self) -> bool {
        self.pipeline.nodes.iter().all(|n| n.operator.wants_more())
    }

    /// Most bytes of state that the query may hold while it makes rows by itself; whoever pushes rows looks at
    /// [`Driver::memory_bytes`].
    pub fn bound_memory(&mut self, most: Option<u64>) {
        self.pipeline.memory_bytes_max = most;
    }

    /// Looks at the memory that the query's state takes, `others` beside this driver's. An error, or new groups are
    /// dropped from now on, if it is more than this.
    pub fn check_memory(&mut self, others: u64, most: u64) -> Result<()> {
        match (self.options.on_full, self.options.mode) {
            (OnFullState::DropNewKeys, Some(_)) => self.fullness.check(&mut self.pipeline, others, most),
            _ => check_memory(self.memory_bytes() + others, Some(most)),
        }
    }

    /// Whether the state takes all that it may, so that new groups are dropped.
    pub fn is_full(&self) -> bool {
        self.fullness.is_full()
    }

    /// What triggers hand out; `None` for a batch query.
    pub fn mode(&self) -> Option<OutputMode> {
        self.options.mode
    }

    /// The number of the next epoch.
    pub fn next_epoch_id(&self) -> u64 {
        self.next_id
    }

    /// The watermark in milliseconds, if the query has one.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.tracker.is_defined().then(|| self.tracker.watermark_ms())
    }

    /// Bytes of state held by the query.
    pub fn memory_bytes(&self) -> u64 {
        self.pipeline.nodes.iter().map(|node| node.operator.memory_bytes()).sum()
    }

    /// What each operator with a state is, in words, topmost first: [`Driver::load`] takes what a driver of the same
    /// words has saved.
    pub fn remembered(&self) -> impl Iterator<Item = &str> {
        self.pipeline.nodes.iter().filter_map(|node| node.remembers.as_deref())
    }

    /// Appends, between epochs, what later epochs need to know of earlier ones. Whoever loads it has a driver that
    /// remembers the same ([`Driver::remembered`]).
    pub fn save(&self, out: &mut Vec<u8>) {
        VERSION.save(out);
        self.next_id.save(out);
        self.next_late_us.save(out);
        self.epoch.lateness.evict_us.save(out);
        self.tracker.save(out);
        let nodes = || self.pipeline.nodes.iter().filter(|node| node.remembers.is_some());
        codec::save_count(nodes().count(), out);
        let mut state = Vec::new();
        for node in nodes() {
            state.clear();
            node.operator.save(&mut state);
            codec::save_bytes(&state, out);
        }
    }

    /// Reads what [`Driver::save`] wrote into this driver, which is new and, after an error, of no use. The bytes may
    /// be corrupt: an error, never a panic.
    pub fn load(&mut self, mut bytes: &[u8]) -> Result<()> {
        let bytes = &mut bytes;
        codec::load_version(bytes, VERSION, "query")?;
        self.next_id = u64::load(bytes)?;
        self.next_late_us = i64::load(bytes)?;
        self.epoch.lateness.evict_us = i64::load(bytes)?;
        self.tracker.load(bytes)?;
        let (count, known) = (codec::load_count(bytes, 8)?, self.remembered().count());
        if count != known {
            return Err(Error::corrupt(alloc::format!("saved are {count} operators, not {known}")));
        }
        for node in self.pipeline.nodes.iter_mut().filter(|node| node.remembers.is_some()) {
            let mut state = codec::load_bytes(bytes)?;
            node.operator.load(&mut state)?;
            if !state.is_empty() {
                return Err(Error::corrupt(alloc::format!("{} bytes of saved state are left over", state.len())));
            }
        }
        match bytes.is_empty() {
            true => Ok(()),
            false => Err(Error::corrupt(alloc::format!("{} bytes of a saved query are left over", bytes.len()))),
        }
    }

    /// A driver for another worker, which runs everything up to and with the lowest aggregation on its share of the
    /// rows; `None` if the query cannot be shared out. Give it the same epochs, then [`Driver::absorb`] it.
    pub fn worker(&self) -> Result<Option<Driver>> {
        let Some((plan, _)) = &self.partial else { return Ok(None) };
        Driver::new(plan, self.options).map(Some)
    }

    /// Starts the same epoch as `main`'s.
    pub fn join_epoch(&mut self, main: &Driver) {
        self.epoch = main.epoch;
    }

    /// Takes over what this epoch hands out of what a worker has gathered, and what the worker saw of event time. The
    /// worker keeps the rest. Every worker must be absorbed before a stage finishes, whether it had rows or not.
    pub fn absorb(&mut self, worker: &mut Driver) -> Result<()> {
        self.take_over(worker, Some(self.epoch_of(0)))
    }

    /// Takes over all that a worker has gathered, between epochs: then [`Driver::state_metrics`] tells of everything.
    pub fn absorb_all(&mut self, worker: &mut Driver) -> Result<()> {
        self.take_over(worker, None)
    }

    fn take_over(&mut self, worker: &mut Driver, epoch: Option<Epoch>) -> Result<()> {
        let Some((_, first)) = self.partial else { panic!("this query has no workers") };
        let mut nodes = self.pipeline.nodes[first..].iter_mut().zip(&mut worker.pipeline.nodes);
        nodes.try_for_each(|(mine, theirs)| {
            let epoch = epoch.map(|epoch| epoch.behind(mine.lag_us));
            mine.operator.absorb(&mut *theirs.operator, epoch.as_ref())
        })
    }

    /// Static stages are batch queries inside a stream.
    fn epoch_of(&self, stage: usize) -> Epoch {
        let mode = if self.pipeline.stages[stage].is_static { None } else { self.epoch.mode };
        Epoch { mode, ..self.epoch }
    }

    fn scans(&self, stage: usize) -> Vec<ScanPort> {
        let ports = self.pipeline.ports.iter().enumerate().filter(|(_, p)| p.stage == stage);
        let tables = ports.filter_map(|(port, p)| match &p.leaf {
            Leaf::Table(scan) => Some(ScanPort { port, scan: scan.clone() }),
            _ => None,
        });
        tables.collect()
    }
}

/// The subplan that workers may run, if the query is a chain of one-input nodes down to an aggregation over nothing
/// stateful, and the index that its first node has in the pipeline.
fn partial_plan(plan: &LogicalPlan, nodes_above: usize) -> Option<(LogicalPlan, usize)> {
    match plan {
        LogicalPlan::Aggregate(Aggregate { input, .. }) if is_stateless(input) => Some((plan.clone(), nodes_above)),
        LogicalPlan::Alias { input, .. } => partial_plan(input, nodes_above),
        LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. } => partial_plan(input, nodes_above + 1),
        LogicalPlan::Aggregate(aggregate) => partial_plan(super::aggregate::input_of(aggregate), nodes_above + 1),
        _ => None,
    }
}

fn is_stateless(plan: &LogicalPlan) -> bool {
    let is_own = !matches!(
        plan,
        LogicalPlan::Aggregate(_)
            | LogicalPlan::Deduplicate(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Sort { .. }
            | LogicalPlan::Limit { .. }
            | LogicalPlan::Range { .. }
            | LogicalPlan::Values { .. }
    );
    is_own && plan.inputs().into_iter().all(is_stateless)
}
