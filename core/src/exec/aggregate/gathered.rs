//! Sliding windows of few keys, gathered until they are worth handing out: what such a window costs is not its rows.
//!
//! ```text
//!   front   window 0: key 0, key 1 | window 1: key 0, key 1 | ...
//!   back    the same, to be added when results are written
//! ```
//! Keys have the same ids in all of them: windows of one epoch, in which no key comes or goes.

use alloc::vec::Vec;

use super::{
    accumulators::Accumulators,
    groups::GroupState,
    stacks::{Merged, Stacks},
};
use crate::{
    block::{Bitmap, Column, Rows},
    error::Result,
    window::Panes,
};

/// Windows of more keys are handed out one by one: to copy their accumulators would cost more than it saves.
pub(super) const GATHERED_KEYS_MAX: usize = 32;
/// Rows that are gathered, at most: their accumulators stay in the first cache.
const GATHERED_ROWS_MAX: usize = 1024;

/// The windows, and what was merged for them.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Start and end.
    windows: Vec<(i64, i64)>,
    ids: usize,
    front: Merged,
    back: Merged,
    // Scratch: the key id of each row.
    keys: Vec<u32>,
}

impl Gathered {
    /// True if there is no window.
    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// True if there is no room for another window.
    pub(super) fn is_full(&self) -> bool {
        (self.windows.len() + 1) * self.ids > GATHERED_ROWS_MAX
    }

    /// Adds the window that the stacks stand at.
    pub(super) fn add(&mut self, state: &GroupState, (start, panes): (i64, Panes), stacks: &Stacks) -> Result<()> {
        let [front, back] = stacks.flat();
        self.ids = state.keys.id_bound();
        self.windows.push((start, start.saturating_add(panes.size_us())));
        self.front.append(state, front, GATHERED_ROWS_MAX)?;
        self.back.append(state, back, GATHERED_ROWS_MAX)
    }

    /// Writes one column a call, and marks the rows that count.
    pub(super) fn emit_results(&self, calls: &Accumulators, marks: &mut Bitmap, columns: &mut [Column]) -> Result<()> {
        Merged::emit_pair([&self.front, &self.back], calls, marks, columns)
    }

    /// Writes the keys' columns, that of the window among them.
    pub(super) fn emit_keys(&mut self, state: &GroupState, window: Option<usize>, columns: &mut [Column]) {
        let Self { windows, ids, keys, .. } = self;
        keys.clear();
        windows.iter().for_each(|_| keys.extend(0..*ids as u32));
        let rows = Rows::new(keys.len(), None);
        let mut known = state.keys.columns().unwrap_or_default().iter();
        for (i, column) in columns.iter_mut().enumerate() {
            if window == Some(i) {
                column.push_structs(rows.len(), |bounds| {
                    let [starts, ends] = bounds else { return };
                    let starts = starts.push_dirty(rows.len()).chunks_mut(*ids);
                    let ends = ends.push_dirty(rows.len()).chunks_mut(*ids);
                    for ((start, end), window) in starts.zip(ends).zip(&*windows) {
                        start.fill(window.0);
                        end.fill(window.1);
                    }
                });
            } else if let Some(known) = known.next() {
                column.gather(&known.view(), keys, &rows);
            }
        }
    }

    /// Forgets the windows.
    pub(super) fn clear(&mut self) {
        self.windows.clear();
        self.front.clear();
        self.back.clear();
    }
}
