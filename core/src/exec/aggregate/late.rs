//! Rows that came too late. Spark counts them after its partial aggregation: several late rows of one group in one
//! epoch are one dropped row.

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{block::ColumnRef, exec::operator::StateMetrics, state::encode_row, window::Panes};

/// The distinct late groups of an epoch, and the rows that no group took.
#[derive(Debug, Default)]
pub(super) struct LateGroups {
    seen: BTreeSet<Vec<u8>>,
    /// Rows of which every window is late.
    rows: u64,
    /// Rows whose event time is NULL, which are in no window.
    untimed: u64,
}

impl LateGroups {
    /// Counts a row that no group takes, because it is late for this one, its last.
    pub(super) fn add_row(&mut self, event: &[i64], keys: &[ColumnRef<'_>], row: usize) {
        self.rows += 1;
        self.add(event, keys, row);
    }

    /// Counts rows without an event time.
    pub(super) fn add_untimed(&mut self, rows: u64) {
        self.untimed += rows;
    }

    /// Counts a late row of the group with this event time (a window's start, say) and these keys.
    fn add(&mut self, event: &[i64], keys: &[ColumnRef<'_>], row: usize) {
        let mut group = Vec::new();
        event.iter().for_each(|e| group.extend_from_slice(&e.to_le_bytes()));
        encode_row(keys, row, &mut group);
        self.seen.insert(group);
    }

    /// Counts the windows of a row that are late (end at or before `late_us`); false if all of them are.
    #[inline]
    pub(super) fn check_windows(
        &mut self,
        panes: Panes,
        late_us: Option<i64>,
        keys: &[ColumnRef<'_>],
        row: usize,
        ts: i64,
    ) -> bool {
        let Some(late_us) = late_us else { return true };
        let end = |window: i64| window.saturating_add(panes.size_us());
        let pane = panes.pane_of(ts);
        if panes.first_end(pane) > late_us {
            return true;
        }
        panes.windows_of(pane).filter(|&w| end(w) <= late_us).for_each(|w| self.add(&[w], keys, row));
        let is_live = panes.pane_expiry(pane) > late_us;
        self.rows += u64::from(!is_live);
        is_live
    }

    /// Takes in what another worker saw.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        self.seen.append(&mut other.seen);
        self.rows += core::mem::take(&mut other.rows);
        self.untimed += core::mem::take(&mut other.untimed);
    }

    /// Puts the counts of the epoch, which ends, into its metrics.
    pub(super) fn report(&mut self, metrics: &mut StateMetrics) {
        metrics.rows_dropped_by_watermark = core::mem::take(&mut self.seen).len() as u64;
        metrics.rows_late = core::mem::take(&mut self.rows);
        metrics.rows_untimed = core::mem::take(&mut self.untimed);
    }
}
