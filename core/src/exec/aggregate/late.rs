//! Rows that came too late. Spark counts them after its partial aggregation: several late rows of one group in one
//! epoch are one dropped row.

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{block::ColumnRef, state::encode_row, window::Panes};

/// The distinct late groups of an epoch.
#[derive(Debug, Default)]
pub(super) struct LateGroups {
    seen: BTreeSet<Vec<u8>>,
}

impl LateGroups {
    /// Counts a late row of the group with this event time (a window's start, say) and these keys.
    pub(super) fn add(&mut self, event: &[i64], keys: &[ColumnRef<'_>], row: usize) {
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
        panes.pane_expiry(pane) > late_us
    }

    /// Takes in what another worker saw.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        self.seen.append(&mut other.seen);
    }

    /// The count of the epoch, which ends.
    pub(super) fn take(&mut self) -> u64 {
        core::mem::take(&mut self.seen).len() as u64
    }
}
