//! Groups → rows: which groups come out in this epoch, panes merged into windows, results written column by column.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    groups::{Event, GroupState, ONLY_PANE},
    stacks::{Merged, Stacks},
};
use crate::{
    block::{Block, Column},
    error::Result,
    exec::operator::{Epoch, Output},
    plan::OutputMode,
    schema::Schema,
    window::Panes,
};

/// Writes result rows into a block and pushes it on when it is full.
#[derive(Debug)]
pub(super) struct Emitter {
    // Properties.
    at: KeysAt,
    block_rows: usize,
    // State: panes merged so far.
    stacks: Stacks,
    // Scratch.
    made: Block,
    some: Merged,
}

impl Emitter {
    /// `window` is the output column of the window, if there is one among the first `key_count` columns.
    pub(super) fn new(schema: &Schema, window: Option<usize>, key_count: usize, block_rows: usize) -> Self {
        Self {
            at: KeysAt { window, key_count },
            block_rows,
            stacks: Stacks::default(),
            made: Block::new(schema),
            some: Merged::default(),
        }
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.stacks.save(out);
    }

    pub(super) fn load(&mut self, state: &GroupState, bytes: &mut &[u8]) -> Result<()> {
        self.stacks.load(state, bytes)
    }

    /// Emits what this epoch hands out.
    pub(super) fn emit(&mut self, state: &GroupState, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        if epoch.mode != Some(OutputMode::Append) || state.changed_from < self.stacks.end() {
            self.stacks.invalidate();
        }
        match &state.event {
            Event::Window { panes, has_watermark } => self.emit_windows(state, *panes, *has_watermark, epoch, out)?,
            _ => self.emit_keys(state, epoch, out)?,
        }
        self.flush(out)
    }

    fn emit_keys(&mut self, state: &GroupState, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let pane = state.groups.pane(ONLY_PANE);
        let (keys, groups): (Vec<u32>, Vec<u32>) = match (epoch.mode, &state.event) {
            (None | Some(OutputMode::Complete), _) => {
                let Some(pane) = pane else { return Ok(()) };
                return self.rows(state, None, pane.keys(), pane.groups(), out);
            }
            (Some(OutputMode::Update), _) => state.touched.groups.iter().map(|&(_, key, group)| (key, group)).unzip(),
            (Some(OutputMode::Append), Event::Column { closing, .. }) => {
                let closed = closing.range(..=epoch.lateness.evict_us).flat_map(|(_, keys)| keys);
                closed.filter_map(|&key| Some((key, pane?.get(key)))).unzip()
            }
            (Some(OutputMode::Append), _) => return Ok(()),
        };
        self.rows(state, None, &keys, &groups, out)
    }

    fn emit_windows(
        &mut self,
        state: &GroupState,
        panes: Panes,
        has_watermark: bool,
        epoch: &Epoch,
        out: &mut dyn Output,
    ) -> Result<()> {
        let end = |window: i64| window.saturating_add(panes.size_us());
        let late_us = if has_watermark { epoch.lateness.late_us } else { i64::MIN };
        match epoch.mode {
            Some(OutputMode::Update) => {
                let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
                for &(pane, key, _) in &state.touched.groups {
                    for window in panes.windows_of(pane).take_while(|&w| end(w) > late_us) {
                        windows.entry(window).or_default().push(key);
                    }
                }
                for (window, mut keys) in windows {
                    keys.sort_unstable();
                    keys.dedup();
                    self.window_of_keys(state, panes, window, &keys, out)?;
                }
                Ok(())
            }
            // What ended at or before `late_us` was emitted in an earlier epoch.
            Some(OutputMode::Append) => self.emit_ended(state, panes, late_us, epoch.lateness.evict_us, out),
            None | Some(OutputMode::Complete) => self.emit_ended(state, panes, i64::MIN, i64::MAX, out),
        }
    }

    /// Emits the windows that end after `after` and not after `until`, in order.
    fn emit_ended(
        &mut self,
        state: &GroupState,
        panes: Panes,
        after: i64,
        until: i64,
        out: &mut dyn Output,
    ) -> Result<()> {
        let mut window = panes.first_window_after(after.saturating_sub(panes.size_us()));
        // From pane to pane that there is: between two of them may lie years.
        while let Some((start, pane)) = state.groups.first_pane_from(window) {
            window = window.max(panes.first_window(start));
            if window.saturating_add(panes.size_us()) > until {
                break;
            }
            match panes.is_tumbling() {
                true => self.rows(state, Some((window, panes)), pane.keys(), pane.groups(), out)?,
                false => self.merged_window(state, panes, window, None, out)?,
            }
            let next = window.saturating_add(panes.slide_us());
            if next == window {
                break;
            }
            window = next;
        }
        Ok(())
    }

