//! Panes that were dropped, kept for the next ones: with their memory, and with the ids that they had to themselves.
//!
//! All ids of a run are its pane's or, without a pane, on the list of free ones.

use alloc::{boxed::Box, vec::Vec};

use super::{
    groups::GroupIds,
    panes::{Pane, Run},
};

/// Memory of dropped panes that is kept for new ones.
const UNUSED_BYTES_MAX: usize = 4 << 20;
/// Ids of all runs together: 2 MiB of sums.
const RUN_IDS_MAX: usize = 1 << 17;

/// Panes that were dropped: their memory is for the next ones, and so are their runs.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "panes move between here and the ring, and are not small")]
pub(super) struct Unused {
    plain: Vec<Box<Pane>>,
    with_run: Vec<Box<Pane>>,
    pub bytes: usize,
    /// All new runs are so wide.
    run_width: u32,
    /// Ids in runs, those of panes in use among them.
    run_ids: usize,
}

impl Unused {
    /// An empty pane, in the memory of one that was dropped if there is one.
    pub fn take(&mut self) -> Box<Pane> {
        let pane = self.plain.pop().unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(pane.memory_bytes());
        pane
    }

    /// As [`Unused::take`], a pane with a run if there may be another.
    pub fn take_with_run(&mut self, ids: &mut GroupIds) -> Box<Pane> {
        if let Some(pane) = self.with_run.pop() {
            self.bytes = self.bytes.saturating_sub(pane.memory_bytes());
            return pane;
        }
        let mut pane = self.take();
        if self.run_ids + self.run_width as usize <= RUN_IDS_MAX {
            self.run_ids += self.run_width as usize;
            pane.take_run(Run { first: ids.bound, width: self.run_width });
            ids.bound += self.run_width;
        }
        pane
    }

    /// Runs have room for so many keys from now on.
    pub fn widen_runs(&mut self, keys: usize, ids: &mut GroupIds) {
        if keys > self.run_width as usize {
            self.run_width = keys.next_power_of_two() as u32;
            for pane in core::mem::take(&mut self.with_run) {
                self.bytes = self.bytes.saturating_sub(pane.memory_bytes());
                self.put_plain(pane, ids);
            }
        }
    }

    /// Takes back a pane that was dropped.
    pub fn put(&mut self, mut pane: Box<Pane>, ids: &mut GroupIds) {
        let (width, is_outgrown) = (pane.run.width, pane.has_others);
        if width == 0 {
            ids.free.extend_from_slice(pane.groups());
        } else if is_outgrown {
            let others = pane.keys().iter().zip(pane.groups()).filter(|(key, _)| **key >= width);
            ids.free.extend(others.map(|(_, group)| group));
        }
        pane.clear();
        let bytes = pane.memory_bytes();
        if width == 0 || width < self.run_width || is_outgrown || self.bytes + bytes > UNUSED_BYTES_MAX {
            return self.put_plain(pane, ids);
        }
        self.bytes += bytes;
        self.with_run.push(pane);
    }

    /// Takes back an empty pane without its run.
    fn put_plain(&mut self, mut pane: Box<Pane>, ids: &mut GroupIds) {
        let Run { first, width } = pane.run;
        pane.clear_all();
        self.run_ids -= width as usize;
        ids.free.extend(first..first + width);
        let bytes = pane.memory_bytes();
        if self.bytes + bytes <= UNUSED_BYTES_MAX {
            self.bytes += bytes;
            self.plain.push(pane);
        }
    }
}
