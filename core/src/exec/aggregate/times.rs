//! Questions about the event times of a block's rows.

use crate::{
    block::{Bitmap, BlockRef, ColumnRef, Rows, Values},
    exec::operators::event_time,
    simd,
    window::Panes,
};

/// Pairs of rows by which a block is judged, and rows of a run that are worth looking for its end.
const RUNS_PROBED: usize = 64;
const RUN_ROWS_MIN: usize = 8;

/// Whether rows that follow each other mostly fall into one pane, to judge by some of them.
pub(super) fn are_runs(times: &[i64], panes: Panes) -> bool {
    let step = (times.len() / RUNS_PROBED).max(1);
    let pairs = || times.windows(2).step_by(step);
    let changes = pairs().filter(|pair| panes.pane_of(pair[0]) != panes.pane_of(pair[1])).count();
    changes * RUN_ROWS_MIN <= pairs().len()
}

/// Whether all event times of a column, a time or a window, lie after `late_us`; false if that is not easily told.
pub(super) fn are_after(column: &ColumnRef<'_>, len: usize, late_us: i64) -> bool {
    if column.validity.is_some() || len == 0 {
        return false;
    }
    if column.is_constant {
        return event_time(column, 0).is_some_and(|ts| ts > late_us);
    }
    match column.values {
        Values::Int64(ts) => simd::times(&ts[..len]).min > late_us,
        Values::Struct([_, end]) => are_after(&end.view(), len, late_us),
        _ => false,
    }
}

/// Sets the bit of each counting row that has an event time and that `is_live` keeps; gives the number of those that
/// have none.
pub(super) fn keep_live(
    block: &BlockRef<'_>,
    times: &ColumnRef<'_>,
    live: &mut Bitmap,
    mut is_live: impl FnMut(usize, i64) -> bool,
) -> u64 {
    let mut untimed = 0;
    live.clear();
    live.resize(block.len(), false);
    let ts = times.as_slice::<i64>();
    block.rows().for_each(|row| {
        let is_timed = times.is_valid(row);
        untimed += u64::from(!is_timed);
        if is_timed && is_live(row, ts[times.index(row)]) {
            live.set(row, true);
        }
    });
    untimed
}

/// As [`time_range`]; wider, if that makes no difference to the pane.
pub(super) fn pane_range(rows: &Rows<'_>, times: &ColumnRef<'_>, panes: Panes) -> Option<(i64, i64)> {
    if rows.selection().is_some() && times.validity.is_none() && !times.is_constant {
        let all = time_range(&Rows::new(rows.len(), None), times);
        if all.is_some_and(|(low, high)| panes.pane_of(low) == panes.pane_of(high)) {
            return all.filter(|_| rows.count() > 0);
        }
    }
    time_range(rows, times)
}

/// The lowest and the highest event time of the counting rows that have one; `None` without such rows.
pub(super) fn time_range(rows: &Rows<'_>, times: &ColumnRef<'_>) -> Option<(i64, i64)> {
    let ts = times.as_slice::<i64>();
    if times.validity.is_none() && !times.is_constant {
        if rows.count() == 0 {
            return None;
        }
        let ts = &ts[..rows.len()];
        let times = rows.selection().map_or_else(|| simd::times(ts), |bits| simd::times_of(ts, bits.words()));
        return Some((times.min, times.max));
    }
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    rows.for_each(|row| {
        if times.is_valid(row) {
            let t = ts[times.index(row)];
            low = low.min(t);
            high = high.max(t);
        }
    });
    (low <= high).then_some((low, high))
}