    fn window_of_keys(
        &mut self,
        state: &GroupState,
        panes: Panes,
        window: i64,
        keys: &[u32],
        out: &mut dyn Output,
    ) -> Result<()> {
        let Some(pane) = state.groups.pane(window).filter(|_| panes.is_tumbling()) else {
            return self.merged_window(state, panes, window, Some(keys), out);
        };
        let groups: Vec<u32> = keys.iter().map(|&key| pane.get(key)).collect();
        self.rows(state, Some((window, panes)), keys, &groups, out)
    }

    /// Rows of a sliding window, of all keys or of these (sorted) ones.
    fn merged_window(
        &mut self,
        state: &GroupState,
        panes: Panes,
        window: i64,
        only: Option<&[u32]>,
        out: &mut dyn Output,
    ) -> Result<()> {
        let Some(only) = only else { return self.whole_window(state, panes, window, out) };
        let mut some = core::mem::take(&mut self.some);
        some.clear();
        panes.panes_of(window).try_for_each(|pane| some.add_pane(state, pane, Some(only)))?;
        let (keys, places) = some.entries();
        for (keys, places) in keys.chunks(self.block_rows).zip(places.chunks(self.block_rows)) {
            self.write_keys(state, Some((window, panes)), keys)?;
            let results = &mut self.made.columns_mut()[self.at.key_count..];
            state.accumulators.emit_from(&some.accumulators, places, results)?;
            self.rows_written(keys.len(), out)?;
        }
        self.some = some;
        Ok(())
    }

    fn whole_window(&mut self, state: &GroupState, panes: Panes, window: i64, out: &mut dyn Output) -> Result<()> {
        self.stacks.window(state, panes, window)?;
        let count = self.stacks.entries().0.len();
        for from in (0..count).step_by(self.block_rows) {
            let chunk = from..count.min(from + self.block_rows);
            let Self { at, stacks, made, .. } = &mut *self;
            let (keys, places) = stacks.entries();
            at.write(made, state, Some((window, panes)), &keys[chunk.clone()])?;
            let results = &mut made.columns_mut()[at.key_count..];
            stacks.emit(&state.accumulators, &places[chunk.clone()], results)?;
            self.rows_written(chunk.len(), out)?;
        }
        Ok(())
    }

    /// Rows of groups whose accumulators are complete as they are.
    fn rows(
        &mut self,
        state: &GroupState,
        window: Option<(i64, Panes)>,
        keys: &[u32],
        groups: &[u32],
        out: &mut dyn Output,
    ) -> Result<()> {
        for (chunk_keys, chunk) in keys.chunks(self.block_rows).zip(groups.chunks(self.block_rows)) {
            self.write_keys(state, window, chunk_keys)?;
            state.accumulators.emit(chunk, &mut self.made.columns_mut()[self.at.key_count..])?;
            self.rows_written(chunk.len(), out)?;
        }
        Ok(())
    }

    fn write_keys(&mut self, state: &GroupState, window: Option<(i64, Panes)>, keys: &[u32]) -> Result<()> {
        self.at.write(&mut self.made, state, window, keys)
    }

    fn rows_written(&mut self, count: usize, out: &mut dyn Output) -> Result<()> {
        self.made.set_len(self.made.len() + count);
        if self.made.len() >= self.block_rows { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut dyn Output) -> Result<()> {
        if self.made.is_empty() {
            return Ok(());
        }
        out.push(&self.made.view())?;
        self.made.clear();
        Ok(())
    }
}

/// Where in a block keys and windows go.
#[derive(Clone, Copy, Debug)]
struct KeysAt {
    window: Option<usize>,
    key_count: usize,
}

impl KeysAt {
    fn write(self, made: &mut Block, state: &GroupState, window: Option<(i64, Panes)>, keys: &[u32]) -> Result<()> {
        let columns = &mut made.columns_mut()[..self.key_count];
        let (before, rest) = columns.split_at_mut(self.window.unwrap_or(0).min(self.key_count));
        match (window, self.window) {
            (Some((start, panes)), Some(_)) => {
                let (window, after) = rest.split_at_mut(1);
                let end = start.saturating_add(panes.size_us());
                window[0].push_structs(keys.len(), |bounds| {
                    bounds[0].push_repeated(start, keys.len());
                    bounds[1].push_repeated(end, keys.len());
                });
                state.keys.emit(keys, [before, after])
            }
            _ => state.keys.emit(keys, [before, rest]),
        }
    }
}

/// Appends a window to a `STRUCT<start, end>` column.
pub(super) fn push_window(column: &mut Column, start: i64, end: i64) {
    column.push_struct(|bounds| {
        bounds[0].push(start);
        bounds[1].push(end);
    });
}
