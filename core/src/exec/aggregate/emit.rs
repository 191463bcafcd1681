//! Groups → rows: which groups come out in this epoch, panes merged into windows, results written column by column.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::groups::{Event, GroupState, ONLY_PANE};
use crate::{
    agg::Aggregate,
    block::{Block, Column},
    error::Result,
    exec::operator::{Epoch, Output},
    plan::OutputMode,
    schema::Schema,
    window::Panes,
};

const NOT_MERGED: u32 = u32::MAX;

/// Writes result rows into a block and pushes it on when it is full.
#[derive(Debug)]
pub(super) struct Emitter {
    // Properties.
    window: Option<usize>,
    key_count: usize,
    block_rows: usize,
    // Scratch.
    made: Block,
    key_columns: Vec<Column>,
    merged: Vec<Box<dyn Aggregate>>,
    merged_keys: Vec<u32>,
    merged_by_key: Vec<u32>,
}

impl Emitter {
    /// `window` is the output column of the window, if there is one among the first `key_count` columns.
    pub(super) fn new(schema: &Schema, window: Option<usize>, key_count: usize, block_rows: usize) -> Self {
        let keys = (0..key_count).filter(|&g| Some(g) != window);
        Self {
            window,
            key_count,
            block_rows,
            made: Block::new(schema),
            key_columns: keys.map(|g| Column::new(schema.field(g).data_type.clone())).collect(),
            merged: Vec::new(),
            merged_keys: Vec::new(),
            merged_by_key: Vec::new(),
        }
    }

    /// Emits what this epoch hands out.
    pub(super) fn emit(&mut self, state: &GroupState, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        match &state.event {
            Event::Window { panes, has_watermark } => self.emit_windows(state, *panes, *has_watermark, epoch, out)?,
            _ => self.emit_keys(state, epoch, out)?,
        }
        self.flush(out)
    }

    fn emit_keys(&mut self, state: &GroupState, epoch: &Epoch, out: &mut dyn Output) -> Result<()> {
        let pane = state.groups.pane(ONLY_PANE);
        let members = pane.map_or(&[][..], |pane| pane.members());
        let (keys, groups): (Vec<u32>, Vec<u32>) = match (epoch.mode, &state.event) {
            (None | Some(OutputMode::Complete), _) => members.iter().copied().unzip(),
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
            Some(OutputMode::Append) => {
                let open = late_us..=epoch.lateness.evict_us;
                let closes = |w: i64| end(w) > *open.start() && end(w) <= *open.end();
                self.emit_all_windows(state, panes, closes, out)
            }
            None | Some(OutputMode::Complete) => self.emit_all_windows(state, panes, |_| true, out),
        }
    }

    fn emit_all_windows(
        &mut self,
        state: &GroupState,
        panes: Panes,
        wanted: impl Fn(i64) -> bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        let with_groups = state.groups.panes().filter(|(_, pane)| !pane.members().is_empty());
        if panes.is_tumbling() {
            for (start, pane) in with_groups.filter(|&(start, _)| wanted(start)) {
                let (keys, groups): (Vec<u32>, Vec<u32>) = pane.members().iter().copied().unzip();
                self.rows(state, Some((start, panes)), &keys, &groups, out)?;
            }
            return Ok(());
        }
        let windows: BTreeSet<i64> =
            with_groups.flat_map(|(start, _)| panes.windows_of(start)).filter(|&w| wanted(w)).collect();
        windows.into_iter().try_for_each(|window| self.merged_window(state, panes, window, None, out))
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

    /// Merges the panes of a sliding window, for all keys or for these (sorted) ones.
    fn merged_window(
        &mut self,
        state: &GroupState,
        panes: Panes,
        window: i64,
        only: Option<&[u32]>,
        out: &mut dyn Output,
    ) -> Result<()> {
        if self.merged.is_empty() {
            self.merged = state.accumulators.make_empty();
        }
        self.merged_by_key.resize(state.keys.id_bound(), NOT_MERGED);
        self.merged_keys.clear();
        for pane in panes.panes_of(window).filter_map(|start| state.groups.pane(start)) {
            let (mut from, mut to) = (Vec::new(), Vec::new());
            for &(key, group) in pane.members() {
                if only.is_some_and(|keys| keys.binary_search(&key).is_err()) {
                    continue;
                }
                let slot = &mut self.merged_by_key[key as usize];
                if *slot == NOT_MERGED {
                    *slot = self.merged_keys.len() as u32;
                    self.merged_keys.push(key);
                }
                from.push(group);
                to.push(*slot);
            }
            self.merged.iter_mut().for_each(|m| m.grow(self.merged_keys.len()));
            state.accumulators.merge_into(&mut self.merged, &from, &to)?;
        }
        let keys = core::mem::take(&mut self.merged_keys);
        keys.iter().for_each(|&key| self.merged_by_key[key as usize] = NOT_MERGED);
        let groups: Vec<u32> = (0..keys.len() as u32).collect();
        for (chunk_keys, chunk) in keys.chunks(self.block_rows).zip(groups.chunks(self.block_rows)) {
            self.write_keys(state, Some((window, panes)), chunk_keys)?;
            let results = &mut self.made.columns_mut()[self.key_count..];
            state.accumulators.emit_from(&self.merged, chunk, results)?;
            self.rows_written(chunk.len(), out)?;
        }
        self.merged.iter_mut().for_each(|m| m.reset(&groups));
        self.merged_keys = keys;
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
            state.accumulators.emit(chunk, &mut self.made.columns_mut()[self.key_count..])?;
            self.rows_written(chunk.len(), out)?;
        }
        Ok(())
    }

    fn write_keys(&mut self, state: &GroupState, window: Option<(i64, Panes)>, keys: &[u32]) -> Result<()> {
        self.key_columns.iter_mut().for_each(Column::clear);
        state.keys.emit(keys.iter().copied(), &mut self.key_columns)?;
        let mut key_columns = self.key_columns.iter();
        for (g, column) in self.made.columns_mut()[..self.key_count].iter_mut().enumerate() {
            if let (Some((start, panes)), true) = (window, self.window == Some(g)) {
                keys.iter().for_each(|_| push_window(column, start, start.saturating_add(panes.size_us())));
            } else if let Some(source) = key_columns.next() {
                (0..keys.len()).for_each(|row| column.push_from(&source.view(), row));
            }
        }
        Ok(())
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

/// Appends a window to a `STRUCT<start, end>` column.
pub(super) fn push_window(column: &mut Column, start: i64, end: i64) {
    column.push_struct(|bounds| {
        bounds[0].push(start);
        bounds[1].push(end);
    });
}
