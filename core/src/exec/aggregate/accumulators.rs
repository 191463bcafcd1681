//! The aggregate calls of one operator: their arguments evaluated, their accumulators by group id. Calls that ask for
//! parts of one summary share accumulators.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use core::ops::Range;

use crate::{
    agg::{self, Aggregate, Shared},
    block::{Bitmap, BitmapRef, BlockRef, Column, ColumnRef, Rows, Upcoming},
    error::Result,
    exec::operator::Epoch,
    expr::{BoundExpr, Evaluator},
    plan::AggregateExpr,
    state::Dropped,
};

/// All aggregate calls of an operator.
#[derive(Debug)]
pub(super) struct Accumulators {
    calls: Vec<Call>,
    /// For each aggregate call of the query who serves it, and as which part.
    served_by: Vec<(usize, usize)>,
    ignore_order: bool,
}

struct Call {
    args: Vec<Evaluator>,
    filter: Option<(Evaluator, Bitmap)>,
    make: Arc<dyn Fn() -> Box<dyn Aggregate> + Send + Sync>,
    groups: Box<dyn Aggregate>,
}

impl core::fmt::Debug for Call {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Call").field("groups", &self.groups).finish_non_exhaustive()
    }
}

impl Accumulators {
    pub(super) fn new(aggregates: &[AggregateExpr]) -> Self {
        // Calls behind a FILTER see other rows.
        let plain = aggregates.iter().enumerate().filter(|(_, a)| a.filter.is_none());
        let mut made: Vec<(Shared, Option<&BoundExpr>)> =
            agg::share(&plain.map(|(i, a)| (i, &a.call)).collect::<Vec<_>>()).into_iter().map(|s| (s, None)).collect();
        for (i, aggregate) in aggregates.iter().enumerate().filter(|(_, a)| a.filter.is_some()) {
            let shared = agg::share(&[(i, &aggregate.call)]);
            made.extend(shared.into_iter().map(|s| (s, aggregate.filter.as_ref())));
        }
        let mut served_by = vec![(0, 0); aggregates.len()];
        for (c, (shared, _)) in made.iter().enumerate() {
            shared.calls.iter().enumerate().for_each(|(part, &call)| served_by[call] = (c, part));
        }
        let ignore_order = aggregates.iter().all(|a| a.call.ignores_order());
        Self {
            calls: made.into_iter().map(|(shared, filter)| Call::new(shared, filter)).collect(),
            served_by,
            ignore_order,
        }
    }

    /// Whether no answer depends on the order of rows.
    pub(super) fn ignore_order(&self) -> bool {
        self.ignore_order
    }

    /// Empty accumulators of the same calls, for merging panes.
    pub(super) fn make_empty(&self) -> Vec<Box<dyn Aggregate>> {
        self.calls.iter().map(|call| (call.make)()).collect()
    }

    /// Whether all of them are flat: see [`Aggregate::is_flat`].
    pub(super) fn are_flat(&self) -> bool {
        self.calls.iter().all(|call| call.groups.is_flat())
    }

    pub(super) fn grow(&mut self, groups: usize) {
        self.calls.iter_mut().for_each(|call| call.groups.grow(groups));
    }

    /// Adds the counting rows of a block (narrowed to `selection`) to their groups.
    pub(super) fn update(
        &mut self,
        block: &BlockRef<'_>,
        selection: Option<BitmapRef<'_>>,
        groups: &[u32],
        epoch: &Epoch,
    ) -> Result<()> {
        let block = block.select(selection);
        self.calls.iter_mut().try_for_each(|call| call.update(&block, groups, epoch))
    }

    /// A column that [`Accumulators::update`] will read.
    pub(super) fn upcoming(&self, block: &BlockRef<'_>) -> Option<Upcoming> {
        let columns = self.calls.iter().flat_map(|call| &call.args).filter_map(Evaluator::first_column);
        columns.filter_map(|index| block.place(index)).next()
    }

    pub(super) fn reset(&mut self, groups: &[u32]) {
        self.calls.iter_mut().for_each(|call| call.groups.reset(groups));
    }

    /// Makes the groups of dropped panes empty.
    pub(super) fn reset_dropped(&mut self, dropped: &Dropped) {
        self.reset(&dropped.groups);
        for run in &dropped.runs {
            self.calls.iter_mut().for_each(|call| call.groups.reset_all(run.clone()));
        }
    }

