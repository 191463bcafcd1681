//! Groups that an aggregation may have. Where there are to be no more, rows of groups that are there go on, and rows of
//! others are dropped and counted until groups close.

use hashbrown::HashSet;

use super::groups::GroupState;
use crate::{
    block::{Bitmap, ColumnRef, Rows},
    error::Result,
    exec::operator::StateMetrics,
    state::NO_GROUP,
};

/// How many groups there may be, and the rows that this has cost.
#[derive(Debug)]
pub(super) struct Room {
    groups_max: usize,
    /// Rows of the epoch.
    rows_dropped: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { groups_max: usize::MAX, rows_dropped: 0 }
    }
}

impl Room {
    /// One group there always may be: without it there would never be a result again.
    pub(super) fn limit(&mut self, groups: usize) {
        self.groups_max = groups.max(1);
    }

    pub(super) fn is_limited(&self) -> bool {
        self.groups_max != usize::MAX
    }

    /// How many groups more there may be.
    pub(super) fn left(&self, groups: usize) -> usize {
        self.groups_max.saturating_sub(groups)
    }

    /// Counts a row that no group takes.
    pub(super) fn drop_row(&mut self) {
        self.rows_dropped += 1;
    }

    /// Takes in what another worker saw.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        self.rows_dropped += core::mem::take(&mut other.rows_dropped);
    }

    /// Puts the count of the epoch, which ends, into its metrics.
    pub(super) fn report(&mut self, metrics: &mut StateMetrics) {
        metrics.rows_without_room = core::mem::take(&mut self.rows_dropped);
    }
}

impl GroupState {
    /// Whether there is room even if each of so many rows brings a group.
    pub(super) fn has_room_for(&self, rows: usize) -> bool {
        self.room.left(self.groups.len()) >= rows
    }

    /// Sets the bit of each counting row whose group is there, or will be because there is room for it; counts the
    /// others.
    #[cold]
    pub(super) fn keep_fitting(
        &mut self,
        rows: &Rows<'_>,
        keys: &[ColumnRef<'_>],
        pane_at: impl Fn(usize) -> i64,
        kept: &mut Bitmap,
    ) -> Result<()> {
        kept.clear();
        kept.resize(rows.len(), false);
        let left = self.room.left(self.groups.len());
        let mut new = HashSet::new();
        rows.try_for_each(|row| {
            let pane = pane_at(row);
            let known = self.keys.find_at(keys, row);
            let is_there = |&key: &u32| {
                new.contains(&(pane, key)) || self.groups.pane(pane).is_some_and(|pane| pane.get(key) != NO_GROUP)
            };
            if known.as_ref().is_some_and(is_there) {
                kept.set(row, true);
            } else if new.len() < left {
                new.insert((pane, self.keys.id_at(keys, row)?));
                kept.set(row, true);
            } else {
                self.room.drop_row();
            }
            Ok(())
        })
    }
}
