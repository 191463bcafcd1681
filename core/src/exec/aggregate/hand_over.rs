//! Between workers: groups that one worker has gathered become another's, pane by pane, column by column.
//!
//! A worker keeps its groups from epoch to epoch and hands over only those that an epoch hands out: in append mode
//! panes of which a window has closed, otherwise everything. Lateness needs no hand-over: every worker judges its rows
//! by the watermark of the epoch, as one thread would. Aggregates whose answer depends on the order of rows are handed
//! over every epoch, so that rows of an earlier epoch stay before those of a later one.

use alloc::vec::Vec;

use super::groups::{Event, GroupState, ONLY_PANE, Touched};
use crate::{
    block::Rows,
    error::Result,
    exec::operator::Epoch,
    plan::OutputMode,
    state::{Groups, NO_GROUP},
};

/// What a worker remembers of handing over.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// By its key ids: the ids that the taker had for these keys.
    known: Vec<u32>,
    /// Panes that the taker has and that are still here.
    pub(super) panes: Vec<i64>,
    // Scratch, one entry a group.
    keys: Vec<u32>,
    groups: Vec<u32>,
}

impl GroupState {
    /// Takes over the groups of another worker that this epoch hands out; without an epoch, all.
    pub(super) fn absorb(&mut self, other: &mut Self, epoch: Option<&Epoch>) -> Result<()> {
        self.late.absorb(&mut other.late);
        self.room.absorb(&mut other.room);
        match epoch {
            Some(epoch) if epoch.mode == Some(OutputMode::Append) && self.accumulators.ignore_order() => {
                self.absorb_closing(other, epoch.lateness.evict_us)
            }
            None if matches!(self.event, Event::Window { has_watermark: true, .. }) => {
                self.absorb_closing(other, i64::MAX)
            }
            _ => self.absorb_all(other),
        }
    }

    fn absorb_closing(&mut self, other: &mut Self, evict_us: i64) -> Result<()> {
        match &other.event {
            &Event::Window { panes, has_watermark: true } => {
                other.forget_handed();
                let starts = other.groups.panes().map(|(start, _)| start);
                let mut closing = core::mem::take(&mut other.handed.panes);
                closing.extend(starts.take_while(|&pane| panes.first_end(pane) <= evict_us));
                let taken = closing.iter().try_for_each(|&start| self.take_pane(other, start));
                other.handed.panes = closing;
                taken
            }
            Event::Column { closing, .. } if closing.keys().next().is_none_or(|ts| *ts > evict_us) => Ok(()),
            _ => self.absorb_all(other),
        }
    }

    /// A worker: drops the panes that were handed over. It does so itself, before its next row.
    pub(super) fn forget_handed(&mut self) {
        while let Some(start) = self.handed.panes.pop() {
            self.dropped.clear();
            self.groups.drop_pane(start, &mut self.keys, &mut self.dropped);
            self.accumulators.reset_dropped(&self.dropped);
        }
    }

    /// Leaves the other without groups and keys.
    fn absorb_all(&mut self, other: &mut Self) -> Result<()> {
        other.forget_handed();
        if other.groups.is_empty() {
            return Ok(());
        }
        let mut next = i64::MIN;
        while let Some(start) = other.first_pane_from(next) {
            self.take_pane(other, start)?;
            next = start.saturating_add(1);
            if next == start {
                break;
            }
        }
        self.touched.absorb(&mut other.touched, &other.handed.known, &self.groups);
        let all = (0..other.groups.group_bound() as u32).collect::<Vec<_>>();
        other.accumulators.reset(&all);
        if let Event::Column { closing, .. } = &mut other.event {
            closing.clear();
        }
        other.groups.clear();
        other.keys.clear();
        Ok(())
    }

    fn first_pane_from(&self, start: i64) -> Option<i64> {
        self.groups.first_pane_from(start).map(|(start, _)| start)
    }

    /// Adds a pane of the other's, which still has it afterwards.
    fn take_pane(&mut self, other: &mut Self, start: i64) -> Result<()> {
        let Some(pane) = other.groups.pane(start) else { return Ok(()) };
        let Handed { known, keys, groups, .. } = &mut other.handed;
        self.keys.adopt(&other.keys, pane.keys(), known)?;
        keys.clear();
        keys.extend(pane.keys().iter().map(|&key| known[key as usize]));
        if let (Event::Column { closing, .. }, Event::Column { closing: theirs, .. }) = (&mut self.event, &other.event)
        {
            let mine = self.groups.pane(ONLY_PANE);
            for (&ts, keys) in theirs {
                let keys = keys.iter().map(|&key| known[key as usize]);
                let new = keys.filter(|&key| mine.is_none_or(|pane| pane.get(key) == NO_GROUP));
                closing.entry(ts).or_default().extend(new);
            }
        }
        groups.resize(keys.len(), 0);
        self.groups.assign_pane(start, (keys, self.keys.id_bound()), &Rows::new(keys.len(), None), groups);
        self.accumulators.grow(self.groups.group_bound());
        self.accumulators.merge(&other.accumulators, pane.groups(), groups)?;
        self.changed_from = self.changed_from.min(start);
        Ok(())
    }
}

impl Touched {
    /// Another worker's touched groups, under the taker's ids.
    fn absorb(&mut self, other: &mut Self, known: &[u32], groups: &Groups) {
        self.grow(groups.group_bound());
        for &(pane, key, _) in &other.groups {
            let key = known[key as usize];
            let group = groups.pane(pane).map_or(NO_GROUP, |pane| pane.get(key));
            self.add(pane, key, group);
        }
        other.clear();
    }
}