    /// Appends the results of these groups, one column a call.
    pub(super) fn emit(&self, groups: &[u32], columns: &mut [Column]) -> Result<()> {
        let served = self.served_by.iter().zip(columns);
        served
            .into_iter()
            .try_for_each(|(&(call, part), column)| self.calls[call].groups.emit_part(part, groups, column))
    }

    /// As [`Accumulators::emit`], out of accumulators that [`Accumulators::make_empty`] made.
    pub(super) fn emit_from(
        &self,
        source: &[Box<dyn Aggregate>],
        groups: &[u32],
        columns: &mut [Column],
    ) -> Result<()> {
        let served = self.served_by.iter().zip(columns);
        served.into_iter().try_for_each(|(&(call, part), column)| source[call].emit_part(part, groups, column))
    }

    /// Appends the results of two that would have to be merged first, the second into the first: see
    /// [`Aggregate::emit_pair`].
    pub(super) fn emit_pair(
        &self,
        [first, second]: [&[Box<dyn Aggregate>]; 2],
        rows: &Rows<'_>,
        columns: &mut [Column],
    ) -> Result<()> {
        let served = self.served_by.iter().zip(columns);
        served
            .into_iter()
            .try_for_each(|(&(call, part), column)| first[call].emit_pair(part, &*second[call], rows, column))
    }

    /// Adds groups of another operator's accumulators.
    pub(super) fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) -> Result<()> {
        let pairs = self.calls.iter_mut().zip(&other.calls);
        pairs.into_iter().try_for_each(|(mine, theirs)| mine.groups.merge(&*theirs.groups, from, to))
    }

    /// Adds groups to accumulators that [`Accumulators::make_empty`] made.
    pub(super) fn merge_into(&self, target: &mut [Box<dyn Aggregate>], from: &[u32], to: &[u32]) -> Result<()> {
        let pairs = target.iter_mut().zip(&self.calls);
        pairs.into_iter().try_for_each(|(target, call)| target.merge(&*call.groups, from, to))
    }

    /// As [`Accumulators::merge_into`], for flat ones: these groups to as many, from the first on.
    pub(super) fn merge_all_into(&self, target: &mut [Box<dyn Aggregate>], from: Range<usize>) -> Result<()> {
        let pairs = target.iter_mut().zip(&self.calls);
        pairs.into_iter().try_for_each(|(target, call)| target.merge_all(0, &*call.groups, from.clone()))
    }

    /// Adds groups from accumulators that [`Accumulators::make_empty`] made.
    pub(super) fn merge_from(&mut self, source: &[Box<dyn Aggregate>], from: &[u32], to: &[u32]) -> Result<()> {
        let pairs = self.calls.iter_mut().zip(source);
        pairs.into_iter().try_for_each(|(call, source)| call.groups.merge(&**source, from, to))
    }

    pub(super) fn save(&self, groups: &[u32], out: &mut Vec<u8>) {
        self.calls.iter().for_each(|call| call.groups.save(groups, out));
    }

    /// Reads what was saved of as many groups into these, which are new.
    pub(super) fn load(&mut self, groups: &[u32], bytes: &mut &[u8]) -> Result<()> {
        self.calls.iter_mut().try_for_each(|call| call.groups.load(groups, bytes))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.calls.iter().map(|call| call.groups.memory_bytes()).sum()
    }
}

impl Call {
    fn new(shared: Shared, filter: Option<&BoundExpr>) -> Self {
        Self {
            args: shared.args.iter().map(Evaluator::new).collect(),
            filter: filter.map(|f| (Evaluator::new(f), Bitmap::new())),
            groups: (shared.make)(),
            make: shared.make,
        }
    }

    fn update(&mut self, block: &BlockRef<'_>, groups: &[u32], epoch: &Epoch) -> Result<()> {
        let selection = match &mut self.filter {
            None => block.rows().selection(),
            Some((filter, passed)) => {
                filter.eval_filter(&epoch.eval, block, passed)?;
                Some(passed.view())
            }
        };
        let block = block.select(selection);
        let mut args: heapless::Vec<ColumnRef<'_>, ARGS_MAX> = heapless::Vec::new();
        for arg in &mut self.args {
            let column = arg.eval(&epoch.eval, &block)?;
            args.push(column).unwrap_or_else(|_| panic!("aggregates take at most {ARGS_MAX} arguments"));
        }
        self.groups.update(&args, groups, &Rows::new(block.len(), selection))
    }
}

/// The most arguments an aggregate call may have; the binder of `count(a, b, ...)` refuses more.
const ARGS_MAX: usize = 16;
