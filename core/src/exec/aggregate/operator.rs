//! The operator for GROUP BY with or without a time window: evaluates event times and keys, and lets `groups` and
//! `emit` do the rest.

use alloc::vec::Vec;
use core::any::Any;

use super::{emit::Emitter, groups::GroupState};
use crate::{
    block::BlockRef,
    error::Result,
    exec::{
        operator::{Epoch, Operator, Output, StateMetrics},
        operators::evaluate,
    },
    expr::Evaluator,
    plan::{Aggregate, EventKey, LogicalPlan},
};

#[derive(Debug)]
pub(in crate::exec) struct AggregateOperator {
    /// The event time, if rows go to panes.
    time: Option<Evaluator>,
    keys: Vec<Evaluator>,
    state: GroupState,
    emitter: Emitter,
}

impl AggregateOperator {
    pub(in crate::exec) fn new(aggregate: &Aggregate, block_rows: usize) -> Self {
        let (time, window) = match aggregate.event_key() {
            EventKey::Window { position, window } => (Some(Evaluator::new(&window.time)), Some(position)),
            _ => (None, None),
        };
        let keys: Vec<_> =
            aggregate.group.iter().enumerate().filter(|(g, _)| Some(*g) != window).map(|(_, e)| e).collect();
        Self {
            time,
            keys: keys.iter().map(|e| Evaluator::new(e)).collect(),
            state: GroupState::new(aggregate, keys.iter().map(|e| e.data_type.clone()).collect()),
            emitter: Emitter::new(&aggregate.schema, window, aggregate.group.len(), block_rows),
        }
    }
}

impl Operator for AggregateOperator {
    fn process(&mut self, _port: usize, block: &BlockRef<'_>, epoch: &Epoch, _: &mut dyn Output) -> Result<()> {
        let Self { time, keys, state, .. } = self;
        let Some(time) = time else {
            return state.update_keys(block, evaluate(keys, block, epoch)?.columns(), epoch);
        };
        let bounds = time.as_column().and_then(|index| block.time_bounds(index));
        if let Some(pane) = bounds.and_then(|bounds| state.only_pane(bounds, block.len(), epoch)) {
            return state.update_pane(block, pane, evaluate(keys, block, epoch)?.columns(), epoch);
        }
        let times = time.eval(&epoch.eval, block)?;
        state.update_panes(block, &times, evaluate(keys, block, epoch)?.columns(), epoch)
    }

    fn finish(&mut self, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if self.time.is_none() && self.keys.is_empty() {
            self.state.make_global_group()?;
        }
        self.emitter.emit(&self.state, epoch, out)?;
        self.state.finish_epoch(epoch);
        Ok(())
    }

    fn state_metrics(&self) -> Option<StateMetrics> {
        Some(self.state.metrics())
    }

    fn group_count(&self) -> Option<usize> {
        Some(self.state.groups.len())
    }

    fn limit_groups(&mut self, most: usize) {
        self.state.room.limit(most);
    }

    fn absorb(&mut self, other: &mut dyn Operator, epoch: Option<&Epoch>) -> Result<()> {
        match other.as_any_mut().downcast_mut::<Self>() {
            Some(other) => self.state.absorb(&mut other.state, epoch),
            None => panic!("workers run the same operators"),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.state.save(out);
        self.emitter.save(out);
    }

    fn load(&mut self, bytes: &mut &[u8]) -> Result<()> {
        self.state.load(bytes)?;
        self.emitter.load(&self.state, bytes)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The input of an aggregation's operator: an aggregation by a window takes the rows below the Window node.
pub(in crate::exec) fn input_of(aggregate: &Aggregate) -> &LogicalPlan {
    match (aggregate.event_key(), &*aggregate.input) {
        (EventKey::Window { .. }, LogicalPlan::Window { input, .. })
        | (EventKey::Session { .. }, LogicalPlan::Session { input, .. }) => input,
        (_, input) => input,
    }
}
