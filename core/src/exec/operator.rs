//! The contract of an operator, and what travels beside the rows.

use alloc::{boxed::Box, vec::Vec};
use core::{any::Any, fmt};

use crate::{block::BlockRef, error::Result, expr::EvalContext, plan::OutputMode, watermark::EventTimeStats};

/// What an operator knows of the epoch it works in.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// Its number, Spark's batch id.
    pub id: u64,
    /// What a trigger hands out; `None` for a batch query, which hands out everything once.
    pub mode: Option<OutputMode>,
    /// Which rows are late and which groups close.
    pub lateness: Lateness,
    /// What expressions may ask for.
    pub eval: EvalContext,
    /// Rows with a later event time do not pass a `WATERMARK` clause; `i64::MAX`: all do.
    pub latest_us: i64,
}

/// Two watermarks in microseconds: rows at or below `late_us` are dropped; groups at or below `evict_us` close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// The watermark that the previous epoch evicted with.
    pub late_us: i64,
    /// The watermark at the start of this epoch.
    pub evict_us: i64,
}

impl Epoch {
    /// Whether rows can be late and groups close: not in batch, and not in complete mode, which keeps everything.
    pub fn has_lateness(&self) -> bool {
        matches!(self.mode, Some(OutputMode::Append | OutputMode::Update))
    }

    /// The epoch as an operator sees it whose rows may be so far behind the watermark.
    pub(super) fn behind(&self, lag_us: i64) -> Self {
        let Lateness { late_us, evict_us } = self.lateness;
        // At the end of a stream everything closes, however far behind.
        let evict_us = if evict_us == i64::MAX { evict_us } else { evict_us.saturating_sub(lag_us) };
        Self { lateness: Lateness { late_us: late_us.saturating_sub(lag_us), evict_us }, ..*self }
    }
}

/// Where an operator's rows go: the next operator, or the sink.
pub trait Output {
    /// Takes a block. It is only borrowed: whoever needs it longer copies it.
    fn push(&mut self, block: &BlockRef<'_>) -> Result<()>;
}

impl<F: FnMut(&BlockRef<'_>) -> Result<()>> Output for F {
    fn push(&mut self, block: &BlockRef<'_>) -> Result<()> {
        self(block)
    }
}

/// An operator. The driver calls `process` for every block of an epoch, then `finish` once, operators in the order
/// of the data's way; both may push blocks on.
pub(crate) trait Operator: Send {
    /// A block arrived on input `port` (0, or 1 for the right side of a join).
    fn process(&mut self, port: usize, block: &BlockRef<'_>, epoch: &Epoch, out: &mut dyn Output) -> Result<()>;

    /// All blocks of the epoch have arrived, on all ports.
    fn finish(&mut self, _epoch: &Epoch, _out: &mut dyn Output) -> Result<()> {
        Ok(())
    }

    /// False if no further row can change the result (a LIMIT that is full).
    fn wants_more(&self) -> bool {
        true
    }

    /// State held and what became of it in the epoch that has just finished; `None` for stateless operators.
    fn state_metrics(&self) -> Option<StateMetrics> {
        None
    }

    /// Bytes that it holds beyond a block or two.
    fn memory_bytes(&self) -> u64 {
        self.state_metrics().map_or(0, |metrics| metrics.memory_bytes)
    }

    /// Groups that it holds, if it can go on without new ones.
    fn group_count(&self) -> Option<usize> {
        None
    }

    /// From now on rows of groups beyond so many are dropped and counted.
    fn limit_groups(&mut self, _most: usize) {}

    /// Takes the event-time statistics of the epoch that has just finished.
    fn take_event_times(&mut self) -> Option<EventTimeStats> {
        None
    }

    /// Takes over state of the same operator of another worker: what this epoch hands out; without an epoch, all.
    fn absorb(&mut self, _other: &mut dyn Operator, _epoch: Option<&Epoch>) -> Result<()> {
        Ok(())
    }

    /// Appends, between epochs, the state that later epochs need; nothing for operators without any.
    fn save(&self, _out: &mut Vec<u8>) {}

    /// Reads what [`Operator::save`] wrote into this new operator and advances `bytes` past it. The bytes may be
    /// corrupt: an error, never a panic.
    fn load(&mut self, _bytes: &mut &[u8]) -> Result<()> {
        Ok(())
    }

    /// For `absorb`, which needs the concrete type.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl fmt::Debug for dyn Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operator")
    }
}

/// Numbers about a stateful operator, named as in Spark's progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateMetrics {
    /// Spark's name of the operator, e.g. `stateStoreSave`.
    pub operator_name: &'static str,
    /// Groups (or rows) held at the end of the epoch.
    pub rows_total: u64,
    /// Touched in the epoch.
    pub rows_updated: u64,
    /// Evicted in the epoch.
    pub rows_removed: u64,
    /// Dropped as late in the epoch; for aggregations distinct late groups, as Spark counts after its partial
    /// aggregation.
    pub rows_dropped_by_watermark: u64,
    /// Rows that the epoch dropped as late, each one.
    pub rows_late: u64,
    /// Rows that belong to no window because their event time is NULL, or to no session because its gap is.
    pub rows_untimed: u64,
    /// Rows of new groups that there was no room for.
    pub rows_without_room: u64,
    /// Bytes held.
    pub memory_bytes: u64,
}

/// Operators are handled boxed.
pub(crate) type BoxedOperator = Box<dyn Operator>;
